//! Who is measured, how they are called, and what they say.

use std::{collections::BTreeSet, process::Command};

use crate::{
    case::{Case, HOST},
    common::{Result, programs},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Oxnc,
    Nc,
    Nmap,
}

pub(crate) type Tool = programs::Tool<Kind>;

/// What makes nmap wait one second for each port and ask it once. Without the last word it has a
/// few ports in flight, because it takes silence for congestion, and needs some eight minutes.
const PATIENT: [&str; 5] = [
    "--max-retries=0",
    "--min-rtt-timeout=1s",
    "--initial-rtt-timeout=1s",
    "--max-rtt-timeout=1s",
    "--min-parallelism=4096",
];

/// The tools that are there, and the names of those that are not.
pub(crate) fn find() -> (Vec<Tool>, Vec<String>) {
    let nmap = programs::peer("nmap", &["nmap"], "--version", "Nmap version");
    programs::sort([
        Tool::new("oxnc", Kind::Oxnc, programs::ours()),
        Tool::new("base", Kind::Oxnc, programs::base()),
        Tool::new("nc", Kind::Nc, programs::nc()),
        Tool::new("nmap", Kind::Nmap, nmap),
    ])
}

impl Tool {
    /// Whether the case is possible, and if not, why.
    pub(crate) fn supports(&self, case: Case) -> std::result::Result<(), &'static str> {
        match (self.kind, case) {
            (Kind::Nc, Case::Dropped) => Err("one port after another: 5,000 s"),
            _ => Ok(()),
        }
    }

    /// Whether it is a peer: somebody else's work.
    pub(crate) fn is_peer(&self) -> bool {
        self.kind != Kind::Oxnc
    }

    /// Whether it names what is open, rather than only testing it.
    pub(crate) fn tells(&self, warm_up: bool) -> bool {
        warm_up || self.kind != Kind::Nc
    }

    /// Tests all ports of a case.
    pub(crate) fn command(&self, case: Case, warm_up: bool) -> Command {
        let ports = format!("1-{}", case.last());
        let mut command = Command::new(&self.program.path);
        match self.kind {
            Kind::Oxnc => {
                command.arg("-nz");
                if case == Case::Dropped {
                    command.args(["-w", "1s"]);
                }
                command.args([HOST, &ports]);
            }
            Kind::Nc => {
                let options = if self.tells(warm_up) { "-nzv" } else { "-nz" };
                command.args([options, HOST, &ports]);
            }
            Kind::Nmap => {
                command.args(["-n", "-Pn", "-sT", "-T5", "-oG", "-", "-p", &ports]);
                if case == Case::Dropped {
                    command.args(PATIENT);
                }
                command.arg(HOST);
            }
        }
        command
    }

    /// The exit status that says that all is well.
    pub(crate) fn status(&self, case: Case) -> i32 {
        match (self.kind, case) {
            (Kind::Oxnc | Kind::Nc, Case::Dropped) => 1,
            (Kind::Oxnc | Kind::Nc, Case::Refused) | (Kind::Nmap, _) => 0,
        }
    }

    /// The ports that it says are open. An error if it says anything that it should not.
    pub(crate) fn named(&self, case: Case, stdout: &str, stderr: &str) -> Result<BTreeSet<u16>> {
        match self.kind {
            Kind::Oxnc => table(stdout),
            Kind::Nc => succeeded(stderr),
            Kind::Nmap => grepable(case, stdout),
        }
    }
}

/// oxnc's table: `HOST PORT/PROTO STATE SERVICE RTT`.
fn table(text: &str) -> Result<BTreeSet<u16>> {
    let ports = text.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let port = match words[..] {
            [HOST, port, "open", service, rtt] if !service.is_empty() && !rtt.is_empty() => {
                port.strip_suffix("/tcp")
            }
            _ => None,
        };
        number(port, line)
    });
    once_each(ports)
}

/// nc's `Connection to 127.0.0.1 22 port [tcp/ssh] succeeded!`, among lines about the others.
fn succeeded(text: &str) -> Result<BTreeSet<u16>> {
    let lines = text.lines().filter(|line| line.ends_with("succeeded!"));
    let ports = lines.map(|line| number(line.split(' ').nth(3), line));
    once_each(ports)
}

/// nmap's line of fields separated by tabs: the ports, and how many others there are in which state.
fn grepable(case: Case, text: &str) -> Result<BTreeSet<u16>> {
    let line = text.lines().find(|line| line.contains("\tPorts: "));
    let line = line.ok_or("nothing about ports")?;
    let field = |name| line.split('\t').find_map(|field| field.strip_prefix(name));
    let others = usize::from(case.last()) - case.open().len();
    let state = match case {
        Case::Refused => "closed",
        Case::Dropped => "filtered",
    };
    let ignored = field("Ignored State: ").unwrap_or_default();
    if ignored != format!("{state} ({others})") {
        return Err(format!("not {others} ports {state}, but {ignored}").into());
    }
    let entries = field("Ports: ").unwrap_or_default().trim().split(", ");
    let ports = entries.filter(|entry| !entry.is_empty()).map(|entry| {
        let parts: Vec<&str> = entry.split('/').collect();
        match parts[..] {
            [port, "open", "tcp", ..] => number(Some(port), entry),
            _ => number(None, entry),
        }
    });
    once_each(ports)
}

fn number(port: Option<&str>, line: &str) -> Result<u16> {
    let port = port.and_then(|port| port.parse().ok());
    port.ok_or_else(|| format!("no port in {line:?}").into())
}

fn once_each(ports: impl Iterator<Item = Result<u16>>) -> Result<BTreeSet<u16>> {
    let mut set = BTreeSet::new();
    for port in ports {
        let port = port?;
        if !set.insert(port) {
            return Err(format!("port {port} named twice").into());
        }
    }
    Ok(set)
}
