//! A listener that stays open: it lets clients in, one after another, as long as there is room.

use std::{
    io,
    time::{Duration, Instant},
};

use super::listen::{Client, LONGEST_PAUSE, Listener, SHORTEST_PAUSE, is_exhaustion};

/// Listening sockets, and how many clients may still come through them.
pub(crate) struct Door {
    /// None once it is closed.
    listener: Option<Listener>,
    /// How many more clients it lets in before it closes; none means any number.
    left: Option<u64>,
    pause: Duration,
    /// When it is tried again, after the system has run out of descriptors or memory.
    again: Option<Instant>,
}

impl Door {
    /// A door that closes behind the `last`-th client.
    pub(crate) fn new(listener: Listener, last: Option<u64>) -> Self {
        Self {
            listener: Some(listener),
            left: last,
            pause: SHORTEST_PAUSE,
            again: None,
        }
    }

    /// Lets one client in, if somebody is there and the system has what it takes; and tells whether
    /// its socket could be set as it has to be.
    pub(crate) fn admit(&mut self, now: Instant) -> io::Result<Option<(Client, io::Result<()>)>> {
        let Some(listener) = &self.listener else {
            return Ok(None);
        };
        if self.again.is_some_and(|at| now < at) {
            return Ok(None);
        }
        self.again = None;
        match listener.accept_next() {
            Ok(Some(admitted)) => {
                self.pause = SHORTEST_PAUSE;
                self.left = self.left.map(|left| left.saturating_sub(1));
                if self.left == Some(0) {
                    self.listener = None;
                }
                Ok(Some(admitted))
            }
            Ok(None) => Ok(None),
            Err(e) if is_exhaustion(&e) => {
                log::debug!("accept: {e}; once more in {:?}", self.pause);
                self.again = Some(now + self.pause);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    /// A client has gone, and what it held may be what was missing.
    pub(crate) fn retry(&mut self) {
        self.again = None;
        self.pause = SHORTEST_PAUSE;
    }

    /// Asks to be woken when somebody comes, or tells when to try again.
    pub(crate) fn arm(&self) -> io::Result<Option<Instant>> {
        match (&self.listener, self.again) {
            (Some(listener), None) => listener.arm().map(|()| None),
            (Some(_), again) => Ok(again),
            (None, _) => Ok(None),
        }
    }

    /// Whether nobody is let in any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.listener.is_none()
    }
}
