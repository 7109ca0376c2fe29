//! Moving bytes: one pump a direction, two pumps a link.

mod buffer;
mod carrier;
mod link;
mod pipes;
mod pump;
#[cfg(test)]
mod simulation;
mod watch;

pub(crate) use link::{Link, Rules, Step};
pub(crate) use pipes::Pipes;
