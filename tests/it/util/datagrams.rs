//! UDP ends, played step by step, and streams of records for oxnc's own ends.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::OwnedFd,
    time::Duration,
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use socket2::{SockRef, Socket};

use super::DEADLINE;

/// A UDP socket of the test's own.
pub struct Udp(pub UdpSocket);

impl Udp {
    pub fn new() -> Self {
        Self::on((Ipv4Addr::LOCALHOST, 0))
    }

    pub fn on(address: impl Into<SocketAddr>) -> Self {
        let socket = UdpSocket::bind(address.into()).expect("binding");
        // As much as the kernel allows; what does not fit is lost.
        let _ = SockRef::from(&socket).set_recv_buffer_size(4 << 20);
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(socket)
    }

    /// One that sends to `port` of 127.0.0.1 and hears only from there.
    pub fn to(port: u16) -> Self {
        Self::to_host(Ipv4Addr::LOCALHOST, port)
    }

    pub fn to_host(host: impl Into<IpAddr>, port: u16) -> Self {
        let host = host.into();
        let this = match host {
            IpAddr::V4(_) => Self::new(),
            IpAddr::V6(_) => Self::on("[::1]:0".parse::<SocketAddr>().unwrap()),
        };
        this.0.connect((host, port)).unwrap();
        this
    }

    pub fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// The next datagram and its sender.
    pub fn recv_from(&self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = vec![0; 70_000];
        let (n, from) = self.0.recv_from(&mut buffer).expect("a datagram");
        buffer.truncate(n);
        (buffer, from)
    }

    /// The next datagram.
    #[track_caller]
    pub fn recv(&self) -> Vec<u8> {
        self.recv_from().0
    }

    #[track_caller]
    pub fn send(&self, datagram: &[u8]) {
        assert_eq!(self.0.send(datagram).expect("sending"), datagram.len());
    }

    #[track_caller]
    pub fn send_to(&self, datagram: &[u8], to: SocketAddr) {
        let sent = self.0.send_to(datagram, to).expect("sending");
        assert_eq!(sent, datagram.len());
    }

    /// Asserts that nothing comes for `time`.
    #[track_caller]
    pub fn hears_nothing_for(&self, time: Duration) {
        self.0.set_read_timeout(Some(time)).unwrap();
        let heard = self.0.recv_from(&mut [0; 100]);
        self.0.set_read_timeout(Some(DEADLINE)).unwrap();
        match heard {
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            other => panic!("{other:?} came"),
        }
    }
}

/// A socket on which every write is one record, and every read takes one. The other end is for a
/// program's stdin or stdout.
pub struct Records(Socket);

impl Records {
    pub fn pair() -> (Self, OwnedFd) {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        let ours = Socket::from(ours);
        ours.set_read_timeout(Some(DEADLINE)).unwrap();
        ours.set_write_timeout(Some(DEADLINE)).unwrap();
        (Self(ours), theirs)
    }

    pub fn write(&self, record: &[u8]) {
        assert_eq!(self.0.send(record).unwrap(), record.len());
    }

    /// The next record; an empty one is the end.
    pub fn read(&self) -> Vec<u8> {
        let mut buffer = vec![0; 200_000];
        let n = io::Read::read(&mut &self.0, &mut buffer).expect("a record");
        buffer.truncate(n);
        buffer
    }
}
