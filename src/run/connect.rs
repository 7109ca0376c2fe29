//! Connect: look up, dial, relay.

use std::{io, net::SocketAddr, time::Instant};

use super::{
    Stage, proxied, retry,
    session::{self, Role},
};
use crate::{
    event::Deadline,
    net::{self, Connection, Dial, Query},
    outcome::{Limit, Status},
    plan::{Connect, Lookup, Plan, Port, Source},
    report::{Miss, Peer, escape, place},
    stream::{Socket, Stream},
};

/// Connects to a peer and joins it to standard input and output.
pub(super) fn run(stage: &mut Stage, connect: &Connect, plan: &Plan) -> Status {
    if let Some(proxy) = &connect.proxy {
        return proxied::run(stage, connect, proxy, plan);
    }
    let (far, peer) = match reach(stage, connect, plan) {
        Ok(reached) => reached,
        Err(status) => return status,
    };
    let far = far.map(|far| Box::new(far) as Box<dyn Stream>);
    session::run(stage, far, &peer, plan, Role::Caller)
}

/// Everything up to the connected socket. Why there is none is said, and comes back as the status to
/// end with.
pub(super) fn reach(
    stage: &mut Stage,
    connect: &Connect,
    plan: &Plan,
) -> Result<(io::Result<Socket>, Peer), Status> {
    let target = &connect.target;
    let connection = retry::insist(stage, plan, |stage| {
        look_up_and_dial(stage, connect, plan).map_err(|error| Miss::Host { error, target })
    })?;
    let peer = Peer {
        name: Some(target.host.to_string()),
        address: connection.peer.into(),
        beyond: None,
    };
    tell(stage, &connection, target.host.as_str());
    stage.report.connected(&peer, false);
    tell_local(stage, &connection);
    let far = Socket::new(&stage.reactor, connection.socket);
    Ok((far.map(|far| far.with_reset(connection.reset)), peer))
}

/// Both under one deadline, which is that of one try.
fn look_up_and_dial(
    stage: &mut Stage,
    connect: &Connect,
    plan: &Plan,
) -> Result<Connection, net::Error> {
    let limit = Deadline::after(Instant::now(), plan.limits.connect, Limit::Connect);
    let deadline = limit.or(stage.total);
    let target = &connect.target;
    let query = Query {
        host: Some(&target.host),
        port: &target.port,
        lookup: connect.lookup,
        passive: false,
        datagrams: false,
    };
    let addresses = net::resolve(&mut stage.reactor, &query, deadline)?;
    stage
        .report
        .fact(|| format!("{} is {}", escape(target.host.as_str()), all(&addresses)));
    let sources = match &connect.source {
        Some(source) => local(stage, source, connect.lookup, false, deadline)?,
        None => Vec::new(),
    };
    net::dial(
        &mut stage.reactor,
        &Dial {
            addresses: &addresses,
            sources: &sources,
            options: &stage.options,
        },
        deadline,
    )
}

/// The addresses to bind, of every family that the local end has.
pub(super) fn local(
    stage: &mut Stage,
    source: &Source,
    lookup: Lookup,
    datagrams: bool,
    deadline: Deadline,
) -> Result<Vec<SocketAddr>, net::Error> {
    let any = Port::Number(0);
    let query = Query {
        host: source.host.as_ref(),
        port: source.port.as_ref().unwrap_or(&any),
        lookup,
        passive: true,
        datagrams,
    };
    net::resolve(&mut stage.reactor, &query, deadline)
}

/// The addresses of a host that did not answer, where another one has (`-v`).
pub(super) fn tell(stage: &Stage, connection: &Connection, host: &str) {
    for attempt in &connection.failed {
        stage.report.attempt_failed(attempt, host, false);
    }
}

/// Our own end of a connection (`-vv`).
pub(super) fn tell_local(stage: &Stage, connection: &Connection) {
    stage
        .report
        .fact(|| format!("local end is {}", place(connection.local)));
}

/// Addresses in a row.
pub(super) fn all(addresses: &[SocketAddr]) -> String {
    let words: Vec<String> = addresses.iter().map(|a| a.ip().to_string()).collect();
    words.join(", ")
}
