//! One of the many streams of a hub: its place in what goes to all, and what came from it.

mod limits;

use std::{io, time::Instant};

use super::{
    carrier::is_passing,
    common::{Common, Sizes},
    lines::Lines,
    patience::Full,
    pump::NO_MEMORY_PAUSE,
    ring::Ring,
    settling::Settling,
    watch::Watch,
};
use crate::{
    outcome::{Counters, Delivery, DownEnd, Expired, Limit, Outcome, Stop, UpEnd},
    stream::{Io, Stream, Want, same_error},
};

/// A client.
pub(super) struct Member<T> {
    pub(super) who: T,
    /// It is in the queue of those that have something to do.
    pub(super) queued: bool,
    /// It is in the queue of those that wait for room in front of the output.
    pub(super) waits: bool,
    /// It is in the queue of those whose bytes are not written yet.
    pub(super) noted: bool,
    /// When it was asked to be stepped though nothing wakes it.
    pub(super) due: Option<Instant>,
    stream: Box<dyn Stream>,
    lines: Option<Lines>,
    up: Up,
    down: Down,
    /// Its first place in the log.
    joined: u64,
    /// Its next one.
    place: u64,
    /// Where the log ends for a client that has ended and does not stay to the end of all.
    until: Option<u64>,
    /// Where in the output its last byte is.
    written_at: u64,
    received: u64,
    blocked: Want,
    last: Instant,
    /// The last turn has sent something.
    moved: bool,
    /// Its queue is full.
    full: Option<Full>,
    /// What its kernel had acknowledged when that was looked at last.
    acknowledged: u64,
    retry: Option<Instant>,
    watch: Watch,
    settling: Option<Settling>,
    /// A limit has ended it.
    stop: Option<Expired>,
    /// What was not acknowledged then.
    unacknowledged: Option<usize>,
    /// It failed in a way that neither direction saw.
    lost: Option<io::Error>,
    /// We leave although it could still send something (`-q`).
    quit: bool,
    /// Both directions ended, and nothing is missing but perhaps acknowledgements.
    settled: bool,
    /// Nobody was to wait for the last acknowledgements (`--linger 0`), and some are missing.
    unconfirmed: bool,
}

/// The way to a client.
enum Up {
    Open,
    /// All and the end were passed on.
    Done,
    Failed(io::Error),
}

/// The way from a client.
enum Down {
    Open,
    Ended,
    Broken(io::Error),
}

/// What a turn came to.
#[derive(Debug)]
pub(super) enum Next {
    /// Nothing before its stream wakes it.
    Rest,
    /// There may be more to read.
    Again,
    /// It waits for room in front of the output.
    Room,
    /// It is over.
    Over,
}

impl<T> Member<T> {
    pub(super) fn new(
        who: T,
        stream: Box<dyn Stream>,
        tag: Option<Vec<u8>>,
        common: &Common,
        now: Instant,
    ) -> Self {
        Self {
            who,
            queued: false,
            waits: false,
            noted: false,
            due: None,
            stream,
            lines: tag.map(|tag| Lines::new(tag, common.sizes.line)),
            up: Up::Open,
            down: Down::Open,
            joined: common.log.end(),
            place: common.log.end(),
            until: None,
            written_at: common.output.end(),
            received: 0,
            blocked: Want::NOTHING,
            last: now,
            moved: false,
            full: None,
            acknowledged: 0,
            retry: None,
            watch: Watch::new(common.linger),
            settling: None,
            stop: None,
            unacknowledged: None,
            lost: None,
            quit: false,
            settled: false,
            unconfirmed: false,
        }
    }

    /// Its stream was woken.
    pub(super) fn wake(&mut self) {
        self.blocked = Want::NOTHING;
    }

    /// The time has come that it asked for. Room for more may have come without a word.
    pub(super) fn ring(&mut self) {
        self.due = None;
        self.blocked.write = false;
    }

