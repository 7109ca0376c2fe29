//! How long the phases of a run may take.

use std::time::Duration;

use clap::{Args, ValueHint};

use super::values;

#[derive(Args, Debug)]
#[command(next_help_heading = "Time limits")]
pub(super) struct TimeLimits {
    /// Limit connecting and idling (0: no limit)
    ///
    /// Sets --connect-timeout and --idle-timeout where these are not given themselves. Does not
    /// limit the wait for a client. When a limit runs out, the exit status is 124; but with -z and
    /// --wait-for it is about each test of a port, and what has not answered by then is not open.
    /// Also spelled --wait.
    #[arg(
        short = 'w',
        long = "timeout",
        alias = "wait",
        value_name = "DUR",
        value_hint = ValueHint::Other,
        value_parser = values::duration(),
        allow_hyphen_values = true
    )]
    pub(super) timeout: Option<Duration>,

    /// Limit lookup and connecting [default: 30s]
    ///
    /// One limit for both together, and for the answer of a proxy. With 0 there is no limit but the system's own.
    #[arg(
        long = "connect-timeout",
        value_name = "DUR",
        value_hint = ValueHint::Other,
        value_parser = values::duration(),
        allow_hyphen_values = true
    )]
    pub(super) connect_timeout: Option<Duration>,

    /// Limit the wait for a client
    ///
    /// Only with -l. Without it, and with 0, there is no limit.
    #[arg(
        long = "accept-timeout",
        value_name = "DUR",
        value_hint = ValueHint::Other,
        value_parser = values::duration(),
        allow_hyphen_values = true,
        hide_short_help = true
    )]
    pub(super) accept_timeout: Option<Duration>,

    /// Limit the time in which nothing moves
    ///
    /// Nothing has come and nothing could be sent for that long. Without it, and with 0, there is
    /// no limit.
    #[arg(
        long = "idle-timeout",
        value_name = "DUR",
        value_hint = ValueHint::Other,
        value_parser = values::duration(),
        allow_hyphen_values = true,
        hide_short_help = true
    )]
    pub(super) idle_timeout: Option<Duration>,

    /// Limit the whole run
    ///
    /// Without it, and with 0, there is no limit.
    #[arg(
        long = "max-time",
        value_name = "DUR",
        value_hint = ValueHint::Other,
        value_parser = values::duration(),
        allow_hyphen_values = true
    )]
    pub(super) max_time: Option<Duration>,
}
