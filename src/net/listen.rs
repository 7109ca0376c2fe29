//! Listening and accepting.

use std::{
    io,
    net::SocketAddr,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    event::PollFlags,
    net::{Shutdown, SocketFlags},
};
use socket2::{Socket, Type};

use super::{Address, Error, Options, Phase, bind::bind_each, socket_file::SocketFile, unix, wait};
use crate::{
    event::{self, Deadline, Reactor, Source, Want},
    os,
    plan::UnixAddress,
};

/// Exactly one client fits into the queue (Linux: a full queue is longer than the backlog), so that
/// nobody else's bytes are acknowledged and then lost.
pub(crate) const ONE_CLIENT: i32 = 0;

/// As many as the kernel lets wait (`net.core.somaxconn`, listen(2)).
pub(crate) const MANY_CLIENTS: i32 = 4096;

/// Running out of descriptors or memory delays an accept; each time twice as long.
pub(super) const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Sockets that listen. Dropping it closes them, and removes the file of a Unix socket of ours.
pub(crate) struct Listener {
    /// Goes before the sockets: who comes too late finds nothing, not a dead socket.
    _file: Option<SocketFile>,
    sources: Vec<Source>,
    addresses: Vec<Address>,
    /// Somebody else listens on the same sockets.
    shared: bool,
    options: Options,
}

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    pub socket: OwnedFd,
    /// Where it is; for a Unix socket, which mostly has no name, where it came to.
    pub peer: Address,
}

/// Listens on every address, on one port. An address of a family that this machine does not have is
/// left out as long as another one remains; any other failure is one of the whole. `mapped` lets
/// IPv6 sockets serve IPv4 too.
pub(crate) fn listen(
    reactor: &Reactor,
    addresses: &[SocketAddr],
    options: &Options,
    backlog: i32,
    mapped: bool,
) -> Result<Listener, Error> {
    let bind = |address| bind(address, options, backlog, mapped);
    Listener::new(reactor, bind_each(addresses, bind)?, None, options)
}

/// Listens on a Unix socket; its file can be used as `mode` says.
pub(crate) fn listen_unix(
    reactor: &Reactor,
    address: &UnixAddress,
    mode: u32,
    options: &Options,
    backlog: i32,
) -> Result<Listener, Error> {
    let socket = unix::stream_socket()?;
    let failed = |error| Error::listen(Address::Unix(address.clone()), error);
    options.unix(&socket).map_err(failed)?;
    let bound = match address {
        UnixAddress::Path(path) => SocketFile::bind(&socket, path, mode).map(Some),
        UnixAddress::Abstract(name) => unix::bind_abstract(&socket, name).map(|()| None),
    };
    let file = bound.map_err(failed)?;
    let socket = Socket::from(socket);
    socket.listen(backlog).map_err(failed)?;
    Listener::new(reactor, vec![socket], file, options)
}

/// The sockets that a supervisor passed in: `LISTEN_FDS` of them from descriptor 3 on,
/// sd_listen_fds(3). They stay open in the supervisor, which may take more clients later.
pub(crate) fn inherited(
    reactor: &Reactor,
    count: usize,
    options: &Options,
) -> Result<Listener, Error> {
    let mut sockets = Vec::new();
    for number in (3..).take(count) {
        let fd = os::adopt_fd(number).map_err(|_| Error::Inherited {
            number,
            open: false,
        })?;
        let socket = Socket::from(fd);
        let listens = socket.is_listener().unwrap_or(false);
        let stream = socket.r#type().is_ok_and(|t| t == Type::STREAM);
        if !listens || !stream || Address::of(&socket)?.is_none() {
            return Err(Error::Inherited { number, open: true });
        }
        sockets.push(socket);
    }
    let listener = Listener::new(reactor, sockets, None, options)?;
    Ok(Listener {
        shared: true,
        ..listener
    })
}

impl Listener {
    fn new(
        reactor: &Reactor,
        sockets: Vec<Socket>,
        file: Option<SocketFile>,
        options: &Options,
    ) -> Result<Self, Error> {
        let mut listener = Self {
            _file: file,
            sources: Vec::new(),
            addresses: Vec::new(),
            shared: false,
            options: options.clone(),
        };
        for socket in sockets {
            let unnamed = || Error::System(io::ErrorKind::AddrNotAvailable.into());
            let address = Address::of(&socket)?.ok_or_else(unnamed)?;
            listener.addresses.push(address);
            listener.sources.push(reactor.adopt(socket.into())?);
        }
        Ok(listener)
    }

    /// What it listens on, the ports as the kernel chose them.
    pub(crate) fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// One attempt at each socket that has something to say, and what the client's socket is set to.
    /// None: nobody is there, or the one who was has gone.
    pub(super) fn accept_next(&self) -> io::Result<Option<(Client, io::Result<()>)>> {
        for (source, address) in self.sources.iter().zip(&self.addresses) {
            if !source.is_armed()
                && let Some(client) = accept(source, address)?
            {
                let set = self
                    .options
                    .accepted(&client.socket, &client.peer, self.shared);
                return Ok(Some((client, set)));
            }
        }
        Ok(None)
    }

    /// Asks to be woken when somebody comes.
    pub(super) fn arm(&self) -> io::Result<()> {
        for source in &self.sources {
            source.arm(Want {
                read: true,
                write: false,
            })?;
        }
        Ok(())
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
            for (source, address) in self.sources.iter().zip(&self.addresses) {
                match self.accept(source, address) {
                    Ok(Some(client)) => {
                        let set = self
                            .options
                            .accepted(&client.socket, &client.peer, self.shared);
                        return set.map(|()| client).map_err(Error::Accept);
                    }
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
                self.arm()?;
            }
            wait(reactor, again, deadline)?.map_err(Error::stopped(Phase::Accept))?;
        }
    }

    /// One attempt; none when nobody is there.
    fn accept(&self, source: &Source, address: &Address) -> io::Result<Option<Client>> {
        if self.shared || matches!(address, Address::Inet(_)) {
            return accept(source, address);
        }
        if event::ready(source, PollFlags::IN)?.is_empty() {
            return Ok(None);
        }
        // As soon as the queue is empty, the kernel would let the next one in: connected, and cut
        // off when the socket is closed. Now it says ECONNREFUSED to everybody, and still gives out
        // who is in the queue (unix_stream_connect, Linux 6.18).
        rustix::net::shutdown(source, Shutdown::Read)?;
        let client = accept(source, address)?;
        client.map_or(Err(io::ErrorKind::ConnectionAborted.into()), |c| {
            Ok(Some(c))
        })
    }
}

fn bind(address: SocketAddr, options: &Options, backlog: i32, mapped: bool) -> io::Result<Socket> {
    let socket = options.listener(address)?;
    if address.is_ipv6() {
        // Each family has a socket of its own, unless one is to serve both.
        socket.set_only_v6(!mapped)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket)
}

/// One attempt. None: nobody is there, or the one who was has gone (accept(2), "Error handling":
/// the errors of the network are those of a client that is gone already).
fn accept(source: &Source, address: &Address) -> io::Result<Option<Client>> {
    // A socket that was passed in may be a blocking one, and that is its owner's business.
    if event::ready(source, PollFlags::IN)?.is_empty() {
        return Ok(None);
    }
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    match rustix::net::acceptfrom_with(source, flags) {
        Ok((socket, peer)) => {
            let peer = match address {
                Address::Inet(_) => peer.and_then(Address::read),
                Address::Unix(_) => Some(address.clone()),
            };
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

pub(super) fn is_exhaustion(e: &io::Error) -> bool {
    matches!(
        e.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)
    )
}
