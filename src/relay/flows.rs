//! The correspondents of a receiver that serves everybody.

use std::collections::{HashMap, VecDeque};

use socket2::SockAddr;

use crate::stream::Flow;

/// How many there are at most; whoever has been silent for the longest time makes way.
pub(super) const MOST: usize = 1024;

/// Who has sent something, and whom the datagram at hand is still to be sent to.
#[derive(Default)]
pub(super) struct Flows {
    known: HashMap<(usize, SockAddr), Entry>,
    clock: u64,
    due: VecDeque<Flow>,
}

struct Entry {
    flow: Flow,
    heard: u64,
}

/// What one more datagram did to the correspondents.
#[derive(Debug)]
pub(super) enum Heard {
    Known,
    New { forgotten: Option<Flow> },
}

impl Flows {
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Somebody has sent something.
    pub(super) fn hear(&mut self, from: Flow) -> Heard {
        self.clock += 1;
        let key = (from.socket, from.address.clone());
        let entry = Entry {
            flow: from,
            heard: self.clock,
        };
        if self.known.insert(key, entry).is_some() {
            return Heard::Known;
        }
        let forgotten = (self.known.len() > MOST).then(|| self.forget_the_most_silent());
        Heard::New {
            forgotten: forgotten.flatten(),
        }
    }

    /// A correspondent that cannot be sent to.
    pub(super) fn forget(&mut self, flow: &Flow) {
        self.known.remove(&(flow.socket, flow.address.clone()));
    }

    /// Another datagram is to be sent to everybody.
    pub(super) fn address_all(&mut self) {
        self.due = self.known.values().map(|e| e.flow.clone()).collect();
    }

    /// Whom it is to be sent to next.
    pub(super) fn next(&self) -> Option<&Flow> {
        self.due.front()
    }

    /// It was sent, or cannot be sent.
    pub(super) fn done(&mut self) -> Option<Flow> {
        self.due.pop_front()
    }

    fn forget_the_most_silent(&mut self) -> Option<Flow> {
        let silent = self.known.values().min_by_key(|e| e.heard)?.flow.clone();
        self.forget(&silent);
        Some(silent)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn flow(port: u16) -> Flow {
        Flow {
            address: SocketAddr::from(([127, 0, 0, 1], port)).into(),
            socket: 0,
            local: None,
        }
    }

    fn port(flow: &Flow) -> u16 {
        flow.address.as_socket().unwrap().port()
    }

    #[test]
    fn the_most_silent_one_makes_way() {
        let mut flows = Flows::default();
        let most = u16::try_from(MOST).unwrap();
        for n in 1..=most {
            assert!(matches!(
                flows.hear(flow(n)),
                Heard::New { forgotten: None }
            ));
        }
        assert!(matches!(flows.hear(flow(1)), Heard::Known));
        let Heard::New {
            forgotten: Some(gone),
        } = flows.hear(flow(most + 1))
        else {
            panic!("nobody made way");
        };
        assert_eq!(port(&gone), 2);
        flows.address_all();
        let mut all = Vec::new();
        while let Some(flow) = flows.done() {
            all.push(port(&flow));
        }
        all.sort_unstable();
        let expected: Vec<u16> = (1..=most + 1).filter(|n| *n != 2).collect();
        assert_eq!(all, expected);
    }
}