    /// One turn: sends what it can, reads once, and decides what follows.
    pub(super) fn step(&mut self, common: &mut Common, now: Instant) -> Next {
        self.retry = self.retry.filter(|at| now < *at);
        let before = self.place;
        let mut next = Next::Rest;
        if self.stop.is_none() {
            self.send(common, now);
            next = self.take(common, now);
            if !matches!(self.down, Down::Open) && !self.end_line(common) {
                next = Next::Room;
            }
            self.part(common, now);
            if matches!(next, Next::Rest) && self.is_unread() {
                next = Next::Again;
            }
        }
        let quit = self.quit;
        self.moved = self.place > before;
        if self.is_over(common, now) {
            return if self.end_line(common) {
                Next::Over
            } else {
                Next::Room
            };
        }
        match self.arm() {
            Ok(()) if quit != self.quit || (self.moved && self.is_overdue(now)) => Next::Again,
            Ok(()) => next,
            Err(e) => {
                self.lost = Some(e);
                Next::Again
            }
        }
    }

    /// Whether what goes to all goes to it as well.
    pub(super) fn hears(&self) -> bool {
        self.is_up() && self.until.is_none()
    }

    /// Where the bytes begin that have to be kept for it, if any.
    pub(super) fn needs(&self) -> Option<u64> {
        self.is_up().then_some(self.place)
    }

    /// Whether it could take something of what goes to all.
    pub(super) fn is_writable(&self) -> bool {
        self.is_up() && !self.blocked.write
    }

    /// Where in the output its last byte is, if something follows when that is written.
    pub(super) fn awaits(&self, output: &Ring) -> Option<u64> {
        let ended = matches!(self.down, Down::Ended) && !self.has_open_line();
        (ended && !self.is_written(output)).then_some(self.written_at)
    }

    /// Bytes moved so far.
    pub(super) fn counters(&self) -> Counters {
        Counters {
            sent: self.place - self.joined,
            received: self.received,
            datagrams: None,
        }
    }

    /// Resets it.
    pub(super) fn cut(&mut self) {
        self.stream.abort();
    }

    /// The run ends before it is over: unless our end is passed on already, or a person is leaving and
    /// has said all, it must not look like one.
    pub(super) fn stop(&mut self, log: &Ring, person: bool) {
        if matches!(self.up, Up::Done) {
            return;
        }
        if person && self.place == self.end(log) {
            if let Err(e) = self.stream.finish() {
                log::debug!("no FIN: {e}");
            }
        } else {
            self.stream.abort();
        }
    }

    /// How it ended. If our end was not passed on to it, this is not to look like one.
    pub(super) fn conclude(mut self, log: &Ring) -> (T, Outcome) {
        let unacknowledged = self.unacknowledged.unwrap_or_else(|| self.missing());
        if !matches!(self.up, Up::Done) {
            self.stream.abort();
        }
        let delivery = match (self.settled && !self.unconfirmed, self.quit) {
            (true, false) => Delivery::PeerEnded,
            (true, true) => Delivery::Acknowledged,
            (false, _) => Delivery::HandedOver,
        };
        let outcome = Outcome {
            up: self.up_end(log),
            down: match &self.down {
                Down::Open => DownEnd::Open,
                Down::Ended => DownEnd::Complete,
                Down::Broken(e) => DownEnd::Broken(same_error(e)),
            },
            stop: self.stop.map(Stop::Expired),
            delivery,
            unacknowledged,
            counters: self.counters(),
        };
        (self.who, outcome)
    }

    /// Whether something may still be sent to it.
    fn is_up(&self) -> bool {
        matches!(self.up, Up::Open) && self.stop.is_none() && self.lost.is_none()
    }

    /// Where the log ends for it.
    fn end(&self, log: &Ring) -> u64 {
        self.until.unwrap_or_else(|| log.end())
    }

    /// Whether anything was to go to it.
    fn is_owed(&self, log: &Ring) -> bool {
        self.end(log) > self.joined
    }

