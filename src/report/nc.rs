//! The lines of Debian's OpenBSD `nc`, word for word, for those who parse them.

use std::{fmt, io, net::SocketAddr};

use super::{escape, reason};

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
        format!(
            "connect to {self} port {} ({}) failed: {reason}",
            self.port,
            self.protocol()
        )
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
