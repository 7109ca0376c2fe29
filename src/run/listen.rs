//! Listen: look up, bind, say where, take one client, relay.

use std::{fs::File, io, io::Write, time::Instant};

use super::{Stage, session};
use crate::{
    event::Deadline,
    net::{self, Listener, Query},
    os,
    outcome::{Limit, Setback, Status},
    plan::{Listen, ListenOn, Plan, PortTo},
    report::{Peer, escape, place, reason},
};

/// Takes one client and joins it to standard input and output.
pub(super) fn run(stage: &mut Stage, listen: &Listen, plan: &Plan) -> Status {
    let target = target(listen);
    let port_to = match listen.print_port.as_ref().map(PortSink::open).transpose() {
        Ok(sink) => sink,
        Err(text) => {
            stage.report.failure(&text);
            return Setback::Usage.status();
        }
    };
    let listener = match open(stage, listen, plan) {
        Ok(listener) => listener,
        Err(error) => return give_up(stage, &error, &target),
    };
    for address in listener.addresses() {
        stage
            .report
            .event(|| format!("listening on {}", place(*address)));
    }
    if let (Some(sink), Some(address)) = (port_to, listener.addresses().first())
        && let Err(text) = sink.write(address.port())
    {
        stage.report.failure(&text);
        return Status::Local;
    }
    let limit = Deadline::after(Instant::now(), plan.limits.accept, Limit::Accept);
    let deadline = limit.or(stage.total);
    let client = match listener.accept_one(&mut stage.reactor, deadline) {
        Ok(client) => client,
        Err(error) => return give_up(stage, &error, &target),
    };
    let peer = Peer {
        name: None,
        address: client.peer,
    };
    stage.report.event(|| format!("connection from {peer}"));
    session::run(stage, client.socket, &peer, plan, session::Role::Called)
}

fn open(stage: &mut Stage, listen: &Listen, plan: &Plan) -> Result<Listener, net::Error> {
    let (host, port) = match &listen.on {
        ListenOn::Inherited => return net::inherited(&stage.reactor),
        ListenOn::Address { host, port } => (host.as_ref(), port),
    };
    let limit = Deadline::after(Instant::now(), plan.limits.connect, Limit::Connect);
    let query = Query {
        host,
        port,
        lookup: listen.lookup,
        passive: true,
    };
    let addresses = net::resolve(&mut stage.reactor, &query, limit.or(stage.total))?;
    net::listen(&stage.reactor, &addresses)
}

fn give_up(stage: &Stage, error: &net::Error, target: &str) -> Status {
    stage.report.not_started(error, target);
    error.setback().status()
}

fn target(listen: &Listen) -> String {
    match &listen.on {
        ListenOn::Inherited => "the inherited sockets".into(),
        ListenOn::Address { host: None, port } => format!("port {port}"),
        ListenOn::Address {
            host: Some(host),
            port,
        } => {
            format!("{} port {port}", escape(host.as_str()))
        }
    }
}

/// Where the port is written, looked at before anything is bound.
enum PortSink {
    Stderr,
    File(File, String),
}

impl PortSink {
    fn open(to: &PortTo) -> Result<Self, String> {
        match to {
            PortTo::Stderr | PortTo::Descriptor(2) => Ok(Self::Stderr),
            PortTo::Descriptor(number) => {
                let name = format!("descriptor {number}");
                // Standard output is written to later, and by then this one is closed.
                let fd = match number {
                    1 => rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)
                        .map_err(Into::into),
                    _ => os::adopt_fd(*number),
                };
                let told = |e: io::Error| format!("--print-port: {name}: {}", reason(&e));
                Ok(Self::File(fd.map_err(told)?.into(), name))
            }
            PortTo::File(path) => {
                let name = escape(&path.to_string_lossy()).into_owned();
                let told = |e: io::Error| format!("--print-port: {name}: {}", reason(&e));
                Ok(Self::File(File::create(path).map_err(told)?, name))
            }
        }
    }

    /// The line is written at once; who waits for it in a file waits for its newline.
    fn write(self, port: u16) -> Result<(), String> {
        let line = format!("{port}\n");
        match self {
            Self::Stderr => io::stderr()
                .write_all(line.as_bytes())
                .map_err(|e| reason(&e)),
            Self::File(mut file, name) => file
                .write_all(line.as_bytes())
                .and_then(|()| os::close(file.into()))
                .map_err(|e| format!("--print-port: cannot write to {name}: {}", reason(&e))),
        }
    }
}
