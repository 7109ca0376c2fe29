//! What is written as fast as it is read, and never faster: whoever tests ports must stay able to
//! hear of signals and limits where nobody reads.

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    io::Errno,
};

use super::progress;

/// What poll(2) calls writable takes so much, pipe(7): PIPE_BUF.
const PIECE: usize = 4096;

/// And what it calls so of terminals takes so much.
const TERMINAL_PIECE: usize = 256;

/// A descriptor, and the lines that it has not taken yet.
#[derive(Debug)]
pub(crate) struct Outlet<F = BorrowedFd<'static>> {
    out: F,
    is_terminal: bool,
    kept: VecDeque<u8>,
}

impl Outlet {
    /// Standard error.
    pub(crate) fn stderr() -> Self {
        Self::to(rustix::stdio::stderr())
    }
}

impl<F: AsFd> Outlet<F> {
    pub(super) fn to(out: F) -> Self {
        let is_terminal = rustix::termios::isatty(&out);
        Self {
            out,
            is_terminal,
            kept: VecDeque::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn descriptor(&self) -> &F {
        &self.out
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// One more line, which is kept until it is flushed.
    pub(crate) fn push(&mut self, line: &str) {
        self.kept.extend(line.as_bytes());
        self.kept.push_back(b'\n');
    }

    /// How much is kept.
    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Writes what goes without waiting. After an error nothing is kept any more.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while !self.kept.is_empty() && self.takes(Some(&Timespec::default()))? {
            progress::erase();
            match rustix::io::write(&self.out, self.piece()) {
                Ok(count) => drop(self.kept.drain(..count)),
                // Somebody has made it non-blocking, and somebody else writes as well.
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => {
                    self.kept.clear();
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    /// Writes the rest as well, unless nothing goes for so long, or it is not done by then.
    pub(crate) fn finish(&mut self, patience: Duration, until: Instant) -> io::Result<()> {
        loop {
            self.flush()?;
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left.min(patience)).unwrap_or_default();
            if self.kept.is_empty() || !self.takes(Some(&left))? {
                return Ok(());
            }
        }
    }

    /// Whether something can be written, an error included.
    fn takes(&self, patience: Option<&Timespec>) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.out, PollFlags::OUT)];
        match rustix::event::poll(&mut fds, patience) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// As much as is taken at once, and no part of a line if that can be helped: somebody else may
    /// write in between.
    fn piece(&self) -> &[u8] {
        let most = match self.is_terminal {
            true => TERMINAL_PIECE,
            false => PIECE,
        };
        let (first, _) = self.kept.as_slices();
        let Some(piece) = first.get(..most) else {
            return first;
        };
        match piece.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => piece.get(..=end).unwrap_or(piece),
            None => piece,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{PipeReader, PipeWriter, Read as _, pipe},
        thread,
    };

    use super::*;

    /// Half a megabyte for a pipe.
    fn full() -> (PipeReader, Outlet<PipeWriter>) {
        let (reader, writer) = pipe().unwrap();
        let mut outlet = Outlet::to(writer);
        for number in 0..50_000 {
            outlet.push(&format!("line {number:05}"));
        }
        (reader, outlet)
    }

    fn is_all(text: &str) -> bool {
        let expected = (0..50_000).map(|number| format!("line {number:05}"));
        text.lines().eq(expected)
    }

    #[test]
    fn what_nobody_reads_is_kept_and_nobody_waits() {
        let (mut reader, mut outlet) = full();
        let all = outlet.len();
        outlet.flush().unwrap();
        let left = outlet.len();
        assert!(0 < left && left < all, "{left} of {all}");
        outlet.flush().unwrap();
        assert_eq!(outlet.len(), left);
        // And goes on where it was.
        let mut text = vec![0; all - left];
        reader.read_exact(&mut text).unwrap();
        while outlet.len() > 0 {
            let before = outlet.len();
            outlet.flush().unwrap();
            let mut more = vec![0; before - outlet.len()];
            assert!(!more.is_empty());
            reader.read_exact(&mut more).unwrap();
            text.extend(more);
        }
        assert!(is_all(&String::from_utf8(text).unwrap()));
    }

    #[test]
    fn a_reader_gets_the_rest_and_without_one_it_is_given_up() {
        let (mut reader, mut outlet) = full();
        let began = Instant::now();
        let patience = Duration::from_millis(20);
        let long = Duration::from_secs(60);
        outlet.finish(patience, began + long).unwrap();
        assert!(outlet.len() > 0 && began.elapsed() >= patience);
        outlet.finish(long, began).unwrap();
        assert!(outlet.len() > 0, "the time is over");
        let reading = thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        outlet.finish(long, Instant::now() + long).unwrap();
        assert_eq!(outlet.len(), 0);
        drop(outlet);
        assert!(is_all(&reading.join().unwrap()));
    }
}
