//! What a goal and a way of testing say to each other.

use std::{
    net::SocketAddr,
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use super::Stage;
use crate::{
    event::Deadline,
    net::{self, Attempt, Phase},
    outcome::PortState,
    proxy::Failure,
    report::Cause,
};

/// A place in the roster, and the number of a port; Unix sockets have none.
pub(super) type At = (usize, u16);

/// A port or a Unix socket that is to be tested.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// What the course calls it.
    pub id: u64,
    /// Which it is.
    pub at: At,
    /// The host's addresses, where they have been looked up.
    pub addresses: Arc<[SocketAddr]>,
}

/// What is to be done next.
pub(super) enum Next {
    /// This is to be tested.
    Test(Item),
    /// Nothing before this time.
    At(Instant),
    /// Nothing before something has been found, or a name has been looked up.
    Rest,
    /// Nothing any more.
    End,
}

/// What was found.
pub(super) struct Verdict {
    pub state: PortState,
    /// Where.
    pub address: Option<SocketAddr>,
    /// How long the answer took, if there was one.
    pub rtt: Option<Duration>,
    /// Why addresses are not open.
    pub causes: Vec<Cause>,
    /// What the service said first.
    pub banner: Vec<u8>,
}

/// What is tested in which order, and what becomes of it: one for each goal.
pub(super) trait Course: Send {
    /// Whether there is enough to test for two loops. It must not say [`Next::Rest`] then.
    fn suits_two(&self) -> bool {
        false
    }
    /// What is to be done next.
    fn next(&mut self, now: Instant) -> Next;
    /// What was found at an item. A break ends the run.
    fn found(&mut self, id: u64, verdict: Verdict) -> ControlFlow<()>;
    /// That was all for now.
    fn pause(&mut self) -> ControlFlow<()>;
    /// When it wants to be told that, if nothing is found until then.
    fn impatient_at(&self) -> Option<Instant> {
        None
    }
}

/// How something is tested.
pub(super) trait Way {
    /// The local ends of what is connected to addresses that have to be looked up first; none where
    /// it is not for us to do that.
    fn local_ends(&self) -> Option<&[SocketAddr]>;
    /// Tests all that the course asks for.
    fn go(
        &mut self,
        stage: &mut Stage,
        course: &mut dyn Course,
        deadline: Deadline,
    ) -> Result<(), net::Error>;
}

impl Verdict {
    /// Nothing but a state.
    pub(super) fn new(state: PortState) -> Self {
        Self {
            state,
            address: None,
            rtt: None,
            causes: Vec::new(),
            banner: Vec::new(),
        }
    }

    /// Nobody is there, or nobody can tell.
    pub(super) fn not_open(state: PortState, cause: Cause) -> Self {
        Self {
            causes: vec![cause],
            ..Self::new(state)
        }
    }

    /// No time mends that: what was asked for makes no sense, or somebody does not trust us. `numeric`
    /// says that names are not looked up, so that none becomes known (`-n`).
    pub(super) fn is_mistake(&self, numeric: bool) -> bool {
        let mended = |cause: &Cause| match cause {
            Cause::Lookup(error) => error.may_pass(numeric),
            Cause::Proxy(failure) => failure.may_pass(numeric),
            Cause::Attempt(attempt) => attempt.may_pass(),
            Cause::Prohibited(_) | Cause::Silence(_) => true,
        };
        !self.causes.is_empty() && !self.causes.iter().any(mended)
    }

    /// Whether nothing is different.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let reasons = |verdict: &Self| -> Vec<Option<i32>> {
            let causes = verdict.causes.iter();
            causes
                .map(|cause| match cause {
                    Cause::Attempt(attempt) | Cause::Prohibited(attempt) => {
                        attempt.error.raw_os_error()
                    }
                    _ => None,
                })
                .collect()
        };
        self.state == other.state && reasons(self) == reasons(other)
    }

    /// This machine has run out of something.
    fn is_exhaustion(&self) -> bool {
        self.causes.iter().any(|cause| match cause {
            Cause::Attempt(attempt) => attempt.is_exhaustion(),
            Cause::Proxy(Failure::Proxy(net::Error::Connect(attempts))) => {
                attempts.iter().any(Attempt::is_exhaustion)
            }
            _ => false,
        })
    }

    /// Why it is not open, as far as a proxy can tell.
    pub(super) fn failure(&self) -> Option<&Failure> {
        self.causes.iter().find_map(|cause| match cause {
            Cause::Proxy(failure) => Some(failure),
            _ => None,
        })
    }
}

/// How long it is waited for what this machine has run out of, at first and at most between two
/// tries, and altogether.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(2);

/// A way that leads to one after another, and needs no addresses from us.
pub(super) trait OneByOne {
    /// Tests one.
    fn test(
        &mut self,
        stage: &mut Stage,
        item: &Item,
        deadline: Deadline,
    ) -> Result<Verdict, net::Error>;
}

impl<T: OneByOne> Way for T {
    fn local_ends(&self) -> Option<&[SocketAddr]> {
        None
    }

    fn go(
        &mut self,
        stage: &mut Stage,
        course: &mut dyn Course,
        deadline: Deadline,
    ) -> Result<(), net::Error> {
        loop {
            let until = match course.next(Instant::now()) {
                Next::Test(item) => {
                    let test = |stage: &mut Stage| self.test(stage, &item, deadline);
                    let verdict = patiently(stage, deadline, test)?;
                    if course.found(item.id, verdict).is_break() || course.pause().is_break() {
                        return Ok(());
                    }
                    // Where every answer comes at once, nobody waits; it is looked for signals here.
                    Some(Instant::now())
                }
                Next::At(at) => Some(at),
                Next::Rest => None,
                Next::End => return Ok(()),
            };
            net::wait(&mut stage.reactor, until, deadline)?
                .map_err(net::Error::stopped(Phase::Connect))?;
        }
    }
}

/// Tests something, again and again while it is this machine that lacks something.
fn patiently(
    stage: &mut Stage,
    deadline: Deadline,
    mut test: impl FnMut(&mut Stage) -> Result<Verdict, net::Error>,
) -> Result<Verdict, net::Error> {
    let began = Instant::now();
    let mut pause = SHORTEST_PAUSE;
    loop {
        let verdict = test(stage)?;
        if !verdict.is_exhaustion() || began.elapsed() >= PATIENCE {
            return Ok(verdict);
        }
        log::debug!("{:?}; once more in {pause:?}", verdict.causes);
        net::pause(&mut stage.reactor, pause, Phase::Connect, deadline)?;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
