//! The options of sockets: for each one when it is set, and what is handed to setsockopt(2).

use std::{error, fmt, io, net::SocketAddr, os::fd::AsFd, sync::Arc};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::Address;
use crate::{
    os,
    plan::{Secret, SockOpt, SocketOption},
};

/// The longest key of `TCP_MD5SIG`.
pub(crate) const MD5_KEY_LIMIT: usize = libc::TCP_MD5SIG_MAXKEYLEN;

/// What is asked of the kernel for datagrams that wait to be read; it gives what
/// `net.core.rmem_max` allows. Its default holds two of the largest.
const QUEUE: usize = 4 << 20;

/// What the sockets of a run are set to, on whichever thread they are made.
#[derive(Clone, Default)]
pub(crate) struct Options {
    list: Arc<[SocketOption]>,
    md5_key: Arc<Secret>,
}

/// An option that the kernel did not take; the source of an [`io::Error`].
#[derive(Debug)]
pub(crate) struct Refused {
    /// Which.
    pub option: SocketOption,
    /// Why.
    pub error: io::Error,
}

/// What is on the other side of a socket.
#[derive(Clone, Copy, Debug)]
enum Peer {
    /// This address.
    One(SocketAddr),
    /// Clients, on an address of this family.
    Any(SocketAddr),
    /// Whoever is on this machine.
    Unix,
}

impl Options {
    /// `md5_key` is what [`SocketOption::Md5Signature`] needs, and is empty without it.
    pub(crate) fn new(list: &[SocketOption], md5_key: Secret) -> Self {
        Self {
            list: list.into(),
            md5_key: Arc::new(md5_key),
        }
    }

    /// Whether stream sockets speak Multipath TCP.
    pub(super) fn are_mptcp(&self) -> bool {
        self.list.contains(&SocketOption::Mptcp)
    }

    /// A stream socket that is to connect to `peer`, with all its options.
    pub(super) fn caller(&self, peer: SocketAddr) -> io::Result<Socket> {
        let socket = self.stream(peer)?;
        self.set(&socket, When::BeforeBind, Peer::One(peer))?;
        Ok(socket)
    }

    /// A stream socket that is to listen on `address`, with all its options. Those who are accepted
    /// inherit them, but for what [`Options::accepted`] sets.
    pub(super) fn listener(&self, address: SocketAddr) -> io::Result<Socket> {
        let socket = self.stream(address)?;
        self.set(&socket, When::BeforeBind, Peer::Any(address))?;
        Ok(socket)
    }

    /// A UDP socket that is to send to `peer`, with all its options.
    pub(super) fn datagram_caller(&self, peer: SocketAddr) -> io::Result<Socket> {
        self.datagram(peer, Peer::One(peer))
    }

    /// A UDP socket that is to be bound to `address`, with all its options.
    pub(super) fn datagram_receiver(&self, address: SocketAddr) -> io::Result<Socket> {
        self.datagram(address, Peer::Any(address))
    }

    /// Gives a Unix socket its options.
    pub(super) fn unix(&self, socket: impl AsFd) -> io::Result<()> {
        self.set(socket, When::BeforeBind, Peer::Unix)
    }

    /// Sets on a client's socket what it did not inherit: everything where the listening socket is
    /// a Unix socket, or was passed in and is to stay as it is.
    pub(super) fn accepted(
        &self,
        socket: impl AsFd,
        peer: &Address,
        passed_in: bool,
    ) -> io::Result<()> {
        let peer = match peer {
            Address::Inet(address) => Peer::One(*address),
            Address::Unix(_) => Peer::Unix,
        };
        if passed_in || matches!(peer, Peer::Unix) {
            self.set(&socket, When::BeforeBind, peer)?;
        }
        self.set(&socket, When::AfterAccept, peer)
    }

    fn stream(&self, address: SocketAddr) -> io::Result<Socket> {
        let kind = Type::STREAM.nonblocking().cloexec();
        let open = |protocol| Socket::new(Domain::for_address(address), kind, Some(protocol));
        if !self.are_mptcp() {
            return open(Protocol::TCP);
        }
        open(Protocol::MPTCP).map_err(|error| match error.raw_os_error() {
            // It is the address that cannot be used, with any protocol.
            Some(libc::EAFNOSUPPORT) => error,
            _ => Refused::error(&SocketOption::Mptcp, error),
        })
    }

