//! How a run ended, and the one function that turns it into an exit status.
//!
//! The table is in the man page under EXIT STATUS. When several reasons apply, the first of
//! 2, 6, 4, 5, 3, 124, 1 is the status; a signal that ended the run goes before all of them.

use std::{io, time::Duration};

use crate::plan::Personality;

/// The limits that a run may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `--connect-timeout`: looking up, connecting and a proxy's answer.
    Connect,
    /// `--accept-timeout`: waiting for a client.
    Accept,
    /// `--idle-timeout`: nothing moved.
    Idle,
    /// `--max-time`: the whole run.
    Total,
    /// `--wait-for`: somebody to be there.
    Wait,
    /// `--keep-open`: a client takes nothing of what waits for it.
    Queue,
}

/// A limit that ran out, and how long it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Which one.
    pub limit: Limit,
    /// What it was set to.
    pub length: Duration,
}

/// What ended a run from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A time limit.
    Expired(Expired),
    /// A signal, by number.
    Signal(i32),
}

/// How our input's way to the peer ended.
#[derive(Debug)]
pub enum UpEnd {
    /// All of it was sent, and acknowledged as far as the rules ask.
    Delivered,
    /// The input had not ended, and nothing that was taken from it is lost.
    Open,
    /// The run was stopped while bytes were still on their way.
    Cut,
    /// The input could not be read.
    InputFailed(io::Error),
    /// The peer closed, reset or vanished first.
    NotDelivered(io::Error),
    /// Nobody is there for our datagrams, as the kernel says (ICMP).
    Refused(io::Error),
}

/// How the peer's way to our output ended.
#[derive(Debug)]
pub enum DownEnd {
    /// The peer ended, all of it was written, and the output was closed without an error.
    Complete,
    /// The peer had not ended.
    Open,
    /// The output could not be written or closed.
    OutputFailed(io::Error),
    /// Whoever read our output has gone (EPIPE).
    ReaderLeft,
    /// The connection broke.
    Broken(io::Error),
}

/// How much is known about what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Our kernel has it.
    HandedOver,
    /// The peer's kernel has it.
    Acknowledged,
    /// The peer ended cleanly afterwards.
    PeerEnded,
}

/// How a connection's run ended.
#[derive(Debug)]
pub struct Outcome {
    /// Our input's way to the peer.
    pub up: UpEnd,
    /// The peer's way to our output.
    pub down: DownEnd,
    /// What ended the run from outside, if anything did.
    pub stop: Option<Stop>,
    /// What is known about the bytes that were sent.
    pub delivery: Delivery,
    /// Bytes, and the FIN, that the peer's kernel had not acknowledged.
    pub unacknowledged: usize,
    /// Bytes moved.
    pub counters: Counters,
}

/// Bytes moved so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// From our input to the peer's socket.
    pub sent: u64,
    /// From the peer to our output.
    pub received: u64,
    /// In how many datagrams, where it was datagrams.
    pub datagrams: Option<DatagramCounters>,
}

/// Datagrams moved so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatagramCounters {
    /// From our input.
    pub sent: u64,
    /// Received.
    pub received: u64,
}

/// Why a run never came to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setback {
    /// What was asked for makes no sense, as it turned out: a service or an interface that does not
    /// exist, a descriptor that is not open.
    Usage,
    /// Something of ours could not be read or written.
    Local,
    /// Lookup, connecting, binding, listening or accepting failed, or a proxy refused.
    Failed,
    /// Credentials were wrong or missing.
    NotTrusted,
    /// It was stopped before.
    Stopped(Stop),
}

/// What a test of a port, or of a Unix socket, has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PortState {
    /// Somebody is there: it took a connection, or answered a datagram.
    Open,
    /// Nobody answered datagrams, and nobody refused them.
    OpenFiltered,
    /// Nothing came back, or that it is prohibited (ICMP).
    Filtered,
    /// It is refused.
    Closed,
    /// There is no way to the host, or none from here.
    Unreachable,
    /// It could not be tested.
    Error,
}

/// How many ports were found in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally([u64; 6]);

/// What the process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 0: everything that was asked for.
    Success,
    /// 1: could not start.
    NotStarted,
    /// 2: the command line makes no sense.
    Usage,
    /// 3: the stream broke while receiving.
    Broken,
    /// 4: local input or output failed.
    Local,
    /// 5: not delivered.
    NotDelivered,
    /// 6: not trusted.
    NotTrusted,
    /// 124: a time limit ran out.
    Expired,
    /// 124 as well: nothing moved for too long, and nothing is missing.
    Idle,
    /// 126: a command could not be executed.
    NotExecutable,
    /// 127: a command was not found.
    NotFound,
    /// Ended by a signal: 128 + n, as shells show it.
    Signal(i32),
}

