//! The only place that writes words for people: messages on standard error, and nothing on success.

mod command;
mod datagrams;
mod escape;
mod log;
mod messages;
mod nc;
mod port;
mod proxy;
mod retry;
mod scan;

use std::{
    io::{self, Write},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustix::event::{PollFd, PollFlags, Timespec};

pub(crate) use datagrams::datagram_place;
pub use escape::escape;
pub(crate) use messages::{Peer, StdioFailure, place, reason, spot, why};
pub(crate) use port::PortSink;
pub(crate) use proxy::password_prompt;
pub(crate) use retry::Miss;
pub(crate) use scan::{
    Cause, Finding, Format, Kind, Outlet, Progress, Results, Rtts, Subject, Unmet, Untested,
};

use crate::{
    net::{self, Address, Attempt},
    outcome::{Counters, Expired, Outcome, Status},
    plan::{Endpoint, Personality, Plan},
    proxy::{Failure, Refusal, Target},
};

/// Where messages go, and how many of them.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    verbosity: u8,
    personality: Personality,
    /// `-n`
    numeric: bool,
}

impl Report {
    /// Failures only at 0, events at 1, facts of the layers at 2, log records at 3.
    pub(crate) fn new(plan: &Plan) -> Self {
        let verbosity = match plan.personality {
            Personality::Oxnc => plan.verbosity,
            Personality::Nc => plan.verbosity.min(1),
        };
        if verbosity >= 3 {
            log::install();
        }
        Self {
            verbosity,
            personality: plan.personality,
            numeric: plan.numeric,
        }
    }

    fn is_nc(&self) -> bool {
        self.personality == Personality::Nc
    }

    /// Whether the names of addresses are told, so that they have to be looked up.
    pub(crate) fn wants_names(&self) -> bool {
        self.is_nc() && self.verbosity >= 1 && !self.numeric
    }

    /// Somewhere we listen, or are bound with `datagrams`; `name` is that of the address.
    pub(crate) fn listening(&self, address: &Address, name: Option<&str>, datagrams: bool) {
        self.events(|| match (self.personality, datagrams) {
            (Personality::Oxnc, false) => vec![own(&format!("listening on {}", place(address)))],
            (Personality::Oxnc, true) => vec![own(&format!("bound on {}", place(address)))],
            (Personality::Nc, _) => nc::listening(address, name, datagrams),
        });
    }

    /// A client has come; `name` is that of its address.
    pub(crate) fn received(&self, peer: &Peer, name: Option<&str>) {
        self.events(|| match (self.personality, &peer.address) {
            (Personality::Nc, address) => vec![nc::received(address, name)],
            (_, Address::Inet(_)) => vec![own(&format!("connection from {peer}"))],
            (_, Address::Unix(_)) => vec![own(&format!("connection on {peer}"))],
        });
    }

    /// The first datagram of somebody whose `place` it is, who may have an address and a name; the
    /// only one to whom we listen, if `alone`.
    pub(crate) fn first_datagram(
        &self,
        place: &str,
        sender: Option<&Address>,
        name: Option<&str>,
        alone: bool,
    ) {
        self.events(|| match (self.personality, sender) {
            (Personality::Nc, Some(sender)) if alone => vec![nc::received(sender, name)],
            (Personality::Nc, _) => Vec::new(),
            (Personality::Oxnc, _) => vec![own(&format!("first datagram from {place}"))],
        });
    }

    /// An address of `host` that could not be connected to, where another one could.
    pub(crate) fn attempt_failed(&self, attempt: &Attempt, host: &str, datagrams: bool) {
        self.events(|| {
            let (address, why) = (place(&attempt.address), why(attempt));
            match (self.personality, datagrams) {
                (Personality::Nc, _) => vec![own(&nc::failed(attempt, host, datagrams))],
                (Personality::Oxnc, false) => {
                    vec![own(&format!("no connection to {address}: {why}"))]
                }
                (Personality::Oxnc, true) => vec![own(&format!("no way to {address}: {why}"))],
            }
        });
    }

