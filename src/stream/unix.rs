//! A connected Unix socket: non-blocking, and nobody else's.
//!
//! It differs from TCP in how things end. What is sent is in the peer's queue at once, so that
//! nothing is ever unacknowledged. And there is no reset: closing a socket looks like the end of
//! what it sent, unless the socket held bytes that were not read (`unix_release_sock`, the only
//! place that sets a stream peer's error, Linux 6.18). So a cut is marked with an out-of-band byte
//! before the socket is closed. Programs that read in the usual way never see that byte, and for
//! them a cut looks like an end; here it is an error like a reset. Before Linux 5.15 there are no
//! such bytes.

use std::{
    cell::Cell,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::{
    event::PollFlags,
    io::Errno,
    net::{RecvFlags, SendFlags, Shutdown, sockopt},
    time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec},
};

use super::{Io, Raw, Stream, Want, attempt, attempt_read};
use crate::{
    event::{self, Reactor, Source},
    os,
};

/// How long our input may go on for a peer that has closed its socket. TCP takes about as long to
/// find out, which leaves `(echo quit; sleep 1)` the time to end.
const GRACE: Duration = Duration::from_secs(60);

/// A connected Unix stream socket.
pub(crate) struct UnixSocket {
    source: Option<Source>,
    /// The mark of a cut has been taken, and nothing after it.
    marked: Cell<bool>,
    /// There was nothing when the zero-copy door was asked for; what has come since waits for it.
    nothing: Cell<bool>,
    /// Our end has been passed on.
    finished: bool,
    grace: Duration,
    /// The peer has closed its socket.
    gone: Option<Gone>,
}

struct Gone {
    until: Instant,
    timer: Source,
}

/// What is to be read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Nothing,
    /// Bytes, the end or an error. Whatever comes in now, reading stops before a mark.
    Something,
    Mark,
}

impl UnixSocket {
    /// Takes over a socket that is connected and non-blocking.
    pub(crate) fn new(reactor: &Reactor, socket: OwnedFd) -> io::Result<Self> {
        // Whoever has set it would read the mark of a cut as data.
        sockopt::set_socket_oobinline(&socket, false)?;
        Ok(Self {
            source: Some(reactor.adopt(socket)?),
            marked: Cell::new(false),
            nothing: Cell::new(false),
            finished: false,
            grace: GRACE,
            gone: None,
        })
    }

    fn source(&self) -> io::Result<&Source> {
        self.source
            .as_ref()
            .ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))
    }

    fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        self.source().map(Source::as_fd)
    }

    /// Reading at a mark drops it without a word, so that it has to be asked for before. A mark that
    /// comes into an empty queue between question and reading would be missed: then nothing is read.
    fn next(&self) -> io::Result<Next> {
        let fd = self.fd()?;
        let ready = event::ready(fd, PollFlags::IN | PollFlags::PRI)?;
        Ok(if ready.is_empty() {
            Next::Nothing
        } else if ready.contains(PollFlags::PRI) && os::is_at_mark(fd)? {
            Next::Mark
        } else {
            Next::Something
        })
    }

    /// Sending nothing sends nothing, and fails where sending would.
    fn can_send(&self) -> io::Result<bool> {
        Ok(rustix::net::send(self.fd()?, b"", SendFlags::NOSIGNAL).is_ok())
    }

    fn has_hung_up(&self) -> io::Result<bool> {
        Ok(event::ready(self.fd()?, PollFlags::empty())?.contains(PollFlags::HUP))
    }

    fn set_timer(&self) -> io::Result<Gone> {
        // Before the timer is set, so that it never fires early.
        let until = Instant::now() + self.grace;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec::try_from(self.grace).map_err(io::Error::other)?,
        };
        rustix::time::timerfd_settime(&timer, TimerfdTimerFlags::empty(), &once)?;
        log::debug!(
            "the peer has closed its socket; {:?} for the rest",
            self.grace
        );
        Ok(Gone {
            until,
            timer: self.source()?.adopt_beside(timer)?,
        })
    }
}

impl Stream for UnixSocket {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Io> {
        let late = self.nothing.take();
        match self.next()? {
            Next::Nothing => return Ok(Io::Blocked),
            // Next time the door is open. Only where sending fails there may be no next time.
            Next::Something if late && (self.finished || self.can_send()?) => {
                return Ok(Io::Blocked);
            }
            Next::Something => {}
            Next::Mark => self.marked.set(true),
        }
        let fd = self.fd()?;
        let taken = attempt_read(|| Ok(rustix::net::recv(fd, &mut *buf, RecvFlags::empty())?.0))?;
        match taken {
            Io::Moved(_) => self.marked.set(false),
            Io::Eof if self.marked.get() => return Err(Errno::CONNRESET.into()),
            Io::Blocked | Io::Eof => {}
        }
        Ok(taken)
    }

