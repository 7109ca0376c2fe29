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
}

impl Carrier {
    pub(super) fn new(capacity: usize, pipes: Pipes) -> Self {
        Self {
            buffer: Buffer::new(capacity),
            pipes,
            lease: None,
            splices: true,
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

/// What splice(2) says where it does not work: EINVAL for a file system, a device or O_APPEND.
fn refuses(e: &io::Error) -> bool {
    matches!(
        e.raw_os_error(),
        Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP)
    )
}
