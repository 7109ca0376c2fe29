//! A hub between scripted streams, over thousands of seeds: members come and go, some never read,
//! some break, and the near stream is short, blocked and failing as the dice say.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{
    super::{
        common::Sizes,
        hub::{Hub, HubRules, Turn},
    },
    scripted::{Dice, Hand as _, Last, Script, Scripted},
};
use crate::outcome::{Limit, Outcome, Status, Stop};

const NEAR: usize = usize::MAX;
const LINE: usize = 40;

/// Small, so that every limit is reached all the time.
const SIZES: Sizes = Sizes {
    queue: 100,
    output: 1200,
    room: 400,
    turn: 120,
    line: LINE,
};

struct Client {
    stream: Scripted,
    /// How much of the near input had been read when it came.
    joined: usize,
    came: Instant,
    outcome: Option<(Outcome, Instant)>,
}

struct Run {
    seed: u64,
    rules: HubRules,
    tagged: bool,
    near: Scripted,
    clients: Vec<Client>,
    /// Everything that came is written, and the run was not stopped.
    whole: bool,
}

/// What client `n` sends: bytes that nobody else sends, or lines of all lengths.
fn words(n: usize, length: usize, tagged: bool, dice: &mut Dice) -> Vec<u8> {
    let base = u8::try_from(n * 40).unwrap();
    let byte = |k: usize| base + u8::try_from(k % 40).unwrap();
    if !tagged {
        return (0..length).map(byte).collect();
    }
    let letter = b'a' + u8::try_from(n).unwrap();
    let often = 1 + dice.below(3 * LINE);
    let line = |k: usize| letter - if k.is_multiple_of(3) { 32 } else { 0 };
    (0..length)
        .map(|k| if dice.one_in(often) { b'\n' } else { line(k) })
        .collect()
}

fn client(seed: u64, n: usize, tagged: bool, dice: &mut Dice) -> Scripted {
    let stream = Scripted::new(seed * 16 + n as u64, false);
    let script = &mut *stream.script().borrow_mut();
    script.input = words(n, script.input.len(), tagged, dice);
    script.stuck_at = dice.one_in(5).then(|| dice.below(200));
    stream.clone()
}

fn run(seed: u64) -> Run {
    let mut dice = Dice::new(seed ^ 0x0bad_cafe);
    let tagged = dice.one_in(2);
    let nothing_to_send = dice.one_in(3);
    let rules = HubRules {
        nothing_to_send,
        fin: !nothing_to_send && !dice.one_in(5),
        to_the_end: dice.one_in(3),
        quit_after: dice.one_in(6).then_some(Duration::from_secs(2)),
        linger: Duration::from_secs(5),
        idle: dice.one_in(4).then_some(Duration::from_secs(60)),
    };
    let near = Scripted::new(seed * 16 + 15, nothing_to_send);
    let mut hub = Hub::with_sizes(Box::new(near.clone()), &rules, SIZES);
    let most = 1 + dice.below(6);
    let mut clients: Vec<Client> = Vec::new();
    let mut now = Instant::now();
    let mut woken = Vec::new();
    let (mut whole, mut steps) = (false, 0);
    loop {
        steps += 1;
        assert!(steps < 20_000, "seed {seed}: it does not end");
        if clients.len() < most && (hub.len() == 0 || dice.one_in(4)) {
            let stream = client(seed, clients.len(), tagged, &mut dice);
            let tag = tagged.then(|| format!("{}: ", clients.len()).into_bytes());
            hub.join(Box::new(stream.clone()), tag, clients.len(), now);
            clients.push(Client {
                stream,
                joined: near.script().borrow().given,
                came: now,
                outcome: None,
            });
        }
        let (before, empty) = (moves(&near, &clients), hub.len() == 0);
        let given = near.script().borrow().given;
        let turn = hub.step(&woken, now);
        woken.clear();
        assert!(
            !empty || near.script().borrow().given == given,
            "seed {seed}: read for nobody"
        );
        for (n, outcome) in hub.gone() {
            clients[n].outcome = Some((outcome, now));
        }
        check_fins(seed, &rules, tagged, &near, &clients);
        let Ok(turn) = turn else {
            hub.cut();
            break;
        };
        if clients.len() == most && hub.len() == 0 && hub.is_written() {
            whole = true;
            break;
        }
        let until = match turn {
            Turn::Again => {
                assert!(
                    moves(&near, &clients) > before,
                    "seed {seed}: turns without progress"
                );
                continue;
            }
            Turn::Wait(until) => until,
        };
        let was = now;
        if near.script().borrow_mut().wake_if_armed() {
            woken.push(NEAR);
        }
        for client in &clients {
            let sleeps = client.outcome.is_some() || dice.one_in(3);
            let mut script = client.stream.script().borrow_mut();
            if !sleeps && script.wake_if_armed() {
                woken.push(script.number);
            }
        }
        let awake = clients.iter().any(|c| c.outcome.is_none() && c.is_awake());
        match until {
            // Nobody sleeps so long that it would count as not reading.
            _ if awake => now += Duration::from_millis(1),
            Some(at) if woken.is_empty() => {
                assert!(at > now, "seed {seed}: waits for the past");
                now = at;
            }
            _ if !woken.is_empty() || clients.len() < most => now += Duration::from_millis(1),
            // Only a person or a signal can end it now.
            _ => {
                hub.stop(dice.one_in(2));
                break;
            }
        }
        for client in &clients {
            client.stream.pass(now - was);
        }
    }
    drop(hub);
    Run {
        seed,
        rules,
        tagged,
        near,
        clients,
        whole,
    }
}

