//! What the benchmarks have in common: programs, processes, rounds, the machine and the table.

#![allow(dead_code, reason = "each benchmark needs a part of it")]

use std::{
    path::Path,
    process::{Command, ExitCode, Stdio},
};

pub(crate) mod machine;
pub(crate) mod process;
pub(crate) mod programs;
pub(crate) mod rounds;
pub(crate) mod table;

/// Every failure ends in a line of text.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What is measured: `filter` selects cases by a part of their names. None if cargo does not ask
/// for a benchmark, as `cargo test --benches` does.
pub(crate) fn filter<'a>(name: &str, words: &[&'a str]) -> Option<&'a str> {
    if !words.contains(&"--bench") {
        println!("timings are no tests; measure with: cargo bench --bench {name}");
        return None;
    }
    let filter = words.iter().find(|word| !word.starts_with('-'));
    Some(filter.copied().unwrap_or(""))
}

/// Prints the report, and writes it to a file if it is a whole one.
pub(crate) fn publish(report: &str, filter: &str, file: &str) -> Result<()> {
    println!("{report}");
    if filter.is_empty() {
        let benches = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches");
        std::fs::write(benches.join(file), report)?;
    }
    Ok(())
}

/// The end of the program.
pub(crate) fn exit(name: &str, done: Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{name}: {e}");
            ExitCode::FAILURE
        }
    }
}

/// All that a program prints.
pub(crate) fn output(program: &Path, words: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .output()?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok(text)
}
