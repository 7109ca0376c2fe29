//! Hosts, ports and the words that name both.
//!
//! Everything here is about the form of a word. Whether a name exists, and which number a service
//! has, is the lookup's to find out.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use thiserror::Error;

/// Far above any name that DNS can hold (253), and still a length that a message can show part of.
const HOST_LIMIT: usize = 1024;

/// Longer than any service name: IANA's have at most 15 characters, `getnameinfo(3)` gives 32.
const SERVICE_LIMIT: usize = 64;

/// A host name or a numeric address; never empty, without white space and control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(String);

impl Host {
    /// Reads a host name, an IPv4 address or an IPv6 address, the last one with or without brackets.
    pub fn parse(word: &str) -> Result<Self, AddressError> {
        if word.is_empty() {
            return Err(AddressError::HostEmpty);
        }
        if word == "*" {
            return Err(AddressError::HostStar);
        }
        if word.len() > HOST_LIMIT {
            return Err(AddressError::HostLong);
        }
        if word.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(AddressError::HostCharacter);
        }
        let inner = match word.strip_prefix('[') {
            None => word,
            Some(rest) => {
                let inner = rest.strip_suffix(']').ok_or(AddressError::Brackets)?;
                inner
                    .contains(':')
                    .then_some(inner)
                    .ok_or(AddressError::Brackets)?
            }
        };
        if inner.contains(['[', ']']) {
            return Err(AddressError::Brackets);
        }
        // A colon never stands in a name, so a word with one is an IPv6 address or a mistake.
        if inner.contains(':') {
            check_ipv6(inner)?;
        }
        Ok(Self(inner.to_owned()))
    }

    /// The word as `getaddrinfo(3)` takes it: without brackets, with the zone.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address, when the host is a numeric one, without its zone.
    pub fn literal(&self) -> Option<IpAddr> {
        match split_zone(&self.0) {
            (address, None) => address.parse().ok(),
            (address, Some(_)) => address.parse().ok().map(IpAddr::V6),
        }
    }

    /// The zone of an IPv6 address: `eth0` in `fe80::1%eth0`.
    pub fn zone(&self) -> Option<&str> {
        match split_zone(&self.0) {
            (address, Some(zone)) if address.parse::<Ipv6Addr>().is_ok() => Some(zone),
            _ => None,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A port number, or the name of a service that `getaddrinfo(3)` is to look up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// 1-65535, or 0 where the kernel may choose.
    Number(u16),
    /// A name such as `https`.
    Service(String),
}

impl Port {
    /// Reads the port of a peer: 1-65535 or the name of a service.
    pub fn parse(word: &str) -> Result<Self, AddressError> {
        match Self::parse_local(word)? {
            Self::Number(0) => Err(AddressError::PortZero),
            port => Ok(port),
        }
    }

    /// Reads a port of our own, which may also be 0: the kernel picks one.
    ///
    /// A word that begins with a digit is a number or a mistake. The few registered services whose
    /// names begin with one (`3com-tsmux`) can be given by their number; `80abc` and `0x50`, which
    /// look the same, can then be called wrong before anything is looked up.
    pub fn parse_local(word: &str) -> Result<Self, AddressError> {
        if word.is_empty() {
            return Err(AddressError::PortEmpty);
        }
        if word.bytes().all(|b| b.is_ascii_digit()) {
            return word
                .parse()
                .map(Self::Number)
                .map_err(|_| AddressError::PortRange);
        }
        let service = word.len() <= SERVICE_LIMIT
            && word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b));
        if service {
            Ok(Self::Service(word.to_owned()))
        } else {
            Err(AddressError::PortWord)
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Service(name) => f.write_str(name),
        }
    }
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: Port,
}

impl Endpoint {
    /// Reads `HOST:PORT` or `[IPV6]:PORT` as the address of a peer.
    pub fn parse(word: &str) -> Result<Self, AddressError> {
        let (host, port) = Self::split(word)?;
        Ok(Self {
            host: Host::parse(host)?,
            port: Port::parse(port)?,
        })
    }

