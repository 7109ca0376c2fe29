//! Names become addresses, addresses become sockets.

mod address;
mod bind;
mod datagram;
mod dial;
mod door;
mod fd_passing;
mod knock;
mod listen;
mod options;
mod resolve;
mod service;
mod socket_file;
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
pub(crate) use knock::knock;
pub(crate) use listen::{
    Client, Listener, MANY_CLIENTS, ONE_CLIENT, inherited, listen, listen_unix,
};
pub(crate) use options::{MD5_KEY_LIMIT, Options, Refused};
pub(crate) use resolve::{LookupFailure, Query, host_name, resolve};
pub(crate) use service::{ServiceNames, service_name};
pub(crate) use socket_file::SocketFile;
pub(crate) use unix::connect_unix;
pub(crate) use unix_datagram::{call_unix, receive_unix};

use crate::{
    event::{Deadline, Reactor, Wake},
    outcome::{Setback, Stop},
    plan::Group,
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

    fn listen(address: impl Into<Address>, error: io::Error) -> Self {
        Self::Listen {
            address: address.into(),
            error,
        }
    }

    fn stopped(phase: Phase) -> impl FnOnce(Stop) -> Self {
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

/// Lets some time pass before a client is waited for.
pub(crate) fn pause(
    reactor: &mut Reactor,
    length: Duration,
    deadline: Deadline,
) -> Result<(), Error> {
    let until = Some(Instant::now() + length);
    wait(reactor, until, deadline)?.map_err(Error::stopped(Phase::Accept))
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
