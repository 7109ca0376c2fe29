//! The other end of a connection, played step by step.

use std::{
    io::{self, ErrorKind, Read, Write},
    mem::MaybeUninit,
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener},
    os::fd::OwnedFd,
    time::Duration,
};

use rustix::event::PollFlags;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::{
    DEADLINE, Family, Spot,
    tool::{readable, ready},
};

/// A listening socket on a port of the kernel's choice, or in a directory of its own.
pub struct Server {
    listener: Socket,
    spot: Spot,
}

impl Server {
    pub fn new() -> Self {
        Self::on((Ipv4Addr::LOCALHOST, 0))
    }

    /// A port of 127.0.0.1 on which nobody listens before [`Server::open`].
    pub fn closed() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        listener.bind(&address.into()).expect("bind");
        let local = listener.local_addr().expect("getsockname").as_socket();
        let spot = Spot::Port(local.expect("an internet address").port());
        Self { listener, spot }
    }

    /// From here on it listens.
    pub fn open(&self) {
        self.listener.listen(128).expect("listen");
    }

    /// One with room for a single client that was not accepted.
    pub fn with_full_queue() -> Self {
        let server = Self::closed();
        server.listener.listen(0).expect("listen");
        server
    }

    pub fn of(family: Family) -> Self {
        match family {
            Family::Tcp => Self::new(),
            Family::Unix => Self::at(Spot::new_socket()),
        }
    }

    pub fn on(address: impl Into<SocketAddr>) -> Self {
        let address = address.into();
        let listener =
            TcpListener::bind(address).unwrap_or_else(|e| panic!("listening on {address}: {e}"));
        let port = listener.local_addr().expect("getsockname").port();
        Self {
            listener: listener.into(),
            spot: Spot::Port(port),
        }
    }

    /// A Unix socket at a path.
    pub fn at(spot: Spot) -> Self {
        let listener = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
        let address = SockAddr::unix(spot.path()).expect("a short path");
        listener.bind(&address).expect("bind");
        listener.listen(128).expect("listen");
        Self { listener, spot }
    }

    /// One whose clients can send a few thousand bytes before it reads.
    pub fn with_small_window() -> Self {
        let server = Self::new();
        server
            .listener
            .set_recv_buffer_size(4096)
            .expect("SO_RCVBUF");
        server
    }

    pub fn port(&self) -> u16 {
        match self.spot {
            Spot::Port(port) => port,
            Spot::Socket(_) => panic!("a Unix socket has no port"),
        }
    }

    /// Where it listens.
    pub fn spot(&self) -> Spot {
        self.spot.clone()
    }

    /// The next client.
    pub fn accept(&self) -> Peer {
        assert!(self.has_client_within(DEADLINE), "no client came");
        let (socket, remote) = self.listener.accept().expect("accept");
        Peer::new(socket, remote)
    }

    /// Whether a client comes within `time`.
    pub fn has_client_within(&self, time: Duration) -> bool {
        readable(&self.listener, time)
    }

    /// The same socket once more.
    pub fn clone_socket(&self) -> Socket {
        self.listener.try_clone().expect("dup")
    }

    /// The socket itself.
    pub fn into_fd(self) -> OwnedFd {
        self.listener.into()
    }
}

/// One end of a connection. Dropping it closes it, as the end of a process would: with a FIN, or
/// with a reset if bytes are unread.
pub struct Peer {
    pub socket: Socket,
    remote: SockAddr,
}

impl Peer {
    /// Connects to a port of 127.0.0.1, or to a Unix socket.
    pub fn connect(to: impl Into<Spot>) -> Self {
        match to.into() {
            Spot::Port(port) => Self::connect_to((Ipv4Addr::LOCALHOST, port)),
            Spot::Socket(socket) => {
                let address = SockAddr::unix(socket.path()).expect("a short path");
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
                socket.connect(&address).expect("connecting");
                Self::new(socket, address)
            }
        }
    }

    pub fn connect_to(address: impl Into<SocketAddr>) -> Self {
        let address = SockAddr::from(address.into());
        let socket = Socket::new(address.domain(), Type::STREAM, None).expect("a socket");
        socket
            .connect_timeout(&address, DEADLINE)
            .unwrap_or_else(|e| panic!("connecting to {:?}: {e}", address.as_socket()));
        Self::new(socket, address)
    }

