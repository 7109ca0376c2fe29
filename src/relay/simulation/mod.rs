//! A link between two scripted streams, over thousands of seeds: short reads and writes, blocked
//! calls, errors and ends anywhere, and a clock of its own.

mod crowd;
mod datagrams;
mod plumbed;
mod scripted;
mod wrapped;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{Link, Pipes, Rules, Step};
use crate::{
    outcome::{Outcome, Status, Stop, UpEnd},
    plan::{OnInputEnd, OnPeerEnd},
    stream::Stream,
};

use plumbed::plumbed;
use scripted::{Dice, Hand, Last, Scripted};

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
        recv_limit: dice.one_in(8).then(|| 1 + dice.below(4) as u64),
        send_only: dice.one_in(8),
        linger: Duration::from_secs(5),
        keepalive: true,
        idle: dice.one_in(4).then_some(Duration::from_secs(60)),
        buffer: 1 + dice.below(200),
        idle_is_end: dice.one_in(2),
        much: 1 + dice.below(150),
    }
}

/// One run: two streams, one link, until it is over or only a signal can end it.
struct Run {
    seed: u64,
    rules: Rules,
    near: Box<dyn Hand>,
    far: Box<dyn Hand>,
    outcome: Outcome,
    took: Duration,
}

/// A stream and the hand at its other side.
type Puppet = (Box<dyn Stream>, Box<dyn Hand>);

fn scripted(seed: u64, silent: bool) -> Puppet {
    let stream = Scripted::new(seed, silent);
    (Box::new(stream.clone()), Box::new(stream))
}

fn run(seed: u64, puppet: fn(u64, bool) -> Puppet) -> Run {
    let mut dice = Dice::new(seed ^ 0xdead_beef);
    let mut rules = rules(&mut dice);
    rules.nothing_to_send = dice.one_in(4);
    let near = puppet(2 * seed, rules.nothing_to_send);
    let far = puppet(2 * seed + 1, false);
    drive(seed, dice, rules, near, far)
}

fn drive(seed: u64, mut dice: Dice, rules: Rules, near: Puppet, far: Puppet) -> Run {
    let ((near_stream, near), (far_stream, far)) = (near, far);
    let began = Instant::now();
    let mut now = began;
    let mut link = Link::new(
        near_stream,
        far_stream,
        rules.clone(),
        &Pipes::default(),
        now,
    );
    let moves = || near.script().borrow().moves + far.script().borrow().moves;
    let moved = |link: &Link| link.counters().sent + link.counters().received;
    let mut steps = 0;
    let outcome = loop {
        steps += 1;
        assert!(steps < 20_000, "seed {seed}: it does not end");
        let before = moves() + moved(&link);
        match link.step(now).unwrap() {
            Step::Done(outcome) => break *outcome,
            Step::Again => {
                // A decision may follow a turn that moved; never another decision.
                let second = link.step(now).unwrap();
                assert!(
                    !matches!(second, Step::Again) || moves() + moved(&link) > before,
                    "seed {seed}: turns without progress"
                );
                if let Step::Done(outcome) = second {
                    break *outcome;
                }
            }
            Step::Wait(until) => {
                let before = now;
                let woken = near.wake() | far.wake();
                let expects = far.script().borrow().expected > 1;
                assert!(
                    !expects || until.is_some_and(|at| at <= now + Duration::from_millis(1)),
                    "seed {seed}: waits for much, and for ever"
                );
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
    drop(link);
    near.settle();
    far.settle();
    Run {
        seed,
        rules,
        near,
        far,
        outcome,
        took: now - began,
    }
}

/// Runs all seeds, and looks whether they lead everywhere: else they are worth nothing.
fn sweep(seeds: u64, puppet: fn(u64, bool) -> Puppet, everywhere: &[&str]) {
    let mut statuses = BTreeMap::new();
    for seed in 0..seeds {
        let run = run(seed, puppet);
        check(&run);
        let status = format!("{:?}", run.outcome.status());
        *statuses.entry(status).or_insert(0) += 1;
    }
    for status in everywhere {
        let often = statuses.get(*status).is_some_and(|n| *n >= 20);
        assert!(often, "{status}: {statuses:?}");
    }
}

#[test]
fn every_byte_once_in_order_and_the_end_once_or_a_cut() {
    let everywhere = [
        "Success",
        "Broken",
        "Local",
        "NotDelivered",
        "Idle",
        "Signal(13)",
        "Signal(15)",
    ];
    sweep(20_000, scripted, &everywhere);
}

#[test]
fn the_same_through_kernel_pipes() {
    let everywhere = [
        "Success",
        "NotDelivered",
        "Idle",
        "Signal(13)",
        "Signal(15)",
    ];
    sweep(10_000, plumbed, &everywhere);
}

fn check(run: &Run) {
    let Run {
        seed,
        rules,
        near,
        far,
        outcome,
        ..
    } = run;
    let (near, far) = (near.script().borrow(), far.script().borrow());
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
    // A stream that is neither finished nor aborted is reset when it is dropped.
    if far.finished == 1 {
        // A person leaves when the conversation is over, and so does who never had anything to say.
        let leaves = rules.terminal || near.given == 0;
        let ended = near.input == far.output && near.last != Last::Silence;
        assert!(
            ended || leaves,
            "seed {seed}: a cut was passed on as an end"
        );
        let passed = far.output.len() == near.given || rules.terminal;
        assert!(passed, "seed {seed}: an end before the last byte");
    }
    let output_failed = outcome.status() == Status::Local || outcome.status() == Status::Signal(13);
    if far.aborted > 0 && far.finished > 0 {
        assert!(output_failed, "seed {seed}: both an end and a cut");
    }
    if outcome.status() == Status::Success {
        let left = far.last == Last::Silence
            || rules.quit_after.is_some()
            || rules.send_only
            || rules.recv_limit.is_some()
            || (rules.idle_is_end && rules.idle.is_some());
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
