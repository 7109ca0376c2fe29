//! Two pumps, the rules of the end of data between them, and one outcome.
//!
//! `near` is our side (standard input and output), `far` the connection. `up` carries near to far,
//! `down` far to near. Each pump knows only its own direction; everything that one direction's end
//! means for the other is here, in the order in which [`Link::judge`] asks.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{
    pipes::Pipes,
    pump::{Budget, End, Pump},
    settling::{Debt, Settling},
    watch::Watch,
};
use crate::{
    outcome::{Counters, Delivery, DownEnd, Expired, Limit, Outcome, Stop, UpEnd},
    plan::{OnInputEnd, OnPeerEnd},
    stream::{Stream, Want, same_error},
};

/// One turn's bytes, after which signals and timers are looked at: some 20 ms at 1 GB/s.
const TURN: usize = 16 << 20;

/// How long we wait for much where a byte would do: the peer may have paused.
const MUCH_TIMEOUT: Duration = Duration::from_millis(1);

/// The rules of the end of data for one link.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// There is nothing to send, so that our end says nothing before the run is done.
    pub nothing_to_send: bool,
    /// Our input is a person's terminal.
    pub terminal: bool,
    /// We called, and whoever holds the other end of our input may have nothing to say.
    pub may_leave: bool,
    /// What our input's end means to the peer.
    pub on_input_end: OnInputEnd,
    /// What the peer's end means to us.
    pub on_peer_end: OnPeerEnd,
    /// After our input's end, the run ends once nothing has come for so long.
    pub quit_after: Option<Duration>,
    /// After so many reads from the peer the run ends.
    pub recv_limit: Option<u64>,
    /// What comes does not matter.
    pub send_only: bool,
    /// How long acknowledgements may take, from the last one.
    pub linger: Duration,
    /// Keepalive probes may be set for the time in which only we send.
    pub keepalive: bool,
    /// How long nothing may move.
    pub idle: Option<Duration>,
    /// Idleness is an end like any other, unless something is missing.
    pub idle_is_end: bool,
    /// Bytes a direction may hold.
    pub buffer: usize,
    /// Who has sent so many bytes between two waits is expected to go on like that, and is waited for
    /// until so many have come again.
    pub much: usize,
}

/// What a turn came to.
#[derive(Debug)]
pub(crate) enum Step {
    /// More can move at once.
    Again,
    /// Nothing can move before a stream wakes the loop or the time has come.
    Wait(Option<Instant>),
    /// It is over.
    Done(Box<Outcome>),
}

/// Two streams and all that is between them.
pub(crate) struct Link {
    near: Box<dyn Stream>,
    far: Box<dyn Stream>,
    up: Pump,
    down: Pump,
    rules: Rules,
    watch: Watch,
    /// Bytes taken from the peer when the loop waited last, and until when it waits for many more.
    taken_before: u64,
    expecting: Option<Instant>,
    /// The peer's end was seen, and what it means to us was decided.
    peer_ended: bool,
    /// We leave while our input could still give something; that must not look like its end.
    leaving: bool,
    /// The reader of our output has gone, and nothing of ours is left to be taken.
    unheard: bool,
    /// It was idle for too long, which is an end.
    idle_is_over: bool,
    /// We leave although the peer could still send something (`-q`, `-W`, `--send-only`).
    quit: bool,
    settling: Option<Settling>,
    /// Nobody was to wait for the last acknowledgements (`--linger 0`), and some are missing.
    unconfirmed: bool,
    /// `--send-only`, all sent: the peer's end is waited for, or the acknowledgements at least.
    tail: Option<Debt>,
    /// The connection failed in a way that no pump saw.
    lost: Option<io::Error>,
}

enum Judgement {
    Over,
    Expired(Expired),
    /// Something was decided that lets more move.
    Again,
    Wait,
}

