//! What is found goes to stdout and stderr, and is counted.

use std::{collections::HashSet, io, ops::ControlFlow, time::Instant};

use super::{
    Roster, Stage,
    course::{At, Verdict},
};
use crate::{
    net,
    outcome::{PortState, Status, Tally},
    plan::{Goal, Personality, Plan, Probe, Scan, Targets},
    report::{Cause, Finding, Format, Kind, Progress, Report, Results, Rtts, Untested, reason},
};

pub(super) struct Teller<'a> {
    pub roster: &'a Roster<'a>,
    pub scan: &'a Scan,
    pub report: Report,
    /// What was found so far.
    pub tally: Tally,
    /// `-n`
    pub numeric: bool,
    /// Whether silence counts as open, as with `nc`.
    lenient: bool,
    kind: Kind,
    /// Whether it is told at the end how many there are of each state.
    counts: bool,
    banner: bool,
    results: Results,
    untested: Untested,
    /// Hosts, by place, of which it was told that they have no address.
    unknown: HashSet<usize>,
    progress: Progress,
    /// Why stdout could not be written.
    failed: Option<io::Error>,
}

impl<'a> Teller<'a> {
    pub(super) fn new(stage: &Stage, scan: &'a Scan, plan: &Plan, roster: &'a Roster<'a>) -> Self {
        let silent = match &scan.goal {
            Goal::Survey(survey) => survey.silent,
            Goal::Measure(_) => false,
            Goal::Wait(_) => true,
        };
        let format = match (scan.json, silent) {
            (true, _) => Format::Json,
            (false, false) => Format::Table,
            (false, true) => Format::Nothing,
        };
        let kind = match &scan.targets {
            Targets::Ports(_) => Kind::Port,
            Targets::Sockets(_) => Kind::Socket,
        };
        Self {
            roster,
            scan,
            report: stage.report.clone(),
            tally: Tally::default(),
            numeric: plan.numeric,
            lenient: plan.personality == Personality::Nc,
            counts: format == Format::Table && matches!(scan.goal, Goal::Survey(_)),
            banner: scan.targets.have_banners(),
            results: Results::new(format, plan.numeric, scan.is_datagrams()),
            untested: Untested::default(),
            unknown: HashSet::new(),
            progress: Progress::new(roster.total(), kind, &stage.report),
            kind,
            failed: None,
        }
    }

    /// What was found; of a test that was not the only one, with its number.
    pub(super) fn tell(
        &mut self,
        at: At,
        verdict: &Verdict,
        number: Option<u64>,
    ) -> ControlFlow<()> {
        self.tally.count(match verdict.state {
            PortState::OpenFiltered if self.lenient => PortState::Open,
            state => state,
        });
        let Some(finding) = self.finding(at, verdict) else {
            return ControlFlow::Continue(());
        };
        let (place, _) = at;
        // What is true for all ports of a host is told of the first one.
        let is_lookup = matches!(finding.causes, [Cause::Lookup(_)]);
        if !is_lookup || self.unknown.insert(place) {
            self.report.found(&finding);
            if self.counts {
                self.untested.tell(&self.report, &finding);
            }
        }
        let written = match number {
            Some(number) => self.results.write_try(number, &finding),
            None => self.results.write(&finding),
        };
        self.written(written)
    }

    /// What was found that is not the last word (`-v`).
    pub(super) fn news(&mut self, at: At, verdict: &Verdict) {
        if let Some(finding) = self.finding(at, verdict) {
            self.report.found(&finding);
        }
    }

    /// What is the last word, of which `news` has told.
    pub(super) fn result(&mut self, at: At, verdict: &Verdict) -> ControlFlow<()> {
        let Some(finding) = self.finding(at, verdict) else {
            return ControlFlow::Continue(());
        };
        let written = self.results.write(&finding);
        self.written(written)
    }

    /// That was all for now.
    pub(super) fn pause(&mut self) -> ControlFlow<()> {
        self.progress
            .step(self.tally.total(), self.tally.of(PortState::Open));
        let written = self.results.flush();
        self.written(written)
    }

    /// When somebody at a terminal wants to see that it goes on.
    pub(super) fn impatient_at(&self) -> Option<Instant> {
        self.progress.next()
    }

    /// And that was all, since `began`: how many there are of each state.
    pub(super) fn count(&mut self, began: Instant) {
        self.progress.clear();
        if self.counts {
            self.report.tally(self.tally, self.kind, began.elapsed());
        }
    }

    /// How long the answers of the one port took.
    pub(super) fn measured(&mut self, rtts: &Rtts) {
        self.progress.clear();
        let first = self.roster.iter().next();
        if let Some(subject) = first.and_then(|at| self.roster.subject(at)) {
            let written = self.results.measured(&subject, self.tally.total(), rtts);
            // The status tells.
            let _ = self.written(written);
        }
    }

    /// Nothing more is told.
    pub(super) fn clear(&mut self) {
        self.progress.clear();
    }

    /// What to end with if stdout could not be written, which is told.
    pub(super) fn failure(&mut self) -> Option<Status> {
        let error = self.failed.take()?;
        self.progress.clear();
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Some(Status::Signal(libc::SIGPIPE));
        }
        self.report.failure(&format!(
            "cannot write to standard output: {}",
            reason(&error)
        ));
        Some(Status::Local)
    }

    /// Nothing, or no more, could be tested, and this was next. The status to end with.
    pub(super) fn not_tested(&mut self, error: &net::Error, next: Option<At>) -> Status {
        self.progress.clear();
        let next = next.or_else(|| self.roster.iter().next());
        if let Some(subject) = next.and_then(|at| self.roster.subject(at)) {
            self.report.not_tested(error, &subject, self.is_silent());
        }
        error.setback().of_probe().status()
    }

    /// No time would mend this. The status to end with.
    pub(super) fn not_sensible(&mut self, at: At, verdict: &Verdict) -> Status {
        match verdict.causes.first() {
            Some(Cause::Lookup(error)) => self.not_tested(error, Some(at)),
            Some(Cause::Proxy(_)) => self.not_tested_through(at, verdict),
            _ => {
                self.progress.clear();
                if let Some(finding) = self.finding(at, verdict) {
                    self.report.found(&finding);
                    self.untested.tell(&self.report, &finding);
                }
                Status::NotStarted
            }
        }
    }

    /// The same where a proxy is why.
    pub(super) fn not_tested_through(&mut self, at: At, verdict: &Verdict) -> Status {
        self.progress.clear();
        let Some(failure) = verdict.failure() else {
            return Status::NotStarted;
        };
        if let (Targets::Ports(ports), Some(subject)) =
            (&self.scan.targets, self.roster.subject(at))
            && let Probe::Connect {
                proxy: Some(proxy), ..
            } = &ports.probe
        {
            let alone = self.is_silent();
            self.report
                .not_tested_through(failure, &proxy.server, &subject, alone);
        }
        failure.setback().of_probe().status()
    }

    /// Whether the exit status is enough: of one port whose state is all that is asked for.
    fn is_silent(&self) -> bool {
        self.scan.is_one() && matches!(self.scan.goal, Goal::Survey(_))
    }

    fn finding<'v>(&self, at: At, verdict: &'v Verdict) -> Option<Finding<'v>>
    where
        'a: 'v,
    {
        Some(Finding {
            subject: self.roster.subject(at)?,
            state: verdict.state,
            address: verdict.address,
            rtt: verdict.rtt,
            banner: self.banner.then_some(verdict.banner.as_slice()),
            causes: &verdict.causes,
        })
    }

    fn written(&mut self, written: io::Result<()>) -> ControlFlow<()> {
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}
