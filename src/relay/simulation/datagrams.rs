//! An exchange between scripted ends: every datagram once and whole, in either direction.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    io,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use super::scripted::Dice;
use crate::{
    outcome::{DownEnd, Outcome, Status, Stop, UpEnd},
    relay::{Exchange, ExchangeRules, Step},
    stream::{Arrival, Datagrams, Flow, Io, Stream, Want},
};

/// What happens on either side, and what has happened.
struct Script {
    dice: Dice,
    /// What each read of our input gives, and whether it ends then.
    input: VecDeque<Vec<u8>>,
    input_ends: bool,
    read: Vec<Vec<u8>>,
    output: Vec<u8>,
    output_fails_at: Option<usize>,
    closed: bool,
    /// What comes, and from whom.
    arrivals: VecDeque<(u16, Vec<u8>)>,
    taken: Vec<(u16, Vec<u8>)>,
    sent: BTreeMap<u16, Vec<Vec<u8>>>,
    refuses_at: Option<usize>,
    sends: usize,
    unsent: usize,
    locked: Option<u16>,
    wanted: [Want; 2],
    blocked: [Want; 2],
}

#[derive(Clone)]
struct Near(Rc<RefCell<Script>>);

#[derive(Clone)]
struct Far(Rc<RefCell<Script>>);

/// The number of the one peer that a caller has.
const THE_PEER: u16 = 0;

