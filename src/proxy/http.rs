//! HTTP CONNECT: RFC 9110, 9.3.6, with Basic credentials, RFC 7617.

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Breach, Credentials, Error, Handshake, Progress, Refusal, Target, TargetHost};
use crate::plan::Secret;

const STATUS_LINE_LIMIT: usize = 1024;
const HEADERS_LIMIT: usize = 16 * 1024;
const HEADER_COUNT: usize = 100;

const PROXY_AUTHENTICATION_REQUIRED: u16 = 407;
/// What tinyproxy 1.11 says to a wrong password. No server behind the proxy can have said it.
const UNAUTHORIZED: u16 = 401;
const SWITCHING_PROTOCOLS: u16 = 101;

/// Every answer begins like this; what does not is refused before its line has ended.
const BEGINNING: &[u8] = b"HTTP/1.";

/// The client's side.
pub(super) struct Client {
    request: Option<Secret>,
    given: bool,
    head: Head,
}

impl Client {
    pub(super) fn new(target: &Target, credentials: Option<&Credentials>) -> Self {
        let host = match &target.host {
            TargetHost::Address(IpAddr::V4(v4)) => v4.to_string(),
            TargetHost::Address(IpAddr::V6(v6)) => format!("[{v6}]"),
            TargetHost::Name(name) => name.clone(),
        };
        let authority = format!("{host}:{}", target.port);
        let mut request = Secret::default();
        let text = request.bytes_mut();
        text.extend(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").bytes());
        if let Some(credentials) = credentials {
            text.extend_from_slice(b"Proxy-Authorization: Basic ");
            text.extend_from_slice(basic(credentials).bytes());
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"\r\n");
        Self {
            request: Some(request),
            given: credentials.is_some(),
            head: Head::default(),
        }
    }
}

impl Handshake for Client {
    fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Progress, Error> {
        if let Some(request) = self.request.take() {
            out.extend_from_slice(request.bytes());
        }
        for (at, byte) in input.iter().enumerate() {
            if !self.head.push(*byte)? {
                continue;
            }
            match self.head.take()? {
                // RFC 9110, 15.2: interim answers come before the final one.
                (_, 100..200, _) => {}
                (_, 200..300, _) => return Ok(Progress::Done { used: at + 1 }),
                (_, PROXY_AUTHENTICATION_REQUIRED | UNAUTHORIZED, _) => {
                    return Err(Error::Credentials { given: self.given });
                }
                (minor, status, reason) => {
                    return Err(Error::Refused(Refusal::Http {
                        minor,
                        status,
                        reason,
                    }));
                }
            }
        }
        Ok(Progress::More)
    }
}

fn basic(credentials: &Credentials) -> Secret {
    let password = credentials.password.bytes();
    let mut pair = Secret::default();
    let bytes = pair.bytes_mut();
    bytes.reserve_exact(credentials.user.len() + 1 + password.len());
    bytes.extend_from_slice(&credentials.user);
    bytes.push(b':');
    bytes.extend_from_slice(password);
    Secret::from(STANDARD.encode(pair.bytes()).into_bytes())
}

/// The head of an answer as it comes. The limits are for all heads together, so that interim
/// answers cannot go on for ever.
#[derive(Debug, Default)]
struct Head {
    bytes: Vec<u8>,
    /// Where the present line begins.
    line: usize,
    /// Header lines, and the bytes in them.
    headers: usize,
    header_bytes: usize,
}

impl Head {
    /// Adds a byte; true when it is the last one.
    fn push(&mut self, byte: u8) -> Result<bool, Error> {
        let breach = |breach| Err(Error::Protocol(breach));
        let at = self.bytes.len();
        if BEGINNING.get(at).is_some_and(|expected| *expected != byte) {
            return breach(Breach::NotHttp);
        }
        if self.line > 0 {
            self.header_bytes += 1;
        } else if at == STATUS_LINE_LIMIT {
            return breach(Breach::StatusLine);
        }
        if self.header_bytes > HEADERS_LIMIT {
            return breach(Breach::HeadersLong);
        }
        self.bytes.push(byte);
        if byte != b'\n' {
            return Ok(false);
        }
        let line = self.bytes.get(self.line..).unwrap_or_default();
        if matches!(line, b"\n" | b"\r\n") {
            return Ok(true);
        }
        if self.line > 0 {
            self.headers += 1;
        }
        if self.headers > HEADER_COUNT {
            return breach(Breach::HeadersMany);
        }
        self.line = self.bytes.len();
        Ok(false)
    }

    /// The version's minor number, the status and the reason of a head that is complete; the next
    /// one begins.
    fn take(&mut self) -> Result<(u8, u16, String), Error> {
        let mut headers = [httparse::EMPTY_HEADER; HEADER_COUNT];
        let mut response = httparse::Response::new(&mut headers);
        // No header line matters to us, so that no sloppy one need be the end either.
        let parsed = httparse::ParserConfig::default()
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .ignore_invalid_headers_in_responses(true)
            .parse_response(&mut response, &self.bytes);
        let answer = match (parsed, response.version, response.code) {
            (Ok(httparse::Status::Complete(length)), Some(minor), Some(status))
                if length == self.bytes.len() && status != SWITCHING_PROTOCOLS =>
            {
                let reason = response.reason.unwrap_or_default().to_owned();
                (minor, status, reason)
            }
            _ => return Err(Error::Protocol(Breach::Head)),
        };
        // If there is another head, this one counts as a line of it.
        self.headers += 1;
        self.bytes.clear();
        self.line = 0;
        Ok(answer)
    }
}
