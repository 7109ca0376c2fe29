//! Waiting for the last acknowledgements.

use std::time::{Duration, Instant};

/// The first pause before they are looked at again; it doubles up to the longest.
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LONGEST_LOOK: Duration = Duration::from_millis(100);

/// What was missing at the last look, and when to look again.
pub(super) struct Settling {
    bytes: usize,
    progress: Instant,
    pause: Duration,
    next: Instant,
}

impl Settling {
    pub(super) fn new(bytes: usize, now: Instant) -> Self {
        Self {
            bytes,
            progress: now,
            pause: FIRST_LOOK,
            next: now + FIRST_LOOK,
        }
    }

    /// So many bytes are missing now. Whether none was acknowledged for too long.
    pub(super) fn is_overdue(&mut self, bytes: usize, linger: Duration, now: Instant) -> bool {
        if bytes < self.bytes {
            (self.bytes, self.progress) = (bytes, now);
        }
        if now >= self.next {
            self.pause = (self.pause * 2).min(LONGEST_LOOK);
            self.next = now + self.pause;
        }
        now.saturating_duration_since(self.progress) >= linger
    }

    /// When to look next.
    pub(super) fn next(&self) -> Instant {
        self.next
    }
}
