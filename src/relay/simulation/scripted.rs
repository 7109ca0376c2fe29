//! A stream out of nothing: each call does what the dice say.

use std::{cell::RefCell, io, rc::Rc, time::Duration};

use crate::stream::{Backlog, Io, Owed, Stream, Want};

/// Whoever moves a stream's other side.
pub(super) trait Hand {
    /// What happens and what has happened.
    fn script(&self) -> &RefCell<Script>;

    /// Lets what was blocked go on, if it is armed. Whether it was.
    fn wake(&self) -> bool;

    /// Time passes, and the peer's kernel acknowledges some of what it has.
    fn pass(&self, time: Duration);

    /// The run is over: looks at what is left.
    fn settle(&self) {}
}

/// xorshift64*: small, seeded, the same everywhere.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).unwrap() % n
    }

    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// What a stream gives, takes, and was asked for.
pub(super) struct Script {
    pub(super) dice: Dice,
    pub(super) input: Vec<u8>,
    pub(super) given: usize,
    /// What comes after the input: an error, an end, or neither.
    pub(super) last: Last,
    pub(super) output: Vec<u8>,
    /// The sink fails once it has taken so much.
    pub(super) fails_at: Option<usize>,
    pub(super) finish_fails: bool,
    /// It has failed: what it still has to give is all there, and nothing more will come.
    pub(super) failed: bool,
    /// Nobody takes anything once so much was taken.
    pub(super) stuck_at: Option<usize>,
    pub(super) blocked: Want,
    pub(super) armed: Want,
    pub(super) finished: usize,
    pub(super) finished_at: usize,
    pub(super) aborted: usize,
    /// What the peer's kernel has not acknowledged, and whether it ever will.
    pub(super) backlog: usize,
    pub(super) vanished: bool,
    pub(super) silence: Duration,
    pub(super) moves: u64,
    pub(super) number: usize,
    /// What has to be there before reading is woken.
    pub(super) expected: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    End,
    Error,
    Silence,
}

#[derive(Clone)]
pub(super) struct Scripted(Rc<RefCell<Script>>);

impl Script {
    /// A script with up to `longest` bytes to give, or just the end if it is `silent`.
    pub(super) fn new(seed: u64, longest: usize, silent: bool) -> Self {
        let mut dice = Dice::new(seed);
        let length = match dice.one_in(4) {
            true => 0,
            false => dice.below(longest),
        };
        let length = if silent { 0 } else { length };
        let input = (0..length).map(|n| u8::try_from((n * 7 + length) % 251).unwrap());
        Self {
            input: input.collect(),
            given: 0,
            last: match dice.below(8) {
                _ if silent => Last::End,
                0 => Last::Error,
                1 => Last::Silence,
                _ => Last::End,
            },
            output: Vec::new(),
            fails_at: dice.one_in(8).then(|| dice.below(longest * 2 / 3)),
            finish_fails: dice.one_in(30),
            failed: false,
            stuck_at: None,
            blocked: Want::NOTHING,
            armed: Want::NOTHING,
            finished: 0,
            finished_at: 0,
            aborted: 0,
            backlog: 0,
            vanished: dice.one_in(20),
            silence: Duration::ZERO,
            moves: 0,
            number: 0,
            expected: 1,
            dice,
        }
    }
}

impl Script {
    pub(super) fn is_silent(&self) -> bool {
        self.given == self.input.len() && self.last == Last::Silence
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.stuck_at.is_some_and(|at| self.output.len() >= at)
    }

    fn fail(&mut self) {
        self.failed = true;
        self.blocked.read = false;
        self.moves += 1;
    }

    /// Lets what was blocked go on, if it is armed for that; else nothing happens. Whether it was.
    pub(super) fn wake_if_armed(&mut self) -> bool {
        let (silent, stuck) = (self.is_silent(), self.is_stuck());
        let woken = (self.armed.read && !silent) || (self.armed.write && !stuck);
        if woken {
            self.armed = Want::NOTHING;
            self.blocked.read &= silent;
            self.blocked.write &= stuck;
        }
        woken
    }
}

impl Scripted {
    pub(super) fn new(seed: u64, silent: bool) -> Self {
        Self(Rc::new(RefCell::new(Script::new(seed, 600, silent))))
    }
}

impl Hand for Scripted {
    fn script(&self) -> &RefCell<Script> {
        &self.0
    }

