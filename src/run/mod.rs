//! The stories, one a file: each reads as the steps of a run.

mod backoff;
mod connect;
mod datagrams;
mod handshake;
mod listen;
mod login;
mod pass_fd;
mod proxied;
mod retry;
mod scan;
mod secret;
mod serve;
mod session;
mod unix;
mod wrap;

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use crate::{
    event::{Deadline, Reactor},
    net::{self, Address, Options},
    outcome::{Counters, Limit, Setback, Status},
    plan::{Action, Plan, Secret, SocketOption},
    report::{Report, reason},
};

/// How long the name of an address may take to be found. It is for a message alone.
const NAME_TIMEOUT: Duration = Duration::from_secs(2);

/// What every story has at hand.
struct Stage {
    reactor: Reactor,
    report: Report,
    /// `--max-time`, from the start of the run.
    total: Deadline,
    /// What SIGUSR1 prints.
    counters: Rc<Cell<Counters>>,
    /// How many clients there are, where there may be many: it prints that as well.
    clients: Rc<Cell<Option<usize>>>,
    /// What the sockets are set to.
    options: Options,
}

/// Runs a plan from the first lookup to the exit status.
pub fn run(plan: &Plan) -> Status {
    let report = Report::new(plan);
    let mut stage = match Stage::set(plan, report.clone()) {
        Ok(stage) => stage,
        Err(e) => {
            report.failure(&format!("cannot start: {}", reason(&e)));
            return Setback::Failed.status();
        }
    };
    match socket_options(&mut stage, plan) {
        Ok(options) => stage.options = options,
        Err(status) => return status,
    }
    match &plan.action {
        Action::Connect(connect) => connect::run(&mut stage, connect, plan),
        Action::ConnectUnix(address) => unix::run(&mut stage, address, plan),
        Action::Listen(listen) => listen::run(&mut stage, listen, plan),
        Action::Datagrams(datagrams) => datagrams::run(&mut stage, datagrams, plan),
        Action::PassFd(callee) => pass_fd::run(&mut stage, callee, plan),
        Action::Scan(scan) => scan::run(&mut stage, scan, plan),
    }
}

impl Stage {
    fn set(plan: &Plan, report: Report) -> std::io::Result<Self> {
        let started = Instant::now();
        let mut reactor = Reactor::new()?;
        let counters = Rc::new(Cell::new(Counters::default()));
        let clients = Rc::new(Cell::new(None));
        let (shown, number, printer) = (Rc::clone(&counters), Rc::clone(&clients), report.clone());
        reactor.catch_signals(move || printer.counters(shown.get(), number.get()))?;
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
            clients,
            options: Options::default(),
        })
    }
}

impl Stage {
    /// What an address is called, where that is told; a name service has two seconds for it.
    fn name_of(&mut self, address: &Address) -> Result<Option<String>, net::Error> {
        let Address::Inet(address) = address else {
            return Ok(None);
        };
        if !self.report.wants_names() {
            return Ok(None);
        }
        let limit = Deadline::after(Instant::now(), Some(NAME_TIMEOUT), Limit::Connect);
        net::host_name(&mut self.reactor, *address, limit)
    }
}

/// The options of the sockets, with the key that one of them needs.
fn socket_options(stage: &mut Stage, plan: &Plan) -> Result<Options, Status> {
    let source = plan.socket_options.iter().find_map(|option| match option {
        SocketOption::Md5Signature(source) => Some(source),
        _ => None,
    });
    let key = match source {
        Some(source) => secret::read(stage, source, &secret::MD5_KEY)?,
        None => Secret::default(),
    };
    Ok(Options::new(&plan.socket_options, key))
}
