//! Datagrams: look up, connect or bind, exchange.

use std::{io, net::SocketAddr, time::Instant};

use super::{Stage, connect, listen, wrap};
use crate::{
    event::{Deadline, Wake},
    net::{self, Address, Bound, Called, Query, SocketFile},
    outcome::{Limit, Outcome, Status, Stop},
    plan::{
        Connect, Datagrams, Group, Host, Input, Listen, ListenOn, Lookup, Personality, Plan, Port,
        Role, UnixAddress,
    },
    relay::{Exchange, ExchangeRules, News, Step},
    report::{Peer, PortSink, datagram_place, place, reason},
    stream::{DatagramSockets, Stdio},
};

/// Joins datagram sockets to standard input and output.
pub(super) fn run(stage: &mut Stage, datagrams: &Datagrams, plan: &Plan) -> Status {
    let opened = match &datagrams.role {
        Role::Caller(connect) => call(stage, connect, plan),
        Role::UnixCaller { target, own } => call_unix(stage, target, own.as_ref()),
        Role::Receiver { listen, groups, .. } => receive(stage, listen, groups, plan),
    };
    // The file of a Unix socket is there until the end.
    let (sockets, mut peer, _file) = match opened {
        Ok(opened) => opened,
        Err(status) => return status,
    };
    let started = Instant::now();
    let exchange = join(stage, sockets, datagrams, plan);
    match exchange.and_then(|exchange| relay(stage, exchange, &mut peer, datagrams)) {
        Ok(outcome) => {
            let peer = peer.to_string();
            let took = started.elapsed();
            stage.report.datagrams_ended(&outcome, &peer, took);
            outcome.status()
        }
        Err(e) => {
            stage.report.failure(&format!("{peer}: {}", reason(&e)));
            Status::Local
        }
    }
}

/// Whom messages name.
#[derive(Debug)]
enum Whom {
    /// The peer that we have called, or that has called us.
    Peer(Peer),
    /// Where peers find us.
    Places(String),
}

impl std::fmt::Display for Whom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Peer(peer) => peer.fmt(f),
            Self::Places(places) => f.write_str(places),
        }
    }
}

type Opened = (DatagramSockets, Whom, Option<SocketFile>);

fn call(stage: &mut Stage, connect: &Connect, plan: &Plan) -> Result<Opened, Status> {
    let host = connect.target.host.to_string();
    let called = find(stage, connect, plan)
        .and_then(|(to, from)| net::call(&stage.reactor, &to, &from, &stage.options));
    let called = called.map_err(|error| {
        stage.report.not_connected(&error, &connect.target, true);
        error.setback().status()
    })?;
    Ok(tell_called(stage, called, Some(host)))
}

fn call_unix(
    stage: &Stage,
    target: &UnixAddress,
    own: Option<&UnixAddress>,
) -> Result<Opened, Status> {
    let called = net::call_unix(&stage.reactor, target, own, &stage.options).map_err(|error| {
        let target = place(Address::Unix(target.clone()));
        give_up(stage, &error, &target)
    })?;
    Ok(tell_called(stage, called, None))
}

fn tell_called(stage: &Stage, called: Called, name: Option<String>) -> Opened {
    for attempt in &called.failed {
        let host = name.as_deref().unwrap_or_default();
        stage.report.attempt_failed(attempt, host, true);
    }
    let peer = Peer {
        name,
        address: called.peer,
        beyond: None,
    };
    stage.report.connected(&peer, true);
    stage
        .report
        .fact(|| format!("local end is {}", place(called.local)));
    (called.sockets, Whom::Peer(peer), called.file)
}

/// The target's addresses, and ours to bind.
fn find(
    stage: &mut Stage,
    connect: &Connect,
    plan: &Plan,
) -> Result<(Vec<SocketAddr>, Vec<SocketAddr>), net::Error> {
    let limit = Deadline::after(Instant::now(), plan.limits.connect, Limit::Connect);
    let deadline = limit.or(stage.total);
    let query = query(
        Some(&connect.target.host),
        &connect.target.port,
        connect.lookup,
    );
    let to = net::resolve(&mut stage.reactor, &query, deadline)?;
    let from = match &connect.source {
        Some(source) => connect::local(stage, source, connect.lookup, true, deadline)?,
        None => Vec::new(),
    };
    Ok((to, from))
}

fn query<'a>(host: Option<&'a Host>, port: &'a Port, lookup: Lookup) -> Query<'a> {
    Query {
        host,
        port,
        lookup,
        passive: false,
        datagrams: true,
    }
}