    /// Whether everything that came from it so far is written.
    fn is_written(&self, output: &Ring) -> bool {
        output.start() >= self.written_at && !self.has_open_line()
    }

    fn has_open_line(&self) -> bool {
        self.lines.as_ref().is_some_and(Lines::is_open)
    }

    fn send(&mut self, common: &Common, now: Instant) {
        let log = &common.log;
        let end = self.end(log);
        while self.is_writable() && self.place < end && self.retry.is_none() {
            let some = log.from(self.place);
            let left = usize::try_from(end - self.place).unwrap_or(usize::MAX);
            let some = some.get(..left).unwrap_or(some);
            match self.stream.send(some) {
                Ok(Io::Moved(0) | Io::Eof) => self.up_fails(io::ErrorKind::WriteZero.into()),
                Ok(Io::Moved(n)) => {
                    self.place = (self.place + n as u64).min(end);
                    self.last = now;
                    self.watch.sent(now, self.sent());
                }
                Ok(Io::Blocked) => self.blocked.write = true,
                Err(e) if is_passing(&e) => self.retry = Some(now + NO_MEMORY_PAUSE),
                Err(e) => self.up_fails(e),
            }
        }
        let moved = |full: Full| full.has_moved(self.place, common.sizes.queue);
        if self.full.is_some_and(moved) || !self.is_up() {
            self.full = None;
        }
        if self.full.is_none() && self.is_up() && self.has_full_queue(common) {
            self.full = Some(Full::new(now, self.place, self.all_acknowledged()));
        }
    }

    /// What it sent before it failed may have come since it was last read.
    fn up_fails(&mut self, e: io::Error) {
        self.up = Up::Failed(e);
        self.blocked.read = false;
    }

    /// Reads once. An open line is kept for the next time.
    fn take(&mut self, common: &mut Common, now: Instant) -> Next {
        if !matches!(self.down, Down::Open) || self.blocked.read || self.retry.is_some() {
            return Next::Rest;
        }
        let Sizes { room, turn, .. } = common.sizes;
        if common.output.room() < room {
            return Next::Room;
        }
        let taken = match &mut self.lines {
            None => common.output.fill(turn, |buf| self.stream.recv(buf)),
            Some(lines) => {
                common.scratch.resize(turn, 0);
                let most = lines.most(common.output.room()).min(turn);
                let scratch = common.scratch.get_mut(..most).unwrap_or_default();
                let taken = self.stream.recv(scratch);
                if let Ok(Io::Moved(n)) = taken {
                    let bytes = scratch.get(..n).unwrap_or_default();
                    lines.pass(bytes, &mut common.output);
                }
                taken
            }
        };
        match taken {
            Ok(Io::Moved(n)) => {
                self.received += n as u64;
                self.last = now;
                self.written_at = common.output.end();
                return Next::Again;
            }
            Ok(Io::Blocked) => self.blocked.read = true,
            Ok(Io::Eof) => self.down_ends(Down::Ended, common, now),
            Err(e) if is_passing(&e) => self.retry = Some(now + NO_MEMORY_PAUSE),
            Err(e) => self.down_ends(Down::Broken(e), common, now),
        }
        Next::Rest
    }

    /// It could not be told the end, and has to be read once more.
    fn is_unread(&self) -> bool {
        let failed = matches!((&self.up, &self.down), (Up::Failed(_), Down::Open));
        failed && !self.blocked.read && self.retry.is_none()
    }

    fn down_ends(&mut self, down: Down, common: &Common, now: Instant) {
        self.down = down;
        self.last = now;
        self.until = (!common.to_the_end).then(|| common.log.end());
    }

    /// Passes an open line on, with an end of its own, as soon as there is room for it.
    fn end_line(&mut self, common: &mut Common) -> bool {
        match &mut self.lines {
            Some(lines) if lines.is_open() => {
                if lines.most(common.output.room()) == 0 {
                    return false;
                }
                lines.end(&mut common.output);
                self.written_at = common.output.end();
            }
            _ => {}
        }
        true
    }

