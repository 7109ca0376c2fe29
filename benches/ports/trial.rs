//! One run of a tool: started, timed, waited for and checked.

use std::{
    collections::BTreeSet,
    io::{Read, Seek},
    process::Stdio,
    time::{Duration, Instant},
};

use crate::{
    case::{Place, local_ports},
    common::{Result, machine, process::Process, rounds},
    tool::{Kind, Tool},
};

/// How long a run may take.
const LIMIT: Duration = Duration::from_secs(30);

/// One run's figures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub time: Duration,
    pub cpu: Duration,
    /// The part of the processors that programs took that are none of ours.
    pub others: f64,
    /// How many ports it named besides those that listen: connected with itself.
    pub with_itself: usize,
}

impl rounds::Sample for Sample {
    fn time(&self) -> Duration {
        self.time
    }

    fn others(&self) -> f64 {
        self.others
    }
}

/// Tests all ports once.
pub(crate) fn run(tool: &Tool, place: &Place, warm_up: bool) -> Result<Sample> {
    let case = place.case;
    tool.supports(case)?;
    place.clear()?;
    let mut stdout = tempfile::tempfile()?;
    let mut command = tool.command(case, warm_up);
    command.stdin(Stdio::null()).stdout(stdout.try_clone()?);

    let busy = machine::busy();
    let start = Instant::now();
    let mut process = Process::start(tool.name, command)?;
    process.exits_within(LIMIT)?;
    let busy = machine::busy() - busy;

    let exit = process.ended_with(tool.status(case))?;
    let time = exit.at - start;
    place.check_asked()?;
    let mut with_itself = 0;
    if tool.tells(warm_up) {
        let mut text = String::new();
        stdout.rewind()?;
        stdout.read_to_string(&mut text)?;
        let named = tool.named(case, &text, &process.said()?)?;
        with_itself = check(tool, &named, &case.open())?;
    }
    Ok(Sample {
        time,
        cpu: exit.cpu,
        others: machine::share(busy.saturating_sub(exit.cpu), time),
        with_itself,
    })
}

/// Whether the ports that a tool names are those that are open. nc may name more of those that it
/// connects from; how many, is given back.
fn check(tool: &Tool, named: &BTreeSet<u16>, open: &BTreeSet<u16>) -> Result<usize> {
    let mut more: Vec<&u16> = named.difference(open).collect();
    let missed: Vec<&u16> = open.difference(named).collect();
    let mut with_itself = 0;
    if tool.kind == Kind::Nc {
        let local = local_ports()?;
        with_itself = more.len();
        more.retain(|port| !local.contains(port));
        with_itself -= more.len();
    }
    if missed.is_empty() && more.is_empty() {
        return Ok(with_itself);
    }
    Err(format!("named but not open: {more:?}, open but not named: {missed:?}").into())
}
