//! Many ports at the same time: which of them are open?
//!
//! A [`Course`] says which port is to be tested next and hears what was found. Everything else is
//! the sweep's: so many tests under way at once, what this machine runs out of meanwhile, and a
//! second loop on a second thread.

mod desk;
mod lane;
mod port;
mod probe;
mod request;
mod verdict;

use std::{
    io,
    net::SocketAddr,
    ops::ControlFlow,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use desk::Desk;
use lane::{Lane, Pace};

use super::{Address, Attempt, Error, Options, Phase, dial::interleave, wait};
use crate::{
    event::{Deadline, Reactor, Waker},
    outcome::PortState,
};

/// How the ports are tested.
#[derive(Clone, Debug)]
pub(crate) struct Sweep<'a> {
    /// What is done to each.
    pub by: By,
    /// Local addresses to bind, at most one a family is used; empty leaves the choice to the kernel.
    pub sources: &'a [SocketAddr],
    /// What each socket is set to.
    pub options: &'a Options,
    /// How many are tested at the same time at most.
    pub parallel: usize,
    /// Whether a second thread helps. The course must not say [`Next::Rest`] then.
    pub two: bool,
}

/// How one of them is tested.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By {
    /// A connection, which is closed at once.
    Connection {
        /// How long it may take; none means as long as the system lets it.
        timeout: Option<Duration>,
        /// How long it is waited for what the service says first.
        banner: Option<Duration>,
    },
    /// Datagrams.
    Datagrams {
        /// After so much silence nobody knows.
        silence: Duration,
    },
}

/// A port that is to be tested.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// What the course calls it.
    pub id: u64,
    /// The host's addresses, as [`reachable`] has them; their ports are not looked at.
    pub addresses: Arc<[SocketAddr]>,
    /// Its number.
    pub port: u16,
}

/// What is to be done next.
#[derive(Debug)]
pub(crate) enum Next {
    /// A port is to be tested.
    Ask(Ask),
    /// Nothing before this time.
    At(Instant),
    /// Nothing before something has been found, or the reactor's waker was called.
    Rest,
    /// Nothing any more.
    End,
}

/// Which ports are tested, and what becomes of what is found.
pub(crate) trait Course: Send {
    /// What is to be done next.
    fn next(&mut self, now: Instant) -> Next;
    /// What was found at ports, by what they were called. A break ends the sweep.
    fn found(&mut self, found: Vec<(u64, Found)>) -> ControlFlow<()>;
    /// When it wants to be told that nothing was found, if nothing is until then.
    fn impatient_at(&self) -> Option<Instant>;
}

/// What was found at a port.
#[derive(Debug)]
pub(crate) struct Found {
    /// The first address that is open decides, or what leaves the most doubt.
    pub state: PortState,
    /// The address that decides.
    pub address: Option<SocketAddr>,
    /// How long its answer took, if there was one.
    pub rtt: Option<Duration>,
    /// The addresses that are not open, in the order in which they are tried.
    pub misses: Vec<Miss>,
    /// What the service said first.
    pub banner: Vec<u8>,
}

/// An address that is not open.
#[derive(Debug)]
pub(crate) struct Miss {
    /// Its place among the addresses.
    place: usize,
    /// Which, and why.
    pub attempt: Attempt,
    /// What that means.
    pub state: PortState,
    /// How long the answer took, if there was one.
    pub rtt: Option<Duration>,
    /// It was ICMP that said it is prohibited.
    pub prohibited: bool,
}

impl Miss {
    fn address(&self) -> Option<SocketAddr> {
        match self.attempt.address {
            Address::Inet(address) => Some(address),
            Address::Unix(_) => None,
        }
    }
}

impl By {
    /// How long the answer may take.
    fn timeout(self) -> Option<Duration> {
        match self {
            Self::Connection { timeout, .. } => timeout,
            Self::Datagrams { silence } => Some(silence),
        }
    }

    /// After how long a request is sent again.
    fn again(self) -> Option<Duration> {
        match self {
            // The kernel does that.
            Self::Connection { .. } => None,
            Self::Datagrams { .. } => Some(AGAIN),
        }
    }

    /// How long a service may take to say something.
    fn banner(self) -> Option<Duration> {
        match self {
            Self::Connection { banner, .. } => banner,
            Self::Datagrams { .. } => None,
        }
    }
}

/// How long the next datagram is waited with: any of them may be lost, and so may its answer.
const AGAIN: Duration = Duration::from_secs(1);