impl Link {
    /// Joins two streams.
    pub(crate) fn new(
        near: Box<dyn Stream>,
        far: Box<dyn Stream>,
        rules: Rules,
        pipes: &Pipes,
        now: Instant,
    ) -> Self {
        let hold = match rules.on_input_end {
            OnInputEnd::Auto => rules.nothing_to_send,
            OnInputEnd::Shutdown => false,
            OnInputEnd::Keep => true,
        };
        Self {
            near,
            far,
            up: Pump::new(now, rules.buffer, pipes.clone(), hold),
            down: Pump::new(now, rules.buffer, pipes.clone(), false)
                .with_read_limit(rules.recv_limit),
            watch: Watch::new(rules.linger),
            rules,
            taken_before: 0,
            expecting: None,
            peer_ended: false,
            leaving: false,
            unheard: false,
            idle_is_over: false,
            quit: false,
            settling: None,
            unconfirmed: false,
            tail: None,
            lost: None,
        }
    }

    /// Moves what can move and decides what follows from it.
    pub(crate) fn step(&mut self, now: Instant) -> io::Result<Step> {
        let more = self.pump(now);
        match self.judge(now)? {
            Judgement::Over => Ok(Step::Done(Box::new(self.conclude(None)))),
            Judgement::Expired(what) => Ok(Step::Done(Box::new(self.stop(Stop::Expired(what))))),
            Judgement::Again => Ok(Step::Again),
            Judgement::Wait if more => Ok(Step::Again),
            Judgement::Wait => {
                self.expect(now);
                self.arm()?;
                Ok(Step::Wait(self.deadline()))
            }
        }
    }

    /// Ends the link from outside. A cut is never passed on as an end: unless the end is passed on
    /// already, or a person at a terminal is leaving, the connection is reset when something of
    /// ours is missing, or when the peer could take our silence for "everything was written".
    pub(crate) fn stop(&mut self, stop: Stop) -> Outcome {
        let sent_whole = self.up.source_ended().is_some() && self.up.held() == 0 && !self.leaving;
        let whole = if self.up.taken() > 0 {
            sent_whole
        } else {
            self.down.is_clean()
        };
        if !self.up.is_clean() {
            if whole {
                self.part();
            } else {
                self.cut(false);
            }
        }
        self.conclude(Some(stop))
    }

    /// Bytes moved so far.
    pub(crate) fn counters(&self) -> Counters {
        Counters {
            sent: self.up.passed(),
            received: self.down.passed(),
            datagrams: None,
        }
    }

    /// Moves what can move. Whether more could than the turn allows.
    fn pump(&mut self, now: Instant) -> bool {
        let before = self.sent();
        let (mut up, mut down) = (Budget::new(TURN), Budget::new(TURN));
        self.up.step(&mut *self.near, &mut *self.far, &mut up, now);
        if before != self.sent() {
            self.watch.sent(now, self.sent());
        }
        self.down
            .step(&mut *self.far, &mut *self.near, &mut down, now);
        up.is_spent() || down.is_spent()
    }

    /// Bytes sent, as the peer's kernel counts them, the FIN as one.
    fn sent(&self) -> u64 {
        self.up.passed() + self.far.overhead() + u64::from(self.up.is_clean())
    }

    fn judge(&mut self, now: Instant) -> io::Result<Judgement> {
        if let Some(over) = self.judge_failures() {
            return Ok(over);
        }
        if self.down.is_clean() && !self.peer_ended {
            self.peer_has_ended(now);
            return Ok(Judgement::Again);
        }
        let up_done = self.up.is_clean() || (self.leaving && self.up.is_held());
        if up_done && self.down.is_clean() {
            return Ok(self.settle(now));
        }
        if self.is_unheard()? {
            self.end_unheard();
            return Ok(Judgement::Again);
        }
        if let Some(judgement) = self.quit(now)? {
            return Ok(judgement);
        }
        if self.vanished(now)? || !self.still_there()? {
            return Ok(Judgement::Over);
        }
        Ok(match self.idle_expired(now) {
            None => Judgement::Wait,
            Some(_) if self.rules.idle_is_end && self.is_at_rest() => {
                self.end_idle(now);
                Judgement::Again
            }
            Some(expired) => Judgement::Expired(expired),
        })
    }

