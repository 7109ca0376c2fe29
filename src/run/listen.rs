//! Listen: look up, bind, say where, take one client, relay. With `-k` many are taken: `serve`.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{
    Stage, serve,
    session::{self, Role},
    unix,
};
use crate::{
    event::Deadline,
    net::{self, Address, Client, Listener, Phase, Query},
    outcome::{Limit, Setback, Status},
    plan::{Listen, ListenOn, Plan},
    report::{Peer, PortSink, escape, place},
    stream::{Socket, Stream, UnixSocket},
};

/// Nothing tells that a named pipe has got its reader.
const NO_READER_PAUSE: Duration = Duration::from_millis(20);

/// Takes one client and joins it to standard input and output.
pub(super) fn run(stage: &mut Stage, listen: &Listen, plan: &Plan) -> Status {
    let target = target(listen);
    let port_to = match listen.print_port.as_ref().map(PortSink::new).transpose() {
        Ok(sink) => sink,
        Err((setback, text)) => {
            stage.report.failure(&text);
            return setback.status();
        }
    };
    let listener = match open(stage, listen, plan) {
        Ok(listener) => listener,
        Err(error) => return give_up(stage, &error, &target),
    };
    let places: Vec<String> = listener.addresses().iter().map(place).collect();
    let keep = listen.keep_open.as_ref();
    let near = match keep.map(|_| serve::prepare(stage, plan)).transpose() {
        Ok(near) => near,
        Err(status) => return status,
    };
    if let Err(status) = tell(stage, listener.addresses(), false) {
        return status;
    }
    let limit = Deadline::after(Instant::now(), plan.limits.accept, Limit::Accept);
    let deadline = limit.or(stage.total);
    if let Some(sink) = port_to
        && let Err(status) = print_port(stage, sink, listener.addresses(), deadline)
    {
        return status;
    }
    if let (Some(keep), Some(near)) = (keep, near) {
        return serve::run(stage, near, listener, keep, plan);
    }
    let client = match listener.accept_one(&mut stage.reactor, deadline) {
        Ok(client) => client,
        Err(error) => return give_up(stage, &error, &places.join(", ")),
    };
    let (far, peer) = match welcome(stage, client, None) {
        Ok(welcomed) => welcomed,
        Err(error) => return give_up(stage, &error, &places.join(", ")),
    };
    session::run(stage, far, &peer, plan, Role::Called)
}

/// Tells where we listen, or are bound with `datagrams` (`-v`).
pub(super) fn tell(
    stage: &mut Stage,
    addresses: &[Address],
    datagrams: bool,
) -> Result<(), Status> {
    for address in addresses {
        let name = stage
            .name_of(address)
            .map_err(|error| give_up(stage, &error, &place(address)))?;
        stage.report.listening(address, name.as_deref(), datagrams);
    }
    Ok(())
}

/// Tells of a client, and makes a stream of its socket.
pub(super) fn welcome(
    stage: &mut Stage,
    client: Client,
    name: Option<String>,
) -> Result<(io::Result<Box<dyn Stream>>, Peer), net::Error> {
    let found = stage.name_of(&client.peer)?;
    let peer = Peer {
        name,
        address: client.peer,
        beyond: None,
    };
    stage.report.received(&peer, found.as_deref());
    let far = match &peer.address {
        Address::Inet(_) => {
            Socket::new(&stage.reactor, client.socket).map(|far| Box::new(far) as Box<dyn Stream>)
        }
        Address::Unix(_) => {
            unix::tell_who(stage, &client.socket);
            let far = UnixSocket::new(&stage.reactor, client.socket);
            far.map(|far| Box::new(far) as Box<dyn Stream>)
        }
    };
    Ok((far, peer))
}

fn open(stage: &mut Stage, listen: &Listen, plan: &Plan) -> Result<Listener, net::Error> {
    let backlog = match listen.keep_open {
        Some(_) => net::MANY_CLIENTS,
        None => net::ONE_CLIENT,
    };
    let (host, port) = match &listen.on {
        ListenOn::Inherited(count) => {
            return net::inherited(&stage.reactor, *count, &stage.options);
        }
        ListenOn::Unix { address, mode } => {
            return net::listen_unix(&stage.reactor, address, *mode, &stage.options, backlog);
        }
        ListenOn::Address { host, port } => (host.as_ref(), port),
    };
    let limit = Deadline::after(Instant::now(), plan.limits.connect, Limit::Connect);
    let query = Query {
        host,
        port,
        lookup: listen.lookup,
        passive: true,
        datagrams: false,
    };
    let addresses = net::resolve(&mut stage.reactor, &query, limit.or(stage.total))?;
    net::listen(
        &stage.reactor,
        &addresses,
        &stage.options,
        backlog,
        listen.mapped,
    )
}

/// Writes the port, and waits for a reader where that is a named pipe.
pub(super) fn print_port(
    stage: &mut Stage,
    mut sink: PortSink,
    addresses: &[Address],
    deadline: Deadline,
) -> Result<(), Status> {
    let Some(port) = addresses.iter().find_map(Address::port) else {
        let text = "--print-port: the inherited socket has no port";
        stage.report.failure(text);
        return Err(Setback::Usage.status());
    };
    loop {
        match sink.write(port) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err((setback, text)) => {
                stage.report.failure(&text);
                return Err(setback.status());
            }
        }
        let (length, phase) = (NO_READER_PAUSE, Phase::Accept);
        if let Err(error) = net::pause(&mut stage.reactor, length, phase, deadline) {
            return Err(give_up(stage, &error, "the port's named pipe"));
        }
    }
}

fn give_up(stage: &Stage, error: &net::Error, target: &str) -> Status {
    stage.report.not_started(error, target);
    error.setback().status()
}

pub(super) fn target(listen: &Listen) -> String {
    match &listen.on {
        ListenOn::Inherited(_) => "the inherited sockets".into(),
        ListenOn::Unix { address, .. } => place(Address::Unix(address.clone())),
        ListenOn::Address { host: None, port } => format!("port {port}"),
        ListenOn::Address {
            host: Some(host),
            port,
        } => {
            format!("{} port {port}", escape(host.as_str()))
        }
    }
}
