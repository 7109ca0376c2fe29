//! One port at a time: is it open?

use std::{io, net::SocketAddr, time::Instant};

use super::{
    Stage, connect,
    handshake::Reading,
    proxied::{Found, Way},
};
use crate::{
    event::Deadline,
    net::{self, Attempt, Dial, Query},
    outcome::{Limit, Stop},
    plan::{Connect, Endpoint, Port, Probe, Proxy, Scan},
    proxy::{Credentials, Failure},
    report::{Report, escape},
    stream::Stream as _,
};

/// Why it cannot be told whether a port is open.
#[derive(Debug)]
pub(super) enum Untested {
    /// This machine, or a name, or what stopped the run.
    Net(net::Error),
    /// The same, or a proxy that does not do what it is for.
    Proxied(Failure),
}

impl Untested {
    /// This machine has run out of something.
    pub(super) fn is_exhaustion(&self) -> bool {
        match self {
            Self::Net(net::Error::Connect(attempts))
            | Self::Proxied(Failure::Proxy(net::Error::Connect(attempts))) => {
                attempts.iter().any(Attempt::is_exhaustion)
            }
            _ => false,
        }
    }
}

impl From<net::Error> for Untested {
    fn from(error: net::Error) -> Self {
        Self::Net(error)
    }
}

/// A way to find out whether a port is open. Everything but the port is settled.
pub(super) trait Prober {
    /// Whether it is open, which is told as well.
    fn probe(&mut self, stage: &mut Stage, report: &Report, port: u16) -> Result<bool, Untested>;
}

/// By a connection, or datagrams, of our own.
pub(super) struct Direct<'a> {
    scan: &'a Scan,
    addresses: Vec<SocketAddr>,
    sources: Vec<SocketAddr>,
}

impl<'a> Direct<'a> {
    /// Looks up where the ports are.
    pub(super) fn find(
        stage: &mut Stage,
        scan: &'a Scan,
        deadline: Deadline,
    ) -> Result<Self, net::Error> {
        let datagrams = scan.is_datagrams();
        let query = Query {
            host: Some(&scan.host),
            // Any would do.
            port: &Port::Number(1),
            lookup: scan.lookup,
            passive: false,
            datagrams,
        };
        let found = net::resolve(&mut stage.reactor, &query, deadline)?;
        stage.report.fact(|| {
            let host = escape(scan.host.as_str());
            format!("{host} is {}", connect::all(&found))
        });
        let sources = match &scan.source {
            Some(source) => connect::local(stage, source, scan.lookup, datagrams, deadline)?,
            None => Vec::new(),
        };
        let has_source = |to: &SocketAddr| {
            sources.is_empty() || sources.iter().any(|from| from.is_ipv4() == to.is_ipv4())
        };
        let (addresses, others): (Vec<_>, Vec<_>) = found.into_iter().partition(has_source);
        if addresses.is_empty() {
            let foreign = |to: SocketAddr| Attempt {
                address: to.into(),
                from: None,
                error: io::Error::from_raw_os_error(libc::EAFNOSUPPORT),
            };
            return Err(net::Error::Connect(
                others.into_iter().map(foreign).collect(),
            ));
        }
        Ok(Self {
            scan,
            addresses,
            sources,
        })
    }

    /// The address that is open, and those that are not.
    fn reach(
        &self,
        stage: &mut Stage,
        addresses: &[SocketAddr],
    ) -> Result<(SocketAddr, Vec<Attempt>), net::Error> {
        let total = stage.total;
        let dial = Dial {
            addresses,
            sources: &self.sources,
            options: &stage.options,
        };
        match &self.scan.probe {
            Probe::Connect { timeout, .. } => {
                let limit = Deadline::after(Instant::now(), *timeout, Limit::Connect);
                // Closed here with a FIN, like every connection: a reset would be an error in the
                // server's log. TIME_WAIT is on our side, at a port that nobody listens on.
                net::dial(&mut stage.reactor, &dial, limit.or(total))
                    .map(|connection| (connection.peer, connection.failed))
            }
            Probe::Datagrams { wait } => net::knock(&mut stage.reactor, &dial, *wait, total),
        }
    }
}

