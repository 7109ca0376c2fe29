//! The words.

use std::{borrow::Borrow, io, net::SocketAddr, os::unix::ffi::OsStrExt as _, time::Duration};

use super::{escape, escape::escape_bytes};
use crate::{
    net::{Address, Attempt, Error, LookupFailure, Phase, Refused},
    outcome::{Counters, Delivery, DownEnd, Expired, Limit, Outcome, Stop, UpEnd},
    plan::{Endpoint, Group, SocketOption, UnixAddress},
};

/// More addresses than this are counted, not listed.
pub(super) const LISTED: usize = 6;

/// What a proxy is called before its host and port.
pub(super) const PROXY: &str = "the proxy ";

/// The other end of a connection, for messages.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// The name it was called by, if that is not its address.
    pub name: Option<String>,
    /// Its address.
    pub address: Address,
    /// Whom it connects us to, if it is a proxy.
    pub beyond: Option<Endpoint>,
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(target) = &self.beyond {
            write!(f, "{} through the proxy ", spot(target))?;
        }
        let host = host(&self.address);
        match &self.name {
            Some(name) if *name != host => write!(f, "{} ({host})", escape(name))?,
            _ => f.write_str(&host)?,
        }
        match self.address.port() {
            Some(port) => write!(f, " port {port}"),
            None => Ok(()),
        }
    }
}

/// A host and a port as people read them.
pub(crate) fn spot(endpoint: &Endpoint) -> String {
    format!("{} port {}", escape(endpoint.host.as_str()), endpoint.port)
}

/// An address as people read it.
pub(crate) fn place(address: impl Into<Address>) -> String {
    let address = address.into();
    match address.port() {
        Some(port) => format!("{} port {port}", host(&address)),
        None => host(&address),
    }
}

/// An address without its port, if it has one.
pub(super) fn host(address: &Address) -> String {
    match address {
        Address::Inet(SocketAddr::V6(v6)) if v6.scope_id() != 0 => {
            format!("{}%{}", v6.ip(), v6.scope_id())
        }
        Address::Inet(address) => address.ip().to_string(),
        Address::Unix(UnixAddress::Path(path)) => escape_bytes(path.as_os_str().as_bytes()),
        Address::Unix(UnixAddress::Abstract(name)) => format!("@{}", escape_bytes(name)),
    }
}

/// The system's reason without Rust's number behind it.
pub(crate) fn reason(e: &io::Error) -> String {
    if let Some(refused) = Refused::of(e) {
        return refusal(refused);
    }
    let text = e.to_string();
    let cut = text.find(" (os error ").unwrap_or(text.len());
    escape(text.get(..cut).unwrap_or(&text)).into_owned()
}

fn refusal(Refused { option, error }: &Refused) -> String {
    let hint = match (option, error.raw_os_error()) {
        (SocketOption::Debug, Some(libc::EACCES | libc::EPERM)) => "; it needs CAP_NET_ADMIN",
        (SocketOption::Congestion(_), Some(libc::ENOENT)) => {
            "; /proc/sys/net/ipv4/tcp_available_congestion_control lists what there is"
        }
        (SocketOption::Congestion(_), Some(libc::EPERM)) => {
            "; /proc/sys/net/ipv4/tcp_allowed_congestion_control lists what needs no CAP_NET_ADMIN"
        }
        (SocketOption::Device(_), Some(libc::ENODEV)) => "; 'ip link' lists the interfaces",
        (SocketOption::Mptcp, Some(libc::EPROTONOSUPPORT)) => "; this kernel has no MPTCP",
        (SocketOption::Mptcp, Some(libc::ENOPROTOOPT)) => {
            "; MPTCP is switched off (net.mptcp.enabled)"
        }
        (SocketOption::Md5Signature(_), Some(libc::ENOPROTOOPT)) => {
            "; this kernel has no TCP_MD5SIG"
        }
        (SocketOption::Other(_), Some(libc::EPERM)) => "; it needs a capability, see socket(7)",
        (SocketOption::Other(_), Some(libc::ENOPROTOOPT)) => {
            "; this kind of socket has no such option"
        }
        _ => "",
    };
    let option = option.to_string();
    format!("cannot set {}: {}{hint}", escape(&option), reason(error))
}

pub(super) fn counters(c: Counters) -> String {
    let of = |n| match n {
        1 => "1 datagram of ".to_owned(),
        n => format!("{n} datagrams of "),
    };
    let sent = c.datagrams.map_or_else(String::new, |d| of(d.sent));
    let received = c.datagrams.map_or_else(String::new, |d| of(d.received));
    format!(
        "sent {sent}{}, received {received}{}",
        bytes(c.sent),
        bytes(c.received)
    )
}

