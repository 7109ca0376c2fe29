//! One again and again: how long do its answers take?

use std::{net::SocketAddr, ops::ControlFlow, sync::Arc, time::Instant};

use super::{
    Stage, Teller,
    course::{At, Course, Item, Next, Verdict, Way},
    names::Known,
};
use crate::{
    event::Deadline,
    net,
    outcome::{PortState, Status, Stop},
    plan::Measure,
    report::Rtts,
};

/// Tests the one so many times, or until Ctrl-C, which ends it as well as the last try.
pub(super) fn run(
    stage: &mut Stage,
    way: &mut dyn Way,
    teller: &mut Teller<'_>,
    goal: Measure,
    deadline: Deadline,
) -> Status {
    let known = match Known::look_up(stage, teller.scan, teller.roster, way, deadline) {
        Ok(known) => known,
        Err(error) => return teller.not_tested(&error, None),
    };
    let Some(at) = teller.roster.iter().next() else {
        return Status::Usage;
    };
    let addresses = match known.addresses(at) {
        Ok(addresses) => addresses,
        Err(error) => return teller.not_tested(&error, Some(at)),
    };
    let total = stage.total;
    let mut course = Tries {
        teller,
        at,
        addresses,
        goal,
        number: 0,
        is_under_way: false,
        next_at: None,
        rtts: Rtts::default(),
        last: None,
    };
    let tested = way.go(stage, &mut course, total);
    let (rtts, last) = (course.rtts, course.last);
    if let Some(status) = teller.failure() {
        return status;
    }
    let status = match last {
        Some(PortState::Open) => Status::Success,
        _ => Status::NotStarted,
    };
    teller.measured(&rtts);
    match tested {
        Ok(()) => {
            if let Err(error) = teller.drain(stage, total) {
                return teller.not_read(&error);
            }
        }
        Err(error) => {
            let is_all = teller.hand_out();
            let is_enough = matches!(
                error,
                net::Error::Stopped {
                    stop: Stop::Signal(libc::SIGINT),
                    ..
                }
            );
            // Where figures are missing, nobody is to take it for a run that has told all.
            if !(is_enough && is_all) {
                return teller.not_tested(&error, None);
            }
        }
    }
    teller.failure().unwrap_or(status)
}

struct Tries<'t, 'a> {
    teller: &'t mut Teller<'a>,
    at: At,
    addresses: Arc<[SocketAddr]>,
    goal: Measure,
    /// How many have begun.
    number: u64,
    is_under_way: bool,
    next_at: Option<Instant>,
    rtts: Rtts,
    last: Option<PortState>,
}

impl Course for Tries<'_, '_> {
    fn next(&mut self, now: Instant) -> Next {
        if self.is_under_way {
            return Next::Rest;
        }
        if self.number == self.goal.count {
            return Next::End;
        }
        if let Some(at) = self.teller.hold(now) {
            return Next::At(at);
        }
        if let Some(at) = self.next_at.filter(|at| now < *at) {
            return Next::At(at);
        }
        self.number += 1;
        self.is_under_way = true;
        self.next_at = now.checked_add(self.goal.interval);
        Next::Test(Item {
            id: self.number,
            at: self.at,
            addresses: Arc::clone(&self.addresses),
        })
    }

    fn found(&mut self, id: u64, verdict: Verdict) -> ControlFlow<()> {
        self.is_under_way = false;
        self.last = Some(verdict.state);
        if let (PortState::Open, Some(rtt)) = (verdict.state, verdict.rtt) {
            self.rtts.add(rtt);
        }
        self.teller.tell(self.at, &verdict, Some(id))
    }

    fn pause(&mut self) -> ControlFlow<()> {
        self.teller.pause()
    }

    fn impatient_at(&self) -> Option<Instant> {
        self.teller.impatient_at()
    }
}