    fn new(socket: Socket, remote: SockAddr) -> Self {
        socket
            .set_read_timeout(Some(DEADLINE))
            .expect("SO_RCVTIMEO");
        socket
            .set_write_timeout(Some(DEADLINE))
            .expect("SO_SNDTIMEO");
        Self { socket, remote }
    }

    /// Its own address.
    pub fn local(&self) -> SocketAddr {
        let local = self.socket.local_addr().expect("getsockname");
        local.as_socket().expect("an internet address")
    }

    /// The same end once more, for another thread.
    pub fn twin(&self) -> Self {
        Self::new(self.socket.try_clone().expect("dup"), self.remote.clone())
    }

    /// The address of the other side.
    pub fn remote(&self) -> SocketAddr {
        self.remote.as_socket().expect("an internet address")
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("the peer sends");
    }

    /// Sends until an error says that the other side is gone: that error.
    pub fn send_until_error(&mut self) -> io::Error {
        let chunk = [b'x'; 4096];
        loop {
            if let Err(e) = self.socket.write_all(&chunk) {
                return e;
            }
        }
    }

    /// Reads exactly `n` bytes.
    pub fn recv(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        self.socket.read_exact(&mut bytes).expect("the peer reads");
        bytes
    }

    /// Reads to the end, which must be a clean one.
    #[track_caller]
    pub fn recv_all(&mut self) -> Vec<u8> {
        let (bytes, end) = self.read();
        assert!(end.is_ok(), "{end:?} after {} bytes", bytes.len());
        bytes
    }

    /// Reads until the connection is reset: what came before.
    #[track_caller]
    pub fn recv_until_reset(&mut self) -> Vec<u8> {
        let (bytes, end) = self.read();
        match end {
            Err(e) if e.kind() == ErrorKind::ConnectionReset => bytes,
            other => panic!("not reset after {} bytes but: {other:?}", bytes.len()),
        }
    }

    /// Everything, and what came at its end. A Unix socket has no reset: one that was cut is marked
    /// by an out-of-band byte, which reading in the usual way passes over.
    fn read(&mut self) -> (Vec<u8>, io::Result<()>) {
        let mut bytes = Vec::new();
        if self.remote.as_socket().is_none() {
            let mut cut = false;
            let mut chunk = [0; 64 << 10];
            loop {
                let flags = ready(&self.socket, PollFlags::IN | PollFlags::PRI, DEADLINE);
                if flags.contains(PollFlags::PRI) {
                    let mut byte = [MaybeUninit::uninit(); 1];
                    cut |= self.socket.recv_out_of_band(&mut byte).is_ok();
                }
                match self.socket.read(&mut chunk) {
                    Ok(0) if cut => return (bytes, Err(ErrorKind::ConnectionReset.into())),
                    Ok(0) => return (bytes, Ok(())),
                    Ok(n) => bytes.extend_from_slice(&chunk[..n]),
                    Err(e) => return (bytes, Err(e)),
                }
            }
        }
        let end = self.socket.read_to_end(&mut bytes).map(|_| ());
        (bytes, end)
    }

    /// Asserts that neither bytes nor an end comes within `time`: the time is what is tested.
    #[track_caller]
    pub fn hears_nothing_for(&mut self, time: Duration) {
        if readable(&self.socket, time) {
            let mut bytes = [0; 64];
            let heard = self.socket.read(&mut bytes);
            panic!("heard {heard:?}: {:?}", String::from_utf8_lossy(&bytes));
        }
    }

    /// Sends a FIN and keeps reading.
    pub fn half_close(&self) {
        self.socket.shutdown(Shutdown::Write).expect("shutdown");
    }

    /// Cuts the connection: with a RST, or as oxnc does where there is no such thing.
    pub fn reset(self) {
        if self.remote.as_socket().is_some() {
            SockRef::from(&self.socket)
                .set_linger(Some(Duration::ZERO))
                .expect("SO_LINGER");
        } else {
            self.socket.send_out_of_band(b"!").expect("MSG_OOB");
        }
    }

    /// Closes the connection.
    pub fn close(self) {}
}
