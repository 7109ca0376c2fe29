//! The lines of Debian's OpenBSD `nc`, word for word, for those who parse them.

use std::{fmt, io, net::SocketAddr};

use super::{
    Peer, escape,
    messages::{self, place, spot},
    proxy, reason,
};
use crate::{
    net::{Address, Attempt, Error, LookupFailure, service_name},
    outcome::Stop,
    plan::Endpoint,
    proxy::{Failure, Refusal},
};

/// A port that was tried, as `nc` calls it: `HOST (ADDRESS) port PORT (tcp)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tried<'a> {
    /// The host as it was asked for.
    pub host: &'a str,
    /// Where it was found. A proxy's peer has no address that we know.
    pub address: Option<SocketAddr>,
    /// The port's number.
    pub port: u16,
    /// `udp` instead of `tcp`.
    pub datagrams: bool,
}

impl Tried<'_> {
    fn protocol(&self) -> &'static str {
        if self.datagrams { "udp" } else { "tcp" }
    }

    /// It could be connected to. `service` is what services(5) calls the port; none with `-n`.
    pub(crate) fn succeeded(&self, service: Option<&str>) -> String {
        let service = service.map_or_else(|| "*".into(), escape);
        format!(
            "Connection to {self} {} port [{}/{service}] succeeded!",
            self.port,
            self.protocol()
        )
    }

    /// It could not.
    pub(crate) fn failed(&self, error: &io::Error) -> String {
        let reason = match error.kind() {
            // Debian's nc says "timed out: Operation now in progress", of a stale errno.
            io::ErrorKind::TimedOut => "Connection timed out".to_owned(),
            _ => reason(error),
        };
        self.failed_because(&reason)
    }

    /// The same with a reason in words.
    pub(super) fn failed_because(&self, reason: &str) -> String {
        format!(
            "connect to {self} port {} ({}) failed: {reason}",
            self.port,
            self.protocol()
        )
    }
}

/// Where we listen, or are bound.
pub(super) fn listening(address: &Address, name: Option<&str>, datagrams: bool) -> Vec<String> {
    let place = spot_of(address, name);
    match (address, datagrams) {
        (Address::Unix(_), false) => {
            vec![format!("Bound on {place}"), format!("Listening on {place}")]
        }
        (_, true) => vec![format!("Bound on {place}")],
        (Address::Inet(_), false) => vec![format!("Listening on {place}")],
    }
}

/// A client has come.
pub(super) fn received(address: &Address, name: Option<&str>) -> String {
    format!("Connection received on {}", spot_of(address, name))
}

fn spot_of(address: &Address, name: Option<&str>) -> String {
    match address {
        Address::Unix(_) => place(address),
        Address::Inet(address) => match name {
            Some(name) => format!("{} {}", escape(name), address.port()),
            None => format!("{} {}", address.ip(), address.port()),
        },
    }
}

/// A port that is open, at an address that a proxy keeps to itself.
pub(super) fn open(
    host: &str,
    port: u16,
    address: Option<SocketAddr>,
    datagrams: bool,
    numeric: bool,
) -> String {
    let tried = Tried {
        host,
        address,
        port,
        datagrams,
    };
    tried.succeeded(service(port, datagrams, numeric).as_deref())
}

/// A connection that was made; nc does not tell of those to Unix sockets.
pub(super) fn connected(peer: &Peer, datagrams: bool, numeric: bool) -> Option<String> {
    let Address::Inet(address) = peer.address else {
        return None;
    };
    let literal = address.ip().to_string();
    let host = peer.name.as_deref().unwrap_or(&literal);
    let port = address.port();
    Some(open(host, port, Some(address), datagrams, numeric))
}

fn service(port: u16, datagrams: bool, numeric: bool) -> Option<String> {
    (!numeric).then(|| service_name(port, datagrams))?
}

/// Why there is no connection: a line for each address that was tried.
pub(super) fn not_connected(error: &Error, target: &Endpoint, datagrams: bool) -> Vec<String> {
    let host = target.host.as_str();
    match error {
        Error::Connect(attempts)
        | Error::Stopped {
            stop: Stop::Expired(_),
            attempts,
            ..
        } if !attempts.is_empty() => attempts
            .iter()
            .map(|attempt| failed(attempt, host, datagrams))
            .collect(),
        Error::Lookup {
            failure: LookupFailure::Other(words),
            ..
        } => vec![format!(
            "getaddrinfo for host \"{}\" port {}: {}",
            escape(host),
            target.port,
            escape(words)
        )],
        _ => messages::not_started(error, &spot(target))
            .into_iter()
            .collect(),
    }
}

