//! Results as JSON, an object on a line. `tests/it/port.schema.json` says what stands in it.

use std::{borrow::Cow, fmt::Write as _, io, time::Duration};

use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    super::{escape::is_harmful, messages},
    Finding, Subject,
    table::{Services, banner},
};
use crate::plan::UnixAddress;

/// The fields, in the order in which they are written.
#[derive(Serialize)]
struct Line<'a> {
    host: Cow<'a, str>,
    address: Option<String>,
    port: Option<u16>,
    protocol: &'static str,
    service: Option<String>,
    state: &'static str,
    /// In seconds, with all nine digits: `9.8e-6` is JSON, and not what scripts expect.
    rtt: Option<Box<RawValue>>,
    error: Option<String>,
    /// What came, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    banner: Option<Option<String>>,
    /// Which of several tries.
    #[serde(rename = "try", skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
}

/// The line of a finding, which is the result of the try of this number, if there are several.
pub(super) fn line(
    finding: &Finding<'_>,
    services: &mut Services,
    number: Option<u64>,
) -> io::Result<String> {
    let said = |bytes: &[u8]| (!bytes.is_empty()).then(|| banner(bytes));
    let line = Line {
        host: host(&finding.subject),
        address: finding
            .address
            .map(|address| messages::host(&address.into())),
        port: match finding.subject {
            Subject::Port { port, .. } => Some(port),
            Subject::Socket(_) => None,
        },
        protocol: finding.subject.protocol(),
        service: finding.subject.service(services),
        state: finding.state.word(),
        rtt: finding.rtt.map(seconds).transpose()?,
        error: finding.reason(),
        banner: finding.banner.map(said),
        number,
    };
    Ok(harmless(&serde_json::to_string(&line)?))
}

fn seconds(time: Duration) -> serde_json::Result<Box<RawValue>> {
    RawValue::from_string(format!("{}.{:09}", time.as_secs(), time.subsec_nanos()))
}

/// As it was typed; a path that is no UTF-8 is shown by its numbers.
fn host<'a>(subject: &Subject<'a>) -> Cow<'a, str> {
    match subject {
        Subject::Port { host, .. } => Cow::Borrowed(host.as_str()),
        Subject::Socket(UnixAddress::Path(path)) => match path.to_str() {
            Some(path) => Cow::Borrowed(path),
            None => Cow::Owned(subject.name()),
        },
        Subject::Socket(UnixAddress::Abstract(name)) => match str::from_utf8(name) {
            Ok(name) => Cow::Owned(format!("@{name}")),
            Err(_) => Cow::Owned(subject.name()),
        },
    }
}

/// Says in numbers what would move a terminal, which may be where it is written to. It can only stand
/// in strings, and it means the same there.
fn harmless(json: &str) -> String {
    let mut out = String::new();
    for c in json.chars() {
        if !is_harmful(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

    use serde_json::Value;

    use super::*;
    use crate::{
        net::ServiceNames,
        outcome::PortState,
        plan::Host,
        report::scan::{
            Cause,
            tests::{attempt, found, unknown},
        },
    };

    /// The line, which keeps to the schema.
    #[track_caller]
    fn checked(finding: &Finding<'_>, numeric: bool, number: Option<u64>) -> String {
        let schema = include_str!("../../../tests/it/port.schema.json");
        let schema: Value = serde_json::from_str(schema).unwrap();
        let mut services = (!numeric).then(|| ServiceNames::new(false));
        let line = line(finding, &mut services, number).unwrap();
        assert!(!line.contains(char::is_control), "{line:?}");
        let value: Value = serde_json::from_str(&line).unwrap();
        if let Err(e) = jsonschema::draft202012::validate(&schema, &value) {
            panic!("{line}: {e}");
        }
        line
    }

    #[test]
    fn a_line_has_all_keys_in_their_order() {
        let host = Host::parse("localhost").unwrap();
        let open = Finding {
            address: Some("127.0.0.1:22".parse().unwrap()),
            ..found(&host, 22, PortState::Open, &[])
        };
        assert_eq!(
            checked(&open, false, None),
            r#"{"host":"localhost","address":"127.0.0.1","port":22,"protocol":"tcp","service":"ssh","state":"open","rtt":0.000043000,"error":null}"#
        );
        let refused = [Cause::Attempt(attempt("[::1]:22", libc::ECONNREFUSED))];
        let closed = Finding {
            state: PortState::Closed,
            address: Some("[::1]:22".parse().unwrap()),
            causes: &refused,
            banner: Some(b""),
            rtt: None,
            ..open
        };
        assert_eq!(
            checked(&closed, true, Some(3)),
            r#"{"host":"localhost","address":"::1","port":22,"protocol":"tcp","service":null,"state":"closed","rtt":null,"error":"Connection refused","banner":null,"try":3}"#
        );
    }

    #[test]
    fn every_state_keeps_to_the_schema() {
        let host = Host::parse("h").unwrap();
        let causes = [unknown("h")];
        for state in PortState::ALL {
            for causes in [&causes[..], &[]] {
                let finding = Finding {
                    subject: Subject::Port {
                        host: &host,
                        port: 9,
                        datagrams: true,
                    },
                    ..found(&host, 9, state, causes)
                };
                let line = checked(&finding, true, None);
                assert!(line.contains(&format!("\"state\":\"{}\"", state.word())));
            }
        }
    }

    #[test]
    fn whatever_a_service_says_is_text() {
        let host = Host::parse("h").unwrap();
        let said = |banner: &[u8]| {
            let finding = Finding {
                banner: Some(banner),
                ..found(&host, 9, PortState::Open, &[])
            };
            let line = checked(&finding, true, None);
            let value: Value = serde_json::from_str(&line).unwrap();
            value["banner"].as_str().unwrap().to_owned()
        };
        assert_eq!(said(b"220 \"x\" ready\r\n"), "220 \"x\" ready");
        assert_eq!(said(b"\xff\xfe\0\x1b[2J"), r"\xff\xfe\x00\x1b[2J");
        for byte in 0..=u8::MAX {
            said(&[b'a', byte, b'b']);
        }
        assert_eq!(said(b"\n"), "");
    }

    #[test]
    fn a_path_is_as_it_was_typed_and_moves_no_terminal() {
        let some_host = Host::parse("h").unwrap();
        let told = |address: &UnixAddress| {
            let finding = Finding {
                subject: Subject::Socket(address),
                ..found(&some_host, 9, PortState::Open, &[])
            };
            let line = checked(&finding, false, None);
            assert!(!line.contains(is_harmful), "{line:?}");
            let value: Value = serde_json::from_str(&line).unwrap();
            value["host"].as_str().unwrap().to_owned()
        };
        let paths = [
            "/run/a b",
            "/run/\u{1b}\u{7f}\u{9b}\n\"",
            "/\u{202e}\u{e0001}",
        ];
        for path in paths {
            assert_eq!(told(&UnixAddress::Path(path.into())), path);
        }
        let path = OsStr::from_bytes(b"/a\xffb").to_owned();
        assert_eq!(told(&UnixAddress::Path(path.into())), r"/a\xffb");
        assert_eq!(told(&UnixAddress::Abstract(b"n".to_vec())), "@n");
        assert_eq!(told(&UnixAddress::Abstract(b"\xff".to_vec())), r"@\xff");
    }
}