    /// There is a connection, or a socket that sends to the peer.
    pub(crate) fn connected(&self, peer: &Peer, datagrams: bool) {
        self.events(|| match (self.personality, datagrams) {
            (Personality::Nc, _) => nc::connected(peer, datagrams, self.numeric)
                .into_iter()
                .collect(),
            (Personality::Oxnc, false) => vec![own(&format!("connected to {peer}"))],
            (Personality::Oxnc, true) => vec![own(&format!("sending to {peer}"))],
        });
    }

    /// There is a connection to a proxy.
    pub(crate) fn connected_to_proxy(&self, server: &Peer) {
        if !self.is_nc() {
            self.event(|| format!("connected to the proxy {server}"));
        }
    }

    /// One of several addresses that a proxy does not connect us to.
    pub(crate) fn refused_by_proxy(&self, target: &Target, why: &Refusal) {
        if !self.is_nc() {
            self.event(|| proxy::refused(target, why));
        }
    }

    /// And the proxy has connected us to the target, at a port of this number.
    pub(crate) fn proxied(&self, server: &Peer, target: &Endpoint, port: u16) {
        self.events(|| match self.personality {
            Personality::Nc => {
                let host = target.host.as_str();
                vec![nc::open(host, port, None, false, self.numeric)]
            }
            Personality::Oxnc => vec![own(&format!(
                "the proxy {server} connects us to {}",
                spot(target)
            ))],
        });
    }

    /// The socket has been passed to somebody else.
    pub(crate) fn passed(&self, peer: &Peer) {
        if !self.is_nc() {
            self.event(|| format!("passed the socket that is connected to {peer}"));
        }
    }

    /// Lines that are complete, behind their prefix if they have one (`-v`).
    fn events(&self, lines: impl FnOnce() -> Vec<String>) {
        if self.verbosity >= 1 {
            for line in lines() {
                raw_line(&format!("{line}\n"));
            }
        }
    }

    /// Why the run failed.
    pub(crate) fn failure(&self, text: &str) {
        line(text);
    }

    /// Something happened (`-v`).
    pub(crate) fn event(&self, text: impl FnOnce() -> String) {
        if self.verbosity >= 1 {
            line(&text());
        }
    }

    /// What a layer knows (`-vv`).
    pub(crate) fn fact(&self, text: impl FnOnce() -> String) {
        if self.verbosity >= 2 {
            line(&text());
        }
    }

    /// What SIGUSR1 asks for.
    pub(crate) fn counters(&self, counters: Counters, clients: Option<usize>) {
        line(&scan::far().unwrap_or_else(|| messages::totals(counters, clients)));
    }

    /// Why there was no connection to `target`.
    pub(crate) fn not_started(&self, error: &net::Error, target: &str) {
        if let Some(text) = self.unstarted(error, target) {
            self.failure(&text);
        }
    }

    fn unstarted(&self, error: &net::Error, target: &str) -> Option<String> {
        match self.personality {
            Personality::Nc => nc::not_started(error, target),
            Personality::Oxnc => messages::not_started(error, target),
        }
    }

    /// The same where a host was to be connected to.
    pub(crate) fn not_connected(&self, error: &net::Error, target: &Endpoint, datagrams: bool) {
        self.failures(&self.unconnected(error, target, datagrams));
    }

    fn unconnected(&self, error: &net::Error, target: &Endpoint, datagrams: bool) -> Vec<String> {
        match self.personality {
            Personality::Nc => nc::not_connected(error, target, datagrams),
            Personality::Oxnc => messages::not_started(error, &spot(target))
                .into_iter()
                .collect(),
        }
    }

    /// A line for each thing that was tried; without `-v` the last one has to do.
    fn failures(&self, lines: &[String]) {
        let first = if self.verbosity == 0 {
            lines.len().saturating_sub(1)
        } else {
            0
        };
        for text in lines.iter().skip(first) {
            self.failure(text);
        }
    }

    /// Why there was no connection to `target` through the proxy at `server`.
    pub(crate) fn not_proxied(&self, failure: &Failure, server: &Endpoint, target: &Endpoint) {
        self.failures(&self.unproxied(failure, server, target));
    }

    fn unproxied(&self, failure: &Failure, server: &Endpoint, target: &Endpoint) -> Vec<String> {
        match self.personality {
            Personality::Nc => nc::not_proxied(failure, server, target),
            Personality::Oxnc => proxy::not_proxied(failure, server, target)
                .into_iter()
                .collect(),
        }
    }

