//! How fast is oxnc, what does it cost, and how much is left to gain?
//!
//! ```text
//! cargo bench --bench throughput              # everything; rewrites benches/RESULTS.md
//! cargo bench --bench throughput -- 'tcp pipe'   # only cases whose names contain this; no file
//! ```
//!
//! Both ends of a transfer are the same tool. In each round every tool has its turn, so that a
//! machine that grows slower does so for all of them; the first round warms up and is not counted.
//! A rate is the median over the rounds: the bytes, divided by the time from the start of the
//! sender until both ends (and whoever reads the output) have exited. CPU seconds are user and
//! system time of both ends as wait4(2) reports it, without those of the writer and the reader of
//! the pipes, which are the same two small programs for all. A GB is 10^9 bytes.
//!
//! | name | what runs |
//! |---|---|
//! | `oxnc` | the binary of this package, without options |
//! | `nc`, `ncat`, `socat` | the peers as their users call them, with the flags that lose no data |
//! | `socat -b 1M` | with a buffer of 1 MiB instead of 8 KiB |
//! | `limit` | nothing but the system calls that have to be made, see `limit.rs`: no options, no time limits, no checks |
//! | `base` | another oxnc, for instance one built before a change, if `OXNC_BENCH_BASE` names it |
//!
//! A transfer during which other programs took more than a tenth of the processors is repeated, up
//! to three times. How much they took of those that count is told above the table.
//!
//! What arrives is checked outside the timed part: the digest of every output file, the digest of
//! the warm-up round's output pipe and the byte count of the others; for /dev/null the count that
//! the tool or the kernel (`wchar` in /proc/PID/io) tells. A tool that exits with anything but 0,
//! or delivers something else, has a failure in its row and no rate.
//!
//! The file and /dev/null cases need twice the bytes in /dev/shm. From the environment:
//! `OXNC_BENCH_BYTES` (1G), `OXNC_BENCH_ROUNDS` (5), `OXNC_BENCH_BASE` (path of another oxnc), and
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
mod data;
mod limit;
mod table;
mod tool;
mod transfer;

use std::{env, process::ExitCode};

use case::Case;
use common::{
    Result,
    machine::{self, Machine},
    rounds,
};
use table::Row;
use tool::Tool;
use transfer::Bench;

const NAME: &str = "throughput";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["produce"] => data::produce(),
        ["consume"] => data::consume(false),
        ["consume", "digest"] => data::consume(true),
        ["limit", "send", to] => limit::send(to),
        ["limit", "receive", at] => limit::receive(at),
        _ => common::filter(NAME, &words).map_or(Ok(()), run),
    };
    common::exit(NAME, done)
}

fn run(filter: &str) -> Result<()> {
    let bytes = match env::var("OXNC_BENCH_BYTES") {
        Ok(text) => size(&text)?,
        Err(_) => 1 << 30,
    };
    let rounds = rounds::count(5)?;
    let (tools, missing) = tool::find();
    let bench = Bench::new(bytes)?;
    let machine = Machine::look();
    let mut rows = Vec::new();
    let mut others = Vec::new();
    for case in case::all().filter(|case| case.to_string().contains(filter)) {
        eprintln!("{case} ...");
        rows.extend(measure(&bench, &tools, case, rounds, &mut others)?);
    }
    let facts = facts(&bench, &machine, rounds)?;
    let report = format!(
        "{}\n{}\n{}",
        machine.describe(("Throughput", NAME), &facts, &others, &tools, &missing),
        table::render(&rows),
        table::targets(&rows)
    );
    common::publish(&report, filter, "RESULTS.md")
}

/// What was moved, and over what.
fn facts(bench: &Bench, machine: &Machine, rounds: usize) -> Result<Vec<String>> {
    // TMPFS_MAGIC, linux/magic.h.
    let file_system = match rustix::fs::fstatfs(bench.input())?.f_type as i128 {
        0x0102_1994 => "tmpfs".into(),
        other => format!("a file system of type {other:#x}"),
    };
    Ok(vec![
        format!(
            "{} bytes a transfer, files on {file_system}; the median of {rounds} rounds, in {} s \
             altogether",
            bench.bytes,
            machine.elapsed().as_secs()
        ),
        format!(
            "TCP as the kernel sets it up: {}, tcp_rmem {}, tcp_wmem {}",
            machine::first_line("/proc/sys/net/ipv4/tcp_congestion_control"),
            machine::spaced("/proc/sys/net/ipv4/tcp_rmem"),
            machine::spaced("/proc/sys/net/ipv4/tcp_wmem"),
        ),
    ])
}

/// Runs one case with every tool, round by round.
fn measure(
    bench: &Bench,
    tools: &[Tool],
    case: Case,
    rounds: usize,
    others: &mut Vec<f64>,
) -> Result<Vec<Row>> {
    let results = rounds::measure(tools, rounds, |tool, warm_up| {
        bench.transfer(tool, case, warm_up)
    })?;
    others.extend(rounds::others(&results));
    Ok(common::table::rows(
        case,
        tools,
        results,
        Tool::is_peer,
        |tool| tool.supports(case),
        |samples| table::Figures::of(samples, bench.bytes),
    ))
}

/// A number of bytes, in k, M or G if need be.
fn size(text: &str) -> Result<u64> {
    let digits = text.trim_end_matches(['k', 'M', 'G']);
    let shift = match &text[digits.len()..] {
        "" => 0,
        "k" => 10,
        "M" => 20,
        "G" => 30,
        _ => return Err(format!("{text}: not a size").into()),
    };
    let number: u64 = digits.parse().map_err(|_| format!("{text}: not a size"))?;
    Ok(number << shift)
}
