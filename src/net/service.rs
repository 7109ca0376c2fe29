//! The name of a port.

use std::net::{Ipv4Addr, SocketAddr};

use dns_lookup::getnameinfo;

/// What services(5) calls a port, for TCP or for UDP: `getnameinfo(3)` with a numeric host, which
/// asks no name service about hosts.
pub(crate) fn service_name(port: u16, datagrams: bool) -> Option<String> {
    let kind = if datagrams { libc::NI_DGRAM } else { 0 };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (_, service) = getnameinfo(&address, libc::NI_NUMERICHOST | kind).ok()?;
    (service != port.to_string()).then_some(service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_without_a_name_has_none() {
        assert_eq!(service_name(1, true), None);
    }
}
