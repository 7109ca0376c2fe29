//! Finding a peer that has vanished while it owed us acknowledgements.
//!
//! `TCP_USER_TIMEOUT` would do it, but it also ends the connection to a peer that is alive and whose
//! reader merely pauses: it counts the time of a closed window (`tcp_probe_timer`, Linux 6.18).
//! So the kernel's figures are looked at, once a limit's length while something is on its way, and
//! not at all while nothing is.

use std::time::{Duration, Instant};

use crate::stream::{Backlog, Owed};

/// When to look, and what was seen the last time.
#[derive(Debug)]
pub(super) struct Watch {
    limit: Duration,
    next: Option<Instant>,
    seen: Option<(Instant, u64)>,
}

impl Watch {
    /// A peer may owe an answer for `limit`.
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            next: None,
            seen: None,
        }
    }

    /// Something was sent.
    pub(super) fn sent(&mut self, now: Instant) {
        if self.next.is_none() {
            self.next = now.checked_add(self.limit);
        }
    }

    /// When to look next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Looks: whether the peer has vanished. `sent` bytes were sent in all, the last of them at
    /// `last`.
    pub(super) fn has_vanished(
        &mut self,
        now: Instant,
        backlog: Backlog,
        sent: u64,
        last: Instant,
    ) -> bool {
        let acknowledged = sent.saturating_sub(backlog.bytes as u64);
        let silence = match backlog.owed {
            Owed::Nothing if backlog.bytes == 0 => {
                (self.next, self.seen) = (None, None);
                return false;
            }
            Owed::Nothing => {
                (self.next, self.seen) = (now.checked_add(self.limit), None);
                return false;
            }
            Owed::Segments(silence) | Owed::Probe(silence) => silence,
        };
        if silence < self.limit {
            self.seen = Some((now, acknowledged));
            self.next = now.checked_add(self.limit - silence);
            return false;
        }
        // Silent for long enough; but was there something to answer for that long? There was if
        // all of it was sent that long ago, or if the last look saw something unanswered.
        let all_is_old = now.saturating_duration_since(last) >= self.limit;
        if all_is_old && matches!(backlog.owed, Owed::Segments(_)) {
            return true;
        }
        let (since, before) = *self.seen.get_or_insert((now, acknowledged));
        if before != acknowledged {
            self.seen = Some((now, acknowledged));
        } else if now.saturating_duration_since(since) >= self.limit {
            return true;
        }
        self.next = now.checked_add(self.limit);
        if matches!(backlog.owed, Owed::Segments(_)) {
            self.next = self.next.min(last.checked_add(self.limit));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(2);

    fn segments(bytes: usize, silence: u64) -> Backlog {
        Backlog {
            bytes,
            owed: Owed::Segments(Duration::from_secs(silence)),
        }
    }

    fn probe(silence: u64) -> Backlog {
        Backlog {
            bytes: 9,
            owed: Owed::Probe(Duration::from_secs(silence)),
        }
    }

    fn later(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn nothing_sent_nothing_to_look_at() {
        assert_eq!(Watch::new(LIMIT).next(), None);
    }

    #[test]
    fn all_acknowledged_ends_the_looking_until_more_is_sent() {
        let start = Instant::now();
        let mut watch = Watch::new(LIMIT);
        watch.sent(start);
        assert_eq!(watch.next(), Some(later(start, 2)));
        assert!(!watch.has_vanished(later(start, 2), Backlog::default(), 100, start));
        assert_eq!(watch.next(), None);
    }

    #[test]
    fn silence_as_long_as_the_limit_after_the_last_byte_is_a_vanished_peer() {
        let start = Instant::now();
        let mut watch = Watch::new(LIMIT);
        watch.sent(start);
        assert!(watch.has_vanished(later(start, 2), segments(100, 2), 100, start));
    }

    #[test]
    fn a_byte_sent_just_now_after_a_long_pause_is_not_yet_overdue() {
        let start = Instant::now();
        let mut watch = Watch::new(LIMIT);
        watch.sent(start);
        let last = start + Duration::from_millis(1900);
        assert!(!watch.has_vanished(later(start, 2), segments(1, 2), 101, last));
        assert_eq!(watch.next(), Some(last + LIMIT));
    }

    #[test]
    fn a_trickle_into_a_dead_link_is_found_at_the_second_look() {
        let start = Instant::now();
        let mut watch = Watch::new(LIMIT);
        watch.sent(start);
        assert!(!watch.has_vanished(later(start, 2), segments(2, 3), 2, later(start, 1)));
        assert!(watch.has_vanished(later(start, 4), segments(4, 5), 4, later(start, 3)));
    }

    #[test]
    fn a_peer_whose_reader_pauses_and_that_answers_probes_is_alive_for_ever() {
        let start = Instant::now();
        let mut watch = Watch::new(LIMIT);
        watch.sent(start);
        let closed = Backlog {
            bytes: 9,
            owed: Owed::Nothing,
        };
        for n in 1..100 {
            // Every other look falls between a probe and its answer.
            let backlog = if n % 2 == 0 { closed } else { probe(60) };
            assert!(
                !watch.has_vanished(later(start, 2 * n), backlog, 9, start),
                "look {n}"
            );
            assert_eq!(watch.next(), Some(later(start, 2 * n + 2)));
        }
    }

    #[test]
    fn an_unanswered_probe_is_a_vanished_peer_at_the_second_look() {
        let start = Instant::now();
        let mut watch = Watch::new(LIMIT);
        watch.sent(start);
        assert!(!watch.has_vanished(later(start, 2), probe(30), 9, start));
        assert!(watch.has_vanished(later(start, 4), probe(32), 9, start));
    }
}
