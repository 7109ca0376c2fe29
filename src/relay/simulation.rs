//! A link between two scripted streams, over thousands of seeds: short reads and writes, blocked
//! calls, errors and ends anywhere, and a clock of its own.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io,
    rc::Rc,
    time::{Duration, Instant},
};

use super::{Link, Pipes, Rules, Step};
use crate::{
    outcome::{Outcome, Status, Stop, UpEnd},
    plan::{OnInputEnd, OnPeerEnd},
    stream::{Backlog, Io, Owed, Stream, Want},
};

const SEEDS: u64 = 20_000;

/// xorshift64*: small, seeded, the same everywhere.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).unwrap() % n
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// What a stream gives, takes, and was asked for.
struct Script {
    dice: Dice,
    input: Vec<u8>,
    given: usize,
    /// What comes after the input: an error, an end, or neither.
    last: Last,
    output: Vec<u8>,
    /// The sink fails once it has taken so much.
    fails_at: Option<usize>,
    finish_fails: bool,
    blocked: Want,
    armed: Want,
    watched: bool,
    finished: usize,
    finished_at: usize,
    aborted: usize,
    /// What the peer's kernel has not acknowledged, and whether it ever will.
    backlog: usize,
    vanished: bool,
    silence: Duration,
    moves: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    End,
    Error,
    Silence,
}

#[derive(Clone)]
struct Scripted(Rc<RefCell<Script>>);

