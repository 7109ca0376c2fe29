//! Standard input and output as one stream.
//!
//! `O_NONBLOCK` belongs to the open file description, which 0, 1 and 2 share with the shell and with
//! every process of a pipeline. It is never set here, not even for a moment. Instead each kind of
//! file has its own way of not waiting, see [`Way`].
//!
//! Both descriptors are moved away first and /dev/null takes their places, so that closing ours is
//! the last close of this process: a pipe behind us ends, and what close(2) says can be heard.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    event::PollFlags,
    fs::{FileType, OFlags},
    net::{RecvFlags, SendFlags, Shutdown},
    pipe::{fcntl_getpipe_size, fcntl_setpipe_size},
};

use super::{Io, Raw, Stream, Want, attempt, attempt_read};
use crate::{
    event::{self, Reactor, Source},
    os,
};

/// What standard input is, as far as the rules of the end of data ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputKind {
    /// There is nothing to send: /dev/null, a closed descriptor, or it was asked for.
    Nothing,
    /// A person, who notices when the conversation is over.
    Terminal,
    /// A pipe without a name, or a socket: whoever is at its other end may have nothing to say.
    Pipe,
    /// A regular file: it never waits, and it ends by itself.
    File,
    /// A named pipe or a device.
    Other,
}

/// Standard input and output.
pub(crate) struct Stdio {
    input: Option<Descriptor>,
    output: Output,
    kind: InputKind,
}

enum Output {
    Open(Descriptor),
    /// It was closed when we were started; the first byte for it is an error.
    Missing,
    /// What comes is thrown away.
    Discard,
    Closed,
}

impl Stdio {
    /// Takes 0 and 1 over. Without `input`, 0 stays where it is and there is nothing to send; with
    /// `discard`, so does 1 and what comes is thrown away.
    pub(crate) fn take(reactor: &Reactor, input: bool, discard: bool) -> io::Result<Self> {
        let (input, kind) = if input {
            take_input(reactor)?
        } else {
            (None, InputKind::Nothing)
        };
        let output = if discard {
            Output::Discard
        } else if os::stdout_was_closed() {
            Output::Missing
        } else {
            let fd = replace(rustix::stdio::stdout(), rustix::stdio::dup2_stdout)?;
            Output::Open(Descriptor::new(reactor, fd, OFlags::WRONLY)?)
        };
        Ok(Self {
            input,
            output,
            kind,
        })
    }

    /// How much standard input and output hold, where they are pipes.
    pub(crate) fn pipe_sizes(&self) -> (Option<usize>, Option<usize>) {
        let size = |d: &Descriptor| fcntl_getpipe_size(&d.source).ok();
        let output = match &self.output {
            Output::Open(output) => size(output),
            Output::Missing | Output::Discard | Output::Closed => None,
        };
        (self.input.as_ref().and_then(size), output)
    }

    /// What standard input is.
    pub(crate) fn input_kind(&self) -> InputKind {
        self.kind
    }
}

impl Stream for Stdio {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Io> {
        match &self.input {
            Some(input) => input.read(buf),
            None => Ok(Io::Eof),
        }
    }

    fn send(&mut self, buf: &[u8]) -> io::Result<Io> {
        match &self.output {
            Output::Open(output) => output.write(buf),
            Output::Discard => Ok(Io::Moved(buf.len())),
            Output::Missing | Output::Closed => Err(io::Error::from_raw_os_error(libc::EBADF)),
        }
    }

    fn finish(&mut self) -> io::Result<Io> {
        if let Output::Open(output) = std::mem::replace(&mut self.output, Output::Closed) {
            output.close()?;
        }
        Ok(Io::Moved(0))
    }

    fn abort(&mut self) {
        self.input = None;
        self.output = Output::Closed;
    }

    fn arm(&mut self, want: Want) -> io::Result<()> {
        if let Some(input) = &self.input {
            input.source.arm(Want {
                write: false,
                ..want
            })?;
        }
        if let Output::Open(output) = &self.output {
            output.source.arm(Want {
                read: false,
                ..want
            })?;
        }
        Ok(())
    }

    fn watch(&mut self) -> io::Result<()> {
        match &self.output {
            Output::Open(output) => output.source.watch(),
            Output::Missing | Output::Discard | Output::Closed => Ok(()),
        }
    }

