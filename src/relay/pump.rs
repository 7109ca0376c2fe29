//! One direction.
//!
//! ```text
//! Open ──source ends──▶ Draining ──empty──▶ Closing ──sink finished──▶ Ended(Clean)
//!   │                       │ ▲
//!   │                  hold ▼ │ release
//!   │                       Held
//!   └──▶ Ended(Source(e)): after what was read is written   ──▶ Ended(Sink(e)): at once
//! ```

use std::{
    io,
    time::{Duration, Instant},
};

use super::{
    carrier::{Carrier, Sent, is_passing},
    pipes::Pipes,
};
use crate::stream::{Io, Stream};

/// How long a direction rests that the kernel had no memory for. Nothing wakes us when there is some.
pub(super) const NO_MEMORY_PAUSE: Duration = Duration::from_millis(10);

/// How a direction ended.
#[derive(Debug)]
pub(super) enum End {
    /// The last byte was passed on, and after it the end.
    Clean,
    /// The source failed; what it gave before was passed on.
    Source(io::Error),
    /// The sink failed, and what was meant for it is lost.
    Sink(io::Error),
}

#[derive(Debug)]
enum State {
    Open,
    /// The source gave all it had; an error is what it gave last.
    Draining(Option<io::Error>),
    /// All is passed on but the end, which is held back.
    Held,
    Closing,
    Ended(End),
}

/// Bytes that may still be moved before the loop has to look at signals and timers again.
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self(bytes)
    }

    pub(super) fn is_spent(&self) -> bool {
        self.0 == 0
    }

    pub(super) fn spend(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes);
    }
}

/// What an attempt costs beside its bytes, so that single bytes cannot make a turn last for ever.
pub(super) const ATTEMPT: usize = 16 * 1024;

/// One direction.
pub(super) struct Pump {
    state: State,
    carrier: Carrier,
    hold: bool,
    taken: u64,
    passed: u64,
    last: Instant,
    source_ended: Option<Instant>,
    source_blocked: bool,
    /// What the source has could not be taken because the sink has no room for it.
    sink_blocked: bool,
    retry: Option<Instant>,
    /// When the source gives something again.
    due: Option<Instant>,
    /// After so many more reads the source counts as ended.
    reads_left: Option<u64>,
}

impl Pump {
    /// A direction that holds its end back if `hold`.
    pub(super) fn new(now: Instant, capacity: usize, pipes: Pipes, hold: bool) -> Self {
        Self {
            state: State::Open,
            carrier: Carrier::new(capacity, pipes),
            hold,
            taken: 0,
            passed: 0,
            last: now,
            source_ended: None,
            source_blocked: false,
            sink_blocked: false,
            retry: None,
            due: None,
            reads_left: None,
        }
    }

    /// The same, with a source that counts as ended after so many reads.
    pub(super) fn with_read_limit(self, reads: Option<u64>) -> Self {
        Self {
            reads_left: reads,
            ..self
        }
    }

    /// Moves bytes until neither side can go on or the budget is spent.
    pub(super) fn step(
        &mut self,
        source: &mut dyn Stream,
        sink: &mut dyn Stream,
        budget: &mut Budget,
        now: Instant,
    ) {
        self.retry = self.retry.filter(|at| now < *at);
        if self.due.is_some_and(|at| at <= now) {
            self.due = None;
            self.last = now;
        }
        while !budget.is_spent() {
            let moved = match self.send_file(&*source, &*sink, budget, now) {
                Some(moved) => moved,
                None => self.fill(source, &*sink, budget, now) | self.drain(sink, budget, now),
            };
            if !moved {
                break;
            }
        }
        self.close(sink, now);
    }

    /// Treats the source as ended: what was read is passed on, and nothing more is read.
    pub(super) fn end_source(&mut self, now: Instant) {
        self.sink_blocked = false;
        if matches!(self.state, State::Open) {
            self.source_gone(None, now);
        }
    }

    /// Treats the sink as one that nobody reads from any more.
    pub(super) fn reader_left(&mut self) {
        self.sink_failed(io::ErrorKind::BrokenPipe.into());
    }

    /// From now on the end is held back, or no longer.
    pub(super) fn hold(&mut self, hold: bool) {
        self.hold = hold;
    }

