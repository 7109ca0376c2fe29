//! Every message of every protocol, in pieces of every size.

use super::{
    Breach::{self, *},
    Credentials, Error,
    Error::Protocol,
    Handshake, Progress, Refusal, Target, TargetHost, Unfit, client,
};
use crate::plan::{
    ProxyProtocol::{self, Http, Socks4, Socks5},
    Secret,
};

fn target(host: &str, port: u16) -> Target {
    let host = match host.parse() {
        Ok(address) => TargetHost::Address(address),
        Err(_) => TargetHost::Name(host.into()),
    };
    Target { host, port }
}

fn credentials(user: &str, password: &str) -> Credentials {
    Credentials {
        user: user.into(),
        password: Secret::from(password.as_bytes().to_vec()),
    }
}

fn bob() -> Option<Credentials> {
    Some(credentials("bob", "hunter2"))
}

fn ours(protocol: ProxyProtocol, known: Option<&Credentials>) -> Box<dyn Handshake> {
    client(protocol, &target("example.com", 443), known).unwrap()
}

/// What came of a conversation in which the proxy says all it has to say in these pieces.
#[derive(Debug, PartialEq, Eq)]
struct Talk {
    said: Vec<u8>,
    result: Result<Option<usize>, Error>,
}

fn talk<'a>(mut handshake: Box<dyn Handshake>, pieces: impl IntoIterator<Item = &'a [u8]>) -> Talk {
    let mut said = Vec::new();
    let mut before = 0;
    for piece in std::iter::once(&b""[..]).chain(pieces) {
        match handshake.feed(piece, &mut said) {
            Ok(Progress::More) => before += piece.len(),
            Ok(Progress::Done { used }) => {
                assert!(used <= piece.len());
                return Talk {
                    said,
                    result: Ok(Some(before + used)),
                };
            }
            Err(error) => {
                return Talk {
                    said,
                    result: Err(error),
                };
            }
        }
    }
    Talk {
        said,
        result: Ok(None),
    }
}

/// The result of an answer; it must be the same however the answer is cut into pieces.
#[track_caller]
fn answer(protocol: ProxyProtocol, known: Option<&Credentials>, bytes: &[u8]) -> Talk {
    let whole = talk(ours(protocol, known), [bytes]);
    let single = talk(ours(protocol, known), bytes.chunks(1));
    assert_eq!(single, whole, "byte by byte: {bytes:?}");
    // All pairs of cuts for what is short, all single ones for the rest.
    let step = if bytes.len() > 80 { bytes.len() } else { 1 };
    for one in 0..=bytes.len() {
        for two in (one..=bytes.len()).step_by(step) {
            let pieces = [&bytes[..one], &bytes[one..two], &bytes[two..]];
            let cut = talk(ours(protocol, known), pieces);
            assert_eq!(cut, whole, "cut at {one} and {two}: {bytes:?}");
        }
    }
    // Every beginning is more to come or the error that it is in the end.
    let end = match &whole.result {
        Ok(Some(used)) => *used,
        _ => bytes.len(),
    };
    for length in 0..end {
        let cut = talk(ours(protocol, known), [&bytes[..length]]).result;
        let fine = cut == Ok(None) || (cut.is_err() && cut == whole.result);
        assert!(fine, "{length} of {bytes:?}: {cut:?}");
    }
    whole
}

#[track_caller]
fn result(
    protocol: ProxyProtocol,
    known: Option<&Credentials>,
    bytes: &[u8],
) -> Result<Option<usize>, Error> {
    answer(protocol, known, bytes).result
}

fn no(why: Refusal) -> Result<Option<usize>, Error> {
    Err(Error::Refused(why))
}

fn bad(what: Breach) -> Result<Option<usize>, Error> {
    Err(Protocol(what))
}