/// Why nothing came of anything else, which is `target`: a listener, or a Unix socket.
pub(super) fn not_started(error: &Error, target: &str) -> Option<String> {
    match error {
        Error::Connect(attempts) => Some(failed(attempts.last()?, target, false)),
        // What is not the kernel's reason needs ours around it.
        Error::Listen { error, .. } if error.raw_os_error().is_some() => Some(reason(error)),
        Error::Lookup { failure, .. } => match failure {
            LookupFailure::Other(words) => Some(format!("getaddrinfo: {}", escape(words))),
            LookupFailure::NoSuchService => {
                Some("getaddrinfo: Servname not supported for ai_socktype".to_owned())
            }
            LookupFailure::NoSuchZone => messages::not_started(error, target),
        },
        _ => messages::not_started(error, target),
    }
}

/// Why there is no connection through a proxy. What nc does not notice is told in our words.
pub(super) fn not_proxied(failure: &Failure, server: &Endpoint, target: &Endpoint) -> Vec<String> {
    let refusal = match failure {
        Failure::Proxy(error) => return not_connected(error, server, false),
        Failure::Refused(refused) => refused.last().map(|(_, why)| refused_because(why)),
        _ => None,
    };
    refusal
        .or_else(|| proxy::not_proxied(failure, server, target))
        .into_iter()
        .collect()
}

fn refused_because(why: &Refusal) -> String {
    match why {
        Refusal::Socks4(code) => {
            let why = match code {
                91 => "Request rejected or failed",
                92 => "SOCKS server cannot connect to identd on the client",
                93 => "Client program and identd report different user-ids",
                _ => "Unknown error",
            };
            format!("connection failed, SOCKSv4 error: {why}")
        }
        Refusal::Socks5(code) => {
            let why = match code {
                1 => "General SOCKS server failure",
                2 => "Connection not allowed by ruleset",
                3 => "Network unreachable",
                4 => "Host unreachable",
                5 => "Connection refused",
                6 => "TTL expired",
                7 => "Command not supported",
                8 => "Address type not supported",
                _ => "Unknown error",
            };
            format!("connection failed, SOCKSv5 error: {why}")
        }
        Refusal::Methods { .. } => "authentication method negotiation failed".to_owned(),
        Refusal::Http {
            minor,
            status,
            reason,
        } => format!(
            "Proxy error: \"HTTP/1.{minor} {status} {}\"",
            escape(reason)
        ),
    }
}

/// An address that could not be connected to.
pub(super) fn failed(attempt: &Attempt, host: &str, datagrams: bool) -> String {
    match (&attempt.address, attempt.from) {
        (Address::Inet(_), Some(_)) => format!("bind failed: {}", reason(&attempt.error)),
        (Address::Inet(address), None) => {
            let tried = Tried {
                host,
                address: Some(*address),
                port: address.port(),
                datagrams,
            };
            tried.failed(&attempt.error)
        }
        (Address::Unix(_), _) => format!("{}: {}", place(&attempt.address), reason(&attempt.error)),
    }
}

/// The host, and its address where that is something else.
impl fmt::Display for Tried<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(self.host))?;
        match self.address {
            Some(address) if address.ip().to_string() != self.host => {
                write!(f, " ({})", address.ip())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(host: &str) -> Tried<'_> {
        Tried {
            host,
            address: Some("127.0.0.1:80".parse().unwrap()),
            port: 80,
            datagrams: false,
        }
    }

    #[test]
    fn the_lines_are_those_of_nc() {
        let service = Some("http");
        assert_eq!(
            tried("localhost").succeeded(service),
            "Connection to localhost (127.0.0.1) 80 port [tcp/http] succeeded!"
        );
        let udp = Tried {
            datagrams: true,
            ..tried("127.0.0.1")
        };
        assert_eq!(
            udp.succeeded(None),
            "Connection to 127.0.0.1 80 port [udp/*] succeeded!"
        );
        let refused = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        assert_eq!(
            tried("localhost").failed(&refused),
            "connect to localhost (127.0.0.1) port 80 (tcp) failed: Connection refused"
        );
    }

    #[test]
    fn a_name_cannot_draw_on_the_terminal() {
        let line = tried("a\x1b[2J").succeeded(Some("x\x07"));
        assert!(!line.contains(['\x1b', '\x07']), "{line}");
    }
}
