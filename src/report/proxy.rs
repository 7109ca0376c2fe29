//! The words about proxies. What a proxy says stands in quotes, so that nobody takes it for ours.

use super::{
    escape,
    messages::{PROXY, expired, not_started, reason, spot},
};
use crate::{
    net,
    outcome::Stop,
    plan::Endpoint,
    proxy::{Breach, Failure, Refusal, Target, TargetHost, Unfit},
};

/// What a terminal shows before a password is typed.
pub(crate) fn password_prompt(user: &str, server: &Endpoint) -> String {
    let host = escape(server.host.as_str());
    format!("Proxy password for {}@{host}: ", escape(user))
}

/// One of several addresses that a proxy does not connect us to.
pub(super) fn refused(target: &Target, why: &Refusal) -> String {
    format!("{PROXY}refuses {}: {}", place(target), refusal(why))
}

/// Why a port that is tested through a proxy is not open, or why the proxy could not be asked.
pub(super) fn not_open(failure: &Failure) -> String {
    const NAMELESS: &str = "the proxy";
    match failure {
        Failure::Broken(e) => format!("{PROXY}broke the connection: {}", reason(e)),
        Failure::Stopped(_) => "Connection timed out".to_owned(),
        Failure::Ended => format!("{PROXY}closed the connection"),
        Failure::Proxy(error) => {
            let proxy = match error {
                net::Error::Connect(attempts) => match attempts.as_slice() {
                    [only] => format!("{PROXY}{}", super::place(&only.address)),
                    _ => NAMELESS.to_owned(),
                },
                _ => NAMELESS.to_owned(),
            };
            not_started(error, &proxy).unwrap_or_else(|| format!("{PROXY}was not asked"))
        }
        Failure::Target(error) => {
            not_started(error, "the target").unwrap_or_else(|| format!("{PROXY}was not asked"))
        }
        _ => because(failure, NAMELESS),
    }
}

fn place(target: &Target) -> String {
    match &target.host {
        TargetHost::Address(address) => format!("{address} port {}", target.port),
        TargetHost::Name(name) => format!("{} port {}", escape(name), target.port),
    }
}

/// Why there is no connection through a proxy; none when a signal is reason enough.
pub(super) fn not_proxied(
    failure: &Failure,
    server: &Endpoint,
    target: &Endpoint,
) -> Option<String> {
    let proxy = format!("{PROXY}{}", spot(server));
    let target = spot(target);
    match failure {
        Failure::Proxy(error) => {
            not_started(error, &proxy).map(|text| match text.contains(&proxy) {
                true => format!("{target}: {text}"),
                false => format!("{target}: {proxy}: {text}"),
            })
        }
        Failure::Target(error) => not_started(error, &target),
        Failure::Stopped(Stop::Signal(_)) => None,
        Failure::Stopped(Stop::Expired(what)) => Some(format!(
            "no connection to {target} within {}: {proxy} has not answered",
            expired(*what)
        )),
        _ => Some(format!(
            "cannot connect to {target}: {}",
            because(failure, &proxy)
        )),
    }
}

/// What a proxy that was asked has done.
fn because(failure: &Failure, proxy: &str) -> String {
    match failure {
        Failure::Unfit(Unfit::Ipv6) => "SOCKS4 has no IPv6 addresses; '-X 5' has".to_owned(),
        Failure::Unfit(Unfit::Long) => {
            "a name, a user or a password is longer than SOCKS can tell (255 bytes)".to_owned()
        }
        Failure::Refused(refused) => format!("{proxy} refuses: {}", refusals(refused)),
        Failure::Credentials { given: true } => {
            format!("{proxy} does not accept the user or the password")
        }
        Failure::Credentials { given: false } => {
            format!("{proxy} wants a user and a password; '-P USER' asks for it")
        }
        Failure::Protocol(what) => format!("{proxy} {}", breach(*what)),
        Failure::Ended => format!("{proxy} closed the connection before it had answered"),
        Failure::Broken(e) => format!("the connection to {proxy} broke: {}", reason(e)),
        Failure::Proxy(_) | Failure::Target(_) | Failure::Stopped(_) => {
            format!("{proxy} has not answered")
        }
    }
}

