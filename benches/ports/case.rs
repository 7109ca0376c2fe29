//! What is tested: ports that answer at once, and ports that never do.

use std::{
    collections::BTreeSet,
    fmt, fs,
    io::{self, ErrorKind},
    net::TcpListener,
};

use crate::{
    common::Result,
    namespace::{sh, told},
};

/// Where everything listens.
pub(crate) const HOST: &str = "127.0.0.1";

/// Those that listen: low ones, high ones, one of those that the kernel takes for local ports, and
/// the last one of all.
const LISTENING: [u16; 5] = [22, 443, 8080, 40000, 65535];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// Five listen, all others refuse.
    Refused,
    /// Nobody answers.
    Dropped,
}

impl Case {
    pub(crate) const ALL: [Self; 2] = [Self::Refused, Self::Dropped];

    /// The last of the ports, of which the first one is 1.
    pub(crate) fn last(self) -> u16 {
        match self {
            Self::Refused => u16::MAX,
            Self::Dropped => 5000,
        }
    }

    /// What is to be told as open.
    pub(crate) fn open(self) -> BTreeSet<u16> {
        match self {
            Self::Refused => LISTENING.into(),
            Self::Dropped => BTreeSet::new(),
        }
    }

    /// Whether this machine can do it, and if not, why.
    pub(crate) fn needs(self) -> Result<()> {
        match self {
            Self::Refused => Ok(()),
            Self::Dropped => told("nft", &["--version"]).map(drop),
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "65,535 ports, 5 open",
            Self::Dropped => "5,000 ports, all dropped",
        })
    }
}

/// The ports of a case, as they are in the namespace.
pub(crate) struct Place {
    pub case: Case,
    listeners: Vec<TcpListener>,
}

impl Place {
    pub(crate) fn new(case: Case) -> Result<Self> {
        let mut listeners = Vec::new();
        for port in case.open() {
            let listener = TcpListener::bind((HOST, port))?;
            listener.set_nonblocking(true)?;
            listeners.push(listener);
        }
        Ok(Self { case, listeners })
    }

    /// Forgets who has been here.
    pub(crate) fn clear(&self) -> Result<()> {
        match self.case {
            Case::Refused => self.asked().map(drop),
            Case::Dropped => sh("nft", &[&rules(self.case.last())]),
        }
    }

    /// The ports that somebody has asked since, as far as that can be known: those that listen, or
    /// those that drop.
    pub(crate) fn asked(&self) -> Result<BTreeSet<u16>> {
        if self.case == Case::Dropped {
            return elements(&told("nft", &["list", "set", "inet", "bench", "asked"])?);
        }
        let mut ports = BTreeSet::new();
        for listener in &self.listeners {
            let port = listener.local_addr()?.port();
            while accepted(listener)? {
                ports.insert(port);
            }
        }
        Ok(ports)
    }

    /// Whether everybody has been asked who can tell it.
    pub(crate) fn check_asked(&self) -> Result<()> {
        let asked = self.asked()?;
        let all = match self.case {
            Case::Refused => self.case.open(),
            Case::Dropped => (1..=self.case.last()).collect(),
        };
        if asked != all {
            return Err(format!("asked {} ports, not {}", asked.len(), all.len()).into());
        }
        Ok(())
    }
}

/// Whether there was a client. It is gone at once.
fn accepted(listener: &TcpListener) -> io::Result<bool> {
    match listener.accept() {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(e) => Err(e),
    }
}

/// The only rules in the namespace: what comes for the ports up to `last` is noted and dropped.
fn rules(last: u16) -> String {
    format!(
        "flush ruleset
         table inet bench {{
             set asked {{ type inet_service; size 65535; flags dynamic; }}
             chain input {{
                 type filter hook input priority 0;
                 tcp dport 1-{last} add @asked {{ tcp dport }} drop;
             }}
         }}"
    )
}

/// The ports in a set as nft(8) lists it.
fn elements(listing: &str) -> Result<BTreeSet<u16>> {
    let Some((_, after)) = listing.split_once("elements = {") else {
        return Ok(BTreeSet::new());
    };
    let list = after.split('}').next().unwrap_or_default();
    let ports = list.split(',').map(|port| port.trim().parse());
    Ok(ports.collect::<std::result::Result<_, _>>()?)
}

/// The ports that the kernel gives to those who connect: ip_local_port_range in ip(7).
pub(crate) fn local_ports() -> Result<std::ops::RangeInclusive<u16>> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    let mut words = text.split_whitespace();
    let mut port = || words.next().unwrap_or_default().parse::<u16>();
    Ok(port()?..=port()?)
}