/// The counters, and how many clients there are, where there may be many.
pub(super) fn totals(c: Counters, clients: Option<usize>) -> String {
    match clients {
        None => counters(c),
        Some(1) => format!("1 client connected; {}", counters(c)),
        Some(n) => format!("{n} clients connected; {}", counters(c)),
    }
}

pub(super) fn not_done(what: Expired, c: Counters, clients: usize) -> String {
    format!(
        "not done within {}; {}",
        expired(what),
        totals(c, Some(clients))
    )
}

/// Which of our own two has failed.
#[derive(Debug)]
pub(crate) enum StdioFailure<'a> {
    /// Standard input.
    Input(&'a io::Error),
    /// Standard output.
    Output(&'a io::Error),
}

pub(super) fn stdio_failed(what: &StdioFailure<'_>, c: Counters) -> String {
    let (what, e) = match what {
        StdioFailure::Input(e) => ("cannot read standard input", e),
        StdioFailure::Output(e) => ("cannot write to standard output", e),
    };
    format!(
        "{what}: {}; all clients are reset; {}",
        reason(e),
        counters(c)
    )
}

pub(super) fn bytes(n: u64) -> String {
    if n == 1 {
        "1 byte".into()
    } else {
        format!("{n} bytes")
    }
}

pub(super) fn duration(d: Duration) -> String {
    humantime::format_duration(d).to_string()
}

fn option(limit: Limit) -> &'static str {
    match limit {
        Limit::Connect => "-w, --connect-timeout",
        Limit::Accept => "--accept-timeout",
        Limit::Idle => "-w, --idle-timeout",
        Limit::Total => "--max-time",
        Limit::Queue => "-k",
    }
}

pub(super) fn expired(what: Expired) -> String {
    format!("{} ({})", duration(what.length), option(what.limit))
}

/// Why there was no connection; none when a signal is reason enough.
pub(super) fn not_started(error: &Error, target: &str) -> Option<String> {
    Some(match error {
        Error::Lookup { what, failure } => lookup(what, failure, target),
        Error::Connect(attempts) => {
            format!("cannot connect to {target}: {}", list(attempts, target))
        }
        Error::Stopped {
            stop: Stop::Signal(_),
            ..
        } => return None,
        Error::Stopped {
            stop: Stop::Expired(what),
            phase,
            attempts,
        } => {
            let tried = match attempts.as_slice() {
                [] => String::new(),
                some => format!(": {}", list(some, target)),
            };
            let missing = match phase {
                Phase::Lookup => "no name service answered for",
                Phase::Connect => "no connection to",
                Phase::Accept => "no client came to",
                Phase::PassFd => "nobody took the socket that is connected to",
            };
            format!("{missing} {target} within {}{tried}", expired(*what))
        }
        Error::Listen { address, error } => {
            let hint = match (address, error.raw_os_error()) {
                (Address::Inet(_), Some(libc::EADDRINUSE)) => "; 'ss -ltnp' shows who has it",
                (Address::Unix(_), Some(libc::EADDRINUSE)) => "; 'ss -lxp' shows who has it",
                (Address::Inet(_), Some(libc::EACCES)) => {
                    "; ports below 1024 need CAP_NET_BIND_SERVICE"
                }
                (Address::Inet(_), Some(libc::EADDRNOTAVAIL)) => {
                    "; it is no address of this machine"
                }
                _ => "",
            };
            let (place, reason) = (place(address), reason(error));
            format!("cannot listen on {place}: {reason}{hint}")
        }
        Error::Join { group, error } => join(group, error),
        Error::Inherited {
            number,
            open: false,
        } => {
            format!("LISTEN_FDS names descriptor {number}, which is not open")
        }
        Error::Inherited { number, open: true } => {
            format!(
                "LISTEN_FDS names descriptor {number}, which is not a stream socket that listens"
            )
        }
        Error::NotDatagrams(number) => {
            format!("LISTEN_FDS names descriptor {number}, which is no datagram socket")
        }
        Error::Accept(e) => format!("cannot accept a client on {target}: {}", reason(e)),
        Error::NoFdReceiver(what) => format!(
            "standard output is {what}; -F needs a Unix socket there, which OpenSSH gives with \
             ProxyUseFdpass=yes"
        ),
        Error::PassFd(e) => format!(
            "cannot pass the socket that is connected to {target} over standard output: {}",
            reason(e)
        ),
        Error::System(e) => format!("{target}: {}", reason(e)),
    })
}

