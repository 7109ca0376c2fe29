//! Waiting for a client.

use clap::{Args, ValueHint};

use super::values;
use crate::plan::PortTo;

#[derive(Args, Debug)]
#[command(next_help_heading = "Listening")]
pub(super) struct Listening {
    /// Wait for one client instead of connecting
    ///
    /// The listening sockets are closed as soon as the client is there. Without -4 or -6 both
    /// families are served, and if ADDRESS is a name, each of its addresses. When no port or
    /// path is named and a supervisor has passed in sockets (LISTEN_FDS), these are used.
    #[arg(short = 'l', long = "listen")]
    pub(super) listen: bool,

    /// Serve many clients at once, until stopped
    ///
    /// What they send goes to stdout, which stays open; stdin goes to everybody who is connected,
    /// and is not read while nobody is. A client that has ended is closed once it has got what was
    /// there for it and what it sent is written; of a regular file it gets the rest first. Stdin is
    /// read at the pace of the slowest client; one that takes less than 64 KiB in 5 seconds while as
    /// much is waiting for it is dropped. The failure of one client ends nothing but its own
    /// connection, and is told on stderr. --idle-timeout is about each client.
    ///
    /// With -u everybody who sends something is a peer. What they send is written to stdout as it
    /// comes, and stdin goes to all of them. At most 1,024 are remembered; who has been silent for
    /// the longest time makes way.
    #[arg(short = 'k', long = "keep-open")]
    pub(super) keep_open: bool,

    /// With -k: serve at most N clients at once
    ///
    /// The others wait in the kernel's queue. Without it, N is a third of the descriptors that the
    /// process may have, but not more than 4096.
    #[arg(
        long = "max-conns",
        hide_short_help = true,
        value_name = "N",
        value_hint = ValueHint::Other,
        value_parser = values::count(),
        allow_hyphen_values = true
    )]
    pub(super) max_conns: Option<u32>,

    /// With -k: end after N clients
    ///
    /// The listening sockets are closed after the Nth client has come, and the run ends when all of
    /// them have ended. The exit status is 0 if they all ended cleanly, otherwise that of the worst.
    #[arg(
        long = "accept",
        hide_short_help = true,
        value_name = "N",
        value_hint = ValueHint::Other,
        value_parser = values::count(),
        allow_hyphen_values = true
    )]
    pub(super) accept: Option<u32>,

    /// With -k: put the client before each line
    ///
    /// Lines are written whole, each behind the client's address, port and a space
    /// ('127.0.0.1:43210 ', '[::1]:43210 '), or its number on a Unix socket ('client-3 '). Where a
    /// client's last line has no end, it gets one. A line longer than 64 KiB is written in pieces of
    /// that size, each a line of its own; so each client that sends no line end may hold 64 KiB of
    /// memory.
    #[arg(long = "tag", hide_short_help = true)]
    pub(super) tag: bool,

    /// Tell the port once the sockets listen
    ///
    /// The port's number is written, alone on a line, as soon as clients can connect: to stderr, to
    /// an inherited descriptor (fd:3) or to a file, which is created or truncated; the line is whole
    /// once it ends. Meant for port 0. For a file whose name begins with 'fd:', write './fd:'.
    #[arg(
        long = "print-port",
        value_name = "fd:N|FILE",
        value_parser = values::port_to(),
        value_hint = ValueHint::FilePath,
        num_args = 0..=1,
        require_equals = true
    )]
    pub(super) print_port: Option<Option<PortTo>>,

    /// Permissions of the Unix socket's file [default: 600]
    ///
    /// An octal number from 0 to 777. Who connects needs the permission to write. Only with -l and
    /// -U; abstract names have no permissions.
    #[arg(
        long = "unix-mode",
        value_name = "OCTAL",
        value_parser = values::mode(),
        value_hint = ValueHint::Other,
        allow_hyphen_values = true,
        hide_short_help = true
    )]
    pub(super) unix_mode: Option<u32>,
}
