//! From a word of any bytes to a value, or to a clause that says what is wrong with it.

use std::{
    ffi::{OsStr, OsString},
    fmt::Display,
    ops::RangeInclusive,
    os::{fd::RawFd, unix::ffi::OsStrExt as _},
    path::PathBuf,
    time::Duration,
};

use clap::builder::{OsStringValueParser, TypedValueParser};
use thiserror::Error;

use super::{end_of_data::QuitAfter, usage::quote};
use crate::plan::{
    Group, Host, Keepalive, LARGEST_DATAGRAM, Port, PortTo, ProxyAddress, SecretSource, SockOpt,
    parse_duration, parse_duration_or_forever, parse_kernel_name, parse_number, parse_size,
    parse_traffic_class, parse_user_timeout,
};

/// The sizes of buffers that netcat has always taken.
const BUFFER_SIZES: RangeInclusive<u64> = 1..=1 << 30;

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

/// How many, at least one.
pub(super) fn count() -> impl TypedValueParser<Value = u32> {
    value(|word| read("value", word, |text| parse_number(text, 1..=u32::MAX)))
}

/// How many more; none is a number, too.
pub(super) fn tries() -> impl TypedValueParser<Value = u32> {
    value(|word| read("value", word, |text| parse_number(text, 0..=u32::MAX)))
}

/// How many ports are tested at once.
pub(super) fn parallel() -> impl TypedValueParser<Value = u32> {
    value(|word| read("value", word, |text| parse_number(text, 1..=65_535)))
}

/// How long it is waited for a banner. Without a limit the first service that has none would hang
/// the run, and without any time nobody would be heard: 0 is refused.
pub(super) fn banner() -> impl TypedValueParser<Value = Duration> {
    value(|word| match read("duration", word, parse_duration)? {
        Duration::ZERO => Err(bad(word, "is no time to wait for a banner")),
        time => Ok(time),
    })
}

/// Where a port is written to.
pub(super) fn port_to() -> impl TypedValueParser<Value = PortTo> {
    value(read_port_to)
}

/// A number of datagrams, in netcat's range.
pub(super) fn recv_limit() -> impl TypedValueParser<Value = u64> {
    value(|word| {
        let most = i32::MAX.unsigned_abs();
        read("limit", word, |text| parse_number(text, 1..=most)).map(u64::from)
    })
}

/// The size of a datagram.
pub(super) fn datagram_size() -> impl TypedValueParser<Value = usize> {
    value(|word| {
        let most = LARGEST_DATAGRAM as u64;
        let size = read("size", word, |text| parse_size(text, 1..=most))?;
        Ok(usize::try_from(size).unwrap_or(LARGEST_DATAGRAM))
    })
}

/// A multicast group.
pub(super) fn group() -> impl TypedValueParser<Value = Group> {
    value(|word| read("group", word, Group::parse))
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

/// The size of a socket's buffer.
pub(super) fn buffer_size() -> impl TypedValueParser<Value = u32> {
    value(|word| {
        let size = read("size", word, |text| parse_size(text, BUFFER_SIZES))?;
        // None of the sizes is larger.
        Ok(u32::try_from(size).unwrap_or(u32::MAX))
    })
}

/// A number from 0 to 255.
pub(super) fn byte() -> impl TypedValueParser<Value = u8> {
    value(|word| {
        let number = read("value", word, |text| parse_number(text, 0..=255))?;
        Ok(u8::try_from(number).unwrap_or(u8::MAX))
    })
}

/// A type of service.
pub(super) fn traffic_class() -> impl TypedValueParser<Value = u8> {
    value(|word| read("value", word, parse_traffic_class))
}

/// The times of keepalive probes.
pub(super) fn keepalive() -> impl TypedValueParser<Value = Keepalive> {
    value(|word| read("value", word, Keepalive::parse))
}

/// A time in milliseconds for `TCP_USER_TIMEOUT`.
pub(super) fn user_timeout() -> impl TypedValueParser<Value = u32> {
    value(|word| read("duration", word, parse_user_timeout))
}

/// The name of something in the kernel.
pub(super) fn kernel_name() -> impl TypedValueParser<Value = String> {
    value(|word| read("name", word, parse_kernel_name))
}

/// An option of setsockopt(2).
pub(super) fn sockopt() -> impl TypedValueParser<Value = SockOpt> {
    value(|word| read("value", word, SockOpt::parse))
}

/// A file.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    value(|word| match word.len() {
        0 => Err(BadValue(format!("{} is no file", quote(word)))),
        1..=PATH_LIMIT => Ok(PathBuf::from(word)),
        _ => Err(long_path(word)),
    })
}

/// The name of an environment variable.
pub(super) fn variable() -> impl TypedValueParser<Value = OsString> {
    value(|word| {
        if word.is_empty() || word.as_bytes().contains(&b'=') {
            return Err(BadValue(format!("{} is no variable's name", quote(word))));
        }
        Ok(word.to_owned())
    })
}

/// A proxy's address.
pub(super) fn proxy() -> impl TypedValueParser<Value = ProxyAddress> {
    value(|word| {
        let (host, port) = read("proxy", word, ProxyAddress::split)?;
        let port = port.map(|port| read("port", OsStr::new(port), Port::parse));
        Ok(ProxyAddress {
            host: read("host", OsStr::new(host), Host::parse)?,
            port: port.transpose()?,
        })
    })
}

/// A user of a proxy.
pub(super) fn user() -> impl TypedValueParser<Value = String> {
    value(|word| {
        read("user", word, |text| match text {
            "" => Err("is empty"),
            _ => Ok(text.to_owned()),
        })
    })
}

/// Where a password is read from.
pub(super) fn password_file() -> impl TypedValueParser<Value = SecretSource> {
    value(|word| {
        Ok(match read_place(word)? {
            Place::Descriptor(1 | 2) => {
                return Err(bad(word, "is for writing to, and a password is read"));
            }
            Place::Descriptor(number) => SecretSource::Descriptor(number),
            Place::File(path) => SecretSource::File(path),
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
    Ok(match read_place(word)? {
        Place::Descriptor(1) => {
            return Err(bad(word, "is stdout, which only the peer's data goes to"));
        }
        // Never closed like other descriptors: there may be messages to come.
        Place::Descriptor(2) => PortTo::Stderr,
        Place::Descriptor(number) => PortTo::Descriptor(number),
        Place::File(path) => PortTo::File(path),
    })
}

/// An inherited descriptor other than stdin, or a file.
enum Place {
    Descriptor(RawFd),
    File(PathBuf),
}

fn read_place(word: &OsStr) -> Result<Place, BadValue> {
    let bytes = word.as_bytes();
    if bytes.is_empty() {
        return Err(bad(word, "is neither fd:N nor a file"));
    }
    if let Some(digits) = bytes.strip_prefix(b"fd:") {
        let number = str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse::<RawFd>().ok());
        return match number {
            None => Err(bad(word, "is not fd: and the number of a descriptor")),
            Some(0) => Err(bad(word, "is stdin, which the data comes from")),
            Some(number) => Ok(Place::Descriptor(number)),
        };
    }
    if bytes.len() > PATH_LIMIT {
        return Err(long_path(word));
    }
    Ok(Place::File(PathBuf::from(word)))
}

fn bad(word: &OsStr, why: &str) -> BadValue {
    BadValue(format!("{} {why}", quote(word)))
}

fn long_path(word: &OsStr) -> BadValue {
    let why = "is longer than a path can be (4,095 bytes)";
    BadValue(format!("{} {why}", quote(word)))
}
