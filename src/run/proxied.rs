//! Connect through a proxy: ask for a password, look up, dial the proxy, shake hands, relay.

use std::{net::SocketAddr, time::Instant};

use super::{
    Stage, connect,
    handshake::{Reading, Trouble, shake},
    login, retry,
    session::{self, Role},
};
use crate::{
    event::Deadline,
    net::{self, Dial, Query},
    outcome::{Limit, Status},
    plan::{Connect, Family, Host, Lookup, Plan, Port, Proxy, ProxyNames, ProxyProtocol},
    proxy::{self, Credentials, Error, Failure, Refusal, Target, TargetHost},
    report::{Miss, Peer, escape},
    stream::Socket,
};

/// Connects to a peer through a proxy and joins it to standard input and output.
pub(super) fn run(stage: &mut Stage, connect: &Connect, proxy: &Proxy, plan: &Plan) -> Status {
    match reach(stage, connect, proxy, plan, Reading::Ahead) {
        Ok((far, peer)) => session::run(stage, Ok(Box::new(far)), &peer, plan, Role::Caller),
        Err(status) => status,
    }
}

/// Everything up to the first byte of payload. Why that was not reached is said, and comes back as
/// the status to end with.
pub(super) fn reach(
    stage: &mut Stage,
    connect: &Connect,
    proxy: &Proxy,
    plan: &Plan,
    reading: Reading,
) -> Result<(Socket, Peer), Status> {
    let credentials = login::credentials(stage, proxy)?;
    retry::insist(stage, plan, |stage| {
        let limit = Deadline::after(Instant::now(), plan.limits.connect, Limit::Connect);
        let way = Way {
            connect,
            proxy,
            credentials: credentials.as_ref(),
            reading,
            deadline: limit.or(stage.total),
        };
        let reached = match way.find(stage) {
            Ok(found) => way.reach(stage, &found),
            Err(failure) => Err(failure),
        };
        reached.map_err(|failure| Miss::Proxied {
            failure,
            server: &proxy.server,
            target: &connect.target,
        })
    })
}

/// The way to a target. All that is done on it is under one deadline.
pub(super) struct Way<'a> {
    pub connect: &'a Connect,
    pub proxy: &'a Proxy,
    pub credentials: Option<&'a Credentials>,
    pub reading: Reading,
    pub deadline: Deadline,
}

/// What is looked up before anything is connected.
pub(super) struct Found {
    /// The proxy's.
    addresses: Vec<SocketAddr>,
    /// Ours, to bind.
    sources: Vec<SocketAddr>,
    /// What the proxy is asked for, one after another, until it does not refuse.
    targets: Vec<Target>,
}

impl Found {
    /// The same for another port of the target.
    pub(super) fn set_port(&mut self, port: u16) {
        for target in &mut self.targets {
            target.port = port;
        }
    }
}

