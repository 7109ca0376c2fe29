//! Waiting: one `polling` loop in oneshot mode, deadlines with names, and signals.

mod deadline;
mod reactor;
mod signals;

use std::{io, os::fd::AsFd};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

pub(crate) use deadline::Deadline;
pub(crate) use reactor::{Reactor, Source, Wake, Waker};

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

/// What a descriptor is ready for at this moment, of what is asked about; errors and hang-ups are
/// always told. Does not wait.
pub(crate) fn ready(fd: impl AsFd, flags: PollFlags) -> io::Result<PollFlags> {
    let mut fds = [PollFd::new(&fd, flags)];
    loop {
        match poll(&mut fds, Some(&Timespec::default())) {
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
            Ok(_) => break,
        }
    }
    let [fd] = &fds;
    Ok(fd.revents())
}
