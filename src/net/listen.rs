//! Listening and accepting.

use std::{
    io,
    net::SocketAddr,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{event::PollFlags, net::SocketFlags};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Error, Phase, wait};
use crate::{
    event::{Deadline, Reactor, Source, Want},
    os,
};

/// Exactly one client fits into the queue (Linux: a full queue is longer than the backlog), so that
/// nobody else's bytes are acknowledged and then lost.
const ONE_CLIENT: i32 = 0;

/// How often another port is tried when the one that the kernel gave for the first address is taken
/// on another one.
const PORT_TRIES: usize = 32;

/// Running out of descriptors or memory delays an accept; each time twice as long.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Sockets that listen. Dropping it closes them.
pub(crate) struct Listener {
    sources: Vec<Source>,
    addresses: Vec<SocketAddr>,
}

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    pub socket: OwnedFd,
    pub peer: SocketAddr,
}

/// Listens on every address, on one port. An address of a family that this machine does not have is
/// left out as long as another one remains; any other failure is one of the whole.
pub(crate) fn listen(reactor: &Reactor, addresses: &[SocketAddr]) -> Result<Listener, Error> {
    let mut last = None;
    for _ in 0..PORT_TRIES {
        match bind_all(addresses) {
            Ok(sockets) => return Listener::new(reactor, sockets),
            Err(Error::Listen { address, error })
                if error.kind() == io::ErrorKind::AddrInUse
                    && addresses.first().is_some_and(|a| a.port() == 0) =>
            {
                last = Some(Error::Listen { address, error });
            }
            Err(e) => return Err(e),
        }
    }
    Err(last.unwrap_or_else(|| Error::System(io::ErrorKind::AddrNotAvailable.into())))
}

/// The sockets that a supervisor passed in: `LISTEN_FDS` of them from descriptor 3 on,
/// sd_listen_fds(3). They stay open in the supervisor, which may take more clients later.
pub(crate) fn inherited(reactor: &Reactor, count: usize) -> Result<Listener, Error> {
    let mut sockets = Vec::new();
    for number in (3..).take(count) {
        let fd = os::adopt_fd(number).map_err(|_| Error::Inherited {
            number,
            open: false,
        })?;
        let socket = Socket::from(fd);
        let listens = socket.is_listener().unwrap_or(false);
        let stream = socket.r#type().is_ok_and(|t| t == Type::STREAM);
        if !listens || !stream || socket.local_addr()?.as_socket().is_none() {
            return Err(Error::Inherited { number, open: true });
        }
        sockets.push(socket);
    }
    Listener::new(reactor, sockets)
}

impl Listener {
    fn new(reactor: &Reactor, sockets: Vec<Socket>) -> Result<Self, Error> {
        let mut listener = Self {
            sources: Vec::new(),
            addresses: Vec::new(),
        };
        for socket in sockets {
            listener.addresses.extend(socket.local_addr()?.as_socket());
            listener.sources.push(reactor.adopt(socket.into())?);
        }
        Ok(listener)
    }

    /// What it listens on, the ports as the kernel chose them.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Waits for one client and closes the sockets at once.
    pub(crate) fn accept_one(
        self,
        reactor: &mut Reactor,
        deadline: Deadline,
    ) -> Result<Client, Error> {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let mut exhausted = false;
            for source in &self.sources {
                match accept(source) {
                    Ok(Some(client)) => return Ok(client),
                    Ok(None) => {}
                    Err(e) if is_exhaustion(&e) => {
                        log::debug!("accept: {e}; once more in {pause:?}");
                        exhausted = true;
                    }
                    Err(e) => return Err(Error::Accept(e)),
                }
            }
            let mut again = None;
            if exhausted {
                again = Some(Instant::now() + pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            } else {
                for source in &self.sources {
                    source.arm(Want {
                        read: true,
                        write: false,
                    })?;
                }
            }
            wait(reactor, again, deadline)?.map_err(Error::stopped(Phase::Accept))?;
        }
    }
}

fn bind_all(addresses: &[SocketAddr]) -> Result<Vec<Socket>, Error> {
    let mut sockets: Vec<Socket> = Vec::new();
    let mut missing = None;
    let mut port = None;
    for address in addresses {
        let mut address = *address;
        if let Some(port) = port {
            address.set_port(port);
        }
        match bind(address) {
            Ok(socket) => {
                port = socket.local_addr()?.as_socket().map(|a| a.port());
                sockets.push(socket);
            }
            Err(error) if is_missing_family(&error, address) => missing = Some((address, error)),
            Err(error) => return Err(Error::Listen { address, error }),
        }
    }
    match missing {
        Some((address, error)) if sockets.is_empty() => Err(Error::Listen { address, error }),
        _ => Ok(sockets),
    }
}

fn bind(address: SocketAddr) -> io::Result<Socket> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // Each family has a socket of its own.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(ONE_CLIENT)?;
    Ok(socket)
}

/// A machine whose IPv6 is switched off says EADDRNOTAVAIL even of `::` and `::1`.
fn is_missing_family(e: &io::Error, address: SocketAddr) -> bool {
    match e.raw_os_error() {
        Some(libc::EAFNOSUPPORT) => true,
        Some(libc::EADDRNOTAVAIL) => {
            address.is_ipv6() && (address.ip().is_unspecified() || address.ip().is_loopback())
        }
        _ => false,
    }
}

/// One attempt. None: nobody is there, or the one who was has gone (accept(2), "Error handling":
/// the errors of the network are those of a client that is gone already).
fn accept(source: &Source) -> io::Result<Option<Client>> {
    // A socket that was passed in may be a blocking one, and that is its owner's business.
    if !os::is_ready(source, PollFlags::IN)? {
        return Ok(None);
    }
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    match rustix::net::acceptfrom_with(source, flags) {
        Ok((socket, peer)) => {
            let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
            Ok(peer.map(|peer| Client { socket, peer }))
        }
        Err(e) => match e.raw_os_error() {
            libc::EAGAIN
            | libc::EINTR
            | libc::ECONNABORTED
            | libc::EPERM
            | libc::EPROTO
            | libc::ENETDOWN
            | libc::ENOPROTOOPT
            | libc::EHOSTDOWN
            | libc::ENONET
            | libc::EHOSTUNREACH
            | libc::EOPNOTSUPP
            | libc::ENETUNREACH => Ok(None),
            _ => Err(e.into()),
        },
    }
}

fn is_exhaustion(e: &io::Error) -> bool {
    matches!(
        e.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
    )
}
