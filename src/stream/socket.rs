//! A connected stream socket of our own: non-blocking, and nobody else's.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Duration,
};

use rustix::net::{RecvFlags, SendFlags, Shutdown};
use socket2::{SockRef, TcpKeepalive};

use super::{Backlog, Io, Owed, Raw, Stream, Want, attempt, attempt_read};
use crate::{
    event::{Reactor, Source},
    os,
};

/// A dead host is found after 10 + 3 * 5 s; a closed Linux socket after `tcp_fin_timeout`, 60 s,
/// when it answers a probe with a reset.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(10))
    .with_interval(Duration::from_secs(5))
    .with_retries(3);

/// A connected TCP socket.
pub(crate) struct Socket {
    source: Option<Source>,
    /// What has ended it, where reading that has taken it from the socket.
    reset: Option<io::Error>,
}

impl Socket {
    /// Takes over a socket that is connected and non-blocking.
    pub(crate) fn new(reactor: &Reactor, socket: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            source: Some(reactor.adopt(socket)?),
            reset: None,
        })
    }

    /// It is known to be reset, but for what it still holds.
    pub(crate) fn with_reset(self, reset: Option<io::Error>) -> Self {
        Self { reset, ..self }
    }

    fn source(&self) -> io::Result<&Source> {
        self.source
            .as_ref()
            .ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))
    }

    fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        self.source().map(Source::as_fd)
    }
}

impl Stream for Socket {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Io> {
        let fd = self.fd()?;
        match attempt_read(|| Ok(rustix::net::recv(fd, &mut *buf, RecvFlags::empty())?.0))? {
            Io::Eof => self.reset.take().map_or(Ok(Io::Eof), Err),
            moved => Ok(moved),
        }
    }

    fn send(&mut self, buf: &[u8]) -> io::Result<Io> {
        let fd = self.fd()?;
        attempt(|| Ok(rustix::net::send(fd, buf, SendFlags::NOSIGNAL)?))
    }

    fn finish(&mut self) -> io::Result<Io> {
        rustix::net::shutdown(self.fd()?, Shutdown::Write)?;
        Ok(Io::Moved(0))
    }

    fn abort(&mut self) {
        if let Some(source) = self.source.take() {
            // Zero seconds of lingering make close(2) send a reset, socket(7). If it cannot be set,
            // the connection is gone already.
            let _ = SockRef::from(&source).set_linger(Some(Duration::ZERO));
        }
    }

    fn arm(&mut self, want: Want) -> io::Result<()> {
        self.source()?.arm(want)
    }

    fn watch(&mut self) -> io::Result<()> {
        self.source()?.watch()
    }

    fn check(&self) -> io::Result<()> {
        SockRef::from(self.source()?)
            .take_error()?
            .map_or(Ok(()), Err)
    }

    fn keep_alive(&mut self) -> io::Result<()> {
        SockRef::from(self.source()?).set_tcp_keepalive(&KEEPALIVE)
    }

    fn backlog(&self) -> io::Result<Backlog> {
        let fd = self.fd()?;
        let bytes = os::unacknowledged(fd)?;
        if bytes == 0 {
            return Ok(Backlog::default());
        }
        let answers = os::answers(fd)?;
        let owed = match (answers.in_flight, answers.probing) {
            (true, _) => Owed::Segments(answers.silence),
            (false, true) => Owed::Probe(answers.silence),
            (false, false) => Owed::Nothing,
        };
        Ok(Backlog { bytes, owed })
    }

    fn raw(&self) -> Option<Raw<'_>> {
        // The end of what was reset looks like a clean one to splice(2).
        let fd = self.fd().ok().filter(|_| self.reset.is_none())?;
        Some(Raw {
            source: Some(fd),
            sink: Some(fd),
        })
    }
}
