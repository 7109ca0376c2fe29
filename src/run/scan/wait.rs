//! Each until it is open, or no longer; then a command takes our place.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    io,
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
    net::{self, Attempt, Phase},
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
    course.note_untested();
    let Waiting { ones, end, .. } = course;
    let read = match &waited {
        // Whoever has stopped it does not want to wait.
        Err(net::Error::Stopped { .. }) => {
            teller.hand_out();
            Ok(())
        }
        _ => teller.drain(stage, deadline),
    };
    if let Some(status) = teller.failure() {
        return status;
    }
    if let Err(error) = read {
        return teller.not_read(&error);
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
        ) => expired(teller, goal, what, ones),
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
    let last_look = || {
        let now = Some(Instant::now());
        net::wait(&mut stage.reactor, now, stage.total)?
            .map_err(net::Error::stopped(Phase::Connect))
    };
    let error = match process::exec(command, last_look) {
        Ok(error) => error,
        Err(stopped) => return teller.not_tested(&stopped, None),
    };
    if let Some(program) = command.first() {
        teller.report.not_executed(program, &error);
    }
    process::not_executed(&error)
}

/// Names those that are not.
fn expired(teller: &mut Teller<'_>, goal: &Wait, what: Expired, ones: Vec<One>) -> Status {
    let is_datagrams = teller.scan.is_datagrams();
    let unmet: Vec<(At, Verdict)> = ones
        .into_iter()
        .filter(|one| !one.is_met)
        .map(|one| (one.at, one.last_word(what, is_datagrams)))
        .collect();
    for (at, verdict) in &unmet {
        if teller.result(*at, verdict).is_break() {
            break;
        }
    }
    teller.hand_out();
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
                state: verdict.state,
                causes: &verdict.causes,
            })
        })
        .collect();
    let first = Some(what).filter(|what| what.limit != Limit::Wait);
    teller.report.not_in_time(goal, first, &unmet);
    Status::Expired
}

/// One of the host's addresses; none where all of them are tested together, or there is none.
type Which = Option<SocketAddr>;

/// One of those that are waited for.
struct One {
    at: At,
    is_met: bool,
    /// Whether its next test has a time, or waits for the host's addresses.
    is_planned: bool,
    /// Which of its addresses are being tested.
    under_way: Vec<Which>,
    /// What was found last at each of them.
    last: BTreeMap<Which, Verdict>,
}

impl One {
    fn new(at: At) -> Self {
        Self {
            at,
            is_met: false,
            is_planned: true,
            under_way: Vec::new(),
            last: BTreeMap::new(),
        }
    }

    /// What is known of it when the time is over: of each address what was found there last, and of
    /// those that have not answered yet that nobody has.
    fn last_word(self, what: Expired, is_datagrams: bool) -> Verdict {
        let Self {
            under_way,
            mut last,
            ..
        } = self;
        for which in under_way {
            last.entry(which)
                .or_insert_with(|| unanswered(what, which, is_datagrams));
        }
        let all = last.into_values().reduce(|one, other| {
            let (mut best, other) = match one.state <= other.state {
                true => (one, other),
                false => (other, one),
            };
            best.causes.extend(other.causes);
            best
        });
        // Not even the name service has answered.
        all.unwrap_or_else(|| {
            let error = net::Error::stopped(Phase::Lookup)(Stop::Expired(what));
            Verdict::not_open(PortState::Error, Cause::Lookup(error))
        })
    }
}

/// What is known of an address whose first test was not over.
fn unanswered(what: Expired, which: Which, is_datagrams: bool) -> Verdict {
    let state = match is_datagrams {
        false => PortState::Filtered,
        true => PortState::OpenFiltered,
    };
    let cause = match which {
        Some(address) if is_datagrams => Cause::Silence(address),
        Some(address) => Cause::Attempt(Attempt {
            address: address.into(),
            from: None,
            error: io::ErrorKind::TimedOut.into(),
        }),
        None => Cause::Proxy(Failure::Stopped(Stop::Expired(what))),
    };
    Verdict::not_open(state, cause)
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
    ones: Vec<One>,
    unmet: usize,
    /// When which of them is to be tested.
    due: BTreeSet<(Instant, usize)>,
    /// Which wait for a host's addresses, by its number.
    asking: HashMap<usize, Vec<usize>>,
    /// What has been looked up, and until when that holds.
    known: HashMap<usize, (Instant, Arc<[SocketAddr]>)>,
    /// What can be tested now.
    ready: VecDeque<(usize, Which, Arc<[SocketAddr]>)>,
    /// What is being tested, by id.
    tests: HashMap<u64, (usize, Which)>,
    /// How many tests there have been.
    count: u64,
    backoff: Backoff,
    end: Option<End>,
}

impl<'t, 'a> Waiting<'t, 'a> {
    fn new(teller: &'t mut Teller<'a>, names: Option<Names<'a>>, goal: &Wait) -> Self {
        let began = Instant::now();
        let ones: Vec<One> = teller.roster.iter().map(One::new).collect();
        Self {
            teller,
            names,
            any: goal.any,
            invert: goal.invert,
            unmet: ones.len(),
            due: (0..ones.len()).map(|one| (began, one)).collect(),
            ones,
            asking: HashMap::new(),
            known: HashMap::new(),
            ready: VecDeque::new(),
            tests: HashMap::new(),
            count: 0,
            backoff: Backoff::new(began),
            end: None,
        }
    }

