//! The other end of a connection, played step by step.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    time::Duration,
};

use socket2::SockRef;

use super::{DEADLINE, tool::readable};

/// A listening socket on a port of the kernel's choice.
pub struct Server {
    listener: TcpListener,
}

impl Server {
    pub fn new() -> Self {
        Self::on((Ipv4Addr::LOCALHOST, 0))
    }

    pub fn on(address: impl Into<SocketAddr>) -> Self {
        let address = address.into();
        let listener =
            TcpListener::bind(address).unwrap_or_else(|e| panic!("listening on {address}: {e}"));
        Self { listener }
    }

    /// One whose clients can send a few thousand bytes before it reads.
    pub fn with_small_window() -> Self {
        let server = Self::new();
        SockRef::from(&server.listener)
            .set_recv_buffer_size(4096)
            .expect("SO_RCVBUF");
        server
    }

    pub fn port(&self) -> u16 {
        self.listener.local_addr().expect("getsockname").port()
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

    /// The socket itself.
    pub fn into_fd(self) -> OwnedFd {
        self.listener.into()
    }
}

/// One end of a TCP connection. Dropping it closes it, as the end of a process would: with a FIN,
/// or with a reset if bytes are unread.
pub struct Peer {
    pub socket: TcpStream,
    /// Its own address.
    pub local: SocketAddr,
    /// The address of the other side.
    pub remote: SocketAddr,
}

impl Peer {
    /// Connects to a port of 127.0.0.1.
    pub fn connect(port: u16) -> Self {
        Self::connect_to((Ipv4Addr::LOCALHOST, port))
    }

    pub fn connect_to(address: impl Into<SocketAddr>) -> Self {
        let address = address.into();
        let socket = TcpStream::connect_timeout(&address, DEADLINE)
            .unwrap_or_else(|e| panic!("connecting to {address}: {e}"));
        Self::new(socket, address)
    }

    fn new(socket: TcpStream, remote: SocketAddr) -> Self {
        socket
            .set_read_timeout(Some(DEADLINE))
            .expect("SO_RCVTIMEO");
        socket
            .set_write_timeout(Some(DEADLINE))
            .expect("SO_SNDTIMEO");
        let local = socket.local_addr().expect("getsockname");
        Self {
            socket,
            local,
            remote,
        }
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
    pub fn recv_all(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.socket
            .read_to_end(&mut bytes)
            .expect("the peer reads to the end");
        bytes
    }

    /// Reads until the connection is reset: what came before.
    #[track_caller]
    pub fn recv_until_reset(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.socket.read_to_end(&mut bytes) {
            Err(e) if e.kind() == ErrorKind::ConnectionReset => bytes,
            other => panic!("not reset after {} bytes but: {other:?}", bytes.len()),
        }
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

    /// Cuts the connection with a RST.
    pub fn reset(self) {
        SockRef::from(&self.socket)
            .set_linger(Some(Duration::ZERO))
            .expect("SO_LINGER");
    }

    /// Closes the connection.
    pub fn close(self) {}
}
