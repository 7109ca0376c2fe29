//! A hub between streams that do what they are told.

use std::{cell::RefCell, rc::Rc};

use super::*;
use crate::{
    outcome::{Status, UpEnd},
    stream::{Backlog, Owed},
};

/// Gives and takes what it is told to.
#[derive(Clone, Default)]
struct Toy(Rc<RefCell<Hands>>);

#[derive(Default)]
struct Hands {
    /// What it has to give; then it is blocked, or it ends.
    gives: Vec<u8>,
    ends: bool,
    /// How much it takes.
    takes: usize,
    taken: Vec<u8>,
    /// What the peer's kernel has not acknowledged, and how long ago it has answered.
    missing: usize,
    answered: Option<Duration>,
    finished: bool,
    aborted: bool,
}

impl Stream for Toy {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Io> {
        let hands = &mut *self.0.borrow_mut();
        let n = hands.gives.len().min(buf.len());
        buf[..n].copy_from_slice(&hands.gives[..n]);
        hands.gives.drain(..n);
        Ok(match n {
            0 if hands.ends => Io::Eof,
            0 => Io::Blocked,
            n => Io::Moved(n),
        })
    }

    fn send(&mut self, buf: &[u8]) -> io::Result<Io> {
        let hands = &mut *self.0.borrow_mut();
        let n = hands.takes.min(buf.len());
        hands.takes -= n;
        hands.taken.extend_from_slice(&buf[..n]);
        Ok(if n > 0 { Io::Moved(n) } else { Io::Blocked })
    }

    fn finish(&mut self) -> io::Result<Io> {
        self.0.borrow_mut().finished = true;
        Ok(Io::Moved(0))
    }

    fn abort(&mut self) {
        self.0.borrow_mut().aborted = true;
    }

    fn arm(&mut self, _: Want) -> io::Result<()> {
        Ok(())
    }

    fn number(&mut self, _: usize) {}

    fn backlog(&self) -> io::Result<Backlog> {
        Ok(Backlog {
            bytes: self.0.borrow().missing,
            owed: Owed::Nothing,
        })
    }

    fn answered(&self) -> Option<Duration> {
        self.0.borrow().answered
    }
}

fn toy(gives: &[u8], takes: usize) -> Toy {
    let toy = Toy::default();
    toy.0.borrow_mut().gives = gives.to_vec();
    toy.0.borrow_mut().takes = takes;
    toy
}

fn hub(near: &Toy, idle: Option<Duration>) -> Hub<&'static str> {
    let rules = HubRules {
        nothing_to_send: false,
        fin: true,
        to_the_end: false,
        quit_after: None,
        linger: Duration::from_secs(10),
        idle,
    };
    Hub::new(Box::new(near.clone()), &rules)
}

fn settled(hub: &mut Hub<&'static str>, woken: &[usize], now: Instant) -> Option<Instant> {
    let mut woken = woken;
    loop {
        match hub.step(woken, now).unwrap() {
            Turn::Again => woken = &[],
            Turn::Wait(until) => return until,
        }
    }
}

const ALL: usize = usize::MAX;
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn who_takes_nothing_is_dropped_after_five_seconds_and_the_others_get_everything() {
    let now = Instant::now();
    let data = vec![7; 300 << 10];
    let near = toy(&data, ALL);
    let (good, bad) = (toy(b"", ALL), toy(b"", 1000));
    let mut hub = hub(&near, None);
    hub.join(Box::new(good.clone()), None, "good", now);
    hub.join(Box::new(bad.clone()), None, "bad", now);
    assert_eq!(settled(&mut hub, &[], now), Some(now + SECOND));
    assert_eq!(good.0.borrow().taken.len(), 1000 + (64 << 10));
    let next = settled(&mut hub, &[1], now + 4 * SECOND);
    assert_eq!(next, Some(now + 5 * SECOND));
    assert_eq!(hub.len(), 2);
    settled(&mut hub, &[], now + 5 * SECOND);
    let gone: Vec<_> = hub.gone().collect();
    assert!(matches!(
        gone.as_slice(),
        [("bad", outcome)] if outcome.status() == Status::NotDelivered
    ));
    assert!(bad.0.borrow().aborted && !bad.0.borrow().finished);
    assert!(good.0.borrow().taken == data);
}

#[test]
fn who_takes_less_than_a_queue_in_five_seconds_is_dropped_and_who_takes_more_stays() {
    for (each, stays) in [(3 << 10, false), (20 << 10, true)] {
        let mut now = Instant::now();
        let near = toy(&vec![7; 300 << 10], ALL);
        let slow = toy(b"", 0);
        let mut hub = hub(&near, None);
        hub.join(Box::new(slow.clone()), None, "slow", now);
        for _ in 0..15 {
            settled(&mut hub, &[0], now);
            now += SECOND;
            slow.0.borrow_mut().takes = each;
        }
        assert_eq!(hub.len() == 1, stays, "{each} bytes a second");
    }
}

#[test]
fn what_is_acknowledged_is_read_though_the_socket_takes_no_more() {
    for (each, stays) in [(3 << 10, false), (20 << 10, true)] {
        let mut now = Instant::now();
        let near = toy(&vec![7; 600 << 10], ALL);
        let slow = toy(b"", 400 << 10);
        slow.0.borrow_mut().missing = 400 << 10;
        let mut hub = hub(&near, None);
        hub.join(Box::new(slow.clone()), None, "slow", now);
        for _ in 0..15 {
            settled(&mut hub, &[], now);
            now += SECOND;
            slow.0.borrow_mut().missing -= each;
        }
        assert_eq!(hub.len() == 1, stays, "{each} bytes a second");
    }
}

