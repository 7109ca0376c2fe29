//! Drives a handshake over a connected stream, in the one event loop and under the one deadline.

use std::io;

use crate::{
    event::{Deadline, Reactor},
    net,
    outcome::Stop,
    plan::Secret,
    proxy::{Error, Handshake, Progress},
    stream::{Io, Stream, Want},
};

/// What is read at once, at most.
const CHUNK: usize = 4096;

/// How much of what comes may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// All of it; what is behind the handshake is kept.
    Ahead,
    /// Nothing behind the handshake: whoever gets the socket is to find it there. Where that begins
    /// only the last byte of the handshake tells, so that each is read by itself.
    Exactly,
}

/// Why a handshake did not come to its end.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Its other side says so.
    Answer(Error),
    /// The other side ended in the middle of it.
    Ended,
    /// The connection broke.
    Broken(io::Error),
    /// A signal or a limit came first.
    Stopped(Stop),
}

/// Talks until the handshake is over: the payload that came along with its last bytes.
pub(super) fn shake(
    reactor: &mut Reactor,
    stream: &mut dyn Stream,
    handshake: &mut dyn Handshake,
    reading: Reading,
    deadline: Deadline,
) -> Result<Vec<u8>, Trouble> {
    let mut out = Outgoing::default();
    let size = match reading {
        Reading::Ahead => CHUNK,
        Reading::Exactly => 1,
    };
    let mut chunk = vec![0; size];
    let mut come = 0;
    let payload = loop {
        let input = chunk.get(..come).unwrap_or_default();
        let progress = handshake.feed(input, out.bytes.bytes_mut());
        if let Progress::Done { used } = progress.map_err(Trouble::Answer)? {
            break input.get(used..).unwrap_or_default().to_vec();
        }
        come = out.exchange(reactor, stream, &mut chunk, deadline)?;
    };
    // The other side may have answered before it was asked.
    out.flush(reactor, stream, deadline)?;
    Ok(payload)
}

/// What has to be sent; credentials may be among it.
#[derive(Default)]
struct Outgoing {
    bytes: Secret,
    /// Sending failed, but what was said before that can still be heard.
    failed: Option<io::Error>,
}

impl Outgoing {
    /// Sends all there is to send while it waits for something to come.
    fn exchange(
        &mut self,
        reactor: &mut Reactor,
        stream: &mut dyn Stream,
        chunk: &mut [u8],
        deadline: Deadline,
    ) -> Result<usize, Trouble> {
        loop {
            self.send(stream);
            match stream.recv(chunk) {
                Ok(Io::Moved(n)) => return Ok(n),
                Ok(Io::Blocked) => self.wait(reactor, stream, true, deadline)?,
                Ok(Io::Eof) => {
                    return Err(self.failed.take().map_or(Trouble::Ended, Trouble::Broken));
                }
                Err(e) => return Err(Trouble::Broken(e)),
            }
        }
    }

    /// Sends the rest.
    fn flush(
        &mut self,
        reactor: &mut Reactor,
        stream: &mut dyn Stream,
        deadline: Deadline,
    ) -> Result<(), Trouble> {
        loop {
            self.send(stream);
            if let Some(e) = self.failed.take() {
                return Err(Trouble::Broken(e));
            }
            if self.bytes.bytes().is_empty() {
                return Ok(());
            }
            self.wait(reactor, stream, false, deadline)?;
        }
    }

    fn send(&mut self, stream: &mut dyn Stream) {
        while self.failed.is_none() && !self.bytes.bytes().is_empty() {
            match stream.send(self.bytes.bytes()) {
                Ok(Io::Moved(n)) => drop(self.bytes.bytes_mut().drain(..n)),
                Ok(Io::Blocked) => return,
                Ok(Io::Eof) => self.failed = Some(io::ErrorKind::WriteZero.into()),
                Err(e) => self.failed = Some(e),
            }
        }
    }

    fn wait(
        &self,
        reactor: &mut Reactor,
        stream: &mut dyn Stream,
        read: bool,
        deadline: Deadline,
    ) -> Result<(), Trouble> {
        let write = self.failed.is_none() && !self.bytes.bytes().is_empty();
        stream.arm(Want { read, write }).map_err(Trouble::Broken)?;
        net::wait(reactor, None, deadline)
            .map_err(Trouble::Broken)?
            .map_err(Trouble::Stopped)
    }
}