fn receive(
    stage: &mut Stage,
    on: &Listen,
    groups: &[Group],
    plan: &Plan,
) -> Result<Opened, Status> {
    let port_to = on.print_port.as_ref().map(PortSink::new).transpose();
    let port_to = port_to.map_err(|(setback, text)| {
        stage.report.failure(&text);
        setback.status()
    })?;
    let bound = bind(stage, on, groups, plan)
        .map_err(|error| give_up(stage, &error, &listen::target(on)))?;
    let places: Vec<String> = bound.addresses.iter().map(place).collect();
    listen::tell(stage, &bound.addresses, true)?;
    if let Some(sink) = port_to {
        listen::print_port(stage, sink, &bound.addresses, stage.total)?;
    }
    Ok((bound.sockets, Whom::Places(places.join(", ")), bound.file))
}

fn bind(
    stage: &mut Stage,
    on: &Listen,
    groups: &[Group],
    plan: &Plan,
) -> Result<Bound, net::Error> {
    let (host, port) = match &on.on {
        ListenOn::Inherited(count) => return net::receive_inherited(&stage.reactor, *count),
        ListenOn::Unix { address, mode } => {
            return net::receive_unix(&stage.reactor, address, *mode, &stage.options);
        }
        ListenOn::Address { host, port } => (host.as_ref(), port),
    };
    let limit = Deadline::after(Instant::now(), plan.limits.connect, Limit::Connect);
    let query = Query {
        passive: true,
        ..query(host, port, on.lookup)
    };
    let addresses = net::resolve(&mut stage.reactor, &query, limit.or(stage.total))?;
    net::receive(
        &stage.reactor,
        &addresses,
        groups,
        &stage.options,
        on.mapped,
    )
}

fn give_up(stage: &Stage, error: &net::Error, target: &str) -> Status {
    stage.report.not_started(error, target);
    error.setback().status()
}

fn join(
    stage: &Stage,
    sockets: DatagramSockets,
    datagrams: &Datagrams,
    plan: &Plan,
) -> io::Result<Exchange> {
    let transfer = &plan.transfer;
    let near = Stdio::take(
        &stage.reactor,
        transfer.input == Input::Stdin,
        transfer.send_only,
    )?;
    let (receiver, everyone) = match &datagrams.role {
        Role::Caller(_) | Role::UnixCaller { .. } => (false, false),
        Role::Receiver { everyone, .. } => (true, *everyone),
    };
    let rules = ExchangeRules {
        receiver,
        everyone,
        size: datagrams.size,
        recv_limit: datagrams.recv_limit,
        quiet: datagrams.quiet,
        idle: plan.limits.idle,
        first: plan.limits.accept,
        patient: plan.personality == Personality::Nc,
    };
    Ok(Exchange::new(
        wrap::near_datagrams(near, transfer.lines),
        Box::new(sockets),
        rules,
        Instant::now(),
    ))
}

fn relay(
    stage: &mut Stage,
    mut exchange: Exchange,
    peer: &mut Whom,
    datagrams: &Datagrams,
) -> io::Result<Outcome> {
    loop {
        let now = Instant::now();
        if let Some(expired) = stage.total.expired(now) {
            return Ok(exchange.stop(Stop::Expired(expired)));
        }
        let step = exchange.step(now)?;
        for news in exchange.news() {
            if let Err(stop) = tell(stage, news, peer, datagrams)? {
                return Ok(exchange.stop(stop));
            }
        }
        let until = match step {
            Step::Done(outcome) => return Ok(*outcome),
            Step::Again => Some(now),
            Step::Wait(until) => until,
        };
        stage.counters.set(exchange.counters());
        let until = [until, stage.total.at()].into_iter().flatten().min();
        if let Wake::Signal(number) = stage.reactor.wait(until)? {
            return Ok(exchange.stop(Stop::Signal(number)));
        }
    }
}

/// Tells what has happened; a signal may end that.
fn tell(
    stage: &mut Stage,
    news: News,
    peer: &mut Whom,
    datagrams: &Datagrams,
) -> io::Result<Result<(), Stop>> {
    match news {
        News::From(address) => {
            let alone = !matches!(&datagrams.role, Role::Receiver { everyone: true, .. });
            let sender = Address::of_sender(&address);
            let name = match sender.as_ref().map(|sender| stage.name_of(sender)) {
                Some(Err(net::Error::Stopped { stop, .. })) => return Ok(Err(stop)),
                Some(Ok(name)) => name,
                _ => None,
            };
            let place = datagram_place(&address);
            stage
                .report
                .first_datagram(&place, sender.as_ref(), name.as_deref(), alone);
            if let (true, Some(address)) = (alone, sender) {
                *peer = Whom::Peer(Peer {
                    name: None,
                    address,
                    beyond: None,
                });
            }
        }
        News::Forgotten(address, why) => stage.report.event(|| {
            let why = why.map_or_else(|| "others are served".into(), |e| reason(&e));
            format!("no longer sending to {}: {why}", datagram_place(&address))
        }),
        News::TurnedTo(address) => {
            stage
                .report
                .event(|| format!("nobody there; sending to {}", datagram_place(&address)));
            if let (Whom::Peer(peer), Some(address)) = (peer, Address::of_sender(&address)) {
                peer.address = address;
            }
        }
    }
    Ok(Ok(()))
}
