//! What only one platform has, and the few system calls that no safe crate offers.

mod datagram;
mod exec;
mod icmp;
mod limits;
mod linux;
mod services;
mod unix;

pub(crate) use datagram::*;
pub(crate) use exec::*;
pub(crate) use icmp::*;
pub(crate) use limits::*;
pub(crate) use linux::*;
pub(crate) use services::*;
pub(crate) use unix::*;
