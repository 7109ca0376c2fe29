//! One loop's share of a sweep.

use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use slab::Slab;

use super::{
    Attempt, Found, Miss, Next, Sweep,
    desk::{Desk, Report},
    port::{Greeting, Port, Try, attempt_at},
    probe::{Begun, Prober, Seen},
};
use crate::{
    event::{Reactor, Source},
    outcome::PortState,
    stream::{Io, attempt_read, same_error},
};

/// How many tests are begun before it is looked what came of others.
const BATCH: usize = 64;

/// How long it is waited for what this machine has run out of: at first and at most between two
/// tries, and altogether, if no test is under way that could give something back.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(2);

/// How much of what a service says is kept.
const BANNER: usize = 512;

/// When the next test can be begun.
pub(super) enum Pace {
    /// At once.
    Full,
    /// Not before this time, or before something has happened.
    Until(Option<Instant>),
    /// Never.
    Ended,
}

pub(super) struct Lane<'a> {
    how: &'a Sweep<'a>,
    reactor: &'a mut Reactor,
    prober: Prober<'a>,
    parallel: usize,
    /// Those that are under way. The number of a source is the place of its port.
    ports: Slab<Port>,
    /// When something has to be done about one of them.
    timers: BTreeSet<(Instant, usize)>,
    /// The one that could not begin.
    stalled: Option<Stalled>,
    /// How long this machine has been lacking something, if it has.
    lacking: Option<Lacking>,
    /// How many are under way, in the other loop as well.
    under_way: &'a AtomicUsize,
    found: Vec<Report>,
}

struct Stalled {
    port: Port,
    again: Instant,
}

struct Lacking {
    since: Instant,
    pause: Duration,
}

/// What came of the beginning of a try.
enum Launched {
    /// It is under way.
    Waiting,
    /// It is over, and nobody is there.
    Missed,
    /// Somebody is there.
    Reached(Reached),
    /// This machine has not enough of something.
    Lacking(Attempt),
}

/// Somebody who is there.
struct Reached {
    address: SocketAddr,
    rtt: Duration,
    /// What is there to listen to, where that is wanted.
    source: Option<Source>,
}

impl<'a> Lane<'a> {
    pub(super) fn new(
        reactor: &'a mut Reactor,
        how: &'a Sweep<'a>,
        parallel: usize,
        under_way: &'a AtomicUsize,
    ) -> Self {
        Self {
            how,
            reactor,
            prober: Prober::new(how),
            parallel: parallel.max(1),
            ports: Slab::new(),
            timers: BTreeSet::new(),
            stalled: None,
            lacking: None,
            under_way,
            found: Vec::new(),
        }
    }

    pub(super) fn reactor(&mut self) -> &mut Reactor {
        self.reactor
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.ports.is_empty() && self.stalled.is_none()
    }

    /// When there is something to be done that nobody else wakes us for.
    pub(super) fn next_time(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let stalled = self.stalled.as_ref().map(|stalled| stalled.again);
        [timer, stalled].into_iter().flatten().min()
    }

