//! The local end of an outgoing connection, and who is to have it.

use std::{ffi::OsString, time::Duration};

use clap::{Args, ValueHint};

use super::values;
use crate::plan::Port;

#[derive(Args, Debug)]
#[command(next_help_heading = "Connecting")]
pub(super) struct Connecting {
    /// Connect from this local address
    ///
    /// A name or a numeric address. Of the peer's addresses, only those of a family that ADDR has
    /// are tried. With -l this is the address to listen on, or with -U the path.
    /// With -u and -U, but without -l, it is the path of our own socket.
    #[arg(
        short = 's',
        long = "source",
        value_name = "ADDR",
        value_hint = ValueHint::Hostname,
        allow_hyphen_values = true
    )]
    pub(super) source: Option<OsString>,

    /// Connect from this local port
    ///
    /// A number or the name of a service; 0 lets the kernel pick one, as it does without this
    /// option. With -l this is the port to listen on.
    #[arg(
        short = 'p',
        long = "source-port",
        value_name = "PORT",
        value_hint = ValueHint::Other,
        value_parser = values::local_port(),
        allow_hyphen_values = true
    )]
    pub(super) source_port: Option<Port>,

    /// Connect, and pass the socket over stdout (SCM_RIGHTS)
    ///
    /// Once the connection is made, through a proxy if -x names one, the socket itself is passed to
    /// the program at the other end of stdout, and the run is done: no byte is moved, and stdin is
    /// not read. stdout must be a Unix socket, as it is for a ProxyCommand of OpenSSH with
    /// ProxyUseFdpass. Works with -U as well.
    #[arg(short = 'F', long = "pass-fd", hide_short_help = true)]
    pub(super) pass_fd: bool,

    /// Try again until there is a connection
    ///
    /// After a name that cannot be looked up, and after a peer or a proxy that is not reached,
    /// refuses, leaves or does not answer in time, there is another try: at most N if N is given,
    /// otherwise any number until --max-time is over. What is wrong on this side (a local address,
    /// the user or the password for the proxy, the command line) ends the run at once. Each try has
    /// the time of --connect-timeout. The pause before the next one is a tenth of the time waited so
    /// far, give or take a quarter, at least 10 milliseconds and at most 1 second. Only the last
    /// failure is told; with -v each is that differs from the one before.
    #[arg(
        long = "retry",
        value_name = "N",
        value_hint = ValueHint::Other,
        value_parser = values::tries(),
        num_args = 0..=1,
        require_equals = true,
        hide_short_help = true
    )]
    pub(super) retry: Option<Option<u32>>,

    /// With --retry: pause for so long
    ///
    /// At least 10 milliseconds, also where DUR is less.
    #[arg(
        long = "retry-delay",
        value_name = "DUR",
        value_hint = ValueHint::Other,
        value_parser = values::duration(),
        allow_hyphen_values = true,
        hide_short_help = true
    )]
    pub(super) retry_delay: Option<Duration>,
}