    fn send(&mut self, buf: &[u8]) -> io::Result<Io> {
        let fd = self.fd()?;
        attempt(|| Ok(rustix::net::send(fd, buf, SendFlags::NOSIGNAL)?))
    }

    fn finish(&mut self) -> io::Result<Io> {
        rustix::net::shutdown(self.fd()?, Shutdown::Write)?;
        self.finished = true;
        Ok(Io::Moved(0))
    }

    fn abort(&mut self) {
        if let Some(source) = self.source.take() {
            mark_cut(source.as_fd());
        }
    }

    fn arm(&mut self, want: Want) -> io::Result<()> {
        self.source()?.arm(want)
    }

    /// A socket whose peer has hung up would wake us for ever.
    fn watch(&mut self) -> io::Result<()> {
        if !self.has_hung_up()? {
            return self.source()?.watch();
        }
        if self.gone.is_none() {
            self.gone = Some(self.set_timer()?);
        }
        self.gone.as_ref().map_or(Ok(()), |gone| {
            gone.timer.arm(Want {
                read: true,
                write: false,
            })
        })
    }

    fn number(&mut self, number: usize) {
        if let Some(source) = &self.source {
            source.number(number);
        }
    }

    fn check(&self) -> io::Result<()> {
        sockopt::socket_error(self.fd()?)??;
        match &self.gone {
            Some(gone) if !self.finished && Instant::now() >= gone.until => Err(Errno::PIPE.into()),
            _ => Ok(()),
        }
    }

    fn raw(&self) -> Option<Raw<'_>> {
        let fd = self.fd().ok()?;
        let next = self.next();
        self.nothing.set(matches!(next, Ok(Next::Nothing)));
        let plain = !self.marked.get() && matches!(next, Ok(Next::Something));
        Some(Raw {
            file: None,
            source: plain.then_some(fd),
            sink: Some(fd),
        })
    }
}

