//! Test what is open: look up once, probe one after another, tell what nc tells.

use std::{
    hash::{BuildHasher as _, RandomState},
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use super::{
    Stage, login,
    probes::{Direct, Prober, Through, Untested},
};
use crate::{
    event::Deadline,
    net::{self, Phase, Query},
    outcome::{Limit, Status, Survey},
    plan::{Endpoint, Plan, Port, PortSpan, Probe, Scan, UnixProbe},
};

/// How long it is waited for what this machine has run out of, at first and at most between two
/// tries, and altogether.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(2);

/// Where every answer comes at once, nobody waits. Then it is looked for signals and limits as often.
const LOOK: Duration = Duration::from_millis(10);

/// Tests ports.
pub(super) fn run(stage: &mut Stage, scan: &Scan, plan: &Plan) -> Status {
    let report = stage.report.clone();
    stage.report = report.beneath();
    let proxy = match &scan.probe {
        Probe::Connect { proxy, .. } => proxy.as_ref(),
        Probe::Datagrams { .. } => None,
    };
    let credentials = match proxy.map(|proxy| login::credentials(stage, proxy)) {
        Some(Err(status)) => return status,
        Some(Ok(credentials)) => credentials,
        None => None,
    };
    let mut asked = Endpoint {
        host: scan.host.clone(),
        port: first(scan),
    };
    let deadline = Deadline::after(Instant::now(), plan.limits.connect, Limit::Connect);
    let deadline = deadline.or(stage.total);
    let surveyed = numbers(stage, scan, deadline)
        .map_err(Untested::Net)
        .and_then(|ports| {
            let mut prober: Box<dyn Prober> = match proxy {
                Some(proxy) => {
                    let credentials = credentials.as_ref();
                    Box::new(Through::find(stage, scan, proxy, credentials, deadline)?)
                }
                None => Box::new(Direct::find(stage, scan, deadline)?),
            };
            let report = report.clone();
            survey(stage, scan, ports, &mut asked.port, |stage, port| {
                prober.probe(stage, &report, port)
            })
        });
    let (datagrams, alone) = (scan.is_datagrams(), scan.ports.is_one());
    match (surveyed, proxy) {
        (Ok(survey), _) => survey.status(scan.all),
        (Err(Untested::Net(error)), _) => {
            report.not_tested(&error, &asked, datagrams, alone);
            error.setback().of_probe().status()
        }
        (Err(Untested::Proxied(failure)), Some(proxy)) => {
            report.not_tested_through(&failure, &proxy.server, &asked, alone);
            failure.setback().of_probe().status()
        }
        (Err(Untested::Proxied(failure)), None) => failure.setback().status(),
    }
}

/// Tests a Unix socket, of which nothing is told, as with nc.
pub(super) fn run_unix(stage: &mut Stage, probe: &UnixProbe, plan: &Plan) -> Status {
    let limit = Deadline::after(Instant::now(), plan.limits.connect, Limit::Connect);
    let deadline = limit.or(stage.total);
    let (target, found) = match probe {
        UnixProbe::Stream(target) => {
            let socket = net::connect_unix(&mut stage.reactor, target, &stage.options, deadline);
            (target, socket.map(drop))
        }
        UnixProbe::Datagrams { target, own } => {
            let called = net::call_unix(&stage.reactor, target, own.as_ref(), &stage.options);
            (target, called.map(drop))
        }
    };
    match found {
        Ok(()) => Status::Success,
        Err(error) => {
            stage.report.socket_closed(&error, target);
            error.setback().of_probe().status()
        }
    }
}

/// The first port, for messages about what is looked up.
fn first(scan: &Scan) -> Port {
    match scan.ports.spans() {
        [PortSpan::Numbers { first, .. }, ..] => Port::Number(*first),
        [PortSpan::Service(name), ..] => Port::Service(name.clone()),
        [] => Port::Number(0),
    }
}

/// The ports by number, in the order in which they are tested.
fn numbers(
    stage: &mut Stage,
    scan: &Scan,
    deadline: Deadline,
) -> Result<Box<dyn Iterator<Item = u16>>, net::Error> {
    let mut ranges: Vec<RangeInclusive<u16>> = Vec::new();
    for span in scan.ports.spans() {
        ranges.push(match span {
            PortSpan::Numbers { first, last } => *first..=*last,
            PortSpan::Service(name) => {
                let query = Query {
                    host: None,
                    port: &Port::Service(name.clone()),
                    lookup: Default::default(),
                    passive: true,
                    datagrams: scan.is_datagrams(),
                };
                let found = net::resolve(&mut stage.reactor, &query, deadline)?;
                let port = found.first().map_or(0, |address| address.port());
                port..=port
            }
        });
    }
    let ports = ranges.into_iter().flatten();
    Ok(if scan.random {
        Box::new(shuffled(ports.collect()).into_iter())
    } else {
        Box::new(ports)
    })
}

/// Fisher and Yates' shuffle. What is random is the key of the hash.
fn shuffled(mut ports: Vec<u16>) -> Vec<u16> {
    let random = RandomState::new();
    for last in (1..ports.len()).rev() {
        let places = u64::try_from(last).unwrap_or(u64::MAX).saturating_add(1);
        let place = random.hash_one(last) % places;
        ports.swap(last, usize::try_from(place).unwrap_or(last));
    }
    ports
}

/// Probes every port; `now_at` is the one that is being probed.
fn survey(
    stage: &mut Stage,
    scan: &Scan,
    ports: impl Iterator<Item = u16>,
    now_at: &mut Port,
    mut probe: impl FnMut(&mut Stage, u16) -> Result<bool, Untested>,
) -> Result<Survey, Untested> {
    let mut survey = Survey::default();
    let mut looked = Instant::now();
    for (n, port) in ports.enumerate() {
        *now_at = Port::Number(port);
        let interval = scan.interval.filter(|_| n > 0);
        if interval.is_some() || looked.elapsed() >= LOOK {
            pause(stage, interval.unwrap_or_default())?;
            looked = Instant::now();
        }
        if patiently(stage, port, &mut probe)? {
            survey.open += 1;
        } else {
            survey.closed += 1;
        }
    }
    Ok(survey)
}

/// Probes a port, again and again while it is this machine that lacks something.
fn patiently(
    stage: &mut Stage,
    port: u16,
    mut probe: impl FnMut(&mut Stage, u16) -> Result<bool, Untested>,
) -> Result<bool, Untested> {
    let began = Instant::now();
    let mut length = SHORTEST_PAUSE;
    loop {
        match probe(stage, port) {
            Err(why) if why.is_exhaustion() && began.elapsed() < PATIENCE => {
                log::debug!("port {port}: {why:?}; once more in {length:?}");
                pause(stage, length)?;
                length = (length * 2).min(LONGEST_PAUSE);
            }
            other => return other,
        }
    }
}

fn pause(stage: &mut Stage, length: Duration) -> Result<(), net::Error> {
    net::pause(&mut stage.reactor, length, Phase::Connect, stage.total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_keeps_every_port() {
        let all: Vec<u16> = (1..=1000).collect();
        let mut mixed = shuffled(all.clone());
        assert_ne!(mixed, all);
        assert_ne!(mixed, shuffled(all.clone()));
        mixed.sort_unstable();
        assert_eq!(mixed, all);
        assert!(shuffled(Vec::new()).is_empty());
    }
}
