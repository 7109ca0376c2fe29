//! Testing ports instead of talking.

use std::time::Duration;

use clap::{Args, ValueHint};

use super::{Words, values};

#[derive(Args, Debug)]
#[command(next_help_heading = "Testing ports")]
pub(super) struct Scanning {
    /// Test whether ports are open, and send nothing
    ///
    /// Connects to each of the PORTS and closes the connection again. A port is a number, a range
    /// (20-25), a list of both (22,80,8000-8010) or the name of a service; any number of them may
    /// follow HOST. HOST:PORTS, or [ADDRESS]:PORTS for IPv6, is one word for both, and if the first
    /// word is such a one, any number of them may follow. With -U the words are the PATHs of Unix
    /// sockets. With -u datagrams are sent; see 'Testing ports' in the man page.
    ///
    /// Of a single port nothing is told but the exit status, of several which are open. -v writes
    /// the lines of nc to stderr, and nothing else. A port has the time of -w, and without it 30
    /// seconds if it is the only one, otherwise 2. The exit status is 0 if at least one port is open,
    /// and 1 if none is, for whatever reason.
    #[arg(short = 'z', long = "scan")]
    pub(super) scan: bool,

    /// With -z: test the ports in random order
    #[arg(short = 'r', long = "random", hide_short_help = true)]
    pub(super) random: bool,

    /// With -z: exit status 0 only if all ports are open
    #[arg(long = "all", hide_short_help = true)]
    pub(super) all: bool,

    /// With -z: test at most N ports at the same time
    ///
    /// From 1 to 65535. Without it, N is what the limit of descriptors allows, but not more than
    /// 4096. Unix sockets, and ports behind a proxy, are tested one after another.
    #[arg(
        long = "parallel",
        value_name = "N",
        value_hint = ValueHint::Other,
        value_parser = values::parallel(),
        allow_hyphen_values = true,
        hide_short_help = true
    )]
    pub(super) parallel: Option<u32>,

    /// With -z: write each result as a JSON object
    ///
    /// Each port gets a line on stdout, whatever its state is, and nothing else is written there:
    /// host, address, port, protocol, service, state, rtt (seconds) and error. The state is open,
    /// closed, filtered (no answer, or prohibited), unreachable, error, or with -u open|filtered (no
    /// answer).
    #[arg(long = "json", hide_short_help = true)]
    pub(super) json: bool,

    /// With -z: wait for what the services say first
    ///
    /// An open port has DUR, or a second, to say something before the connection is closed, and what
    /// it says is told as well. Many services wait to be asked, and say nothing.
    #[arg(
        long = "banner",
        value_name = "DUR",
        value_hint = ValueHint::Other,
        value_parser = values::banner(),
        num_args = 0..=1,
        require_equals = true,
        hide_short_help = true
    )]
    pub(super) banner: Option<Option<Duration>>,

    /// With -z: test one port N times, and measure
    ///
    /// Tells how long each answer took, and in the end the shortest, the mean and the longest time
    /// and how many were lost; so it does after Ctrl-C. The time from one test to the next is that of
    /// -i, and a second without it. A test has the time of -w, and 2 seconds without it. The exit
    /// status is 0 if the last one was answered.
    #[arg(
        long = "count",
        value_name = "N",
        value_hint = ValueHint::Other,
        value_parser = values::count(),
        allow_hyphen_values = true,
        hide_short_help = true
    )]
    pub(super) count: Option<u32>,
}

impl Words {
    /// The option because of which ports are tested, if they are.
    pub(super) fn scan_option(&self) -> Option<&'static str> {
        match (self.scanning.scan, self.waiting.limit) {
            (true, _) => Some("-z"),
            (false, Some(_)) => Some("--wait-for"),
            (false, None) => None,
        }
    }
}