#[test]
fn socks4_asks_as_its_memo_says() {
    let user = Credentials::user("bob");
    let table: &[(&str, Option<&Credentials>, &[u8])] = &[
        ("192.0.2.1", None, b"\x04\x01\x01\xbb\xc0\x00\x02\x01\0"),
        (
            "192.0.2.1",
            Some(&user),
            b"\x04\x01\x01\xbb\xc0\x00\x02\x01bob\0",
        ),
        (
            "example.com",
            None,
            b"\x04\x01\x01\xbb\0\0\0\x01\0example.com\0",
        ),
        (
            "example.com",
            Some(&user),
            b"\x04\x01\x01\xbb\0\0\0\x01bob\0example.com\0",
        ),
        // These addresses announce a name.
        ("0.0.0.0", None, b"\x04\x01\x01\xbb\0\0\0\0\0"),
        ("0.0.0.9", None, b"\x04\x01\x01\xbb\0\0\0\x01\x000.0.0.9\0"),
    ];
    for (host, known, request) in table {
        let handshake = client(Socks4, &target(host, 443), *known).unwrap();
        assert_eq!(talk(handshake, []).said, *request, "{host}");
    }
    let unfit = |host: &str| client(Socks4, &target(host, 443), None).err();
    assert_eq!(unfit("2001:db8::1"), Some(Unfit::Ipv6));
    assert_eq!(unfit(&"x".repeat(255)), None);
    assert_eq!(unfit(&"x".repeat(256)), Some(Unfit::Long));
}

#[test]
fn every_socks4_reply_is_understood() {
    for version in 0..=u8::MAX {
        for code in 0..=u8::MAX {
            let reply = [version, code, 1, 2, 3, 4, 5, 6, b'H', b'I'];
            let expected = match (version, code) {
                (0, 90) => Ok(Some(8)),
                (0, code) => no(Refusal::Socks4(code)),
                (found, _) => bad(Version {
                    protocol: "SOCKS4",
                    found,
                }),
            };
            let whole = talk(ours(Socks4, None), [&reply[..]]);
            assert_eq!(whole.result, expected, "{reply:?}");
        }
    }
    assert_eq!(result(Socks4, None, b"\0\x5a123456HELLO"), Ok(Some(8)));
    assert_eq!(
        result(Socks4, None, b"\0\x5b123456"),
        no(Refusal::Socks4(91))
    );
    assert_eq!(result(Socks4, None, b"\0\x5b"), no(Refusal::Socks4(91)));
}

#[test]
fn socks5_asks_as_its_rfc_says() {
    let granted = b"\x05\x00\x05\x00\x00\x01\0\0\0\0\0\0";
    let table: &[(&str, &[u8])] = &[
        ("192.0.2.1", b"\x05\x01\0\x01\xc0\x00\x02\x01\x01\xbb"),
        (
            "2001:db8::1",
            b"\x05\x01\0\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb",
        ),
        ("example.com", b"\x05\x01\0\x03\x0bexample.com\x01\xbb"),
    ];
    for (host, request) in table {
        let handshake = client(Socks5, &target(host, 443), None).unwrap();
        let said = talk(handshake, [&granted[..]]).said;
        assert_eq!(said, [b"\x05\x01\0", *request].concat(), "{host}");
    }
    for (known, length) in [("", 0), ("x", 1), ("x", 255), ("x", 256)] {
        let text = known.repeat(length);
        let fits = (length < 256).then_some(());
        let named = client(Socks5, &target(&text, 443), None);
        assert_eq!(named.ok().map(drop), fits);
        for known in [credentials(&text, "y"), credentials("y", &text)] {
            let knowing = client(Socks5, &target("::1", 443), Some(&known));
            assert_eq!(knowing.err(), fits.is_none().then_some(Unfit::Long));
        }
    }
}