    /// Whether standard output still has a reader, as far as that shows before something is written.
    fn check(&self) -> io::Result<()> {
        let Output::Open(output) = &self.output else {
            return Ok(());
        };
        let state = event::ready(output.source.as_fd(), PollFlags::empty())?;
        if state.intersects(PollFlags::ERR | PollFlags::HUP) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }

    fn number(&mut self, number: usize) {
        if let Some(input) = &self.input {
            input.source.number(number);
        }
        if let Output::Open(output) = &self.output {
            output.source.number(number);
        }
    }

    fn raw(&self) -> Option<Raw<'_>> {
        let sink = match &self.output {
            Output::Open(output) => output.raw(),
            Output::Missing | Output::Discard | Output::Closed => None,
        };
        let input = self.input.as_ref();
        let door = input.and_then(Descriptor::raw);
        let (file, source) = match input {
            Some(input) if input.way == Way::Plain => (door, None),
            _ => (None, door),
        };
        Some(Raw { file, source, sink })
    }
}

fn take_input(reactor: &Reactor) -> io::Result<(Option<Descriptor>, InputKind)> {
    let stdin = rustix::stdio::stdin();
    let kind = match FileType::from_raw_mode(rustix::fs::fstat(stdin)?.st_mode) {
        FileType::CharacterDevice if is_dev_null(stdin)? => return Ok((None, InputKind::Nothing)),
        FileType::CharacterDevice if rustix::termios::isatty(stdin) => InputKind::Terminal,
        FileType::Fifo if os::is_anonymous_pipe(stdin) => InputKind::Pipe,
        FileType::Socket => InputKind::Pipe,
        FileType::RegularFile => InputKind::File,
        _ => InputKind::Other,
    };
    let fd = replace(stdin, rustix::stdio::dup2_stdin)?;
    Ok((Some(Descriptor::new(reactor, fd, OFlags::RDONLY)?), kind))
}

/// Moves a standard descriptor out of the way and puts /dev/null in its place.
fn replace(
    fd: BorrowedFd<'_>,
    put: impl FnOnce(OwnedFd) -> rustix::io::Result<()>,
) -> io::Result<OwnedFd> {
    let ours = rustix::io::fcntl_dupfd_cloexec(fd, 3)?;
    let null = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    put(null.into())?;
    Ok(ours)
}

fn is_dev_null(fd: BorrowedFd<'_>) -> io::Result<bool> {
    // Device 1:3 on every Linux: Documentation/admin-guide/devices.txt.
    Ok(rustix::fs::fstat(fd)?.st_rdev == rustix::fs::makedev(1, 3))
}

/// How a descriptor is read or written without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Regular files, block devices, /dev/zero: epoll refuses them because they never wait.
    Plain,
    /// Pipes without a name: each call says that it must not wait. (A named one refuses that, and so
    /// do kernels before 6.4.)
    PerCall,
    /// Sockets: likewise.
    Socket,
    /// Terminals and named pipes: opened again, non-blocking, a description of our own.
    Private,
    /// Everything else, and what may not be opened again (somebody else's terminal): poll(2) says
    /// that something can move, and then no more is tried than what surely can.
    Polled,
}

/// What surely can be written when poll(2) says that anything can: PIPE_BUF for a pipe (pipe(7)), a
/// byte for a terminal. (A line end that becomes two can still find room for one only.)
const PIPE_TAKES: usize = 4096;
const TERMINAL_TAKES: usize = 1;

/// The size of a wide pipe: the most that an unprivileged user may ask for, pipe(7).
const WIDE: usize = 1 << 20;

struct Descriptor {
    source: Source,
    way: Way,
    terminal: bool,
    /// Bytes may be spliced.
    door: bool,
}