    /// How it ended, if it has.
    pub(super) fn end(&self) -> Option<&End> {
        match &self.state {
            State::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// Whether all of it and the end are passed on.
    pub(super) fn is_clean(&self) -> bool {
        matches!(self.state, State::Ended(End::Clean))
    }

    /// Whether all was passed on but the end, which is held back.
    pub(super) fn is_held(&self) -> bool {
        matches!(self.state, State::Held)
    }

    /// Whether the source may still give something.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Whether the source has to become readable before anything moves.
    pub(super) fn wants_source(&self) -> bool {
        self.is_open() && self.carrier.has_room() && !self.sink_blocked && self.retry.is_none()
    }

    /// Whether the sink has to become writable before anything moves.
    pub(super) fn wants_sink(&self) -> bool {
        match self.state {
            State::Open if self.sink_blocked => true,
            State::Open | State::Draining(_) => !self.carrier.is_empty() && self.retry.is_none(),
            State::Closing => self.retry.is_none(),
            State::Held | State::Ended(_) => false,
        }
    }

    /// Whether the last thing that the source said is that it has nothing now.
    pub(super) fn source_is_blocked(&self) -> bool {
        self.is_open() && self.source_blocked
    }

    /// Whether as much was read as was to be read.
    pub(super) fn is_at_limit(&self) -> bool {
        self.reads_left == Some(0)
    }

    /// When it goes on without being woken.
    pub(super) fn retry(&self) -> Option<Instant> {
        self.retry.into_iter().chain(self.due()).min()
    }

    /// When the source gives something again, if it rests. That is no idle time.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| self.is_open())
    }

    /// Bytes read from the source.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Bytes written to the sink.
    pub(super) fn passed(&self) -> u64 {
        self.passed
    }

    /// Bytes read and not written.
    pub(super) fn held(&self) -> usize {
        self.carrier.held()
    }

    /// When a byte or an end moved last.
    pub(super) fn last(&self) -> Instant {
        self.last
    }

    /// When the source ended.
    pub(super) fn source_ended(&self) -> Option<Instant> {
        self.source_ended
    }

    /// Sends from a file where that is possible; none where it is not.
    fn send_file(
        &mut self,
        source: &dyn Stream,
        sink: &dyn Stream,
        budget: &mut Budget,
        now: Instant,
    ) -> Option<bool> {
        if !self.is_open() || !self.carrier.is_empty() {
            return None;
        }
        self.sink_blocked = false;
        match self.carrier.send_file(source, sink) {
            Sent::Refused => return None,
            Sent::SinkFailed(e) => self.sink_failed(e),
            Sent::Io(Io::Blocked) => self.sink_blocked = true,
            Sent::Io(Io::Eof) => self.source_gone(None, now),
            Sent::Io(Io::Moved(n)) => {
                budget.spend(n + ATTEMPT);
                self.taken += n as u64;
                self.passed += n as u64;
                self.last = now;
                return Some(true);
            }
        }
        Some(false)
    }

    fn fill(
        &mut self,
        source: &mut dyn Stream,
        sink: &dyn Stream,
        budget: &mut Budget,
        now: Instant,
    ) -> bool {
        if !self.wants_source() {
            return false;
        }
        if self.carrier.is_empty() {
            self.due = source.due(now);
        }
        match self.carrier.fill(source, sink) {
            Ok(Io::Moved(n)) => {
                budget.spend(n + ATTEMPT);
                self.taken += n as u64;
                self.last = now;
                self.source_blocked = false;
                self.count_read(n, now);
                return true;
            }
            Ok(Io::Blocked) => self.source_blocked = true,
            Ok(Io::Eof) => self.source_gone(None, now),
            Err(e) if is_passing(&e) => self.retry = Some(now + NO_MEMORY_PAUSE),
            Err(e) => self.source_gone(Some(e), now),
        }
        false
    }

    fn count_read(&mut self, n: usize, now: Instant) {
        if let Some(left) = &mut self.reads_left
            && n > 0
        {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.source_gone(None, now);
            }
        }
    }

    fn source_gone(&mut self, error: Option<io::Error>, now: Instant) {
        self.state = State::Draining(error);
        self.source_ended = Some(now);
        self.last = now;
    }

    fn drain(&mut self, sink: &mut dyn Stream, budget: &mut Budget, now: Instant) -> bool {
        let moving = matches!(self.state, State::Open | State::Draining(_));
        if !moving || self.carrier.is_empty() || self.retry.is_some() {
            return false;
        }
        match self.carrier.drain(sink) {
            Ok(Io::Moved(0) | Io::Eof) => self.sink_failed(io::ErrorKind::WriteZero.into()),
            Ok(Io::Moved(n)) => {
                budget.spend(ATTEMPT);
                self.passed += n as u64;
                self.last = now;
                return true;
            }
            Ok(Io::Blocked) => {}
            Err(e) if is_passing(&e) => self.retry = Some(now + NO_MEMORY_PAUSE),
            Err(e) => self.sink_failed(e),
        }
        false
    }

    fn close(&mut self, sink: &mut dyn Stream, now: Instant) {
        if let State::Draining(error) = &mut self.state
            && self.carrier.is_empty()
        {
            self.state = match error.take() {
                Some(e) => State::Ended(End::Source(e)),
                None => State::Held,
            };
            self.carrier.release();
        }
        if self.is_held() && !self.hold {
            self.state = State::Closing;
        }
        if matches!(self.state, State::Closing) && self.retry.is_none() {
            match sink.finish() {
                Ok(Io::Blocked) => {}
                Ok(_) => {
                    self.state = State::Ended(End::Clean);
                    self.last = now;
                }
                Err(e) if is_passing(&e) => self.retry = Some(now + NO_MEMORY_PAUSE),
                Err(e) => self.sink_failed(e),
            }
        }
    }

    fn sink_failed(&mut self, error: io::Error) {
        self.state = State::Ended(End::Sink(error));
        self.source_blocked = false;
    }
}
