//! Datagrams instead of a stream.

use clap::{Args, ValueHint};

use super::values;
use crate::plan::Group;

#[derive(Args, Debug)]
#[command(next_help_heading = "Datagrams")]
pub(super) struct DatagramWords {
    /// Use UDP instead of TCP
    ///
    /// What one read of stdin gives is one datagram, and the data of each datagram that comes is
    /// written to stdout as it is. UDP does not tell whether anything arrives. After stdin's end the
    /// run is done when nothing has come for the time of -q, --idle-timeout or -w, and without these
    /// for a second.
    #[arg(short = 'u', long = "udp")]
    pub(super) udp: bool,

    /// Quit after N datagrams have come
    ///
    /// With -k, those of all peers count. A stream has no parts: without -u it is the Nth read of it
    /// that ends the run, and each read gives what is there at the moment.
    #[arg(
        short = 'W',
        long = "recv-limit",
        value_name = "N",
        value_hint = ValueHint::Other,
        value_parser = values::recv_limit(),
        allow_hyphen_values = true
    )]
    pub(super) recv_limit: Option<u64>,

    /// Put at most N bytes into a datagram
    ///
    /// From 1 to 65507, which is what IPv4 can carry and the most there is without this option
    /// (65527 with IPv6); k means 1024. Longer data is spread over several datagrams.
    #[arg(
        long = "datagram-size",
        value_name = "N",
        value_hint = ValueHint::Other,
        value_parser = values::datagram_size(),
        allow_hyphen_values = true,
        hide_short_help = true
    )]
    pub(super) size: Option<usize>,

    /// Receive what is sent to a multicast group
    ///
    /// With -l and -u. An interface may follow the group's address, as in 239.1.2.3%eth0. Can be
    /// given several times. With -k everybody who sends to the group is heard, without it only the
    /// first one.
    #[arg(
        long = "join",
        value_name = "GROUP[%IFACE]",
        value_hint = ValueHint::Other,
        value_parser = values::group(),
        hide_short_help = true
    )]
    pub(super) join: Vec<Group>,
}