impl Status {
    /// The number for `exit(2)`. A signal's is for where raising it has no effect.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::NotStarted => 1,
            Self::Usage => 2,
            Self::Broken => 3,
            Self::Local => 4,
            Self::NotDelivered => 5,
            Self::NotTrusted => 6,
            Self::Expired | Self::Idle => 124,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
            Self::Signal(n) => 128_u8.saturating_add(u8::try_from(n).unwrap_or(u8::MAX)),
        }
    }

    /// The number for `exit(2)`, in somebody's ways.
    pub fn code_as(self, personality: Personality) -> u8 {
        match (personality, self) {
            (Personality::Oxnc, _) | (Personality::Nc, Self::Success | Self::Signal(_)) => {
                self.code()
            }
            (Personality::Nc, Self::Idle) => 0,
            (Personality::Nc, _) => 1,
        }
    }

    /// Whichever of two reasons goes first, where both apply.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        let rank = |status| match status {
            Self::Signal(_) => 0,
            Self::Usage => 1,
            Self::NotTrusted => 2,
            Self::Local => 3,
            Self::NotDelivered => 4,
            Self::Broken => 5,
            Self::Expired => 6,
            Self::Idle => 7,
            Self::NotExecutable => 8,
            Self::NotFound => 9,
            Self::NotStarted => 10,
            Self::Success => 11,
        };
        if rank(other) < rank(self) {
            other
        } else {
            self
        }
    }
}

impl Setback {
    /// The exit status.
    pub fn status(self) -> Status {
        match self {
            Self::Usage => Status::Usage,
            Self::Local => Status::Local,
            Self::Failed => Status::NotStarted,
            Self::NotTrusted => Status::NotTrusted,
            Self::Stopped(Stop::Expired(_)) => Status::Expired,
            Self::Stopped(Stop::Signal(n)) => Status::Signal(n),
        }
    }
}

impl Setback {
    /// The same where it is only asked whether somebody is there: who does not answer in time is not.
    #[must_use]
    pub fn of_probe(self) -> Self {
        match self {
            Self::Stopped(Stop::Expired(what)) if what.limit == Limit::Connect => Self::Failed,
            other => other,
        }
    }
}

impl PortState {
    /// From the one that is told first to the one that is told last.
    pub const ALL: [Self; 6] = [
        Self::Open,
        Self::OpenFiltered,
        Self::Filtered,
        Self::Closed,
        Self::Unreachable,
        Self::Error,
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::OpenFiltered => "open|filtered",
            Self::Filtered => "filtered",
            Self::Closed => "closed",
            Self::Unreachable => "unreachable",
            Self::Error => "error",
        }
    }
}

impl Tally {
    /// One more.
    pub fn count(&mut self, state: PortState) {
        let Self(counts) = self;
        if let Some(count) = counts.get_mut(state as usize) {
            *count += 1;
        }
    }

    /// How many are in this state.
    pub fn of(self, state: PortState) -> u64 {
        let Self(counts) = self;
        counts.get(state as usize).copied().unwrap_or(0)
    }

    /// How many there are altogether.
    pub fn total(self) -> u64 {
        let Self(counts) = self;
        counts.iter().sum()
    }

    /// The exit status; `all` of them have to be open, or just one.
    pub fn status(self, all: bool) -> Status {
        match self.of(PortState::Open) {
            0 => Status::NotStarted,
            open if all && open < self.total() => Status::NotStarted,
            _ => Status::Success,
        }
    }
}

