//! Telnet on top of a connection: requests for options are refused, commands are left out of what
//! is received, and the byte that begins one is sent twice where it is data.
//!
//! Answers go before data, and there is room for all that can ever be due (see [`Nvt`]). So a peer
//! that asks and does not read costs nothing more, and is still read.

mod nvt;

use std::{
    io,
    time::{Duration, Instant},
};

use super::{Backlog, Io, Stream, Want, same_error};
use nvt::{Heard, IAC, Nvt};

/// What is looked at and encoded at once.
const CHUNK: usize = 64 << 10;

/// A connection that speaks telnet.
pub(crate) struct Telnet {
    inner: Box<dyn Stream>,
    nvt: Nvt,
    /// What goes before anything else: answers, or the second half of an IAC.
    queue: Vec<u8>,
    overhead: u64,
    /// Data was sent, not only answers.
    has_sent: bool,
    /// Our end was passed on, and no answer can follow it.
    finished: bool,
    /// Why the queue could not be sent. Whoever reads next has not heard of it.
    lost: Option<io::Error>,
    /// What came after what was given last is not telnet.
    garbled: Option<nvt::Error>,
}

impl Telnet {
    /// Speaks telnet over this stream.
    pub(crate) fn new(inner: Box<dyn Stream>) -> Self {
        Self {
            inner,
            nvt: Nvt::new(),
            queue: Vec::new(),
            overhead: 0,
            has_sent: false,
            finished: false,
            lost: None,
            garbled: None,
        }
    }

    /// Sends what goes before anything else. Whether nothing of it is left.
    fn flush(&mut self) -> io::Result<bool> {
        while !self.queue.is_empty() {
            match self.inner.send(&self.queue)? {
                Io::Moved(0) | Io::Eof => return Err(io::ErrorKind::WriteZero.into()),
                Io::Moved(n) => {
                    self.queue.drain(..n.min(self.queue.len()));
                    self.overhead += n as u64;
                }
                Io::Blocked => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The same where a failure is told later. Only what the kernel is short of is an error.
    fn try_flush(&mut self) -> io::Result<bool> {
        match self.flush() {
            Err(e) if !is_shortage(&e) => {
                log::debug!("answers are not sent: {e}");
                self.queue.clear();
                self.lost = Some(e);
                Ok(true)
            }
            other => other,
        }
    }

    /// Leaves only data in the buffer, and says how much.
    fn decode(&mut self, buf: &mut [u8]) -> usize {
        let mut kept = 0;
        for at in 0..buf.len() {
            let byte = buf.get(at).copied().unwrap_or_default();
            match self.nvt.hear(byte) {
                Ok(Heard::Data(byte)) => {
                    if let Some(slot) = buf.get_mut(kept) {
                        *slot = byte;
                    }
                    kept += 1;
                }
                Ok(Heard::Nothing) => {}
                Ok(Heard::Request(answer)) => {
                    log::debug!("a telnet request is answered with {answer:?}");
                    if !self.finished {
                        self.queue.extend(answer);
                    }
                }
                Err(e) => {
                    self.garbled = Some(e);
                    break;
                }
            }
        }
        kept
    }

    /// Sends data that has to be encoded, and says how much of it.
    fn send_encoded(&mut self, data: &[u8]) -> io::Result<Io> {
        let mut encoded = Vec::with_capacity(2 * data.len());
        for byte in data {
            encoded.push(*byte);
            if *byte == IAC {
                encoded.push(IAC);
            }
        }
        let Io::Moved(sent) = self.inner.send(&encoded)? else {
            return Ok(Io::Blocked);
        };
        let (mut left, mut taken) = (sent, 0);
        for byte in data {
            if left == 0 {
                break;
            }
            taken += 1;
            left -= 1;
            if *byte == IAC {
                if left == 0 {
                    self.queue.push(IAC);
                }
                left = left.saturating_sub(1);
            }
        }
        self.overhead += sent.saturating_sub(taken) as u64;
        Ok(Io::Moved(taken))
    }

    /// What came is not to be trusted any more, and the peer has to notice.
    fn break_off(&mut self, kind: io::ErrorKind, e: nvt::Error) -> io::Error {
        self.abort();
        io::Error::new(kind, e)
    }

    /// Nothing that was ours to deliver is missing.
    fn misses_nothing(&self, e: &io::Error) -> bool {
        let gone = matches!(
            e.kind(),
            io::ErrorKind::NotConnected
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionReset
        );
        gone && !self.has_sent
    }
}

impl Stream for Telnet {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Io> {
        if let Some(e) = self.garbled {
            return Err(self.break_off(io::ErrorKind::InvalidData, e));
        }
        match self.inner.recv(buf)? {
            Io::Moved(n) => Ok(Io::Moved(self.decode(buf.get_mut(..n).unwrap_or_default()))),
            Io::Blocked => Ok(Io::Blocked),
            // Sending has taken the reset from the socket, whose end looks like a clean one now.
            // That it cannot be written to says nothing about what came from it.
            Io::Eof => match &self.lost {
                Some(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(same_error(e)),
                _ => match self.nvt.end() {
                    Ok(()) => Ok(Io::Eof),
                    Err(e) => Err(self.break_off(io::ErrorKind::UnexpectedEof, e)),
                },
            },
        }
    }

    fn send(&mut self, buf: &[u8]) -> io::Result<Io> {
        if !self.flush()? {
            return Ok(Io::Blocked);
        }
        let chunk = buf.get(..CHUNK).unwrap_or(buf);
        let sent = if chunk.contains(&IAC) {
            self.send_encoded(chunk)?
        } else {
            self.inner.send(chunk)?
        };
        self.has_sent |= matches!(sent, Io::Moved(1..));
        Ok(sent)
    }

    fn finish(&mut self) -> io::Result<Io> {
        if !self.try_flush()? {
            return Ok(Io::Blocked);
        }
        let finished = match &self.lost {
            Some(e) => Err(same_error(e)),
            None => self.inner.finish(),
        };
        let finished = match finished {
            // The peer has left without waiting for answers.
            Err(e) if self.misses_nothing(&e) => Ok(Io::Moved(0)),
            other => other,
        };
        self.finished = matches!(finished, Ok(Io::Moved(_)));
        finished
    }

    fn abort(&mut self) {
        self.queue.clear();
        self.finished = true;
        self.inner.abort();
    }

    fn arm(&mut self, want: Want) -> io::Result<()> {
        // After a shortage it is tried again when something else moves.
        let done = self.try_flush().unwrap_or(true);
        self.inner.arm(Want {
            write: want.write || !done,
            ..want
        })
    }

    fn watch(&mut self) -> io::Result<()> {
        self.inner.watch()
    }

    fn due(&mut self, now: Instant) -> Option<Instant> {
        self.inner.due(now)
    }

    fn number(&mut self, number: usize) {
        self.inner.number(number);
    }

    fn check(&self) -> io::Result<()> {
        self.inner.check()
    }

    fn keep_alive(&mut self) -> io::Result<()> {
        self.inner.keep_alive()
    }

    fn backlog(&self) -> io::Result<Backlog> {
        self.inner.backlog()
    }

    fn answered(&self) -> Option<Duration> {
        self.inner.answered()
    }

    fn overhead(&self) -> u64 {
        self.inner.overhead() + self.overhead
    }
}

fn is_shortage(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM))
}

#[cfg(test)]
mod tests;
