//! What came of a program, and what may be said about it.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus, time::Duration};

use rustix::process::Signal;

use super::{Digest, SLACK};

/// A program that has ended.
#[derive(Debug)]
pub struct Done {
    pub line: String,
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub digest: Digest,
    pub stderr: String,
    pub took: Duration,
}

impl Done {
    /// It did all that was asked, and has nothing to say.
    #[track_caller]
    pub fn succeeds(&self) -> &Self {
        assert_eq!(
            self.status.code(),
            Some(0),
            "{}: {}\n{}",
            self.line,
            self.status,
            self.stderr
        );
        assert_eq!(
            self.stderr, "",
            "{} talks although nothing is wrong",
            self.line
        );
        self
    }

    /// It ended with `code`, and said in one line what was wrong, using these words.
    #[track_caller]
    pub fn fails(&self, code: i32, words: &[&str]) -> &Self {
        let Self {
            line,
            status,
            stderr,
            ..
        } = self;
        assert_eq!(status.code(), Some(code), "{line}: {status}\n{stderr}");
        assert!(stderr.starts_with("oxnc: "), "{line} said {stderr:?}");
        assert!(
            stderr.ends_with('\n') && stderr.lines().count() == 1,
            "{line} said {stderr:?}"
        );
        let text = stderr.to_lowercase();
        for word in words {
            assert!(
                text.contains(&word.to_lowercase()),
                "no {word:?} in {stderr:?} of {line}"
            );
        }
        self
    }

    /// It ended with `code`, whatever it said (for programs that are not ours).
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(
            self.status.code(),
            Some(code),
            "{}: {}\n{}",
            self.line,
            self.status,
            self.stderr
        );
        self
    }

    /// It was ended by a signal.
    #[track_caller]
    pub fn dies_of(&self, signal: Signal) -> &Self {
        let Self {
            line,
            status,
            stderr,
            ..
        } = self;
        assert_eq!(
            status.signal(),
            Some(signal.as_raw()),
            "{line}: {status}\n{stderr}"
        );
        self
    }

    /// What it wrote.
    #[track_caller]
    pub fn wrote(&self, bytes: &[u8]) -> &Self {
        assert!(
            self.stdout == bytes,
            "{}: {} bytes on stdout instead of {}: {:?}",
            self.line,
            self.stdout.len(),
            bytes.len(),
            String::from_utf8_lossy(self.stdout.get(..200).unwrap_or(&self.stdout)),
        );
        self
    }

    /// It took this long, give or take what a busy machine adds.
    #[track_caller]
    pub fn took_about(&self, time: Duration) -> &Self {
        let Self {
            line, took, stderr, ..
        } = self;
        assert!(*took >= time, "{line}: {took:?}, too early\n{stderr}");
        assert!(
            *took <= time + SLACK,
            "{line}: {took:?}, too late\n{stderr}"
        );
        self
    }
}