    /// Passes our end on, when it is time: at the input's end, or when everything that came from a
    /// client that has ended is written, and nothing more is to come for it.
    fn part(&mut self, common: &Common, now: Instant) {
        let ended = matches!(self.down, Down::Ended) && self.is_written(&common.output);
        let no_more = common.input_ended || self.until.is_some();
        let due = (ended && no_more) || (common.input_ended && common.fin);
        let can = self.is_writable() && self.retry.is_none();
        if !due || !can || self.place < self.end(&common.log) {
            return;
        }
        match self.stream.finish() {
            Ok(Io::Blocked) => self.blocked.write = true,
            Ok(_) => {
                self.up = Up::Done;
                self.last = now;
                self.watch.sent(now, self.sent());
            }
            Err(e) if is_passing(&e) => self.retry = Some(now + NO_MEMORY_PAUSE),
            Err(e) => self.up_fails(e),
        }
    }

    /// Bytes sent, as its kernel counts them, the FIN as one.
    fn sent(&self) -> u64 {
        self.place - self.joined + self.stream.overhead() + u64::from(matches!(self.up, Up::Done))
    }

    fn is_over(&mut self, common: &Common, now: Instant) -> bool {
        if self.stop.is_some() || self.lost.is_some() {
            return true;
        }
        match (&self.up, &self.down) {
            (_, Down::Broken(_)) | (Up::Failed(_), Down::Ended) => return true,
            // The connection is gone: what it holds is read first.
            (Up::Failed(_), Down::Open) => return self.blocked.read,
            (Up::Done, Down::Ended) if self.is_written(&common.output) => {
                return self.settle(common, now);
            }
            _ => {}
        }
        self.expire(common, now) || self.vanished(now)
    }

    /// Whether nothing is missing any more, or never will be there.
    fn settle(&mut self, common: &Common, now: Instant) -> bool {
        let backlog = self.stream.check().and_then(|()| self.stream.backlog());
        let bytes = match backlog {
            Ok(backlog) => backlog.bytes,
            // A sender that has been gone for long answers our FIN with a reset. It misses nothing.
            Err(_) if !self.is_owed(&common.log) => 0,
            Err(e) => {
                self.lost = Some(e);
                return true;
            }
        };
        if bytes == 0 || common.linger.is_zero() {
            self.settled = true;
            self.unconfirmed = bytes > 0;
            return true;
        }
        let settling = self
            .settling
            .get_or_insert_with(|| Settling::new(bytes, now));
        let overdue = settling.is_overdue(bytes, now, common.linger);
        if overdue {
            self.lost = Some(io::ErrorKind::TimedOut.into());
        }
        overdue
    }

    fn arm(&mut self) -> io::Result<()> {
        let retries = self.retry.is_some();
        self.stream.arm(Want {
            read: matches!(self.down, Down::Open) && self.blocked.read && !retries,
            write: self.is_up() && self.blocked.write && !retries,
        })
    }

    fn up_end(&self, log: &Ring) -> UpEnd {
        let owed = self.is_owed(log);
        match (&self.up, &self.down, &self.lost) {
            _ if self.stop.is_some_and(|stop| stop.limit == Limit::Queue) => {
                UpEnd::NotDelivered(io::ErrorKind::TimedOut.into())
            }
            (Up::Failed(e), _, _) if owed => UpEnd::NotDelivered(same_error(e)),
            (_, _, Some(e)) => UpEnd::NotDelivered(same_error(e)),
            // Whoever resets has not read all, as far as we can know.
            (_, Down::Broken(e), _) if owed => UpEnd::NotDelivered(same_error(e)),
            (Up::Done, _, _) => UpEnd::Delivered,
            (Up::Open, _, _) if self.place < self.end(log) => UpEnd::Cut,
            // A client that is gone before our FIN misses nothing that was never there.
            (Up::Open | Up::Failed(_), _, _) => UpEnd::Open,
        }
    }
}
