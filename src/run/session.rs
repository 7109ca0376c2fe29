//! One connection, from its socket to its outcome.

use std::{io, time::Instant};

use super::{Stage, wrap};
use crate::{
    event::Wake,
    outcome::{Outcome, Status, Stop},
    plan::{Input, Keepalive, Personality, Plan, SocketOption},
    relay::{Link, Pipes, Rules, Step},
    report::{Peer, reason},
    stream::{InputKind, Stdio, Stream},
};

/// What a lone session holds of each direction at most.
const BUFFER: usize = 1 << 20;

/// A wake-up costs both ends as much as moving 100 KiB, and over loopback one was needed for every
/// 100 KiB.
const MUCH: usize = 256 * 1024;

/// Who began the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// We did.
    Caller,
    /// The peer did.
    Called,
}

/// Joins the socket to standard input and output and tells how it went.
pub(super) fn run(
    stage: &mut Stage,
    far: io::Result<Box<dyn Stream>>,
    peer: &Peer,
    plan: &Plan,
    role: Role,
) -> Status {
    let started = Instant::now();
    let link = far.and_then(|far| join(stage, far, plan, role));
    let outcome = link.and_then(|link| relay(stage, link));
    match outcome {
        Ok(outcome) => {
            stage.report.ended(&outcome, peer, started.elapsed());
            outcome.status()
        }
        Err(e) => {
            stage.report.failure(&format!("{peer}: {}", reason(&e)));
            Status::Local
        }
    }
}

fn join(stage: &Stage, far: Box<dyn Stream>, plan: &Plan, role: Role) -> io::Result<Link> {
    let transfer = &plan.transfer;
    let near = Stdio::take(
        &stage.reactor,
        transfer.input == Input::Stdin,
        transfer.send_only,
    )?;
    let kind = near.input_kind();
    log::debug!("standard input: {kind:?}");
    let (stdin, stdout) = near.pipe_sizes();
    for (name, size) in [("input", stdin), ("output", stdout)] {
        if let Some(size) = size {
            stage
                .report
                .fact(|| format!("standard {name} is a pipe of {size} bytes"));
        }
    }
    let rules = Rules {
        nothing_to_send: kind == InputKind::Nothing,
        terminal: kind == InputKind::Terminal,
        // nc leaves as soon as its client has ended, whatever its input could still say.
        may_leave: (role == Role::Caller || plan.personality == Personality::Nc)
            && kind == InputKind::Pipe,
        on_input_end: transfer.on_input_end,
        on_peer_end: transfer.on_peer_end,
        quit_after: transfer.quit_after,
        recv_limit: transfer.recv_limit,
        send_only: transfer.send_only,
        linger: transfer.linger,
        keepalive: !plan.socket_options.iter().any(sets_keepalive_times),
        idle: plan.limits.idle,
        idle_is_end: plan.personality == Personality::Nc,
        buffer: BUFFER,
        much: MUCH,
    };
    Ok(Link::new(
        wrap::near(near, transfer.lines),
        wrap::far(far, transfer.telnet),
        rules,
        &Pipes::default(),
        Instant::now(),
    ))
}

/// Whether somebody has said when a silent peer is to be asked.
fn sets_keepalive_times(option: &SocketOption) -> bool {
    matches!(option, SocketOption::Keepalive(times) if *times != Keepalive::default())
}

fn relay(stage: &mut Stage, mut link: Link) -> io::Result<Outcome> {
    loop {
        let now = Instant::now();
        if let Some(expired) = stage.total.expired(now) {
            return Ok(link.stop(Stop::Expired(expired)));
        }
        let until = match link.step(now)? {
            Step::Done(outcome) => return Ok(*outcome),
            Step::Again => Some(now),
            Step::Wait(until) => until,
        };
        stage.counters.set(link.counters());
        let until = [until, stage.total.at()].into_iter().flatten().min();
        if let Wake::Signal(number) = stage.reactor.wait(until)? {
            return Ok(link.stop(Stop::Signal(number)));
        }
    }
}