impl Descriptor {
    fn new(reactor: &Reactor, fd: OwnedFd, access: OFlags) -> io::Result<Self> {
        let terminal = rustix::termios::isatty(&fd);
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode);
        if kind == FileType::Fifo {
            widen(&fd);
        }
        let (fd, way) = match kind {
            FileType::Fifo if os::is_anonymous_pipe(&fd) => (fd, Way::PerCall),
            FileType::Socket => (fd, Way::Socket),
            _ if os::is_pty_master(&fd) => (fd, Way::Polled),
            _ if terminal || kind == FileType::Fifo => match os::reopen_nonblocking(&fd, access) {
                Ok(private) => (private, Way::Private),
                Err(e) => {
                    log::debug!("cannot open it again: {e}");
                    (fd, Way::Polled)
                }
            },
            _ => (fd, Way::Polled),
        };
        let source = reactor.adopt(fd)?;
        let way = if source.is_pollable() {
            way
        } else {
            Way::Plain
        };
        // Other devices and terminals would have to be asked first whether they wait.
        let door = match kind {
            FileType::Fifo | FileType::RegularFile => true,
            _ => access == OFlags::WRONLY && is_dev_null(source.as_fd())?,
        };
        log::debug!("{access:?} {kind:?}: {way:?}, door {door}");
        Ok(Self {
            source,
            way,
            terminal,
            door,
        })
    }

    fn read(&self, buf: &mut [u8]) -> io::Result<Io> {
        let fd = self.source.as_fd();
        let read = match self.way {
            Way::Plain | Way::Private => attempt_read(|| Ok(rustix::io::read(fd, &mut *buf)?)),
            Way::PerCall => match attempt_read(|| os::read_nowait(fd, buf)) {
                Err(e) if is_unsupported(&e) => polled_read(fd, buf),
                other => other,
            },
            Way::Socket => {
                attempt_read(|| Ok(rustix::net::recv(fd, &mut *buf, RecvFlags::DONTWAIT)?.0))
            }
            Way::Polled => polled_read(fd, buf),
        };
        match read {
            // A terminal that was hung up, or whose other side has gone: its end, tty_ioctl(4).
            Err(e) if self.terminal && e.raw_os_error() == Some(libc::EIO) => Ok(Io::Eof),
            other => other,
        }
    }

    fn write(&self, buf: &[u8]) -> io::Result<Io> {
        let fd = self.source.as_fd();
        match self.way {
            Way::Plain | Way::Private => attempt(|| Ok(rustix::io::write(fd, buf)?)),
            Way::PerCall => match attempt(|| os::write_nowait(fd, buf)) {
                Err(e) if is_unsupported(&e) => polled_write(fd, buf, PIPE_TAKES),
                other => other,
            },
            Way::Socket => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                attempt(|| Ok(rustix::net::send(fd, buf, flags)?))
            }
            Way::Polled if self.terminal => polled_write(fd, buf, TERMINAL_TAKES),
            Way::Polled => polled_write(fd, buf, PIPE_TAKES),
        }
    }

    /// Ends a way that was written: a socket, whose description others may hold too, is shut down.
    fn close(self) -> io::Result<()> {
        if self.way == Way::Socket {
            match rustix::net::shutdown(&self.source, Shutdown::Write) {
                // The other side has gone already.
                Ok(()) | Err(rustix::io::Errno::NOTCONN) => {}
                Err(e) => return Err(e.into()),
            }
        }
        self.source.release().map_or(Ok(()), os::close)
    }

    fn raw(&self) -> Option<BorrowedFd<'_>> {
        self.door.then(|| self.source.as_fd())
    }
}

/// Our neighbours' pipes: 1 MiB where allowed doubles pipe to pipe. An unprivileged user who has many
/// wide pipes already gets EPERM, and 64 KiB does too.
fn widen(pipe: &OwnedFd) {
    if fcntl_getpipe_size(pipe).is_ok_and(|size| size < WIDE)
        && let Err(e) = fcntl_setpipe_size(pipe, WIDE)
    {
        log::debug!("a pipe stays as it is: {e}");
    }
}

fn polled_read(fd: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<Io> {
    if event::ready(fd, PollFlags::IN)?.is_empty() {
        return Ok(Io::Blocked);
    }
    attempt_read(|| Ok(rustix::io::read(fd, &mut *buf)?))
}

fn polled_write(fd: BorrowedFd<'_>, buf: &[u8], most: usize) -> io::Result<Io> {
    if event::ready(fd, PollFlags::OUT)?.is_empty() {
        return Ok(Io::Blocked);
    }
    let some = buf.get(..most).unwrap_or(buf);
    attempt(|| Ok(rustix::io::write(fd, some)?))
}

fn is_unsupported(e: &io::Error) -> bool {
    e.raw_os_error() == Some(libc::EOPNOTSUPP)
}
