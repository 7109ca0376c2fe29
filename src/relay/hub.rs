//! One near stream and many far ones: what comes from any of them goes to the near one, and what
//! comes from the near one goes to all of them.
//!
//! Only what was woken is looked at. Each member has its turn, a bounded one, and goes to the back
//! of the queue; while the near stream takes nothing, nobody is read. What goes to all is held once:
//! a member's queue is its place in it.

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    time::{Duration, Instant},
};

use super::{
    carrier::is_passing,
    common::{Common, Sizes},
    member::{Member, Next},
    pump::{ATTEMPT, Budget, NO_MEMORY_PAUSE},
    ring::Ring,
};
use crate::{
    outcome::{Counters, Outcome},
    stream::{Io, Stream, Want},
};

/// One turn's bytes, after which signals and new members are looked at.
const TURN: usize = 4 << 20;

/// The near stream's number; members have theirs from 0 on.
const NEAR: usize = usize::MAX;

/// The rules of the end of data for all members.
#[derive(Clone, Debug)]
pub(crate) struct HubRules {
    /// There is nothing to send.
    pub nothing_to_send: bool,
    /// The end of what goes to all is passed on as soon as it is there.
    pub fin: bool,
    /// A member that has ended gets all that is still to come: it comes at once, and it ends.
    pub to_the_end: bool,
    /// After the end a member is done with once nothing has come from it for so long.
    pub quit_after: Option<Duration>,
    /// How long acknowledgements may take, from the last one.
    pub linger: Duration,
    /// How long nothing may move between a member and us.
    pub idle: Option<Duration>,
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// More can move at once.
    Again,
    /// Nothing can move before a stream wakes the loop or the time has come.
    Wait(Option<Instant>),
}

/// Why a hub cannot go on.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The near stream could not be read.
    Input(io::Error),
    /// It could not be written.
    Output(io::Error),
}

/// One near stream, many far ones, and all that is between them. A member is known as `T` to whoever
/// has let it in.
pub(crate) struct Hub<T> {
    near: Box<dyn Stream>,
    blocked: Want,
    retry: Option<Instant>,
    /// When the near stream gives something again.
    due: Option<Instant>,
    common: Common,
    members: Vec<Option<Member<T>>>,
    free: Vec<usize>,
    /// How many members what goes to all goes to.
    hearers: usize,
    /// Something in front of what goes to all may be there for nobody any more.
    untidy: bool,
    /// Those that have something to do.
    work: VecDeque<usize>,
    /// Those that wait for room in front of the output.
    waiting: VecDeque<usize>,
    /// Those that something follows for when the output has been written up to a place.
    unwritten: VecDeque<(u64, usize)>,
    timers: BTreeSet<(Instant, usize)>,
    gone: Vec<(T, Outcome)>,
    moved: Counters,
}

impl<T> Hub<T> {
    /// A hub without members.
    pub(crate) fn new(near: Box<dyn Stream>, rules: &HubRules) -> Self {
        Self::with_sizes(near, rules, Sizes::default())
    }

    /// The same with other sizes, so that a simulation gets to their limits.
    pub(super) fn with_sizes(mut near: Box<dyn Stream>, rules: &HubRules, sizes: Sizes) -> Self {
        near.number(NEAR);
        Self {
            near,
            blocked: Want::NOTHING,
            retry: None,
            due: None,
            common: Common {
                sizes,
                log: Ring::new(sizes.queue),
                input_ended: rules.nothing_to_send,
                fin: rules.fin,
                to_the_end: rules.to_the_end,
                output: Ring::new(sizes.output),
                scratch: Vec::new(),
                quit_after: rules.quit_after,
                linger: rules.linger,
                idle: rules.idle,
            },
            members: Vec::new(),
            free: Vec::new(),
            hearers: 0,
            untidy: false,
            work: VecDeque::new(),
            waiting: VecDeque::new(),
            unwritten: VecDeque::new(),
            timers: BTreeSet::new(),
            gone: Vec::new(),
            moved: Counters::default(),
        }
    }

    /// Lets a stream in. With a tag, its lines are passed on whole, each behind the tag.
    pub(crate) fn join(
        &mut self,
        mut stream: Box<dyn Stream>,
        tag: Option<Vec<u8>>,
        who: T,
        now: Instant,
    ) {
        let id = self.free.pop().unwrap_or(self.members.len());
        stream.number(id);
        let member = Member::new(who, stream, tag, &self.common, now);
        self.hearers += 1;
        match self.members.get_mut(id) {
            Some(place) => *place = Some(member),
            None => self.members.push(Some(member)),
        }
        self.enqueue(id);
    }

