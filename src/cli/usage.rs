//! Usage errors in one line, naming the option: clap's own take several.

use std::{
    error::Error as _,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
};

use clap::{
    Command,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{plan::Personality, report::escape};

/// How much of a word a message shows, in characters.
const SHOWN: usize = 80;

/// One line about what clap found, in our words.
pub(super) fn line(
    error: &clap::Error,
    command: &Command,
    args: &[OsString],
    personality: Personality,
) -> String {
    if personality == Personality::Nc
        && let Some(line) = getopt_line(error, command)
    {
        return line;
    }
    let option = || match text(error, ContextKind::InvalidArg) {
        Some(name) => format!("option '{}'", as_typed(name, command, args)),
        None => "an option".to_owned(),
    };
    match error.kind() {
        ErrorKind::UnknownArgument => unknown(error, command, args),
        ErrorKind::ValueValidation => match error.source() {
            Some(source) => {
                let given = text(error, ContextKind::InvalidArg).unwrap_or_default();
                let given = as_typed(given, command, args);
                let meant = single_dash(&given, command, args);
                format!("{}: {source}{}", option(), did_you_mean(meant))
            }
            None => format!("{} has a wrong value", option()),
        },
        ErrorKind::InvalidValue => match text(error, ContextKind::InvalidValue) {
            None | Some("") => format!("{} requires an argument", option()),
            Some(value) => {
                let known = match error.get(ContextKind::ValidValue) {
                    Some(ContextValue::Strings(known)) => known.join(", "),
                    _ => String::new(),
                };
                format!(
                    "{}: {} is not one of: {known}",
                    option(),
                    quote(as_given(value, args))
                )
            }
        },
        ErrorKind::TooManyValues => format!("{} takes no argument", option()),
        ErrorKind::NoEquals => format!("{} takes its argument after '='", option()),
        ErrorKind::InvalidUtf8 => match args.iter().find(|word| word.to_str().is_none()) {
            Some(word) => format!("{} is not UTF-8", quote(word)),
            None => "a word is not UTF-8".to_owned(),
        },
        // Not reached by the present definition; clap's headline is still one line.
        kind => format!("{}: {}", option(), kind.as_str().unwrap_or("wrong usage")),
    }
}

/// A word of the command line for a message: in quotes, escaped, and not longer than a line.
pub(super) fn quote(word: &OsStr) -> String {
    let pieces = word.as_bytes().utf8_chunks().flat_map(|chunk| {
        let valid = chunk
            .valid()
            .chars()
            .map(|c| escape(&c.to_string()).into_owned());
        let invalid = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
        valid.chain(invalid)
    });
    let mut quoted = String::from("'");
    for (shown, piece) in pieces.enumerate() {
        if shown == SHOWN {
            quoted.push_str("...");
            break;
        }
        quoted.push_str(&piece);
    }
    quoted.push('\'');
    quoted
}

/// What getopt(3) says, as callers of `nc` look for it.
fn getopt_line(error: &clap::Error, command: &Command) -> Option<String> {
    let given = text(error, ContextKind::InvalidArg)?;
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let letter = given.strip_prefix('-').filter(|rest| rest.len() == 1)?;
            Some(format!("invalid option -- '{}'", escape(letter)))
        }
        ErrorKind::InvalidValue
            if matches!(text(error, ContextKind::InvalidValue), None | Some("")) =>
        {
            let arg = command
                .get_arguments()
                .find(|arg| arg.to_string() == given)?;
            let letter = arg.get_short()?;
            Some(format!("option requires an argument -- '{letter}'"))
        }
        _ => None,
    }
}

fn unknown(error: &clap::Error, command: &Command, args: &[OsString]) -> String {
    let given = text(error, ContextKind::InvalidArg).unwrap_or_default();
    let meant = match text(error, ContextKind::SuggestedArg) {
        Some(known) => Some(known.to_owned()),
        None => single_dash(given, command, args),
    };
    let given = quote(as_given(given, args));
    format!("unknown option {given}{}", did_you_mean(meant))
}

fn did_you_mean(known: Option<String>) -> String {
    known.map_or_else(String::new, |known| format!("; did you mean '{known}'?"))
}

/// The long option that was meant by a word such as `-listen`, in which a letter was then unknown, or
/// took the rest for its value.
fn single_dash(given: &str, command: &Command, args: &[OsString]) -> Option<String> {
    let letter = given
        .strip_prefix('-')
        .filter(|rest| rest.chars().count() == 1)?;
    let words = args
        .iter()
        .skip(1)
        .filter_map(|word| word.to_str()?.strip_prefix('-'));
    words
        .filter(|word| word.contains(letter))
        .find(|word| {
            command
                .get_arguments()
                .any(|arg| arg.get_long() == Some(word))
        })
        .map(|word| format!("--{word}"))
}

/// A word with all its bytes, of which clap tells those that are not UTF-8 as U+FFFD.
fn as_given<'a>(lossy: &'a str, args: &'a [OsString]) -> &'a OsStr {
    let parts = args.iter().flat_map(|word| {
        let word = word.as_bytes();
        let mut sides = word.splitn(2, |byte| *byte == b'=');
        [Some(word), sides.next(), sides.next()]
    });
    parts
        .flatten()
        .find(|bytes| String::from_utf8_lossy(bytes) == lossy)
        .map_or_else(|| OsStr::new(lossy), OsStr::from_bytes)
}

/// The option as it was typed: clap knows it by its full form, `--timeout <DUR>`.
fn as_typed(full: &str, command: &Command, args: &[OsString]) -> String {
    let Some(arg) = command.get_arguments().find(|arg| arg.to_string() == full) else {
        return escape(full).into_owned();
    };
    let is_its_name = |name: &str| {
        arg.get_long() == Some(name)
            || arg
                .get_all_aliases()
                .is_some_and(|aliases| aliases.contains(&name))
    };
    let long = args.iter().rev().find_map(|word| {
        let name = word.to_str()?.strip_prefix("--")?.split('=').next()?;
        is_its_name(name).then_some(name)
    });
    match (long, arg.get_short(), arg.get_long()) {
        (Some(long), ..) => format!("--{long}"),
        (None, Some(short), _) => format!("-{short}"),
        (None, None, long) => format!("--{}", long.unwrap_or_default()),
    }
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text),
        _ => None,
    }
}
