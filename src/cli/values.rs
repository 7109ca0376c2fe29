//! From a word of any bytes to a value, or to a clause that says what is wrong with it.

use std::{
    ffi::{OsStr, OsString},
    fmt::Display,
    os::{fd::RawFd, unix::ffi::OsStrExt as _},
    path::PathBuf,
    time::Duration,
};

use clap::builder::{OsStringValueParser, TypedValueParser};
use thiserror::Error;

use super::{end_of_data::QuitAfter, usage::quote};
use crate::plan::{
    Group, LARGEST_DATAGRAM, Port, PortTo, parse_duration, parse_duration_or_forever,
};

/// One less than `PATH_MAX` of Linux, which counts the NUL.
const PATH_LIMIT: usize = 4095;

/// What is wrong with a word; names it, escaped.
#[derive(Debug, Error)]
#[error("{0}")]
pub(super) struct BadValue(String);

/// A local port.
pub(super) fn local_port() -> impl TypedValueParser<Value = Port> {
    value(|word| read("port", word, Port::parse_local))
}

/// A duration.
pub(super) fn duration() -> impl TypedValueParser<Value = Duration> {
    value(|word| read("duration", word, parse_duration))
}

/// A duration, or a negative one that means for ever.
pub(super) fn duration_or_forever() -> impl TypedValueParser<Value = QuitAfter> {
    value(|word| read("duration", word, parse_duration_or_forever).map(QuitAfter))
}

/// Where a port is written to.
pub(super) fn port_to() -> impl TypedValueParser<Value = PortTo> {
    value(read_port_to)
}

/// A number of datagrams, in netcat's range.
pub(super) fn recv_limit() -> impl TypedValueParser<Value = u64> {
    value(|word| read("limit", word, |text| number(text, 1, i32::MAX as u64)))
}

/// The size of a datagram.
pub(super) fn datagram_size() -> impl TypedValueParser<Value = usize> {
    value(|word| {
        let most = LARGEST_DATAGRAM as u64;
        let size = read("size", word, |text| number(text, 1, most))?;
        Ok(usize::try_from(size).unwrap_or(LARGEST_DATAGRAM))
    })
}

/// A multicast group.
pub(super) fn group() -> impl TypedValueParser<Value = Group> {
    value(|word| read("group", word, Group::parse))
}

/// Digits alone, within a range.
fn number(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|n| digits && (least..=most).contains(n))
        .ok_or_else(|| format!("is not a number from {least} to {most}"))
}

/// A file's permissions.
pub(super) fn mode() -> impl TypedValueParser<Value = u32> {
    value(|word| {
        let digits = word.to_str().filter(|text| !text.starts_with('+'));
        digits
            .and_then(|text| u32::from_str_radix(text, 8).ok())
            .filter(|mode| *mode <= 0o777)
            .ok_or_else(|| {
                let what = quote(word);
                BadValue(format!("mode {what} is not an octal number from 0 to 777"))
            })
    })
}

/// Reads a word that must be text; `what` it should be begins the complaint.
pub(super) fn read<'a, T, E: Display>(
    what: &str,
    word: &'a OsStr,
    parse: impl FnOnce(&'a str) -> Result<T, E>,
) -> Result<T, BadValue> {
    let bad = |why: &dyn Display| BadValue(format!("{what} {} {why}", quote(word)));
    let text = word.to_str().ok_or_else(|| bad(&"is not UTF-8"))?;
    parse(text).map_err(|error| bad(&error))
}

fn value<T: Clone + Send + Sync + 'static>(
    read: fn(&OsStr) -> Result<T, BadValue>,
) -> impl TypedValueParser<Value = T> {
    OsStringValueParser::new().try_map(move |word: OsString| read(&word))
}

fn read_port_to(word: &OsStr) -> Result<PortTo, BadValue> {
    let bad = |why: &str| Err(BadValue(format!("{} {why}", quote(word))));
    let bytes = word.as_bytes();
    if bytes.is_empty() {
        return bad("is neither fd:N nor a file");
    }
    if let Some(digits) = bytes.strip_prefix(b"fd:") {
        let number = str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse::<RawFd>().ok());
        return match number {
            None => bad("is not fd: and the number of a descriptor"),
            Some(0) => bad("is stdin, which the data comes from"),
            Some(1) => bad("is stdout, which only the peer's data goes to"),
            // Never closed like other descriptors: there may be messages to come.
            Some(2) => Ok(PortTo::Stderr),
            Some(number) => Ok(PortTo::Descriptor(number)),
        };
    }
    if bytes.len() > PATH_LIMIT {
        return bad("is longer than a path can be (4,095 bytes)");
    }
    Ok(PortTo::File(PathBuf::from(word)))
}
