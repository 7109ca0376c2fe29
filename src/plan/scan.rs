//! Testing whether somebody is there: which ports or sockets, by what, and to what end.

use std::{ffi::OsString, time::Duration};

use super::{Host, Lookup, Ports, Proxy, Source, UnixAddress};

/// What is tested, and to what end.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// What is tested.
    pub targets: Targets,
    /// To what end.
    pub goal: Goal,
    /// Whether each result is written to stdout as a JSON object on a line (`--json`).
    pub json: bool,
}

/// What is tested. There is at least one of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// Ports of hosts.
    Ports(PortTargets),
    /// Unix sockets.
    Sockets(SocketTargets),
}

/// Ports of hosts.
#[derive(Clone, Debug, PartialEq)]
pub struct PortTargets {
    /// Whose and which, in the order in which they were asked for.
    pub list: Vec<Target>,
    /// What is done to each of them.
    pub probe: Probe,
    /// The local end, where one was asked for.
    pub source: Option<Source>,
    /// How names become addresses.
    pub lookup: Lookup,
    /// How many are tested at the same time at most; none leaves it to the run (`--parallel`).
    pub parallel: Option<usize>,
}

/// A host and some of its ports.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Whose.
    pub host: Host,
    /// Which.
    pub ports: Ports,
}

/// How a port is tested.
#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// By a connection, which is closed at once.
    Connect {
        /// How long it may take; none means as long as the system lets it.
        timeout: Option<Duration>,
        /// How long it is waited for what the service says first (`--banner`).
        banner: Option<Duration>,
        /// Through whom, if not directly.
        proxy: Option<Proxy>,
    },
    /// By datagrams.
    Datagrams {
        /// After so much silence nobody knows.
        wait: Duration,
    },
}

/// Unix sockets.
#[derive(Clone, Debug, PartialEq)]
pub struct SocketTargets {
    /// Their names.
    pub list: Vec<UnixAddress>,
    /// How each of them is tested.
    pub probe: UnixProbe,
    /// How long a connection may take; none means for ever.
    pub timeout: Option<Duration>,
}

/// How a Unix socket is tested.
#[derive(Clone, Debug, PartialEq)]
pub enum UnixProbe {
    /// By a connection, which is closed at once.
    Stream,
    /// Whether datagrams could be sent to it.
    Datagrams {
        /// Our own name; none leaves the choice to the kernel.
        own: Option<UnixAddress>,
    },
}

/// To what end it is tested.
#[derive(Clone, Debug, PartialEq)]
pub enum Goal {
    /// To tell which are open: each once.
    Survey(Survey),
    /// To tell how long the answers of one port take: again and again (`--count`).
    Measure(Measure),
    /// To wait until they are open: each until it is (`--wait-for`).
    Wait(Wait),
}

/// Each is tested once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The time between the beginnings of two tests (`-i`).
    pub interval: Option<Duration>,
    /// Whether they are tested in an order of their own (`-r`).
    pub random: bool,
    /// Whether all of them have to be open for the run to succeed, instead of one (`--all`).
    pub all: bool,
    /// Whether nothing is told without `-v`: a single port, or the ways of `nc`.
    pub silent: bool,
}

/// One is tested several times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// How often.
    pub count: u64,
    /// The time between the beginnings of two tests.
    pub interval: Duration,
}

/// Each is tested until it is as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// For how long; none means for ever.
    pub limit: Option<Duration>,
    /// Whether one of them is enough (`--any`).
    pub any: bool,
    /// Whether it is waited until they are no longer open (`--invert`).
    pub invert: bool,
    /// What is executed then, the program first; it is not empty.
    pub command: Option<Vec<OsString>>,
}

impl Scan {
    /// Whether it is UDP ports, or datagram sockets.
    pub fn is_datagrams(&self) -> bool {
        match &self.targets {
            Targets::Ports(ports) => matches!(ports.probe, Probe::Datagrams { .. }),
            Targets::Sockets(sockets) => matches!(sockets.probe, UnixProbe::Datagrams { .. }),
        }
    }

    /// Whether a single port or socket is asked about.
    pub fn is_one(&self) -> bool {
        self.targets.is_one()
    }
}

impl Target {
    /// Whether all of them together are a single port.
    pub fn are_one(list: &[Self]) -> bool {
        match list {
            [target] => target.ports.is_one(),
            _ => false,
        }
    }
}

impl Targets {
    /// Whether it is waited for what services say first.
    pub fn have_banners(&self) -> bool {
        let Self::Ports(ports) = self else {
            return false;
        };
        matches!(
            ports.probe,
            Probe::Connect {
                banner: Some(_),
                ..
            }
        )
    }

    /// Whether it is a single port or socket.
    pub fn is_one(&self) -> bool {
        match self {
            Self::Ports(ports) => Target::are_one(&ports.list),
            Self::Sockets(sockets) => sockets.list.len() == 1,
        }
    }
}
