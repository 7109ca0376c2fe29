//! Waiting: one `polling` loop in oneshot mode, deadlines with names, and signals.

mod deadline;
mod reactor;
mod signals;

pub(crate) use deadline::Deadline;
pub(crate) use reactor::{Reactor, Source, Wake};

/// What a descriptor is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Want {
    /// Until it can be read, or has ended or failed.
    pub read: bool,
    /// Until it can be written, or has failed.
    pub write: bool,
}

impl Want {
    /// Nothing.
    pub(crate) const NOTHING: Self = Self {
        read: false,
        write: false,
    };
}