fn error(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

impl Stream for Near {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Io> {
        let mut s = self.0.borrow_mut();
        if s.dice.one_in(4) {
            s.blocked[0].read = true;
            return Ok(Io::Blocked);
        }
        let Some(mut next) = s.input.pop_front() else {
            s.blocked[0].read = !s.input_ends;
            return Ok(if s.input_ends { Io::Eof } else { Io::Blocked });
        };
        if next.len() > buf.len() {
            let rest = next.split_off(buf.len());
            s.input.push_front(rest);
        }
        buf[..next.len()].copy_from_slice(&next);
        s.read.push(next.clone());
        Ok(Io::Moved(next.len()))
    }

    fn send(&mut self, buf: &[u8]) -> io::Result<Io> {
        let mut s = self.0.borrow_mut();
        assert!(!buf.is_empty() && !s.closed);
        if s.output_fails_at.is_some_and(|n| s.output.len() >= n) {
            return Err(error(libc::ENOSPC));
        }
        if s.dice.one_in(4) {
            s.blocked[0].write = true;
            return Ok(Io::Blocked);
        }
        let n = 1 + s.dice.below(buf.len());
        s.output.extend_from_slice(&buf[..n]);
        Ok(Io::Moved(n))
    }

    fn finish(&mut self) -> io::Result<Io> {
        self.0.borrow_mut().closed = true;
        Ok(Io::Moved(0))
    }

    fn abort(&mut self) {}

    fn arm(&mut self, want: Want) -> io::Result<()> {
        self.0.borrow_mut().wanted[0] = want;
        Ok(())
    }

    fn number(&mut self, _: usize) {}
}

impl Datagrams for Far {
    fn recv(&mut self, buf: &mut Vec<u8>) -> io::Result<Arrival> {
        let mut s = self.0.borrow_mut();
        if s.dice.one_in(4) || s.arrivals.is_empty() {
            s.blocked[1].read = true;
            return Ok(Arrival::Blocked);
        }
        let Some((from, datagram)) = s.arrivals.pop_front() else {
            return Ok(Arrival::Blocked);
        };
        if s.locked.is_some_and(|peer| peer != from) {
            return Ok(Arrival::Foreign);
        }
        buf.resize(300, 0);
        buf[..datagram.len()].copy_from_slice(&datagram);
        let length = datagram.len();
        s.taken.push((from, datagram));
        let address = SocketAddr::from(([127, 0, 0, 1], from)).into();
        Ok(Arrival::Whole {
            length,
            from: Flow {
                address,
                socket: 0,
                local: None,
            },
        })
    }

    fn send(&mut self, buf: &[u8], to: Option<&Flow>) -> io::Result<Io> {
        let mut s = self.0.borrow_mut();
        if s.dice.one_in(4) {
            s.blocked[1].write = true;
            return Ok(Io::Blocked);
        }
        if s.dice.one_in(8) {
            return Err(error(libc::ENOBUFS));
        }
        s.sends += 1;
        if s.refuses_at.is_some_and(|n| s.sends > n) {
            return Err(error(libc::ECONNREFUSED));
        }
        let port = to.map_or(THE_PEER, |to| to.address.as_socket().unwrap().port());
        s.sent.entry(port).or_default().push(buf.to_vec());
        s.unsent = 3;
        Ok(Io::Moved(buf.len()))
    }

    fn lock(&mut self, to: &Flow) -> io::Result<()> {
        let port = to.address.as_socket().unwrap().port();
        assert!(self.0.borrow_mut().locked.replace(port).is_none());
        Ok(())
    }

    fn largest(&self) -> usize {
        200
    }

    fn unsent(&self) -> io::Result<usize> {
        let mut s = self.0.borrow_mut();
        s.unsent = s.unsent.saturating_sub(1);
        Ok(s.unsent)
    }

    fn check(&self) -> io::Result<()> {
        Ok(())
    }

    fn arm(&mut self, want: Want) -> io::Result<()> {
        self.0.borrow_mut().wanted[1] = want;
        Ok(())
    }
}

impl Script {
    fn new(dice: Dice, rules: &ExchangeRules) -> Self {
        let mut this = Self {
            dice,
            input: VecDeque::new(),
            input_ends: false,
            read: Vec::new(),
            output: Vec::new(),
            output_fails_at: None,
            closed: false,
            arrivals: VecDeque::new(),
            taken: Vec::new(),
            sent: BTreeMap::new(),
            refuses_at: None,
            sends: 0,
            unsent: 0,
            locked: None,
            wanted: [Want::NOTHING; 2],
            blocked: [Want::NOTHING; 2],
        };
        let dice = &mut this.dice;
        this.input_ends = !dice.one_in(3);
        this.output_fails_at = dice.one_in(8).then(|| dice.below(500));
        this.refuses_at = dice.one_in(6).then(|| dice.below(5));
        for n in 0..dice.below(12) {
            let length = 1 + dice.below(250);
            this.input.push_back(vec![n as u8; length]);
        }
        for n in 0..dice.below(12) {
            let from = match (rules.receiver, dice.one_in(2)) {
                (true, true) => 7,
                (true, false) => 8,
                (false, _) => THE_PEER,
            };
            let length = [0, dice.below(250)][dice.below(2)];
            this.arrivals.push_back((from, vec![n as u8; length]));
        }
        this
    }

    /// Lets what is blocked and waited for go on. Whether there was such a thing.
    fn wake(&mut self) -> bool {
        let mut woken = false;
        let input_left = !self.input.is_empty() || self.input_ends;
        for (side, readable) in [input_left, !self.arrivals.is_empty()]
            .into_iter()
            .enumerate()
        {
            let (wanted, blocked) = (self.wanted[side], &mut self.blocked[side]);
            woken |= wanted.read && blocked.read && readable;
            woken |= wanted.write && blocked.write;
            *blocked = Want::NOTHING;
        }
        woken
    }
}

fn rules(dice: &mut Dice) -> ExchangeRules {
    let receiver = dice.one_in(2);
    let seconds = |n| Some(Duration::from_secs(n));
    ExchangeRules {
        receiver,
        everyone: receiver && dice.one_in(2),
        size: dice.one_in(3).then(|| 1 + dice.below(100)),
        recv_limit: dice.one_in(4).then(|| 1 + dice.below(5) as u64),
        quiet: if receiver { None } else { seconds(1) },
        idle: if dice.one_in(2) { seconds(5) } else { None },
        first: if dice.one_in(3) { seconds(3) } else { None },
        patient: dice.one_in(4),
    }
}

fn run(seed: u64) -> Status {
    let mut dice = Dice::new(seed);
    let rules = rules(&mut dice);
    let script = Rc::new(RefCell::new(Script::new(dice, &rules)));
    let mut now = Instant::now();
    let mut exchange = Exchange::new(
        Box::new(Near(Rc::clone(&script))),
        Box::new(Far(Rc::clone(&script))),
        rules.clone(),
        now,
    );
    let mut steps = 0;
    let outcome = loop {
        steps += 1;
        assert!(steps < 5000, "seed {seed}: it does not end");
        match exchange.step(now).unwrap() {
            Step::Done(outcome) => break *outcome,
            Step::Again => {}
            Step::Wait(until) => {
                let woken = script.borrow_mut().wake();
                match until {
                    _ if woken => now += Duration::from_millis(1),
                    Some(at) => {
                        assert!(at > now, "seed {seed}: waits for the past");
                        now = at;
                    }
                    None => break exchange.stop(Stop::Signal(libc::SIGTERM)),
                }
            }
        }
    };
    check(seed, &rules, &script.borrow(), &outcome);
    outcome.status()
}

fn check(seed: u64, rules: &ExchangeRules, s: &Script, outcome: &Outcome) {
    let written: Vec<u8> = s.taken.iter().flat_map(|(_, d)| d.clone()).collect();
    assert!(written.starts_with(&s.output), "seed {seed}: output");
    let limit = rules.recv_limit.unwrap_or(u64::MAX);
    assert!(s.taken.len() as u64 <= limit, "seed {seed}: limit");
    let largest = rules.size.unwrap_or(usize::MAX).min(200);
    assert!(s.read.iter().all(|d| d.len() <= largest), "seed {seed}");
    for (port, sent) in &s.sent {
        // A correspondent gets all from when it was first heard.
        let whole = s.read.windows(sent.len()).any(|part| part == sent);
        assert!(whole, "seed {seed}: {port} got other datagrams");
        if !rules.everyone {
            assert!(s.read.starts_with(sent), "seed {seed}");
        }
    }
    if !rules.everyone && rules.receiver {
        let first = s.taken.first().map(|(from, _)| *from);
        assert!(
            s.taken.iter().all(|(from, _)| Some(*from) == first),
            "seed {seed}"
        );
    }
    assert_eq!(
        outcome.counters.received,
        s.output.len() as u64,
        "seed {seed}"
    );
    if outcome.status() == Status::Success {
        assert!(s.closed, "seed {seed}: success without a checked close");
        assert_eq!(s.output, written, "seed {seed}: not everything is written");
        assert!(matches!(outcome.down, DownEnd::Complete), "seed {seed}");
        let whole = s.sent.get(&THE_PEER).map_or(0, Vec::len) == s.read.len();
        assert!(
            rules.receiver || whole,
            "seed {seed}: not everything was sent"
        );
        if !rules.receiver && rules.recv_limit.is_none() {
            assert!(s.input.is_empty(), "seed {seed}: not everything was read");
            assert!(matches!(outcome.up, UpEnd::Delivered), "seed {seed}");
        }
    }
}

#[test]
fn every_datagram_once_and_whole() {
    let mut statuses = BTreeMap::new();
    for seed in 0..20_000 {
        let status = format!("{:?}", run(seed));
        *statuses.entry(status).or_insert(0) += 1;
    }
    for status in ["Success", "NotStarted", "Local", "Expired", "Signal(15)"] {
        let often = statuses.get(status).is_some_and(|n| *n >= 20);
        assert!(often, "{status}: {statuses:?}");
    }
}
