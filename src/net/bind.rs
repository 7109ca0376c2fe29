//! Sockets on several addresses that have one port.

use std::{io, net::SocketAddr};

use socket2::Socket;

use super::Error;

/// How often another port is tried when the one that the kernel gave for the first address is taken
/// on another one.
const PORT_TRIES: usize = 32;

/// Binds a socket on every address. An address of a family that this machine does not have is left
/// out as long as another one remains; any other failure is one of the whole.
pub(super) fn bind_each(
    addresses: &[SocketAddr],
    bind: impl Fn(SocketAddr) -> io::Result<Socket>,
) -> Result<Vec<Socket>, Error> {
    let any_port = addresses.first().is_some_and(|a| a.port() == 0);
    let mut tries = 1;
    loop {
        match bind_once(addresses, &bind) {
            Err(Error::Listen { error, .. })
                if any_port && tries < PORT_TRIES && error.kind() == io::ErrorKind::AddrInUse =>
            {
                tries += 1;
            }
            bound => return bound,
        }
    }
}

fn bind_once(
    addresses: &[SocketAddr],
    bind: impl Fn(SocketAddr) -> io::Result<Socket>,
) -> Result<Vec<Socket>, Error> {
    let mut sockets: Vec<Socket> = Vec::new();
    let mut missing = None;
    let mut port = None;
    for address in addresses {
        let mut address = *address;
        if let Some(port) = port {
            address.set_port(port);
        }
        match bind(address) {
            Ok(socket) => {
                port = socket.local_addr()?.as_socket().map(|a| a.port());
                sockets.push(socket);
            }
            Err(error) if is_missing_family(&error, address) => missing = Some((address, error)),
            Err(error) => return Err(Error::listen(address, error)),
        }
    }
    match missing {
        Some((address, error)) if sockets.is_empty() => Err(Error::listen(address, error)),
        _ => Ok(sockets),
    }
}

/// A machine whose IPv6 is switched off says EADDRNOTAVAIL even of `::` and `::1`.
pub(super) fn is_missing_family(e: &io::Error, address: SocketAddr) -> bool {
    match e.raw_os_error() {
        Some(libc::EAFNOSUPPORT) => true,
        Some(libc::EADDRNOTAVAIL) => {
            address.is_ipv6() && (address.ip().is_unspecified() || address.ip().is_loopback())
        }
        _ => false,
    }
}
