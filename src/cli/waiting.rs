//! Waiting until ports are open, and what is executed then.

use std::{ffi::OsString, time::Duration};

use clap::{Args, ValueHint};

use super::{Words, values};

#[derive(Args, Debug)]
#[command(next_help_heading = "Waiting for ports")]
pub(super) struct Waiting {
    /// Wait at most DUR until ports are open (0: no limit)
    ///
    /// Implies -z: the words are those of -z, and -U and -u mean the same. All of the ports are
    /// tested again and again, each until it has been seen open once; HOST is looked up again
    /// before each test. A test has the time of -w, and 2 seconds without it, 3 with -u; a lookup is
    /// not part of it, except behind a proxy. The pause between two
    /// of them is a tenth of the time waited so far, at least 10 ms and at most a second.
    ///
    /// The exit status is 0 as soon as all have been seen open, or that of COMMAND if there is one.
    /// It is 124 if DUR is over before; those that are missing are then named on stderr, each with
    /// the reason.
    #[arg(
        long = "wait-for",
        value_name = "DUR",
        value_hint = ValueHint::Other,
        value_parser = values::duration(),
        allow_hyphen_values = true
    )]
    pub(super) limit: Option<Duration>,

    /// With --wait-for: one open port is enough
    #[arg(long = "any", hide_short_help = true)]
    pub(super) any: bool,

    /// With --wait-for: wait until the ports are not open
    ///
    /// For whatever reason: they refuse, do not answer, or cannot be reached. What nobody knows, as
    /// where HOST has no address, goes on to be waited for. With --any one of them is enough.
    #[arg(long = "invert", hide_short_help = true)]
    pub(super) invert: bool,

    /// With --wait-for: execute COMMAND when the wait is over
    ///
    /// COMMAND and its arguments are all that stands behind '--'. It takes the place of oxnc, with
    /// the same stdin, stdout and environment, and its exit status counts: 126 says that it could not
    /// be executed, 127 that there is no such command. When DUR is over it is not executed. Without
    /// --wait-for what stands behind '--' are words like those before it.
    #[arg(
        last = true,
        index = 2,
        value_name = "COMMAND",
        value_hint = ValueHint::CommandWithArguments,
        hide_short_help = true
    )]
    pub(super) command: Vec<OsString>,
}

impl Words {
    /// Where no command is expected, `--` just ends the options.
    pub(super) fn take_command_for_operands(&mut self) {
        if self.waiting.limit.is_none() {
            self.operands.append(&mut self.waiting.command);
        }
    }
}
