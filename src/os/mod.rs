//! What only one platform has, and the few system calls that no safe crate offers.

mod linux;

pub(crate) use linux::*;