impl Outcome {
    /// The exit status.
    pub fn status(&self) -> Status {
        use Status::{Broken, Expired, Idle, Local, NotDelivered, NotStarted, Signal, Success};

        match (self.stop, &self.up, &self.down) {
            (Some(Stop::Signal(n)), _, _) => Signal(n),
            // A filter whose reader has left dies by SIGPIPE, as cat does.
            (_, _, DownEnd::ReaderLeft) => Signal(libc::SIGPIPE),
            (_, UpEnd::InputFailed(_), _) | (_, _, DownEnd::OutputFailed(_)) => Local,
            // Only a stop cuts; without one the bytes are missing all the same.
            (_, UpEnd::NotDelivered(_), _) | (None, UpEnd::Cut, _) => NotDelivered,
            (_, _, DownEnd::Broken(_)) => Broken,
            (Some(Stop::Expired(what)), up, _) => match (what.limit, up) {
                (Limit::Idle, UpEnd::Delivered | UpEnd::Open) => Idle,
                _ => Expired,
            },
            (None, UpEnd::Refused(_), _) => NotStarted,
            (None, UpEnd::Delivered | UpEnd::Open, DownEnd::Complete | DownEnd::Open) => Success,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error() -> io::Error {
        io::Error::from_raw_os_error(libc::EIO)
    }

    fn ups() -> [UpEnd; 6] {
        [
            UpEnd::Delivered,
            UpEnd::Open,
            UpEnd::Cut,
            UpEnd::InputFailed(error()),
            UpEnd::NotDelivered(error()),
            UpEnd::Refused(error()),
        ]
    }

    fn downs() -> [DownEnd; 5] {
        [
            DownEnd::Complete,
            DownEnd::Open,
            DownEnd::OutputFailed(error()),
            DownEnd::ReaderLeft,
            DownEnd::Broken(error()),
        ]
    }

    /// The contract in other words: each reason's code, and the order in which they win.
    fn by_precedence(outcome: &Outcome) -> u8 {
        let mut reasons = Vec::new();
        match outcome.stop {
            Some(Stop::Signal(n)) => reasons.push(128 + u8::try_from(n).unwrap()),
            Some(Stop::Expired(_)) => reasons.push(124),
            None => {}
        }
        match outcome.up {
            UpEnd::Delivered | UpEnd::Open => {}
            UpEnd::Cut if outcome.stop.is_some() => {}
            UpEnd::Cut | UpEnd::NotDelivered(_) => reasons.push(5),
            UpEnd::InputFailed(_) => reasons.push(4),
            UpEnd::Refused(_) => reasons.push(1),
        }
        match outcome.down {
            DownEnd::Complete | DownEnd::Open => {}
            DownEnd::OutputFailed(_) => reasons.push(4),
            DownEnd::ReaderLeft => reasons.push(141),
            DownEnd::Broken(_) => reasons.push(3),
        }
        let order = [130, 141, 4, 5, 3, 124, 1];
        order
            .into_iter()
            .find(|code| reasons.contains(code))
            .unwrap_or(0)
    }

    #[test]
    fn of_two_statuses_the_one_that_goes_first_is_the_worse() {
        let order = [
            Status::Signal(libc::SIGPIPE),
            Status::Usage,
            Status::NotTrusted,
            Status::Local,
            Status::NotDelivered,
            Status::Broken,
            Status::Expired,
            Status::NotStarted,
            Status::Success,
        ];
        for (n, first) in order.iter().enumerate() {
            for second in order.iter().skip(n) {
                assert_eq!(first.worse(*second), *first);
                assert_eq!(second.worse(*first), *first);
            }
        }
    }

    #[test]
    fn a_setback_has_its_status() {
        let expired = Expired {
            limit: Limit::Connect,
            length: Duration::from_secs(1),
        };
        let table = [
            (Setback::Usage, 2),
            (Setback::Failed, 1),
            (Setback::Local, 4),
            (Setback::NotTrusted, 6),
            (Setback::Stopped(Stop::Expired(expired)), 124),
            (Setback::Stopped(Stop::Signal(libc::SIGTERM)), 143),
        ];
        for (setback, code) in table {
            assert_eq!(setback.status().code(), code, "{setback:?}");
        }
    }

    #[test]
    fn nc_knows_success_and_failure_alone() {
        use Status::{Broken, Expired, Idle, Local, NotDelivered, NotStarted, NotTrusted, Usage};

        let failures = [
            NotStarted,
            Usage,
            Broken,
            Local,
            NotDelivered,
            NotTrusted,
            Expired,
        ];
        for status in failures {
            assert_eq!(status.code_as(Personality::Nc), 1, "{status:?}");
            assert_eq!(status.code_as(Personality::Oxnc), status.code());
        }
        assert_eq!(Status::Success.code_as(Personality::Nc), 0);
        assert_eq!(Idle.code_as(Personality::Nc), 0);
        assert_eq!(Idle.code_as(Personality::Oxnc), 124);
        assert_eq!(Status::Signal(15).code_as(Personality::Nc), 143);
    }

    #[test]
    fn a_probe_that_ran_out_of_time_has_found_nobody() {
        let stopped = |limit| {
            let length = Duration::from_secs(1);
            let stop = Stop::Expired(Expired { limit, length });
            Setback::Stopped(stop).of_probe().status().code()
        };
        assert_eq!((stopped(Limit::Connect), stopped(Limit::Total)), (1, 124));
    }

    #[test]
    fn one_open_port_is_enough_unless_all_have_to_be() {
        use PortState::{Closed, Open, OpenFiltered};

        let codes = |found: &[PortState]| {
            let mut tally = Tally::default();
            for state in found {
                tally.count(*state);
            }
            (tally.status(false).code(), tally.status(true).code())
        };
        assert_eq!(codes(&[]), (1, 1));
        assert_eq!(codes(&[Closed, Closed]), (1, 1));
        assert_eq!(codes(&[OpenFiltered]), (1, 1));
        assert_eq!(codes(&[Open, Closed]), (0, 1));
        assert_eq!(codes(&[Open, Open]), (0, 0));
    }

    #[test]
    fn the_whole_table_follows_the_order_of_precedence() {
        let expired = Expired {
            limit: Limit::Idle,
            length: Duration::from_secs(1),
        };
        let mut codes = std::collections::BTreeSet::new();
        for stop in [
            None,
            Some(Stop::Expired(expired)),
            Some(Stop::Signal(libc::SIGINT)),
        ] {
            for up in 0..6 {
                for down in 0..5 {
                    let outcome = Outcome {
                        up: ups().into_iter().nth(up).unwrap(),
                        down: downs().into_iter().nth(down).unwrap(),
                        stop,
                        delivery: Delivery::HandedOver,
                        unacknowledged: 0,
                        counters: Counters::default(),
                    };
                    let code = outcome.status().code();
                    assert_eq!(code, by_precedence(&outcome), "{outcome:?}");
                    codes.insert(code);
                }
            }
        }
        assert_eq!(
            codes.into_iter().collect::<Vec<_>>(),
            [0, 1, 3, 4, 5, 124, 130, 141]
        );
    }
}
