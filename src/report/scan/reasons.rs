//! Why something is not open, in few words.

use std::{io, net::SocketAddr};

use super::{
    super::{
        escape,
        messages::{self, LISTED, why},
        proxy,
    },
    Cause, Finding,
};
use crate::{
    net::{self, Address, LookupFailure},
    outcome::{PortState, Stop},
    proxy::Failure,
};

/// What is said of silence.
const NO_ANSWER: &str = "no answer";

impl Finding<'_> {
    /// Why it is not open; nothing, if it is. The address at which the state was found out is the one
    /// whose reason counts. Without it each has its own, unless they are the same.
    pub(super) fn reason(&self) -> Option<String> {
        if self.state == PortState::Open {
            return None;
        }
        let of = |address| {
            let mut causes = self.causes.iter().rev();
            causes.find(|cause| cause.address() == Some(address))
        };
        if let Some(cause) = self.address.and_then(of) {
            return Some(cause.words());
        }
        let reasons: Vec<String> = self.causes.iter().map(Cause::words).collect();
        match reasons.split_first() {
            Some((first, others)) if others.iter().all(|other| other == first) => {
                Some(first.clone())
            }
            Some(_) => Some(each(self.causes, "; ")),
            None => match self.state {
                PortState::Filtered | PortState::OpenFiltered => Some(NO_ANSWER.to_owned()),
                PortState::Error => Some("not tested".to_owned()),
                _ => None,
            },
        }
    }
}

/// Every cause behind its address.
pub(super) fn each(causes: &[Cause], between: &str) -> String {
    let mut parts: Vec<String> = causes
        .iter()
        .take(LISTED)
        .map(|cause| match cause.address() {
            Some(address) => format!("{}: {}", messages::host(&address.into()), cause.words()),
            None => cause.words(),
        })
        .collect();
    if causes.len() > LISTED {
        parts.push(format!("and {} more", causes.len() - LISTED));
    }
    parts.join(between)
}

impl Cause {
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Attempt(attempt) | Self::Prohibited(attempt) => match attempt.address {
                Address::Inet(address) => Some(address),
                Address::Unix(_) => None,
            },
            Self::Silence(address) => Some(*address),
            Self::Lookup(_) | Self::Proxy(_) => None,
        }
    }

    /// It in a few words, the kernel's where it has any.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Attempt(attempt) if attempt.error.kind() == io::ErrorKind::TimedOut => {
                NO_ANSWER.to_owned()
            }
            Self::Attempt(attempt) => why(attempt),
            Self::Prohibited(_) => "prohibited (ICMP)".to_owned(),
            Self::Lookup(error) => not_found(error),
            Self::Proxy(Failure::Target(error)) => not_found(error),
            Self::Proxy(Failure::Stopped(_)) | Self::Silence(_) => NO_ANSWER.to_owned(),
            Self::Proxy(failure) => proxy::not_open(failure),
        }
    }
}

