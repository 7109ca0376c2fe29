//! What a run is to do, as parsed data: no input, no output, no clock.
//!
//! `cli` builds a [`Plan`] and every rule about options that do not go together is applied there.
//! Whoever holds a `Plan` need not ask again.

mod address;
mod datagram;
mod duration;
mod number;
mod options;
mod personality;
mod ports;
mod proxy;
mod scan;
mod secret;
mod sockopt;
mod unix;

pub use address::{AddressError, Endpoint, Host, Port};
pub use datagram::{Datagrams, Group, GroupError, LARGEST_DATAGRAM, Role};
pub use duration::{DurationError, parse_duration, parse_duration_or_forever};
pub use number::{NumberError, parse_number, parse_size};
pub use options::{
    Keepalive, NAME_LIMIT, OptionError, Scope, SocketOption, parse_kernel_name,
    parse_traffic_class, parse_user_timeout,
};
pub use personality::Personality;
pub use ports::{PortSpan, Ports, Reversed};
pub use proxy::{Login, Proxy, ProxyAddress, ProxyAddressError, ProxyNames, ProxyProtocol};
pub use scan::{
    Goal, Measure, PortTargets, Probe, Scan, SocketTargets, Survey, Target, Targets, UnixProbe,
    Wait,
};
pub use secret::{Secret, SecretSource};
pub use sockopt::{SockOpt, SockOptError};
pub use unix::{UnixAddress, UnixAddressError};

use std::{os::fd::RawFd, path::PathBuf, time::Duration};

/// Everything that one run needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Whose words and exit status the run has.
    pub personality: Personality,
    /// How the connection comes about.
    pub action: Action,
    /// The rules of the end of data.
    pub transfer: Transfer,
    /// How long each phase may take.
    pub limits: Limits,
    /// What comes after a try to connect that has failed, if not the end.
    pub retry: Option<Retry>,
    /// What every socket of the run is set to, in this order.
    pub socket_options: Vec<SocketOption>,
    /// How much is told on stderr: 0 failures only, 1 events, 2 facts of the layers, 3 log records.
    pub verbosity: u8,
    /// Addresses and ports are told as numbers (`-n`).
    pub numeric: bool,
}

/// What is done, and how the connection comes about where there is one.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Connect to a peer.
    Connect(Connect),
    /// Connect to a Unix socket.
    ConnectUnix(UnixAddress),
    /// Wait for a peer.
    Listen(Listen),
    /// Either of the two, with datagrams.
    Datagrams(Datagrams),
    /// Connect, and pass the connected socket over standard output (`-F`).
    PassFd(Callee),
    /// Find out which ports or Unix sockets are open.
    Scan(Scan),
}

/// Whom to connect to for somebody else.
#[derive(Clone, Debug, PartialEq)]
pub enum Callee {
    /// A peer.
    Inet(Connect),
    /// A Unix socket.
    Unix(UnixAddress),
}

/// A peer to connect to.
#[derive(Clone, Debug, PartialEq)]
pub struct Connect {
    /// Whom to connect to.
    pub target: Endpoint,
    /// The local end, where one was asked for.
    pub source: Option<Source>,
    /// How names become addresses.
    pub lookup: Lookup,
    /// Through whom, if not directly.
    pub proxy: Option<Proxy>,
}

/// More tries to connect (`--retry`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// How many after the first one; none means any number.
    pub tries: Option<u32>,
    /// The pause between two of them; none means one that grows.
    pub delay: Option<Duration>,
}

/// The local end of an outgoing connection (`-s`, `-p`); at least one of the two is given.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The local address; none means the wildcard of the target's family.
    pub host: Option<Host>,
    /// The local port; none means that the kernel picks one.
    pub port: Option<Port>,
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// What to listen on.
    pub on: ListenOn,
    /// How names become addresses.
    pub lookup: Lookup,
    /// IPv6 sockets serve IPv4 as well, as `::ffff:a.b.c.d`.
    pub mapped: bool,
    /// Where the chosen port is written once the sockets listen.
    pub print_port: Option<PortTo>,
    /// Many clients at once instead of one (`-k`).
    pub keep_open: Option<KeepOpen>,
}