    fn wake(&self) -> bool {
        let mut script = self.0.borrow_mut();
        let silent = script.is_silent();
        // So many bytes may be on their way for long; not so an end.
        let comes = script.input.len() - script.given;
        let few = comes > 0 && script.expected > 1 && script.dice.one_in(2);
        let woken = (script.armed.read && !silent && !few) || script.armed.write;
        script.armed = Want::NOTHING;
        script.blocked = Want {
            read: silent && script.blocked.read,
            write: false,
        };
        woken
    }

    fn pass(&self, time: Duration) {
        let mut script = self.0.borrow_mut();
        if script.vanished {
            script.silence += time;
        } else {
            script.backlog /= 2;
        }
    }
}

impl Stream for Scripted {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Io> {
        let script = &mut *self.0.borrow_mut();
        assert!(script.aborted == 0, "read after abort");
        let left = script.input.len() - script.given;
        if script.blocked.read || (left > 0 && !script.failed && script.dice.one_in(3)) {
            script.blocked.read = true;
            return Ok(Io::Blocked);
        }
        if left == 0 {
            return match script.last {
                Last::End => {
                    script.moves += 1;
                    Ok(Io::Eof)
                }
                Last::Error => {
                    script.moves += 1;
                    Err(io::Error::from_raw_os_error(libc::ECONNRESET))
                }
                Last::Silence => {
                    script.blocked.read = true;
                    Ok(Io::Blocked)
                }
            };
        }
        let n = (1 + script.dice.below(90)).min(left).min(buf.len());
        buf[..n].copy_from_slice(&script.input[script.given..script.given + n]);
        script.given += n;
        script.moves += 1;
        Ok(Io::Moved(n))
    }

    fn send(&mut self, buf: &[u8]) -> io::Result<Io> {
        let script = &mut *self.0.borrow_mut();
        assert!(
            script.finished + script.aborted == 0,
            "written after its end"
        );
        assert!(!buf.is_empty(), "nothing was to be written");
        if script.fails_at.is_some_and(|at| script.output.len() >= at) {
            script.fail();
            return Err(io::Error::from_raw_os_error(libc::EPIPE));
        }
        if script.dice.one_in(20) {
            script.moves += 1;
            return Err(io::Error::from_raw_os_error(libc::ENOBUFS));
        }
        if script.blocked.write || script.is_stuck() || script.dice.one_in(3) {
            script.blocked.write = true;
            return Ok(Io::Blocked);
        }
        let n = (1 + script.dice.below(90)).min(buf.len());
        script.output.extend_from_slice(&buf[..n]);
        script.backlog += n;
        script.moves += 1;
        Ok(Io::Moved(n))
    }

    fn finish(&mut self) -> io::Result<Io> {
        let script = &mut *self.0.borrow_mut();
        assert!(
            script.finished + script.aborted == 0,
            "finished twice, or after abort"
        );
        script.moves += 1;
        if script.finish_fails {
            script.fail();
            return Err(io::Error::from_raw_os_error(libc::EDQUOT));
        }
        if script.dice.one_in(4) {
            script.blocked.write = true;
            return Ok(Io::Blocked);
        }
        script.finished += 1;
        script.finished_at = script.output.len();
        script.backlog += 1;
        Ok(Io::Moved(0))
    }

    fn abort(&mut self) {
        let script = &mut *self.0.borrow_mut();
        script.aborted += 1;
        script.moves += 1;
    }

    fn arm(&mut self, want: Want) -> io::Result<()> {
        let script = &mut *self.0.borrow_mut();
        assert!(
            !want.read || script.blocked.read || script.failed,
            "waits for what was not blocked"
        );
        assert!(
            !want.write || script.blocked.write,
            "waits for what was not blocked"
        );
        script.armed = want;
        Ok(())
    }

    fn expect(&mut self, bytes: usize) -> bool {
        self.0.borrow_mut().expected = bytes;
        bytes > 1
    }

    fn number(&mut self, number: usize) {
        self.0.borrow_mut().number = number;
    }

    fn backlog(&self) -> io::Result<Backlog> {
        let script = self.0.borrow();
        let owed = match script.backlog {
            0 => Owed::Nothing,
            _ => Owed::Segments(script.silence),
        };
        Ok(Backlog {
            bytes: script.backlog,
            owed,
        })
    }
}
