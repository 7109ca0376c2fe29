//! The words about ports that are tested: on standard error those of nc, whoever we are.

mod json;
mod measure;
mod outlet;
mod progress;
mod reasons;
mod results;
mod stopped;
mod table;
mod totals;
mod untested;

use std::{net::SocketAddr, time::Duration};

pub(crate) use outlet::Outlet;
pub(crate) use progress::Progress;
pub(super) use progress::{beside, far};
pub(crate) use results::{Format, Results};

pub(crate) use self::{
    measure::Rtts,
    totals::{Kind, Unmet},
    untested::Untested,
};
use super::{Report, nc, own, proxy};
use crate::{
    net::{self, Attempt},
    outcome::{PortState, Setback},
    plan::{Endpoint, Host, Port, UnixAddress},
    proxy::Failure,
};

/// A port, or a Unix socket, that was tested, and what was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finding<'a> {
    /// What was tested.
    pub subject: Subject<'a>,
    /// What was found.
    pub state: PortState,
    /// Where that was found out; with its port.
    pub address: Option<SocketAddr>,
    /// How long the answer took, if one came.
    pub rtt: Option<Duration>,
    /// What the service said first. None: it was not asked for. Empty: nothing came in time.
    pub banner: Option<&'a [u8]>,
    /// Why addresses, or all of them, are not open, in the order of the tries.
    pub causes: &'a [Cause],
}

/// What is tested.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject<'a> {
    /// A port of a host.
    Port {
        /// The host as it was asked for.
        host: &'a Host,
        /// The port's number.
        port: u16,
        /// UDP instead of TCP.
        datagrams: bool,
    },
    /// A Unix socket.
    Socket(&'a UnixAddress),
}

/// Why an address is not open, or why nobody knows.
#[derive(Debug)]
pub(crate) enum Cause {
    /// The kernel's reason, or that no answer came.
    Attempt(Attempt),
    /// ICMP says that it is prohibited; the kernel's reason is that of an unreachable host.
    Prohibited(Attempt),
    /// The name could not be looked up, or something else that comes before an address is tried.
    Lookup(net::Error),
    /// A proxy's reason, or why it could not be asked.
    Proxy(Failure),
    /// Datagrams to this address were neither answered nor refused.
    Silence(SocketAddr),
}

impl Subject<'_> {
    fn is_datagrams(&self) -> bool {
        matches!(
            self,
            Self::Port {
                datagrams: true,
                ..
            }
        )
    }

    /// What carries the bytes.
    fn protocol(&self) -> &'static str {
        match self {
            Self::Port {
                datagrams: false, ..
            } => "tcp",
            Self::Port {
                datagrams: true, ..
            } => "udp",
            Self::Socket(_) => "unix",
        }
    }
}

impl Report {
    /// For what goes on beneath a test of ports, of which -v tells as much as nc, and nothing else.
    pub(crate) fn beneath(&self) -> Self {
        Self {
            verbosity: self.verbosity.saturating_sub(1),
            ..self.clone()
        }
    }

    /// What a test has found: a line for each address that is not open, then one for that which is
    /// (`-v`). nc tells without being asked why nothing could be tested.
    pub(crate) fn found(&self, finding: &Finding<'_>) -> Vec<String> {
        match self.tells(finding) {
            true => self.lines(finding),
            false => Vec::new(),
        }
    }

    fn tells(&self, finding: &Finding<'_>) -> bool {
        let unasked = match finding.subject {
            Subject::Port { .. } => finding.state == PortState::Error,
            Subject::Socket(_) => true,
        };
        self.verbosity >= 1 || self.is_nc() && unasked || finding.causes.iter().any(is_usage)
    }

    fn lines(&self, finding: &Finding<'_>) -> Vec<String> {
        let causes = finding.causes.iter();
        let mut lines: Vec<String> = match finding.subject {
            Subject::Socket(_) if finding.state == PortState::Open => Vec::new(),
            Subject::Socket(target) => {
                let last = causes.last().and_then(|cause| cause.of_socket(target));
                last.into_iter().collect()
            }
            Subject::Port { .. } if finding.state == PortState::Error => self.untested(finding),
            Subject::Port { host, port, .. } => {
                let datagrams = finding.subject.is_datagrams();
                causes
                    .filter(|_| !(datagrams && self.is_nc()))
                    .filter_map(|cause| cause.of_port(host, port, datagrams))
                    .collect()
            }
        };
        for line in &mut lines {
            *line = own(line);
        }
        lines.extend(self.success(finding));
        lines
    }

    /// For nc, whoever keeps silent has got the datagrams.
    fn success(&self, finding: &Finding<'_>) -> Option<String> {
        let Subject::Port {
            host,
            port,
            datagrams,
        } = finding.subject
        else {
            return None;
        };
        let silent = || finding.causes.iter().find_map(Cause::silent);
        let address = match finding.state {
            PortState::Open => finding.address,
            PortState::OpenFiltered if self.is_nc() => finding.address.or_else(silent),
            _ => return None,
        };
        let host = host.as_str();
        Some(nc::open(host, port, address, datagrams, self.numeric))
    }
}

impl Cause {
    /// nc's line about a port that is not open at one of its addresses.
    fn of_port(&self, host: &Host, port: u16, datagrams: bool) -> Option<String> {
        let tried = |address| nc::Tried {
            host: host.as_str(),
            address,
            port,
            datagrams,
        };
        Some(match self {
            Self::Attempt(attempt) | Self::Prohibited(attempt) => {
                nc::failed(attempt, host.as_str(), datagrams)
            }
            Self::Lookup(error) | Self::Proxy(Failure::Target(error)) => {
                let target = endpoint(host, port);
                return super::messages::not_started(error, &super::spot(&target));
            }
            Self::Proxy(failure) => tried(None).failed_because(&proxy::not_open(failure)),
            Self::Silence(address) => {
                tried(Some(*address)).failed_because("no answer; open or filtered")
            }
        })
    }

    /// And about a Unix socket.
    fn of_socket(&self, target: &UnixAddress) -> Option<String> {
        let place = || super::place(net::Address::Unix(target.clone()));
        match self {
            Self::Attempt(attempt) | Self::Prohibited(attempt) => {
                Some(nc::failed(attempt, "", false))
            }
            Self::Lookup(error) => super::messages::not_started(error, &place()),
            _ => Some(format!("{}: {}", place(), self.words())),
        }
    }

    fn silent(&self) -> Option<SocketAddr> {
        match self {
            Self::Silence(address) => Some(*address),
            _ => None,
        }
    }
}

/// What was asked for makes no sense, and that has to be told.
fn is_usage(cause: &Cause) -> bool {
    let setback = match cause {
        Cause::Lookup(error) => error.setback(),
        Cause::Proxy(failure) => failure.setback(),
        _ => return false,
    };
    setback == Setback::Usage
}

fn endpoint(host: &Host, port: u16) -> Endpoint {
    Endpoint {
        host: host.clone(),
        port: Port::Number(port),
    }
}

#[cfg(test)]
mod tests;
