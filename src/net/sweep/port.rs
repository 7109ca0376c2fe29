//! A port that is being tested: which of its addresses, since when, and what came of the others.

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{Ask, Attempt, By, Miss, probe, verdict};
use crate::{
    event::{Source, Want},
    net::dial::ATTEMPT_DELAY,
    os::IcmpError,
    outcome::PortState,
};

/// How often another port of our own is tried, if it is the target's own.
const REPEATS: u8 = 3;

/// A port that is being tested.
pub(super) struct Port {
    pub(super) ask: Ask,
    /// The place of the address that is tried next.
    pub(super) next: usize,
    /// Not before this time, while others are under way.
    pub(super) next_at: Option<Instant>,
    /// When nobody is waited for any more.
    pub(super) deadline: Option<Instant>,
    /// When the next datagrams are sent.
    pub(super) again: Option<Instant>,
    pub(super) repeats: u8,
    /// Its time is over.
    pub(super) is_late: bool,
    pub(super) tries: Vec<Try>,
    pub(super) misses: Vec<Miss>,
    pub(super) greeting: Option<Greeting>,
    pub(super) timer: Option<Instant>,
}

/// An address that has not answered yet.
pub(super) struct Try {
    pub(super) place: usize,
    pub(super) address: SocketAddr,
    pub(super) source: Source,
    pub(super) began: Instant,
}

/// A service that may say something first.
pub(super) struct Greeting {
    pub(super) source: Source,
    pub(super) address: SocketAddr,
    pub(super) rtt: Duration,
    pub(super) until: Option<Instant>,
    pub(super) said: Vec<u8>,
}

impl Port {
    pub(super) fn new(ask: Ask) -> Self {
        Self {
            ask,
            next: 0,
            next_at: None,
            deadline: None,
            again: None,
            repeats: REPEATS,
            is_late: false,
            tries: Vec::new(),
            misses: Vec::new(),
            greeting: None,
            timer: None,
        }
    }

    /// The address that is to be tried now, if there is one.
    pub(super) fn due(&self, now: Instant) -> Option<SocketAddr> {
        let mut address = *self.ask.addresses.get(self.next)?;
        address.set_port(self.ask.port);
        let waits = !self.tries.is_empty() && self.next_at.is_some_and(|at| now < at);
        (!waits).then_some(address)
    }

    /// The address that was due is being tried; its place.
    pub(super) fn has_begun(&mut self, began: Instant, by: By) -> usize {
        if self.next == 0 && self.deadline.is_none() {
            self.deadline = by.timeout().and_then(|time| began.checked_add(time));
            self.again = by.again().and_then(|time| began.checked_add(time));
        }
        self.next += 1;
        self.next - 1
    }

    /// Another port of our own will do.
    pub(super) fn met_itself(&mut self, place: usize, address: SocketAddr) {
        match self.repeats.checked_sub(1) {
            Some(left) if self.next == place + 1 => {
                self.repeats = left;
                self.next = place;
            }
            _ => {
                // Nobody else is there.
                let error = io::Error::from_raw_os_error(libc::ECONNREFUSED);
                self.missed(place, attempt_at(address, error), Duration::ZERO, None);
            }
        }
    }

    pub(super) fn missed(
        &mut self,
        place: usize,
        attempt: Attempt,
        rtt: Duration,
        icmp: Option<&IcmpError>,
    ) {
        let state = match attempt.is_our_own() {
            true => PortState::Error,
            false => verdict::state(&attempt.error, icmp),
        };
        let prohibited = icmp.is_some_and(IcmpError::is_prohibited);
        let answered = icmp.is_some() || state == PortState::Closed;
        self.misses.push(Miss {
            place,
            attempt,
            state,
            rtt: answered.then_some(rtt),
            prohibited,
        });
    }

    /// How long the next address waits for the one before it: each of them is to have its turn.
    pub(super) fn delay(&self, by: By) -> Duration {
        match self.is_late {
            true => Duration::ZERO,
            false => self
                .share(by)
                .map_or(ATTEMPT_DELAY, |share| share.min(ATTEMPT_DELAY)),
        }
    }

    /// What each address would have of the time, one after another.
    fn share(&self, by: By) -> Option<Duration> {
        let addresses = u32::try_from(self.ask.addresses.len()).unwrap_or(u32::MAX);
        by.timeout()?.checked_div(addresses)
    }

    /// Where the time is over and addresses are left that were not tried (this process may have been
    /// stopped), they have theirs now, once.
    pub(super) fn hurry(&mut self, now: Instant, by: By) -> bool {
        if self.is_late || self.next >= self.ask.addresses.len() {
            return false;
        }
        self.is_late = true;
        self.next_at = Some(now);
        self.deadline = self.share(by).and_then(|share| now.checked_add(share));
        true
    }

    /// Nobody is waited for any longer.
    pub(super) fn give_up(&mut self, by: By) {
        let state = match by {
            By::Connection { .. } => PortState::Filtered,
            By::Datagrams { .. } => PortState::OpenFiltered,
        };
        self.miss_all(state, || {
            io::Error::new(io::ErrorKind::TimedOut, "no answer")
        });
    }

    pub(super) fn miss_all(&mut self, state: PortState, error: impl Fn() -> io::Error) {
        for one in self.tries.drain(..) {
            self.misses.push(Miss {
                place: one.place,
                attempt: attempt_at(one.address, error()),
                state,
                rtt: None,
                prohibited: false,
            });
        }
    }

    /// Datagrams may be lost.
    pub(super) fn knock_again(&mut self, now: Instant, by: By) {
        if self.again.is_some_and(|at| now >= at) {
            self.again = by.again().and_then(|time| now.checked_add(time));
            for one in &self.tries {
                // What it fails with is told once more when it is looked at.
                let _ = probe::send(&one.source, one.address);
            }
        }
    }

    pub(super) fn next_time(&self) -> Option<Instant> {
        if let Some(greeting) = &self.greeting {
            return greeting.until;
        }
        let more = self.next < self.ask.addresses.len();
        let next = self.next_at.filter(|_| more);
        [self.deadline, self.again, next]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        let tries = self.tries.iter().map(|one| &one.source);
        tries.chain(self.greeting.iter().map(|greeting| &greeting.source))
    }

    pub(super) fn want(&self, by: By) -> Want {
        let read = self.greeting.is_some() || matches!(by, By::Datagrams { .. });
        Want { read, write: !read }
    }
}

pub(super) fn attempt_at(address: SocketAddr, error: io::Error) -> Attempt {
    Attempt {
        address: address.into(),
        from: None,
        error,
    }
}