/// Where nobody waits, it is looked for signals and limits as often.
const LOOK: Duration = Duration::from_millis(10);

/// Those addresses for which there is a local one, in the order in which they are tried: RFC 8305,
/// section 4.
pub(crate) fn reachable(
    addresses: &[SocketAddr],
    sources: &[SocketAddr],
) -> Result<Arc<[SocketAddr]>, Error> {
    let has_source = |to: &SocketAddr| {
        sources.is_empty() || sources.iter().any(|from| from.is_ipv4() == to.is_ipv4())
    };
    let order: Vec<SocketAddr> = interleave(addresses)
        .into_iter()
        .filter(has_source)
        .collect();
    if order.is_empty() {
        let foreign = |to: &SocketAddr| Attempt {
            address: (*to).into(),
            from: None,
            error: io::Error::from_raw_os_error(libc::EAFNOSUPPORT),
        };
        return Err(Error::Connect(addresses.iter().map(foreign).collect()));
    }
    Ok(order.into())
}

/// Tests all that the course asks for.
pub(crate) fn sweep(
    reactor: &mut Reactor,
    how: &Sweep<'_>,
    course: &mut dyn Course,
    deadline: Deadline,
) -> Result<(), Error> {
    let two = how.two && how.parallel > 1;
    let desk = Desk::new(course, two);
    if !two {
        return leading_lane(
            Lane::new(reactor, how, how.parallel, desk.under_way()),
            &desk,
            deadline,
        );
    }
    let half = how.parallel / 2;
    let waker = reactor.waker();
    thread::scope(|scope| {
        let helper = thread::Builder::new().name("sweep".into());
        let helper = helper.spawn_scoped(scope, || {
            helping_lane(how, half, &desk, &waker);
            desk.leave();
            waker.wake();
        });
        let parallel = match helper {
            Ok(_) => how.parallel - half,
            // One loop has to do.
            Err(_) => {
                desk.leave();
                how.parallel
            }
        };
        let swept = leading_lane(
            Lane::new(reactor, how, parallel, desk.under_way()),
            &desk,
            deadline,
        );
        desk.stop();
        swept
    })
}

/// The loop that hears of signals, and tells the course what both have found.
fn leading_lane(mut lane: Lane<'_>, desk: &Desk<'_>, deadline: Deadline) -> Result<(), Error> {
    let mut looked = Instant::now();
    loop {
        let pace = lane.fill(desk);
        let alone = !desk.is_helped();
        let ControlFlow::Continue(news) = desk.tell(lane.take_found()) else {
            return Ok(());
        };
        let until = match pace {
            Pace::Ended if lane.is_idle() && alone => return Ok(()),
            Pace::Ended => None,
            Pace::Until(until) if !news => until,
            // There is more to begin with, or may be after such news.
            _ if lane.is_idle() && looked.elapsed() < LOOK => continue,
            _ => Some(Instant::now()),
        };
        let impatient = desk.impatient_at();
        let until = [until, lane.next_time(), impatient]
            .into_iter()
            .flatten()
            .min();
        wait(lane.reactor(), until, deadline)?.map_err(Error::stopped(Phase::Connect))?;
        looked = Instant::now();
        if impatient.is_some_and(|at| at <= looked) && desk.tell_nothing().is_break() {
            return Ok(());
        }
        lane.look();
    }
}

/// The other one. Where it cannot go on, the leading one has to do.
fn helping_lane(how: &Sweep<'_>, parallel: usize, desk: &Desk<'_>, leader: &Waker) {
    let Ok(mut reactor) = Reactor::new() else {
        return;
    };
    desk.wake_with(reactor.waker());
    let mut lane = Lane::new(&mut reactor, how, parallel, desk.under_way());
    while !desk.is_stopped() {
        let pace = lane.fill(desk);
        if desk.hand_over(lane.take_found()) {
            leader.wake();
        }
        let until = match pace {
            Pace::Full if lane.is_idle() => continue,
            Pace::Full => Some(Instant::now()),
            Pace::Until(until) => until,
            Pace::Ended if lane.is_idle() => return,
            Pace::Ended => None,
        };
        let until = [until, lane.next_time()].into_iter().flatten().min();
        if let Err(error) = lane.reactor().wait(until) {
            lane.abandon(&error);
            desk.hand_over(lane.take_found());
            return;
        }
        lane.look();
    }
}
