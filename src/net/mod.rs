//! Names become addresses, addresses become sockets.

mod address;
mod bind;
mod datagram;
mod dial;
mod door;
mod fd_passing;
mod listen;
mod lookups;
mod options;
mod resolve;
mod service;
mod socket_file;
mod sweep;
mod unix;
mod unix_datagram;

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

pub(crate) use address::Address;
pub(crate) use datagram::{Bound, Called, call, receive, receive_inherited};
pub(crate) use dial::{Connection, Dial, dial};
pub(crate) use door::Door;
pub(crate) use fd_passing::FdReceiver;
pub(crate) use listen::{
    Client, Listener, MANY_CLIENTS, ONE_CLIENT, inherited, listen, listen_unix,
};
pub(crate) use lookups::Lookups;
pub(crate) use options::{MD5_KEY_LIMIT, Options, Refused};
pub(crate) use resolve::{LookupFailure, Query, host_name, resolve};
pub(crate) use service::{ServiceNames, service_name};
pub(crate) use socket_file::SocketFile;
pub(crate) use sweep::{Ask, By, Course, Found, Miss, Next, Sweep, reachable, sweep};
pub(crate) use unix::connect_unix;
pub(crate) use unix_datagram::{call_unix, receive_unix};

use crate::{
    event::{Deadline, Reactor, Wake},
    outcome::{Limit, Setback, Stop},
    plan::Group,
    stream::same_error,
};

/// Why there is no socket.
#[derive(Debug)]
pub(crate) enum Error {
    /// A name could not be looked up.
    Lookup {
        /// What was looked up.
        what: String,
        /// Why.
        failure: LookupFailure,
    },
    /// No address could be connected to; each with its own reason.
    Connect(Vec<Attempt>),
    /// It was stopped; what had been tried until then.
    Stopped {
        /// By what.
        stop: Stop,
        /// In the middle of what.
        phase: Phase,
        /// The addresses that were tried, those that had not answered included.
        attempts: Vec<Attempt>,
    },
    /// An address could not be listened on.
    Listen {
        /// Which.
        address: Address,
        /// Why.
        error: io::Error,
    },
    /// A multicast group could not be joined.
    Join {
        /// Which.
        group: Group,
        /// Why.
        error: io::Error,
    },
    /// What was passed in is nothing to listen on.
    Inherited {
        /// Its number.
        number: i32,
        /// Whether it is open at all.
        open: bool,
    },
    /// What was passed in is nothing that datagrams come from; its number.
    NotDatagrams(i32),
    /// No client could be accepted.
    Accept(io::Error),
    /// Standard output leads to nobody who could get a socket; what it is instead.
    NoFdReceiver(&'static str),
    /// The socket could not be passed.
    PassFd(io::Error),
    /// The event loop or a thread failed.
    System(io::Error),
}

/// What a run does before it has a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Asking a name service.
    Lookup,
    /// Connecting.
    Connect,
    /// Waiting for a client.
    Accept,
    /// Passing the socket to somebody else.
    PassFd,
}

/// An address that was tried, and what came of it.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// Whom we tried to reach.
    pub address: Address,
    /// The local address, when that is what could not be bound.
    pub from: Option<SocketAddr>,
    /// Why it failed.
    pub error: io::Error,
}

impl Attempt {
    /// This machine has run out of descriptors, memory or ports, which says nothing about the other
    /// one and may be over in a moment.
    pub(crate) fn is_exhaustion(&self) -> bool {
        match (self.from, self.error.raw_os_error()) {
            (Some(from), Some(libc::EADDRINUSE)) => from.port() == 0,
            (Some(_), _) => false,
            (None, Some(libc::EAGAIN)) => true,
            // All ports are taken; or the family is switched off, which is a reason like others.
            (None, Some(libc::EADDRNOTAVAIL)) => match &self.address {
                Address::Inet(address) => !bind::is_missing_family(&self.error, *address),
                Address::Unix(_) => false,
            },
            (None, _) => listen::is_exhaustion(&self.error),
        }
    }

    /// It may succeed when it is made once more, because something else has changed until then.
    pub(crate) fn may_pass(&self) -> bool {
        match (self.from, self.error.raw_os_error()) {
            // Whoever has our port may leave it; an address that is not ours does not become ours.
            (Some(_), errno) => errno == Some(libc::EADDRINUSE),
            // Nobody has answered; otherwise what is not the system's word tells what else is there, or
            // is about an option.
            (None, None) => self.error.kind() == io::ErrorKind::TimedOut,
            // The local address is of the other family, or a zone is missing.
            (None, Some(libc::EAFNOSUPPORT | libc::EINVAL)) => false,
            (None, Some(_)) => true,
        }
    }

    fn again(&self) -> Self {
        Self {
            address: self.address.clone(),
            from: self.from,
            error: same_error(&self.error),
        }
    }

    /// It failed before anything was sent: a local address, or an option of the socket.
    pub(crate) fn is_our_own(&self) -> bool {
        self.from.is_some() || Refused::of(&self.error).is_some()
    }
}

impl Error {
    /// What it means for the exit status.
    pub(crate) fn setback(&self) -> Setback {
        match self {
            Self::Lookup {
                failure: LookupFailure::NoSuchService | LookupFailure::NoSuchZone,
                ..
            }
            | Self::Inherited { .. }
            | Self::NotDatagrams(_)
            | Self::NoFdReceiver(_) => Setback::Usage,
            Self::PassFd(_) => Setback::Local,
            Self::Stopped { stop, .. } => Setback::Stopped(*stop),
            _ => Setback::Failed,
        }
    }

