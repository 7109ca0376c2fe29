//! Connect to a Unix socket, relay.

use std::{
    os::fd::{AsFd, OwnedFd},
    time::Instant,
};

use super::{
    Stage, retry,
    session::{self, Role},
};
use crate::{
    event::Deadline,
    net::{self, Address},
    os,
    outcome::{Limit, Status},
    plan::{Plan, UnixAddress},
    report::{Miss, Peer},
    stream::{Stream, UnixSocket},
};

/// Connects to a Unix socket and joins it to standard input and output.
pub(super) fn run(stage: &mut Stage, address: &UnixAddress, plan: &Plan) -> Status {
    let (socket, peer) = match reach(stage, address, plan) {
        Ok(reached) => reached,
        Err(status) => return status,
    };
    let far = UnixSocket::new(&stage.reactor, socket);
    let far = far.map(|far| Box::new(far) as Box<dyn Stream>);
    session::run(stage, far, &peer, plan, Role::Caller)
}

/// Everything up to the connected socket. Why there is none is said, and comes back as the status to
/// end with.
pub(super) fn reach(
    stage: &mut Stage,
    address: &UnixAddress,
    plan: &Plan,
) -> Result<(OwnedFd, Peer), Status> {
    let peer = Peer {
        name: None,
        address: Address::Unix(address.clone()),
        beyond: None,
    };
    let name = peer.to_string();
    let socket = retry::insist(stage, plan, |stage| {
        let limit = Deadline::after(Instant::now(), plan.limits.connect, Limit::Connect);
        let deadline = limit.or(stage.total);
        let connected = net::connect_unix(&mut stage.reactor, address, &stage.options, deadline);
        connected.map_err(|error| Miss::Socket {
            error,
            target: &name,
        })
    })?;
    stage.report.connected(&peer, false);
    tell_who(stage, &socket);
    Ok((socket, peer))
}

/// Who the peer is, as the kernel vouches for it.
pub(super) fn tell_who(stage: &Stage, socket: impl AsFd) {
    stage.report.fact(|| match os::peer_credentials(socket) {
        Ok(who) => {
            let process = who
                .process
                .map_or_else(|| "an unknown process".into(), |n| format!("process {n}"));
            format!(
                "the peer is {process}, user {}, group {}",
                who.user, who.group
            )
        }
        Err(e) => format!("the peer is unknown: {}", crate::report::reason(&e)),
    });
}
