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
    net,
    outcome::{PortState, Status},
    plan::Survey,
    report::Cause,
};

/// From so many on, a second loop is worth its beginning.
const MANY: u64 = 1024;

/// What was found is told in the order in which it was asked for. So much is kept for that.
const AHEAD: usize = 1 << 16;

/// How long it is waited where that is too much.
const PAUSE: Duration = Duration::from_millis(50);

/// So many that need no test are told before it is looked for signals.
const AT_ONCE: usize = 256;

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
    if swept.is_err() {
        course.tell_all();
    }
    let ended = course.ended;
    match &swept {
        // Whoever has stopped it does not want to wait.
        Err(net::Error::Stopped { .. }) => drop(teller.hand_out()),
        _ => {
            if let Err(error) = teller.drain(stage, total) {
                return teller.not_read(&error);
            }
        }
    }
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
                // Which of them it was is not told by the line about the proxy.
                let _ = self.teller.result(at, &verdict);
                self.ended = Some((at, verdict));
                return ControlFlow::Break(());
            }
            self.pending.pop_front();
            self.told += 1;
            self.teller.tell(at, &verdict, None)?;
        }
        ControlFlow::Continue(())
    }

    /// Tells what was found behind something that nobody will know any more.
    fn tell_all(&mut self) {
        for Pending { at, verdict } in std::mem::take(&mut self.pending) {
            if let Some(verdict) = verdict
                && self.teller.tell(at, &verdict, None).is_break()
            {
                return;
            }
        }
    }

    /// What is to be done next, but not all that needs no test at once.
    fn choose(&mut self, now: Instant) -> Next {
        for _ in 0..AT_ONCE {
            if self.is_over {
                return Next::End;
            }
            if self.pending.len() >= AHEAD {
                return Next::At(now + PAUSE);
            }
            let Some(at) = self.rest.next() else {
                return Next::End;
            };
            let id = self.told + self.pending.len() as u64;
            let verdict = match self.known.addresses(at) {
                Ok(addresses) => {
                    self.pending.push_back(Pending { at, verdict: None });
                    self.next_at = self.interval.and_then(|time| now.checked_add(time));
                    return Next::Test(Item { id, at, addresses });
                }
                Err(error) => Verdict::not_open(PortState::Error, Cause::Lookup(error)),
            };
            self.teller.seen(verdict.state);
            self.pending.push_back(Pending {
                at,
                verdict: Some(verdict),
            });
            self.is_over = self.tell().is_break();
        }
        Next::At(now)
    }
}

impl Course for Once<'_, '_> {
    fn suits_two(&self) -> bool {
        self.is_long
    }

    fn next(&mut self, now: Instant) -> Next {
        if let Some(at) = self.teller.hold(now) {
            return Next::At(at);
        }
        // Behind the last one nobody has to pause.
        if let Some(at) = self.next_at.filter(|at| now < *at) {
            return self.rest.peek().map_or(Next::End, |_| Next::At(at));
        }
        let told = self.told;
        let next = self.choose(now);
        // Nobody else tells that it was all for now, if nothing is found.
        if self.told != told {
            self.is_over |= self.teller.pause().is_break();
        }
        next
    }

    fn found(&mut self, id: u64, verdict: Verdict) -> ControlFlow<()> {
        self.teller.seen(verdict.state);
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
