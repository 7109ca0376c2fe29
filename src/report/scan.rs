//! The words about ports that are tested: those of nc, whoever we are.

use std::net::SocketAddr;

use super::{Report, messages, nc, place, proxy};
use crate::{
    net::{self, Address, Attempt},
    outcome::Setback,
    plan::{Endpoint, Host, UnixAddress},
    proxy::Failure,
};

impl Report {
    /// For what goes on beneath a test of ports, of which -v tells as much as nc, and nothing else.
    pub(crate) fn beneath(&self) -> Self {
        Self {
            verbosity: self.verbosity.saturating_sub(1),
            ..self.clone()
        }
    }

    /// A port of `host` that is open, and its address if that is known.
    pub(crate) fn port_open(
        &self,
        host: &Host,
        port: u16,
        address: Option<SocketAddr>,
        datagrams: bool,
    ) {
        self.events(|| {
            let host = host.as_str();
            vec![nc::open(host, port, address, datagrams, self.numeric)]
        });
    }

    /// One that is not, at one of its addresses. Of UDP ports nc does not tell that.
    pub(crate) fn port_closed(&self, host: &Host, attempt: &Attempt, datagrams: bool) {
        if !(datagrams && self.is_nc()) {
            self.event(|| nc::failed(attempt, host.as_str(), datagrams));
        }
    }

    /// One that is not, as far as a proxy can tell.
    pub(crate) fn port_not_proxied(&self, host: &Host, port: u16, failure: &Failure) {
        self.event(|| {
            let tried = nc::Tried {
                host: host.as_str(),
                address: None,
                port,
                datagrams: false,
            };
            tried.failed_because(&proxy::not_open(failure))
        });
    }

    /// A Unix socket that is not open.
    pub(crate) fn socket_closed(&self, error: &net::Error, target: &UnixAddress) {
        let text = match error {
            net::Error::Connect(attempts) => attempts.last().map(|a| nc::failed(a, "", false)),
            _ => messages::not_started(error, &place(Address::Unix(target.clone()))),
        };
        if let (true, Some(text)) = (self.is_nc() || self.verbosity >= 1, text) {
            self.failure(&text);
        }
    }

    /// Why a port could not be tested. Who asks for a single one is told by the exit status `alone`.
    pub(crate) fn not_tested(
        &self,
        error: &net::Error,
        target: &Endpoint,
        datagrams: bool,
        alone: bool,
    ) {
        if self.speaks_of_probes(alone) || error.setback() == Setback::Usage {
            self.not_connected(error, target, datagrams);
        }
    }

    /// The same where a proxy is why.
    pub(crate) fn not_tested_through(
        &self,
        failure: &Failure,
        server: &Endpoint,
        target: &Endpoint,
        alone: bool,
    ) {
        if self.speaks_of_probes(alone) || failure.setback() == Setback::Usage {
            self.not_proxied(failure, server, target);
        }
    }

    fn speaks_of_probes(&self, alone: bool) -> bool {
        !alone || self.is_nc() || self.verbosity >= 1
    }
}
