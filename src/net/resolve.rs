//! `getaddrinfo(3)` with hints, on a thread, because nothing bounds it: with a resolver that never
//! answers, glibc takes 10 s and more. A deadline leaves the thread behind.

use std::{io, net::SocketAddr, sync::mpsc, thread};

use dns_lookup::{AddrInfoHints, LookupError, LookupErrorKind, getaddrinfo, getnameinfo};

use super::{Error, Phase, wait};
use crate::{
    event::{Deadline, Reactor},
    outcome::Stop,
    plan::{Family, Host, Lookup, Port},
};

/// What is looked up.
#[derive(Clone, Debug)]
pub(crate) struct Query<'a> {
    /// None is the wildcard of each family when `passive`, and loopback otherwise.
    pub host: Option<&'a Host>,
    /// A number or a service.
    pub port: &'a Port,
    /// Family and `-n`.
    pub lookup: Lookup,
    /// For binding: `AI_PASSIVE`.
    pub passive: bool,
    /// For UDP, which has services of its own.
    pub datagrams: bool,
}

/// Why a lookup failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LookupFailure {
    /// EAI_SERVICE: the services file and its like do not know it for TCP, or for UDP.
    NoSuchService,
    /// An IPv6 zone that is no interface here.
    NoSuchZone,
    /// The resolver's own words.
    Other(String),
}

/// Looks a host and a port up; every address once, in the resolver's order.
pub(crate) fn resolve(
    reactor: &mut Reactor,
    query: &Query<'_>,
    deadline: Deadline,
) -> Result<Vec<SocketAddr>, Error> {
    let request = Request::new(query);
    if request.asks_nobody() {
        request.answer()
    } else {
        on_a_thread(reactor, deadline, move || request.answer())?
    }
}

/// What is looked up, for another thread.
pub(super) struct Request {
    host: Option<Host>,
    port: Port,
    hints: AddrInfoHints,
}

impl Request {
    pub(super) fn new(query: &Query<'_>) -> Self {
        let mut flags = if query.passive { libc::AI_PASSIVE } else { 0 };
        if query.lookup.numeric {
            flags |= libc::AI_NUMERICHOST;
            if !query.lookup.services {
                flags |= libc::AI_NUMERICSERV;
            }
        }
        let address = match query.lookup.family {
            Family::Any => libc::AF_UNSPEC,
            Family::V4 => libc::AF_INET,
            Family::V6 => libc::AF_INET6,
        };
        Self {
            host: query.host.cloned(),
            port: query.port.clone(),
            hints: AddrInfoHints {
                flags,
                address,
                socktype: if query.datagrams {
                    libc::SOCK_DGRAM
                } else {
                    libc::SOCK_STREAM
                },
                protocol: 0,
            },
        }
    }

    /// Whether numbers alone are asked about, which neither waits nor reads a file.
    pub(super) fn asks_nobody(&self) -> bool {
        let literal = |host: &Host| host.literal().is_some();
        self.host.as_ref().is_none_or(literal) && matches!(self.port, Port::Number(_))
    }

    /// Every address once, in the resolver's order.
    pub(super) fn answer(&self) -> Result<Vec<SocketAddr>, Error> {
        self.ask().map_err(|error| {
            let failure = self.failure(&error);
            let what = match (&failure, &self.host) {
                (LookupFailure::NoSuchService, _) | (_, None) => self.port.to_string(),
                (_, Some(host)) => host.to_string(),
            };
            Error::Lookup { what, failure }
        })
    }

    fn ask(&self) -> Result<Vec<SocketAddr>, LookupError> {
        let (host, port) = (self.host.as_ref().map(Host::as_str), self.port.to_string());
        let mut addresses = Vec::new();
        for info in getaddrinfo(host, Some(&port), Some(self.hints))? {
            let address = info?.sockaddr;
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(addresses)
    }

    fn failure(&self, error: &LookupError) -> LookupFailure {
        let zone = self.host.as_ref().is_some_and(|host| host.zone().is_some());
        match error.kind() {
            LookupErrorKind::Service => LookupFailure::NoSuchService,
            LookupErrorKind::NoName if zone => LookupFailure::NoSuchZone,
            _ => {
                let words = error.to_string();
                // dns-lookup's own words before those of gai_strerror(3).
                let own = "failed to lookup address information: ";
                LookupFailure::Other(words.strip_prefix(own).unwrap_or(&words).to_owned())
            }
        }
    }
}

/// What an address is called, `getnameinfo(3)`; none if it has no name, or none in time.
pub(crate) fn host_name(
    reactor: &mut Reactor,
    address: SocketAddr,
    deadline: Deadline,
) -> Result<Option<String>, Error> {
    let ask = move || getnameinfo(&address, libc::NI_NAMEREQD | libc::NI_NUMERICSERV);
    match on_a_thread(reactor, deadline, ask) {
        Ok(answer) => Ok(answer.ok().map(|(host, _)| host)),
        Err(Error::Stopped {
            stop: Stop::Expired(_),
            ..
        }) => Ok(None),
        Err(e) => Err(e),
    }
}

fn on_a_thread<T: Send + 'static>(
    reactor: &mut Reactor,
    deadline: Deadline,
    ask: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let (answer, answers) = mpsc::channel();
    let waker = reactor.waker();
    thread::Builder::new()
        .name("resolver".into())
        .spawn(move || {
            // Nobody listens any more when the deadline was first.
            let _ = answer.send(ask());
            waker.wake();
        })?;
    loop {
        match answers.try_recv() {
            Ok(answer) => return Ok(answer),
            Err(mpsc::TryRecvError::Empty) => {}
            Err(mpsc::TryRecvError::Disconnected) => {
                return Err(Error::System(io::Error::other(
                    "the resolver's thread ended",
                )));
            }
        }
        wait(reactor, None, deadline)?.map_err(Error::stopped(Phase::Lookup))?;
    }
}
