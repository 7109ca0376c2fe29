//! What the tests are built from: programs with wired descriptors ([`Tool`]), scripted TCP and Unix
//! ends ([`Server`], [`Peer`]), network namespaces ([`Net`]), system call traces ([`Trace`]) and
//! random files with digests ([`data`]).

mod collect;
pub mod data;
mod datagrams;
mod done;
mod ends;
mod netns;
mod peer;
pub mod programs;
pub mod proxies;
pub mod schema;
mod spot;
mod tool;
mod trace;

pub use collect::Collector;
pub use data::Digest;
pub use datagrams::{Records, Udp};
pub use done::Done;
pub use ends::{SmallDisk, Terminal, bare_terminal, close_reader, fifo, pipe, pipe_of_size};
pub use netns::Net;
pub use peer::{Peer, Server};
pub use spot::{Family, Spot};
pub use tool::{In, Out, Running, Tool, readable};
pub use trace::Trace;

pub use rustix::process::Signal;

use std::{env, path::Path, time::Duration};

/// How long anything may take that should take no time at all. Reaching it fails the test.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// What a busy machine may add to a time that the program promises to keep.
pub const SLACK: Duration = Duration::from_millis(600);

pub const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Leaves the test with a printed reason unless what it needs is here. In CI everything is
/// installed and the tests run as root, so there it fails instead.
macro_rules! needs {
    ($($what:expr),+ $(,)?) => {
        if let Some(reason) = $crate::util::missing(&[$($what),+]) {
            skip!("{reason}");
        }
    };
}

/// Leaves the test, saying why; in CI nothing may be skipped.
macro_rules! skip {
    ($($reason:tt)+) => {{
        let reason = format!($($reason)+);
        assert!(std::env::var_os("CI").is_none(), "skipped in CI: {reason}");
        eprintln!("skipped: {reason}");
        return;
    }};
}

/// The first of `wanted` that is not here: `"root"`, or the name of a program.
pub fn missing(wanted: &[&str]) -> Option<String> {
    wanted.iter().find_map(|what| match *what {
        "root" => {
            (!rustix::process::geteuid().is_root()).then(|| String::from("needs root privileges"))
        }
        program => (!installed(program)).then(|| format!("{program} is not installed")),
    })
}

fn installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&path).collect::<Vec<_>>();
    let places = places
        .iter()
        .map(|p| p.as_path())
        .chain([Path::new("/usr/sbin"), Path::new("/sbin")]);
    places
        .into_iter()
        .any(|place| place.join(program).is_file())
}

/// Runs `work` on a thread, so that both ends of a conversation can go on at once.
pub fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Task<T> {
    let (tx, rx) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let _ = tx.send(work());
    });
    Task { thread, rx }
}

/// Work under way on a thread.
pub struct Task<T> {
    thread: std::thread::JoinHandle<()>,
    rx: std::sync::mpsc::Receiver<T>,
}

impl<T> Task<T> {
    /// What the work came to; its panic goes on here, and it has until the deadline.
    pub fn join(self) -> T {
        match self.rx.recv_timeout(DEADLINE * 6) {
            Ok(value) => value,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("a test thread hangs"),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => match self.thread.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(()) => panic!("a test thread ended without a result"),
            },
        }
    }
}
