//! The words about tries that have failed, where there may be more of them.

use std::time::Duration;

use super::{
    Report,
    messages::{duration, expired, spot},
};
use crate::{net, outcome::Expired, plan::Endpoint, proxy::Failure};

/// A try to connect that has failed.
#[derive(Debug)]
pub(crate) enum Miss<'a> {
    /// To a host.
    Host {
        /// Why.
        error: net::Error,
        /// Which.
        target: &'a Endpoint,
    },
    /// To a host through a proxy.
    Proxied {
        /// Why.
        failure: Failure,
        /// The proxy.
        server: &'a Endpoint,
        /// The host.
        target: &'a Endpoint,
    },
    /// To a Unix socket.
    Socket {
        /// Why.
        error: net::Error,
        /// Its name, as people read it.
        target: &'a str,
    },
}

impl Miss<'_> {
    /// Whom it did not reach.
    pub(crate) fn target(&self) -> String {
        match self {
            Self::Host { target, .. } | Self::Proxied { target, .. } => spot(target),
            Self::Socket { target, .. } => (*target).to_owned(),
        }
    }
}

impl Report {
    /// The last try has failed.
    pub(crate) fn missed(&self, miss: &Miss<'_>) {
        self.failures(&self.miss_lines(miss));
    }

    /// Another one has, and the next one is after a pause. The same once more is no news: `told` are
    /// the lines of the try before.
    pub(crate) fn once_more(&self, miss: &Miss<'_>, pause: Duration, told: &mut Vec<String>) {
        self.events(|| {
            let lines = self.miss_lines(miss);
            if lines == *told {
                return Vec::new();
            }
            *told = lines;
            told.iter().map(|text| super::own(text)).collect()
        });
        self.fact(|| {
            let whole = Duration::from_millis(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
            format!("the next try is in {}", duration(whole))
        });
    }

    /// The time of the run is over before the next one. What `-v` has told of the last is not told
    /// twice.
    pub(crate) fn no_time_left(&self, miss: &Miss<'_>, what: Expired) {
        let limit = expired(what);
        let lines = self.miss_lines(miss);
        let text = match lines.last() {
            Some(last) if self.verbosity == 0 => format!("{last}; tried for {limit}"),
            _ => format!("no connection to {} within {limit}", miss.target()),
        };
        self.failure(&text);
    }

    fn miss_lines(&self, miss: &Miss<'_>) -> Vec<String> {
        match miss {
            Miss::Host { error, target } => self.unconnected(error, target, false),
            Miss::Proxied {
                failure,
                server,
                target,
            } => self.unproxied(failure, server, target),
            Miss::Socket { error, target } => self.unstarted(error, target).into_iter().collect(),
        }
    }
}
