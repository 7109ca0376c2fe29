//! Unix datagram sockets. Both ends need a name, or nobody could answer.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType},
};

use super::{
    Address, Attempt, Error, Options,
    datagram::{Bound, Called},
    socket_file::{self, SocketFile},
    unix::{bind_abstract, sockaddr},
};
use crate::{event::Reactor, plan::UnixAddress, stream::DatagramSockets};

/// Who answers us: nobody but the owner, whom the server runs as or stands above.
const OWN_MODE: u32 = 0o600;

/// Connects a socket that is bound to `own`, or to an abstract name of the kernel's choice, of which
/// nothing is left behind.
pub(crate) fn call_unix(
    reactor: &Reactor,
    to: &UnixAddress,
    own: Option<&UnixAddress>,
    options: &Options,
) -> Result<Called, Error> {
    let socket = datagram_socket()?;
    let failed = |error| {
        Error::Connect(vec![Attempt {
            address: Address::Unix(to.clone()),
            from: None,
            error,
        }])
    };
    options.unix(&socket).map_err(failed)?;
    let file = match own {
        Some(own) => bind(&socket, own, OWN_MODE)?,
        // unix(7), "Autobind feature".
        None => {
            rustix::net::bind(&socket, &SocketAddrUnix::new_unnamed()).map_err(io::Error::from)?;
            None
        }
    };
    let connected = sockaddr(to).and_then(|to| Ok(rustix::net::connect(&socket, &to)?));
    connected.map_err(|error| failed(explained(error, to)))?;
    let local = Address::of(&socket)?.ok_or_else(unnamed)?;
    Ok(Called {
        sockets: DatagramSockets::connected(reactor.adopt(socket)?, Vec::new()),
        local,
        peer: Address::Unix(to.clone()),
        failed: Vec::new(),
        file,
    })
}

/// Binds a socket; its file can be used as `mode` says.
pub(crate) fn receive_unix(
    reactor: &Reactor,
    address: &UnixAddress,
    mode: u32,
    options: &Options,
) -> Result<Bound, Error> {
    let socket = datagram_socket()?;
    options
        .unix(&socket)
        .map_err(|error| Error::listen(Address::Unix(address.clone()), error))?;
    let file = bind(&socket, address, mode)?;
    Ok(Bound {
        sockets: DatagramSockets::bound(vec![reactor.adopt(socket)?], false),
        addresses: vec![Address::Unix(address.clone())],
        file,
    })
}

fn datagram_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    Ok(socket)
}

fn bind(socket: impl AsFd, address: &UnixAddress, mode: u32) -> Result<Option<SocketFile>, Error> {
    let bound = match address {
        UnixAddress::Path(path) => SocketFile::bind(socket, path, mode).map(Some),
        UnixAddress::Abstract(name) => bind_abstract(socket, name).map(|()| None),
    };
    bound.map_err(|error| Error::listen(Address::Unix(address.clone()), error))
}

fn unnamed() -> Error {
    Error::System(io::ErrorKind::AddrNotAvailable.into())
}

/// Three of the system's reasons fit badly.
fn explained(error: io::Error, to: &UnixAddress) -> io::Error {
    let other = |path: &Path| {
        socket_file::other_than_socket(path)
            .map(|what| io::Error::other(format!("it is {what}, not a socket")))
    };
    match (Errno::from_io_error(&error), to) {
        (Some(Errno::PROTOTYPE), _) => io::Error::other("it is not a datagram socket"),
        (Some(Errno::PERM), _) => io::Error::other("it has a peer already"),
        (Some(Errno::CONNREFUSED), UnixAddress::Path(path)) => other(path).unwrap_or(error),
        _ => error,
    }
}
