//! Secrets, read before anything is connected: from a file, the environment or the terminal.

use std::{
    borrow::Cow,
    ffi::OsStr,
    io,
    os::{
        fd::{AsFd, RawFd},
        unix::ffi::OsStringExt as _,
    },
    path::Path,
    time::Instant,
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios},
};

use super::Stage;
use crate::{
    event::{Source, Wake, Want},
    net::MD5_KEY_LIMIT,
    os,
    outcome::Status,
    plan::{Secret, SecretSource},
    report::{escape, reason},
};

/// What is asked for, in words.
pub(super) struct Question<'a> {
    /// Its name.
    pub what: &'static str,
    /// What is written to a terminal.
    pub prompt: Cow<'a, str>,
    /// The options that say where it is.
    pub options: &'static str,
    /// How many bytes it may have.
    pub limit: usize,
}

/// The key of `--md5sig`.
pub(super) const MD5_KEY: Question<'static> = Question {
    what: "TCP MD5 signature key",
    prompt: Cow::Borrowed("TCP MD5 signature key: "),
    options: "--md5sig-key-file or --md5sig-key-env",
    limit: MD5_KEY_LIMIT,
};

/// Reads a secret. What is wrong is said, and comes back as the status to end with.
pub(super) fn read(
    stage: &mut Stage,
    from: &SecretSource,
    question: &Question<'_>,
) -> Result<Secret, Status> {
    let secret = match from {
        SecretSource::File(path) => from_file(stage, path, question.limit),
        SecretSource::Descriptor(number) => from_descriptor(stage, *number, question.limit),
        SecretSource::Environment(name) => std::env::var_os(name)
            .map(|value| Secret::from(value.into_vec()))
            .ok_or(Failure::NoVariable),
        SecretSource::Terminal => from_terminal(stage, question),
    };
    let failure = match secret {
        Ok(secret) if secret.bytes().is_empty() => Failure::Empty,
        Ok(secret) if secret.bytes().len() > question.limit => Failure::Long,
        Ok(secret) => return Ok(secret),
        Err(failure) => failure,
    };
    if let Some(text) = failure.text(from, question) {
        stage.report.failure(&text);
    }
    Err(failure.status())
}

/// Where a secret comes from, in words that follow its name.
pub(super) fn place(from: &SecretSource) -> String {
    let shown = |name: &OsStr| escape(&name.to_string_lossy()).into_owned();
    match from {
        SecretSource::File(path) => format!("in {}", shown(path.as_os_str())),
        SecretSource::Descriptor(number) => format!("from descriptor {number}"),
        SecretSource::Environment(name) => format!("in the variable {}", shown(name)),
        SecretSource::Terminal => "from the terminal".to_owned(),
    }
}

enum Failure {
    NoTerminal,
    NoVariable,
    NotOpen,
    Empty,
    Long,
    Unreadable(io::Error),
    Late,
    Signal(i32),
}

impl Failure {
    fn status(&self) -> Status {
        match self {
            Self::NoTerminal | Self::NoVariable | Self::NotOpen | Self::Empty | Self::Long => {
                Status::Usage
            }
            Self::Unreadable(_) => Status::Local,
            Self::Late => Status::Expired,
            Self::Signal(number) => Status::Signal(*number),
        }
    }

    fn text(&self, from: &SecretSource, question: &Question<'_>) -> Option<String> {
        let Question {
            what,
            options,
            limit,
            ..
        } = question;
        let place = place(from);
        Some(match self {
            Self::NoTerminal => {
                format!("there is no terminal to ask for the {what} on; give it by {options}")
            }
            Self::NoVariable => format!("there is no {what} {place}, which is not set"),
            Self::NotOpen => format!("there is no {what} {place}, which is not open"),
            Self::Empty => format!("the {what} {place} is empty"),
            Self::Long => format!("the {what} {place} is longer than {limit} bytes"),
            Self::Unreadable(e) => format!("cannot read the {what} {place}: {}", reason(e)),
            Self::Late => format!("there was no {what} {place} in time (--max-time)"),
            Self::Signal(_) => return None,
        })
    }
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Self {
        Self::Unreadable(e)
    }
}

