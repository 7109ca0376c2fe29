//! The only place that writes words for people: messages on standard error, and nothing on success.

mod datagrams;
mod escape;
mod log;
mod messages;
#[allow(dead_code)]
mod nc;
mod port;
mod proxy;

use std::{
    io::{self, Write},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rustix::event::{PollFd, PollFlags, Timespec};

pub(crate) use datagrams::datagram_place;
pub use escape::escape;
pub(crate) use messages::{Peer, StdioFailure, place, reason, spot, why};
#[allow(unused_imports)]
pub(crate) use nc::Tried;
pub(crate) use port::PortSink;
pub(crate) use proxy::{password_prompt, refused_by_proxy};

use crate::{
    net,
    outcome::{Counters, Expired, Outcome, Status},
    plan::Endpoint,
    proxy::Failure,
};

/// Where messages go, and how many of them.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    verbosity: u8,
}

impl Report {
    /// Failures only at 0, events at 1, facts of the layers at 2, log records at 3.
    pub(crate) fn new(verbosity: u8) -> Self {
        if verbosity >= 3 {
            log::install();
        }
        Self { verbosity }
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
        line(&messages::totals(counters, clients));
    }

    /// Why there was no connection to `target`.
    pub(crate) fn not_started(&self, error: &net::Error, target: &str) {
        if let Some(text) = messages::not_started(error, target) {
            self.failure(&text);
        }
    }

    /// Why there was no connection to `target` through the proxy at `server`.
    pub(crate) fn not_proxied(&self, failure: &Failure, server: &Endpoint, target: &Endpoint) {
        if let Some(text) = proxy::not_proxied(failure, server, target) {
            self.failure(&text);
        }
    }

    /// How a connection's run ended: a line on failure, and the closing line with `-v`.
    pub(crate) fn ended(&self, outcome: &Outcome, peer: &Peer, took: Duration) {
        if let Some(text) = messages::failed(outcome, peer) {
            self.failure(&text);
        }
        self.event(|| messages::closing(outcome, took));
    }

    /// The same for one of many.
    pub(crate) fn client_ended(&self, outcome: &Outcome, peer: &Peer, took: Duration) {
        if let Some(text) = messages::failed(outcome, peer) {
            self.failure(&text);
        }
        self.event(|| format!("{peer}: {}", messages::closing(outcome, took)));
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
        if let Some(text) = datagrams::failed(outcome, peer) {
            self.failure(&text);
        }
        self.event(|| datagrams::closing(outcome, took));
    }
}

/// A usage error, before there is a plan.
pub fn usage(text: &str) -> Status {
    line(text);
    Status::Usage
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
    raw_line(&format!("oxnc: {text}\n"));
}

/// How long a line waits for a standard error that nobody reads.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};

/// Whether the last line was dropped, so that the next one need not wait.
static STALLED: AtomicBool = AtomicBool::new(false);

/// Words must not stop the run: where standard error takes none, they are dropped. What poll(2)
/// calls writable takes a page, pipe(7), and the exit status still tells.
fn raw_line(line: &str) {
    let stderr = io::stderr();
    let patience = if STALLED.load(Ordering::Relaxed) {
        Timespec::default()
    } else {
        PATIENCE
    };
    let mut fds = [PollFd::new(&stderr, PollFlags::OUT)];
    let ready = rustix::event::poll(&mut fds, Some(&patience)).is_ok_and(|n| n > 0);
    STALLED.store(!ready, Ordering::Relaxed);
    if ready {
        // If it cannot be written, there is nobody to tell.
        let _ = stderr.lock().write_all(line.as_bytes());
    }
}
