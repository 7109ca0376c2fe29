//! The same link, where the ends of lines are changed, lines are sent one by one, and the far side
//! speaks telnet: what comes out is what the whole input would be made into, however it comes.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Run, drive, rules,
    scripted::{Dice, Hand, Last, Scripted},
};
use crate::{
    outcome::Status,
    plan::OnPeerEnd,
    stream::{Lines, Stream, Telnet},
};

const IAC: u8 = 255;

struct Wraps {
    crlf: bool,
    interval: Option<Duration>,
    telnet: bool,
}

/// What is typed: everything that means something to anybody.
fn typed(dice: &mut Dice, length: usize) -> Vec<u8> {
    let byte = |dice: &mut Dice| b"ab\r\n\n\0\xff\xfd"[dice.below(8)];
    (0..length).map(|_| byte(dice)).collect()
}

/// What a telnet server sends.
fn telnet(dice: &mut Dice, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        match dice.below(8) {
            0 => bytes.extend([IAC, 251 + dice.below(4) as u8, dice.below(5) as u8]),
            1 => bytes.extend(b"\xff\xfa\x18\xff\xff\x01\xff\xf0"),
            2 => bytes.extend(b"\xff\xff"),
            3 => bytes.extend(b"\xff\xf1"),
            4 => bytes.extend(b"\r\0"),
            _ => bytes.extend(b"data\r\n"),
        }
    }
    bytes
}

/// With CRLF at the ends of lines: the long way round.
fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    for byte in bytes {
        if *byte == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}

/// The data in whole telnet, and how many requests are in it; half a sequence at the end is no data.
fn data(bytes: &[u8]) -> (Vec<u8>, usize) {
    let (mut data, mut requests, mut rest) = (Vec::new(), 0, bytes);
    loop {
        rest = match rest {
            [IAC, IAC, rest @ ..] => {
                data.push(IAC);
                rest
            }
            [IAC, 251..=254, _, rest @ ..] => {
                requests += 1;
                rest
            }
            [IAC, 250, rest @ ..] => {
                let end = rest.windows(2).position(|pair| pair == [IAC, 240]);
                match end {
                    Some(at) => &rest[at + 2..],
                    None => return (data, requests),
                }
            }
            [IAC, 240..=249, rest @ ..] => rest,
            [IAC, ..] | [] => return (data, requests),
            [byte, rest @ ..] => {
                data.push(*byte);
                rest
            }
        };
    }
}

fn without_padding(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        if *byte != 0 || at == 0 || bytes[at - 1] != b'\r' {
            out.push(*byte);
        }
    }
    out
}

fn run(seed: u64) -> (Run, Wraps) {
    let mut dice = Dice::new(seed ^ 0x7e1_7e1);
    let mut rules = rules(&mut dice);
    rules.nothing_to_send = dice.one_in(8);
    let wraps = Wraps {
        crlf: dice.one_in(2),
        interval: dice.one_in(2).then(|| Duration::from_secs(100)),
        telnet: dice.one_in(2),
    };
    let near = Scripted::new(2 * seed, rules.nothing_to_send);
    let far = Scripted::new(2 * seed + 1, false);
    for (stream, speak) in [
        (&near, typed as fn(&mut Dice, usize) -> Vec<u8>),
        (&far, telnet),
    ] {
        let script = &mut *stream.script().borrow_mut();
        script.input = speak(&mut dice, script.input.len());
    }
    let lines = Lines::new(Box::new(near.clone()), wraps.crlf, wraps.interval);
    let mut connection: Box<dyn Stream> = Box::new(far.clone());
    if wraps.telnet {
        connection = Box::new(Telnet::new(connection));
    }
    let near = (
        Box::new(lines) as Box<dyn Stream>,
        Box::new(near) as Box<dyn Hand>,
    );
    let run = drive(seed, dice, rules, near, (connection, Box::new(far)));
    (run, wraps)
}

fn check(run: &Run, wraps: &Wraps) {
    let Run { seed, rules, .. } = run;
    let (near, far) = (run.near.script().borrow(), run.far.script().borrow());
    let made = |bytes: &[u8]| match wraps.crlf {
        true => with_crlf(bytes),
        false => bytes.to_vec(),
    };
    let all = made(&near.input);
    let given = made(&near.input[..near.given]);
    let (sent, answers) = match wraps.telnet {
        true => data(&far.output),
        false => (far.output.clone(), 0),
    };
    assert!(all.starts_with(&sent), "seed {seed}: up");
    assert!(answers <= 10, "seed {seed}: {answers} answers");
    let heard = |bytes: &[u8]| match wraps.telnet {
        true => without_padding(&data(bytes).0),
        false => bytes.to_vec(),
    };
    assert!(
        heard(&far.input).starts_with(&near.output),
        "seed {seed}: down"
    );
    let half = u64::from(
        wraps.telnet && far.output.iter().rev().take_while(|b| **b == IAC).count() % 2 == 1,
    );
    let counted = run.outcome.counters.sent - sent.len() as u64;
    assert!(counted <= half, "seed {seed}: counted");
    // Only who types, or does not want to go on without the peer, leaves something behind.
    let leaves =
        rules.terminal || rules.on_peer_end == OnPeerEnd::Exit || rules.recv_limit.is_some();
    if far.finished == 1 {
        assert_eq!(
            far.finished_at,
            far.output.len(),
            "seed {seed}: sent behind"
        );
        let ended = near.given == near.input.len() && near.last != Last::Silence;
        let whole = ended && sent == given;
        assert!(
            whole || rules.terminal || near.given == 0,
            "seed {seed}: a false end"
        );
    }
    if run.outcome.status() == Status::Success {
        assert_eq!(near.finished, 1, "seed {seed}: no checked close");
        assert_eq!(
            near.output,
            heard(&far.input[..far.given]),
            "seed {seed}: received"
        );
        assert!(sent == given || leaves, "seed {seed}: bytes are missing");
    }
    if let Some(interval) = wraps.interval {
        let lines = sent.iter().filter(|byte| **byte == b'\n').count();
        let behind = lines - usize::from(sent.ends_with(b"\n") && lines > 0);
        let least = interval * u32::try_from(behind).unwrap();
        assert!(
            run.took >= least,
            "seed {seed}: {:?} for {behind} pauses",
            run.took
        );
    }
}

#[test]
fn what_is_made_of_the_bytes_does_not_depend_on_how_they_come() {
    let mut seen = BTreeMap::new();
    for seed in 0..20_000 {
        let (run, wraps) = run(seed);
        check(&run, &wraps);
        let what = format!("{:?}", run.outcome.status());
        *seen.entry(what).or_insert(0) += 1;
        // Pauses that are longer than anybody may be idle.
        let paused = run.rules.idle.is_some() && run.took > Duration::from_secs(1000);
        if paused && run.outcome.status() == Status::Success {
            *seen.entry("paused".into()).or_insert(0) += 1;
        }
    }
    for what in [
        "Success",
        "Broken",
        "NotDelivered",
        "Idle",
        "Signal(13)",
        "paused",
    ] {
        assert!(seen.get(what).is_some_and(|n| *n >= 20), "{what}: {seen:?}");
    }
}