impl Prober for Direct<'_> {
    fn probe(&mut self, stage: &mut Stage, report: &Report, port: u16) -> Result<bool, Untested> {
        for address in &mut self.addresses {
            address.set_port(port);
        }
        let (host, datagrams) = (&self.scan.host, self.scan.is_datagrams());
        let (open, closed) = match self.reach(stage, &self.addresses) {
            Ok((address, closed)) => (Some(address), closed),
            Err(net::Error::Connect(attempts)) if tells_nothing(&attempts) => {
                return Err(net::Error::Connect(attempts).into());
            }
            Err(net::Error::Connect(attempts)) => (None, attempts),
            Err(net::Error::Stopped {
                stop: Stop::Expired(what),
                attempts,
                ..
            }) if what.limit == Limit::Connect => (None, attempts),
            Err(error) => return Err(error.into()),
        };
        for attempt in &closed {
            report.port_closed(host, attempt, datagrams);
        }
        if open.is_some() {
            report.port_open(host, port, open, datagrams);
        }
        Ok(open.is_some())
    }
}

/// Attempts of which one had to be made, or all of them, and was not.
fn tells_nothing(attempts: &[Attempt]) -> bool {
    attempts
        .iter()
        .any(|attempt| attempt.is_exhaustion() || attempt.from.is_some())
        || attempts.iter().all(Attempt::is_our_own)
}

/// By a connection that a proxy makes.
pub(super) struct Through<'a> {
    connect: Connect,
    proxy: &'a Proxy,
    credentials: Option<&'a Credentials>,
    probe: &'a Probe,
    found: Found,
}

impl<'a> Through<'a> {
    /// Looks up where the proxy is, and where the ports are, if it is not to do that.
    pub(super) fn find(
        stage: &mut Stage,
        scan: &'a Scan,
        proxy: &'a Proxy,
        credentials: Option<&'a Credentials>,
        deadline: Deadline,
    ) -> Result<Self, Untested> {
        let connect = Connect {
            target: Endpoint {
                host: scan.host.clone(),
                // Any would do.
                port: Port::Number(1),
            },
            source: scan.source.clone(),
            lookup: scan.lookup,
            proxy: None,
        };
        let way = Way {
            connect: &connect,
            proxy,
            credentials,
            reading: Reading::Ahead,
            deadline,
        };
        let found = way.find(stage).map_err(Untested::Proxied)?;
        Ok(Self {
            connect,
            proxy,
            credentials,
            probe: &scan.probe,
            found,
        })
    }

    fn deadline(&self, stage: &Stage) -> Deadline {
        let timeout = match self.probe {
            Probe::Connect { timeout, .. } => *timeout,
            Probe::Datagrams { wait } => Some(*wait),
        };
        Deadline::after(Instant::now(), timeout, Limit::Connect).or(stage.total)
    }
}

impl Prober for Through<'_> {
    fn probe(&mut self, stage: &mut Stage, report: &Report, port: u16) -> Result<bool, Untested> {
        self.found.set_port(port);
        self.connect.target.port = Port::Number(port);
        let way = Way {
            connect: &self.connect,
            proxy: self.proxy,
            credentials: self.credentials,
            reading: Reading::Ahead,
            deadline: self.deadline(stage),
        };
        let host = &self.connect.target.host;
        match way.reach(stage, &self.found) {
            Ok((mut far, _)) => {
                // Dropped without, it would be reset.
                let _ = far.finish();
                report.port_open(host, port, None, false);
                Ok(true)
            }
            Err(failure) if is_closed(&failure) => {
                report.port_not_proxied(host, port, &failure);
                Ok(false)
            }
            Err(failure) => Err(Untested::Proxied(failure)),
        }
    }
}

/// Whether it is the target that the proxy did not reach. Many a proxy just closes the connection
/// then.
fn is_closed(failure: &Failure) -> bool {
    match failure {
        Failure::Refused(_) | Failure::Ended | Failure::Broken(_) => true,
        Failure::Stopped(Stop::Expired(what)) => what.limit == Limit::Connect,
        _ => false,
    }
}
