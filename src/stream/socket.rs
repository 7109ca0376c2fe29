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
    preread: Preread,
    /// SO_RCVLOWAT, socket(7): what has to be there before the socket counts as readable.
    low_water: usize,
}

/// Payload that came along with the last bytes of a handshake.
#[derive(Debug, Default)]
struct Preread {
    bytes: Vec<u8>,
    at: usize,
}

impl Socket {
    /// Takes over a socket that is connected and non-blocking. From here on every close but one
    /// after [`Stream::finish`] is a reset, whoever closes it: if the process is killed, the peer
    /// must not take that for our end. SO_LINGER with zero seconds, socket(7). Urgent data is data, in
    /// its place (RFC 6093, section 4): SO_OOBINLINE.
    pub(crate) fn new(reactor: &Reactor, socket: OwnedFd) -> io::Result<Self> {
        SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
        read_urgent_data_in_line(&socket, true);
        Ok(Self {
            source: Some(reactor.adopt(socket)?),
            reset: None,
            preread: Preread::default(),
            low_water: 1,
        })
    }

    /// It is known to be reset, but for what it still holds.
    pub(crate) fn with_reset(self, reset: Option<io::Error>) -> Self {
        Self { reset, ..self }
    }

    /// These bytes, which were read before, come first.
    pub(crate) fn with_preread(self, bytes: Vec<u8>) -> Self {
        Self {
            preread: Preread { bytes, at: 0 },
            ..self
        }
    }

    /// Gives the socket away, before anything was read ahead: from here on a close is an end again.
    pub(crate) fn release(self) -> io::Result<OwnedFd> {
        if let Some(e) = self.reset {
            return Err(e);
        }
        let socket = self.source.and_then(Source::release);
        let socket = socket.ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))?;
        SockRef::from(&socket).set_linger(None)?;
        read_urgent_data_in_line(&socket, false);
        Ok(socket)
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
        if !self.preread.is_empty() {
            return Ok(Io::Moved(self.preread.take(buf)));
        }
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
        let fd = self.fd()?;
        // What is on its way after the FIN must survive our close.
        SockRef::from(&fd).set_linger(None)?;
        rustix::net::shutdown(fd, Shutdown::Write)?;
        Ok(Io::Moved(0))
    }

    fn abort(&mut self) {
        if let Some(source) = self.source.take() {
            // After a finish it has to be asked for again. If it cannot be set, the connection is
            // gone already.
            let _ = SockRef::from(&source).set_linger(Some(Duration::ZERO));
        }
    }

    fn arm(&mut self, want: Want) -> io::Result<()> {
        self.source()?.arm(want)
    }

    fn expect(&mut self, bytes: usize) -> bool {
        if bytes != self.low_water
            && let Some(source) = &self.source
            && set_low_water(source, bytes).is_ok()
        {
            self.low_water = bytes;
        }
        self.low_water > 1
    }

    fn watch(&mut self) -> io::Result<()> {
        self.source()?.watch()
    }

    fn number(&mut self, number: usize) {
        if let Some(source) = &self.source {
            source.number(number);
        }
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

    fn answered(&self) -> Option<Duration> {
        Some(os::answers(self.fd().ok()?).ok()?.silence)
    }

    fn is_at_mark(&self) -> bool {
        self.fd()
            .is_ok_and(|fd| os::is_at_mark(fd).unwrap_or(false))
    }

    fn raw(&self) -> Option<Raw<'_>> {
        // The end of what was reset looks like a clean one to splice(2).
        let fd = self.fd().ok().filter(|_| self.reset.is_none())?;
        Some(Raw {
            file: None,
            source: self.preread.is_empty().then_some(fd),
            sink: Some(fd),
        })
    }
}

/// SO_OOBINLINE. MPTCP has neither the option nor urgent data.
fn read_urgent_data_in_line(socket: &OwnedFd, in_line: bool) {
    if let Err(e) = SockRef::from(socket).set_out_of_band_inline(in_line) {
        log::debug!("SO_OOBINLINE: {e}");
    }
}

fn set_low_water(source: &Source, bytes: usize) -> io::Result<()> {
    let bytes = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    os::set_socket_option(
        source,
        libc::SOL_SOCKET,
        libc::SO_RCVLOWAT,
        &bytes.to_ne_bytes(),
    )
}

impl Preread {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Moves as much as there is room for.
    fn take(&mut self, buf: &mut [u8]) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.len().min(buf.len());
        for (to, from) in buf.iter_mut().zip(rest) {
            *to = *from;
        }
        self.at += taken;
        if self.at == self.bytes.len() {
            *self = Self::default();
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        net::{TcpListener, TcpStream},
        time::Instant,
    };

    use super::*;

    #[test]
    fn bytes_that_were_read_before_come_first() -> io::Result<()> {
        let mut reactor = Reactor::new()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let near = TcpStream::connect(listener.local_addr()?)?;
        near.set_nonblocking(true)?;
        let (mut far, _) = listener.accept()?;
        far.write_all(b"later")?;
        drop(far);
        let mut socket = Socket::new(&reactor, near.into())?.with_preread(b"before".to_vec());

        let mut got = Vec::new();
        let mut buf = [0; 4];
        loop {
            let door = socket.raw().is_some_and(|raw| raw.source.is_some());
            assert_eq!(door, got.len() >= b"before".len(), "{got:?}");
            match socket.recv(&mut buf)? {
                Io::Moved(n) => got.extend_from_slice(&buf[..n]),
                Io::Eof => break,
                Io::Blocked => {
                    socket.arm(Want {
                        read: true,
                        write: false,
                    })?;
                    reactor.wait(Some(Instant::now() + Duration::from_secs(5)))?;
                }
            }
        }
        assert_eq!(got, b"beforelater");
        Ok(())
    }
}
