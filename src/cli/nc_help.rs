//! The help text of the `nc` personality: its options, laid out as scripts expect that tell one
//! netcat from another by it.

use std::fmt::Write as _;

use clap::{Arg, Command};

/// All options that have a letter. What is there is looked for by ` -N ` and the like.
pub(super) fn text(command: &Command) -> String {
    let mut text = String::from(concat!(
        "oxnc ",
        env!("CARGO_PKG_VERSION"),
        ", in the ways of OpenBSD netcat (Debian)\n",
        "usage: nc [OPTIONS] [destination] [port]\n",
        "  Command Summary:\n"
    ));
    let mut options: Vec<(char, &Arg)> = command
        .get_arguments()
        .filter_map(|arg| Some((arg.get_short()?, arg)))
        .collect();
    options.sort_by_key(|(letter, _)| (letter.to_ascii_lowercase(), *letter));
    for (letter, arg) in options {
        let value = match arg.get_value_names() {
            Some([name, ..]) if arg.get_action().takes_values() => name.to_string(),
            _ => String::new(),
        };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    -{letter} {value:<14} {help}");
    }
    text.push_str("  Port numbers can be individual or ranges: lo-hi [inclusive]\n");
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn those_who_tell_netcats_apart_take_it_for_debians() {
        let text = super::text(&crate::cli::command());
        for token in [
            " -N ",
            "-q",
            "-U",
            "\"5\" (SOCKS)",
            "OpenBSD netcat",
            "usage: nc",
        ] {
            assert!(text.contains(token), "{token}: {text}");
        }
        for token in ["-e ", "-G", "ncat", "UDP listen needs -p arg"] {
            assert!(!text.contains(token), "{token}: {text}");
        }
    }
}
