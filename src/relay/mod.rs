//! Moving bytes: one pump a direction, two pumps a link.

mod buffer;
mod link;
mod pump;
#[cfg(test)]
mod simulation;
mod watch;

pub(crate) use link::{Link, Rules, Step};