impl Scripted {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let length = if dice.one_in(4) { 0 } else { dice.below(600) };
        let input = (0..length)
            .map(|n| u8::try_from((n * 7 + length) % 251).unwrap())
            .collect();
        let last = match dice.below(8) {
            0 => Last::Error,
            1 => Last::Silence,
            _ => Last::End,
        };
        let fails_at = dice.one_in(8).then(|| dice.below(400));
        let finish_fails = dice.one_in(30);
        let vanished = dice.one_in(20);
        Self(Rc::new(RefCell::new(Script {
            dice,
            input,
            given: 0,
            last,
            output: Vec::new(),
            fails_at,
            finish_fails,
            blocked: Want::NOTHING,
            armed: Want::NOTHING,
            watched: false,
            finished: 0,
            finished_at: 0,
            aborted: 0,
            backlog: 0,
            vanished,
            silence: Duration::ZERO,
            moves: 0,
        })))
    }

    /// Lets what was blocked go on, if it is armed. Whether it was.
    fn wake(&self) -> bool {
        let mut script = self.0.borrow_mut();
        let silent = script.given == script.input.len() && script.last == Last::Silence;
        let woken = (script.armed.read && !silent) || script.armed.write;
        script.armed = Want::NOTHING;
        script.blocked = Want {
            read: silent && script.blocked.read,
            write: false,
        };
        woken
    }

    /// Time passes, and the peer's kernel acknowledges some of what it has.
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
        if script.blocked.read || (left > 0 && script.dice.one_in(3)) {
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
            script.moves += 1;
            return Err(io::Error::from_raw_os_error(libc::EPIPE));
        }
        if script.dice.one_in(20) {
            script.moves += 1;
            return Err(io::Error::from_raw_os_error(libc::ENOBUFS));
        }
        if script.blocked.write || script.dice.one_in(3) {
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
            !want.read || script.blocked.read,
            "waits for what was not blocked"
        );
        assert!(
            !want.write || script.blocked.write,
            "waits for what was not blocked"
        );
        script.armed = want;
        script.watched = false;
        Ok(())
    }

    fn watch(&mut self) -> io::Result<()> {
        self.0.borrow_mut().watched = true;
        Ok(())
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

fn rules(dice: &mut Dice) -> Rules {
    Rules {
        nothing_to_send: false,
        terminal: dice.one_in(6),
        may_leave: dice.one_in(2),
        on_input_end: match dice.below(4) {
            0 => OnInputEnd::Shutdown,
            1 => OnInputEnd::Keep,
            _ => OnInputEnd::Auto,
        },
        on_peer_end: match dice.below(6) {
            0 => OnPeerEnd::Exit,
            1 => OnPeerEnd::Drain,
            _ => OnPeerEnd::Auto,
        },
        quit_after: dice.one_in(6).then_some(Duration::from_secs(2)),
        send_only: dice.one_in(8),
        linger: Duration::from_secs(5),
        idle: dice.one_in(4).then_some(Duration::from_secs(60)),
        buffer: 1 + dice.below(200),
    }
}

/// One run: two streams, one link, until it is over or only a signal can end it.
struct Run {
    seed: u64,
    rules: Rules,
    near: Scripted,
    far: Scripted,
    outcome: Outcome,
}

fn run(seed: u64) -> Run {
    let mut dice = Dice::new(seed ^ 0xdead_beef);
    let near = Scripted::new(2 * seed);
    let far = Scripted::new(2 * seed + 1);
    let mut rules = rules(&mut dice);
    if dice.one_in(4) {
        rules.nothing_to_send = true;
        let mut script = near.0.borrow_mut();
        (script.input, script.last) = (Vec::new(), Last::End);
    }
    let mut now = Instant::now();
    let mut link = Link::new(
        Box::new(near.clone()),
        Box::new(far.clone()),
        rules.clone(),
        &Pipes::default(),
        now,
    );
    let moves = |a: &Scripted, b: &Scripted| a.0.borrow().moves + b.0.borrow().moves;
    let mut steps = 0;
    let outcome = loop {
        steps += 1;
        assert!(steps < 20_000, "seed {seed}: it does not end");
        let before = moves(&near, &far);
        match link.step(now).unwrap() {
            Step::Done(outcome) => break *outcome,
            Step::Again => {
                // A decision may follow a turn that moved; never another decision.
                let second = link.step(now).unwrap();
                assert!(
                    !matches!(second, Step::Again) || moves(&near, &far) > before,
                    "seed {seed}: turns without progress"
                );
                if let Step::Done(outcome) = second {
                    break *outcome;
                }
            }
            Step::Wait(until) => {
                let before = now;
                let woken = near.wake() | far.wake();
                match until {
                    Some(at) if !woken || dice.one_in(3) => {
                        assert!(at > now || woken, "seed {seed}: waits for the past");
                        now = now.max(at);
                    }
                    _ if woken => now += Duration::from_millis(1),
                    // Only a person or a signal can end it now.
                    _ => break link.stop(Stop::Signal(libc::SIGTERM)),
                }
                far.pass(now - before);
            }
        }
    };
    Run {
        seed,
        rules,
        near,
        far,
        outcome,
    }
}

#[test]
fn every_byte_once_in_order_and_the_end_once_or_a_cut() {
    let mut statuses = BTreeMap::new();
    for seed in 0..SEEDS {
        let run = run(seed);
        check(&run);
        *statuses
            .entry(format!("{:?}", run.outcome.status()))
            .or_insert(0) += 1;
    }
    // The scripts are worth something only if they lead everywhere.
    for status in [
        "Success",
        "Broken",
        "Local",
        "NotDelivered",
        "Expired",
        "Signal(13)",
        "Signal(15)",
    ] {
        assert!(
            statuses.get(status).is_some_and(|n| *n >= 20),
            "{status}: {statuses:?}"
        );
    }
}

fn check(run: &Run) {
    let Run {
        seed,
        rules,
        near,
        far,
        outcome,
    } = run;
    let (near, far) = (near.0.borrow(), far.0.borrow());
    assert!(
        near.input.starts_with(&far.output),
        "seed {seed}: up is no prefix"
    );
    assert!(
        far.input.starts_with(&near.output),
        "seed {seed}: down is no prefix"
    );
    assert_eq!(
        outcome.counters.sent,
        far.output.len() as u64,
        "seed {seed}"
    );
    for (script, name) in [(&near, "near"), (&far, "far")] {
        assert!(
            script.finished <= 1 && script.aborted <= 1,
            "seed {seed}: {name}"
        );
        if script.finished == 1 {
            assert_eq!(
                script.finished_at,
                script.output.len(),
                "seed {seed}: {name}"
            );
        }
    }
    if far.finished == 1 {
        // A person leaves when the conversation is over, and so does who never had anything to say.
        let leaves = rules.terminal || near.given == 0;
        let whole = near.input == far.output;
        assert!(
            whole || leaves,
            "seed {seed}: a cut was passed on as an end"
        );
        assert_eq!(
            far.output.len(),
            near.given,
            "seed {seed}: an end before the last byte"
        );
    }
    let output_failed = outcome.status() == Status::Local || outcome.status() == Status::Signal(13);
    if far.aborted > 0 && far.finished > 0 {
        assert!(output_failed, "seed {seed}: both an end and a cut");
    }
    if outcome.status() == Status::Success {
        let left = far.last == Last::Silence || rules.quit_after.is_some() || rules.send_only;
        assert!(
            near.output == far.input[..far.given] && (left || near.output == far.input),
            "seed {seed}"
        );
        assert!(near.output.len() == far.given, "seed {seed}");
        assert_eq!(
            near.finished, 1,
            "seed {seed}: success without a checked close"
        );
        assert_eq!(
            far.output.len(),
            near.given,
            "seed {seed}: success, and bytes are missing"
        );
        if matches!(outcome.up, UpEnd::Delivered) {
            assert_eq!(far.finished, 1, "seed {seed}");
            assert_eq!(
                far.backlog, 0,
                "seed {seed}: success, and bytes are unacknowledged"
            );
        }
    }
}