impl Way<'_> {
    /// Looks everything up.
    pub(super) fn find(&self, stage: &mut Stage) -> Result<Found, Failure> {
        let addresses = self.proxy_addresses(stage).map_err(Failure::Proxy)?;
        let lookup = self.connect.lookup;
        let sources = match &self.connect.source {
            Some(source) => connect::local(stage, source, lookup, false, self.deadline),
            None => Ok(Vec::new()),
        };
        Ok(Found {
            addresses,
            sources: sources.map_err(Failure::Proxy)?,
            targets: self.targets(stage).map_err(Failure::Target)?,
        })
    }

    /// Everything up to the first byte of payload.
    pub(super) fn reach(
        &self,
        stage: &mut Stage,
        found: &Found,
    ) -> Result<(Socket, Peer), Failure> {
        let mut refused = Vec::new();
        for target in &found.targets {
            let (socket, server) =
                match self.through(stage, &found.addresses, &found.sources, target) {
                    Ok(reached) => reached,
                    Err(Failure::Refused(these)) => {
                        refused.extend(these);
                        continue;
                    }
                    Err(failure) => {
                        tell_refusals(stage, &refused);
                        return Err(failure);
                    }
                };
            tell_refusals(stage, &refused);
            let name = &self.connect.target;
            stage.report.proxied(&server, name, target.port);
            let peer = Peer {
                beyond: Some(name.clone()),
                ..server
            };
            return Ok((socket, peer));
        }
        // Told by whoever tells of the failure.
        Err(Failure::Refused(refused))
    }

    fn proxy_addresses(&self, stage: &mut Stage) -> Result<Vec<SocketAddr>, net::Error> {
        let server = &self.proxy.server;
        let query = Query {
            host: Some(&server.host),
            port: &server.port,
            lookup: self.connect.lookup,
            passive: false,
            datagrams: false,
        };
        let addresses = net::resolve(&mut stage.reactor, &query, self.deadline)?;
        tell_addresses(stage, "the proxy ", &server.host, &addresses);
        Ok(addresses)
    }

    fn targets(&self, stage: &mut Stage) -> Result<Vec<Target>, net::Error> {
        let host = &self.connect.target.host;
        if let Some(address) = host.literal() {
            return Ok(vec![Target {
                host: TargetHost::Address(address),
                port: self.port(stage)?,
            }]);
        }
        if self.proxy.names != ProxyNames::Remote {
            match self.look_up(stage) {
                Err(net::Error::Lookup { .. }) if self.proxy.names == ProxyNames::Both => {
                    stage.report.fact(|| {
                        let host = escape(host.as_str());
                        format!("{host} cannot be looked up here; the proxy is to do it")
                    });
                }
                found => return found,
            }
        }
        Ok(vec![Target {
            host: TargetHost::Name(host.to_string()),
            port: self.port(stage)?,
        }])
    }

    fn look_up(&self, stage: &mut Stage) -> Result<Vec<Target>, net::Error> {
        let target = &self.connect.target;
        let lookup = match self.proxy.protocol {
            ProxyProtocol::Socks4 => Lookup {
                family: Family::V4,
                ..self.connect.lookup
            },
            _ => self.connect.lookup,
        };
        let query = Query {
            host: Some(&target.host),
            port: &target.port,
            lookup,
            passive: false,
            datagrams: false,
        };
        let addresses = net::resolve(&mut stage.reactor, &query, self.deadline)?;
        tell_addresses(stage, "", &target.host, &addresses);
        let target = |address: SocketAddr| Target {
            host: TargetHost::Address(address.ip()),
            port: address.port(),
        };
        Ok(addresses.into_iter().map(target).collect())
    }

    /// The target's port, which no proxy knows by a name.
    fn port(&self, stage: &mut Stage) -> Result<u16, net::Error> {
        let port = &self.connect.target.port;
        if let Port::Number(number) = port {
            return Ok(*number);
        }
        let query = Query {
            host: None,
            port,
            lookup: Lookup::default(),
            passive: true,
            datagrams: false,
        };
        let found = net::resolve(&mut stage.reactor, &query, self.deadline)?;
        Ok(found.first().map_or(0, SocketAddr::port))
    }

    /// One try: a connection to the proxy, and what it answers. It comes back with the proxy.
    fn through(
        &self,
        stage: &mut Stage,
        addresses: &[SocketAddr],
        sources: &[SocketAddr],
        target: &Target,
    ) -> Result<(Socket, Peer), Failure> {
        let mut handshake =
            proxy::client(self.proxy.protocol, target, self.credentials).map_err(Failure::Unfit)?;
        let dial = Dial {
            addresses,
            sources,
            options: &stage.options,
        };
        let connection =
            net::dial(&mut stage.reactor, &dial, self.deadline).map_err(Failure::Proxy)?;
        let server = Peer {
            name: Some(self.proxy.server.host.to_string()),
            address: connection.peer.into(),
            beyond: None,
        };
        connect::tell(stage, &connection, self.proxy.server.host.as_str());
        stage.report.connected_to_proxy(&server);
        connect::tell_local(stage, &connection);
        let socket = Socket::new(&stage.reactor, connection.socket).map_err(Failure::Broken)?;
        let mut socket = socket.with_reset(connection.reset);
        let payload = shake(
            &mut stage.reactor,
            &mut socket,
            handshake.as_mut(),
            self.reading,
            self.deadline,
        )
        .map_err(|trouble| failure(trouble, target))?;
        Ok((socket.with_preread(payload), server))
    }
}

/// Addresses of the target to which the proxy has not connected us, before what came of others.
fn tell_refusals(stage: &Stage, refused: &[(Target, Refusal)]) {
    for (target, why) in refused {
        stage.report.refused_by_proxy(target, why);
    }
}

fn tell_addresses(stage: &Stage, what: &str, host: &Host, addresses: &[SocketAddr]) {
    stage.report.fact(|| {
        let host = escape(host.as_str());
        format!("{what}{host} is {}", connect::all(addresses))
    });
}

fn failure(trouble: Trouble, target: &Target) -> Failure {
    match trouble {
        Trouble::Answer(Error::Refused(why)) => Failure::Refused(vec![(target.clone(), why)]),
        Trouble::Answer(Error::Credentials { given }) => Failure::Credentials { given },
        Trouble::Answer(Error::Protocol(breach)) => Failure::Protocol(breach),
        Trouble::Ended => Failure::Ended,
        Trouble::Broken(e) => Failure::Broken(e),
        Trouble::Stopped(stop) => Failure::Stopped(stop),
    }
}
