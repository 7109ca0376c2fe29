//! Secrets, read before anything is connected: from a file, the environment or the terminal.

use std::{
    ffi::OsStr,
    io,
    os::{fd::AsFd, unix::ffi::OsStrExt as _},
    path::Path,
    time::Instant,
};

use rustix::{
    fs::{FileType, Mode, OFlags},
    io::Errno,
    termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios},
};

use super::Stage;
use crate::{
    event::{Source, Wake, Want},
    net::MD5_KEY_LIMIT,
    os,
    outcome::Status,
    plan::SecretSource,
    report::{escape, reason},
};

/// What is asked for, in words.
pub(super) struct Secret {
    /// Its name.
    what: &'static str,
    /// The options that say where it is.
    options: &'static str,
    /// How many bytes it may have.
    limit: usize,
}

/// The key of `--md5sig`.
pub(super) const MD5_KEY: Secret = Secret {
    what: "TCP MD5 signature key",
    options: "--md5sig-key-file or --md5sig-key-env",
    limit: MD5_KEY_LIMIT,
};

/// Reads a secret. What is wrong is said, and comes back as the status to end with.
pub(super) fn read(
    stage: &mut Stage,
    from: &SecretSource,
    secret: &Secret,
) -> Result<Vec<u8>, Status> {
    let bytes = match from {
        SecretSource::File(path) => from_file(stage, path, secret.limit),
        SecretSource::Environment(name) => std::env::var_os(name)
            .map(|value| value.as_bytes().to_vec())
            .ok_or(Failure::NoVariable),
        SecretSource::Terminal => from_terminal(stage, secret),
    };
    let failure = match bytes {
        Ok(bytes) if bytes.is_empty() => Failure::Empty,
        Ok(bytes) if bytes.len() > secret.limit => Failure::Long,
        Ok(bytes) => return Ok(bytes),
        Err(failure) => failure,
    };
    if let Some(text) = failure.text(from, secret) {
        stage.report.failure(&text);
    }
    Err(failure.status())
}

enum Failure {
    NoTerminal,
    NoVariable,
    Empty,
    Long,
    Unreadable(io::Error),
    Late,
    Signal(i32),
}

impl Failure {
    fn status(&self) -> Status {
        match self {
            Self::NoTerminal | Self::NoVariable | Self::Empty | Self::Long => Status::Usage,
            Self::Unreadable(_) => Status::Local,
            Self::Late => Status::Expired,
            Self::Signal(number) => Status::Signal(*number),
        }
    }

    fn text(&self, from: &SecretSource, secret: &Secret) -> Option<String> {
        let Secret {
            what,
            options,
            limit,
        } = secret;
        let shown = |name: &OsStr| escape(&name.to_string_lossy()).into_owned();
        let place = match from {
            SecretSource::File(path) => format!("in {}", shown(path.as_os_str())),
            SecretSource::Environment(name) => format!("in the variable {}", shown(name)),
            SecretSource::Terminal => "from the terminal".to_owned(),
        };
        Some(match self {
            Self::NoTerminal => {
                format!("there is no terminal to ask for the {what} on; give it by {options}")
            }
            Self::NoVariable => format!("there is no {what} {place}, which is not set"),
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

fn from_file(stage: &mut Stage, path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    let fifo = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) == FileType::Fifo;
    // Before its first writer has come, a named FIFO looks as if its last one had gone.
    let first = fifo && !os::is_anonymous_pipe(&file);
    let source = stage.reactor.adopt(file)?;
    if first {
        wait(stage, &source)?;
    }
    line(stage, &source, limit)
}

fn from_terminal(stage: &mut Stage, secret: &Secret) -> Result<Vec<u8>, Failure> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let terminal = rustix::fs::open("/dev/tty", flags, Mode::empty());
    let source = stage
        .reactor
        .adopt(terminal.map_err(|_| Failure::NoTerminal)?)?;
    let prompt = format!("{}: ", secret.what);
    let silence = Silence::on(&source)?;
    rustix::io::write(&source, prompt.as_bytes())?;
    let answer = line(stage, &source, secret.limit);
    drop(silence);
    // The end of the line was not echoed either. Whether it can be is no reason to fail.
    let _ = rustix::io::write(&source, b"\n");
    answer
}

/// The first line, without its end. Of one that is too long, only so much that it can be told.
fn line(stage: &mut Stage, source: &Source, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut line = Vec::new();
    let mut buffer = [0; 256];
    while line.len() <= limit + b"\r\n".len() {
        match rustix::io::read(source, &mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                let chunk = buffer.get(..n).unwrap_or_default();
                let end = chunk.iter().position(|byte| *byte == b'\n');
                line.extend(chunk.get(..end.unwrap_or(n)).unwrap_or_default());
                if end.is_some() {
                    line.pop_if(|byte| *byte == b'\r');
                    break;
                }
            }
            Err(Errno::AGAIN) => wait(stage, source)?,
            Err(Errno::INTR) => {}
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
        // key would be asked for no more. 0 is _POSIX_VDISABLE on Linux.
        silent.special_codes[SpecialCodeIndex::VSUSP] = 0;
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
