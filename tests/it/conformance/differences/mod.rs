//! Where `nc` loses data, hangs, spins, harms or keeps silent, and oxnc does not: for each case what
//! the one does and what the other does. Nobody can depend on the former.
//!
//! With `nc: None` the one is not asked: its part is a race, or does harm. What it does is in the
//! comment.

mod datagrams;
mod listeners;
mod proxies;
mod streams;
mod unix;

use super::{End, Nc, Seen, shown, side::Program};
use crate::util::{DEADLINE, Signal, ms};

/// Makes a test of each row.
macro_rules! differences {
    ($($(#[$doc:meta])* $name:ident: $case:expr, nc: $nc:expr, oxnc: $oxnc:expr;)+) => {
        $($(#[$doc])* #[test] fn $name() {
            needs!("nc.openbsd", "root");
            $crate::conformance::differences::differ(&$case, &$nc, &$oxnc);
        })+
    };
}
pub(super) use differences;

/// What a program is expected to come to.
pub(super) struct Comes {
    end: End,
    stdout: Option<&'static [u8]>,
    heard: Option<&'static [u8]>,
    /// A part of a line that it says, or all of it: nothing.
    says: Option<&'static str>,
}

const fn ends(end: End) -> Comes {
    Comes {
        end,
        stdout: None,
        heard: None,
        says: None,
    }
}

pub(super) const fn exits(code: i32) -> Comes {
    ends(End::Exit(code))
}

pub(super) const fn hangs() -> Comes {
    ends(End::Hangs)
}

pub(super) fn dies_of(signal: Signal) -> Comes {
    ends(End::Signal(signal.as_raw()))
}

impl Comes {
    pub(super) const fn writing(mut self, bytes: &'static [u8]) -> Self {
        self.stdout = Some(bytes);
        self
    }

    /// This is what its peer heard, or what else is to be known about it.
    pub(super) const fn hearing(mut self, bytes: &'static [u8]) -> Self {
        self.heard = Some(bytes);
        self
    }

    pub(super) const fn saying(mut self, part: &'static str) -> Self {
        self.says = Some(part);
        self
    }

    pub(super) const fn silent(self) -> Self {
        self.saying("")
    }

    #[track_caller]
    fn is(&self, program: Program, case: &dyn Fn(&Nc) -> Seen) {
        let patience = if self.end == End::Hangs {
            ms(500)
        } else {
            DEADLINE
        };
        let seen = case(&Nc::new(program).with_patience(patience));
        assert_eq!(seen.end, self.end, "{seen}");
        if let Some(stdout) = self.stdout {
            assert_eq!(shown(&seen.stdout), shown(stdout), "{seen}");
        }
        if let Some(heard) = self.heard {
            assert_eq!(shown(&seen.heard), shown(heard), "{seen}");
        }
        match self.says {
            Some("") => assert!(seen.stderr.is_empty(), "{seen}"),
            Some(part) => {
                let says = seen.stderr.iter().any(|line| line.contains(part));
                assert!(says, "not {part:?} but:\n{seen}");
            }
            None => {}
        }
    }
}

#[track_caller]
pub(super) fn differ(case: &(dyn Fn(&Nc) -> Seen + Sync), nc: &Option<Comes>, oxnc: &Comes) {
    if let Some(nc) = nc {
        nc.is(Program::Theirs, case);
    }
    oxnc.is(Program::Ours, case);
}