    /// Whether another try may end better. `numeric` says that no name is looked up, so that there
    /// is no answer to come.
    pub(crate) fn may_pass(&self, numeric: bool) -> bool {
        match self {
            Self::Lookup {
                failure: LookupFailure::Other(_),
                ..
            } => !numeric,
            Self::Connect(attempts) => attempts.iter().any(Attempt::may_pass),
            Self::Stopped {
                stop: Stop::Expired(what),
                ..
            } => what.limit == Limit::Connect,
            // This machine has run out of something.
            Self::System(_) => true,
            _ => false,
        }
    }

    /// The same once more, for whoever else it holds for.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Lookup { what, failure } => Self::Lookup {
                what: what.clone(),
                failure: failure.clone(),
            },
            Self::Connect(attempts) => Self::Connect(attempts.iter().map(Attempt::again).collect()),
            Self::Stopped {
                stop,
                phase,
                attempts,
            } => Self::Stopped {
                stop: *stop,
                phase: *phase,
                attempts: attempts.iter().map(Attempt::again).collect(),
            },
            Self::System(error) => Self::System(same_error(error)),
            _ => Self::System(io::ErrorKind::Other.into()),
        }
    }

    fn listen(address: impl Into<Address>, error: io::Error) -> Self {
        Self::Listen {
            address: address.into(),
            error,
        }
    }

    pub(crate) fn stopped(phase: Phase) -> impl FnOnce(Stop) -> Self {
        move |stop| Self::Stopped {
            stop,
            phase,
            attempts: Vec::new(),
        }
    }
}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Self {
        Self::System(e)
    }
}

/// Lets time pass in the middle of a phase, and looks at least once for what may end the run.
pub(crate) fn pause(
    reactor: &mut Reactor,
    length: Duration,
    phase: Phase,
    deadline: Deadline,
) -> Result<(), Error> {
    let began = Instant::now();
    let until = began.checked_add(length);
    loop {
        wait(reactor, until, deadline)?.map_err(Error::stopped(phase))?;
        if began.elapsed() >= length {
            return Ok(());
        }
    }
}

/// Waits once, until `until` at the latest; fails when a signal or the deadline ends the phase.
pub(crate) fn wait(
    reactor: &mut Reactor,
    until: Option<Instant>,
    deadline: Deadline,
) -> io::Result<Result<(), Stop>> {
    let until = [until, deadline.at()].into_iter().flatten().min();
    Ok(match reactor.wait(until)? {
        Wake::Signal(number) => Err(Stop::Signal(number)),
        Wake::Look => deadline
            .expired(Instant::now())
            .map_or(Ok(()), |e| Err(Stop::Expired(e))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::SocketOption;

    #[test]
    fn a_pause_is_never_shorter_and_ends_with_the_run() {
        let mut reactor = Reactor::new().unwrap();
        let began = Instant::now();
        let length = Duration::from_millis(50);
        pause(&mut reactor, length, Phase::Connect, Deadline::default()).unwrap();
        assert!(began.elapsed() >= length);
        let total = Deadline::after(began, Some(length), Limit::Total);
        let long = Duration::from_secs(100);
        match pause(&mut reactor, long, Phase::Accept, total).unwrap_err() {
            Error::Stopped {
                stop: Stop::Expired(what),
                phase: Phase::Accept,
                ..
            } => assert_eq!(what.limit, Limit::Total),
            other => panic!("{other:?}"),
        }
    }

    fn attempt(from: Option<&str>, error: io::Error) -> Attempt {
        let address: SocketAddr = "127.0.0.1:9".parse().unwrap();
        Attempt {
            address: address.into(),
            from: from.map(|from| from.parse().unwrap()),
            error,
        }
    }

    #[test]
    fn what_another_try_does_not_mend_is_told_from_what_it_may() {
        let os = io::Error::from_raw_os_error;
        let refused = io::Error::other(Refused {
            option: SocketOption::Mptcp,
            error: os(libc::ENOPROTOOPT),
        });
        let settled = || {
            [
                attempt(Some("192.0.2.1:0"), os(libc::EADDRNOTAVAIL)),
                attempt(None, os(libc::EAFNOSUPPORT)),
                attempt(None, os(libc::EINVAL)),
                attempt(None, io::Error::other("it is a directory, not a socket")),
            ]
        };
        assert!(!Error::Connect(vec![attempt(None, refused)]).may_pass(false));
        assert!(!Error::Connect(settled().into()).may_pass(false));
        for passing in [
            attempt(Some("127.0.0.1:7"), os(libc::EADDRINUSE)),
            attempt(None, os(libc::ECONNREFUSED)),
            attempt(None, os(libc::EHOSTUNREACH)),
            attempt(None, os(libc::ETIMEDOUT)),
            attempt(None, os(libc::ENOENT)),
            attempt(None, os(libc::EMFILE)),
        ] {
            // One address that may be reached later is enough.
            let mut attempts: Vec<Attempt> = settled().into();
            attempts.push(passing);
            let error = Error::Connect(attempts);
            assert!(error.may_pass(false) && error.may_pass(true), "{error:?}");
        }
    }

    #[test]
    fn a_name_may_be_known_later_unless_none_is_looked_up() {
        let lookup = |failure| Error::Lookup {
            what: "db".into(),
            failure,
        };
        let unknown = lookup(LookupFailure::Other("unknown".into()));
        assert!(unknown.may_pass(false) && !unknown.may_pass(true));
        for failure in [LookupFailure::NoSuchService, LookupFailure::NoSuchZone] {
            assert!(!lookup(failure).may_pass(false));
        }
    }
}
