//! Moving bytes: one pump a direction, two pumps a link; a hub joins one stream with many. And moving
//! datagrams, which is another matter.

mod buffer;
mod carrier;
mod common;
mod datagrams;
mod flows;
mod hub;
mod lines;
mod link;
mod member;
mod patience;
mod pipes;
mod pump;
mod ring;
mod settling;
#[cfg(test)]
mod simulation;
mod watch;

pub(crate) use datagrams::{Exchange, ExchangeRules, News};
pub(crate) use hub::{Failure, Hub, HubRules, Turn};
pub(crate) use link::{Link, Rules, Step};
pub(crate) use pipes::Pipes;
