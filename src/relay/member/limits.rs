//! What ends a client that does not end by itself: it does not read, nothing moves, or nobody is there
//! any more.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{Down, Member, Up};
use crate::{
    outcome::{Expired, Limit},
    relay::{common::Common, patience::PATIENCE, settling::Settling},
};

impl<T> Member<T> {
    /// When it has to be stepped though nothing wakes it.
    pub(in crate::relay) fn deadline(&self, common: &Common) -> Option<Instant> {
        if self.is_doomed() {
            return self.retry;
        }
        let settling = self.settling.as_ref().map(Settling::next);
        let watching = self.watch.next().filter(|_| settling.is_none());
        let full = self.full.filter(|_| self.is_up()).map(|full| full.next());
        [
            settling,
            watching,
            full,
            self.idle_at(common),
            self.quit_at(common),
            self.retry,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// It only has to find room for what came from it.
    fn is_doomed(&self) -> bool {
        let failed = matches!(self.up, Up::Failed(_)) || matches!(self.down, Down::Broken(_));
        failed || self.stop.is_some() || self.lost.is_some()
    }

    /// A client that waits for us is not idle.
    fn idle_at(&self, common: &Common) -> Option<Instant> {
        let waits = match self.down {
            Down::Open => !self.blocked.read,
            Down::Ended | Down::Broken(_) => !self.is_written(&common.output),
        };
        if self.settling.is_some() || waits {
            return None;
        }
        self.last.checked_add(common.idle?)
    }

    fn quit_at(&self, common: &Common) -> Option<Instant> {
        let waits = matches!((&self.up, &self.down), (Up::Done, Down::Open));
        self.last
            .checked_add(common.quit_after?)
            .filter(|_| waits && self.blocked.read)
    }

    /// Whether a limit has run out.
    pub(super) fn expire(&mut self, common: &Common, now: Instant) -> bool {
        let expired = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        if self.has_stalled(common, now) {
            return self.end_by(Limit::Queue, PATIENCE);
        }
        if expired(self.idle_at(common)) {
            self.note_acknowledged(now);
        }
        if let Some(length) = common.idle.filter(|_| expired(self.idle_at(common))) {
            return self.end_by(Limit::Idle, length);
        }
        if expired(self.quit_at(common)) {
            self.quit = true;
            self.down_ends(Down::Ended, common, now);
        }
        false
    }

    /// Whether the others have waited for it for long enough.
    fn has_stalled(&mut self, common: &Common, now: Instant) -> bool {
        let Some(mut full) = self.full.filter(|full| now >= full.next()) else {
            return false;
        };
        let acknowledged = self.all_acknowledged();
        let reads = full.look(now, self.place, acknowledged, common.sizes.queue);
        self.full = Some(full);
        if reads || now < full.until() {
            return false;
        }
        if !self.has_full_queue(common) && !self.moved {
            // Nobody waits for it at the moment.
            self.full = None;
        }
        // One that has just taken something is asked again when there is more for it.
        self.has_full_queue(common)
    }

    /// It has to be asked once more, at once.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.full.is_some_and(|full| now >= full.until())
    }

    /// The others wait for it.
    pub(super) fn has_full_queue(&self, common: &Common) -> bool {
        common.log.end() - self.place >= common.sizes.queue as u64
    }

    /// A limit has run out: it must not look like an end.
    fn end_by(&mut self, limit: Limit, length: Duration) -> bool {
        self.stop = Some(Expired { limit, length });
        self.unacknowledged = Some(self.missing());
        self.stream.abort();
        true
    }

    /// What is acknowledged has moved, when the last acknowledgement came.
    fn note_acknowledged(&mut self, now: Instant) {
        let acknowledged = self.all_acknowledged();
        if acknowledged > std::mem::replace(&mut self.acknowledged, acknowledged)
            && let Some(ago) = self.stream.answered()
        {
            self.last = self.last.max(now.checked_sub(ago).unwrap_or(now));
        }
    }

    /// Bytes that its kernel has acknowledged, as it counts them.
    pub(super) fn all_acknowledged(&self) -> u64 {
        self.sent().saturating_sub(self.missing() as u64)
    }

    /// Bytes that its kernel has not acknowledged, as far as ours can tell.
    pub(super) fn missing(&self) -> usize {
        self.stream.backlog().map_or(0, |backlog| backlog.bytes)
    }

    /// Whether nobody is there any more to acknowledge what was sent.
    pub(super) fn vanished(&mut self, now: Instant) -> bool {
        if self.watch.next().is_none_or(|at| now < at) {
            return false;
        }
        let sent = self.sent();
        match self.stream.backlog() {
            Ok(backlog) if !self.watch.has_vanished(now, backlog, sent) => return false,
            Ok(_) => self.lost = Some(io::ErrorKind::TimedOut.into()),
            Err(e) => self.lost = Some(e),
        }
        true
    }
}
