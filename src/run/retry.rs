//! Connecting again and again, until there is a connection.

use std::time::{Duration, Instant};

use super::{
    Stage,
    backoff::{Backoff, SHORTEST},
};
use crate::{
    net::{self, Phase},
    outcome::{Setback, Status, Stop},
    plan::{Plan, Retry},
    report::Miss,
};

/// Tries until it succeeds, or once if the plan does not ask for more. Why there is no connection in
/// the end is said, and comes back as the status to end with.
pub(super) fn insist<'a, T>(
    stage: &mut Stage,
    plan: &Plan,
    mut attempt: impl FnMut(&mut Stage) -> Result<T, Miss<'a>>,
) -> Result<T, Status> {
    let mut tries = plan.retry.map(Tries::new);
    let mut told = Vec::new();
    loop {
        let miss = match attempt(stage) {
            Ok(reached) => return Ok(reached),
            Err(miss) => miss,
        };
        let tries = tries.as_mut().filter(|_| may_pass(&miss, plan.numeric));
        let Some(pause) = tries.and_then(Tries::next) else {
            stage.report.missed(&miss);
            return Err(setback(&miss).status());
        };
        stage.report.once_more(&miss, pause, &mut told);
        let paused = net::pause(&mut stage.reactor, pause, Phase::Connect, stage.total);
        if let Err(error) = paused {
            match &error {
                net::Error::Stopped {
                    stop: Stop::Expired(what),
                    ..
                } => stage.report.no_time_left(&miss, *what),
                other => stage.report.not_started(other, &miss.target()),
            }
            return Err(error.setback().status());
        }
    }
}

fn may_pass(miss: &Miss<'_>, numeric: bool) -> bool {
    match miss {
        Miss::Host { error, .. } | Miss::Socket { error, .. } => error.may_pass(numeric),
        Miss::Proxied { failure, .. } => failure.may_pass(numeric),
    }
}

fn setback(miss: &Miss<'_>) -> Setback {
    match miss {
        Miss::Host { error, .. } | Miss::Socket { error, .. } => error.setback(),
        Miss::Proxied { failure, .. } => failure.setback(),
    }
}

/// What is left of them.
struct Tries {
    left: Option<u32>,
    pauses: Pauses,
}

enum Pauses {
    /// `--retry-delay`
    Fixed(Duration),
    Growing(Backoff),
}

impl Tries {
    fn new(retry: Retry) -> Self {
        Self {
            left: retry.tries,
            pauses: match retry.delay {
                Some(delay) => Pauses::Fixed(delay.max(SHORTEST)),
                None => Pauses::Growing(Backoff::new(Instant::now())),
            },
        }
    }

    /// The pause before the next one, if there is to be one.
    fn next(&mut self) -> Option<Duration> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1)?;
        }
        Some(match &mut self.pauses {
            Pauses::Fixed(delay) => *delay,
            Pauses::Growing(backoff) => backoff.pause(Instant::now()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_pauses_as_tries_after_the_first() {
        let delay = Some(Duration::from_secs(3));
        let mut tries = Tries::new(Retry {
            tries: Some(2),
            delay,
        });
        assert_eq!(
            [tries.next(), tries.next(), tries.next()],
            [delay, delay, None]
        );
        let mut tries = Tries::new(Retry {
            tries: None,
            delay: Some(Duration::ZERO),
        });
        for _ in 0..1000 {
            assert_eq!(tries.next(), Some(SHORTEST));
        }
    }
}