#[test]
fn a_password_is_told_only_to_a_socks5_proxy_that_asks_for_it() {
    let request = b"\x05\x01\0\x03\x0bexample.com\x01\xbb";
    let reply = b"\x05\0\0\x01\0\0\0\0\0\0";
    let known = bob();

    let asked = [b"\x05\x02\x01\0", &reply[..], b"HELLO"].concat();
    let said = answer(Socks5, known.as_ref(), &asked);
    let login = b"\x01\x03bob\x07hunter2";
    assert_eq!(said.said, [b"\x05\x02\0\x02", &login[..], request].concat());
    assert_eq!(said.result, Ok(Some(asked.len() - 5)));

    let not_asked = [b"\x05\0", &reply[..]].concat();
    let said = answer(Socks5, known.as_ref(), &not_asked);
    assert_eq!(said.said, [b"\x05\x02\0\x02", &request[..]].concat());
    assert_eq!(said.result, Ok(Some(not_asked.len())));
}

#[test]
fn only_a_method_that_was_offered_may_be_chosen() {
    let known = bob();
    for method in 0..=u8::MAX {
        let chosen = [5, method];
        let without = match method {
            0 => Ok(None),
            255 => no(Refusal::Methods { password: false }),
            other => bad(Method(other)),
        };
        assert_eq!(result(Socks5, None, &chosen), without, "{method}");
        let with = match method {
            0 | 2 => Ok(None),
            255 => no(Refusal::Methods { password: true }),
            other => bad(Method(other)),
        };
        assert_eq!(result(Socks5, known.as_ref(), &chosen), with, "{method}");
    }
}

#[test]
fn a_password_is_accepted_or_not() {
    let known = bob();
    for status in 0..=u8::MAX {
        let verdict = [5, 2, 1, status];
        let expected = match status {
            0 => Ok(None),
            _ => Err(Error::Credentials { given: true }),
        };
        assert_eq!(
            result(Socks5, known.as_ref(), &verdict),
            expected,
            "{status}"
        );
    }
}

#[test]
fn the_version_is_looked_at_in_every_socks5_message() {
    let known = bob();
    let wrong = |found| {
        bad(Version {
            protocol: "SOCKS5",
            found,
        })
    };
    for byte in 0..=u8::MAX {
        if byte != 5 {
            assert_eq!(result(Socks5, None, &[byte, 0]), wrong(byte));
            assert_eq!(result(Socks5, None, &[5, 0, byte, 0]), wrong(byte));
            let behind = [5, 2, 1, 0, byte, 0];
            assert_eq!(result(Socks5, known.as_ref(), &behind), wrong(byte));
        }
        if byte != 1 {
            let verdict = [5, 2, byte, 0];
            assert_eq!(result(Socks5, known.as_ref(), &verdict), wrong(byte));
        }
    }
}

