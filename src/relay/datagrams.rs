//! Datagrams between our input and output and one or many correspondents.
//!
//! Nothing of the stream relay fits here: a datagram is passed on whole or not at all, an empty one
//! is data, there is no end that could be passed on, and nobody acknowledges anything. So the run
//! ends when our input has ended and it has been silent for long enough, or when the kernel says
//! that nobody is there.

use std::{
    io,
    time::{Duration, Instant},
};

use socket2::SockAddr;

use super::{
    Step,
    flows::{Flows, Heard},
};
use crate::{
    outcome::{
        Counters, DatagramCounters, Delivery, DownEnd, Expired, Limit, Outcome, Stop, UpEnd,
    },
    stream::{Arrival, Datagrams, Flow, Io, Stream, Want, is_refusal},
};

/// Attempts in each direction, after which signals and timers are looked at.
const TURN: usize = 256;

/// Pauses before something is tried or looked at again that no event tells of; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// How long the last datagrams may wait in our own machine, and how long one correspondent of many
/// may keep the others waiting.
const PATIENCE: Duration = Duration::from_secs(10);
const PATIENCE_WITH_ONE: Duration = Duration::from_secs(1);

/// The rules of one exchange.
#[derive(Clone, Debug)]
pub(crate) struct ExchangeRules {
    /// A peer speaks first; it is answered then.
    pub receiver: bool,
    /// Everybody who speaks is a peer.
    pub everyone: bool,
    /// The most that one datagram takes of our input.
    pub size: Option<usize>,
    /// How many datagrams are received.
    pub recv_limit: Option<u64>,
    /// After our input's end, the run is done once nothing has moved for so long.
    pub quiet: Option<Duration>,
    /// How long nothing may move otherwise.
    pub idle: Option<Duration>,
    /// How long the first datagram may take.
    pub first: Option<Duration>,
    /// A receiver is not idle before its first datagram.
    pub patient: bool,
}

/// Something worth telling.
#[derive(Debug)]
pub(crate) enum News {
    /// The first datagram of a correspondent.
    From(SockAddr),
    /// It is not answered any more: others had to be remembered, or it cannot be reached.
    Forgotten(SockAddr, Option<io::Error>),
    /// Nobody was at the first address; this is the next one.
    TurnedTo(SockAddr),
}

/// Our input and output, datagram sockets, and all that is between them.
pub(crate) struct Exchange {
    near: Box<dyn Stream>,
    far: Box<dyn Datagrams>,
    rules: ExchangeRules,
    started: Instant,
    /// Somebody is there who can be answered.
    has_peer: bool,
    up: Up,
    down: Down,
    flows: Flows,
    last_move: Instant,
    news: Vec<News>,
    leaving: Option<Pause>,
}

/// Our input's way.
struct Up {
    buffer: Box<[u8]>,
    /// The length of the datagram that is not sent yet.
    held: Option<usize>,
    input: Input,
    /// When our input gives something again, if it rests. That is no idle time.
    due: Option<Instant>,
    /// There is room again at a time that no event tells.
    retry: Option<Pause>,
    /// Sending can go on when the socket says so.
    blocked: bool,
    fault: Option<UpEnd>,
    sent: DatagramCount,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Open,
    Ended,
}

/// Our output's way.
struct Down {
    buffer: Vec<u8>,
    /// What of it is not written yet.
    start: usize,
    end: usize,
    fault: Option<DownEnd>,
    received: DatagramCount,
}

#[derive(Clone, Copy, Debug, Default)]
struct DatagramCount {
    datagrams: u64,
    bytes: u64,
}

/// Looking again and again, each time later.
#[derive(Clone, Copy, Debug)]
struct Pause {
    since: Instant,
    length: Duration,
    until: Instant,
}

impl Exchange {
    /// Joins our input and output with the sockets.
    pub(crate) fn new(
        near: Box<dyn Stream>,
        far: Box<dyn Datagrams>,
        rules: ExchangeRules,
        now: Instant,
    ) -> Self {
        Self {
            near,
            far,
            has_peer: !rules.receiver,
            rules,
            started: now,
            up: Up {
                buffer: Box::default(),
                held: None,
                input: Input::Open,
                due: None,
                retry: None,
                blocked: false,
                fault: None,
                sent: DatagramCount::default(),
            },
            down: Down {
                buffer: Vec::new(),
                start: 0,
                end: 0,
                fault: None,
                received: DatagramCount::default(),
            },
            flows: Flows::default(),
            last_move: now,
            news: Vec::new(),
            leaving: None,
        }
    }

