//! SOCKS4, and 4a where the proxy looks the name up: the two memos that everybody implements.
//! One request, one reply of eight bytes.

use std::net::IpAddr;

use super::{
    Breach, Credentials, Error, Handshake, Message, Progress, Refusal, Target, TargetHost, Unfit,
};

const VERSION: u8 = 4;
const CONNECT: u8 = 1;
/// The version of a reply, and what it grants the request with.
const REPLY: u8 = 0;
const GRANTED: u8 = 90;
const REPLY_LENGTH: usize = 8;

/// Names and users end with a zero byte, so that this is our own limit, SOCKS5's.
const LONGEST: usize = 255;

/// The client's side.
pub(super) struct Client {
    request: Option<Vec<u8>>,
    reply: Message,
}

impl Client {
    pub(super) fn new(target: &Target, credentials: Option<&Credentials>) -> Result<Self, Unfit> {
        let (address, name) = match &target.host {
            // 0.0.0.x announces a name, so these addresses can only be told as names.
            TargetHost::Address(IpAddr::V4(v4)) => match v4.octets() {
                [0, 0, 0, last] if last > 0 => ([0, 0, 0, 1], Some(v4.to_string())),
                octets => (octets, None),
            },
            TargetHost::Address(IpAddr::V6(_)) => return Err(Unfit::Ipv6),
            TargetHost::Name(name) => ([0, 0, 0, 1], Some(name.clone())),
        };
        let user = credentials.map_or(&[][..], |known| &known.user);
        let texts = [Some(user), name.as_deref().map(str::as_bytes)];
        let mut request = vec![VERSION, CONNECT];
        request.extend(target.port.to_be_bytes());
        request.extend(address);
        for text in texts.into_iter().flatten() {
            if text.len() > LONGEST {
                return Err(Unfit::Long);
            }
            request.extend_from_slice(text);
            request.push(0);
        }
        Ok(Self {
            request: Some(request),
            reply: Message::default(),
        })
    }
}

impl Handshake for Client {
    fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Progress, Error> {
        out.extend(self.request.take().unwrap_or_default());
        let mut rest = input;
        Ok(if self.reply.complete(&mut rest, length)? {
            Progress::Done {
                used: input.len() - rest.len(),
            }
        } else {
            Progress::More
        })
    }
}

/// How long a reply is that begins like this. A refusal is believed as soon as it is one: some
/// proxies close the connection behind it.
fn length(reply: &[u8]) -> Result<usize, Error> {
    match reply {
        [] => Ok(1),
        [REPLY] => Ok(2),
        [REPLY, GRANTED, ..] => Ok(REPLY_LENGTH),
        [REPLY, code, ..] => Err(Error::Refused(Refusal::Socks4(*code))),
        [found, ..] => Err(Error::Protocol(Breach::Version {
            protocol: "SOCKS4",
            found: *found,
        })),
    }
}