    fn datagram(&self, address: SocketAddr, peer: Peer) -> io::Result<Socket> {
        let kind = Type::DGRAM.nonblocking().cloexec();
        let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::UDP))?;
        socket.set_recv_buffer_size(QUEUE)?;
        self.set(&socket, When::BeforeBind, peer)?;
        Ok(socket)
    }

    fn set(&self, socket: impl AsFd, when: When, peer: Peer) -> io::Result<()> {
        for option in self.list.iter() {
            let mut calls = calls(option, peer, self.md5_key.bytes());
            calls.retain(|call| call.when == when);
            for call in &calls {
                os::set_socket_option(&socket, call.level, call.name, &call.value)
                    .map_err(|error| Refused::error(option, error))?;
            }
            if !calls.is_empty() {
                log_result(option, &socket);
            }
        }
        Ok(())
    }
}

/// When an option is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Before bind(2), and therefore before connect(2) and listen(2): buffers decide on the window
    /// scale of the SYN, a device on the addresses that are free.
    BeforeBind,
    /// After accept(2).
    AfterAccept,
}

/// A call of setsockopt(2).
#[derive(Debug, PartialEq, Eq)]
struct Call {
    when: When,
    level: i32,
    name: i32,
    value: Vec<u8>,
}

/// The table: what each option comes to.
fn calls(option: &SocketOption, peer: Peer, md5_key: &[u8]) -> Vec<Call> {
    use SocketOption as O;
    use libc::{IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, SOL_SOCKET};

    // Either family has its own name for what a packet's header says.
    let header = |v4, v6, value: u8| match peer.speaks_ipv4() {
        true => vec![int(IPPROTO_IP, v4, value)],
        false => vec![int(IPPROTO_IPV6, v6, value)],
    };
    match option {
        // The protocol is chosen when the socket is made.
        O::Mptcp => Vec::new(),
        O::Device(name) => vec![bytes(SOL_SOCKET, libc::SO_BINDTODEVICE, name.as_bytes())],
        O::Broadcast => vec![int(SOL_SOCKET, libc::SO_BROADCAST, 1_u8)],
        O::Md5Signature(_) => {
            let (name, value) = md5_signature(peer, md5_key);
            vec![bytes(IPPROTO_TCP, name, &value)]
        }
        O::Debug => vec![int(SOL_SOCKET, libc::SO_DEBUG, 1_u8)],
        O::TrafficClass(class) => header(libc::IP_TOS, libc::IPV6_TCLASS, *class),
        O::ReceiveBuffer(size) => vec![int(SOL_SOCKET, libc::SO_RCVBUF, *size)],
        O::SendBuffer(size) => vec![int(SOL_SOCKET, libc::SO_SNDBUF, *size)],
        O::HopLimit(hops) => header(libc::IP_TTL, libc::IPV6_UNICAST_HOPS, *hops),
        O::MinHopLimit(hops) => header(libc::IP_MINTTL, libc::IPV6_MINHOPCOUNT, *hops),
        O::Keepalive(times) => {
            let times = [
                (libc::TCP_KEEPIDLE, times.idle),
                (libc::TCP_KEEPINTVL, times.interval),
                (libc::TCP_KEEPCNT, times.count),
            ];
            let times = times
                .into_iter()
                .filter_map(|(name, time)| time.map(|time| int(IPPROTO_TCP, name, time)));
            std::iter::once(int(SOL_SOCKET, libc::SO_KEEPALIVE, 1_u8))
                .chain(times)
                .collect()
        }
        O::NoDelay => vec![int(IPPROTO_TCP, libc::TCP_NODELAY, 1_u8)],
        O::UserTimeout(ms) => vec![int(IPPROTO_TCP, libc::TCP_USER_TIMEOUT, *ms)],
        O::Congestion(name) => vec![bytes(IPPROTO_TCP, libc::TCP_CONGESTION, name.as_bytes())],
        O::Other(option) => other(option),
    }
}

/// Options without a name of their own; of those that a client's socket does not inherit, two are
/// worth setting.
fn other(option: &SockOpt) -> Vec<Call> {
    // Linux 6.18: an accepted socket's priority is 0, and it decides anew whether to delay its ACKs.
    const NOT_INHERITED: [(i32, i32); 2] = [
        (libc::SOL_SOCKET, libc::SO_PRIORITY),
        (libc::IPPROTO_TCP, libc::TCP_QUICKACK),
    ];
    let call = |when| Call {
        when,
        level: option.level,
        name: option.name,
        value: option.value.clone(),
    };
    let mut calls = vec![call(When::BeforeBind)];
    if NOT_INHERITED.contains(&(option.level, option.name)) {
        calls.push(call(When::AfterAccept));
    }
    calls
}