    /// How a connection's run ended: a line on failure, and the closing line with `-v`.
    pub(crate) fn ended(&self, outcome: &Outcome, peer: &Peer, took: Duration) {
        self.outcome_failed(outcome, messages::failed(outcome, peer));
        self.closing(|| messages::closing(outcome, took));
    }

    /// The same for one of many.
    pub(crate) fn client_ended(&self, outcome: &Outcome, peer: &Peer, took: Duration) {
        self.outcome_failed(outcome, messages::failed(outcome, peer));
        self.closing(|| format!("{peer}: {}", messages::closing(outcome, took)));
    }

    /// A run with many clients was not done in time.
    pub(crate) fn not_done(&self, what: Expired, counters: Counters, clients: usize) {
        self.failure(&messages::not_done(what, counters, clients));
    }

    /// Standard input or output has failed a run with many clients.
    pub(crate) fn stdio_failed(&self, what: &StdioFailure<'_>, counters: Counters) {
        self.failure(&messages::stdio_failed(what, counters));
    }

    /// How an exchange of datagrams ended, likewise.
    pub(crate) fn datagrams_ended(&self, outcome: &Outcome, peer: &str, took: Duration) {
        self.outcome_failed(outcome, datagrams::failed(outcome, peer));
        self.closing(|| datagrams::closing(outcome, took));
    }

    /// For nc idleness is a way to end as any other.
    fn outcome_failed(&self, outcome: &Outcome, text: Option<String>) {
        let expected = self.is_nc() && outcome.status() == Status::Idle;
        if let (false, Some(text)) = (expected, text) {
            self.failure(&text);
        }
    }

    /// nc has no closing line.
    fn closing(&self, text: impl FnOnce() -> String) {
        if !self.is_nc() {
            self.event(text);
        }
    }
}

/// A usage error, before there is a plan.
pub fn usage(text: &str) -> Status {
    line(text);
    Status::Usage
}

/// What messages begin with.
static NAME: OnceLock<String> = OnceLock::new();

/// From here on messages begin with this name.
pub fn speak_as(name: String) {
    // It is said once.
    let _ = NAME.set(name);
}

/// A line of ours behind our name.
fn own(text: &str) -> String {
    let name = NAME.get().map_or("oxnc", String::as_str);
    format!("{}: {text}", escape(name))
}

/// Writes a text of several lines to standard error; where it cannot be written, nobody is told.
pub fn show_on_stderr(text: &str) -> Status {
    raw_line(text);
    Status::Success
}

/// Writes what `--help` and `--version` ask for to standard output.
pub fn show(text: &str) -> Status {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => Status::Success,
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Status::Signal(libc::SIGPIPE),
        Err(e) => {
            line(&format!("cannot write to standard output: {}", reason(&e)));
            Status::Local
        }
    }
}

/// One line in one write, so that lines of several processes do not mix.
fn line(text: &str) {
    raw_line(&format!("{}\n", own(text)));
}

/// How long a line waits for a standard error that nobody reads.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// Whether the last line was dropped, so that the next one need not wait.
static STALLED: AtomicBool = AtomicBool::new(false);

/// Words must not stop the run: where standard error takes none, they are dropped.
fn raw_line(line: &str) {
    scan::beside(line, |line| {
        let patience = if STALLED.load(Ordering::Relaxed) {
            Timespec::default()
        } else {
            PATIENCE
        };
        STALLED.store(!put(line, &patience), Ordering::Relaxed);
    });
}

/// Writes to standard error, if it takes something in time. What poll(2) calls writable takes a page,
/// pipe(7), and the exit status still tells.
fn put(text: &str, patience: &Timespec) -> bool {
    let stderr = io::stderr();
    let mut fds = [PollFd::new(&stderr, PollFlags::OUT)];
    let ready = rustix::event::poll(&mut fds, Some(patience)).is_ok_and(|n| n > 0);
    if ready {
        // If it cannot be written, there is nobody to tell.
        let _ = stderr.lock().write_all(text.as_bytes());
    }
    ready
}
