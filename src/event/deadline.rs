//! One point in monotonic time, and the name of the limit behind it.

use std::time::{Duration, Instant};

use crate::outcome::{Expired, Limit};

/// When a phase has to be over, if ever, and which limit says so.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deadline(Option<(Instant, Expired)>);

impl Deadline {
    /// `length` after `start`; none means never. A time beyond what the clock can hold is never too.
    pub(crate) fn after(start: Instant, length: Option<Duration>, limit: Limit) -> Self {
        Self(
            length.and_then(|length| Some((start.checked_add(length)?, Expired { limit, length }))),
        )
    }

    /// Whichever of the two comes first.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(a), Some(b)) => Self(Some(if b.0 < a.0 { b } else { a })),
            (a, b) => Self(a.or(b)),
        }
    }

    /// The point in time, if there is one.
    pub(crate) fn at(self) -> Option<Instant> {
        self.0.map(|(at, _)| at)
    }

    /// The limit, once it has passed.
    pub(crate) fn expired(self, now: Instant) -> Option<Expired> {
        self.0.and_then(|(at, what)| (now >= at).then_some(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_limit_is_the_one_that_is_named() {
        let start = Instant::now();
        let long = Deadline::after(start, Some(Duration::from_secs(2)), Limit::Total);
        let short = Deadline::after(start, Some(Duration::from_secs(1)), Limit::Connect);
        for both in [
            long.or(short),
            short.or(long),
            short.or(Deadline::default()),
        ] {
            assert!(both.expired(start + Duration::from_millis(999)).is_none());
            let what = both
                .expired(start + Duration::from_secs(1))
                .map(|e| e.limit);
            assert_eq!(what, Some(Limit::Connect));
        }
    }

    #[test]
    fn a_length_that_the_clock_cannot_hold_never_expires() {
        let never = Deadline::after(Instant::now(), Some(Duration::MAX), Limit::Idle);
        assert_eq!(never.at(), None);
    }
}
