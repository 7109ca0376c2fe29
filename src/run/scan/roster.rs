//! What is asked about: whose ports, by number.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    ops::RangeInclusive,
};

use super::{Stage, course::At};
use crate::{
    event::Deadline,
    net::{self, Query},
    plan::{Host, Port, PortSpan, Scan, Targets, UnixAddress},
    report::Subject,
};

/// All that is tested, in the order in which it was asked for.
pub(super) struct Roster<'a> {
    entries: Vec<Entry<'a>>,
    datagrams: bool,
}

/// A host and the numbers of its ports, or a Unix socket.
enum Entry<'a> {
    Ports(&'a Host, Vec<RangeInclusive<u16>>),
    Socket(&'a UnixAddress),
}

impl<'a> Roster<'a> {
    /// Looks up what the services are called by number.
    pub(super) fn new(
        stage: &mut Stage,
        scan: &'a Scan,
        deadline: Deadline,
    ) -> Result<Self, net::Error> {
        let datagrams = scan.is_datagrams();
        let mut services = HashMap::new();
        let mut entries = Vec::new();
        match &scan.targets {
            Targets::Sockets(sockets) => entries.extend(sockets.list.iter().map(Entry::Socket)),
            Targets::Ports(ports) => {
                for target in &ports.list {
                    let mut ranges = Vec::new();
                    for span in target.ports.spans() {
                        ranges.push(match span {
                            PortSpan::Numbers { first, last } => *first..=*last,
                            PortSpan::Service(name) => {
                                let number = match services.get(name.as_str()) {
                                    Some(number) => *number,
                                    None => number(stage, name, datagrams, deadline)?,
                                };
                                services.insert(name.as_str(), number);
                                number..=number
                            }
                        });
                    }
                    entries.push(Entry::Ports(&target.host, ranges));
                }
            }
        }
        Ok(Self { entries, datagrams })
    }

    /// The hosts, each with its place.
    pub(super) fn hosts(&self) -> impl Iterator<Item = (usize, &'a Host)> {
        let hosts = self.entries.iter().map(|entry| match entry {
            Entry::Ports(host, _) => Some(*host),
            Entry::Socket(_) => None,
        });
        hosts
            .enumerate()
            .filter_map(|(place, host)| Some((place, host?)))
    }

    /// How much there is to test.
    pub(super) fn total(&self) -> u64 {
        let entries = self.entries.iter().map(|entry| match entry {
            Entry::Ports(_, ranges) => ranges.iter().map(|range| range.len() as u64).sum(),
            Entry::Socket(_) => 1,
        });
        entries.sum()
    }

    /// All of it, one after another.
    pub(super) fn iter(&self) -> impl Iterator<Item = At> + Send {
        self.entries.iter().enumerate().flat_map(|(place, entry)| {
            let ranges = match entry {
                Entry::Ports(_, ranges) => ranges.as_slice(),
                Entry::Socket(_) => &[0..=0],
            };
            ranges
                .iter()
                .cloned()
                .flatten()
                .map(move |port| (place, port))
        })
    }

    /// The same in an order of its own.
    pub(super) fn shuffled(&self) -> Vec<At> {
        shuffled(self.iter().collect())
    }

    /// What it is called.
    pub(super) fn subject(&self, (place, port): At) -> Option<Subject<'a>> {
        Some(match self.entries.get(place)? {
            Entry::Ports(host, _) => Subject::Port {
                host,
                port,
                datagrams: self.datagrams,
            },
            Entry::Socket(address) => Subject::Socket(address),
        })
    }
}

fn number(
    stage: &mut Stage,
    service: &str,
    datagrams: bool,
    deadline: Deadline,
) -> Result<u16, net::Error> {
    let query = Query {
        host: None,
        port: &Port::Service(service.to_owned()),
        lookup: Default::default(),
        passive: true,
        datagrams,
    };
    let found = net::resolve(&mut stage.reactor, &query, deadline)?;
    Ok(found.first().map_or(0, |address| address.port()))
}

/// Fisher and Yates' shuffle. What is random is the key of the hash.
fn shuffled<T>(mut items: Vec<T>) -> Vec<T> {
    let random = RandomState::new();
    for last in (1..items.len()).rev() {
        let places = u64::try_from(last).unwrap_or(u64::MAX).saturating_add(1);
        let place = random.hash_one(last) % places;
        items.swap(last, usize::try_from(place).unwrap_or(last));
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_keeps_every_port() {
        let all: Vec<u16> = (1..=1000).collect();
        let mixed = shuffled(all.clone());
        assert_ne!(mixed, all);
        assert_ne!(mixed, shuffled(all.clone()));
        let mut sorted = mixed;
        sorted.sort_unstable();
        assert_eq!(sorted, all);
        assert!(shuffled(Vec::<u16>::new()).is_empty());
    }
}