/// Marks what was sent as cut off. A queue that is full gets room for one more byte. Nothing more can
/// be done where it fails: the peer has gone, or our end was passed on before.
fn mark_cut(socket: BorrowedFd<'_>) {
    let mark = || rustix::net::send(socket, b"!", SendFlags::OOB | SendFlags::NOSIGNAL);
    let mut marked = mark();
    if marked == Err(Errno::AGAIN) {
        // The kernel doubles what is asked for, socket(7).
        let more = sockopt::socket_send_buffer_size(socket)
            .and_then(|size| sockopt::set_socket_send_buffer_size(socket, size));
        marked = more.and_then(|()| mark());
    }
    if let Err(e) = marked {
        log::debug!("the cut is not marked: {e}");
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        os::unix::net::UnixStream,
    };

    use super::*;

    fn pair(reactor: &Reactor) -> (UnixSocket, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let ours = UnixSocket::new(reactor, ours.into()).unwrap();
        (ours, theirs)
    }

    /// Takes everything, and says how it ended.
    fn drained(socket: &mut UnixSocket) -> (Vec<u8>, io::Result<Io>) {
        let mut taken = Vec::new();
        let mut buf = [0; 64];
        loop {
            match socket.recv(&mut buf) {
                Ok(Io::Moved(n)) => taken.extend_from_slice(&buf[..n]),
                end => return (taken, end),
            }
        }
    }

    #[test]
    fn a_cut_is_no_end() {
        let reactor = Reactor::new().unwrap();
        for cut in [false, true] {
            let (ours, theirs) = UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            theirs.set_nonblocking(true).unwrap();
            let mut ours = UnixSocket::new(&reactor, ours.into()).unwrap();
            let mut theirs = UnixSocket::new(&reactor, theirs.into()).unwrap();
            theirs.send(b"some of it").unwrap();
            if cut {
                theirs.abort();
            } else {
                theirs.finish().unwrap();
            }
            let (taken, end) = drained(&mut ours);
            assert_eq!(taken, b"some of it");
            match end {
                Ok(end) => assert!(!cut && end == Io::Eof, "{end:?}"),
                Err(e) => assert!(cut && e.kind() == io::ErrorKind::ConnectionReset, "{e}"),
            }
        }
    }

    #[test]
    fn a_mark_that_is_not_the_end_is_passed_over() {
        let reactor = Reactor::new().unwrap();
        let (mut ours, mut theirs) = pair(&reactor);
        let mark = |socket: &UnixStream| rustix::net::send(socket, b"!", SendFlags::OOB).unwrap();
        theirs.write_all(b"one").unwrap();
        mark(&theirs);
        // Taken with nothing after it, and then something comes after all.
        assert!(matches!(drained(&mut ours), (taken, Ok(Io::Blocked)) if taken == b"one"));
        theirs.write_all(b"two").unwrap();
        assert!(matches!(drained(&mut ours), (taken, Ok(Io::Blocked)) if taken == b"two"));
        mark(&theirs);
        theirs.write_all(b"three").unwrap();
        drop(theirs);
        assert!(matches!(drained(&mut ours), (taken, Ok(Io::Eof)) if taken == b"three"));
    }

    #[test]
    fn the_door_is_shut_where_a_mark_could_be_missed() {
        let reactor = Reactor::new().unwrap();
        let (mut ours, mut theirs) = pair(&reactor);
        let open = |socket: &UnixSocket| socket.raw().is_some_and(|raw| raw.source.is_some());
        assert!(!open(&ours), "the mark may come before the call");
        theirs.write_all(b"one").unwrap();
        assert!(open(&ours));
        rustix::net::send(&theirs, b"!", SendFlags::OOB).unwrap();
        assert!(open(&ours), "the kernel stops before the mark");
        assert_eq!(ours.recv(&mut [0; 64]).unwrap(), Io::Moved(3));
        assert!(!open(&ours));
        drop(theirs);
        assert!(ours.recv(&mut [0; 64]).is_err());
    }

    #[test]
    fn what_came_after_the_door_was_looked_at_waits_for_it() {
        let reactor = Reactor::new().unwrap();
        let (mut ours, mut theirs) = pair(&reactor);
        for _ in 0..2 {
            assert!(ours.raw().is_some_and(|raw| raw.source.is_none()));
            theirs.write_all(b"late").unwrap();
            assert_eq!(ours.recv(&mut [0; 64]).unwrap(), Io::Blocked);
            assert_eq!(ours.recv(&mut [0; 64]).unwrap(), Io::Moved(4));
            ours.finish().unwrap();
        }
    }

    /// A link that cannot send reads until there is nothing, and then cuts.
    #[test]
    fn an_answer_that_came_after_the_door_was_looked_at_is_not_missed_when_sending_fails() {
        let reactor = Reactor::new().unwrap();
        let (mut ours, mut theirs) = pair(&reactor);
        assert!(ours.raw().is_some_and(|raw| raw.source.is_none()));
        theirs.write_all(b"answer").unwrap();
        drop(theirs);
        assert!(ours.send(b"more").is_err());
        assert!(matches!(drained(&mut ours), (taken, Ok(Io::Eof)) if taken == b"answer"));
    }

    #[test]
    fn a_full_queue_has_room_for_the_mark() {
        let reactor = Reactor::new().unwrap();
        let (mut ours, mut theirs) = pair(&reactor);
        let mut sent = 0;
        while let Io::Moved(n) = ours.send(&[7; 1024]).unwrap() {
            sent += n;
        }
        ours.abort();
        let mut came = vec![0; sent];
        theirs.read_exact(&mut came).unwrap();
        let mut mark = [0];
        rustix::net::recv(&theirs, &mut mark, RecvFlags::OOB).unwrap();
        assert_eq!(mark, *b"!");
    }

    #[test]
    fn a_peer_that_closed_counts_as_gone_after_the_grace_and_until_then_nothing_spins() {
        let mut reactor = Reactor::new().unwrap();
        let (mut ours, theirs) = pair(&reactor);
        ours.grace = Duration::from_millis(300);
        drop(theirs);
        let began = Instant::now();
        let mut looks = 0;
        while ours.check().is_ok() {
            ours.watch().unwrap();
            reactor.wait(Some(began + Duration::from_secs(5))).unwrap();
            looks += 1;
        }
        let took = began.elapsed();
        assert!(
            took >= ours.grace && took < Duration::from_secs(2),
            "{took:?}"
        );
        assert!(looks <= 2, "looked {looks} times");
        // Where our end was passed on in time, nothing was lost.
        let (mut ours, theirs) = pair(&reactor);
        ours.grace = Duration::ZERO;
        drop(theirs);
        ours.watch().unwrap();
        ours.finish().unwrap();
        ours.check().unwrap();
    }

    #[test]
    fn a_peer_that_closed_without_reading_is_found_at_once() {
        let reactor = Reactor::new().unwrap();
        let (mut ours, theirs) = pair(&reactor);
        ours.send(b"unread").unwrap();
        drop(theirs);
        assert_eq!(
            ours.check().unwrap_err().kind(),
            io::ErrorKind::ConnectionReset
        );
    }
}