impl Client {
    /// Whether it will be woken one day.
    fn is_awake(&self) -> bool {
        let script = self.stream.script().borrow();
        (script.armed.read && !script.is_silent()) || (script.armed.write && !script.is_stuck())
    }
}

fn moves(near: &Scripted, clients: &[Client]) -> u64 {
    let of = |stream: &Scripted| stream.script().borrow().moves;
    let ended = clients.iter().filter(|c| c.outcome.is_some()).count() as u64;
    of(near) + ended + clients.iter().map(|c| of(&c.stream)).sum::<u64>()
}

/// Who has nothing to send gives its FIN only when all is written.
fn check_fins(seed: u64, rules: &HubRules, tagged: bool, near: &Scripted, clients: &[Client]) {
    if rules.fin || tagged {
        return;
    }
    let output = &near.script().borrow().output;
    for (n, client) in clients.iter().enumerate() {
        let script = client.stream.script().borrow();
        let quit = rules.quit_after.is_some();
        if script.finished > 0 && !quit {
            let written = output.iter().filter(|byte| usize::from(**byte) / 40 == n);
            assert_eq!(written.count(), script.given, "seed {seed}: client {n}");
        }
    }
}

/// What has to be written of what a client has sent.
fn tagged_lines(n: usize, bytes: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let pieces = line.chunks(LINE).chain(line.is_empty().then_some(line));
        for piece in pieces {
            lines.extend_from_slice(format!("{n}: ").as_bytes());
            lines.extend_from_slice(piece);
            lines.push(b'\n');
        }
    }
    lines
}

fn check(run: &Run) {
    let Run {
        seed,
        rules,
        tagged,
        near,
        clients,
        whole,
    } = run;
    let near = near.script().borrow();
    for (n, client) in clients.iter().enumerate() {
        let script = client.stream.script().borrow();
        let at = format!("seed {seed}, client {n}");
        let (came, expected) = if *tagged {
            let mine = format!("{n}: ");
            let lines = near.output.split_inclusive(|byte| *byte == b'\n');
            let mine = lines.filter(|line| line.starts_with(mine.as_bytes()));
            (
                mine.flatten().copied().collect(),
                tagged_lines(n, &script.input[..script.given]),
            )
        } else {
            let mine = near.output.iter().filter(|b| usize::from(**b) / 40 == n);
            (
                mine.copied().collect::<Vec<u8>>(),
                script.input[..script.given].to_vec(),
            )
        };
        if *whole {
            assert_eq!(came, expected, "{at}: not once and in order");
        } else {
            let open = came.ends_with(b"\n") || !tagged;
            assert!(expected.starts_with(&came) || !open, "{at}: no prefix");
        }
        check_broadcast(&at, rules, client, &script, &near);
    }
    if *tagged && *whole {
        let known = |line: &[u8]| line.first().is_some_and(u8::is_ascii_digit);
        let mut lines = near.output.split_inclusive(|byte| *byte == b'\n');
        assert!(lines.all(known), "seed {seed}: a line without a tag");
    }
}

fn check_broadcast(at: &str, rules: &HubRules, client: &Client, script: &Script, near: &Script) {
    let rest = &near.input[client.joined..];
    assert!(rest.starts_with(&script.output), "{at}: a hole");
    assert!(script.finished <= 1, "{at}: two ends");
    if script.finished == 1 {
        assert_eq!(script.finished_at, script.output.len(), "{at}: sent behind");
        // Nobody who still listened was told an end that is none.
        let ended = script.given == script.input.len() && script.last == Last::End;
        let quit = rules.quit_after.is_some();
        let may_miss = (ended && !rules.to_the_end) || quit;
        assert!(may_miss || script.output == rest, "{at}: a false end");
    }
    let Some((outcome, when)) = &client.outcome else {
        return;
    };
    if script.failed && outcome.stop.is_none() {
        let left = script.input.len() - script.given;
        assert_eq!(left, 0, "{at}: failed, and not read to its end");
    }
    match (outcome.status(), outcome.stop) {
        (Status::NotDelivered, Some(Stop::Expired(what))) => {
            assert_eq!(what.limit, Limit::Queue, "{at}");
            assert!(script.is_stuck(), "{at}: it would have read");
            assert!(script.aborted > 0, "{at}: not reset");
            let stayed = when.duration_since(client.came);
            assert!(stayed >= Duration::from_secs(5), "{at}: after {stayed:?}");
        }
        (Status::Success, _) => {
            let unmissed = script.finish_fails && script.output.is_empty();
            assert!(script.finished == 1 || unmissed, "{at}: no end");
        }
        _ => {}
    }
    // Whoever reads loses nothing by those who do not.
    let reads = !script.is_stuck() && !script.vanished;
    if outcome.status() == Status::Success && reads && script.last == Last::Silence {
        assert_eq!(script.output, rest, "{at}: it has lost something");
    }
}

#[test]
fn every_byte_once_in_order_and_nobody_loses_by_another() {
    let mut seen = BTreeMap::new();
    for seed in 0..10_000 {
        let run = run(seed);
        check(&run);
        for client in &run.clients {
            let what = match &client.outcome {
                None => "stopped".to_owned(),
                Some((outcome, _)) => match outcome.stop {
                    Some(Stop::Expired(what)) => format!("{:?}", what.limit),
                    _ => format!("{:?}", outcome.status()),
                },
            };
            *seen.entry(what).or_insert(0) += 1;
        }
        *seen.entry(format!("whole {}", run.whole)).or_insert(0) += 1;
    }
    for what in [
        "stopped",
        "Success",
        "Broken",
        "NotDelivered",
        "Idle",
        "Queue",
        "whole true",
        "whole false",
    ] {
        assert!(seen.get(what).is_some_and(|n| *n >= 20), "{what}: {seen:?}");
    }
}