    /// Moves what can move and decides what follows from it.
    pub(crate) fn step(&mut self, now: Instant) -> io::Result<Step> {
        if self.up.due.is_some_and(|at| at <= now) {
            self.up.due = None;
            self.last_move = now;
        }
        let mut rests = false;
        for _ in 0..TURN {
            let up = self.step_up(now);
            let down = self.step_down(now);
            if !up && !down {
                rests = true;
                break;
            }
        }
        if let Some(outcome) = self.judge(now, rests)? {
            return Ok(Step::Done(Box::new(outcome)));
        }
        if !rests {
            return Ok(Step::Again);
        }
        self.arm()?;
        Ok(Step::Wait(self.deadline()))
    }

    /// Ends the exchange from outside.
    pub(crate) fn stop(&mut self, stop: Stop) -> Outcome {
        self.conclude(Some(stop), DownEnd::Open)
    }

    /// What has moved so far.
    pub(crate) fn counters(&self) -> Counters {
        Counters {
            sent: self.up.sent.bytes,
            received: self.down.received.bytes,
            datagrams: Some(DatagramCounters {
                sent: self.up.sent.datagrams,
                received: self.down.received.datagrams,
            }),
        }
    }

    /// What has happened since the last call.
    pub(crate) fn news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// One attempt; whether there may be more to do at once.
    fn step_up(&mut self, now: Instant) -> bool {
        if self.up.fault.is_some() || self.up.retry.is_some_and(|pause| now < pause.until) {
            return false;
        }
        match self.up.held {
            Some(length) => self.send(length, now),
            None if self.wants_input() => self.read(now),
            None => false,
        }
    }

    fn read(&mut self, now: Instant) -> bool {
        let most = self
            .far
            .largest()
            .min(self.rules.size.unwrap_or(usize::MAX));
        if self.up.buffer.len() != most {
            self.up.buffer = vec![0; most].into_boxed_slice();
        }
        self.up.due = self.near.due(now);
        match self.near.recv(&mut self.up.buffer) {
            Ok(Io::Moved(length)) => {
                self.up.held = Some(length);
                self.flows.address_all();
            }
            Ok(Io::Blocked) => return false,
            Ok(Io::Eof) => {
                self.up.input = Input::Ended;
                self.up.due = None;
                self.last_move = now;
            }
            Err(e) => self.up.fault = Some(UpEnd::InputFailed(e)),
        }
        true
    }

    fn send(&mut self, length: usize, now: Instant) -> bool {
        let datagram = self.up.buffer.get(..length).unwrap_or_default();
        let to = self.flows.next();
        if self.rules.everyone && to.is_none() {
            self.sent(length, now);
            return true;
        }
        let sent = self.far.send(datagram, to);
        if let Some(address) = self.far.turned_to() {
            self.news.push(News::TurnedTo(address));
        }
        let answer = match sent {
            Ok(Io::Moved(_)) => {
                self.up.retry = None;
                Ok(())
            }
            Ok(Io::Blocked | Io::Eof) => {
                self.up.blocked = true;
                return false;
            }
            Err(e) if is_shortage(&e) && self.may_retry(now) => {
                self.up.retry = Some(Pause::after(self.up.retry, now));
                return false;
            }
            Err(e) => Err(e),
        };
        self.up.blocked = false;
        match (self.flows.done(), answer) {
            (Some(flow), Err(e)) => self.forget(&flow, Some(e)),
            (None, Err(e)) if is_refusal(&e) => self.up.fault = Some(UpEnd::Refused(e)),
            (None, Err(e)) => self.up.fault = Some(UpEnd::NotDelivered(e)),
            (Some(_), Ok(())) if self.flows.next().is_some() => {}
            (_, Ok(())) => self.sent(length, now),
        }
        true
    }

    /// A datagram has gone to everybody whom it was for.
    fn sent(&mut self, length: usize, now: Instant) {
        self.up.held = None;
        self.up.sent.add(length);
        self.last_move = now;
    }

    /// A shortage of the whole machine passes; one correspondent of many must not be waited for.
    fn may_retry(&self, now: Instant) -> bool {
        let Some(pause) = self.up.retry else {
            return true;
        };
        !self.rules.everyone || now.saturating_duration_since(pause.since) < PATIENCE_WITH_ONE
    }

    fn forget(&mut self, flow: &Flow, why: Option<io::Error>) {
        self.up.retry = None;
        self.flows.forget(flow);
        self.news.push(News::Forgotten(flow.address.clone(), why));
    }