    /// The time of one has come: its host is looked up, but not again for each of its ports.
    fn prepare(&mut self, number: usize, now: Instant) {
        let (Some(names), Some(one)) = (&self.names, self.ones.get(number)) else {
            return self.begin(number, &Arc::default());
        };
        let (place, _) = one.at;
        let host = names.host_of(place);
        if let Some((until, addresses)) = self.known.get(&host)
            && now < *until
        {
            let addresses = Arc::clone(addresses);
            return self.begin(number, &addresses);
        }
        let waiting = self.asking.entry(host).or_default();
        waiting.push(number);
        // The others ask already.
        if let [_] = waiting.as_slice() {
            names.start(host);
        }
    }

    /// A host has been looked up.
    fn looked_up(&mut self, host: usize, answer: Addresses, now: Instant) {
        let waiting = self.asking.remove(&host).unwrap_or_default();
        match answer {
            Ok(addresses) => {
                let until = now + self.backoff.pause(now);
                self.known.insert(host, (until, Arc::clone(&addresses)));
                for number in waiting {
                    self.begin(number, &addresses);
                }
            }
            Err(error) => {
                for number in waiting {
                    if let Some(one) = self.ones.get_mut(number) {
                        one.is_planned = false;
                        // Addresses of old are no more.
                        one.last.retain(|which, _| which.is_none());
                    }
                    let cause = Cause::Lookup(error.again());
                    self.not_met(number, None, Verdict::not_open(PortState::Error, cause));
                }
            }
        }
    }

    /// Tests each address that is not being tested: one that does not answer must not hold up the one
    /// that refuses until now. Only all of them together can be closed.
    fn begin(&mut self, number: usize, addresses: &Arc<[SocketAddr]>) {
        let Some(one) = self.ones.get_mut(number) else {
            return;
        };
        one.is_planned = false;
        let together = self.invert || addresses.is_empty();
        if !together {
            let is_known = |which: &Which| which.is_some_and(|one| addresses.contains(&one));
            one.last.retain(|which, _| is_known(which));
        }
        let all: Vec<Which> = match together {
            true => vec![None],
            false => addresses.iter().copied().map(Some).collect(),
        };
        for which in all {
            if !one.under_way.contains(&which) {
                one.under_way.push(which);
                let addresses = match which {
                    Some(address) => [address].into(),
                    None => Arc::clone(addresses),
                };
                self.ready.push_back((number, which, addresses));
            }
        }
    }

    /// Those that had no turn, for want of descriptors, have not been tested.
    fn note_untested(&mut self) {
        let asking: HashSet<usize> = self.asking.values().flatten().copied().collect();
        let waiting = self
            .ready
            .iter()
            .map(|(number, which, _)| (*number, *which));
        let planned = self.due.iter().map(|(_, number)| (*number, None));
        for (number, which) in waiting.chain(planned) {
            if let Some(one) = self.ones.get_mut(number)
                && (which.is_some() || one.last.is_empty() && one.under_way.is_empty())
                && !asking.contains(&number)
            {
                let untested = || Verdict::new(PortState::Error);
                one.last.entry(which).or_insert_with(untested);
            }
        }
    }

    fn met(&mut self, number: usize, verdict: &Verdict) -> ControlFlow<()> {
        if let Some(one) = self.ones.get_mut(number) {
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

    fn not_met(&mut self, number: usize, which: Which, verdict: Verdict) {
        let Some(one) = self.ones.get_mut(number) else {
            return;
        };
        let numeric = self.teller.numeric;
        let is_news = one
            .last
            .get(&which)
            .is_none_or(|last| !last.is_like(&verdict));
        one.last.insert(which, verdict);
        if one.under_way.is_empty()
            && one.last.values().all(|last| last.is_mistake(numeric))
            && let Some((_, verdict)) = one.last.pop_first()
        {
            self.end = Some(End::Mistake(one.at, verdict));
            return;
        }
        // The same once more is none.
        if is_news && let Some(verdict) = one.last.get(&which) {
            self.teller.news(one.at, verdict);
        }
        if !one.is_planned {
            one.is_planned = true;
            let now = Instant::now();
            self.due.insert((now + self.backoff.pause(now), number));
        }
    }
}

impl Course for Waiting<'_, '_> {
    fn next(&mut self, now: Instant) -> Next {
        loop {
            while let Some((host, answer)) = self.names.as_ref().and_then(Names::next) {
                self.looked_up(host, answer, now);
            }
            if self.end.is_some() {
                return Next::End;
            }
            if let Some((number, which, addresses)) = self.ready.pop_front()
                && let Some(one) = self.ones.get(number)
            {
                self.count += 1;
                self.tests.insert(self.count, (number, which));
                return Next::Test(Item {
                    id: self.count,
                    at: one.at,
                    addresses,
                });
            }
            match self.due.first().copied() {
                Some((at, number)) if at <= now => {
                    self.due.pop_first();
                    self.prepare(number, now);
                }
                Some((at, _)) => return Next::At(at),
                None => return Next::Rest,
            }
        }
    }

    fn found(&mut self, id: u64, verdict: Verdict) -> ControlFlow<()> {
        use PortState::{Closed, Filtered, Open, Unreachable};

        let Some((number, which)) = self.tests.remove(&id) else {
            return ControlFlow::Continue(());
        };
        if let Some(one) = self.ones.get_mut(number) {
            one.under_way.retain(|other| *other != which);
            if one.is_met {
                return ControlFlow::Continue(());
            }
        }
        let is_met = match verdict.state {
            Open => !self.invert,
            Closed | Filtered | Unreachable => self.invert,
            _ => false,
        };
        if is_met {
            return self.met(number, &verdict);
        }
        self.not_met(number, which, verdict);
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
