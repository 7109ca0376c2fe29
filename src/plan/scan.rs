//! Testing whether somebody is there.

use std::time::Duration;

use super::{Host, Lookup, Ports, Proxy, Source, UnixAddress};

/// Ports that are tested, one after another.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// Whose.
    pub host: Host,
    /// Which.
    pub ports: Ports,
    /// What is done to each of them.
    pub probe: Probe,
    /// The local end, where one was asked for.
    pub source: Option<Source>,
    /// How names become addresses.
    pub lookup: Lookup,
    /// The pause between two ports (`-i`).
    pub interval: Option<Duration>,
    /// Whether the ports are tested in an order of their own (`-r`).
    pub random: bool,
    /// Whether all of them have to be open for the run to succeed, instead of one (`--all`).
    pub all: bool,
}

impl Scan {
    /// Whether it is UDP ports.
    pub fn is_datagrams(&self) -> bool {
        matches!(self.probe, Probe::Datagrams { .. })
    }
}

/// How a port is tested.
#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// By a connection, which is closed at once.
    Connect {
        /// How long it may take; none means as long as the system lets it.
        timeout: Option<Duration>,
        /// Through whom, if not directly.
        proxy: Option<Proxy>,
    },
    /// By datagrams.
    Datagrams {
        /// After so much silence the port counts as open.
        wait: Duration,
    },
}

/// A Unix socket that is tested.
#[derive(Clone, Debug, PartialEq)]
pub enum UnixProbe {
    /// By a connection, which is closed at once.
    Stream(UnixAddress),
    /// Whether datagrams could be sent to it.
    Datagrams {
        /// Its name.
        target: UnixAddress,
        /// Our own name; none leaves the choice to the kernel.
        own: Option<UnixAddress>,
    },
}
