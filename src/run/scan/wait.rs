//! Each until it is open, or no longer; then a command takes our place.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    net::SocketAddr,
    ops::ControlFlow,
    sync::Arc,
    time::Instant,
};

use super::{
    Stage, Teller,
    course::{At, Course, Item, Next, Verdict, Way},
    names::{Addresses, Names},
};
use crate::{
    event::Deadline,
    net::{self, Phase},
    outcome::{Expired, Limit, PortState, Status, Stop},
    plan::Wait,
    process,
    proxy::Failure,
    report::{Cause, Unmet},
    run::backoff::Backoff,
};

/// Waits, and is replaced by the command, if there is one.
pub(super) fn run(
    stage: &mut Stage,
    way: &mut dyn Way,
    teller: &mut Teller<'_>,
    goal: &Wait,
) -> Status {
    let names = Names::new(stage, teller.scan, teller.roster, way);
    let deadline = Deadline::after(Instant::now(), goal.limit, Limit::Wait).or(stage.total);
    let mut course = Waiting::new(teller, names, goal);
    let waited = way.go(stage, &mut course, deadline);
    let Waiting {
        ones, asking, end, ..
    } = course;
    // What was found last has ended the wait, and is told as well.
    let _ = teller.pause();
    if let Some(status) = teller.failure() {
        return status;
    }
    match (end, waited) {
        (Some(End::Met), _) => proceed(stage, teller, goal),
        (Some(End::Mistake(at, verdict)), _) => teller.not_sensible(at, &verdict),
        (
            None,
            Err(net::Error::Stopped {
                stop: Stop::Expired(what),
                ..
            }),
        ) => {
            let asking: HashSet<usize> = asking.into_values().flatten().collect();
            expired(teller, goal, what, ones, &asking)
        }
        (None, Err(error)) => teller.not_tested(&error, None),
        (None, Ok(())) => Status::NotStarted,
    }
}

/// All is as it was waited for to be.
fn proceed(stage: &mut Stage, teller: &mut Teller<'_>, goal: &Wait) -> Status {
    teller.clear();
    let Some(command) = &goal.command else {
        return Status::Success;
    };
    // A signal that has come by now would be lost with its handler.
    let now = Some(Instant::now());
    match net::wait(&mut stage.reactor, now, stage.total) {
        Ok(Ok(())) => {}
        Ok(Err(stop)) => {
            return teller.not_tested(&net::Error::stopped(Phase::Connect)(stop), None);
        }
        Err(error) => return teller.not_tested(&error.into(), None),
    }
    let error = process::exec(command);
    if let Some(program) = command.first() {
        teller.report.not_executed(program, &error);
    }
    process::not_executed(&error)
}

/// Names those that are not. Of some, which are called by their ids, it was still waited for the
/// address.
fn expired(
    teller: &mut Teller<'_>,
    goal: &Wait,
    what: Expired,
    ones: Vec<One>,
    asking: &HashSet<usize>,
) -> Status {
    let is_datagrams = teller.scan.is_datagrams();
    let unmet: Vec<(At, Verdict)> = ones
        .into_iter()
        .enumerate()
        .filter(|(_, one)| !one.is_met)
        .map(|(id, one)| {
            let first = || unanswered(what, asking.contains(&id), is_datagrams);
            (one.at, one.last.unwrap_or_else(first))
        })
        .collect();
    for (at, verdict) in &unmet {
        if teller.result(*at, verdict).is_break() {
            break;
        }
    }
    let _ = teller.pause();
    if let Some(status) = teller.failure() {
        return status;
    }
    teller.clear();
    let roster = teller.roster;
    let unmet: Vec<Unmet<'_>> = unmet
        .iter()
        .filter_map(|(at, verdict)| {
            Some(Unmet {
                subject: roster.subject(*at)?,
                // What is open has no other reason.
                cause: verdict
                    .causes
                    .last()
                    .filter(|_| verdict.state != PortState::Open),
            })
        })
        .collect();
    let first = Some(what).filter(|what| what.limit != Limit::Wait);
    teller.report.not_in_time(goal, first, &unmet);
    Status::Expired
}

/// What is known of one whose first test was not over: nobody has answered, neither the name service
/// nor the port.
fn unanswered(what: Expired, is_lookup: bool, is_datagrams: bool) -> Verdict {
    let stop = Stop::Expired(what);
    let (state, cause) = match (is_lookup, is_datagrams) {
        (true, _) => (
            PortState::Error,
            Cause::Lookup(net::Error::stopped(Phase::Lookup)(stop)),
        ),
        (false, false) => (PortState::Filtered, Cause::Proxy(Failure::Stopped(stop))),
        (false, true) => (
            PortState::OpenFiltered,
            Cause::Proxy(Failure::Stopped(stop)),
        ),
    };
    Verdict::not_open(state, cause)
}

/// One of those that are waited for.
struct One {
    at: At,
    is_met: bool,
    /// What was found last.
    last: Option<Verdict>,
}