fn not_found(error: &net::Error) -> String {
    match error {
        net::Error::Lookup {
            failure: LookupFailure::Other(words),
            ..
        } => format!("cannot be looked up: {}", escape(words)),
        net::Error::Lookup {
            what,
            failure: LookupFailure::NoSuchZone,
        } => {
            let zone = what.split_once('%').map_or(what.as_str(), |(_, zone)| zone);
            format!(
                "'{}' is no interface here that has such addresses",
                escape(zone)
            )
        }
        net::Error::Lookup {
            what,
            failure: LookupFailure::NoSuchService,
        } => format!("no such service: '{}'", escape(what)),
        net::Error::Stopped {
            stop: Stop::Expired(_),
            phase: net::Phase::Lookup,
            ..
        } => "cannot be looked up: no name service answered".to_owned(),
        net::Error::System(e) => messages::reason(e),
        other => messages::not_started(other, "it").unwrap_or_else(|| "not tested".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        outcome::{Expired, Limit},
        plan::Host,
        proxy::{Refusal, Target, TargetHost},
        report::scan::tests::{attempt, found, unknown},
    };

    fn reason(state: PortState, address: Option<&str>, causes: &[Cause]) -> Option<String> {
        let host = Host::parse("h").unwrap();
        let finding = Finding {
            address: address.map(|address| address.parse().unwrap()),
            ..found(&host, 80, state, causes)
        };
        finding.reason()
    }

    #[test]
    fn what_is_open_has_no_reason_and_an_error_always_has_one() {
        let causes = [Cause::Attempt(attempt("[::1]:80", libc::ECONNREFUSED))];
        assert_eq!(reason(PortState::Open, None, &causes), None);
        assert!(reason(PortState::Error, None, &[]).is_some());
        let silent = reason(PortState::Filtered, None, &[]);
        assert_eq!(silent.as_deref(), Some(NO_ANSWER));
    }

    #[test]
    fn the_address_at_which_it_was_found_out_counts() {
        let causes = [
            Cause::Attempt(attempt("[::1]:80", libc::ENETUNREACH)),
            Cause::Attempt(attempt("127.0.0.1:80", libc::ECONNREFUSED)),
        ];
        let closed = |address, causes| reason(PortState::Closed, address, causes);
        assert_eq!(
            closed(Some("127.0.0.1:80"), &causes[..]).as_deref(),
            Some("Connection refused")
        );
        assert_eq!(
            closed(None, &causes[..]).as_deref(),
            Some("::1: Network is unreachable; 127.0.0.1: Connection refused")
        );
        let twice = [
            Cause::Attempt(attempt("127.0.0.1:80", libc::ENETUNREACH)),
            Cause::Attempt(attempt("127.0.0.1:80", libc::ECONNREFUSED)),
        ];
        assert_eq!(
            closed(Some("127.0.0.1:80"), &twice[..]).as_deref(),
            Some("Connection refused"),
            "the last try of several"
        );
        let same = ["[::1]:80", "127.0.0.1:80"]
            .map(|address| Cause::Attempt(attempt(address, libc::ECONNREFUSED)));
        assert_eq!(closed(None, &same).as_deref(), Some("Connection refused"));
    }

    #[test]
    fn every_cause_has_its_words() {
        let expired = Expired {
            limit: Limit::Connect,
            length: std::time::Duration::from_secs(2),
        };
        let stopped = || Stop::Expired(expired);
        let address = "127.0.0.1:80";
        let target = Target {
            host: TargetHost::Name("h".into()),
            port: 80,
        };
        let lookup = |what: &str, failure| net::Error::Lookup {
            what: what.into(),
            failure,
        };
        let table = [
            (Cause::Attempt(attempt(address, libc::ETIMEDOUT)), NO_ANSWER),
            (
                Cause::Attempt(attempt(address, libc::EHOSTUNREACH)),
                "No route to host",
            ),
            (
                Cause::Prohibited(attempt(address, libc::EHOSTUNREACH)),
                "prohibited (ICMP)",
            ),
            (Cause::Silence(address.parse().unwrap()), NO_ANSWER),
            (
                unknown("h"),
                "cannot be looked up: Name or service not known",
            ),
            (
                Cause::Proxy(Failure::Target(lookup(
                    "h",
                    LookupFailure::Other("a\x1b".into()),
                ))),
                "cannot be looked up: a\\x1b",
            ),
            (
                Cause::Lookup(lookup("s", LookupFailure::NoSuchService)),
                "no such service: 's'",
            ),
            (
                Cause::Lookup(lookup("fe80::1%eth9", LookupFailure::NoSuchZone)),
                "'eth9' is no interface here that has such addresses",
            ),
            (
                Cause::Lookup(net::Error::Stopped {
                    stop: stopped(),
                    phase: net::Phase::Lookup,
                    attempts: Vec::new(),
                }),
                "cannot be looked up: no name service answered",
            ),
            (Cause::Proxy(Failure::Stopped(stopped())), NO_ANSWER),
            (
                Cause::Proxy(Failure::Refused(vec![(target, Refusal::Socks5(5))])),
                "the proxy refuses: SOCKS5 code 5, connection refused",
            ),
            (
                Cause::Proxy(Failure::Credentials { given: true }),
                "the proxy does not accept the user or the password",
            ),
        ];
        for (cause, words) in table {
            assert_eq!(cause.words(), words, "{cause:?}");
        }
    }
}
