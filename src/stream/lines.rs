//! What is done to the lines of our input: their ends become CRLF, there is a pause after each of
//! them, and each of them is a datagram of its own. What goes the other way is left as it is.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{Backlog, Io, Raw, Stream, Want};

const CR: u8 = b'\r';
const LF: u8 = b'\n';

/// What is read at once; no datagram is longer.
const CAPACITY: usize = 64 << 10;

/// A stream whose input is looked at line by line.
pub(crate) struct Lines {
    inner: Box<dyn Stream>,
    newline: Newline,
    interval: Option<Duration>,
    /// A line is given whole, if there is room for it, and alone.
    whole: bool,
    /// What has been read and not been given.
    held: Held,
    ended: bool,
    pause: Pause,
}

/// What is between two lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    None,
    /// A line was given. The pause begins when it has been passed on.
    Due,
    Until(Instant),
}

impl Lines {
    /// With `crlf` every line ends in CRLF, and after each there is a pause of `interval`.
    pub(crate) fn new(inner: Box<dyn Stream>, crlf: bool, interval: Option<Duration>) -> Self {
        Self {
            inner,
            newline: Newline {
                crlf,
                after_cr: false,
            },
            interval,
            whole: false,
            held: Held::default(),
            ended: false,
            pause: Pause::None,
        }
    }

    /// Each call of [`Stream::recv`] gives one line, or as much of it as there is room for. One that
    /// has not ended waits for its end, or for the input's.
    pub(crate) fn one_by_one(self) -> Self {
        Self {
            whole: true,
            ..self
        }
    }

    /// Gives what is held, unless a line has to wait for its end.
    fn give(&mut self, buf: &mut [u8]) -> Option<usize> {
        let before = self.newline;
        let one = self.whole || self.interval.is_some();
        let passed = self.newline.pass(self.held.bytes(), buf, one);
        let fills = passed.made == buf.len() || self.held.is_full();
        if self.whole && !passed.line_ended && !fills && !self.ended {
            self.newline = before;
            return None;
        }
        self.held.take(passed.taken);
        if passed.line_ended && self.interval.is_some() {
            self.pause = Pause::Due;
        }
        Some(passed.made)
    }

    fn fill(&mut self) -> io::Result<Io> {
        let io = self.held.fill(&mut *self.inner)?;
        self.ended |= io == Io::Eof;
        Ok(io)
    }

    /// The end needs no pause before it.
    fn look_ahead(&mut self) -> io::Result<Io> {
        if self.held.is_empty() && !self.ended {
            self.fill()?;
        }
        Ok(if self.held.is_empty() && self.ended {
            Io::Eof
        } else {
            Io::Blocked
        })
    }
}

impl Stream for Lines {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Io> {
        if self.pause != Pause::None {
            return self.look_ahead();
        }
        loop {
            if !self.held.is_empty()
                && let Some(given) = self.give(buf)
            {
                return Ok(Io::Moved(given));
            }
            if self.ended {
                return Ok(Io::Eof);
            }
            if self.fill()? == Io::Blocked {
                return Ok(Io::Blocked);
            }
        }
    }

    fn due(&mut self, now: Instant) -> Option<Instant> {
        if let (Pause::Due, Some(interval)) = (self.pause, self.interval) {
            self.pause = now.checked_add(interval).map_or(Pause::None, Pause::Until);
        }
        match self.pause {
            Pause::Until(at) if now < at => Some(at),
            Pause::Until(_) => {
                self.pause = Pause::None;
                None
            }
            Pause::Due | Pause::None => None,
        }
    }

    fn send(&mut self, buf: &[u8]) -> io::Result<Io> {
        self.inner.send(buf)
    }

    fn finish(&mut self) -> io::Result<Io> {
        self.inner.finish()
    }

    fn abort(&mut self) {
        self.inner.abort();
    }

    /// In a pause only the end is of interest, and not before all that is held.
    fn arm(&mut self, want: Want) -> io::Result<()> {
        let reads = self.pause == Pause::None || self.held.is_empty();
        self.inner.arm(Want {
            read: want.read && reads,
            ..want
        })
    }

    fn watch(&mut self) -> io::Result<()> {
        self.inner.watch()
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

    fn overhead(&self) -> u64 {
        self.inner.overhead()
    }

    fn raw(&self) -> Option<Raw<'_>> {
        Some(Raw {
            file: None,
            source: None,
            ..self.inner.raw()?
        })
    }
}

/// How lines end.
#[derive(Clone, Copy, Debug)]
struct Newline {
    crlf: bool,
    /// The last byte that was made is a CR.
    after_cr: bool,
}

/// How far [`Newline::pass`] has come.
#[derive(Debug, Default, PartialEq, Eq)]
struct Passed {
    taken: usize,
    made: usize,
    /// It stopped behind a line.
    line_ended: bool,
}

impl Newline {
    /// Passes bytes on while there are any and there is room; only up to a line's end if `one`.
    fn pass(&mut self, from: &[u8], to: &mut [u8], one: bool) -> Passed {
        let mut passed = Passed::default();
        for slot in to {
            let Some(byte) = from.get(passed.taken).copied() else {
                break;
            };
            passed.made += 1;
            // The LF itself comes next, and then it follows a CR.
            let lacks_cr = self.crlf && byte == LF && !self.after_cr;
            *slot = if lacks_cr { CR } else { byte };
            self.after_cr = *slot == CR;
            if lacks_cr {
                continue;
            }
            passed.taken += 1;
            if one && byte == LF {
                passed.line_ended = true;
                break;
            }
        }
        passed
    }
}

/// Bytes in memory that is allocated when the first of them comes.
#[derive(Default)]
struct Held {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Held {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    fn is_full(&self) -> bool {
        self.bytes().len() == CAPACITY
    }

    fn fill(&mut self, from: &mut dyn Stream) -> io::Result<Io> {
        if self.bytes.is_empty() {
            self.bytes = vec![0; CAPACITY].into_boxed_slice();
        }
        self.bytes.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let io = from.recv(self.bytes.get_mut(self.end..).unwrap_or_default())?;
        if let Io::Moved(n) = io {
            self.end = (self.end + n).min(CAPACITY);
        }
        Ok(io)
    }

    fn take(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
    }
}

#[cfg(test)]
mod tests;
