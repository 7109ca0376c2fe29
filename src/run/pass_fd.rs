//! Connect for somebody else: look who wants the socket, connect, pass it on.

use std::{io, os::fd::OwnedFd, time::Instant};

use super::{Stage, connect, handshake::Reading, proxied, unix};
use crate::{
    event::Deadline,
    net::{Error, FdReceiver},
    outcome::{Limit, Status},
    plan::{Callee, Plan},
    report::Peer,
    stream::Socket,
};

/// Connects to a peer and passes the socket over standard output.
pub(super) fn run(stage: &mut Stage, callee: &Callee, plan: &Plan) -> Status {
    // First of all, so that nobody is called for nothing.
    let receiver = match FdReceiver::on_stdout(&stage.reactor) {
        Ok(receiver) => receiver,
        Err(error) => return give_up(stage, &error, "standard output"),
    };
    let (socket, peer) = match reach(stage, callee, plan) {
        Ok(reached) => reached,
        Err(status) => return status,
    };
    match pass(stage, &receiver, socket, plan) {
        Ok(()) => {
            stage.report.passed(&peer);
            Status::Success
        }
        Err(error) => give_up(stage, &error, &peer.to_string()),
    }
}

/// The socket as its receiver is to have it: like a fresh one that was connected.
fn reach(
    stage: &mut Stage,
    callee: &Callee,
    plan: &Plan,
) -> Result<(io::Result<OwnedFd>, Peer), Status> {
    let connect = match callee {
        Callee::Inet(connect) => connect,
        Callee::Unix(address) => {
            let (socket, peer) = unix::reach(stage, address, plan)?;
            return Ok((blocking(socket), peer));
        }
    };
    let (far, peer) = match &connect.proxy {
        Some(proxy) => {
            let (far, peer) = proxied::reach(stage, connect, proxy, plan, Reading::Exactly)?;
            (Ok(far), peer)
        }
        None => connect::reach(stage, connect, plan)?,
    };
    Ok((far.and_then(Socket::release).and_then(blocking), peer))
}

fn blocking(socket: OwnedFd) -> io::Result<OwnedFd> {
    rustix::io::ioctl_fionbio(&socket, false)?;
    Ok(socket)
}

fn pass(
    stage: &mut Stage,
    receiver: &FdReceiver,
    socket: io::Result<OwnedFd>,
    plan: &Plan,
) -> Result<(), Error> {
    let limit = Deadline::after(Instant::now(), plan.limits.idle, Limit::Idle);
    receiver.pass(&mut stage.reactor, &socket?, limit.or(stage.total))
}

fn give_up(stage: &Stage, error: &Error, target: &str) -> Status {
    stage.report.not_started(error, target);
    error.setback().status()
}
