//! What is told, and where.

use clap::{ArgAction, Args};

#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub(super) struct Messages {
    /// Tell on stderr what happens; -vv and -vvv tell more
    ///
    /// Without it nothing is written but one line when something fails. -v adds a line for each
    /// event, -vv what the layers know, -vvv log records.
    #[arg(short = 'v', long = "verbose", action = ArgAction::Count)]
    pub(super) verbose: u8,

    /// Print help; --help has more options than -h
    #[arg(short = 'h', long = "help", action = ArgAction::Help)]
    help: Option<bool>,

    /// Print the version
    #[arg(long = "version", action = ArgAction::Version)]
    version: Option<bool>,
}
