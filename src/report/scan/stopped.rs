//! What ended a test before it had found anything.

use super::{
    super::{messages::expired, place},
    Report, Subject, endpoint,
};
use crate::{
    net::{self, Address},
    outcome::{Expired, Setback},
    plan::Endpoint,
    proxy::Failure,
};

impl Report {
    /// Why nothing, or no more, could be tested; `next` would have been the next. Who asks for a
    /// single one is told by the exit status `alone`.
    pub(crate) fn not_tested(&self, error: &net::Error, next: &Subject<'_>, alone: bool) {
        if self.speaks_of_tests(alone) || error.setback() == Setback::Usage {
            match next {
                Subject::Port {
                    host,
                    port,
                    datagrams,
                } => self.not_connected(error, &endpoint(host, *port), *datagrams),
                Subject::Socket(target) => {
                    self.not_started(error, &place(Address::Unix((*target).clone())));
                }
            }
        }
    }

    /// The same where the proxy at `server` is why.
    pub(crate) fn not_tested_through(
        &self,
        failure: &Failure,
        server: &Endpoint,
        next: &Subject<'_>,
        alone: bool,
    ) {
        if let Subject::Port { host, port, .. } = next
            && (self.speaks_of_tests(alone) || failure.setback() == Setback::Usage)
        {
            self.not_proxied(failure, server, &endpoint(host, *port));
        }
    }

    /// All was tested, but nobody has read all of it until something was over.
    pub(crate) fn not_read(&self, what: Expired) {
        self.failure(&format!(
            "what was found was not read after {}",
            expired(what)
        ));
    }

    fn speaks_of_tests(&self, alone: bool) -> bool {
        !alone || self.is_nc() || self.verbosity >= 1
    }
}