    /// One attempt; whether there may be more to do at once.
    fn step_down(&mut self, now: Instant) -> bool {
        if self.down.fault.is_some() {
            false
        } else if self.down.is_pending() {
            self.write(now)
        } else if self.wants_datagrams() {
            self.receive(now)
        } else {
            false
        }
    }

    fn write(&mut self, now: Instant) -> bool {
        let rest = self.down.buffer.get(self.down.start..self.down.end);
        match self.near.send(rest.unwrap_or_default()) {
            Ok(Io::Moved(n)) => {
                self.down.start += n;
                self.down.received.bytes += n as u64;
                self.last_move = now;
                true
            }
            Ok(Io::Blocked | Io::Eof) => false,
            Err(e) => {
                self.down.fault = Some(match e.kind() {
                    io::ErrorKind::BrokenPipe => DownEnd::ReaderLeft,
                    _ => DownEnd::OutputFailed(e),
                });
                true
            }
        }
    }

    fn receive(&mut self, now: Instant) -> bool {
        match self.far.recv(&mut self.down.buffer) {
            Ok(Arrival::Whole { length, from }) => self.arrived(length, from, now),
            Ok(Arrival::Cut { length }) => {
                log::debug!("a datagram of {length} bytes");
                let error = io::Error::from_raw_os_error(libc::EMSGSIZE);
                self.down.fault = Some(DownEnd::Broken(error));
            }
            Ok(Arrival::Foreign) => {}
            Ok(Arrival::Blocked) => return false,
            // What comes behind it is still read.
            Err(e) => self.failed(e),
        }
        true
    }

    /// A datagram of ours has come to nothing, as we hear only now.
    fn failed(&mut self, e: io::Error) {
        if self.up.fault.is_none() {
            self.up.fault = Some(if is_refusal(&e) {
                UpEnd::Refused(e)
            } else {
                UpEnd::NotDelivered(e)
            });
        }
    }

    fn arrived(&mut self, length: usize, from: Flow, now: Instant) {
        let first = self.down.received.datagrams == 0;
        self.down.received.datagrams += 1;
        (self.down.start, self.down.end) = (0, length);
        self.last_move = now;
        // Nobody can answer a Unix socket without a name.
        let nameless = from.is_nameless();
        if self.rules.everyone && !nameless {
            self.hear(from);
        } else if self.rules.receiver && !self.rules.everyone && first {
            self.news.push(News::From(from.address.clone()));
            match self.far.lock(&from) {
                Ok(()) => self.has_peer = !nameless,
                Err(e) => self.failed(e),
            }
        }
    }

    fn hear(&mut self, from: Flow) {
        self.has_peer = true;
        let address = from.address.clone();
        if let Heard::New { forgotten } = self.flows.hear(from) {
            self.news.push(News::From(address));
            if let Some(flow) = forgotten {
                self.news.push(News::Forgotten(flow.address, None));
            }
        }
    }

    fn judge(&mut self, now: Instant, rests: bool) -> io::Result<Option<Outcome>> {
        if let Some(fault) = self.down.fault.take() {
            return Ok(Some(self.conclude(None, fault)));
        }
        if !rests || self.down.is_pending() {
            return Ok(self.idle(now));
        }
        if self.up.fault.is_some() {
            return Ok(Some(self.finish()));
        }
        if self.up.held.is_none() {
            if self.has_heard_enough() {
                return Ok(Some(self.finish()));
            }
            if self.quiet_at().is_some_and(|at| now >= at) {
                return self.leave(now);
            }
        }
        self.leaving = None;
        Ok(self.idle(now))
    }

    /// The end, as soon as the last datagram has left the machine.
    fn leave(&mut self, now: Instant) -> io::Result<Option<Outcome>> {
        if let Err(e) = self.far.check() {
            self.failed(e);
            return Ok(Some(self.finish()));
        }
        if self.far.unsent()? == 0 {
            return Ok(Some(self.finish()));
        }
        let pause = match self.leaving {
            Some(pause) if now < pause.until => pause,
            earlier => Pause::after(earlier, now),
        };
        self.leaving = Some(pause);
        if now.saturating_duration_since(pause.since) < PATIENCE {
            return Ok(None);
        }
        self.up.fault = Some(UpEnd::NotDelivered(io::ErrorKind::TimedOut.into()));
        Ok(Some(self.finish()))
    }

