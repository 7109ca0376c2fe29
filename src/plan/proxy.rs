//! Proxies to connect through.

use std::{ffi::OsString, os::fd::RawFd, path::PathBuf};

use thiserror::Error;

use super::{AddressError, Endpoint, Host, Port};

/// A proxy to connect through.
#[derive(Clone, Debug, PartialEq)]
pub struct Proxy {
    /// Where it is.
    pub server: Endpoint,
    /// What it speaks.
    pub protocol: ProxyProtocol,
    /// Who looks the target's name up.
    pub names: ProxyNames,
    /// Who we are to it, if it is to be told.
    pub login: Option<Login>,
}

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// SOCKS4; 4a where the proxy is to look names up.
    Socks4,
    /// SOCKS5, RFC 1928.
    Socks5,
    /// HTTP CONNECT, RFC 9110.
    Http,
}

impl ProxyProtocol {
    /// The port that is meant when none is named.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Socks4 | Self::Socks5 => 1080,
            Self::Http => 3128,
        }
    }
}

/// Who looks the target's name up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyNames {
    /// The proxy.
    Remote,
    /// We do.
    Local,
    /// We do, and the proxy if we cannot.
    Both,
}

/// A user, and where the password comes from. The secret itself is no part of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user; none where the password's source names it as well.
    pub user: Option<String>,
    /// Where the password comes from.
    pub password: PasswordFrom,
}

/// Where a password comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordFrom {
    /// There is none: SOCKS4 knows users only.
    Nowhere,
    /// Somebody is asked, on the terminal.
    Terminal,
    /// The first line of a file.
    File(PathBuf),
    /// The first line from an inherited descriptor.
    Descriptor(RawFd),
    /// An environment variable.
    Environment(OsString),
}

/// A proxy's address as it is written: `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyAddress {
    /// The host.
    pub host: Host,
    /// The port; none means the protocol's own.
    pub port: Option<Port>,
}

impl ProxyAddress {
    /// Reads an address that need not have a port.
    pub fn parse(word: &str) -> Result<Self, ProxyAddressError> {
        let (host, port) = Self::split(word)?;
        Ok(Self {
            host: Host::parse(host)?,
            port: port.map(Port::parse).transpose()?,
        })
    }

    /// Splits an address into words, neither of which has been looked at.
    pub fn split(word: &str) -> Result<(&str, Option<&str>), ProxyAddressError> {
        if word.contains("://") {
            return Err(ProxyAddressError::Url);
        }
        match Endpoint::split(word) {
            Ok((host, port)) => Ok((host, Some(port))),
            Err(AddressError::NoPort) => Ok((word, None)),
            Err(AddressError::BareIpv6) => Err(ProxyAddressError::BareIpv6),
            Err(error) => Err(error.into()),
        }
    }
}

/// What is wrong with a proxy's address; reads on after the word.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ProxyAddressError {
    /// As with any other address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// `::1:80` may be one address, or an address and a port: it is taken for neither.
    #[error("is an IPv6 address without brackets; it is written [::1] or [::1]:1080")]
    BareIpv6,
    /// As other tools have it.
    #[error("is a URL; HOST or HOST:PORT is wanted, and the protocol with '-X'")]
    Url,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_address_may_lack_a_port() {
        use AddressError::*;
        let bad = |error: AddressError| Err(ProxyAddressError::from(error));
        let table = [
            ("proxy", Ok(("proxy", None))),
            ("proxy:8080", Ok(("proxy", Some("8080")))),
            ("proxy:socks", Ok(("proxy", Some("socks")))),
            ("127.0.0.1", Ok(("127.0.0.1", None))),
            ("[::1]", Ok(("::1", None))),
            ("[::1]:8080", Ok(("::1", Some("8080")))),
            ("[fe80::1%eth0]", Ok(("fe80::1%eth0", None))),
            ("::1", Err(ProxyAddressError::BareIpv6)),
            ("::1:8080", Err(ProxyAddressError::BareIpv6)),
            ("", bad(HostEmpty)),
            (":8080", bad(HostEmpty)),
            ("proxy:", bad(PortEmpty)),
            ("proxy:0", bad(PortZero)),
            ("proxy:65536", bad(PortRange)),
            ("http://proxy", Err(ProxyAddressError::Url)),
            ("socks5://proxy:1080/", Err(ProxyAddressError::Url)),
            ("a:b:c", bad(Colons)),
            ("a proxy", bad(HostCharacter)),
            ("[proxy]:8080", bad(Brackets)),
            ("[fe80::1]:8080", bad(ZoneMissing)),
        ];
        for (word, expected) in table {
            let read = ProxyAddress::parse(word).map(|read| {
                (
                    read.host.to_string(),
                    read.port.map(|port| port.to_string()),
                )
            });
            let expected =
                expected.map(|(host, port)| (host.to_owned(), port.map(ToOwned::to_owned)));
            assert_eq!(read, expected, "{word:?}");
        }
    }
}
