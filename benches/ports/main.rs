//! How fast are ports tested, beside the peers?
//!
//! ```text
//! cargo bench --bench ports               # everything; rewrites benches/PORTS.md
//! cargo bench --bench ports -- dropped    # only cases whose names contain this; no file
//! ```
//!
//! | name | what runs |
//! |---|---|
//! | `oxnc` | the binary of this package: `oxnc -nz 127.0.0.1 PORTS` |
//! | `nc` | `nc.openbsd -nz 127.0.0.1 PORTS` |
//! | `nmap` | `nmap -n -Pn -sT -T5 -oG - -p PORTS 127.0.0.1` |
//! | `base` | another oxnc, for instance one built before a change, if `OXNC_BENCH_BASE` names it |
//!
//! In the first case five ports listen and all others refuse, so what counts is how many connections
//! are made in a second. In the second, a rule of nftables drops what comes for any port, so what
//! counts is how many ports are waited for at the same time: one second each, which is `-w 1s` to
//! oxnc. nmap gets the same limit with the words of `PATIENT` in `tool.rs`: no second try, answers
//! are waited for one second, and as many ports as its descriptors allow are asked at once. nc tests
//! one port after another and has no turn there: it would take 5,000 s.
//!
//! Everything runs in a network namespace of its own, which has nothing but a loopback device, so
//! that nobody else listens and nothing outside is touched. It is made by unshare(1): as root, or
//! where users may have user namespaces.
//!
//! In each round every tool has its turn; the first round warms up and is not counted. Times are
//! from the start of a program to its exit, the median over the rounds; CPU seconds are its user and
//! system time as wait4(2) reports it. What the kernel does on behalf of loopback is in them. A run
//! during which other programs took more than a tenth of the processors is repeated, up to three
//! times.
//!
//! What a tool tells is checked outside the timed part, in every run: the ports that it names have
//! to be exactly those that listen. nc is silent in the rounds that count, because its lines about
//! ports that refuse would slow it down; it is checked in the warm-up, with `-v`. There it may name
//! others that it connects from itself, in the range that the kernel takes local ports from: a
//! connection to such a port may come from this very port, and then TCP connects it with itself.
//! How many it named is told below the table. That a tool has really asked is checked
//! independently of what it tells: those who listen have had a client, and the rule of nftables
//! keeps a set of the ports that it has seen. A tool that fails has a failure in its row and no time.
//!
//! From the environment: `OXNC_BENCH_ROUNDS` (7), `OXNC_BENCH_BASE` (path of another oxnc), and
//! `OXNC_BENCH_LOCK` (a file that is locked with flock(2) while a case is measured, for machines
//! whose other work takes the same lock).
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program whose work is to print"
)]

#[path = "../common/mod.rs"]
mod common;

mod case;
mod namespace;
mod table;
mod tool;
mod trial;

use std::{env, process::ExitCode};

use case::{Case, Place};
use common::{Result, machine::Machine, rounds};
use table::Row;
use tool::Tool;

const NAME: &str = "ports";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["inside", outside, filter] => namespace::set_up(outside).and_then(|()| run(filter)),
        _ => common::filter(NAME, &words).map_or(Ok(()), namespace::enter),
    };
    common::exit(NAME, done)
}

/// Measures, inside the namespace.
fn run(filter: &str) -> Result<()> {
    let rounds = rounds::count(7)?;
    let (tools, mut missing) = tool::find();
    let machine = Machine::look();
    let mut found = Findings::default();
    for case in Case::ALL {
        let name = case.to_string();
        if !name.contains(filter) {
            continue;
        }
        match case.needs() {
            Ok(()) => {
                eprintln!("{name} ...");
                measure(case, &tools, rounds, &mut found)?;
            }
            Err(why) => missing.push(format!("{name}: {why}")),
        }
    }
    let facts = [format!(
        "the median of {rounds} rounds, in {} s altogether",
        machine.elapsed().as_secs()
    )];
    let report = format!(
        "{}\n{}\n{}{}",
        machine.describe(("Ports", NAME), &facts, &found.others, &tools, &missing),
        table::render(&found.rows),
        found.notes,
        table::targets(&found.rows)
    );
    common::publish(&report, filter, "PORTS.md")
}

/// What has come out so far.
#[derive(Default)]
struct Findings {
    rows: Vec<Row>,
    others: Vec<f64>,
    /// Paragraphs about what the figures do not tell.
    notes: String,
}

/// Runs one case with every tool, round by round.
fn measure(case: Case, tools: &[Tool], rounds: usize, found: &mut Findings) -> Result<()> {
    let place = Place::new(case)?;
    let results = rounds::measure(tools, rounds, |tool, warm_up| {
        let sample = trial::run(tool, &place, warm_up)?;
        if sample.with_itself > 0 {
            found.notes.push_str(&format!(
                "In the warm-up, {} named ports as open on which nobody listens (here {}): it had \
                 connected each with itself.\n\n",
                tool.name, sample.with_itself
            ));
        }
        Ok(sample)
    })?;
    found.others.extend(rounds::others(&results));
    found.rows.extend(common::table::rows(
        case,
        tools,
        results,
        Tool::is_peer,
        |tool| tool.supports(case).map_err(Into::into),
        table::Figures::of,
    ));
    Ok(())
}