#[test]
fn every_socks5_reply_is_understood() {
    for code in 1..=u8::MAX {
        let expected = no(Refusal::Socks5(code));
        let whole = [5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(result(Socks5, None, &whole), expected);
        assert_eq!(result(Socks5, None, &whole[..4]), expected);
    }
    for kind in 0..=u8::MAX {
        let mut reply = vec![5, 0, 5, 0, 0, kind];
        let address = match kind {
            1 => 4,
            3 => 1 + 7,
            4 => 16,
            _ => 0,
        };
        reply.extend([7].iter().cycle().take(address + 2));
        let expected = match kind {
            1 | 3 | 4 => Ok(Some(reply.len())),
            other => bad(AddressKind(other)),
        };
        reply.extend(b"HI");
        assert_eq!(result(Socks5, None, &reply), expected, "{reply:?}");
    }
    // The third byte is reserved, and whatever it is means nothing.
    for reserved in 0..=u8::MAX {
        let reply = [5, 0, 5, 0, reserved, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(result(Socks5, None, &reply), Ok(Some(12)));
    }
}

#[test]
fn a_name_in_a_socks5_reply_has_any_length() {
    for length in 0..=u8::MAX {
        let mut reply = vec![5, 0, 5, 0, 0, 3, length];
        reply.extend([0xff].iter().cycle().take(usize::from(length) + 2));
        let used = reply.len();
        reply.extend(b"HELLO");
        assert_eq!(result(Socks5, None, &reply), Ok(Some(used)), "{length}");
    }
}

#[test]
fn connect_asks_as_its_rfc_says() {
    let table = [
        ("192.0.2.1", "192.0.2.1:443"),
        ("2001:db8::1", "[2001:db8::1]:443"),
        ("example.com", "example.com:443"),
    ];
    for (host, authority) in table {
        let start = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        let handshake = client(Http, &target(host, 443), None).unwrap();
        let said = talk(handshake, []).said;
        assert_eq!(String::from_utf8(said), Ok(format!("{start}\r\n")));
        let handshake = client(Http, &target(host, 443), bob().as_ref()).unwrap();
        let said = talk(handshake, []).said;
        // printf bob:hunter2 | base64
        let login = "Proxy-Authorization: Basic Ym9iOmh1bnRlcjI=\r\n";
        assert_eq!(String::from_utf8(said), Ok(format!("{start}{login}\r\n")));
    }
}

#[test]
fn every_http_status_is_understood() {
    for status in 0..=999_u16 {
        let reply = format!("HTTP/1.1 {status:03} Why\r\n\r\n");
        let expected = match status {
            101 => bad(Head),
            100..200 => Ok(None),
            200..300 => Ok(Some(reply.len())),
            401 | 407 => Err(Error::Credentials { given: false }),
            status => no(Refusal::Http {
                minor: 1,
                status,
                reason: "Why".into(),
            }),
        };
        let whole = talk(ours(Http, None), [reply.as_bytes()]);
        assert_eq!(whole.result, expected, "{reply:?}");
    }
}

#[test]
fn http_answers_are_understood() {
    let refused = |status, reason: &str| {
        no(Refusal::Http {
            minor: 1,
            status,
            reason: reason.into(),
        })
    };
    let known = bob();
    let table: &[(&str, Result<Option<usize>, Error>)] = &[
        ("HTTP/1.1 200 OK\r\n\r\n", Ok(Some(19))),
        ("HTTP/1.0 200 OK\r\n\r\nHELLO", Ok(Some(19))),
        ("HTTP/1.1 200 OK\n\nHELLO", Ok(Some(17))),
        ("HTTP/1.1 200 OK\r\n\n\r\n", Ok(Some(18))),
        ("HTTP/1.1 200\r\n\r\n", Ok(Some(16))),
        ("HTTP/1.1 200 \r\n\r\n", Ok(Some(17))),
        ("HTTP/1.1 204 No\r\nA: b\r\n\r\n\r\n", Ok(Some(25))),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHELLO",
            Ok(Some(38)),
        ),
        // Header lines that mean nothing to us may be as they like.
        (
            "HTTP/1.1 200 OK\r\nA : b\r\n c\r\nnonsense\r\n\r\n",
            Ok(Some(40)),
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nHELLO",
            Ok(Some(44)),
        ),
        ("HTTP/1.1 100 Continue\r\n\r\nHELLO", bad(NotHttp)),
        (
            "HTTP/1.1 403 Forbidden\r\nA: b\r\n\r\n",
            refused(403, "Forbidden"),
        ),
        ("HTTP/1.1 502\r\n\r\n", refused(502, "")),
        (
            "HTTP/1.1 302 Found\r\nLocation: x\r\n\r\n",
            refused(302, "Found"),
        ),
        (
            "HTTP/1.1 407 Who\r\n\r\n",
            Err(Error::Credentials { given: true }),
        ),
        ("HTTP/1.1 -200 OK\r\n\r\n", bad(Head)),
        ("HTTP/1.1 20 OK\r\n\r\n", bad(Head)),
        ("HTTP/1.1 2000 OK\r\n\r\n", bad(Head)),
        ("HTTP/1.1 +20 OK\r\n\r\n", bad(Head)),
        ("HTTP/1.1 0x2 OK\r\n\r\n", bad(Head)),
        ("HTTP/1.1\r\n\r\n", bad(Head)),
        ("HTTP/1.2 200 OK\r\n\r\n", bad(Head)),
        ("HTTP/1. 200 OK\r\n\r\n", bad(Head)),
        ("HTTP/1.1 200 O\x1bK\r\n\r\n", bad(Head)),
        ("HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", bad(Head)),
        ("HTTP/2 200 OK\r\n\r\n", bad(NotHttp)),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", bad(NotHttp)),
        ("ICY 200 OK\r\n\r\n", bad(NotHttp)),
        ("SSH-2.0-OpenSSH_9.9\r\n", bad(NotHttp)),
        ("\x05\x01", bad(NotHttp)),
    ];
    for (reply, expected) in table {
        let found = result(Http, known.as_ref(), reply.as_bytes());
        assert_eq!(&found, expected, "{reply:?}");
    }
}

#[test]
fn an_http_head_is_bounded() {
    let start = "HTTP/1.1 200 ";
    let line = |length: usize| format!("{start}{}\n", "x".repeat(length - start.len() - 1));
    let found = |text: String| talk(ours(Http, None), [text.as_bytes()]).result;
    assert_eq!(found(line(1024) + "\n"), Ok(Some(1025)));
    assert_eq!(found(line(1025) + "\n"), bad(StatusLine));
    assert_eq!(
        found(start.to_owned() + &"x".repeat(4 << 20)),
        bad(StatusLine)
    );

    let headers = |count| format!("{}{}\n", line(20), "A: b\n".repeat(count));
    assert_eq!(found(headers(100)), Ok(Some(521)));
    assert_eq!(found(headers(101)), bad(HeadersMany));

    let long = |length: usize| format!("{}A: {}\n\n", line(20), "x".repeat(length - 5));
    assert_eq!(found(long(16 * 1024)), Ok(Some(20 + 16 * 1024)));
    assert_eq!(found(long(16 * 1024 + 1)), bad(HeadersLong));

    let interim = "HTTP/1.1 103 Hints\r\nA: b\r\n\r\n";
    assert_eq!(found(interim.repeat(1000)), bad(HeadersMany));
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    assert_eq!(
        found(interim.repeat(100) + "HTTP/1.1 200 OK\n\n"),
        Ok(Some(2517))
    );
    assert_eq!(found(interim.repeat(100_000)), bad(HeadersMany));
}

#[test]
fn a_byte_in_the_place_of_any_other_never_panics() {
    let known = bob();
    let answers: [(ProxyProtocol, &[u8]); 3] = [
        (Socks4, b"\0\x5a123456HELLO"),
        (Socks5, b"\x05\x02\x01\0\x05\0\0\x03\x03abc12HELLO"),
        (Http, b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\nHELLO"),
    ];
    for (protocol, bytes) in answers {
        for at in 0..bytes.len() {
            for byte in 0..=u8::MAX {
                let mut bytes = bytes.to_vec();
                bytes[at] = byte;
                let whole = talk(ours(protocol, known.as_ref()), [&bytes[..]]);
                let single = talk(ours(protocol, known.as_ref()), bytes.chunks(1));
                assert_eq!(single, whole, "{bytes:?}");
            }
        }
    }
}

#[test]
fn garbage_never_panics() {
    // xorshift: the same garbage in every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut byte = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    let known = bob();
    for start in [&b""[..], b"\x05\0", b"\x05\x02", b"\0", b"HTTP/1.1 200 "] {
        for length in 0..200 {
            let mut bytes = start.to_vec();
            bytes.extend(std::iter::repeat_with(&mut byte).take(length));
            for protocol in [Socks4, Socks5, Http] {
                let whole = talk(ours(protocol, known.as_ref()), [&bytes[..]]);
                let single = talk(ours(protocol, known.as_ref()), bytes.chunks(1));
                assert_eq!(single, whole, "{bytes:?}");
            }
        }
    }
}
