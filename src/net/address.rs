//! Where a socket is.

use std::{
    ffi::OsStr,
    io,
    net::SocketAddr,
    os::{fd::AsFd, unix::ffi::OsStrExt as _},
};

use rustix::net::{SocketAddrAny, SocketAddrUnix, getsockname};
use socket2::SockAddr;

use crate::plan::UnixAddress;

/// The address of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// IPv4 or IPv6.
    Inet(SocketAddr),
    /// A Unix socket's.
    Unix(UnixAddress),
}

impl Address {
    /// The port, where there is such a thing.
    pub(crate) fn port(&self) -> Option<u16> {
        match self {
            Self::Inet(address) => Some(address.port()),
            Self::Unix(_) => None,
        }
    }

    /// A socket's own address, if it has one and of a family that we know.
    pub(super) fn of(socket: impl AsFd) -> io::Result<Option<Self>> {
        Ok(Self::read(getsockname(socket)?))
    }

    /// The address of a correspondent; a Unix socket may have none.
    pub(crate) fn of_sender(address: &SockAddr) -> Option<Self> {
        if let Some(address) = address.as_socket() {
            return Some(Self::Inet(address));
        }
        let path = || Some(UnixAddress::Path(address.as_pathname()?.into()));
        let name = address.as_abstract_namespace();
        let name = name.map(|name| UnixAddress::Abstract(name.to_owned()));
        name.or_else(path).map(Self::Unix)
    }

    /// What the system told, in our terms.
    pub(super) fn read(address: SocketAddrAny) -> Option<Self> {
        if let Ok(address) = SocketAddr::try_from(address.clone()) {
            return Some(Self::Inet(address));
        }
        let address = SocketAddrUnix::try_from(address).ok()?;
        if let Some(name) = address.abstract_name() {
            return Some(Self::Unix(UnixAddress::Abstract(name.to_owned())));
        }
        // getsockname(2) adds a NUL even where there is no room for it, unix(7).
        let path = address.path_bytes()?;
        let path = OsStr::from_bytes(path.strip_suffix(b"\0").unwrap_or(path));
        Some(Self::Unix(UnixAddress::Path(path.into())))
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(address)
    }
}

impl From<&Self> for Address {
    fn from(address: &Self) -> Self {
        address.clone()
    }
}