    /// How many members there are.
    pub(crate) fn len(&self) -> usize {
        self.members.len() - self.free.len()
    }

    /// Whether everything that came from members that have gone is written.
    pub(crate) fn is_written(&self) -> bool {
        self.common.output.is_empty()
    }

    /// Bytes moved so far, by all members there have been.
    pub(crate) fn counters(&self) -> Counters {
        self.moved
    }

    /// Those that have gone since the last time.
    pub(crate) fn gone(&mut self) -> impl Iterator<Item = (T, Outcome)> {
        self.gone.drain(..)
    }

    /// Moves what can move; `woken` are the numbers of the streams that the loop was woken for.
    pub(crate) fn step(&mut self, woken: &[usize], now: Instant) -> Result<Turn, Failure> {
        for id in woken {
            self.wake(*id);
        }
        while self.timers.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, id)) = self.timers.pop_first() {
                self.timer_has_rung(id);
                self.enqueue(id);
            }
        }
        self.retry = self.retry.filter(|at| now < *at);
        if self.due.is_some_and(|at| at <= now) {
            self.due = None;
            self.blocked.read = false;
        }
        let mut budget = Budget::new(TURN);
        loop {
            let moved = self.take_input(&mut budget, now)?
                | self.serve(&mut budget, now)
                | self.write_out(&mut budget, now)?;
            if budget.is_spent() {
                return Ok(Turn::Again);
            }
            if !moved {
                break;
            }
        }
        self.rest().map_err(Failure::Output)?;
        let timer = self.timers.first().map(|(at, _)| *at);
        let due = self.due.filter(|_| self.wants_input());
        let times = [timer, self.retry, due];
        Ok(Turn::Wait(times.into_iter().flatten().min()))
    }

    /// Closes the near stream, and tells how that went. Blocked: wait and call it again.
    pub(crate) fn finish(&mut self) -> io::Result<Io> {
        self.near.finish()
    }

    /// Resets all members.
    pub(crate) fn cut(&mut self) {
        for member in self.members.iter_mut().flatten() {
            member.cut();
        }
    }

    /// Resets all members but those who have got everything and our end. A person who leaves ends by
    /// that, and members who have got everything get a FIN.
    pub(crate) fn stop(&mut self, person: bool) {
        for member in self.members.iter_mut().flatten() {
            member.stop(&self.common.log, person);
        }
    }

    fn wake(&mut self, id: usize) {
        if id == NEAR {
            self.blocked = Want::NOTHING;
        } else if let Some(Some(member)) = self.members.get_mut(id) {
            member.wake();
            self.enqueue(id);
        }
    }

    fn enqueue(&mut self, id: usize) {
        if let Some(Some(member)) = self.members.get_mut(id)
            && !member.queued
        {
            member.queued = true;
            self.work.push_back(id);
        }
    }

    /// Reads once what goes to all. Nothing is read that nobody would hear.
    fn take_input(&mut self, budget: &mut Budget, now: Instant) -> Result<bool, Failure> {
        if !self.wants_input() || self.blocked.read || self.retry.is_some() {
            return Ok(false);
        }
        self.due = self.near.due(now);
        let near = &mut self.near;
        match self.common.log.fill(usize::MAX, |buf| near.recv(buf)) {
            Ok(Io::Moved(n)) => budget.spend(n + ATTEMPT),
            Ok(Io::Blocked) => {
                self.blocked.read = true;
                return Ok(false);
            }
            Ok(Io::Eof) => self.common.input_ended = true,
            Err(e) if is_passing(&e) => {
                self.retry = Some(now + NO_MEMORY_PAUSE);
                return Ok(false);
            }
            Err(e) => return Err(Failure::Input(e)),
        }
        let (full, start) = (self.common.log.room() == 0, self.common.log.start());
        for id in 0..self.members.len() {
            if let Some(Some(member)) = self.members.get(id)
                && (member.is_writable() || (full && member.needs() == Some(start)))
            {
                self.enqueue(id);
            }
        }
        Ok(true)
    }

    fn wants_input(&self) -> bool {
        !self.common.input_ended && self.hearers > 0 && self.common.log.room() > 0
    }

    /// A turn for each member that has something to do.
    fn serve(&mut self, budget: &mut Budget, now: Instant) -> bool {
        let mut moved = false;
        for _ in 0..self.work.len() {
            if budget.is_spent() {
                break;
            }
            if let Some(id) = self.work.pop_front() {
                moved |= self.serve_one(id, budget, now);
            }
        }
        if std::mem::take(&mut self.untidy) {
            self.trim();
        }
        moved
    }

    fn serve_one(&mut self, id: usize, budget: &mut Budget, now: Instant) -> bool {
        let Some(Some(member)) = self.members.get_mut(id) else {
            return false;
        };
        member.queued = false;
        let (before, heard, needed) = (member.counters(), member.hears(), member.needs());
        let next = member.step(&mut self.common, now);
        let (after, hears, needs) = (member.counters(), member.hears(), member.needs());
        let awaits = member
            .awaits(&self.common.output)
            .filter(|_| !std::mem::replace(&mut member.noted, true));
        let waits = matches!(next, Next::Room) && !std::mem::replace(&mut member.waits, true);
        let due = member.deadline(&self.common);

        let sent = after.sent - before.sent;
        let received = after.received - before.received;
        self.moved.sent += sent;
        self.moved.received += received;
        budget.spend(ATTEMPT + usize::try_from(sent + received).unwrap_or(usize::MAX));
        self.hearers -= usize::from(heard && !hears);
        self.unwritten.extend(awaits.map(|place| (place, id)));
        if waits {
            self.waiting.push_back(id);
        }
        match next {
            Next::Again => self.enqueue(id),
            Next::Over => self.part_with(id),
            Next::Rest | Next::Room => {}
        }
        if !matches!(next, Next::Over) {
            self.set_timer(id, due);
        }
        self.untidy |= needed != needs && needed == Some(self.common.log.start());
        sent + received > 0 || heard != hears || matches!(next, Next::Again | Next::Over)
    }

    fn part_with(&mut self, id: usize) {
        self.set_timer(id, None);
        let Some(member) = self.members.get_mut(id).and_then(Option::take) else {
            return;
        };
        self.hearers -= usize::from(member.hears());
        self.free.push(id);
        self.gone.push(member.conclude(&self.common.log));
        self.untidy = true;
        if self.len() == 0 {
            self.common.log.release();
            self.common.scratch = Vec::new();
        }
    }

    /// Forgets what everybody has got.
    fn trim(&mut self) {
        let members = self.members.iter().flatten();
        let slowest = members.filter_map(Member::needs).min();
        self.common
            .log
            .forget(slowest.unwrap_or_else(|| self.common.log.end()));
    }

    fn set_timer(&mut self, id: usize, due: Option<Instant>) {
        let Some(Some(member)) = self.members.get_mut(id) else {
            return;
        };
        if member.due == due {
            return;
        }
        if let Some(at) = std::mem::replace(&mut member.due, due) {
            self.timers.remove(&(at, id));
        }
        self.timers.extend(due.map(|at| (at, id)));
    }

    fn timer_has_rung(&mut self, id: usize) {
        if let Some(Some(member)) = self.members.get_mut(id) {
            member.ring();
        }
    }

    fn write_out(&mut self, budget: &mut Budget, now: Instant) -> Result<bool, Failure> {
        let start = self.common.output.start();
        while !self.common.output.is_empty()
            && !self.blocked.write
            && self.retry.is_none()
            && !budget.is_spent()
        {
            let place = self.common.output.start();
            match self.near.send(self.common.output.from(place)) {
                Ok(Io::Moved(0) | Io::Eof) => {
                    return Err(Failure::Output(io::ErrorKind::WriteZero.into()));
                }
                Ok(Io::Moved(n)) => {
                    budget.spend(ATTEMPT);
                    self.common.output.forget(place + n as u64);
                }
                Ok(Io::Blocked) => self.blocked.write = true,
                Err(e) if is_passing(&e) => self.retry = Some(now + NO_MEMORY_PAUSE),
                Err(e) => return Err(Failure::Output(e)),
            }
        }
        self.wake_written();
        if self.common.output.is_empty() && self.len() == 0 {
            self.common.output.release();
        }
        Ok(self.common.output.start() > start)
    }

    /// Those who waited for what was written have something to do now.
    fn wake_written(&mut self) {
        let written = self.common.output.start();
        while let Some((_, id)) = self
            .unwritten
            .front()
            .copied()
            .filter(|(at, _)| *at <= written)
        {
            self.unwritten.pop_front();
            self.enqueue(id);
        }
        if self.common.output.room() < self.common.sizes.room {
            return;
        }
        // They have waited longer than those who came to the queue since.
        while let Some(id) = self.waiting.pop_back() {
            if let Some(Some(member)) = self.members.get_mut(id) {
                member.waits = false;
                if !std::mem::replace(&mut member.queued, true) {
                    self.work.push_front(id);
                }
            }
        }
    }

    fn rest(&mut self) -> io::Result<()> {
        let retries = self.retry.is_some();
        self.near.arm(Want {
            read: self.wants_input() && self.blocked.read && !retries,
            write: !self.common.output.is_empty() && self.blocked.write && !retries,
        })
    }
}

#[cfg(test)]
mod tests;
