//! What only one platform has, and the few system calls that no safe crate offers.

mod datagram;
mod linux;

pub(crate) use datagram::*;
pub(crate) use linux::*;
