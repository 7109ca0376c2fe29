//! How long the others wait for a client whose queue is full.
//!
//! A client reads if its kernel acknowledges. That its socket takes more tells less: it says so only
//! when a third of what it holds is gone, which may be 4 MiB (`sk_stream_is_writeable`, Linux 6.18).
//! So both are asked about again and again.

use std::time::{Duration, Instant};

/// In this time the client's kernel has to acknowledge as much as its queue holds.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is looked at, and tried whether its socket takes more.
const LOOK: Duration = Duration::from_secs(1);

/// A full queue, and what the client is measured by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Full {
    since: Instant,
    /// How far the sending had come by then.
    place: u64,
    /// How much was acknowledged by then.
    acknowledged: u64,
    next: Instant,
}

impl Full {
    pub(super) fn new(now: Instant, place: u64, acknowledged: u64) -> Self {
        Self {
            since: now,
            place,
            acknowledged,
            next: now + LOOK,
        }
    }

    /// When to look next.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// When the others have waited for long enough.
    pub(super) fn until(&self) -> Instant {
        self.since + PATIENCE
    }

    /// Whether a queue's length has gone into the socket since, which has room only for as much as
    /// was acknowledged.
    pub(super) fn has_moved(&self, place: u64, queue: usize) -> bool {
        place >= self.place + queue as u64
    }

    /// Looks: whether as much was acknowledged. Then the time begins anew.
    pub(super) fn look(
        &mut self,
        now: Instant,
        place: u64,
        acknowledged: u64,
        queue: usize,
    ) -> bool {
        let reads = acknowledged >= self.acknowledged + queue as u64;
        if reads {
            *self = Self::new(now, place, acknowledged);
        } else {
            self.next = (now + LOOK).min(self.until());
        }
        reads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_queue_acknowledged_in_time_begins_the_time_anew() {
        let now = Instant::now();
        let mut full = Full::new(now, 1000, 200);
        assert_eq!((full.next(), full.until()), (now + SECOND, now + PATIENCE));
        assert!(!full.look(now + SECOND, 1000, 299, 100));
        assert_eq!(full.until(), now + PATIENCE);
        assert!(full.look(now + 2 * SECOND, 1000, 300, 100));
        assert_eq!(full.until(), now + 2 * SECOND + PATIENCE);
        assert!(!full.look(now + 3 * SECOND, 1000, 399, 100));
    }

    #[test]
    fn the_last_look_is_at_the_end_of_the_time() {
        let now = Instant::now();
        let mut full = Full::new(now, 0, 0);
        full.look(now + SECOND * 9 / 2, 0, 0, 100);
        assert_eq!(full.next(), now + PATIENCE);
    }
}
