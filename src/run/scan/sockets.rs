//! Unix sockets, which answer at once or never: one after another.

use std::time::Instant;

use super::{
    Stage,
    course::{Item, OneByOne, Verdict},
};
use crate::{
    event::Deadline,
    net::{self, Attempt},
    outcome::{Limit, PortState, Stop},
    plan::{SocketTargets, UnixProbe},
    report::Cause,
};

pub(super) struct Sockets<'a> {
    targets: &'a SocketTargets,
}

impl<'a> Sockets<'a> {
    pub(super) fn new(targets: &'a SocketTargets) -> Self {
        Self { targets }
    }
}

impl OneByOne for Sockets<'_> {
    fn test(
        &mut self,
        stage: &mut Stage,
        item: &Item,
        deadline: Deadline,
    ) -> Result<Verdict, net::Error> {
        let (place, _) = item.at;
        let Some(target) = self.targets.list.get(place) else {
            return Err(std::io::Error::from_raw_os_error(libc::EINVAL).into());
        };
        let began = Instant::now();
        let limit = Deadline::after(began, self.targets.timeout, Limit::Connect);
        let found = match &self.targets.probe {
            UnixProbe::Stream => {
                let deadline = limit.or(deadline);
                net::connect_unix(&mut stage.reactor, target, &stage.options, deadline).map(drop)
            }
            UnixProbe::Datagrams { own } => {
                net::call_unix(&stage.reactor, target, own.as_ref(), &stage.options).map(drop)
            }
        };
        match found {
            Ok(()) => Ok(Verdict {
                rtt: Some(began.elapsed()),
                ..Verdict::new(PortState::Open)
            }),
            Err(net::Error::Connect(mut attempts)) => Ok(match attempts.pop() {
                Some(attempt) => not_open(attempt, began),
                None => not_tested(net::Error::Connect(attempts)),
            }),
            Err(net::Error::Stopped {
                stop: Stop::Expired(what),
                mut attempts,
                ..
            }) if what.limit == Limit::Connect && !attempts.is_empty() => {
                let causes = attempts.drain(..).map(Cause::Attempt).collect();
                Ok(Verdict {
                    causes,
                    ..Verdict::new(PortState::Filtered)
                })
            }
            Err(error @ net::Error::Stopped { .. }) => Err(error),
            Err(error) => Ok(not_tested(error)),
        }
    }
}

/// Nobody listens there, or there is no such file; anything else is a reason that says nothing about
/// that.
fn not_open(attempt: Attempt, began: Instant) -> Verdict {
    let state = match attempt.error.raw_os_error() {
        Some(libc::ECONNREFUSED | libc::ENOENT) => PortState::Closed,
        _ => PortState::Error,
    };
    Verdict {
        rtt: (state == PortState::Closed).then(|| began.elapsed()),
        ..Verdict::not_open(state, Cause::Attempt(attempt))
    }
}

fn not_tested(error: net::Error) -> Verdict {
    Verdict::not_open(PortState::Error, Cause::Lookup(error))
}
