//! Open ports as a table: words with a space between them, which on a terminal stand in columns.

use std::{fmt::Write as _, os::unix::ffi::OsStrExt as _, time::Duration};

use super::{
    super::{escape, escape::escape_bytes},
    Finding, Subject,
};
use crate::{net::ServiceNames, outcome::PortState, plan::UnixAddress};

/// As wide as `65535/tcp`.
const PORT_WIDTH: usize = 9;

/// RFC 6335: the name of a service has at most 15 characters.
const SERVICE_WIDTH: usize = 15;

/// As wide as `1234.567ms`.
const RTT_WIDTH: usize = 10;

/// So much of what a service says first is shown.
const BANNER_LIMIT: usize = 256;

/// The table, of which there is only one line at a time.
#[derive(Debug)]
pub(super) struct Table {
    /// The longest host so far, on a terminal.
    host_width: Option<usize>,
}

impl Table {
    pub(super) fn new(for_terminal: bool) -> Self {
        Self {
            host_width: for_terminal.then_some(0),
        }
    }

    /// The line of a port that is open.
    pub(super) fn line(
        &mut self,
        finding: &Finding<'_>,
        services: &mut Services,
    ) -> Option<String> {
        if finding.state != PortState::Open {
            return None;
        }
        let host = word(&finding.subject.name());
        let port = match finding.subject {
            Subject::Port { port, .. } => format!("{port}/{}", finding.subject.protocol()),
            Subject::Socket(_) => finding.subject.protocol().to_owned(),
        };
        let service = finding.subject.service(services);
        let service = service.map_or_else(|| "-".to_owned(), |name| word(&escape(&name)));
        let rtt = finding.rtt.map_or_else(|| "-".to_owned(), milliseconds);
        let state = finding.state.word();
        let banner = finding.banner.map(banner).unwrap_or_default();
        let Some(host_width) = &mut self.host_width else {
            let line = format!("{host} {port} {state} {service} {rtt} {banner}");
            return Some(line.trim_end().to_owned());
        };
        *host_width = host.chars().count().max(*host_width);
        let line = format!(
            "{host:0$} {port:PORT_WIDTH$} {state} {service:SERVICE_WIDTH$} {rtt:>RTT_WIDTH$} {banner}",
            *host_width
        );
        Some(line.trim_end().to_owned())
    }
}

/// What services(5) calls ports; none where numbers are wanted (`-n`).
pub(super) type Services = Option<ServiceNames>;

impl Subject<'_> {
    /// The host or the path, escaped.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Port { host, .. } => escape(host.as_str()).into_owned(),
            Self::Socket(UnixAddress::Path(path)) => escape_bytes(path.as_os_str().as_bytes()),
            Self::Socket(UnixAddress::Abstract(name)) => format!("@{}", escape_bytes(name)),
        }
    }

    /// What services(5) calls the port.
    pub(super) fn service(&self, services: &mut Services) -> Option<String> {
        match self {
            Self::Port { port, .. } => services.as_mut()?.of(*port).map(str::to_owned),
            Self::Socket(_) => None,
        }
    }
}

/// Without white space, so that it stays one word.
fn word(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if !c.is_whitespace() {
            out.push(c);
            continue;
        }
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

fn milliseconds(time: Duration) -> String {
    format!("{:.3}ms", time.as_secs_f64() * 1e3)
}

/// The first line of what a service says, and not more of it than people want to see.
pub(super) fn banner(bytes: &[u8]) -> String {
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    escape_bytes(line.get(..BANNER_LIMIT).unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan::Host, report::scan::tests::found};

    fn services() -> Services {
        Some(ServiceNames::new(false))
    }

    fn line(finding: &Finding<'_>) -> String {
        Table::new(false)
            .line(finding, &mut None)
            .unwrap_or_default()
    }

    #[test]
    fn a_line_has_a_space_between_two_words() {
        let host = Host::parse("example.com").unwrap();
        let mut finding = found(&host, 9, PortState::Open, &[]);
        assert_eq!(line(&finding), "example.com 9/tcp open - 0.043ms");
        finding.banner = Some(b"");
        assert_eq!(line(&finding), "example.com 9/tcp open - 0.043ms");
        finding.banner = Some(b"220 mail ready\r\n250 more");
        let expected = "example.com 9/tcp open - 0.043ms 220 mail ready";
        assert_eq!(line(&finding), expected);
        finding.rtt = None;
        finding.banner = None;
        assert_eq!(line(&finding), "example.com 9/tcp open - -");
        let named = Finding {
            subject: Subject::Port {
                host: &host,
                port: 22,
                datagrams: false,
            },
            ..finding
        };
        let named = Table::new(false).line(&named, &mut services());
        assert_eq!(named.as_deref(), Some("example.com 22/tcp open ssh -"));
    }

    #[test]
    fn only_open_ports_stand_in_it() {
        let host = Host::parse("h").unwrap();
        for state in PortState::ALL {
            let told = Table::new(false).line(&found(&host, 9, state, &[]), &mut None);
            assert_eq!(told.is_some(), state == PortState::Open, "{state:?}");
        }
    }

    #[test]
    fn columns_line_up_on_a_terminal() {
        let (one, two) = (Host::parse("h").unwrap(), Host::parse("host").unwrap());
        let mut table = Table::new(true);
        let mut line = |host, port, banner| {
            let mut finding = found(host, port, PortState::Open, &[]);
            finding.banner = banner;
            table.line(&finding, &mut services()).unwrap()
        };
        assert_eq!(
            line(&two, 9, None),
            "host 9/tcp     open discard            0.043ms"
        );
        assert_eq!(
            line(&one, 65535, Some(&b"SSH-2.0-x\r\n"[..])),
            "h    65535/tcp open -                  0.043ms SSH-2.0-x"
        );
    }

    #[test]
    fn a_unix_socket_is_one_word_and_has_no_service() {
        let host = Host::parse("h").unwrap();
        let socket = |address: &UnixAddress| {
            line(&Finding {
                subject: Subject::Socket(address),
                ..found(&host, 1, PortState::Open, &[])
            })
        };
        let path = UnixAddress::Path("/run/a b\u{a0}\n\u{1b}".into());
        assert_eq!(
            socket(&path),
            r"/run/a\x20b\xc2\xa0\x0a\x1b unix open - 0.043ms"
        );
        let name = UnixAddress::Abstract(b"x\xff".to_vec());
        assert_eq!(socket(&name), r"@x\xff unix open - 0.043ms");
    }

    #[test]
    fn a_banner_is_a_harmless_line() {
        assert_eq!(banner(b"SSH-2.0-OpenSSH_9.9\r\n"), "SSH-2.0-OpenSSH_9.9");
        assert_eq!(banner(b"one\ntwo\n"), "one");
        assert_eq!(banner(b"no end"), "no end");
        assert_eq!(banner(b"\r\n"), "");
        assert_eq!(banner(b"a\rb\x1b[2J\xff\r\n"), r"a\x0db\x1b[2J\xff");
        let long = banner(&[b'x'; 1000]);
        assert_eq!(long, "x".repeat(BANNER_LIMIT));
    }
}
