//! Connecting: all addresses in a race, after RFC 8305 ("Happy Eyeballs").

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::{Attempt, Error, wait};
use crate::{
    event::{Deadline, Reactor, Source, Want},
    outcome::Stop,
};

/// RFC 8305, section 8: the delay between attempts.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Whom to connect to, and from where.
#[derive(Clone, Debug)]
pub(crate) struct Dial<'a> {
    /// In the resolver's order.
    pub addresses: &'a [SocketAddr],
    /// Local addresses to bind, at most one a family is used; empty leaves the choice to the kernel.
    pub sources: &'a [SocketAddr],
}

/// A connected socket.
#[derive(Debug)]
pub(crate) struct Connection {
    pub socket: OwnedFd,
    pub local: SocketAddr,
    pub peer: SocketAddr,
    /// The addresses that failed before.
    pub failed: Vec<Attempt>,
}

/// Connects to the first address that answers. The next one is tried when one has failed, or 250 ms
/// after the last try; those that are under way go on.
pub(crate) fn dial(
    reactor: &mut Reactor,
    dial: &Dial<'_>,
    deadline: Deadline,
) -> Result<Connection, Error> {
    let mut waiting = interleave(dial.addresses);
    let mut trying: Vec<Trying> = Vec::new();
    let mut failed = Vec::new();
    let mut next = Instant::now();
    loop {
        let now = Instant::now();
        if trying.is_empty() || now >= next {
            match waiting.pop_front() {
                Some(address) => {
                    next = now + ATTEMPT_DELAY;
                    match start(reactor, address, dial.sources) {
                        Ok(source) => trying.push(Trying { address, source }),
                        Err(attempt) => failed.push(attempt),
                    }
                }
                None if trying.is_empty() => return Err(Error::Connect(failed)),
                None => {}
            }
        }
        let before = trying.len();
        if let Some(winner) = first_connected(&mut trying, &mut failed) {
            return connection(winner, failed);
        }
        if trying.len() < before || (trying.is_empty() && !waiting.is_empty()) {
            // One has failed: its successor's time is now.
            next = now;
            continue;
        }
        if trying.is_empty() {
            continue;
        }
        for one in &trying {
            one.source.arm(Want {
                read: false,
                write: true,
            })?;
        }
        let until = (!waiting.is_empty()).then_some(next);
        if let Err(stop) = wait(reactor, until, deadline)? {
            return Err(stopped(stop, trying, failed));
        }
    }
}

struct Trying {
    address: SocketAddr,
    source: Source,
}

/// RFC 8305, section 4: the families take turns, the resolver's first one begins.
fn interleave(addresses: &[SocketAddr]) -> VecDeque<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut a, mut b): (VecDeque<_>, VecDeque<_>) = addresses
        .iter()
        .copied()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let mut order = VecDeque::with_capacity(addresses.len());
    while !a.is_empty() || !b.is_empty() {
        order.extend(a.pop_front());
        order.extend(b.pop_front());
    }
    order
}

fn start(reactor: &Reactor, to: SocketAddr, sources: &[SocketAddr]) -> Result<Source, Attempt> {
    let attempt = |error| Attempt {
        address: to,
        from: None,
        error,
    };
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket =
        Socket::new(Domain::for_address(to), kind, Some(Protocol::TCP)).map_err(attempt)?;
    if !sources.is_empty() {
        let family = |source: &&SocketAddr| source.is_ipv4() == to.is_ipv4();
        let Some(from) = sources.iter().find(family) else {
            return Err(attempt(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)));
        };
        let bound = socket
            .set_reuse_address(true)
            .and_then(|()| socket.bind(&(*from).into()));
        bound.map_err(|error| Attempt {
            address: to,
            from: Some(*from),
            error,
        })?;
    }
    match socket.connect(&to.into()) {
        Err(e) if e.raw_os_error() != Some(libc::EINPROGRESS) => return Err(attempt(e)),
        _ => {}
    }
    log::debug!("connecting to {to}");
    reactor.adopt(socket.into()).map_err(attempt)
}

fn first_connected(trying: &mut Vec<Trying>, failed: &mut Vec<Attempt>) -> Option<Trying> {
    let mut at = 0;
    while let Some(one) = trying.get(at) {
        match state(&one.source) {
            Ok(false) => at += 1,
            Ok(true) => return Some(trying.swap_remove(at)),
            Err(error) => {
                let one = trying.remove(at);
                failed.push(Attempt {
                    address: one.address,
                    from: None,
                    error,
                });
            }
        }
    }
    None
}

/// Whether the socket is connected by now.
fn state(source: &Source) -> io::Result<bool> {
    let socket = SockRef::from(source);
    if let Some(e) = socket.take_error()? {
        return Err(e);
    }
    match socket.peer_addr() {
        // On loopback a connect can meet itself: the kernel gave it the target's own port
        // (simultaneous open, RFC 9293, 3.5). Nobody listens there.
        Ok(peer) if socket.local_addr()?.as_socket() == peer.as_socket() => {
            Err(io::Error::from_raw_os_error(libc::ECONNREFUSED))
        }
        Ok(_) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(e) => Err(e),
    }
}

fn connection(winner: Trying, failed: Vec<Attempt>) -> Result<Connection, Error> {
    let local = SockRef::from(&winner.source).local_addr()?;
    let local = local.as_socket().unwrap_or(winner.address);
    let Some(socket) = winner.source.release() else {
        return Err(Error::System(io::Error::from_raw_os_error(libc::EBADF)));
    };
    log::debug!("connected {:?} to {}", socket.as_fd(), winner.address);
    Ok(Connection {
        socket,
        local,
        peer: winner.address,
        failed,
    })
}

fn stopped(stop: Stop, trying: Vec<Trying>, mut attempts: Vec<Attempt>) -> Error {
    attempts.extend(trying.into_iter().map(|one| Attempt {
        address: one.address,
        from: None,
        error: io::Error::new(io::ErrorKind::TimedOut, "no answer"),
    }));
    Error::Stopped { stop, attempts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_the_resolvers_first_begins() {
        let parse = |list: &[&str]| -> Vec<SocketAddr> {
            list.iter().map(|a| a.parse().unwrap()).collect()
        };
        let answer = parse(&[
            "[::1]:1",
            "[::2]:1",
            "[::3]:1",
            "127.0.0.1:1",
            "127.0.0.2:1",
        ]);
        let order = parse(&[
            "[::1]:1",
            "127.0.0.1:1",
            "[::2]:1",
            "127.0.0.2:1",
            "[::3]:1",
        ]);
        assert_eq!(Vec::from(interleave(&answer)), order);
        let only = parse(&["127.0.0.2:1", "127.0.0.1:1"]);
        assert_eq!(Vec::from(interleave(&only)), only);
    }
}
