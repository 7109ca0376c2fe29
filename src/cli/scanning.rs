//! Testing ports instead of talking.

use clap::Args;

#[derive(Args, Debug)]
#[command(next_help_heading = "Testing ports")]
pub(super) struct Scanning {
    /// Test whether ports are open, and send nothing
    ///
    /// Connects to each of the PORTS and closes the connection again. A port is a number, a range
    /// (20-25), a list of both (22,80,8000-8010) or the name of a service; any number of them may
    /// follow HOST, and HOST:PORTS is one word for both. The exit status is 0 if at least one port
    /// is open. Nothing is written, but with -v the lines of nc are. With -U the one word is the
    /// PATH of a Unix socket. With -u datagrams are sent; see 'Testing ports' in the man page.
    #[arg(short = 'z', long = "scan")]
    pub(super) scan: bool,

    /// With -z: test the ports in random order
    #[arg(short = 'r', long = "random", hide_short_help = true)]
    pub(super) random: bool,

    /// With -z: exit status 0 only if all ports are open
    #[arg(long = "all", hide_short_help = true)]
    pub(super) all: bool,
}
