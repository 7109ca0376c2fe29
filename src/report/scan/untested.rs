//! What could not be tested, and why.

use std::collections::HashSet;

use super::{
    super::{
        messages::{self, LISTED, not_started, spot},
        nc, proxy,
    },
    Cause, Finding, Report, Subject, endpoint,
};
use crate::{net::Attempt, outcome::PortState, proxy::Failure};

/// Tells, without `-v`, why ports could not be tested: what is true for all ports of a host is told of
/// the first one. What is left is counted at the end.
#[derive(Debug, Default)]
pub(crate) struct Untested {
    told: HashSet<(String, String)>,
}

impl Untested {
    /// Tells it, if that is what was found, and if it was not told before.
    pub(crate) fn tell(&mut self, report: &Report, finding: &Finding<'_>) {
        for line in self.lines(report, finding) {
            report.failure(&line);
        }
    }

    pub(super) fn lines(&mut self, report: &Report, finding: &Finding<'_>) -> Vec<String> {
        let Subject::Port { host, .. } = finding.subject else {
            return Vec::new();
        };
        if finding.state != PortState::Error || report.tells(finding) || self.told.len() >= LISTED {
            return Vec::new();
        }
        let reason = finding.reason().unwrap_or_default();
        if !self.told.insert((host.as_str().to_owned(), reason)) {
            return Vec::new();
        }
        report.untested(finding)
    }
}

impl Report {
    /// Why a port could not be tested.
    pub(super) fn untested(&self, finding: &Finding<'_>) -> Vec<String> {
        let Subject::Port {
            host,
            port,
            datagrams,
        } = finding.subject
        else {
            return Vec::new();
        };
        let target = endpoint(host, port);
        let mut lines = Vec::new();
        let mut attempts: Vec<&Attempt> = Vec::new();
        for cause in finding.causes {
            match cause {
                Cause::Lookup(error) | Cause::Proxy(Failure::Target(error)) if self.is_nc() => {
                    lines.extend(nc::not_connected(error, &target, datagrams));
                }
                Cause::Lookup(error) | Cause::Proxy(Failure::Target(error)) => {
                    lines.extend(not_started(error, &spot(&target)));
                }
                Cause::Proxy(failure) => lines.push(format!(
                    "cannot connect to {}: {}",
                    spot(&target),
                    proxy::not_open(failure)
                )),
                Cause::Attempt(attempt) | Cause::Prohibited(attempt) if !self.is_nc() => {
                    attempts.push(attempt);
                }
                _ => lines.extend(cause.of_port(host, port, datagrams)),
            }
        }
        if !attempts.is_empty() {
            let target = spot(&target);
            let why = messages::list(&attempts, &target);
            lines.push(format!("cannot connect to {target}: {why}"));
        }
        lines
    }
}
