//! Moving bytes: one pump a direction, two pumps a link. And moving datagrams, which is another matter.

mod buffer;
mod carrier;
mod datagrams;
mod flows;
mod link;
mod pipes;
mod pump;
#[cfg(test)]
mod simulation;
mod watch;

pub(crate) use datagrams::{Exchange, ExchangeRules, News};
pub(crate) use link::{Link, Rules, Step};
pub(crate) use pipes::Pipes;
