//! What a goal and a way of testing say to each other.

use std::{net::SocketAddr, ops::ControlFlow, sync::Arc, time::{Duration, Instant}};

use super::Stage;
use crate::{
    event::Deadline,
    net::{self, Phase},
    outcome::PortState,
    report::Cause,
};

/// A port or a Unix socket that is to be tested.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// What the course calls it.
    pub id: u64,
    /// Its place in the roster.
    pub target: usize,
    /// The port's number; Unix sockets have none.
    pub port: u16,
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
    /// Nobody is there, or nobody can tell.
    pub(super) fn not_open(state: PortState, cause: Cause) -> Self {
        Self {
            state,
            address: None,
            rtt: None,
            causes: vec![cause],
            banner: Vec::new(),
        }
    }
}

/// Tests one after another.
pub(super) fn one_by_one(
    stage: &mut Stage,
    course: &mut dyn Course,
    deadline: Deadline,
    mut test: impl FnMut(&mut Stage, &Item) -> Result<Verdict, net::Error>,
) -> Result<(), net::Error> {
    loop {
        let until = match course.next(Instant::now()) {
            Next::Test(item) => {
                let verdict = test(stage, &item)?;
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
        net::wait(&mut stage.reactor, until, deadline)?.map_err(net::Error::stopped(Phase::Connect))?;
    }
}