fn int(level: i32, name: i32, value: impl Into<u32>) -> Call {
    bytes(level, name, &value.into().to_ne_bytes())
}

fn bytes(level: i32, name: i32, value: &[u8]) -> Call {
    Call {
        when: When::BeforeBind,
        level,
        name,
        value: value.to_vec(),
    }
}

/// `struct tcp_md5sig` of linux/tcp.h, and the option that takes it. Clients may come from anywhere:
/// their prefix has no bits, which is what `TCP_MD5SIG_EXT` is for (Linux 4.13).
fn md5_signature(peer: Peer, key: &[u8]) -> (i32, Vec<u8>) {
    // tcpm_addr, flags, prefixlen, keylen, ifindex, key.
    const ADDRESS: usize = size_of::<libc::sockaddr_storage>();
    const PREFIX: u8 = 1;

    let (family, address) = match peer {
        Peer::One(SocketAddr::V4(v4)) => (libc::AF_INET, v4.ip().octets().to_vec()),
        // Before the address of a sockaddr_in6 is the flow label.
        Peer::One(SocketAddr::V6(v6)) => {
            let address = [&[0; 4], v6.ip().octets().as_slice()].concat();
            (libc::AF_INET6, address)
        }
        Peer::Any(SocketAddr::V4(_)) => (libc::AF_INET, Vec::new()),
        Peer::Any(SocketAddr::V6(_)) => (libc::AF_INET6, Vec::new()),
        Peer::Unix => (libc::AF_UNSPEC, Vec::new()),
    };
    let (name, flags) = match peer {
        Peer::One(_) | Peer::Unix => (libc::TCP_MD5SIG, 0),
        Peer::Any(_) => (libc::TCP_MD5SIG_EXT, PREFIX),
    };
    let family = libc::sa_family_t::try_from(family).unwrap_or_default();
    let length = u16::try_from(key.len()).unwrap_or(u16::MAX);
    // Two bytes of port between family and address.
    let mut value = [&family.to_ne_bytes(), [0; 2].as_slice(), &address].concat();
    value.resize(ADDRESS, 0);
    value.extend([flags, 0]);
    value.extend(length.to_ne_bytes());
    value.extend([0; 4]);
    value.extend(key);
    value.resize(ADDRESS + 8 + MD5_KEY_LIMIT, 0);
    (name, value)
}

/// The kernel takes any size of a buffer, and makes of it what `net.core.rmem_max` and `wmem_max`
/// allow, doubled.
fn log_result(option: &SocketOption, socket: &impl AsFd) {
    let socket = SockRef::from(socket);
    let size = match option {
        SocketOption::ReceiveBuffer(_) => socket.recv_buffer_size(),
        SocketOption::SendBuffer(_) => socket.send_buffer_size(),
        _ => return log::debug!("{option}"),
    };
    if let Ok(size) = size {
        log::debug!("{option}: the kernel made it {size}");
    }
}

impl Peer {
    /// An IPv4 address mapped into IPv6 is reached with IPv4 packets.
    fn speaks_ipv4(self) -> bool {
        match self {
            Self::One(SocketAddr::V6(v6)) => v6.ip().to_ipv4_mapped().is_some(),
            Self::One(SocketAddr::V4(_)) | Self::Any(SocketAddr::V4(_)) => true,
            Self::Any(SocketAddr::V6(_)) => false,
            // The kernel will say that there is no such thing, in whatever name it is set.
            Self::Unix => true,
        }
    }
}

impl Refused {
    fn error(option: &SocketOption, error: io::Error) -> io::Error {
        io::Error::other(Self {
            option: option.clone(),
            error,
        })
    }

    /// What is behind an error, if it is an option.
    pub(crate) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

/// Without the key.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list.iter()).finish()
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.option, self.error)
    }
}

