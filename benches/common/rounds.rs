//! Every tool has its turn in every round, so that a machine that grows slower does so for all.

use std::{env, fs::File, time::Duration};

use rustix::fs::{FlockOperation, flock};

use super::{Result, programs::Tool};

/// A measurement counts if other programs took no more of the processors meanwhile,
const QUIET: f64 = 0.1;

/// or when it has been repeated so often.
const REPEATS: usize = 3;

/// What one measurement says about itself, whatever is measured.
pub(crate) trait Sample {
    fn time(&self) -> Duration;

    /// The part of the processors that programs took that are none of ours.
    fn others(&self) -> f64;
}

/// How many rounds there are, after the one that warms up.
pub(crate) fn count(default: usize) -> Result<usize> {
    match env::var("OXNC_BENCH_ROUNDS") {
        Ok(text) => Ok(text.parse().map_err(|_| "OXNC_BENCH_ROUNDS: a number")?),
        Err(_) => Ok(default),
    }
}

/// Measures all tools, round by round; `once` is told whether it is the warm-up. A tool that has
/// failed has no further turns.
pub(crate) fn measure<K, S: Sample>(
    tools: &[Tool<K>],
    rounds: usize,
    mut once: impl FnMut(&Tool<K>, bool) -> Result<S>,
) -> Result<Vec<Result<Vec<S>>>> {
    let _lock = lock()?;
    let mut results: Vec<Result<Vec<S>>> = tools.iter().map(|_| Ok(Vec::new())).collect();
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
            match undisturbed(tool.name, warm_up, || once(tool, warm_up)) {
                Ok(_) if warm_up => {}
                Ok(sample) => samples.push(sample),
                Err(e) => *result = Err(e),
            }
        }
        eprintln!();
    }
    Ok(results)
}

/// Repeats a measurement that other programs have disturbed, but not for ever.
fn undisturbed<S: Sample>(
    name: &str,
    warm_up: bool,
    mut once: impl FnMut() -> Result<S>,
) -> Result<S> {
    for _ in 0..REPEATS {
        let sample = once()?;
        let time = sample.time().as_secs_f64();
        if warm_up || sample.others() < QUIET {
            eprint!(" {name} {time:.2} s,");
            return Ok(sample);
        }
        eprint!(" ({name} {time:.2} s)");
    }
    once()
}

/// The part of the processors that other programs took, in all that counts.
pub(crate) fn others<S: Sample>(results: &[Result<Vec<S>>]) -> Vec<f64> {
    let counted = results.iter().flatten().flatten();
    counted.map(Sample::others).collect()
}

fn lock() -> Result<Option<File>> {
    let Some(path) = env::var_os("OXNC_BENCH_LOCK") else {
        return Ok(None);
    };
    let file = File::create(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(Some(file))
}
