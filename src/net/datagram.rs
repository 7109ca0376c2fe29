//! UDP sockets: one that is connected, or one for each local address.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use rustix::net::netdevice::name_to_index;
use socket2::{Domain, InterfaceIndexOrAddress, Socket, Type};

use super::{Address, Attempt, Error, Options, SocketFile, bind::bind_each};
use crate::{
    event::{Reactor, Source},
    os,
    plan::Group,
    stream::DatagramSockets,
};

/// A conversation that we begin.
pub(crate) struct Called {
    pub sockets: DatagramSockets,
    pub local: Address,
    pub peer: Address,
    /// The addresses that cannot be reached.
    pub failed: Vec<Attempt>,
    /// Our own name, if it is a file.
    pub file: Option<SocketFile>,
}

/// Sockets that wait for datagrams.
pub(crate) struct Bound {
    pub sockets: DatagramSockets,
    pub addresses: Vec<Address>,
    /// The name of a Unix socket, if it is a file.
    pub file: Option<SocketFile>,
}

/// Connects to the first address to which there is a route; the others are kept as spares. Nothing
/// is sent.
pub(crate) fn call(
    reactor: &Reactor,
    addresses: &[SocketAddr],
    sources: &[SocketAddr],
    options: &Options,
) -> Result<Called, Error> {
    let mut failed = Vec::new();
    let mut connected = Vec::new();
    for to in addresses {
        match connect(*to, sources, options) {
            Ok(socket) => connected.push((socket, *to)),
            Err((from, error)) => failed.push(Attempt {
                address: (*to).into(),
                from,
                error,
            }),
        }
    }
    let mut connected = connected.into_iter();
    let Some((socket, peer)) = connected.next() else {
        return Err(Error::Connect(failed));
    };
    let local = socket.local_addr()?.as_socket().unwrap_or(peer);
    let socket = reactor.adopt(socket.into())?;
    let spare = connected
        .map(|(socket, address)| Ok((reactor.adopt(socket.into())?, address.into())))
        .collect::<io::Result<_>>()?;
    Ok(Called {
        sockets: DatagramSockets::connected(socket, spare),
        local: local.into(),
        peer: peer.into(),
        failed,
        file: None,
    })
}

/// Binds every address, on one port, and joins the groups.
pub(crate) fn receive(
    reactor: &Reactor,
    addresses: &[SocketAddr],
    groups: &[Group],
    options: &Options,
    mapped: bool,
) -> Result<Bound, Error> {
    let bind = |address| bind(address, !groups.is_empty(), options, mapped);
    let sockets = bind_each(addresses, bind)?;
    for group in groups {
        join(&sockets, group).map_err(|error| Error::Join {
            group: group.clone(),
            error,
        })?;
    }
    adopt(reactor, sockets, !groups.is_empty())
}

/// The sockets that a supervisor passed in: `count` of them from descriptor 3 on. They stay as they
/// are, since the supervisor may use them later.
pub(crate) fn receive_inherited(reactor: &Reactor, count: usize) -> Result<Bound, Error> {
    let mut sockets = Vec::new();
    for number in (3..).take(count) {
        let fd = os::adopt_fd(number).map_err(|_| Error::Inherited {
            number,
            open: false,
        })?;
        let socket = Socket::from(fd);
        let datagrams = socket.r#type().is_ok_and(|t| t == Type::DGRAM);
        match Address::of(&socket)? {
            _ if !datagrams => return Err(Error::NotDatagrams(number)),
            None => return Err(Error::NotDatagrams(number)),
            Some(Address::Inet(address)) if address.ip().is_unspecified() => {
                os::report_destinations(&socket, address.is_ipv6())?;
            }
            Some(_) => {}
        }
        sockets.push(socket);
    }
    adopt(reactor, sockets, true)
}

type BindFailure = (Option<SocketAddr>, io::Error);

/// A socket that is connected, and bound where that is asked for; or the local address that could
/// not be bound, and why.
pub(super) fn connect(
    to: SocketAddr,
    sources: &[SocketAddr],
    options: &Options,
) -> Result<Socket, BindFailure> {
    let failed = |error| (None, error);
    let socket = options.datagram_caller(to).map_err(failed)?;
    if !sources.is_empty() {
        let family = |source: &&SocketAddr| source.is_ipv4() == to.is_ipv4();
        let Some(from) = sources.iter().find(family) else {
            return Err(failed(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)));
        };
        let bound = socket.bind(&(*from).into());
        bound.map_err(|error| (Some(*from), error))?;
    }
    match socket.connect(&to.into()) {
        // ip(7): that of a broadcast address, and of nothing else but a packet filter.
        Err(e) if e.raw_os_error() == Some(libc::EACCES) => Err(failed(io::Error::other(format!(
            "{}; a broadcast address needs '-b'",
            io::ErrorKind::PermissionDenied
        )))),
        connected => connected.map(|()| socket).map_err(failed),
    }
}

fn bind(
    address: SocketAddr,
    for_groups: bool,
    options: &Options,
    mapped: bool,
) -> io::Result<Socket> {
    let socket = options.datagram_receiver(address)?;
    if address.is_ipv6() {
        // Each family has a socket of its own, unless one is to serve both.
        socket.set_only_v6(!mapped)?;
    }
    // Without groups no SO_REUSEADDR: with UDP it lets two of us bind one port, and one gets nothing.
    if for_groups {
        // The members of a group on one machine share the port, and each gets everything.
        socket.set_reuse_address(true)?;
        if address.is_ipv4() {
            // Only what goes to our own groups, not to those of others: ip(7).
            socket.set_multicast_all_v4(false)?;
        } else {
            socket.set_multicast_all_v6(false)?;
        }
    }
    if address.ip().is_unspecified() {
        // Answers have to come from the address that was asked.
        os::report_destinations(&socket, address.is_ipv6())?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

fn join(sockets: &[Socket], group: &Group) -> io::Result<()> {
    let of_its_family = |socket: &&Socket| {
        let domain = socket.domain();
        domain.is_ok_and(|d| (d == Domain::IPV4) == group.address.is_ipv4())
    };
    let Some(socket) = sockets.iter().find(of_its_family) else {
        return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT));
    };
    let interface = match &group.interface {
        Some(name) => name_to_index(socket, name)?,
        None => 0,
    };
    match group.address {
        IpAddr::V4(group) => {
            socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(interface))
        }
        IpAddr::V6(group) => socket.join_multicast_v6(&group, interface),
    }
}

fn adopt(reactor: &Reactor, sockets: Vec<Socket>, unconnected: bool) -> Result<Bound, Error> {
    let mut addresses = Vec::new();
    let mut sources: Vec<Source> = Vec::new();
    for socket in sockets {
        addresses.extend(Address::of(&socket)?);
        sources.push(reactor.adopt(socket.into())?);
    }
    Ok(Bound {
        sockets: DatagramSockets::bound(sources, unconnected),
        addresses,
        file: None,
    })
}