#[test]
fn who_acknowledges_is_not_idle() {
    let now = Instant::now();
    let near = toy(b"for you", ALL);
    let slow = toy(b"", ALL);
    slow.0.borrow_mut().missing = 7;
    let mut hub = hub(&near, Some(3 * SECOND));
    hub.join(Box::new(slow.clone()), None, "slow", now);
    assert_eq!(settled(&mut hub, &[], now), Some(now + 3 * SECOND));
    slow.0.borrow_mut().missing = 2;
    slow.0.borrow_mut().answered = Some(SECOND);
    let next = settled(&mut hub, &[], now + 3 * SECOND);
    assert_eq!(next, Some(now + 5 * SECOND), "from the acknowledgement on");
    // An answer without progress is only a probe's.
    slow.0.borrow_mut().answered = Some(Duration::ZERO);
    settled(&mut hub, &[], now + 5 * SECOND);
    let (_, outcome) = hub.gone().next().unwrap();
    assert_eq!(outcome.status(), Status::Idle);
}

#[test]
fn everybody_has_a_turn_and_none_a_longer_one() {
    let now = Instant::now();
    // The output takes nothing at first.
    let near = toy(b"", 0);
    let mut hub = hub(&near, None);
    let loud: Vec<Toy> = (0..3).map(|n| toy(&vec![n; 2 << 20], ALL)).collect();
    for toy in &loud {
        hub.join(Box::new(toy.clone()), None, "loud", now);
    }
    settled(&mut hub, &[], now);
    near.0.borrow_mut().takes = 3 << 20;
    settled(&mut hub, &[NEAR], now);
    let taken = &near.0.borrow().taken;
    for (turn, piece) in taken.chunk_by(|a, b| a == b).enumerate() {
        assert_eq!(usize::from(piece[0]), turn % 3, "out of turn");
        assert!(piece.len() <= 64 << 10);
    }
    assert_eq!(taken.len(), 3 << 20);
}

#[test]
fn who_waits_for_us_is_not_idle() {
    let now = Instant::now();
    let near = toy(b"", 0);
    let mut hub = hub(&near, Some(SECOND));
    hub.join(Box::new(toy(&vec![1; 3 << 20], ALL)), None, "loud", now);
    hub.join(Box::new(toy(b"", ALL)), None, "mute", now);
    assert_eq!(settled(&mut hub, &[], now), Some(now + SECOND));
    assert_eq!(settled(&mut hub, &[], now + SECOND), None);
    let gone: Vec<_> = hub.gone().collect();
    assert!(matches!(
        gone.as_slice(),
        [("mute", outcome)] if outcome.status() == Status::Idle
    ));
    near.0.borrow_mut().takes = ALL;
    settled(&mut hub, &[NEAR], now + 100 * SECOND);
    assert_eq!(near.0.borrow().taken.len(), 3 << 20);
    settled(&mut hub, &[], now + 101 * SECOND);
    assert_eq!(hub.len(), 0, "and now it is");
}

#[test]
fn what_comes_later_goes_to_those_who_are_there() {
    let now = Instant::now();
    let near = toy(b"early ", ALL);
    let (first, second) = (toy(b"", ALL), toy(b"", ALL));
    let mut hub = hub(&near, None);
    settled(&mut hub, &[], now);
    assert_eq!(near.0.borrow().gives, b"early ", "nobody is there");
    hub.join(Box::new(first.clone()), None, "first", now);
    settled(&mut hub, &[], now);
    hub.join(Box::new(second.clone()), None, "second", now);
    near.0.borrow_mut().gives = b"late".to_vec();
    near.0.borrow_mut().ends = true;
    settled(&mut hub, &[NEAR], now);
    assert_eq!(first.0.borrow().taken, b"early late");
    assert_eq!(second.0.borrow().taken, b"late");
    assert!(first.0.borrow().finished && second.0.borrow().finished);
    let third = toy(b"", ALL);
    hub.join(Box::new(third.clone()), None, "third", now);
    settled(&mut hub, &[], now);
    assert!(third.0.borrow().finished, "the end is the end for all");
    first.0.borrow_mut().ends = true;
    settled(&mut hub, &[0], now);
    let (_, outcome) = hub.gone().next().unwrap();
    assert!(matches!(outcome.up, UpEnd::Delivered));
    assert_eq!(outcome.status(), Status::Success);
}

#[test]
fn a_client_that_has_ended_gets_what_was_there_and_is_not_kept_for_the_rest() {
    let now = Instant::now();
    let near = toy(b"for both ", ALL);
    let (stays, ends) = (toy(b"", ALL), toy(b"", 0));
    let mut hub = hub(&near, None);
    hub.join(Box::new(stays.clone()), None, "stays", now);
    hub.join(Box::new(ends.clone()), None, "ends", now);
    settled(&mut hub, &[], now);
    ends.0.borrow_mut().ends = true;
    settled(&mut hub, &[1], now);
    near.0.borrow_mut().gives = b"for one".to_vec();
    settled(&mut hub, &[NEAR], now);
    assert!(!ends.0.borrow().finished, "its queue is not empty");
    ends.0.borrow_mut().takes = ALL;
    settled(&mut hub, &[1], now);
    assert_eq!(ends.0.borrow().taken, b"for both ");
    assert!(ends.0.borrow().finished && !ends.0.borrow().aborted);
    assert!(
        matches!(hub.gone().next(), Some(("ends", outcome)) if outcome.status() == Status::Success)
    );
    assert_eq!(stays.0.borrow().taken, b"for both for one");
}