fn join(group: &Group, error: &io::Error) -> String {
    let address = group.address;
    let (on, name) = match &group.interface {
        Some(name) => (format!(" on {}", escape(name)), escape(name)),
        None => (String::new(), "".into()),
    };
    match error.raw_os_error() {
        Some(libc::ENODEV) if !name.is_empty() => {
            format!("cannot join {address}: there is no network interface '{name}'")
        }
        Some(libc::ENODEV) => format!(
            "cannot join {address}: no route tells on which interface; name it, as in \
             {address}%eth0"
        ),
        Some(libc::EAFNOSUPPORT) => {
            format!("cannot join {address}: no socket of its family is bound")
        }
        _ => format!("cannot join {address}{on}: {}", reason(error)),
    }
}

fn lookup(what: &str, failure: &LookupFailure, target: &str) -> String {
    match failure {
        LookupFailure::NoSuchService => format!(
            "no such service: '{}' (a port is 1-65535 or a name of services(5))",
            escape(what)
        ),
        LookupFailure::NoSuchZone => {
            let zone = what.split_once('%').map_or(what, |(_, zone)| zone);
            format!(
                "{target}: '{}' is no interface here that has such addresses",
                escape(zone)
            )
        }
        LookupFailure::Other(words) if target.starts_with(what) => {
            format!("cannot look up {target}: {}", escape(words))
        }
        LookupFailure::Other(words) => {
            format!(
                "cannot look up {} for {target}: {}",
                escape(what),
                escape(words)
            )
        }
    }
}

/// Each address with its own reason; what they have in common is said once.
pub(super) fn list<A: Borrow<Attempt>>(attempts: &[A], target: &str) -> String {
    if let Some(refusal) = common_refusal(attempts) {
        return refusal;
    }
    let [only] = attempts else {
        let mut parts: Vec<String> = attempts
            .iter()
            .take(LISTED)
            .map(Borrow::borrow)
            .map(|attempt: &Attempt| format!("{}: {}", host(&attempt.address), why(attempt)))
            .collect();
        if attempts.len() > LISTED {
            parts.push(format!("and {} more", attempts.len() - LISTED));
        }
        return parts.join("; ");
    };
    let only: &Attempt = only.borrow();
    match place(&only.address) {
        same if same == target.trim_start_matches(PROXY) => why(only),
        _ => format!("{}: {}", host(&only.address), why(only)),
    }
}

/// An option that no address's socket took, and always for the same reason.
fn common_refusal<A: Borrow<Attempt>>(attempts: &[A]) -> Option<String> {
    let mut attempts = attempts.iter().map(Borrow::borrow);
    let first: &Attempt = attempts.next()?;
    Refused::of(&first.error)?;
    let first = reason(&first.error);
    attempts
        .all(|other| reason(&other.error) == first)
        .then_some(first)
}

pub(crate) fn why(attempt: &Attempt) -> String {
    let reason = reason(&attempt.error);
    match (attempt.from, attempt.error.raw_os_error()) {
        (Some(from), _) => format!("cannot bind to {}: {reason}", place(from)),
        (None, Some(libc::EAFNOSUPPORT)) => "the local address is of the other family".into(),
        (None, _) => reason,
    }
}

/// Our own two are what failed.
pub(super) fn stdio_at_fault(outcome: &Outcome, peer: &dyn std::fmt::Display) -> Option<String> {
    let Counters { sent, received, .. } = outcome.counters;
    match (&outcome.up, &outcome.down) {
        (_, DownEnd::OutputFailed(e)) => Some(format!(
            "cannot write to standard output: {}; {} from {peer} written",
            reason(e),
            bytes(received)
        )),
        (UpEnd::InputFailed(e), _) => Some(format!(
            "cannot read standard input: {}; {} sent to {peer}",
            reason(e),
            bytes(sent)
        )),
        _ => None,
    }
}

/// Why a connection's run failed; none on success, and none where a signal is reason enough.
pub(super) fn failed(outcome: &Outcome, peer: &Peer) -> Option<String> {
    let received = outcome.counters.received;
    if matches!(outcome.stop, Some(Stop::Signal(_))) {
        return None;
    }
    match (&outcome.up, &outcome.down) {
        (_, DownEnd::ReaderLeft) => None,
        (_, DownEnd::OutputFailed(_)) | (UpEnd::InputFailed(_), _) => stdio_at_fault(outcome, peer),
        (UpEnd::NotDelivered(e) | UpEnd::Refused(e), _) => Some(not_delivered(outcome, e, peer)),
        (_, DownEnd::Broken(e)) => Some(format!(
            "the connection to {peer} broke after {}: {}",
            bytes(received),
            reason(e)
        )),
        _ => outcome.stop.and_then(|stop| stopped(stop, outcome, peer)),
    }
}