    fn judge_failures(&mut self) -> Option<Judgement> {
        match (self.up.end(), self.down.end()) {
            (Some(End::Source(_)), _) => self.cut(false),
            (_, Some(End::Sink(_))) => self.cut(true),
            // What came before it broke is written. There is nothing left to reset.
            (_, Some(End::Source(_))) => {}
            (Some(End::Sink(_)), Some(_)) => {}
            // The connection is gone: read what it holds, which cannot block. Where it does, only
            // sending has failed, and the peer has to be told.
            (Some(End::Sink(_)), None) if self.down.source_is_blocked() => self.cut(false),
            _ => return None,
        }
        Some(Judgement::Over)
    }

    /// The peer has ended, and what it sent is written and closed.
    fn peer_has_ended(&mut self, now: Instant) {
        self.peer_ended = true;
        self.quit |= self.down.is_at_limit();
        // Who has nothing to say speaks last: now the peer may take our FIN for "all is written".
        self.up.hold(false);
        if !self.up.is_open() {
            return;
        }
        // A last look at the input, for what came since the turn began.
        self.pump(now);
        if !self.up.is_open() {
            return;
        }
        let unheard = self.up.taken() == 0 && self.up.source_is_blocked();
        let on_peer_end = if self.down.is_at_limit() || self.idle_is_over {
            OnPeerEnd::Exit
        } else {
            self.rules.on_peer_end
        };
        match on_peer_end {
            OnPeerEnd::Exit => self.leave(now),
            OnPeerEnd::Auto if self.rules.terminal => self.up.end_source(now),
            // A server that answered and left.
            OnPeerEnd::Auto if self.rules.may_leave && unheard && self.down.taken() > 0 => {
                self.up.end_source(now);
            }
            OnPeerEnd::Auto | OnPeerEnd::Drain => {
                if self.rules.keepalive
                    && let Err(e) = self.far.keep_alive()
                {
                    log::debug!("keepalive: {e}");
                }
            }
        }
    }

    /// Leaves although our input could still give something.
    fn leave(&mut self, now: Instant) {
        self.leaving = self.up.taken() > 0 && !self.rules.terminal;
        self.up.hold(self.leaving);
        self.up.end_source(now);
    }

    /// Both directions are done. Before that counts as success the peer's kernel has to have it all.
    fn settle(&mut self, now: Instant) -> Judgement {
        let backlog = match self.far.check().and_then(|()| self.far.backlog()) {
            Ok(backlog) => backlog,
            // A sender that has been gone for long answers our FIN with a reset. It misses nothing.
            Err(_) if self.up.taken() == 0 => return Judgement::Over,
            Err(e) => return self.lose(e),
        };
        if backlog.bytes == 0 || self.rules.linger.is_zero() {
            self.unconfirmed = backlog.bytes > 0;
            if self.leaving {
                self.far.abort();
            }
            return Judgement::Over;
        }
        let bytes = backlog.bytes;
        let settling = self
            .settling
            .get_or_insert_with(|| Settling::new(bytes, now));
        if settling.is_overdue(bytes, now, self.rules.linger) {
            return self.lose(io::ErrorKind::TimedOut.into());
        }
        Judgement::Wait
    }

    /// Whether nobody would read what we wait for: our input has ended, and the reader of our output
    /// has gone. As long as something comes, writing it tells.
    fn is_unheard(&mut self) -> io::Result<bool> {
        let ended = self.up.is_held() || self.up.is_clean();
        let waits = ended && self.down.is_open() && self.down.held() == 0;
        if !waits || self.leaving || self.unheard {
            return Ok(false);
        }
        let came = self.down.taken() > self.taken_before;
        self.unheard = !came && self.near.check().is_err();
        if !self.unheard {
            self.near.watch()?;
        }
        Ok(self.unheard)
    }

