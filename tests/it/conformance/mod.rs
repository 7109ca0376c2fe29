//! The `nc` personality beside the `nc` that it stands in for.
//!
//! A case is played twice, against the same scripted peer: with Debian's `nc.openbsd`, and with oxnc
//! under the name `nc`. Both have to come to the same: exit status, standard output, what the peer
//! heard, and the lines on stderr. Where `nc` loses data, hangs, spins or crashes there is nothing to
//! be faithful to: [`differences`] has a table of what each of the two does.
//!
//! The cases were collected from what `nc` does, not from what its manual says. Their numbers let
//! both halves be read together: A is the command line, B connecting, C the relay, E listening, U
//! datagrams, X Unix sockets, F descriptors that are passed on, Z ports that are tested, P proxies.

mod arguments;
mod connecting;
mod differences;
mod lenient;
mod lines;
mod listener;
mod pass_fd;
mod proxies;
mod relay;
mod scan;
mod side;
mod udp;
mod unix;

use std::{fmt, panic::resume_unwind, thread};

pub use side::Nc;
use side::Program;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Exit(i32),
    Signal(i32),
    /// It had not, after as long as the case waits.
    Hangs,
}

/// What a case came to.
pub struct Seen {
    pub line: String,
    pub end: End,
    pub stdout: Vec<u8>,
    /// Without ports, and without the directory that the program was called from.
    pub stderr: Vec<String>,
    pub heard: Vec<u8>,
}

impl Seen {
    /// And this is what the peer heard meanwhile.
    pub fn and_heard(mut self, heard: impl AsRef<[u8]>) -> Self {
        self.heard.extend_from_slice(heard.as_ref());
        self
    }

    /// Whatever it said: where oxnc has a line for what `nc` leaves unsaid.
    pub fn whatever_it_said(mut self) -> Self {
        self.stderr.clear();
        self
    }

    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.end, End::Exit(code), "{self}");
        self
    }

    #[track_caller]
    pub fn wrote(&self, bytes: &[u8]) -> &Self {
        assert_eq!(shown(&self.stdout), shown(bytes), "{self}");
        self
    }

    #[track_caller]
    pub fn heard(&self, bytes: &[u8]) -> &Self {
        assert_eq!(shown(&self.heard), shown(bytes), "{self}");
        self
    }

    /// It said exactly these lines. Ports are `<1>`, `<2>` in the order in which they came up.
    #[track_caller]
    pub fn said(&self, lines: &[&str]) -> &Self {
        assert_eq!(self.stderr, lines, "{self}");
        self
    }

    fn is_like(&self, other: &Self) -> bool {
        self.end == other.end
            && self.stdout == other.stdout
            && self.stderr == other.stderr
            && self.heard == other.heard
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "    $ {}", self.line)?;
        writeln!(f, "    ended:  {:?}", self.end)?;
        writeln!(f, "    stdout: {}", shown(&self.stdout))?;
        writeln!(f, "    heard:  {}", shown(&self.heard))?;
        writeln!(f, "    stderr: {:?}", self.stderr)
    }
}

/// Bytes as they are shown to people, and how many there are if that is not all of them.
fn shown(bytes: &[u8]) -> String {
    match bytes.get(..200) {
        Some(first) => {
            let hash = blake3::hash(bytes).to_hex();
            format!(
                "{:?} … {} bytes, {hash}",
                String::from_utf8_lossy(first),
                bytes.len()
            )
        }
        None => format!("\"{}\"", bytes.escape_ascii()),
    }
}

/// Plays a case with each of the two at the same time. They must come to the same: that.
#[track_caller]
pub fn alike(case: impl Fn(&Nc) -> Seen + Sync) -> Seen {
    let [theirs, ours] = thread::scope(|scope| {
        [Program::Theirs, Program::Ours]
            .map(|program| {
                scope.spawn({
                    let case = &case;
                    move || case(&Nc::new(program))
                })
            })
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    assert!(theirs.is_like(&ours), "not alike:\n{theirs}\n{ours}");
    ours
}
