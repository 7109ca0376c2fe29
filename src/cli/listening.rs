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