    /// What has been found since the last call.
    pub(super) fn take_found(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.found)
    }

    /// Begins with what is to be tested next, but not with all of it at once.
    pub(super) fn fill(&mut self, desk: &Desk<'_>) -> Pace {
        for _ in 0..BATCH {
            if self.stalled.is_some() || self.ports.len() >= self.parallel {
                return Pace::Until(None);
            }
            match desk.next(Instant::now()) {
                Next::Ask(ask) => self.advance(Port::new(ask)),
                Next::At(at) => return Pace::Until(Some(at)),
                Next::Rest => return Pace::Until(None),
                Next::End => return Pace::Ended,
            }
        }
        Pace::Full
    }

    /// Looks at those that the reactor has reported, and those whose time has come.
    pub(super) fn look(&mut self) {
        let now = Instant::now();
        let under_way = self.ports.len();
        for place in self.reactor.woken().to_vec() {
            self.look_at(place);
        }
        while let Some((at, place)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.pop_first();
            self.look_at(place);
        }
        // Whoever has ended has given something back.
        let relieved = self.ports.len() < under_way;
        if let Some(stalled) = self.stalled.take_if(|one| relieved || one.again <= now) {
            self.advance(stalled.port);
        }
    }

    fn look_at(&mut self, place: usize) {
        // Of two addresses that have answered, the first may have been enough.
        if let Some(port) = self.take(place) {
            self.advance(port);
        }
    }

    fn take(&mut self, place: usize) -> Option<Port> {
        let port = self.ports.try_remove(place)?;
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        if let Some(at) = port.timer {
            self.timers.remove(&(at, place));
        }
        Some(port)
    }

    /// Nothing can be waited for any more.
    pub(super) fn abandon(&mut self, error: &io::Error) {
        let places: Vec<usize> = self.ports.iter().map(|(place, _)| place).collect();
        let stalled = self.stalled.take().map(|stalled| stalled.port);
        let ports: Vec<Port> = places
            .into_iter()
            .filter_map(|place| self.take(place))
            .collect();
        for mut port in ports.into_iter().chain(stalled) {
            port.miss_all(PortState::Error, || same_error(error));
            self.conclude(port);
        }
    }

    /// Does for a port all that can be done now.
    fn advance(&mut self, mut port: Port) {
        let now = Instant::now();
        if let Some(greeting) = port.greeting.take() {
            return self.listen(port, greeting, now);
        }
        if let Some(reached) = self.look_at_tries(&mut port, now) {
            return self.reached(port, reached, now);
        }
        if port.deadline.is_some_and(|at| now >= at) && !port.hurry(now, self.how.by) {
            port.give_up(self.how.by);
            return self.conclude(port);
        }
        port.knock_again(now, self.how.by);
        while let Some(address) = port.due(now) {
            match self.launch(&mut port, address) {
                Launched::Waiting => port.next_at = now.checked_add(port.delay(self.how.by)),
                // It took no time; its successor need not wait.
                Launched::Missed => port.next_at = Some(now),
                Launched::Reached(reached) => return self.reached(port, reached, now),
                Launched::Lacking(attempt) if port.tries.is_empty() => {
                    return self.stall(port, attempt, now);
                }
                Launched::Lacking(_) => port.next_at = now.checked_add(LONGEST_PAUSE),
            }
        }
        if port.tries.is_empty() {
            self.conclude(port);
        } else {
            self.park(port);
        }
    }

    /// Whether one of the addresses has been reached. Those that have failed are told.
    fn look_at_tries(&self, port: &mut Port, now: Instant) -> Option<Reached> {
        let mut at = 0;
        while let Some(one) = port.tries.get(at) {
            let seen = self.prober.look(&one.source, one.address);
            if matches!(seen, Seen::Nothing) {
                at += 1;
                continue;
            }
            let one = port.tries.swap_remove(at);
            let rtt = now.saturating_duration_since(one.began);
            match seen {
                Seen::Nothing | Seen::Open => {
                    return Some(Reached {
                        address: one.address,
                        rtt,
                        source: Some(one.source),
                    });
                }
                Seen::Itself => port.met_itself(one.place, one.address),
                Seen::Failed(error, icmp) => {
                    port.missed(
                        one.place,
                        attempt_at(one.address, error),
                        rtt,
                        icmp.as_ref(),
                    );
                }
            }
            port.next_at = Some(now);
        }
        None
    }

    /// Begins with an address, which is the one that is due.
    fn launch(&mut self, port: &mut Port, address: SocketAddr) -> Launched {
        let began = Instant::now();
        let begun = self.prober.begin(address);
        let rtt = began.elapsed();
        let (attempt, icmp) = match begun {
            Begun::Failed(attempt, icmp) => (attempt, icmp),
            Begun::Itself => {
                let place = port.has_begun(began, self.how.by);
                port.met_itself(place, address);
                return Launched::Missed;
            }
            Begun::Open(socket) => {
                port.has_begun(began, self.how.by);
                // Only a service that may say something is listened to.
                let source = self
                    .how
                    .by
                    .banner()
                    .map(|_| self.reactor.adopt(socket.into()));
                let source = source.and_then(Result::ok);
                return Launched::Reached(Reached {
                    address,
                    rtt,
                    source,
                });
            }
            Begun::Waiting(socket) => match self.reactor.adopt(socket.into()) {
                Ok(source) => {
                    let place = port.has_begun(began, self.how.by);
                    self.lacking = None;
                    port.tries.push(Try {
                        place,
                        address,
                        source,
                        began,
                    });
                    return Launched::Waiting;
                }
                Err(error) => (attempt_at(address, error), None),
            },
        };
        if attempt.is_exhaustion() {
            return Launched::Lacking(attempt);
        }
        self.lacking = None;
        let place = port.has_begun(began, self.how.by);
        port.missed(place, attempt, rtt, icmp.as_ref());
        Launched::Missed
    }

    /// Lets a port wait until this machine has more of what it lacks.
    fn stall(&mut self, mut port: Port, attempt: Attempt, now: Instant) {
        let lacking = self.lacking.get_or_insert(Lacking {
            since: now,
            pause: SHORTEST_PAUSE,
        });
        // Whoever is under way will give something back.
        if self.under_way.load(Ordering::Relaxed) > 0 {
            lacking.since = now;
        }
        if now.saturating_duration_since(lacking.since) >= PATIENCE {
            let place = port.has_begun(now, self.how.by);
            port.misses.push(Miss {
                place,
                attempt,
                state: PortState::Error,
                rtt: None,
                prohibited: false,
            });
            return self.advance(port);
        }
        log::debug!("{:?}; once more in {:?}", attempt, lacking.pause);
        let again = now + lacking.pause;
        lacking.pause = (lacking.pause * 2).min(LONGEST_PAUSE);
        self.stalled = Some(Stalled { port, again });
    }

    fn reached(&mut self, mut port: Port, reached: Reached, now: Instant) {
        let Reached {
            address,
            rtt,
            source,
        } = reached;
        match (self.how.by.banner(), source) {
            (Some(time), Some(source)) => {
                port.tries.clear();
                let greeting = Greeting {
                    source,
                    address,
                    rtt,
                    until: now.checked_add(time),
                    said: Vec::new(),
                };
                self.listen(port, greeting, now);
            }
            _ => self.open(port, address, rtt, Vec::new()),
        }
    }

    /// Waits for what the service says first: a line at most.
    fn listen(&mut self, mut port: Port, mut greeting: Greeting, now: Instant) {
        let mut buf = [0; BANNER];
        loop {
            let room = buf.len() - greeting.said.len();
            let Some(free) = buf.get_mut(..room).filter(|free| !free.is_empty()) else {
                break;
            };
            match attempt_read(|| Ok(rustix::io::read(&greeting.source, &mut *free)?)) {
                Ok(Io::Moved(n)) => greeting.said.extend(free.iter().take(n)),
                Ok(Io::Blocked) if greeting.until.is_none_or(|until| now < until) => {
                    if greeting.said.contains(&b'\n') {
                        break;
                    }
                    port.greeting = Some(greeting);
                    return self.park(port);
                }
                _ => break,
            }
        }
        self.open(port, greeting.address, greeting.rtt, greeting.said);
    }

    fn open(&mut self, port: Port, address: SocketAddr, rtt: Duration, banner: Vec<u8>) {
        let found = Found {
            state: PortState::Open,
            address: Some(address),
            rtt: Some(rtt),
            misses: in_order(port.misses),
            banner,
        };
        self.found.push((port.ask.id, found));
    }

    /// Nobody is there, at any address.
    fn conclude(&mut self, port: Port) {
        let misses = in_order(port.misses);
        let most_doubtful = misses.iter().min_by_key(|miss| miss.state);
        let found = Found {
            state: most_doubtful.map_or(PortState::Error, |miss| miss.state),
            address: most_doubtful.and_then(Miss::address),
            rtt: most_doubtful.and_then(|miss| miss.rtt),
            misses,
            banner: Vec::new(),
        };
        self.found.push((port.ask.id, found));
    }

    /// Leaves a port alone until something happens.
    fn park(&mut self, mut port: Port) {
        port.timer = port.next_time();
        let timer = port.timer;
        let place = self.ports.vacant_key();
        let mut armed = Ok(());
        for source in port.sources() {
            source.number(place);
            armed = armed.and_then(|()| source.arm(port.want(self.how.by)));
        }
        if let Err(error) = armed {
            port.miss_all(PortState::Error, || same_error(&error));
            return self.conclude(port);
        }
        self.ports.insert(port);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        self.timers.extend(timer.map(|at| (at, place)));
    }
}

/// As they were tried, not as they failed.
fn in_order(mut misses: Vec<Miss>) -> Vec<Miss> {
    misses.sort_by_key(|miss| miss.place);
    misses
}