fn not_delivered(outcome: &Outcome, e: &io::Error, peer: &Peer) -> String {
    let Counters { sent, received, .. } = outcome.counters;
    let missing = match outcome.unacknowledged {
        0 => "it may not have read all of it".to_owned(),
        n => format!("{} of it not acknowledged", bytes(n as u64)),
    };
    let what = match e.kind() {
        _ if is_stalled(outcome) => "does not read fast enough and was dropped (-k)",
        io::ErrorKind::TimedOut => "did not acknowledge it in time (--linger)",
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
            "closed or reset the connection"
        }
        _ => "is gone",
    };
    let reason = match e.raw_os_error() {
        Some(_) => format!(": {}", reason(e)),
        None => String::new(),
    };
    let (sent, received) = (bytes(sent), bytes(received));
    format!("not delivered: {peer} {what}; {sent} sent, {missing}, {received} received{reason}")
}

fn is_stalled(outcome: &Outcome) -> bool {
    matches!(outcome.stop, Some(Stop::Expired(what)) if what.limit == Limit::Queue)
}

fn stopped(stop: Stop, outcome: &Outcome, peer: &Peer) -> Option<String> {
    let Stop::Expired(what) = stop else {
        return None;
    };
    let moved = counters(outcome.counters);
    Some(match what.limit {
        Limit::Idle => format!("{peer}: nothing moved for {}; {moved}", expired(what)),
        _ => format!("{peer}: not done within {}; {moved}", expired(what)),
    })
}

/// The closing line of `-v`: what moved, in what time, and how much is known of its delivery.
pub(super) fn closing(outcome: &Outcome, took: Duration) -> String {
    let level = match outcome.delivery {
        Delivery::HandedOver => "handed to the kernel",
        Delivery::Acknowledged => "acknowledged by the peer's kernel",
        Delivery::PeerEnded => "ended cleanly by the peer",
    };
    format!(
        "{} in {:.3} s; {level}",
        counters(outcome.counters),
        took.as_secs_f64()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_the_systems_words_alone() {
        let e = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        assert_eq!(reason(&e), "Connection refused");
        assert_eq!(reason(&io::Error::other("a\x1bb")), "a\\x1bb");
    }

    #[test]
    fn a_peer_is_named_as_it_was_called() {
        let address = "127.0.0.1:80".parse().unwrap();
        let peer = |name: &str| {
            Peer {
                name: Some(name.into()),
                address: Address::Inet(address),
                beyond: None,
            }
            .to_string()
        };
        assert_eq!(peer("localhost"), "localhost (127.0.0.1) port 80");
        assert_eq!(peer("127.0.0.1"), "127.0.0.1 port 80");
        let unix = |address| {
            let address = Address::Unix(address);
            Peer {
                name: None,
                address,
                beyond: None,
            }
            .to_string()
        };
        assert_eq!(unix(UnixAddress::Path("/run/s".into())), "/run/s");
        assert_eq!(unix(UnixAddress::Abstract(b"a\xff".to_vec())), r"@a\xff");
    }

    #[test]
    fn an_option_that_no_socket_takes_is_said_once() {
        let refused = |address: &str, errno| Attempt {
            address: Address::Inet(address.parse().unwrap()),
            from: None,
            error: io::Error::other(Refused {
                option: SocketOption::Congestion("a\x1bb".into()),
                error: io::Error::from_raw_os_error(errno),
            }),
        };
        let once = "cannot set --congestion a\\x1bb: No such file or directory; \
                    /proc/sys/net/ipv4/tcp_available_congestion_control lists what there is";
        let (one, two) = ("[::1]:9", "127.0.0.1:9");
        let same = [refused(one, libc::ENOENT), refused(two, libc::ENOENT)];
        assert_eq!(list(&same, "localhost port 9"), once);
        let different = [refused(one, libc::ENOENT), refused(two, libc::EINVAL)];
        assert_eq!(
            list(&different, "localhost port 9"),
            format!("::1: {once}; 127.0.0.1: cannot set --congestion a\\x1bb: Invalid argument")
        );
    }

    #[test]
    fn every_address_has_its_own_reason() {
        let attempt = |address: &str, error| Attempt {
            address: Address::Inet(address.parse().unwrap()),
            from: None,
            error: io::Error::from_raw_os_error(error),
        };
        let attempts = [
            attempt("[::1]:9", libc::ECONNREFUSED),
            attempt("192.0.2.1:9", libc::ENETUNREACH),
        ];
        let text = list(&attempts, "localhost port 9");
        assert_eq!(
            text,
            "::1: Connection refused; 192.0.2.1: Network is unreachable"
        );
    }
}