impl error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Keepalive, SecretSource};

    const V4: &str = "192.0.2.1:80";
    const V6: &str = "[2001:db8::1]:80";
    const MAPPED: &str = "[::ffff:192.0.2.1]:80";

    fn one(address: &str) -> Peer {
        Peer::One(address.parse().unwrap())
    }

    fn any(address: &str) -> Peer {
        Peer::Any(address.parse().unwrap())
    }

    #[test]
    fn headers_are_set_by_the_name_that_the_family_has() {
        use libc::*;
        let table = [
            (SocketOption::TrafficClass(7), (IP_TOS, IPV6_TCLASS)),
            (SocketOption::HopLimit(7), (IP_TTL, IPV6_UNICAST_HOPS)),
            (SocketOption::MinHopLimit(7), (IP_MINTTL, IPV6_MINHOPCOUNT)),
        ];
        for (option, (v4, v6)) in table {
            for peer in [one(V4), any(V4), one(MAPPED)] {
                assert_eq!(calls(&option, peer, &[]), [int(IPPROTO_IP, v4, 7_u8)]);
            }
            for peer in [one(V6), any(V6), any("[::]:80")] {
                assert_eq!(calls(&option, peer, &[]), [int(IPPROTO_IPV6, v6, 7_u8)]);
            }
        }
    }

    #[test]
    fn keepalive_without_times_leaves_them_to_the_kernel() {
        let keepalive = |times| calls(&SocketOption::Keepalive(times), one(V4), &[]);
        let on = || int(libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1_u8);
        assert_eq!(keepalive(Keepalive::default()), [on()]);
        let times = Keepalive {
            idle: Some(60),
            interval: None,
            count: Some(3),
        };
        let expected = [
            on(),
            int(libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, 60_u8),
            int(libc::IPPROTO_TCP, libc::TCP_KEEPCNT, 3_u8),
        ];
        assert_eq!(keepalive(times), expected);
    }

    /// The layout of linux/tcp.h: a `sockaddr_storage`, u8, u8, u16, int and 80 bytes.
    #[test]
    fn a_key_is_for_one_peer_or_for_everybody_of_the_family() {
        let option = SocketOption::Md5Signature(SecretSource::Terminal);
        let value = |peer| {
            let mut calls = calls(&option, peer, b"secret");
            let call = calls.pop().unwrap();
            assert!(calls.is_empty() && call.level == libc::IPPROTO_TCP);
            assert_eq!(call.value.len(), 216);
            assert_eq!(call.value[130..136], [6, 0, 0, 0, 0, 0]);
            assert_eq!(call.value[136..142], *b"secret");
            (call.name, call.value)
        };
        let (name, v4) = value(one(V4));
        assert_eq!(
            (name, &v4[..10]),
            (14, &[2, 0, 0, 0, 192, 0, 2, 1, 0, 0][..])
        );
        assert_eq!(v4[128..130], [0, 0]);
        let (name, v6) = value(one(V6));
        let start = [10, 0, 0, 0, 0, 0, 0, 0, 0x20, 0x01, 0x0d, 0xb8];
        assert_eq!((name, &v6[..12], v6[23]), (14, &start[..], 1));
        for (peer, family) in [(any(V4), 2), (any(V6), 10)] {
            let (name, all) = value(peer);
            assert_eq!((name, all[0]), (32, family));
            assert!(all[1..128].iter().all(|byte| *byte == 0));
            assert_eq!(all[128..130], [1, 0]);
        }
    }

    #[test]
    fn another_thread_may_make_sockets_with_the_same_options() {
        let options = Options::new(&[SocketOption::TrafficClass(8)], Secret::default());
        let other = options.clone();
        let peer = V4.parse().unwrap();
        let socket = std::thread::spawn(move || other.caller(peer)).join();
        let socket = socket.unwrap().unwrap();
        assert_eq!(socket.tos_v4().unwrap(), 8);
        assert_eq!(options.caller(peer).unwrap().tos_v4().unwrap(), 8);
    }

    #[test]
    fn what_a_client_does_not_inherit_is_set_again() {
        let times = |word: &str| -> Vec<When> {
            let option = SocketOption::Other(SockOpt::parse(word).unwrap());
            let calls = calls(&option, any(V4), &[]);
            calls.into_iter().map(|call| call.when).collect()
        };
        let both = [When::BeforeBind, When::AfterAccept];
        assert_eq!(times("socket:SO_PRIORITY:6"), both);
        assert_eq!(times("tcp:TCP_QUICKACK:1"), both);
        assert_eq!(times("socket:SO_MARK:6"), [When::BeforeBind]);
    }
}
