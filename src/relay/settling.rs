//! Waiting for the last acknowledgements.

use std::time::{Duration, Instant};

/// The first pause before they are looked at again; it doubles up to the longest.
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LONGEST_LOOK: Duration = Duration::from_millis(100);

/// What the peer's kernel has not acknowledged, since when it is as much.
pub(super) struct Debt {
    pub(super) bytes: usize,
    pub(super) since: Instant,
}

impl Debt {
    /// Whether it has not become less for `limit`.
    pub(super) fn is_overdue(&mut self, bytes: usize, now: Instant, limit: Duration) -> bool {
        if bytes < self.bytes {
            *self = Self { bytes, since: now };
        }
        now.saturating_duration_since(self.since) >= limit
    }
}

/// Both directions are done; the last acknowledgements are looked for, and by and by less often.
pub(super) struct Settling {
    debt: Debt,
    pause: Duration,
    next: Instant,
}

impl Settling {
    pub(super) fn new(bytes: usize, now: Instant) -> Self {
        Self {
            debt: Debt { bytes, since: now },
            pause: FIRST_LOOK,
            next: now + FIRST_LOOK,
        }
    }

    /// Looks: whether none of them has come for `limit`.
    pub(super) fn is_overdue(&mut self, bytes: usize, now: Instant, limit: Duration) -> bool {
        if now >= self.next {
            self.pause = (self.pause * 2).min(LONGEST_LOOK);
            self.next = now + self.pause;
        }
        self.debt.is_overdue(bytes, now, limit)
    }

    /// When to look next.
    pub(super) fn next(&self) -> Instant {
        self.next
    }
}
