//! Test what is open: find out what is asked about, and how; then each once, one again and again, or
//! each until it is open.

mod course;
mod direct;
mod measure;
mod names;
mod proxied;
mod roster;
mod sockets;
mod survey;
mod teller;
mod wait;

use std::time::Instant;

use course::Way;
use direct::Direct;
use proxied::Proxied;
use roster::Roster;
use sockets::Sockets;
use teller::Teller;

use super::{Stage, login};
use crate::{
    event::Deadline,
    outcome::{Limit, Status},
    plan::{Goal, Plan, Probe, Scan, Targets},
};

/// Tests ports or Unix sockets.
pub(super) fn run(stage: &mut Stage, scan: &Scan, plan: &Plan) -> Status {
    let limit = Deadline::after(Instant::now(), plan.limits.connect, Limit::Connect);
    let deadline = limit.or(stage.total);
    let roster = match Roster::new(stage, scan, deadline) {
        Ok(roster) => roster,
        // No service is called so.
        Err(error) => {
            stage.report.not_started(&error, "");
            return error.setback().of_probe().status();
        }
    };
    let mut teller = Teller::new(stage, scan, plan, &roster);
    // What goes on beneath is told by -vv.
    stage.report = stage.report.beneath();
    let mut way: Box<dyn Way> = match &scan.targets {
        Targets::Sockets(sockets) => Box::new(Sockets::new(sockets)),
        Targets::Ports(ports) => match &ports.probe {
            Probe::Connect {
                proxy: Some(proxy),
                timeout,
                ..
            } => {
                let credentials = match login::credentials(stage, proxy) {
                    Ok(credentials) => credentials,
                    Err(status) => return status,
                };
                let once = !matches!(scan.goal, Goal::Wait(_));
                Box::new(Proxied::new(ports, proxy, credentials, *timeout, once))
            }
            _ => match Direct::new(stage, ports, deadline) {
                Ok(direct) => Box::new(direct),
                Err(error) => return teller.not_tested(&error, None),
            },
        },
    };
    match &scan.goal {
        Goal::Survey(goal) => survey::run(stage, way.as_mut(), &mut teller, goal, deadline),
        Goal::Measure(goal) => measure::run(stage, way.as_mut(), &mut teller, *goal, deadline),
        Goal::Wait(goal) => wait::run(stage, way.as_mut(), &mut teller, goal),
    }
}
