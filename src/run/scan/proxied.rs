//! By connections that a proxy makes: one after another.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{
    Stage,
    course::{Item, OneByOne, Verdict},
};
use crate::{
    event::Deadline,
    net::{self, Phase},
    outcome::{Limit, PortState, Setback, Stop},
    plan::{Connect, Endpoint, Port, PortTargets, Proxy},
    proxy::{Credentials, Failure, Refusal},
    report::Cause,
    run::{
        handshake::Reading,
        proxied::{Found, Way},
    },
    stream::Stream as _,
};

pub(super) struct Proxied<'a> {
    targets: &'a PortTargets,
    proxy: &'a Proxy,
    credentials: Option<Credentials>,
    timeout: Option<Duration>,
    /// Whether each name is looked up only once. A wait goes on for so long that addresses change.
    once: bool,
    /// What has been looked up, by the place of the host.
    found: HashMap<usize, Found>,
}

impl<'a> Proxied<'a> {
    pub(super) fn new(
        targets: &'a PortTargets,
        proxy: &'a Proxy,
        credentials: Option<Credentials>,
        timeout: Option<Duration>,
        once: bool,
    ) -> Self {
        Self {
            targets,
            proxy,
            credentials,
            timeout,
            once,
            found: HashMap::new(),
        }
    }
}

impl OneByOne for Proxied<'_> {
    fn test(
        &mut self,
        stage: &mut Stage,
        item: &Item,
        deadline: Deadline,
    ) -> Result<Verdict, net::Error> {
        let (place, port) = item.at;
        let Some(target) = self.targets.list.get(place) else {
            return Err(std::io::Error::from_raw_os_error(libc::EINVAL).into());
        };
        let began = Instant::now();
        let connect = Connect {
            target: Endpoint {
                host: target.host.clone(),
                port: Port::Number(port),
            },
            source: self.targets.source.clone(),
            lookup: self.targets.lookup,
            proxy: None,
        };
        let way = Way {
            connect: &connect,
            proxy: self.proxy,
            credentials: self.credentials.as_ref(),
            reading: Reading::Ahead,
            deadline: Deadline::after(began, self.timeout, Limit::Connect).or(deadline),
        };
        let mut found = match self.found.remove(&place) {
            Some(found) => found,
            None => match way.find(stage) {
                Ok(found) => found,
                Err(failure) => return not_open(failure, began),
            },
        };
        found.set_port(port);
        let reached = way.reach(stage, &found);
        if self.once {
            self.found.insert(place, found);
        }
        match reached {
            Ok((mut far, _)) => {
                // Dropped without, it would be reset.
                let _ = far.finish();
                Ok(Verdict {
                    rtt: Some(began.elapsed()),
                    ..Verdict::new(PortState::Open)
                })
            }
            Err(failure) => not_open(failure, began),
        }
    }
}

/// Whether it makes no sense to ask the proxy for anything else.
pub(super) fn ends(failure: &Failure) -> bool {
    let of_us = |why: &Refusal| matches!(why, Refusal::Methods { .. });
    match failure {
        Failure::Proxy(_)
        | Failure::Unfit(_)
        | Failure::Credentials { .. }
        | Failure::Protocol(_) => true,
        Failure::Refused(refused) => refused.iter().any(|(_, why)| of_us(why)),
        _ => false,
    }
}

/// What a proxy's failure says about the port. Many a proxy just closes the connection.
fn not_open(failure: Failure, began: Instant) -> Result<Verdict, net::Error> {
    let state = match &failure {
        Failure::Refused(refused) => match refused.last() {
            Some((_, why)) => refused_state(why),
            None => PortState::Error,
        },
        Failure::Stopped(Stop::Expired(what)) if what.limit == Limit::Connect => {
            PortState::Filtered
        }
        Failure::Stopped(stop) => return Err(net::Error::stopped(Phase::Connect)(*stop)),
        Failure::Proxy(error @ net::Error::Stopped { stop, .. })
        | Failure::Target(error @ net::Error::Stopped { stop, .. })
            if error.setback().of_probe() != Setback::Failed =>
        {
            return Err(net::Error::stopped(Phase::Connect)(*stop));
        }
        _ => PortState::Error,
    };
    let answered = matches!(failure, Failure::Refused(_));
    Ok(Verdict {
        rtt: answered.then(|| began.elapsed()),
        ..Verdict::not_open(state, Cause::Proxy(failure))
    })
}

/// The codes of RFC 1928, section 6; SOCKS4 and HTTP do not say why.
fn refused_state(why: &Refusal) -> PortState {
    match why {
        Refusal::Socks5(2 | 6) => PortState::Filtered,
        Refusal::Socks5(3 | 4) => PortState::Unreachable,
        Refusal::Socks5(5) => PortState::Closed,
        _ => PortState::Error,
    }
}
