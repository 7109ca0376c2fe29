//! By connections, or datagrams, of our own: many at the same time.

use std::{net::SocketAddr, ops::ControlFlow, thread, time::Instant};

use super::{
    Stage,
    course::{Course, Next, Verdict, Way},
};
use crate::{
    event::Deadline,
    net::{self, Ask, By, Found, Miss, Sweep},
    os,
    outcome::PortState,
    plan::{PortTargets, Probe},
    report::Cause,
    run::connect,
};

/// So many at the same time, if nobody says anything else. More would hardly be faster, and what is
/// between us and the host has to remember each.
const PARALLEL: usize = 4096;

/// Descriptors that something else may need: standard streams, loops, name services.
const RESERVE: usize = 24;

pub(super) struct Direct {
    by: By,
    sources: Vec<SocketAddr>,
    parallel: usize,
}

impl Direct {
    /// Looks up the local end, and finds out how much may be done at the same time.
    pub(super) fn new(
        stage: &mut Stage,
        targets: &PortTargets,
        deadline: Deadline,
    ) -> Result<Self, net::Error> {
        let by = match targets.probe {
            Probe::Connect {
                timeout, banner, ..
            } => By::Connection { timeout, banner },
            Probe::Datagrams { wait } => By::Datagrams { silence: wait },
        };
        let datagrams = matches!(by, By::Datagrams { .. });
        let sources = match &targets.source {
            Some(source) => connect::local(stage, source, targets.lookup, datagrams, deadline)?,
            None => Vec::new(),
        };
        let limit = usize::try_from(os::raise_descriptor_limit()).unwrap_or(usize::MAX);
        let most = limit.saturating_sub(RESERVE).max(1);
        Ok(Self {
            by,
            sources,
            parallel: targets.parallel.unwrap_or(PARALLEL).min(most),
        })
    }
}

impl Way for Direct {
    fn local_ends(&self) -> Option<&[SocketAddr]> {
        Some(&self.sources)
    }

    fn go(
        &mut self,
        stage: &mut Stage,
        course: &mut dyn Course,
        deadline: Deadline,
    ) -> Result<(), net::Error> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let sweep = Sweep {
            by: self.by,
            sources: &self.sources,
            options: &stage.options,
            parallel: self.parallel,
            two: cores > 1 && course.suits_two(),
        };
        net::sweep(&mut stage.reactor, &sweep, &mut Adapted(course), deadline)
    }
}

/// A course as the sweep knows it.
struct Adapted<'a>(&'a mut dyn Course);

impl net::Course for Adapted<'_> {
    fn next(&mut self, now: Instant) -> net::Next {
        let Self(course) = self;
        match course.next(now) {
            Next::Test(item) => net::Next::Ask(Ask {
                id: item.id,
                addresses: item.addresses,
                port: item.at.1,
            }),
            Next::At(at) => net::Next::At(at),
            Next::Rest => net::Next::Rest,
            Next::End => net::Next::End,
        }
    }

    fn found(&mut self, found: Vec<(u64, Found)>) -> ControlFlow<()> {
        let Self(course) = self;
        for (id, found) in found {
            course.found(id, verdict(found))?;
        }
        course.pause()
    }

    fn impatient_at(&self) -> Option<Instant> {
        let Self(course) = self;
        course.impatient_at()
    }
}

fn verdict(found: Found) -> Verdict {
    Verdict {
        state: found.state,
        address: found.address,
        rtt: found.rtt,
        causes: found.misses.into_iter().map(cause).collect(),
        banner: found.banner,
    }
}

fn cause(miss: Miss) -> Cause {
    match (miss.state, miss.attempt.address) {
        (PortState::OpenFiltered, net::Address::Inet(address)) => Cause::Silence(address),
        (_, address) => {
            let attempt = net::Attempt {
                address,
                ..miss.attempt
            };
            match miss.prohibited {
                true => Cause::Prohibited(attempt),
                false => Cause::Attempt(attempt),
            }
        }
    }
}