/// Why the wait is over.
enum End {
    /// All of them, or one of them, are as they should be.
    Met,
    /// No time will mend this.
    Mistake(At, Verdict),
}

struct Waiting<'t, 'a> {
    teller: &'t mut Teller<'a>,
    names: Option<Names<'a>>,
    any: bool,
    invert: bool,
    /// By id.
    ones: Vec<One>,
    unmet: usize,
    /// When which is to be tested.
    due: BTreeSet<(Instant, usize)>,
    /// Which wait for a host's addresses, by its number.
    asking: HashMap<usize, Vec<usize>>,
    /// Which can be tested now.
    ready: VecDeque<(usize, Arc<[SocketAddr]>)>,
    backoff: Backoff,
    end: Option<End>,
}

impl<'t, 'a> Waiting<'t, 'a> {
    fn new(teller: &'t mut Teller<'a>, names: Option<Names<'a>>, goal: &Wait) -> Self {
        let began = Instant::now();
        let one = |at| One {
            at,
            is_met: false,
            last: None,
        };
        let ones: Vec<One> = teller.roster.iter().map(one).collect();
        Self {
            teller,
            names,
            any: goal.any,
            invert: goal.invert,
            unmet: ones.len(),
            due: (0..ones.len()).map(|id| (began, id)).collect(),
            ones,
            asking: HashMap::new(),
            ready: VecDeque::new(),
            backoff: Backoff::new(began),
            end: None,
        }
    }

    /// Begins to look up the host of one whose time has come.
    fn prepare(&mut self, id: usize) {
        let (Some(names), Some(one)) = (&self.names, self.ones.get(id)) else {
            return self.ready.push_back((id, Arc::default()));
        };
        let (place, _) = one.at;
        let host = names.host_of(place);
        let waiting = self.asking.entry(host).or_default();
        waiting.push(id);
        // The others ask already.
        if let [_] = waiting.as_slice() {
            names.start(host);
        }
    }

    /// A host has been looked up.
    fn looked_up(&mut self, host: usize, addresses: &Addresses) {
        for id in self.asking.remove(&host).unwrap_or_default() {
            match addresses {
                Ok(addresses) => self.ready.push_back((id, Arc::clone(addresses))),
                Err(error) => {
                    let cause = Cause::Lookup(error.again());
                    self.not_met(id, Verdict::not_open(PortState::Error, cause));
                }
            }
        }
    }

    fn met(&mut self, id: usize, verdict: &Verdict) -> ControlFlow<()> {
        if let Some(one) = self.ones.get_mut(id) {
            one.is_met = true;
            self.unmet = self.unmet.saturating_sub(1);
            self.teller.tell(one.at, verdict, None)?;
        }
        if self.any || self.unmet == 0 {
            self.end = Some(End::Met);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn not_met(&mut self, id: usize, verdict: Verdict) {
        let Some(one) = self.ones.get_mut(id) else {
            return;
        };
        if verdict.is_mistake(self.teller.numeric) {
            self.end = Some(End::Mistake(one.at, verdict));
            return;
        }
        // The same once more is no news.
        if one.last.as_ref().is_none_or(|last| !last.is_like(&verdict)) {
            self.teller.news(one.at, &verdict);
        }
        one.last = Some(verdict);
        let now = Instant::now();
        let pause = self.backoff.pause(now);
        self.due.insert((now + pause, id));
    }
}

impl Course for Waiting<'_, '_> {
    fn next(&mut self, now: Instant) -> Next {
        loop {
            while let Some((host, addresses)) = self.names.as_ref().and_then(Names::next) {
                self.looked_up(host, &addresses);
            }
            if self.end.is_some() {
                return Next::End;
            }
            if let Some((id, addresses)) = self.ready.pop_front()
                && let Some(one) = self.ones.get(id)
            {
                return Next::Test(Item {
                    id: id as u64,
                    at: one.at,
                    addresses,
                });
            }
            match self.due.first().copied() {
                Some((at, id)) if at <= now => {
                    self.due.pop_first();
                    self.prepare(id);
                }
                Some((at, _)) => return Next::At(at),
                None => return Next::Rest,
            }
        }
    }

    fn found(&mut self, id: u64, verdict: Verdict) -> ControlFlow<()> {
        use PortState::{Closed, Filtered, Open, Unreachable};

        let id = usize::try_from(id).unwrap_or(usize::MAX);
        let is_met = match verdict.state {
            Open => !self.invert,
            Closed | Filtered | Unreachable => self.invert,
            _ => false,
        };
        if is_met {
            return self.met(id, &verdict);
        }
        self.not_met(id, verdict);
        match self.end {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    }

    fn pause(&mut self) -> ControlFlow<()> {
        self.teller.pause()
    }

    fn impatient_at(&self) -> Option<Instant> {
        self.teller.impatient_at()
    }
}
