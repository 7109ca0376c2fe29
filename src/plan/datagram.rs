//! Conversations in datagrams.

use std::{net::IpAddr, time::Duration};

use thiserror::Error;

use super::{Connect, Listen, UnixAddress};

/// What IPv4 can carry in one datagram, and therefore the most that one read of stdin is cut into.
pub const LARGEST_DATAGRAM: usize = 65_507;

/// A conversation in datagrams.
#[derive(Clone, Debug, PartialEq)]
pub struct Datagrams {
    /// Who speaks first.
    pub role: Role,
    /// The most that one datagram takes of stdin (`--datagram-size`); none is all that fits.
    pub size: Option<usize>,
    /// How many datagrams are received before the run is done (`-W`).
    pub recv_limit: Option<u64>,
    /// After our input's end, the run is done once nothing has come for so long; none is never.
    pub quiet: Option<Duration>,
}

/// Who speaks first.
#[derive(Clone, Debug, PartialEq)]
pub enum Role {
    /// We do.
    Caller(Connect),
    /// We do, to a Unix socket.
    UnixCaller {
        /// Its name.
        target: UnixAddress,
        /// Our own name; none leaves the choice to the kernel.
        own: Option<UnixAddress>,
    },
    /// A peer does.
    Receiver {
        /// Where it finds us.
        listen: Listen,
        /// Everybody is a peer, not only the first one (`-k`).
        everyone: bool,
        /// The groups that are received too (`--join`).
        groups: Vec<Group>,
    },
}

/// A multicast group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its address.
    pub address: IpAddr,
    /// The interface on which it is received; none leaves that to the kernel.
    pub interface: Option<String>,
}

impl Group {
    /// Reads `GROUP` or `GROUP%INTERFACE`.
    pub fn parse(word: &str) -> Result<Self, GroupError> {
        let (address, interface) = match word.split_once('%') {
            Some((_, "")) => return Err(GroupError::Interface),
            Some((address, interface)) => (address, Some(interface)),
            None => (word, None),
        };
        let inner = address
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(address);
        let address: IpAddr = inner.parse().map_err(|_| GroupError::Address)?;
        if !address.is_multicast() {
            return Err(GroupError::Unicast);
        }
        Ok(Self {
            address,
            interface: interface.map(str::to_owned),
        })
    }
}

/// What is wrong with a word that should be a group; each reads on after the word itself.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum GroupError {
    /// No numeric address.
    #[error("is not the address of a group, as in 239.1.2.3 or ff02::1%eth0")]
    Address,
    /// An address, but of one host.
    #[error("is not a multicast address (224.0.0.0/4, ff00::/8)")]
    Unicast,
    /// Nothing behind the percent sign.
    #[error("has no interface behind the '%'")]
    Interface,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_multicast_addresses_with_or_without_an_interface() {
        let group = |address: &str, interface: Option<&str>| {
            Ok(Group {
                address: address.parse().unwrap(),
                interface: interface.map(str::to_owned),
            })
        };
        let table = [
            ("239.1.2.3", group("239.1.2.3", None)),
            ("224.0.0.251%eth0", group("224.0.0.251", Some("eth0"))),
            ("ff02::1", group("ff02::1", None)),
            ("ff02::1%eth0", group("ff02::1", Some("eth0"))),
            ("[ff02::1]%eth0", group("ff02::1", Some("eth0"))),
            ("[ff02::1%eth0]", Err(GroupError::Address)),
            ("127.0.0.1", Err(GroupError::Unicast)),
            ("::1", Err(GroupError::Unicast)),
            ("", Err(GroupError::Address)),
            ("239.1.2", Err(GroupError::Address)),
            ("all-hosts", Err(GroupError::Address)),
            ("239.1.2.3%", Err(GroupError::Interface)),
        ];
        for (word, expected) in table {
            assert_eq!(Group::parse(word), expected, "{word}");
        }
    }
}
