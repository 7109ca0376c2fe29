//! Finding a peer that has vanished while it owed us acknowledgements.
//!
//! `TCP_USER_TIMEOUT` would do it, but it also ends the connection to a peer that is alive and whose
//! reader merely pauses: it counts the time of a closed window (`tcp_probe_timer`, Linux 6.18).
//! So the kernel's figures are looked at, once a limit's length while something is on its way, and
//! not at all while nothing is.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::stream::{Backlog, Owed};

/// So many times within the limit it is noted how far the sending had come: the peer is found gone
/// at most an eighth of the limit late.
const MARKS: u32 = 8;

/// A busy machine is not gone: the first retransmission alone waits for 200 ms.
const SHORTEST: Duration = Duration::from_secs(1);

/// When to look, and what is known of what was sent when.
#[derive(Debug)]
pub(super) struct Watch {
    limit: Duration,
    next: Option<Instant>,
    /// Up to this byte all was sent by then; the oldest first.
    marks: VecDeque<(Instant, u64)>,
    /// Since when a probe is known to be unanswered.
    probing: Option<Instant>,
}

impl Watch {
    /// A peer may owe an answer for `limit`, but for [`SHORTEST`] at least; for ever, if it is zero.
    pub(super) fn new(limit: Duration) -> Self {
        let longer = limit.max(SHORTEST);
        Self {
            limit: if limit.is_zero() { limit } else { longer },
            next: None,
            marks: VecDeque::new(),
            probing: None,
        }
    }

    /// Something was sent, up to byte `sent`.
    pub(super) fn sent(&mut self, now: Instant, sent: u64) {
        if self.limit.is_zero() {
            return;
        }
        // The last mark moves along until it is far enough from the one before.
        let before = self.marks.iter().nth_back(1).map(|(at, _)| *at);
        let near = |at| now.saturating_duration_since(at) < self.limit / MARKS;
        if before.is_some_and(near) || self.marks.len() > 2 * MARKS as usize {
            self.marks.pop_back();
        }
        self.marks.push_back((now, sent));
        if self.next.is_none() {
            self.next = now.checked_add(self.limit);
        }
    }

    /// When to look next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Looks: whether the peer has vanished; `sent` bytes were sent in all, the FIN counting as one.
    pub(super) fn has_vanished(&mut self, now: Instant, backlog: Backlog, sent: u64) -> bool {
        let acknowledged = sent.saturating_sub(backlog.bytes as u64);
        while self
            .marks
            .front()
            .is_some_and(|(_, byte)| *byte <= acknowledged)
        {
            self.marks.pop_front();
        }
        let (owed_since, silence) = match backlog.owed {
            Owed::Nothing => {
                self.probing = None;
                // Nothing is on its way, or the peer's reader pauses.
                self.next = (backlog.bytes > 0).then(|| now + self.limit);
                return false;
            }
            Owed::Segments(silence) => {
                self.probing = None;
                (self.marks.front().map_or(now, |(at, _)| *at), silence)
            }
            Owed::Probe(silence) => (*self.probing.get_or_insert(now), silence),
        };
        let owed = now.saturating_duration_since(owed_since);
        let silent = owed.min(silence);
        self.next = now.checked_add(self.limit.saturating_sub(silent));
        silent >= self.limit
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
        watch.sent(start, 9);
        assert_eq!(watch.next(), Some(later(start, 2)));
        assert!(!watch.has_vanished(later(start, 2), Backlog::default(), 100));
        assert_eq!(watch.next(), None);
    }

    #[test]
    fn silence_as_long_as_the_limit_after_the_last_byte_is_a_vanished_peer() {
        let start = Instant::now();
        let mut watch = Watch::new(LIMIT);
        watch.sent(start, 9);
        assert!(watch.has_vanished(later(start, 2), segments(100, 2), 100));
    }

    #[test]
    fn a_byte_sent_just_now_after_a_long_pause_is_not_yet_overdue() {
        let start = Instant::now();
        let mut watch = Watch::new(LIMIT);
        let last = start + Duration::from_millis(1900);
        watch.sent(start, 100);
        watch.sent(last, 101);
        assert!(!watch.has_vanished(later(start, 2), segments(1, 2), 101));
        assert_eq!(watch.next(), Some(last + LIMIT));
    }

    #[test]
    fn a_trickle_into_a_dead_link_is_found_within_an_eighth_of_the_limit() {
        let start = Instant::now();
        let mut watch = Watch::new(LIMIT);
        let tenth = Duration::from_millis(100);
        // A byte every tenth of a second; those of the first second are acknowledged at once.
        for n in 0..40 {
            let now = start + tenth * n;
            watch.sent(now, u64::from(n) + 1);
            if watch.next().is_none_or(|at| now < at) {
                continue;
            }
            let backlog = Backlog {
                bytes: (n as usize + 1).saturating_sub(10),
                owed: Owed::Segments(now - (start + tenth * 9)),
            };
            if watch.has_vanished(now, backlog, u64::from(n) + 1) {
                assert!((30..=33).contains(&n), "after {n} tenths");
                return;
            }
        }
        panic!("it was not found");
    }

    #[test]
    fn a_peer_whose_reader_pauses_and_that_answers_probes_is_alive_for_ever() {
        let start = Instant::now();
        let mut watch = Watch::new(LIMIT);
        watch.sent(start, 9);
        let closed = Backlog {
            bytes: 9,
            owed: Owed::Nothing,
        };
        for n in 1..100 {
            // Every other look falls between a probe and its answer.
            let backlog = if n % 2 == 0 { closed } else { probe(60) };
            assert!(
                !watch.has_vanished(later(start, 2 * n), backlog, 9),
                "look {n}"
            );
            assert_eq!(watch.next(), Some(later(start, 2 * n + 2)));
        }
    }

    #[test]
    fn an_unanswered_probe_is_a_vanished_peer_at_the_second_look() {
        let start = Instant::now();
        let mut watch = Watch::new(LIMIT);
        watch.sent(start, 9);
        assert!(!watch.has_vanished(later(start, 2), probe(30), 9));
        assert!(watch.has_vanished(later(start, 4), probe(32), 9));
    }
}