    /// Splits `HOST:PORT` or `[IPV6]:PORT` into two words, neither of which has been looked at.
    pub fn split(word: &str) -> Result<(&str, &str), AddressError> {
        if let Some(rest) = word.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or(AddressError::Brackets)?;
            if !host.contains(':') {
                return Err(AddressError::Brackets);
            }
            return match rest.strip_prefix(':') {
                Some(port) => Ok((host, port)),
                None if rest.is_empty() => Err(AddressError::NoPort),
                None => Err(AddressError::Brackets),
            };
        }
        if word.contains("://") {
            return Err(AddressError::Url);
        }
        let (host, port) = word.rsplit_once(':').ok_or(AddressError::NoPort)?;
        // `::1:80` may be one address or an address and a port: it is taken for neither.
        if host.contains(':') {
            return Err(match split_zone(word).0.parse::<Ipv6Addr>() {
                Ok(_) => AddressError::BareIpv6,
                Err(_) => AddressError::Colons,
            });
        }
        Ok((host, port))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.as_str().contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What is wrong with a word that should be a host, a port or both.
///
/// Each reads on after the word itself, which it does not repeat: `port '0x50' is not ...`.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AddressError {
    /// No host at all.
    #[error("is empty")]
    HostEmpty,
    /// The shell's or another tool's way to say "every address".
    #[error("is not an address; every local address is meant when none is given")]
    HostStar,
    /// No name has that many bytes.
    #[error("is longer than 1,024 bytes")]
    HostLong,
    /// White space or a control character.
    #[error("holds a blank or a control character")]
    HostCharacter,
    /// A word with colons that is no IPv6 address.
    #[error("has colons but is not an IPv6 address")]
    Colons,
    /// A scheme in front.
    #[error("is a URL; HOST or HOST:PORT is wanted")]
    Url,
    /// Brackets that do not enclose an IPv6 address.
    #[error("has brackets in the wrong place; they go around an IPv6 address, as in [::1]:80")]
    Brackets,
    /// A link-local address, which is meaningless without the link.
    #[error("is link-local: name its interface too, as in fe80::1%eth0")]
    ZoneMissing,
    /// A `%` with nothing behind it.
    #[error("has no interface name after the '%'")]
    ZoneEmpty,
    /// No port at all.
    #[error("is empty")]
    PortEmpty,
    /// A number that is no port.
    #[error("is out of range; ports are 1-65535")]
    PortRange,
    /// 0, where a peer's port is needed.
    #[error("cannot be connected to; ports are 1-65535")]
    PortZero,
    /// A word that is neither a number nor the name of a service.
    #[error("is not a number (1-65535) or the name of a service")]
    PortWord,
    /// A word that begins like a range of ports.
    #[error("is not a range of ports, as 20-25 is")]
    RangeWord,
    /// A range that ends before it begins.
    #[error("ends before it begins")]
    RangeReversed,
    /// One word for host and port, without a port.
    #[error("has no port")]
    NoPort,
    /// `::1:80`, or just `::1`.
    #[error("is an IPv6 address without a port; with one it is written [::1]:80")]
    BareIpv6,
}

/// Splits an address from its zone; RFC 4007 has `%` between them.
fn split_zone(word: &str) -> (&str, Option<&str>) {
    match word.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (word, None),
    }
}