    /// Nobody would read what the peer still has to say. What we had to say is delivered first, and
    /// its end, even where that was held back for an answer. Where we had nothing to say, our end would
    /// mean that all was written, and it was not.
    fn end_unheard(&mut self) {
        if self.rules.nothing_to_send {
            self.down.reader_left();
        } else {
            self.up.hold(false);
            self.rules.quit_after = Some(Duration::ZERO);
        }
    }

    /// Whether we leave although the peer has not ended: `-q`, and the last wait of `--send-only`.
    fn quit(&mut self, now: Instant) -> io::Result<Option<Judgement>> {
        if self.rules.send_only && self.waits_for_peer() && self.tail.is_none() {
            self.tail = Some(Debt {
                bytes: self.far.backlog()?.bytes,
                since: self.up.last(),
            });
        }
        if self.quit_at().is_none_or(|at| now < at) {
            return Ok(None);
        }
        if let Some(debt) = &mut self.tail {
            let bytes = self.far.backlog()?.bytes;
            if bytes > 0 && !self.rules.linger.is_zero() {
                let overdue = debt.is_overdue(bytes, now, self.rules.linger);
                return Ok(overdue.then(|| self.lose(io::ErrorKind::TimedOut.into())));
            }
        }
        self.quit = true;
        self.down.end_source(now);
        Ok(Some(Judgement::Again))
    }

    /// Whether all of ours is passed on and nothing of the peer's is left to be written.
    fn waits_for_peer(&self) -> bool {
        self.up.is_clean() && self.down.is_open() && self.down.held() == 0
    }

    fn quit_at(&self) -> Option<Instant> {
        match &self.tail {
            _ if !self.waits_for_peer() => None,
            Some(debt) => debt.since.checked_add(self.rules.linger),
            None => self.last_move().checked_add(self.rules.quit_after?),
        }
    }

    /// Nobody reads from a peer that has ended, so that its reset has to be listened for.
    fn still_there(&mut self) -> io::Result<bool> {
        if !self.peer_ended || self.up.wants_sink() {
            return Ok(true);
        }
        if let Err(e) = self.far.check() {
            self.lose(e);
            return Ok(false);
        }
        self.far.watch()?;
        Ok(true)
    }

    fn vanished(&mut self, now: Instant) -> io::Result<bool> {
        if self.watch.next().is_none_or(|at| now < at) {
            return Ok(false);
        }
        let backlog = self.far.backlog()?;
        log::debug!("not acknowledged: {backlog:?}");
        let gone = self.watch.has_vanished(now, backlog, self.sent());
        if gone {
            self.lose(io::ErrorKind::TimedOut.into());
        }
        Ok(gone)
    }

    fn idle_expired(&self, now: Instant) -> Option<Expired> {
        let length = self.rules.idle?;
        (now >= self.idle_at()?).then_some(Expired {
            limit: Limit::Idle,
            length,
        })
    }

    /// Whether nothing that has come waits for anything.
    fn is_at_rest(&self) -> bool {
        !self.idle_is_over && self.up.held() == 0 && self.down.held() == 0
    }

    /// Ends both directions, as far as they have not ended.
    fn end_idle(&mut self, now: Instant) {
        (self.idle_is_over, self.quit) = (true, true);
        self.down.end_source(now);
        if self.peer_ended && self.up.is_open() {
            self.leave(now);
        }
    }

    fn idle_at(&self) -> Option<Instant> {
        if self.settling.is_some() || self.tail.is_some() {
            None
        } else {
            self.last_move().checked_add(self.rules.idle?)
        }
    }

    fn last_move(&self) -> Instant {
        let moved = self.up.last().max(self.down.last());
        self.up.due().map_or(moved, |due| moved.max(due))
    }

