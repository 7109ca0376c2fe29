//! The bytes of one direction that have been taken and not been passed on: in a kernel pipe where
//! both ends allow it, in memory otherwise.

use std::io;

use super::{
    buffer::Buffer,
    pipes::{Lease, Pipes},
};
use crate::stream::{Io, Stream, attempt, attempt_read};

/// What carries the bytes of one direction.
pub(super) struct Carrier {
    buffer: Buffer,
    pipes: Pipes,
    lease: Option<Lease>,
    /// Neither end has refused to splice so far.
    splices: bool,
    /// The file has not refused to be sent so far.
    sends_file: bool,
}

/// What sending from a file straight to the sink came to.
pub(super) enum Sent {
    /// As ever.
    Io(Io),
    /// The sink failed.
    SinkFailed(io::Error),
    /// It cannot be done, now or for ever: go the long way.
    Refused,
}

/// What is sent of a file at once.
const FILE_CHUNK: usize = 1 << 20;

impl Carrier {
    pub(super) fn new(capacity: usize, pipes: Pipes) -> Self {
        Self {
            buffer: Buffer::new(capacity),
            pipes,
            lease: None,
            splices: true,
            sends_file: true,
        }
    }

    /// Bytes inside.
    pub(super) fn held(&self) -> usize {
        self.buffer.held() + self.lease.as_ref().map_or(0, Lease::held)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held() == 0
    }

    /// Whether another byte may be taken. A pipe is filled again only when it is empty: it has no
    /// way to tell "full" from "nothing came", and the source must not be blamed for either.
    pub(super) fn has_room(&self) -> bool {
        self.lease.is_none() && self.buffer.has_room()
    }

    /// Sends once from a file to the sink, past everything that is here; nothing may be inside. For
    /// the kernel it is one call where a pipe between them takes two: sendfile(2).
    pub(super) fn send_file(&mut self, from: &dyn Stream, to: &dyn Stream) -> Sent {
        let (Some(from), Some(to)) = (from.raw(), to.raw()) else {
            return Sent::Refused;
        };
        let (Some(file), Some(sink), true) = (from.file, to.sink, self.sends_file) else {
            return Sent::Refused;
        };
        match attempt_read(|| Ok(rustix::fs::sendfile(sink, file, None, FILE_CHUNK)?)) {
            Ok(io) => Sent::Io(io),
            Err(e) if is_the_sinks(&e) => Sent::SinkFailed(e),
            // Reading the file in our own name tells what is wrong with it, if anything is.
            Err(e) => {
                log::debug!("sendfile: {e}");
                self.sends_file = is_passing(&e);
                Sent::Refused
            }
        }
    }

    /// Takes bytes in once; `to` is asked only whether it splices.
    pub(super) fn fill(&mut self, from: &mut dyn Stream, to: &dyn Stream) -> io::Result<Io> {
        if self.splices
            && self.buffer.is_empty()
            && to.raw().is_some_and(|raw| raw.sink.is_some())
            && let Some(source) = from.raw().and_then(|raw| raw.source)
            && let Some(mut lease) = self.pipes.lend()
        {
            let taken = attempt_read(|| lease.fill(source));
            self.keep(lease);
            match taken {
                Err(e) if refuses(&e) => self.splices = false,
                Ok(Io::Blocked | Io::Eof) if from.is_at_mark() => {}
                other => return other,
            }
        }
        self.buffer.fill(|buf| from.recv(buf))
    }

    /// Passes bytes on once; there are some.
    pub(super) fn drain(&mut self, to: &mut dyn Stream) -> io::Result<Io> {
        if self.buffer.is_empty()
            && let Some(mut lease) = self.lease.take()
        {
            if let Some(sink) = to.raw().and_then(|raw| raw.sink).filter(|_| self.splices) {
                match attempt(|| lease.drain(sink)) {
                    Err(e) if refuses(&e) => self.splices = false,
                    passed => {
                        self.keep(lease);
                        return passed;
                    }
                }
            }
            // The sink does not splice, and what the pipe holds must not be lost.
            let taken = self.buffer.fill(|buf| attempt(|| lease.read(buf)));
            self.keep(lease);
            taken?;
        }
        self.buffer.drain(|buf| to.send(buf))
    }

    /// Gives everything back; whatever is inside is dropped.
    pub(super) fn release(&mut self) {
        self.lease = None;
        self.buffer.release();
    }

    fn keep(&mut self, lease: Lease) {
        match lease.held() {
            0 => lease.give_back(),
            _ => self.lease = Some(lease),
        }
    }
}

/// What only a connection says; once told it is not told again, so it must not be lost.
fn is_the_sinks(e: &io::Error) -> bool {
    matches!(
        e.raw_os_error(),
        Some(
            libc::EPIPE
                | libc::ECONNRESET
                | libc::ECONNABORTED
                | libc::ENOTCONN
                | libc::ESHUTDOWN
                | libc::ETIMEDOUT
                | libc::EHOSTUNREACH
                | libc::EHOSTDOWN
                | libc::ENETUNREACH
                | libc::ENETDOWN
                | libc::EPROTO
                | libc::EACCES
                | libc::EPERM
        )
    )
}

/// The kernel is short of memory for the moment.
pub(super) fn is_passing(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM))
}

/// What splice(2) says where it does not work: EINVAL for a file system, a device or O_APPEND.
fn refuses(e: &io::Error) -> bool {
    matches!(
        e.raw_os_error(),
        Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP)
    )
}