/// Checks an IPv6 address, and that it has a zone where it makes no sense without.
fn check_ipv6(word: &str) -> Result<(), AddressError> {
    if word.contains("://") {
        return Err(AddressError::Url);
    }
    let (address, zone) = split_zone(word);
    let address: Ipv6Addr = address.parse().map_err(|_| AddressError::Colons)?;
    match zone {
        Some("") => Err(AddressError::ZoneEmpty),
        None if address.is_unicast_link_local() => Err(AddressError::ZoneMissing),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_strictly() {
        use AddressError::*;
        let long = "a".repeat(HOST_LIMIT + 1);
        let longest = "a".repeat(HOST_LIMIT);
        let table: &[(&str, Result<&str, AddressError>)] = &[
            ("localhost", Ok("localhost")),
            ("127.0.0.1", Ok("127.0.0.1")),
            ("127.1", Ok("127.1")),
            ("::1", Ok("::1")),
            ("[::1]", Ok("::1")),
            ("fe80::1%eth0", Ok("fe80::1%eth0")),
            ("[fe80::1%eth0]", Ok("fe80::1%eth0")),
            ("::ffff:127.0.0.1", Ok("::ffff:127.0.0.1")),
            ("b\u{fc}cher.example", Ok("b\u{fc}cher.example")),
            ("a_b.example.", Ok("a_b.example.")),
            (&longest, Ok(&longest)),
            ("", Err(HostEmpty)),
            ("*", Err(HostStar)),
            (&long, Err(HostLong)),
            ("a b", Err(HostCharacter)),
            (" a", Err(HostCharacter)),
            ("a\u{a0}b", Err(HostCharacter)),
            ("a\0b", Err(HostCharacter)),
            ("a\x1b[31m", Err(HostCharacter)),
            ("a\u{9b}b", Err(HostCharacter)),
            ("example.com:80", Err(Colons)),
            (":::", Err(Colons)),
            ("http://example.com", Err(Url)),
            ("[localhost]", Err(Brackets)),
            ("[::1", Err(Brackets)),
            ("::1]", Err(Brackets)),
            ("[]", Err(Brackets)),
            ("[", Err(Brackets)),
            ("[[::1]]", Err(Brackets)),
            ("[::1]:80", Err(Brackets)),
            ("fe80::1", Err(ZoneMissing)),
            ("febf::1", Err(ZoneMissing)),
            ("fec0::1", Ok("fec0::1")),
            ("fe80::1%", Err(ZoneEmpty)),
        ];
        for (word, expected) in table {
            let host = Host::parse(word);
            assert_eq!(
                host.as_ref().map(Host::as_str),
                expected.as_ref().copied(),
                "{word:?}"
            );
        }
    }

    #[test]
    fn numeric_hosts_are_known_as_such() {
        let table: &[(&str, Option<&str>, Option<&str>)] = &[
            ("localhost", None, None),
            ("127.1", None, None),
            ("127.0.0.1", Some("127.0.0.1"), None),
            ("::1", Some("::1"), None),
            ("fe80::1%eth0", Some("fe80::1"), Some("eth0")),
            ("127.0.0.1%eth0", None, None),
            ("name%zone", None, None),
        ];
        for (word, literal, zone) in table {
            let host = Host::parse(word).unwrap();
            assert_eq!(
                host.literal(),
                literal.map(|text| text.parse().unwrap()),
                "{word:?}"
            );
            assert_eq!(host.zone(), *zone, "{word:?}");
            assert_eq!(host.to_string(), *word);
        }
    }

    #[test]
    fn ports_are_read_strictly() {
        use AddressError::*;
        let service = |name: &str| Ok(Port::Service(name.to_owned()));
        let long = "a".repeat(SERVICE_LIMIT + 1);
        let table = [
            ("1", Ok(Port::Number(1))),
            ("65535", Ok(Port::Number(65535))),
            ("0080", Ok(Port::Number(80))),
            ("http", service("http")),
            ("whois++", service("whois++")),
            ("z39.50", service("z39.50")),
            ("a_b-c", service("a_b-c")),
            ("0", Err(PortZero)),
            ("000", Err(PortZero)),
            ("65536", Err(PortRange)),
            ("99999", Err(PortRange)),
            ("99999999999999999999999", Err(PortRange)),
            ("", Err(PortEmpty)),
            ("+80", Err(PortWord)),
            (" 80", Err(PortWord)),
            ("80 ", Err(PortWord)),
            ("80\n", Err(PortWord)),
            ("0x50", Err(PortWord)),
            ("-1", Err(PortWord)),
            ("80abc", Err(PortWord)),
            ("80-90", Err(PortWord)),
            ("8.0", Err(PortWord)),
            ("1e3", Err(PortWord)),
            ("\u{661}\u{662}", Err(PortWord)),
            ("-", Err(PortWord)),
            ("ht tp", Err(PortWord)),
            ("http/tcp", Err(PortWord)),
            (&long, Err(PortWord)),
        ];
        for (word, expected) in table {
            assert_eq!(Port::parse(word), expected, "{word:?}");
            let local = if expected == Err(PortZero) {
                Ok(Port::Number(0))
            } else {
                expected
            };
            assert_eq!(Port::parse_local(word), local, "{word:?}");
            if let Ok(Port::Service(_)) = local {
                assert_eq!(local.unwrap().to_string(), word);
            }
        }
    }

    #[test]
    fn one_word_may_hold_host_and_port() {
        use AddressError::*;
        let table = [
            ("example.com:80", Ok(("example.com", "80"))),
            ("127.0.0.1:http", Ok(("127.0.0.1", "http"))),
            ("[::1]:80", Ok(("::1", "80"))),
            ("[fe80::1%eth0]:80", Ok(("fe80::1%eth0", "80"))),
            (":80", Ok(("", "80"))),
            ("host:", Ok(("host", ""))),
            ("[::1]:", Ok(("::1", ""))),
            ("", Err(NoPort)),
            ("example.com", Err(NoPort)),
            ("[::1]", Err(NoPort)),
            ("::1", Err(BareIpv6)),
            ("::1:80", Err(BareIpv6)),
            ("fe80::1%eth0", Err(BareIpv6)),
            ("2001:db8::1", Err(BareIpv6)),
            ("a:b:c", Err(Colons)),
            ("tcp://db:5432", Err(Url)),
            ("1:2:3:4:5:6:7:8:80", Err(Colons)),
            ("[::1]80", Err(Brackets)),
            ("[::1", Err(Brackets)),
            ("[localhost]:80", Err(Brackets)),
            ("[", Err(Brackets)),
        ];
        for (word, expected) in table {
            assert_eq!(Endpoint::split(word), expected, "{word:?}");
        }
    }

    #[test]
    fn endpoints_are_checked_and_written_as_they_are_read() {
        for word in ["example.com:80", "[::1]:https", "[fe80::1%eth0]:1"] {
            assert_eq!(Endpoint::parse(word).unwrap().to_string(), word);
        }
        assert_eq!(Endpoint::parse(":80"), Err(AddressError::HostEmpty));
        assert_eq!(Endpoint::parse("host:"), Err(AddressError::PortEmpty));
        assert_eq!(Endpoint::parse("host:0"), Err(AddressError::PortZero));
        assert_eq!(
            Endpoint::parse("[fe80::1]:80"),
            Err(AddressError::ZoneMissing)
        );
    }
}