impl From<Errno> for Failure {
    fn from(e: Errno) -> Self {
        Self::Unreadable(e.into())
    }
}

fn from_file(stage: &mut Stage, path: &Path, limit: usize) -> Result<Secret, Failure> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    let source = stage.reactor.adopt(file)?;
    line(stage, &source, limit)
}

fn from_descriptor(stage: &mut Stage, number: RawFd, limit: usize) -> Result<Secret, Failure> {
    let fd = os::adopt_fd(number).map_err(|_| Failure::NotOpen)?;
    let source = stage.reactor.adopt(fd)?;
    line(stage, &source, limit)
}

fn from_terminal(stage: &mut Stage, question: &Question<'_>) -> Result<Secret, Failure> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let terminal = rustix::fs::open("/dev/tty", flags, Mode::empty());
    let source = stage
        .reactor
        .adopt(terminal.map_err(|_| Failure::NoTerminal)?)?;
    let silence = Silence::on(&source)?;
    rustix::io::write(&source, question.prompt.as_bytes())?;
    let answer = line(stage, &source, question.limit);
    drop(silence);
    // The end of the line was not echoed either. Whether it can be is no reason to fail.
    let _ = rustix::io::write(&source, b"\n");
    answer
}

/// The first line, without its end. Of one that is too long, only so much that it can be told.
///
/// Nothing is read before there is something: a descriptor that was passed in may be one that
/// waits, where no signal would end that, and a named FIFO looks as if its last writer had gone
/// before its first one has come.
fn line(stage: &mut Stage, source: &Source, limit: usize) -> Result<Secret, Failure> {
    let mut line = Secret::default();
    let mut buffer = Secret::from(vec![0; 256]);
    // What moves to a larger place leaves itself behind.
    line.bytes_mut().reserve(limit + b"\r\n".len() + 256);
    while line.bytes().len() <= limit + b"\r\n".len() {
        if source.is_pollable() {
            wait(stage, source)?;
        }
        match rustix::io::read(source, buffer.bytes_mut().as_mut_slice()) {
            Ok(0) => break,
            Ok(n) => {
                let chunk = buffer.bytes().get(..n).unwrap_or_default();
                let end = chunk.iter().position(|byte| *byte == b'\n');
                let text = chunk.get(..end.unwrap_or(n)).unwrap_or_default();
                line.bytes_mut().extend_from_slice(text);
                if end.is_some() {
                    line.bytes_mut().pop_if(|byte| *byte == b'\r');
                    break;
                }
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(line)
}

fn wait(stage: &mut Stage, source: &Source) -> Result<(), Failure> {
    source.arm(Want {
        read: true,
        write: false,
    })?;
    while source.is_armed() {
        if let Wake::Signal(number) = stage.reactor.wait(stage.total.at())? {
            return Err(Failure::Signal(number));
        }
        if stage.total.expired(Instant::now()).is_some() {
            return Err(Failure::Late);
        }
    }
    Ok(())
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Silence<'a> {
    terminal: &'a Source,
    before: Termios,
}

impl<'a> Silence<'a> {
    fn on(terminal: &'a Source) -> io::Result<Self> {
        let before = rustix::termios::tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO | LocalModes::ECHONL;
        // Whoever suspends us here would type on in the open: shells turn the echo back on, and the
        // key would be asked for no more. Whoever makes us dump core (Ctrl-\) would find a terminal
        // that shows nothing. 0 is _POSIX_VDISABLE on Linux.
        for key in [SpecialCodeIndex::VSUSP, SpecialCodeIndex::VQUIT] {
            silent.special_codes[key] = 0;
        }
        set(terminal.as_fd(), &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        // If it fails the terminal is gone.
        let _ = set(self.terminal.as_fd(), &self.before);
    }
}

fn set(terminal: impl AsFd, modes: &Termios) -> io::Result<()> {
    // What was typed before the question is no answer to it, and what follows the answer no input.
    let set = || rustix::termios::tcsetattr(&terminal, OptionalActions::Flush, modes);
    Ok(rustix::io::retry_on_intr(set)?)
}
