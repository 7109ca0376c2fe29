//! SOCKS5: RFC 1928, with the user and the password of RFC 1929.

use std::net::IpAddr;

use super::{
    Breach, Credentials, Error, Handshake, Message, Progress, Refusal, Target, TargetHost, Unfit,
};

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;
/// RFC 1929 counts for itself.
const PASSWORD_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;
const SUCCEEDED: u8 = 0;

/// The client's side.
pub(super) struct Client {
    state: State,
    message: Message,
    /// The message of RFC 1929, if a password can be given.
    login: Option<super::Secret>,
    request: Vec<u8>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing was said yet.
    Start,
    /// Which method it is to be.
    Method,
    /// Whether the password is the right one.
    Verdict,
    /// Whether there is a connection.
    Reply,
    Done,
}

impl Client {
    pub(super) fn new(target: &Target, credentials: Option<&Credentials>) -> Result<Self, Unfit> {
        Ok(Self {
            state: State::Start,
            message: Message::default(),
            login: credentials.map(login).transpose()?,
            request: request(target)?,
        })
    }

    /// Takes one message, if it is there; true when the state is another one.
    fn step(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Result<bool, Error> {
        let password = self.login.is_some();
        let next = match self.state {
            State::Start => {
                out.extend_from_slice(if password {
                    &[VERSION, 2, NO_AUTHENTICATION, PASSWORD]
                } else {
                    &[VERSION, 1, NO_AUTHENTICATION]
                });
                State::Method
            }
            State::Method => {
                if !self.message.complete(input, |m| method(m, password))? {
                    return Ok(false);
                }
                match (self.message.take().as_slice(), self.login.take()) {
                    ([_, PASSWORD], Some(login)) => {
                        out.extend_from_slice(login.bytes());
                        State::Verdict
                    }
                    _ => self.ask(out),
                }
            }
            State::Verdict => {
                if !self.message.complete(input, verdict)? {
                    return Ok(false);
                }
                self.message.take();
                self.ask(out)
            }
            State::Reply => {
                if !self.message.complete(input, reply)? {
                    return Ok(false);
                }
                State::Done
            }
            State::Done => return Ok(false),
        };
        self.state = next;
        Ok(true)
    }

    fn ask(&mut self, out: &mut Vec<u8>) -> State {
        out.append(&mut self.request);
        State::Reply
    }
}

impl Handshake for Client {
    fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Progress, Error> {
        let mut rest = input;
        while self.step(&mut rest, out)? {}
        Ok(match self.state {
            State::Done => Progress::Done {
                used: input.len() - rest.len(),
            },
            _ => Progress::More,
        })
    }
}

fn login(credentials: &Credentials) -> Result<super::Secret, Unfit> {
    let mut login = super::Secret::default();
    let bytes = login.bytes_mut();
    bytes.reserve_exact(3 + 2 * usize::from(u8::MAX));
    bytes.push(PASSWORD_VERSION);
    for text in [&credentials.user[..], credentials.password.bytes()] {
        counted(bytes, text)?;
    }
    Ok(login)
}

fn request(target: &Target) -> Result<Vec<u8>, Unfit> {
    let mut request = vec![VERSION, CONNECT, 0];
    match &target.host {
        TargetHost::Address(IpAddr::V4(v4)) => {
            request.push(IPV4);
            request.extend(v4.octets());
        }
        TargetHost::Address(IpAddr::V6(v6)) => {
            request.push(IPV6);
            request.extend(v6.octets());
        }
        TargetHost::Name(name) => {
            request.push(NAME);
            counted(&mut request, name.as_bytes())?;
        }
    }
    request.extend(target.port.to_be_bytes());
    Ok(request)
}

/// Adds a text behind the number of its bytes.
fn counted(message: &mut Vec<u8>, text: &[u8]) -> Result<(), Unfit> {
    message.push(u8::try_from(text.len()).map_err(|_| Unfit::Long)?);
    message.extend_from_slice(text);
    Ok(())
}

/// How long the answer to the methods is that begins like this.
fn method(message: &[u8], password: bool) -> Result<usize, Error> {
    match message {
        [] => Ok(1),
        [VERSION] => Ok(2),
        [VERSION, NO_AUTHENTICATION, ..] => Ok(2),
        [VERSION, PASSWORD, ..] if password => Ok(2),
        [VERSION, NO_METHOD, ..] => Err(Error::Refused(Refusal::Methods { password })),
        [VERSION, other, ..] => Err(Error::Protocol(Breach::Method(*other))),
        [found, ..] => Err(version(*found)),
    }
}

/// How long the answer to the password is that begins like this.
fn verdict(message: &[u8]) -> Result<usize, Error> {
    match message {
        [] => Ok(1),
        [PASSWORD_VERSION] => Ok(2),
        [PASSWORD_VERSION, SUCCEEDED, ..] => Ok(2),
        [PASSWORD_VERSION, _, ..] => Err(Error::Credentials { given: true }),
        [found, ..] => Err(version(*found)),
    }
}

/// How long a reply is that begins like this. A refusal is believed as soon as it is one: some
/// proxies close the connection behind it.
fn reply(message: &[u8]) -> Result<usize, Error> {
    match message {
        [] => Ok(1),
        [VERSION] => Ok(2),
        [VERSION, SUCCEEDED] | [VERSION, SUCCEEDED, _] => Ok(4),
        [VERSION, SUCCEEDED, _, IPV4, ..] => Ok(4 + 4 + 2),
        [VERSION, SUCCEEDED, _, IPV6, ..] => Ok(4 + 16 + 2),
        [VERSION, SUCCEEDED, _, NAME] => Ok(5),
        [VERSION, SUCCEEDED, _, NAME, length, ..] => Ok(5 + usize::from(*length) + 2),
        [VERSION, SUCCEEDED, _, kind, ..] => Err(Error::Protocol(Breach::AddressKind(*kind))),
        [VERSION, code, ..] => Err(Error::Refused(Refusal::Socks5(*code))),
        [found, ..] => Err(version(*found)),
    }
}

fn version(found: u8) -> Error {
    Error::Protocol(Breach::Version {
        protocol: "SOCKS5",
        found,
    })
}
