//! One interface for everything that bytes come from and go to.

mod datagram;
mod lines;
mod socket;
mod stdio;
mod telnet;
mod unix;

use std::{
    io,
    os::fd::BorrowedFd,
    time::{Duration, Instant},
};

pub(crate) use datagram::{Arrival, DatagramSockets, Datagrams, Flow, is_refusal};
pub(crate) use lines::Lines;
pub(crate) use socket::Socket;
pub(crate) use stdio::{InputKind, Stdio};
pub(crate) use telnet::Telnet;
pub(crate) use unix::UnixSocket;

pub(crate) use crate::event::Want;

/// What one attempt that never waits came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Io {
    /// So many bytes moved; for [`Stream::finish`], 0: it is done.
    Moved(usize),
    /// Nothing can move now; [`Stream::arm`] and wait.
    Blocked,
    /// The peer's end, or the input's.
    Eof,
}

/// Descriptors that the kernel may move bytes between on its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    /// A regular file that bytes come from; it never waits.
    pub file: Option<BorrowedFd<'a>>,
    /// Where else bytes come from.
    pub source: Option<BorrowedFd<'a>>,
    /// Where bytes go to.
    pub sink: Option<BorrowedFd<'a>>,
}

/// What the peer's kernel has not acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Backlog {
    /// Bytes, the FIN counting as one.
    pub bytes: usize,
    /// Whether the peer's kernel owes us an answer.
    pub owed: Owed,
}

/// An answer that the peer's kernel owes us, and since when it has sent none at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Owed {
    /// None: its window is closed and it has answered the last probe, or nothing is on its way.
    #[default]
    Nothing,
    /// For segments on their way.
    Segments(Duration),
    /// For a probe of its closed window, which may have been sent just now.
    Probe(Duration),
}

/// Two ways, one that is read and one that is written. No call waits, and none changes what others
/// who share a descriptor can see of it.
pub(crate) trait Stream {
    /// Takes bytes in. [`Io::Moved`] with 0: something came that was not data.
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Io>;

    /// Gives bytes out; `buf` is not empty.
    fn send(&mut self, buf: &[u8]) -> io::Result<Io>;

    /// Passes the end on, after the last byte: FIN, or a close that is checked. When it is blocked,
    /// wait and call it again.
    fn finish(&mut self) -> io::Result<Io>;

    /// Cuts: a reset where there is such a thing, never a clean end.
    fn abort(&mut self);

    /// Asks the event loop for a wake-up when what the pumps want can go on.
    fn arm(&mut self, want: Want) -> io::Result<()>;

    /// From here on the wake-up for reading waits for so many bytes, or the end. False: it does not,
    /// a single byte is enough.
    fn expect(&mut self, bytes: usize) -> bool {
        let _ = bytes;
        false
    }

    /// Asks the event loop for a wake-up when the stream fails, though nothing is wanted of it.
    fn watch(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Until when it gives nothing, which no event tells the end of. To be asked before
    /// [`Stream::recv`], but not before what came last has been passed on.
    fn due(&mut self, _now: Instant) -> Option<Instant> {
        None
    }

    /// From here on the event loop tells of its wake-ups by this number, for those who have many.
    fn number(&mut self, number: usize);

    /// Fails with the error that has come since the last call, if one has.
    fn check(&self) -> io::Result<()> {
        Ok(())
    }

    /// Has the kernel look after a peer that owes nothing: find out whether it is still there.
    fn keep_alive(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// What was sent and has not arrived.
    fn backlog(&self) -> io::Result<Backlog> {
        Ok(Backlog::default())
    }

    /// How long ago the peer's kernel has acknowledged anything, where that is known.
    fn answered(&self) -> Option<Duration> {
        None
    }

    /// Bytes that were sent beside those that were given to [`Stream::send`].
    fn overhead(&self) -> u64 {
        0
    }

    /// Whether what comes next is urgent data, before which splice(2) stops as if there were nothing,
    /// or the end; [`Stream::recv`] goes on.
    fn is_at_mark(&self) -> bool {
        false
    }

    /// The zero-copy door; none while anything looks at the bytes.
    fn raw(&self) -> Option<Raw<'_>> {
        None
    }
}

/// The result of a system call as an attempt: EAGAIN means blocked, EINTR another try.
pub(crate) fn attempt(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<Io> {
    loop {
        match call() {
            Ok(n) => return Ok(Io::Moved(n)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(Io::Blocked),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// The same for a read, where nothing is the end.
pub(crate) fn attempt_read(call: impl FnMut() -> io::Result<usize>) -> io::Result<Io> {
    Ok(match attempt(call)? {
        Io::Moved(0) => Io::Eof,
        io => io,
    })
}

/// An error once more, for whoever else has to be told.
pub(crate) fn same_error(e: &io::Error) -> io::Error {
    match e.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(e.kind(), e.to_string()),
    }
}