    fn idle(&mut self, now: Instant) -> Option<Outcome> {
        let heard = self.down.received.datagrams > 0;
        if let Some(expired) = expired(Limit::Accept, self.first_at(), self.rules.first, now) {
            return Some(self.stop(Stop::Expired(expired)));
        }
        let expired = expired(Limit::Idle, self.idle_at(), self.rules.idle, now)?;
        if self.rules.receiver && heard && !self.down.is_pending() {
            return Some(self.finish());
        }
        Some(self.stop(Stop::Expired(expired)))
    }

    /// Ends our output, which was written whole.
    fn finish(&mut self) -> Outcome {
        let down = match self.near.finish() {
            Ok(_) => DownEnd::Complete,
            Err(e) => DownEnd::OutputFailed(e),
        };
        self.conclude(None, down)
    }

    fn conclude(&mut self, stop: Option<Stop>, down: DownEnd) -> Outcome {
        let up = match self.up.fault.take() {
            Some(fault) => fault,
            None if self.up.held.is_some() => UpEnd::Cut,
            None if self.up.input == Input::Ended => UpEnd::Delivered,
            None => UpEnd::Open,
        };
        Outcome {
            up,
            down,
            stop,
            delivery: Delivery::HandedOver,
            unacknowledged: 0,
            counters: self.counters(),
        }
    }

    /// Input is for a peer, and not read before there is one. Who had to wait for a peer has an answer,
    /// even if that was all it was to hear.
    fn wants_input(&self) -> bool {
        let answers = self.rules.receiver && self.up.sent.datagrams == 0;
        let open = self.up.input == Input::Open && (answers || !self.has_heard_enough());
        let has_peer = self.has_peer && !(self.rules.everyone && self.flows.is_empty());
        open && has_peer
    }

    fn wants_datagrams(&self) -> bool {
        !self.has_heard_enough()
    }

    fn has_heard_enough(&self) -> bool {
        let limit = self.rules.recv_limit;
        limit.is_some_and(|limit| self.down.received.datagrams >= limit)
    }

    fn quiet_at(&self) -> Option<Instant> {
        let ended = self.up.input == Input::Ended && self.up.held.is_none();
        ended
            .then(|| self.last_move.checked_add(self.rules.quiet?))
            .flatten()
    }

    /// A caller whose input has ended waits for `quiet` instead.
    fn idle_at(&self) -> Option<Instant> {
        let length = self.rules.idle?;
        let waits = self.rules.receiver && self.down.received.datagrams == 0;
        let applies = match self.rules.receiver {
            true => !(waits && self.rules.patient),
            false => self.quiet_at().is_none(),
        };
        let since = self.last_move.max(self.due().unwrap_or(self.last_move));
        applies.then(|| since.checked_add(length)).flatten()
    }

    fn due(&self) -> Option<Instant> {
        self.up.due.filter(|_| self.wants_input())
    }

    fn first_at(&self) -> Option<Instant> {
        let waits = self.rules.receiver && self.down.received.datagrams == 0;
        waits
            .then(|| self.started.checked_add(self.rules.first?))
            .flatten()
    }

    fn deadline(&self) -> Option<Instant> {
        let quiet = match self.leaving {
            Some(pause) => Some(pause.until),
            None if self.down.is_pending() => None,
            None => self.quiet_at(),
        };
        let retry = self.up.retry.map(|pause| pause.until);
        let times = [quiet, retry, self.due(), self.idle_at(), self.first_at()];
        times.into_iter().flatten().min()
    }

    fn arm(&mut self) -> io::Result<()> {
        let sends = self.up.fault.is_none();
        let pending = self.down.is_pending();
        self.near.arm(Want {
            read: sends && self.up.held.is_none() && self.wants_input(),
            write: pending,
        })?;
        self.far.arm(Want {
            read: !pending && self.wants_datagrams(),
            write: sends && self.up.held.is_some() && self.up.blocked,
        })
    }
}

impl Down {
    fn is_pending(&self) -> bool {
        self.start < self.end
    }
}

impl DatagramCount {
    fn add(&mut self, length: usize) {
        self.datagrams += 1;
        self.bytes += length as u64;
    }
}

impl Pause {
    fn after(earlier: Option<Self>, now: Instant) -> Self {
        let (since, length) = match earlier {
            Some(pause) => (pause.since, (pause.length * 2).min(LONGEST_PAUSE)),
            None => (now, FIRST_PAUSE),
        };
        Self {
            since,
            length,
            until: now + length,
        }
    }
}

fn expired(
    limit: Limit,
    at: Option<Instant>,
    length: Option<Duration>,
    now: Instant,
) -> Option<Expired> {
    let length = length?;
    (now >= at?).then_some(Expired { limit, length })
}

/// The machine is short of something; that passes.
fn is_shortage(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM))
}
