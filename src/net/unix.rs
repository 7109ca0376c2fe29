//! Connecting to Unix sockets.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType},
};

use super::{Address, Attempt, Error, Options, Phase, socket_file, wait};
use crate::{
    event::{Deadline, Reactor},
    plan::UnixAddress,
};

/// A queue of clients that is full is tried again: at first after this time, then after twice as
/// long each time, and nothing but time tells when it has room again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Connects a stream socket. While the queue of clients is full, it waits for its turn.
pub(crate) fn connect_unix(
    reactor: &mut Reactor,
    to: &UnixAddress,
    options: &Options,
    deadline: Deadline,
) -> Result<OwnedFd, Error> {
    let attempt = |error| Attempt {
        address: Address::Unix(to.clone()),
        from: None,
        error,
    };
    let failed = |error| Error::Connect(vec![attempt(error)]);
    let address = sockaddr(to).map_err(failed)?;
    let socket = stream_socket()?;
    options.unix(&socket).map_err(failed)?;
    let mut pause = SHORTEST_PAUSE;
    loop {
        match rustix::net::connect(&socket, &address) {
            Ok(()) => return Ok(socket),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                log::debug!("the queue of clients is full; once more in {pause:?}");
                let again = Some(Instant::now() + pause);
                wait(reactor, again, deadline)?.map_err(|stop| Error::Stopped {
                    stop,
                    phase: Phase::Connect,
                    attempts: vec![attempt(io::Error::other("other clients are waiting there"))],
                })?;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(e) => return Err(failed(explained(e, to))),
        }
    }
}

/// A stream socket that is nobody else's and never waits.
pub(super) fn stream_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    Ok(socket)
}

/// Binds to an abstract name; that of somebody else is in use.
pub(super) fn bind_abstract(socket: impl AsFd, name: &[u8]) -> io::Result<()> {
    Ok(rustix::net::bind(
        socket,
        &SocketAddrUnix::new_abstract_name(name)?,
    )?)
}

pub(super) fn sockaddr(address: &UnixAddress) -> io::Result<SocketAddrUnix> {
    Ok(match address {
        UnixAddress::Path(path) => SocketAddrUnix::new(path)?,
        UnixAddress::Abstract(name) => SocketAddrUnix::new_abstract_name(name)?,
    })
}

/// Two of the system's reasons fit badly.
fn explained(error: Errno, to: &UnixAddress) -> io::Error {
    match (error, to) {
        (Errno::PROTOTYPE, _) => io::Error::other("it is not a stream socket"),
        (Errno::CONNREFUSED, UnixAddress::Path(path)) => {
            match socket_file::other_than_socket(path) {
                Some(what) => io::Error::other(format!("it is {what}, not a socket")),
                None => error.into(),
            }
        }
        _ => error.into(),
    }
}
