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

mod case;
mod data;
mod limit;
mod machine;
mod process;
mod table;
mod tool;
mod transfer;

use std::{
    env,
    fs::File,
    path::{Path, PathBuf},
    process::ExitCode,
};

use rustix::fs::{FlockOperation, flock};

use case::Case;
use machine::Machine;
use table::Row;
use tool::Tool;
use transfer::{Bench, Sample};

/// Every failure ends in a line of text.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A transfer counts if other programs took no more of the processors meanwhile,
const QUIET: f64 = 0.1;

/// or when it has been repeated so often.
const REPEATS: usize = 3;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["produce"] => data::produce(),
        ["consume"] => data::consume(false),
        ["consume", "digest"] => data::consume(true),
        ["limit", "send", to] => limit::send(to),
        ["limit", "receive", at] => limit::receive(at),
        _ if words.contains(&"--bench") => {
            let filter = words.iter().find(|word| !word.starts_with('-'));
            run(filter.copied().unwrap_or(""))
        }
        _ => {
            println!("timings are no tests; measure with: cargo bench --bench throughput");
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("throughput: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(filter: &str) -> Result<()> {
    let bytes = match env::var("OXNC_BENCH_BYTES") {
        Ok(text) => size(&text)?,
        Err(_) => 1 << 30,
    };
    let rounds = match env::var("OXNC_BENCH_ROUNDS") {
        Ok(text) => text.parse().map_err(|_| "OXNC_BENCH_ROUNDS: a number")?,
        Err(_) => 5,
    };
    let base = env::var_os("OXNC_BENCH_BASE").map(PathBuf::from);
    let (tools, missing) = tool::find(base.as_deref());
    let bench = Bench::new(bytes)?;
    let machine = Machine::look(&bench, rounds)?;
    let mut rows = Vec::new();
    let mut others = Vec::new();
    for case in case::all().filter(|case| case.to_string().contains(filter)) {
        eprintln!("{case} ...");
        rows.extend(measure(&bench, &tools, case, rounds, &mut others)?);
    }
    let report = format!(
        "{}\n{}\n{}",
        machine.describe(&tools, &missing, mean(&others)),
        table::render(&rows),
        table::targets(&rows)
    );
    println!("{report}");
    if filter.is_empty() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/RESULTS.md");
        std::fs::write(&path, report)?;
    }
    Ok(())
}

/// Runs one case with every tool, round by round.
fn measure(
    bench: &Bench,
    tools: &[Tool],
    case: Case,
    rounds: usize,
    others: &mut Vec<f64>,
) -> Result<Vec<Row>> {
    let _lock = lock()?;
    let mut results: Vec<Result<Vec<Sample>>> = tools.iter().map(|_| Ok(Vec::new())).collect();
    for round in 0..=rounds {
        let warm_up = round == 0;
        eprint!("  round {round}:");
        // Whoever follows whom changes from round to round.
        for turn in 0..tools.len() {
            let at = (turn + round) % tools.len();
            let (Some(tool), Some(result)) = (tools.get(at), results.get_mut(at)) else {
                continue;
            };
            let Ok(samples) = result else { continue };
            match undisturbed(bench, tool, case, warm_up) {
                Ok(_) if warm_up => {}
                Ok(sample) => {
                    others.push(sample.others);
                    samples.push(sample);
                }
                Err(e) => *result = Err(e),
            }
        }
        eprintln!();
    }
    let rows = tools.iter().zip(results).map(|(tool, result)| Row {
        case,
        tool: tool.name,
        is_peer: tool.is_peer(),
        figures: match tool.supports(case) {
            Ok(()) => result
                .map(|samples| table::Figures::of(&samples, bench.bytes))
                .map_err(|e| format!("FAILED: {e}")),
            Err(why) => Err(why),
        },
    });
    Ok(rows.collect())
}

/// Repeats a transfer that other programs have disturbed, but not for ever.
fn undisturbed(bench: &Bench, tool: &Tool, case: Case, warm_up: bool) -> Result<Sample> {
    for _ in 0..REPEATS {
        let sample = bench.transfer(tool, case, warm_up)?;
        if warm_up || sample.others < QUIET {
            eprint!(" {} {:.2} s,", tool.name, sample.time.as_secs_f64());
            return Ok(sample);
        }
        eprint!(" ({} {:.2} s)", tool.name, sample.time.as_secs_f64());
    }
    bench.transfer(tool, case, warm_up)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn lock() -> Result<Option<File>> {
    let Some(path) = env::var_os("OXNC_BENCH_LOCK") else {
        return Ok(None);
    };
    let file = File::create(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(Some(file))
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