/// A listener that stays open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepOpen {
    /// How many clients are served at once; none means as many as there are descriptors for.
    pub max_conns: Option<usize>,
    /// After how many clients the run is done; none means never.
    pub accept: Option<u64>,
    /// Whether the clients' lines are passed on whole, each behind the client's address.
    pub tag: bool,
}

/// What a listener listens on.
#[derive(Clone, Debug, PartialEq)]
pub enum ListenOn {
    /// A port on one host's addresses, or on every local address.
    Address {
        /// The local address; none means the wildcard of each family.
        host: Option<Host>,
        /// The port; `Port::Number(0)` lets the kernel pick one for all of the sockets.
        port: Port,
    },
    /// A Unix socket.
    Unix {
        /// Its name.
        address: UnixAddress,
        /// The permissions of its file (`--unix-mode`); abstract names have none.
        mode: u32,
    },
    /// The sockets that a supervisor passed in (`LISTEN_FDS`, `sd_listen_fds(3)`).
    /// So many, from descriptor 3 on.
    Inherited(usize),
}

/// Where `--print-port` writes the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortTo {
    /// Standard error.
    Stderr,
    /// An inherited descriptor, closed after the line.
    Descriptor(RawFd),
    /// A file, created or truncated.
    File(PathBuf),
}

/// The hints given to `getaddrinfo(3)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lookup {
    /// `ai_family`.
    pub family: Family,
    /// `AI_NUMERICHOST | AI_NUMERICSERV`: nothing is looked up by name.
    pub numeric: bool,
    /// But names of services are.
    pub services: bool,
}

/// The address families that a run may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Both.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// The rules of the end of data.
#[derive(Clone, Debug, PartialEq)]
pub struct Transfer {
    /// Whether stdin is read.
    pub input: Input,
    /// What the end of our input means to the peer.
    pub on_input_end: OnInputEnd,
    /// What the peer's end means to us.
    pub on_peer_end: OnPeerEnd,
    /// After the end of our input, end once nothing has come for this long (`-q`).
    pub quit_after: Option<Duration>,
    /// End once so much has come in so many reads (`-W`).
    pub recv_limit: Option<u64>,
    /// Send, and discard whatever comes (`--send-only`).
    pub send_only: bool,
    /// How long the peer's kernel may take to acknowledge what was sent, counted from the last
    /// byte that it acknowledged.
    pub linger: Duration,
    /// What is done to the lines of our input.
    pub lines: Lines,
    /// The connection speaks telnet (`-t`).
    pub telnet: bool,
}

/// What is done to the lines of our input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Each ends in CRLF (`-C`).
    pub crlf: bool,
    /// The pause between two of them (`-i`).
    pub interval: Option<Duration>,
}

impl Lines {
    /// Whether anything is done to them at all.
    pub fn matter(self) -> bool {
        self != Self::default()
    }
}

/// Where our input comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    #[default]
    Stdin,
    /// Nowhere: there is nothing to send (`-d`, `--recv-only`).
    Nothing,
}

/// What the end of our input means to the peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnInputEnd {
    /// A FIN after the last byte, unless there was nothing to send in the first place.
    #[default]
    Auto,
    /// Always a FIN (`-N`).
    Shutdown,
    /// No FIN before the run is done (`--no-shutdown`).
    Keep,
}

/// What the peer's end means while our input has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnPeerEnd {
    /// Go on to the last byte, unless nobody can want it any more.
    #[default]
    Auto,
    /// End the run.
    Exit,
    /// Go on to the last byte, always.
    Drain,
}

/// How long each phase may take; none means for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Lookup, connecting and a proxy's answer together (`--connect-timeout`, `-w`).
    pub connect: Option<Duration>,
    /// Waiting for a client (`--accept-timeout`).
    pub accept: Option<Duration>,
    /// Nothing moved in either direction (`--idle-timeout`, `-w`).
    pub idle: Option<Duration>,
    /// The whole run (`--max-time`).
    pub total: Option<Duration>,
}