/// Each address with its own reason, if there are several.
fn refusals(refused: &[(Target, Refusal)]) -> String {
    match refused {
        [(_, only)] => refusal(only),
        several => several
            .iter()
            .map(|(target, why)| format!("{}: {}", place(target), refusal(why)))
            .collect::<Vec<_>>()
            .join("; "),
    }
}

fn refusal(why: &Refusal) -> String {
    match why {
        Refusal::Socks4(code) => format!("SOCKS4 code {code}, {}", socks4(*code)),
        Refusal::Socks5(code) => format!("SOCKS5 code {code}, {}", socks5(*code)),
        Refusal::Methods { password: false } => {
            "it does not serve those who have no password; '-P USER' asks for it".into()
        }
        Refusal::Methods { password: true } => {
            "it serves neither those who have no password nor those who have one".into()
        }
        Refusal::Http { status, reason, .. } if reason.is_empty() => {
            format!("HTTP status {status}")
        }
        Refusal::Http { status, reason, .. } => {
            format!("HTTP status {status} '{}'", escape(reason.trim()))
        }
    }
}

fn socks4(code: u8) -> &'static str {
    match code {
        91 => "request rejected or failed",
        92 => "it cannot reach identd on this machine",
        93 => "identd on this machine names another user",
        _ => "which does not exist",
    }
}

fn socks5(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "which does not exist",
    }
}

fn breach(what: Breach) -> String {
    match what {
        Breach::Version { protocol, found } => {
            format!("does not speak {protocol}: an answer of its begins with byte {found}")
        }
        Breach::Method(method) => {
            format!("chose authentication method {method}, which was not offered")
        }
        Breach::AddressKind(kind) => format!("answered with an address of unknown kind {kind}"),
        Breach::NotHttp => "does not speak HTTP/1".into(),
        Breach::StatusLine => "answered with a line of more than 1,024 bytes".into(),
        Breach::HeadersLong => "answered with headers of more than 16 KiB".into(),
        Breach::HeadersMany => "answered with more than 100 headers".into(),
        Breach::Head => "answered with HTTP that cannot be read".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::{io, time::Duration};

    use super::*;
    use crate::outcome::{Expired, Limit};

    fn said(failure: Failure) -> String {
        let server = Endpoint::parse("127.0.0.1:1080").unwrap();
        let target = Endpoint::parse("example.com:80").unwrap();
        not_proxied(&failure, &server, &target).unwrap_or_default()
    }

    fn http(reason: &str) -> Failure {
        let target = Target {
            host: TargetHost::Name("example.com".into()),
            port: 80,
        };
        let reason = reason.to_owned();
        Failure::Refused(vec![(
            target,
            Refusal::Http {
                minor: 1,
                status: 403,
                reason,
            },
        )])
    }

    #[test]
    fn every_failure_names_the_proxy_and_the_target() {
        let expired = Expired {
            limit: Limit::Connect,
            length: Duration::from_secs(2),
        };
        for failure in [
            http("Forbidden"),
            Failure::Credentials { given: true },
            Failure::Credentials { given: false },
            Failure::Protocol(Breach::NotHttp),
            Failure::Ended,
            Failure::Broken(io::ErrorKind::ConnectionReset.into()),
            Failure::Stopped(Stop::Expired(expired)),
            Failure::Proxy(net::Error::Connect(Vec::new())),
        ] {
            let text = said(failure);
            assert!(
                text.contains("example.com port 80") && text.contains("127.0.0.1 port 1080"),
                "{text}"
            );
        }
        assert_eq!(said(Failure::Stopped(Stop::Signal(2))), "");
    }

    #[test]
    fn no_byte_of_a_proxy_reaches_the_terminal_unescaped() {
        for byte in 0..=0xff_u8 {
            let text = said(http(&format!("a{}b", char::from(byte))));
            assert!(!text.chars().any(char::is_control), "{byte:#x}: {text:?}");
        }
    }

    #[test]
    fn every_code_has_its_words() {
        for code in 0..=u8::MAX {
            for why in [Refusal::Socks4(code), Refusal::Socks5(code)] {
                assert!(refusal(&why).contains(&format!("code {code}, ")));
            }
        }
    }
}