    /// When something has to be looked at though no stream wakes the loop.
    fn deadline(&self) -> Option<Instant> {
        let settling = self.settling.as_ref().map(Settling::next);
        let watching = if settling.is_none() {
            self.watch.next()
        } else {
            None
        };
        [
            settling,
            watching,
            self.quit_at(),
            self.idle_at(),
            self.up.retry(),
            self.down.retry(),
            self.expecting,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Says how much the peer has to send before it is worth a wake-up.
    fn expect(&mut self, now: Instant) {
        let taken = self.down.taken();
        let came = taken - self.taken_before;
        self.taken_before = taken;
        let much = self.down.wants_source() && came >= self.rules.much as u64;
        let expects = self.far.expect(if much { self.rules.much } else { 1 });
        self.expecting = (much && expects).then(|| now + MUCH_TIMEOUT);
    }

    fn arm(&mut self) -> io::Result<()> {
        let far = Want {
            read: self.down.wants_source(),
            write: self.up.wants_sink(),
        };
        let near = Want {
            read: self.up.wants_source(),
            write: self.down.wants_sink(),
        };
        self.near.arm(near)?;
        self.far.arm(far)?;
        Ok(())
    }

    fn lose(&mut self, error: io::Error) -> Judgement {
        self.lost = Some(error);
        Judgement::Over
    }

    /// Resets the connection, so that nobody takes the cut for an end. A person at a terminal ends
    /// by leaving.
    fn cut(&mut self, output_failed: bool) {
        if self.rules.terminal && !output_failed {
            self.part();
        } else {
            self.far.abort();
        }
    }

    /// Leaves with a FIN.
    fn part(&mut self) {
        if !self.up.is_clean()
            && let Err(e) = self.far.finish()
        {
            log::debug!("no FIN: {e}");
        }
    }

    fn conclude(&mut self, stop: Option<Stop>) -> Outcome {
        let ended = self.up.is_clean() && self.down.is_clean();
        let settled = ended && self.lost.is_none() && !self.unconfirmed;
        let delivery = match (settled && stop.is_none(), self.quit) {
            (true, false) => Delivery::PeerEnded,
            (true, true) => Delivery::Acknowledged,
            (false, _) => Delivery::HandedOver,
        };
        Outcome {
            up: self.up_end(stop),
            down: self.down_end(),
            stop,
            delivery,
            // A connection that was cut has none to ask about.
            unacknowledged: self.far.backlog().map_or(0, |backlog| backlog.bytes),
            counters: self.counters(),
        }
    }

    fn up_end(&self, stop: Option<Stop>) -> UpEnd {
        // A peer that ended long ago and is found gone misses nothing that was never there.
        let missed_nothing = self.peer_ended && self.up.is_open() && self.up.taken() == 0;
        match (self.up.end(), self.down.end(), &self.lost) {
            (Some(End::Source(e)), _, _) => UpEnd::InputFailed(same_error(e)),
            // A FIN that finds the connection broken delivers nothing less.
            (Some(End::Sink(_)), Some(End::Source(_)), _) if self.up.taken() == 0 => UpEnd::Open,
            (Some(End::Sink(e)), _, _) => UpEnd::NotDelivered(same_error(e)),
            (_, _, Some(e)) if !missed_nothing => UpEnd::NotDelivered(same_error(e)),
            // Whoever resets has not read all, as far as we can know.
            (_, Some(End::Source(e)), _) if self.up.taken() > 0 => {
                UpEnd::NotDelivered(same_error(e))
            }
            (Some(End::Clean), _, _) => UpEnd::Delivered,
            (None, _, _) if stop.is_some() && self.up.held() > 0 => UpEnd::Cut,
            (None, _, _) => UpEnd::Open,
        }
    }

    fn down_end(&self) -> DownEnd {
        match self.down.end() {
            Some(End::Clean) => DownEnd::Complete,
            Some(End::Source(e)) => DownEnd::Broken(same_error(e)),
            Some(End::Sink(e)) if e.kind() == io::ErrorKind::BrokenPipe => DownEnd::ReaderLeft,
            Some(End::Sink(e)) => DownEnd::OutputFailed(same_error(e)),
            None => DownEnd::Open,
        }
    }
}
