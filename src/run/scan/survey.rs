//! Each once: which of them are open?

use std::{
    collections::VecDeque,
    iter::Peekable,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use super::{
    Stage, Teller,
    course::{At, Course, Item, Next, Verdict, Way},
    names::Known,
    proxied,
};
use crate::{
    event::Deadline,
    outcome::{PortState, Status},
    plan::Survey,
    report::Cause,
};

/// From so many on, a second loop is worth its beginning.
const MANY: u64 = 1024;

/// What was found is told in the order in which it was asked for. So much is kept for that.
const AHEAD: usize = 1 << 16;

/// How long it is waited where that is too much.
const PAUSE: Duration = Duration::from_millis(1);

/// Tests each once.
pub(super) fn run(
    stage: &mut Stage,
    way: &mut dyn Way,
    teller: &mut Teller<'_>,
    goal: &Survey,
    deadline: Deadline,
) -> Status {
    let began = Instant::now();
    let known = match Known::look_up(stage, teller.scan, teller.roster, way, deadline) {
        Ok(known) => known,
        Err(error) => return teller.not_tested(&error, None),
    };
    if let Some(error) = known.mistake() {
        return teller.not_tested(error, None);
    }
    let any_known = known.is_any();
    let mut course = Once::new(teller, known, goal);
    let total = stage.total;
    let swept = way.go(stage, &mut course, total);
    // What was known without a test. A break is told by what it leaves behind.
    let _ = course.pause();
    let next = course.pending.front().map(|pending| pending.at);
    let ended = course.ended;
    if let Some(status) = teller.failure() {
        return status;
    }
    match (ended, swept) {
        (Some((at, verdict)), _) => teller.not_tested_through(at, &verdict),
        (None, Err(error)) => teller.not_tested(&error, next),
        (None, Ok(())) => {
            if any_known {
                teller.count(began);
            }
            teller.tally.status(goal.all)
        }
    }
}

/// What is being tested, or has been and waits for those before it to be told.
struct Pending {
    at: At,
    verdict: Option<Verdict>,
}

struct Once<'t, 'a> {
    teller: &'t mut Teller<'a>,
    known: Known<'a>,
    rest: Peekable<Box<dyn Iterator<Item = At> + Send + 'a>>,
    /// Those that have not been told. The first one has the id `told`.
    pending: VecDeque<Pending>,
    told: u64,
    interval: Option<Duration>,
    /// When the next one may begin.
    next_at: Option<Instant>,
    is_long: bool,
    /// What ends all of it.
    ended: Option<(At, Verdict)>,
    is_over: bool,
}

impl<'t, 'a> Once<'t, 'a> {
    fn new(teller: &'t mut Teller<'a>, known: Known<'a>, goal: &Survey) -> Self {
        let roster = teller.roster;
        let rest: Box<dyn Iterator<Item = At> + Send + 'a> = match goal.random {
            true => Box::new(roster.shuffled().into_iter()),
            false => Box::new(roster.iter()),
        };
        Self {
            known,
            rest: rest.peekable(),
            pending: VecDeque::new(),
            told: 0,
            interval: goal.interval,
            next_at: None,
            is_long: roster.total() >= MANY && goal.interval.is_none(),
            ended: None,
            is_over: false,
            teller,
        }
    }

    /// Tells all that is not behind something that is still being tested.
    fn tell(&mut self) -> ControlFlow<()> {
        while let Some(Pending { at, verdict }) = self.pending.front_mut() {
            let at = *at;
            let Some(verdict) = verdict.take() else {
                break;
            };
            if verdict.failure().is_some_and(proxied::ends) {
                self.ended = Some((at, verdict));
                return ControlFlow::Break(());
            }
            self.pending.pop_front();
            self.told += 1;
            self.teller.tell(at, &verdict, None)?;
        }
        ControlFlow::Continue(())
    }
}

impl Course for Once<'_, '_> {
    fn suits_two(&self) -> bool {
        self.is_long
    }

    fn next(&mut self, now: Instant) -> Next {
        if self.pending.len() >= AHEAD {
            return Next::At(now + PAUSE);
        }
        // Behind the last one nobody has to pause.
        if let Some(at) = self.next_at.filter(|at| now < *at) {
            return self.rest.peek().map_or(Next::End, |_| Next::At(at));
        }
        while let Some(at) = self.rest.next().filter(|_| !self.is_over) {
            let id = self.told + self.pending.len() as u64;
            let (item, verdict) = match self.known.addresses(at) {
                Ok(addresses) => {
                    let item = Item { id, at, addresses };
                    (Some(item), None)
                }
                Err(error) => {
                    let cause = Cause::Lookup(error);
                    (None, Some(Verdict::not_open(PortState::Error, cause)))
                }
            };
            self.pending.push_back(Pending { at, verdict });
            if let Some(item) = item {
                self.next_at = self.interval.and_then(|time| now.checked_add(time));
                return Next::Test(item);
            }
            self.is_over = self.tell().is_break();
        }
        Next::End
    }

    fn found(&mut self, id: u64, verdict: Verdict) -> ControlFlow<()> {
        let place = id
            .checked_sub(self.told)
            .and_then(|n| usize::try_from(n).ok());
        if let Some(pending) = place.and_then(|place| self.pending.get_mut(place)) {
            pending.verdict = Some(verdict);
        }
        self.tell()
    }

    fn pause(&mut self) -> ControlFlow<()> {
        self.tell()?;
        self.teller.pause()
    }

    fn impatient_at(&self) -> Option<Instant> {
        self.teller.impatient_at()
    }
}
