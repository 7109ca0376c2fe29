//! What is found goes to stdout and stderr, and is counted.

use std::{
    collections::HashSet,
    io,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use super::{
    Roster, Stage,
    course::{At, Verdict},
};
use crate::{
    event::Deadline,
    net::{self, Phase},
    outcome::{PortState, Status, Stop, Tally},
    plan::{Goal, Personality, Plan, Probe, Scan, Targets},
    report::{
        Cause, Finding, Format, Kind, Outlet, Progress, Report, Results, Rtts, Untested, reason,
    },
};

/// So much may be unread while more is asked for.
const BACKLOG: usize = 1 << 20;

/// How long it is waited between two looks whether somebody reads: at first, and at most.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A run that was stopped gives up when nobody reads for so long, and when it takes so long.
const PATIENCE: Duration = Duration::from_millis(200);
const LONG_PATIENCE: Duration = Duration::from_secs(2);

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
    /// Lines about what was found, on stderr; they are results as well.
    lines: Outlet,
    /// When it is looked again whether somebody reads, if something is unread.
    again_at: Option<Instant>,
    pause: Duration,
    /// What was found so far, told or not, where that is not the same.
    seen: Tally,
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
        let (total, kind) = match (&scan.goal, &scan.targets) {
            (Goal::Measure(measure), _) => (measure.count, Kind::Try),
            (_, Targets::Ports(_)) => (roster.total(), Kind::Port),
            (_, Targets::Sockets(_)) => (roster.total(), Kind::Socket),
        };
        let is_survey = matches!(scan.goal, Goal::Survey(_));
        Self {
            roster,
            scan,
            report: stage.report.clone(),
            tally: Tally::default(),
            numeric: plan.numeric,
            lenient: plan.personality == Personality::Nc,
            counts: format == Format::Table && is_survey,
            banner: scan.targets.have_banners(),
            results: Results::new(format, plan.numeric, scan.is_datagrams()),
            lines: Outlet::stderr(),
            again_at: None,
            pause: SHORTEST_PAUSE,
            seen: Tally::default(),
            untested: Untested::default(),
            unknown: HashSet::new(),
            progress: Progress::new(total, kind, is_survey, &stage.report),
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
        self.tally.count(self.counted(verdict.state));
        let Some(finding) = self.finding(at, verdict) else {
            return ControlFlow::Continue(());
        };
        let (place, _) = at;
        // What is true for all ports of a host is told of the first one.
        let is_lookup = matches!(finding.causes, [Cause::Lookup(_)]);
        if !is_lookup || self.unknown.insert(place) {
            for line in self.report.found(&finding) {
                self.lines.push(&line);
            }
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

    /// What was found that is not the last word (`-v`). It is dropped where nobody reads.
    pub(super) fn news(&mut self, at: At, verdict: &Verdict) {
        if self.lines.len() <= BACKLOG
            && let Some(finding) = self.finding(at, verdict)
        {
            for line in self.report.found(&finding) {
                self.lines.push(&line);
            }
            self.flush_lines();
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

    /// Something was found, and will be told when what is before it has been found as well.
    pub(super) fn seen(&mut self, state: PortState) {
        self.seen.count(self.counted(state));
    }

    /// As what a state counts.
    fn counted(&self, state: PortState) -> PortState {
        match state {
            PortState::OpenFiltered if self.lenient => PortState::Open,
            state => state,
        }
    }

    /// That was all for now.
    pub(super) fn pause(&mut self) -> ControlFlow<()> {
        self.flush()?;
        // Who does not say what was seen has told all of it.
        let far = match self.seen.total() > self.tally.total() {
            true => self.seen,
            false => self.tally,
        };
        self.progress.step(far.total(), far.of(PortState::Open));
        if self.backlog() == 0 {
            self.progress.show();
        }
        ControlFlow::Continue(())
    }

    /// When somebody at a terminal wants to see that it goes on, or may read again.
    pub(super) fn impatient_at(&self) -> Option<Instant> {
        // A run that has failed is to end now.
        let failed = self.failed.as_ref().map(|_| Instant::now());
        let times = [failed, self.again_at, self.progress.next()];
        times.into_iter().flatten().min()
    }

    /// Until when nothing more is to be asked for, because too much is unread.
    pub(super) fn hold(&mut self, now: Instant) -> Option<Instant> {
        // Where nothing is found any more, nobody else tries.
        if self.backlog() > BACKLOG && self.again_at.is_none_or(|at| at <= now) {
            let _ = self.flush();
        }
        (self.backlog() > BACKLOG).then(|| self.again_at.unwrap_or(now))
    }

    /// Waits until all that was found has been read, which a signal or the deadline may end.
    pub(super) fn drain(
        &mut self,
        stage: &mut Stage,
        deadline: Deadline,
    ) -> Result<(), net::Error> {
        // Why it could not be written is told by `failure`.
        while self.flush().is_continue() && self.backlog() > 0 {
            net::wait(&mut stage.reactor, self.again_at, deadline)?
                .map_err(net::Error::stopped(Phase::Connect))?;
        }
        Ok(())
    }

    /// The status to end with after that was ended.
    pub(super) fn not_read(&mut self, error: &net::Error) -> Status {
        self.clear();
        if let net::Error::Stopped {
            stop: Stop::Expired(what),
            ..
        } = error
        {
            self.report.not_read(*what);
        }
        error.setback().of_probe().status()
    }

    /// What was found until a run was stopped goes to whoever reads it now; whether that was all.
    pub(super) fn hand_out(&mut self) -> bool {
        let until = Instant::now() + LONG_PATIENCE;
        let _ = self.lines.finish(PATIENCE, until);
        let written = self.results.finish(PATIENCE, until);
        let _ = self.written(written);
        self.backlog() == 0
    }

    /// How much is unread.
    fn backlog(&self) -> usize {
        self.results.backlog() + self.lines.len()
    }

    /// Writes as much as is read.
    fn flush(&mut self) -> ControlFlow<()> {
        if self.failed.is_some() {
            return ControlFlow::Break(());
        }
        let before = self.backlog();
        self.flush_lines();
        let written = self.results.flush();
        self.written(written)?;
        let (left, now) = (self.backlog(), Instant::now());
        if left < before || left == 0 {
            self.pause = SHORTEST_PAUSE;
        } else if self.again_at.is_some_and(|at| at <= now) {
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
        self.again_at = (left > 0).then(|| now + self.pause);
        ControlFlow::Continue(())
    }

    fn flush_lines(&mut self) {
        // Where they cannot be written, nobody can be told.
        let _ = self.lines.flush();
    }

    /// And that was all, since `began`: how many there are of each state.
    pub(super) fn count(&mut self, began: Instant) {
        self.clear();
        if self.counts {
            self.report.tally(self.tally, self.kind, began.elapsed());
        }
    }

    /// How long the answers of the one port took.
    pub(super) fn measured(&mut self, rtts: &Rtts) {
        self.clear();
        let first = self.roster.iter().next();
        if let Some(subject) = first.and_then(|at| self.roster.subject(at)) {
            let written = self.results.measured(&subject, self.tally.total(), rtts);
            // The status tells.
            let _ = self.written(written);
        }
    }

    /// Nothing more is told of what is found; other lines come now.
    pub(super) fn clear(&mut self) {
        self.progress.clear();
        self.flush_lines();
    }

    /// What to end with if stdout could not be written, which is told.
    pub(super) fn failure(&mut self) -> Option<Status> {
        let error = self.failed.take()?;
        self.clear();
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
        self.clear();
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
                self.news(at, verdict);
                self.clear();
                if let Some(finding) = self.finding(at, verdict) {
                    self.untested.tell(&self.report, &finding);
                }
                Status::NotStarted
            }
        }
    }

    /// The same where a proxy is why.
    pub(super) fn not_tested_through(&mut self, at: At, verdict: &Verdict) -> Status {
        self.clear();
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
