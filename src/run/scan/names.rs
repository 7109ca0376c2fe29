//! The addresses of the hosts that are asked about.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use super::{
    Roster, Stage,
    course::{At, Way},
};
use crate::{
    event::Deadline,
    net::{self, Lookups, Phase, Query},
    outcome::{Limit, Setback, Stop},
    plan::{Host, Lookup, Port, Scan, Targets},
    report::escape,
    run::connect,
};

/// Addresses, or why there are none.
pub(super) type Addresses = Result<Arc<[SocketAddr]>, net::Error>;

/// All that has been looked up.
pub(super) struct Known<'a> {
    names: Option<Names<'a>>,
    /// By the host's number.
    addresses: Vec<Addresses>,
    /// Where nothing has to be looked up.
    nothing: Arc<[SocketAddr]>,
}

impl<'a> Known<'a> {
    /// Looks up each host once, and waits for the answers.
    pub(super) fn look_up(
        stage: &mut Stage,
        scan: &Scan,
        roster: &Roster<'a>,
        way: &dyn Way,
        deadline: Deadline,
    ) -> Result<Self, net::Error> {
        let names = Names::new(stage, scan, roster, way);
        let addresses = match &names {
            Some(names) => names.look_up_all(stage, deadline)?,
            None => Vec::new(),
        };
        Ok(Self {
            names,
            addresses,
            nothing: Arc::default(),
        })
    }

    /// Those of the host whose port it is.
    pub(super) fn addresses(&self, (place, _): At) -> Addresses {
        let host = self.names.as_ref().map(|names| names.host_of(place));
        match host.and_then(|host| self.addresses.get(host)) {
            None => Ok(Arc::clone(&self.nothing)),
            Some(Ok(addresses)) => Ok(Arc::clone(addresses)),
            Some(Err(error)) => Err(error.again()),
        }
    }

    /// Whether any host has an address.
    pub(super) fn is_any(&self) -> bool {
        self.addresses.is_empty() || self.addresses.iter().any(Result::is_ok)
    }

    /// What makes no sense as it turned out: an address whose zone is no interface here.
    pub(super) fn mistake(&self) -> Option<&net::Error> {
        let errors = self
            .addresses
            .iter()
            .filter_map(|found| found.as_ref().err());
        errors
            .into_iter()
            .find(|error| error.setback() == Setback::Usage)
    }
}

/// Lookups of hosts that go on by themselves, each host's once at a time.
pub(super) struct Names<'a> {
    lookups: Lookups,
    /// Each once.
    hosts: Vec<&'a Host>,
    /// Which of them it is, by its place in the roster.
    places: HashMap<usize, usize>,
    lookup: Lookup,
    datagrams: bool,
    local_ends: Vec<SocketAddr>,
}

impl<'a> Names<'a> {
    /// None where nothing has to be looked up.
    pub(super) fn new(
        stage: &Stage,
        scan: &Scan,
        roster: &Roster<'a>,
        way: &dyn Way,
    ) -> Option<Self> {
        let Targets::Ports(ports) = &scan.targets else {
            return None;
        };
        let local_ends = way.local_ends()?.to_vec();
        let mut hosts = Vec::new();
        let mut numbers = HashMap::new();
        let mut places = HashMap::new();
        for (place, host) in roster.hosts() {
            let number = *numbers.entry(host.as_str()).or_insert_with(|| {
                hosts.push(host);
                hosts.len() - 1
            });
            places.insert(place, number);
        }
        Some(Self {
            lookups: Lookups::new(&stage.reactor),
            hosts,
            places,
            lookup: ports.lookup,
            datagrams: scan.is_datagrams(),
            local_ends,
        })
    }

    /// How many hosts there are. They are called by numbers from 0 on.
    pub(super) fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whose port it is.
    pub(super) fn host_of(&self, place: usize) -> usize {
        self.places.get(&place).copied().unwrap_or(0)
    }

    /// What a host is called.
    pub(super) fn name(&self, host: usize) -> Option<&'a Host> {
        self.hosts.get(host).copied()
    }

    /// Looks up a host. The reactor is woken when there is an answer.
    pub(super) fn start(&self, host: usize) {
        if let Some(name) = self.name(host) {
            let query = Query {
                host: Some(name),
                // Any would do.
                port: &Port::Number(1),
                lookup: self.lookup,
                passive: false,
                datagrams: self.datagrams,
            };
            self.lookups.start(host, &query);
        }
    }

    /// The next answer.
    pub(super) fn next(&self) -> Option<(usize, Addresses)> {
        let (host, answer) = self.lookups.next()?;
        let reachable = |found: Vec<SocketAddr>| net::reachable(&found, &self.local_ends);
        Some((host, answer.and_then(reachable)))
    }

    /// Looks up all of them, and waits for the answers: by the host's number.
    pub(super) fn look_up_all(
        &self,
        stage: &mut Stage,
        deadline: Deadline,
    ) -> Result<Vec<Addresses>, net::Error> {
        let mut answers: Vec<Option<Addresses>> = (0..self.len()).map(|_| None).collect();
        (0..self.len()).for_each(|host| self.start(host));
        let mut missing = self.len();
        let mut expired = None;
        while missing > 0 && expired.is_none() {
            while let Some((host, answer)) = self.next() {
                self.tell(stage, host, &answer);
                if let Some(place) = answers.get_mut(host) {
                    *place = Some(answer);
                    missing -= 1;
                }
            }
            if missing > 0 {
                match net::wait(&mut stage.reactor, None, deadline)? {
                    Ok(()) => {}
                    Err(Stop::Expired(what)) if what.limit == Limit::Connect => {
                        expired = Some(Stop::Expired(what));
                    }
                    Err(stop) => return Err(net::Error::stopped(Phase::Lookup)(stop)),
                }
            }
        }
        let answers = answers.into_iter().map(|answer| {
            answer.unwrap_or_else(|| match expired {
                Some(stop) => Err(net::Error::stopped(Phase::Lookup)(stop)),
                None => Ok(Arc::default()),
            })
        });
        Ok(answers.collect())
    }

    fn tell(&self, stage: &Stage, host: usize, answer: &Addresses) {
        if let (Some(name), Ok(addresses)) = (self.name(host), answer) {
            stage.report.fact(|| {
                let all = connect::all(addresses);
                format!("{} is {all}", escape(name.as_str()))
            });
        }
    }
}
