//! How long to wait between two tries.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::{Duration, Instant},
};

/// No pause is shorter, so that nothing spins.
pub(super) const SHORTEST: Duration = Duration::from_millis(10);

/// And none of ours is longer, so that what appears late is still seen soon.
const LONGEST: Duration = Duration::from_secs(1);

/// A tenth of the time that was waited so far: what takes long may be seen a little late, and is not
/// asked all the time. Up to a quarter more or less keeps those apart who have begun together.
#[derive(Debug)]
pub(super) struct Backoff {
    began: Instant,
    /// What is random is the key of the hash.
    random: RandomState,
    pauses: u64,
}

impl Backoff {
    /// For what is waited for since `began`.
    pub(super) fn new(began: Instant) -> Self {
        Self {
            began,
            random: RandomState::new(),
            pauses: 0,
        }
    }

    /// The next pause.
    pub(super) fn pause(&mut self, now: Instant) -> Duration {
        let waited = now.saturating_duration_since(self.began);
        let usual = (waited / 10).clamp(SHORTEST, LONGEST);
        self.pauses = self.pauses.wrapping_add(1);
        let thousandths = 750 + self.random.hash_one(self.pauses) % 501;
        let thousandths = u32::try_from(thousandths).unwrap_or(1000);
        (usual * thousandths / 1000).clamp(SHORTEST, LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Many pauses after so many milliseconds of waiting.
    fn pauses(waited: u64) -> Vec<Duration> {
        let began = Instant::now();
        let mut backoff = Backoff::new(began);
        let now = began + Duration::from_millis(waited);
        (0..1000).map(|_| backoff.pause(now)).collect()
    }

    #[test]
    fn a_pause_is_a_tenth_of_what_was_waited_within_a_quarter_and_the_bounds() {
        for (waited, least, most) in [
            (0, 10, 13),
            (100, 10, 13),
            (400, 30, 50),
            (4_000, 300, 500),
            (9_000, 675, 1000),
            (1_000_000, 750, 1000),
        ] {
            let (least, most) = (Duration::from_millis(least), Duration::from_millis(most));
            for pause in pauses(waited) {
                assert!((least..=most).contains(&pause), "{waited} ms: {pause:?}");
            }
        }
    }

    #[test]
    fn pauses_fill_the_quarter_on_either_side() {
        let all = pauses(4_000);
        let near = |ms| all.iter().any(|p| p.as_millis().abs_diff(ms) < 20);
        assert!(near(310) && near(400) && near(490), "{all:?}");
    }

    #[test]
    fn who_begins_together_does_not_go_on_together() {
        assert_ne!(pauses(4_000), pauses(4_000));
    }

    #[test]
    fn a_clock_that_stands_still_is_no_reason_to_spin() {
        let now = Instant::now();
        let mut backoff = Backoff::new(now + Duration::from_secs(5));
        assert!(backoff.pause(now) >= SHORTEST);
    }
}
