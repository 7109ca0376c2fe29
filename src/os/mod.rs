//! What only one platform has, and the few system calls that no safe crate offers.

mod linux;
mod unix;

pub(crate) use linux::*;
pub(crate) use unix::*;
