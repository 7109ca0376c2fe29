//! What the members of a hub have in common.

use std::time::Duration;

use super::ring::Ring;

/// What all members have in common.
pub(super) struct Common {
    pub(super) sizes: Sizes,
    /// What goes to all of them.
    pub(super) log: Ring,
    /// Nothing more will go to them.
    pub(super) input_ended: bool,
    /// That is passed on to them as a FIN.
    pub(super) fin: bool,
    /// Those that have ended themselves get what is still to come, too.
    pub(super) to_the_end: bool,
    /// What came from all of them and is not written yet.
    pub(super) output: Ring,
    /// Where lines are taken apart.
    pub(super) scratch: Vec<u8>,
    /// After a FIN to it, a client is done with once nothing has come for so long.
    pub(super) quit_after: Option<Duration>,
    /// How long acknowledgements may take, from the last one.
    pub(super) linger: Duration,
    /// How long nothing may move.
    pub(super) idle: Option<Duration>,
}

/// How much is held of what, and read at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// What goes to all is kept for the slowest up to this size: a client's queue.
    pub(super) queue: usize,
    /// What is on its way to the near stream at most.
    pub(super) output: usize,
    /// Nobody is read while there is less room than this in front of the output, so that it is given
    /// out in pieces that are worth a system call, and an open line always finds room for its end.
    pub(super) room: usize,
    /// The most that is read from one client before it is the next one's turn.
    pub(super) turn: usize,
    /// A line that is longer is passed on in pieces, each a line of its own.
    pub(super) line: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            queue: 64 << 10,
            output: 1 << 20,
            room: 192 << 10,
            turn: 64 << 10,
            line: 64 << 10,
        }
    }
}
