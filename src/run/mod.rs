//! The stories, one a file: each reads as the steps of a run.

mod connect;
mod handshake;
mod listen;
mod login;
mod proxied;
mod session;
mod unix;

use std::{cell::Cell, rc::Rc, time::Instant};

use crate::{
    event::{Deadline, Reactor},
    outcome::{Counters, Limit, Setback, Status},
    plan::{Action, Plan},
    report::{Report, reason},
};

/// What every story has at hand.
struct Stage {
    reactor: Reactor,
    report: Report,
    /// `--max-time`, from the start of the run.
    total: Deadline,
    /// What SIGUSR1 prints.
    counters: Rc<Cell<Counters>>,
}

/// Runs a plan from the first lookup to the exit status.
pub fn run(plan: &Plan) -> Status {
    let report = Report::new(plan.verbosity);
    let mut stage = match Stage::set(plan, report.clone()) {
        Ok(stage) => stage,
        Err(e) => {
            report.failure(&format!("cannot start: {}", reason(&e)));
            return Setback::Failed.status();
        }
    };
    match &plan.action {
        Action::Connect(connect) => connect::run(&mut stage, connect, plan),
        Action::ConnectUnix(address) => unix::run(&mut stage, address, plan),
        Action::Listen(listen) => listen::run(&mut stage, listen, plan),
    }
}

impl Stage {
    fn set(plan: &Plan, report: Report) -> std::io::Result<Self> {
        let started = Instant::now();
        let mut reactor = Reactor::new()?;
        let counters = Rc::new(Cell::new(Counters::default()));
        let (shown, printer) = (Rc::clone(&counters), report.clone());
        reactor.catch_signals(move || printer.counters(shown.get()))?;
        log::debug!(
            "oxnc {}, Linux {}",
            env!("CARGO_PKG_VERSION"),
            crate::os::kernel()
        );
        let total = Deadline::after(started, plan.limits.total, Limit::Total);
        Ok(Self {
            reactor,
            report,
            total,
            counters,
        })
    }
}
