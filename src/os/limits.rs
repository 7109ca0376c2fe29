//! How many descriptors there may be.

use std::{io, sync::OnceLock};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the limit was before it was raised.
static BEFORE: OnceLock<Rlimit> = OnceLock::new();

/// Raises the soft limit of open descriptors to the hard one, and tells the one that is in force;
/// `u64::MAX` is none.
pub(crate) fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let old = limit.current;
    BEFORE.get_or_init(|| limit);
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(_) => old,
    };
    current.unwrap_or(u64::MAX)
}

/// Undoes [`raise_descriptor_limit`]. A program that uses select(2) counts on the soft limit: its
/// sets have no room for a descriptor of 1024 or more.
pub(crate) fn restore_descriptor_limit() -> io::Result<()> {
    let Some(old) = BEFORE.get() else {
        return Ok(());
    };
    let restored = Rlimit {
        current: old.current,
        ..getrlimit(Resource::Nofile)
    };
    Ok(setrlimit(Resource::Nofile, restored)?)
}
