//! Proxies: what is said to them and what they answer, as state machines without input, output or
//! clock. Whoever drives one moves the bytes and keeps the time.

mod credentials;
mod http;
mod socks4;
mod socks5;
#[cfg(test)]
mod tests;

use std::{io, net::IpAddr};

pub(crate) use credentials::Credentials;

use crate::{
    net,
    outcome::{Limit, Setback, Stop},
    plan::ProxyProtocol,
};

/// One side of a conversation that comes before the payload.
pub(crate) trait Handshake {
    /// Takes in what has come, in pieces of any size, and adds to `out` what is to be sent. The
    /// first call, without input, says how the conversation begins. After an error or the end it
    /// is not called again.
    fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<Progress, Error>;
}

/// How far a handshake has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// All of the input was taken, and more has to come.
    More,
    /// It is over.
    Done {
        /// How much of the input belonged to it; what is behind is payload.
        used: usize,
    },
}

/// Whom a proxy is asked to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub host: TargetHost,
    pub port: u16,
}

/// A host as it is told to a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TargetHost {
    /// We know the address.
    Address(IpAddr),
    /// The proxy is to look it up.
    Name(String),
}

/// The client's side of a protocol.
pub(crate) fn client(
    protocol: ProxyProtocol,
    target: &Target,
    credentials: Option<&Credentials>,
) -> Result<Box<dyn Handshake>, Unfit> {
    Ok(match protocol {
        ProxyProtocol::Socks4 => Box::new(socks4::Client::new(target, credentials)?),
        ProxyProtocol::Socks5 => Box::new(socks5::Client::new(target, credentials)?),
        ProxyProtocol::Http => Box::new(http::Client::new(target, credentials)),
    })
}

/// What a protocol has no way to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// SOCKS4 has four bytes for an address.
    Ipv6,
    /// A name, a user or a password of more than 255 bytes.
    Long,
}

/// How a handshake fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// The proxy says no.
    Refused(Refusal),
    /// The proxy wants a user and a password that it knows.
    Credentials {
        /// Whether it was given one.
        given: bool,
    },
    /// The other side does not keep to the protocol.
    Protocol(Breach),
}

/// A proxy's reason, in its own terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A code of a SOCKS4 reply.
    Socks4(u8),
    /// A code of a SOCKS5 reply, RFC 1928, 6.
    Socks5(u8),
    /// It accepts none of the methods that were offered, RFC 1928, 3.
    Methods {
        /// Whether a password was among them.
        password: bool,
    },
    /// A status that is no success, RFC 9110, 15.
    Http {
        /// The 0 or 1 of its HTTP/1.0 or HTTP/1.1.
        minor: u8,
        /// The number.
        status: u16,
        /// The proxy's words.
        reason: String,
    },
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    /// The first byte of a message is not its version.
    Version {
        /// Which protocol has such messages.
        protocol: &'static str,
        /// What stands there.
        found: u8,
    },
    /// An authentication method that was not offered.
    Method(u8),
    /// A kind of address that does not exist, so that the length of the reply is unknown.
    AddressKind(u8),
    /// It does not begin with `HTTP/1.`.
    NotHttp,
    /// The status line is longer than 1,024 bytes.
    StatusLine,
    /// The header lines are longer than 16 KiB.
    HeadersLong,
    /// There are more than 100 header lines.
    HeadersMany,
    /// A head that cannot be read.
    Head,
}

/// Why there is no connection through a proxy.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The proxy was not found or not reached.
    Proxy(net::Error),
    /// The target was to be looked up here, and was not found.
    Target(net::Error),
    /// The proxy cannot be asked for this target, or with these credentials.
    Unfit(Unfit),
    /// The proxy refuses every address of the target; each with its own reason.
    Refused(Vec<(Target, Refusal)>),
    /// The proxy does not know us.
    Credentials {
        /// Whether it was told who we are.
        given: bool,
    },
    /// The proxy does not keep to the protocol.
    Protocol(Breach),
    /// The proxy closed the connection before it had answered.
    Ended,
    /// The connection to the proxy broke.
    Broken(io::Error),
    /// A signal or a time limit came before the answer.
    Stopped(Stop),
}

impl Failure {
    /// What it means for the exit status.
    pub(crate) fn setback(&self) -> Setback {
        match self {
            Self::Proxy(error) | Self::Target(error) => error.setback(),
            Self::Unfit(_) => Setback::Usage,
            Self::Credentials { .. } => Setback::NotTrusted,
            Self::Stopped(stop) => Setback::Stopped(*stop),
            Self::Refused(_) | Self::Protocol(_) | Self::Ended | Self::Broken(_) => Setback::Failed,
        }
    }

    /// Whether another try may end better. `numeric` says that no name is looked up here.
    pub(crate) fn may_pass(&self, numeric: bool) -> bool {
        match self {
            Self::Proxy(error) | Self::Target(error) => error.may_pass(numeric),
            Self::Refused(refused) => refused.iter().any(|(_, why)| why.may_pass()),
            Self::Stopped(Stop::Expired(what)) => what.limit == Limit::Connect,
            Self::Ended | Self::Broken(_) => true,
            Self::Unfit(_) | Self::Credentials { .. } | Self::Protocol(_) | Self::Stopped(_) => {
                false
            }
        }
    }
}

impl Refusal {
    /// Who is to show a password, and what the proxy does not do at all, does not depend on when it
    /// is asked. Everything else may be about the target, and proxies are not exact about that.
    fn may_pass(&self) -> bool {
        !matches!(self, Self::Methods { .. } | Self::Socks5(7 | 8))
    }
}

/// Messages whose length becomes known as they come: what has come of the present one.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    /// Takes bytes from the input until there are as many as `length` asks for, which sees those
    /// that are there. False when the input is used up before.
    fn complete(
        &mut self,
        input: &mut &[u8],
        length: impl Fn(&[u8]) -> Result<usize, Error>,
    ) -> Result<bool, Error> {
        loop {
            let missing = length(&self.0)?.saturating_sub(self.0.len());
            if missing == 0 {
                return Ok(true);
            }
            if input.is_empty() {
                return Ok(false);
            }
            let (now, rest) = input.split_at(missing.min(input.len()));
            self.0.extend_from_slice(now);
            *input = rest;
        }
    }

    /// The message; the next one begins.
    fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}
