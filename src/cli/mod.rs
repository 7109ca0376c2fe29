//! The words of the command line: how they are spelled, explained, and read into a [`Plan`].
//!
//! Each group of options is a struct in a file of its own. Its doc comments are the help texts and
//! the man page: the first line is all that `-h` shows, the rest follows under `--help`. What the
//! options mean together is decided in `into_plan` and nowhere else.

mod connecting;
mod datagram_plan;
mod datagrams;
mod end_of_data;
mod into_plan;
mod lines;
mod listening;
mod messages;
mod names;
mod nc_help;
mod personality;
mod proxies;
mod scanning;
mod socket_options;
#[cfg(test)]
mod tests;
mod time_limits;
mod usage;
mod values;
mod waiting;

use std::{
    ffi::{OsStr, OsString},
    fmt::Write as _,
    process,
};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, ValueHint, error::ErrorKind};

pub use personality::personality;

use crate::plan::{Personality, Plan};

/// What each exit status means, for the help text and the man page.
pub const EXIT_STATUS: &[(&str, &str)] = &[
    (
        "0",
        "Everything was moved and both ends ended cleanly; -z: a port is open.",
    ),
    (
        "1",
        "Could not start: lookup, connect, listen or proxy failed; -z: not open.",
    ),
    ("2", "The command line is wrong; nothing was opened."),
    (
        "3",
        "The stream broke while receiving: reset, or the peer unreachable.",
    ),
    (
        "4",
        "Local input or output failed: a full disk, an unreadable file.",
    ),
    (
        "5",
        "Not delivered: the peer left before it had acknowledged everything.",
    ),
    (
        "6",
        "Not trusted: the proxy does not accept the user or the password.",
    ),
    ("124", "A time limit ran out; the message names it."),
    ("126", "COMMAND could not be executed (--wait-for)."),
    (
        "127",
        "There is no such COMMAND; if there is one, its own status counts.",
    ),
    ("128+N", "Ended by signal N, for instance 130 after Ctrl-C."),
];

/// Why there is nothing to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A text was asked for (`--help`, `--version`): it goes to stdout as it is, exit status 0.
    Show(String),
    /// The same, but it goes to stderr, where the program that we stand in for writes it.
    ShowOnStderr(String),
    /// The words make no sense: one line, without prefix and line end; exit status 2.
    Usage(String),
}

/// Reads the arguments, the program's name first.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Plan, Stop> {
    let inherited = passed_in(
        std::env::var_os("LISTEN_PID").as_deref(),
        std::env::var_os("LISTEN_FDS").as_deref(),
        process::id(),
    );
    parse_with(args.into_iter().collect(), inherited)
}

/// The definition that help, man page and completions are rendered from.
pub fn command() -> clap::Command {
    let mut exit_status = String::from("Exit status:\n");
    for (code, meaning) in EXIT_STATUS {
        // Writing to a String cannot fail.
        let _ = writeln!(exit_status, "  {code:<6} {meaning}");
    }
    Words::command().after_long_help(exit_status)
}

/// [`parse`] without a look at the process: so many sockets to listen on were passed in.
fn parse_with(args: Vec<OsString>, inherited: Option<usize>) -> Result<Plan, Stop> {
    let (_, personality) = personality(&args);
    let mut command = command();
    let mut words = command
        .try_get_matches_from_mut(&args)
        .and_then(|mut matches| Words::from_arg_matches_mut(&mut matches))
        .map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp
                if personality == Personality::Nc && !args.iter().any(|word| word == "--help") =>
            {
                Stop::ShowOnStderr(nc_help::text(&command))
            }
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                Stop::Show(without_trailing_blanks(&error.render().to_string()))
            }
            _ => Stop::Usage(usage::line(&error, &command, &args, personality)),
        })?;
    words.personality = personality;
    words.take_command_for_operands();
    if personality == Personality::Nc {
        words = words.without_what_nc_lets_pass();
    }
    words.into_plan(inherited).map_err(Stop::Usage)
}

/// clap indents the empty lines of its help texts too.
fn without_trailing_blanks(text: &str) -> String {
    text.lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

/// How many sockets `LISTEN_PID` and `LISTEN_FDS` announce to this very process; they may be meant
/// for a parent: `sd_listen_fds(3)`.
fn passed_in(pid: Option<&OsStr>, fds: Option<&OsStr>, own: u32) -> Option<usize> {
    let number = |word: Option<&OsStr>| word.and_then(OsStr::to_str)?.parse::<usize>().ok();
    let ours = number(pid) == usize::try_from(own).ok();
    number(fds).filter(|count| ours && *count > 0)
}

/// Connects or listens, and joins the socket to stdin and stdout
///
/// oxnc connects to HOST and PORT, or with -l waits for one client, then moves stdin to the peer
/// and what the peer sends to stdout. Each direction runs to its own end. The exit status tells
/// whether everything arrived.
///
/// HOST is a name or a numeric address, PORT a number from 1 to 65535 or the name of a service.
/// Both may be one word: HOST:PORT, or [ADDRESS]:PORT for IPv6. With -l, ADDRESS is a local one;
/// without it every local address is served, and PORT 0 lets the kernel pick a port. With -U there
/// is one word: the PATH of a Unix socket, or @NAME. Options may stand before and behind these
/// words; '--' ends the options, and with --wait-for a COMMAND may stand behind it.
///
/// DUR is a time: seconds, with a fraction if need be (1.5), or numbers with units (500ms, 1m30s).
#[derive(Debug, Parser)]
#[command(
    name = "oxnc",
    version,
    override_usage = "oxnc [OPTIONS] HOST PORT\n       oxnc -l [OPTIONS] [ADDRESS] PORT\n       \
                      oxnc -z [OPTIONS] HOST PORTS...\n       \
                      oxnc --wait-for DUR [OPTIONS] HOST:PORT... [-- COMMAND...]\n       \
                      oxnc --wait-for DUR [OPTIONS] -U PATH... [-- COMMAND...]\n       \
                      oxnc [-l|-z] [OPTIONS] -U PATH",
    args_override_self = true,
    disable_help_flag = true,
    disable_version_flag = true,
    max_term_width = 100
)]
struct Words {
    // How many there may be, and what each one is, depends on the options: `into_plan`. They stand
    // here because clap takes what is defined last for what stands behind `--`.
    #[arg(index = 1, hide = true, value_hint = ValueHint::Hostname)]
    operands: Vec<OsString>,
    #[command(flatten)]
    connecting: connecting::Connecting,
    #[command(flatten)]
    proxies: proxies::Proxies,
    #[command(flatten)]
    listening: listening::Listening,
    #[command(flatten)]
    scanning: scanning::Scanning,
    #[command(flatten)]
    waiting: waiting::Waiting,
    #[command(flatten)]
    datagrams: datagrams::DatagramWords,
    #[command(flatten)]
    names: names::Names,
    #[command(flatten)]
    lines: lines::Lines,
    #[command(flatten)]
    end_of_data: end_of_data::EndOfData,
    #[command(flatten)]
    time_limits: time_limits::TimeLimits,
    #[command(flatten)]
    socket_options: socket_options::SocketOptions,
    #[command(flatten)]
    compat: personality::Compat,
    #[command(flatten)]
    messages: messages::Messages,
    #[arg(skip)]
    personality: Personality,
}
