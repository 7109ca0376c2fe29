//! Connecting: all addresses in a race, after RFC 8305 ("Happy Eyeballs").

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use socket2::SockRef;

use super::{Attempt, Error, Options, Phase, wait};
use crate::{
    event::{Deadline, Reactor, Source, Want},
    outcome::Stop,
};

/// How often an attempt that has met itself is made again. What the kernel picks at random is seldom
/// the target's own port, but always if there is no other one.
const REPEATS: u8 = 3;

/// RFC 8305, section 8: the delay between attempts.
pub(super) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Whom to connect to, and from where.
#[derive(Clone, Debug)]
pub(crate) struct Dial<'a> {
    /// In the resolver's order.
    pub addresses: &'a [SocketAddr],
    /// Local addresses to bind, at most one a family is used; empty leaves the choice to the kernel.
    pub sources: &'a [SocketAddr],
    /// What each socket is set to; an address whose socket does not take them is not used.
    pub options: &'a Options,
}

/// A connected socket.
#[derive(Debug)]
pub(crate) struct Connection {
    pub socket: OwnedFd,
    pub local: SocketAddr,
    pub peer: SocketAddr,
    /// The addresses that failed before.
    pub failed: Vec<Attempt>,
    /// It was connected, and by now it is reset; what came before can still be read.
    pub reset: Option<io::Error>,
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
    let mut repeats = REPEATS;
    let mut next = Instant::now();
    loop {
        let now = Instant::now();
        if trying.is_empty() || now >= next {
            match waiting.pop_front() {
                Some(address) => match start(reactor, address, dial) {
                    Ok(source) => {
                        next = now + ATTEMPT_DELAY;
                        trying.push(Trying { address, source });
                    }
                    Err(attempt) => {
                        failed.push(attempt);
                        // It took no time; its successor need not wait.
                        next = now;
                        continue;
                    }
                },
                None if trying.is_empty() => return Err(Error::Connect(failed)),
                None => {}
            }
        }
        let before = trying.len();
        let mut itself = Vec::new();
        if let Some(winner) = first_connected(&mut trying, &mut failed, &mut itself) {
            return connection(winner, failed);
        }
        for address in itself {
            match repeats.checked_sub(1) {
                Some(left) => {
                    repeats = left;
                    waiting.push_front(address);
                }
                None => failed.push(Attempt {
                    address: address.into(),
                    from: None,
                    error: io::Error::from_raw_os_error(libc::ECONNREFUSED),
                }),
            }
        }
        if trying.len() < before {
            // One has failed: its successor's time is now.
            next = now;
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
pub(super) fn interleave(addresses: &[SocketAddr]) -> VecDeque<SocketAddr> {
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

fn start(reactor: &Reactor, to: SocketAddr, dial: &Dial<'_>) -> Result<Source, Attempt> {
    let attempt = |error| Attempt {
        address: to.into(),
        from: None,
        error,
    };
    let socket = dial.options.caller(to).map_err(attempt)?;
    if !dial.sources.is_empty() {
        let family = |source: &&SocketAddr| source.is_ipv4() == to.is_ipv4();
        let Some(from) = dial.sources.iter().find(family) else {
            return Err(attempt(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)));
        };
        let bound = socket
            .set_reuse_address(true)
            .and_then(|()| socket.bind(&(*from).into()));
        bound.map_err(|error| Attempt {
            address: to.into(),
            from: Some(*from),
            error,
        })?;
    }
    loop {
        match socket
            .connect(&to.into())
            .map_err(|e| (e.raw_os_error(), e))
        {
            Ok(()) | Err((Some(libc::EINPROGRESS | libc::EALREADY | libc::EISCONN), _)) => break,
            Err((Some(libc::EINTR), _)) => {}
            Err((_, e)) => return Err(attempt(e)),
        }
    }
    log::debug!("connecting to {to}");
    reactor.adopt(socket.into()).map_err(attempt)
}

fn first_connected(
    trying: &mut Vec<Trying>,
    failed: &mut Vec<Attempt>,
    itself: &mut Vec<SocketAddr>,
) -> Option<(Trying, Option<io::Error>)> {
    let mut at = 0;
    while let Some(one) = trying.get(at) {
        match state(&one.source) {
            State::Trying => at += 1,
            State::Connected(reset) => return Some((trying.swap_remove(at), reset)),
            State::Itself => {
                let one = trying.remove(at);
                // Closed with a FIN, it would keep the port from a server for a minute (TIME_WAIT).
                let _ = SockRef::from(&one.source).set_linger(Some(Duration::ZERO));
                itself.push(one.address);
            }
            State::Failed(error) => {
                let address = trying.remove(at).address;
                failed.push(Attempt {
                    address: address.into(),
                    from: None,
                    error,
                });
            }
        }
    }
    None
}

enum State {
    Trying,
    /// With the error that has ended it since.
    Connected(Option<io::Error>),
    /// On loopback a connect can meet itself: the kernel gave it the target's own port (simultaneous
    /// open, RFC 9293, 3.5). Nobody listens there.
    Itself,
    Failed(io::Error),
}

/// How far an attempt has come.
fn state(source: &Source) -> State {
    let socket = SockRef::from(source);
    match socket.peer_addr() {
        Ok(peer)
            if socket
                .local_addr()
                .is_ok_and(|local| local.as_socket() == peer.as_socket()) =>
        {
            State::Itself
        }
        Ok(_) => State::Connected(None),
        Err(_) => match socket.take_error() {
            Ok(None) => State::Trying,
            // A reset of what was never connected is ECONNREFUSED (tcp_reset, Linux 6.18). This one
            // came after the handshake, and reading the error has taken it from the socket.
            Ok(Some(e)) if is_reset(&e) => State::Connected(Some(e)),
            Ok(Some(e)) | Err(e) => State::Failed(e),
        },
    }
}

fn is_reset(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::ECONNRESET | libc::EPIPE))
}

fn connection(
    (winner, reset): (Trying, Option<io::Error>),
    failed: Vec<Attempt>,
) -> Result<Connection, Error> {
    let local = SockRef::from(&winner.source).local_addr()?;
    let local = local.as_socket().unwrap_or(winner.address);
    let Some(socket) = winner.source.release() else {
        return Err(Error::System(io::Error::from_raw_os_error(libc::EBADF)));
    };
    log::debug!("connected to {}", winner.address);
    Ok(Connection {
        socket,
        local,
        peer: winner.address,
        failed,
        reset,
    })
}

fn stopped(stop: Stop, trying: Vec<Trying>, mut attempts: Vec<Attempt>) -> Error {
    attempts.extend(trying.into_iter().map(|one| Attempt {
        address: one.address.into(),
        from: None,
        error: io::Error::new(io::ErrorKind::TimedOut, "no answer"),
    }));
    Error::Stopped {
        stop,
        phase: Phase::Connect,
        attempts,
    }
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
