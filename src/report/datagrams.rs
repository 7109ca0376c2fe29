//! The words about datagrams.

use std::{io, time::Duration};

use socket2::SockAddr;

use super::messages::{counters, expired, place, reason, stdio_at_fault};
use crate::{
    net::Address,
    outcome::{DownEnd, Limit, Outcome, Stop, UpEnd},
};

/// A correspondent as people read it.
pub(crate) fn datagram_place(address: &SockAddr) -> String {
    Address::of_sender(address).map_or_else(|| "a socket without a name".into(), place)
}

/// Why an exchange of datagrams failed; none on success, and none where a signal is reason enough.
pub(super) fn failed(outcome: &Outcome, peer: &str) -> Option<String> {
    if matches!(outcome.stop, Some(Stop::Signal(_))) {
        return None;
    }
    match (&outcome.up, &outcome.down) {
        (_, DownEnd::ReaderLeft) => None,
        (_, DownEnd::OutputFailed(_)) | (UpEnd::InputFailed(_), _) => {
            stdio_at_fault(outcome, &peer)
        }
        (UpEnd::NotDelivered(e), _) => Some(not_delivered(e, peer)),
        (UpEnd::Cut, _) if outcome.stop.is_none() => Some(format!(
            "not delivered: a datagram for {peer} could not be sent; {}",
            counters(outcome.counters)
        )),
        (_, DownEnd::Broken(_)) => Some(format!(
            "a datagram of {peer} was longer than can be received, and the rest of it is lost"
        )),
        (UpEnd::Refused(e), _) if outcome.stop.is_none() => {
            Some(format!("nobody is at {peer}: {}", reason(e)))
        }
        _ => outcome.stop.and_then(|stop| stopped(stop, outcome, peer)),
    }
}

fn not_delivered(e: &io::Error, peer: &str) -> String {
    let why = reason(e);
    match (e.raw_os_error(), e.kind()) {
        (Some(libc::EMSGSIZE), _) => format!(
            "not delivered: a datagram was too long on the way to {peer}; '--datagram-size' makes \
             them smaller"
        ),
        (_, io::ErrorKind::TimedOut) => {
            format!("not delivered: the last datagrams for {peer} have not left this machine")
        }
        _ => format!("not delivered: cannot send to {peer}: {why}"),
    }
}

fn stopped(stop: Stop, outcome: &Outcome, peer: &str) -> Option<String> {
    let Stop::Expired(what) = stop else {
        return None;
    };
    let moved = counters(outcome.counters);
    Some(match what.limit {
        Limit::Accept => format!("no datagram came to {peer} within {}", expired(what)),
        Limit::Idle => format!("{peer}: nothing moved for {}; {moved}", expired(what)),
        _ => format!("{peer}: not done within {}; {moved}", expired(what)),
    })
}

/// The closing line of `-v`.
pub(super) fn closing(outcome: &Outcome, took: Duration) -> String {
    format!(
        "{} in {:.3} s; handed to the kernel",
        counters(outcome.counters),
        took.as_secs_f64()
    )
}
