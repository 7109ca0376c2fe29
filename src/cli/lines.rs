//! Lines of text, and a peer that speaks telnet.

use std::time::Duration;

use clap::{Args, ValueHint};

use super::values;

#[derive(Args, Debug)]
#[command(next_help_heading = "Lines")]
pub(super) struct Lines {
    /// Send CRLF at the end of each line
    ///
    /// Every line of stdin that ends in LF is sent with CRLF. Where there is a CR before the LF
    /// already, nothing is added. What is received stays as it is. With -u each line is a datagram
    /// of its own, its end included; one that is too long for a datagram is sent in several.
    #[arg(short = 'C', long = "crlf")]
    pub(super) crlf: bool,

    /// Pause DUR after each line that is sent
    ///
    /// A line of stdin is sent, and the next one not before DUR has passed. Receiving goes on
    /// meanwhile, and the end of stdin does not wait. A pause is not idle time: --idle-timeout and
    /// -w begin anew when it is over. With -u each line is a datagram of its own. -W and
    /// --on-peer-eof=exit are excluded: they would drop lines that wait. With -z, DUR is the time
    /// between the beginnings of two tests, and with --count it is 1 second if not given.
    #[arg(
        short = 'i',
        long = "interval",
        value_name = "DUR",
        value_hint = ValueHint::Other,
        value_parser = values::duration(),
        allow_hyphen_values = true
    )]
    pub(super) interval: Option<Duration>,

    /// Refuse what a telnet server asks for
    ///
    /// Requests for options are refused (RFC 854: WONT for DO and DONT, DONT for WILL and WONT), each
    /// once. They and all other commands are left out of what is written to stdout, and so is a NUL
    /// behind a CR. The byte 255 of stdin is sent twice, as telnet asks for; everything else is sent
    /// as it is.
    #[arg(short = 't', long = "telnet")]
    pub(super) telnet: bool,
}
