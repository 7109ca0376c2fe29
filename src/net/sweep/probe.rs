//! One socket and one address: is anybody there?

use std::{io, net::SocketAddr, os::fd::AsFd, time::Duration};

use socket2::{SockAddr, SockRef, Socket};

use super::{super::datagram, Attempt, By, Sweep, request};
use crate::{
    os::{self, IcmpError},
    stream::{Io, attempt},
};

/// How often a socket is connected again that was refused. Each refusal may leave a message of ICMP
/// in its error queue, which has room for some hundred.
const USES: u8 = 64;

/// What has become of a probe.
#[derive(Debug)]
pub(super) enum Seen {
    /// Nothing yet.
    Nothing,
    /// There is somebody.
    Open,
    /// It has met itself: on loopback the kernel may pick the target's own port, if nobody has that
    /// (for TCP a simultaneous open, RFC 9293, 3.5).
    Itself,
    /// There is nobody, or no way to anybody; and what ICMP said about that.
    Failed(io::Error, Option<IcmpError>),
}

/// A probe that has begun.
pub(super) enum Begun {
    /// The answer is to be waited for.
    Waiting(Socket),
    /// There is somebody.
    Open(Socket),
    /// It has met itself.
    Itself,
    /// There is nobody, or no way to anybody, or this machine could not even begin.
    Failed(Attempt, Option<IcmpError>),
}

/// Makes the sockets of a loop.
pub(super) struct Prober<'a> {
    how: &'a Sweep<'a>,
    /// Sockets that were refused at once, of IPv4 and of IPv6. Linux connects them again, which is
    /// cheaper than to make others: 65,535 ports of loopback take 0.6 s instead of 0.95 s.
    spares: [Option<(Socket, u8)>; 2],
}

impl<'a> Prober<'a> {
    pub(super) fn new(how: &'a Sweep<'a>) -> Self {
        Self {
            how,
            spares: [None, None],
        }
    }

    /// Sends the first packet, and looks at once: on loopback the answer is there by then.
    pub(super) fn begin(&mut self, to: SocketAddr) -> Begun {
        match self.how.by {
            By::Connection { .. } => self.connect(to),
            By::Datagrams { .. } => self.knock(to),
        }
    }

    /// Looks once more.
    pub(super) fn look(&self, socket: impl AsFd, to: SocketAddr) -> Seen {
        match self.how.by {
            By::Connection { .. } => look_at_connection(&socket, to),
            By::Datagrams { .. } => look_at_datagrams(&socket),
        }
    }

    fn connect(&mut self, to: SocketAddr) -> Begun {
        let address = SockAddr::from(to);
        if let Some((socket, uses)) = self.spare(to).take() {
            match first_step(&socket, &address, to) {
                // Nothing may be left of what came before in what is waited for.
                Seen::Nothing => {}
                seen => return self.begun(socket, uses, to, seen),
            }
        }
        let socket = match self.open(to) {
            Ok(socket) => socket,
            Err(attempt) => return Begun::Failed(attempt, None),
        };
        let seen = first_step(&socket, &address, to);
        self.begun(socket, 0, to, seen)
    }

    fn begun(&mut self, socket: Socket, uses: u8, to: SocketAddr, seen: Seen) -> Begun {
        match seen {
            Seen::Nothing => Begun::Waiting(socket),
            Seen::Open => Begun::Open(socket),
            Seen::Failed(error, icmp) => {
                let refused = error.raw_os_error() == Some(libc::ECONNREFUSED);
                if refused && uses < USES && self.can_connect_again() {
                    *self.spare(to) = Some((socket, uses + 1));
                }
                Begun::Failed(attempt_at(to, None, error), icmp)
            }
            Seen::Itself => Begun::Itself,
        }
    }

    /// A socket that is to be connected, and is bound where that is asked for.
    fn open(&self, to: SocketAddr) -> Result<Socket, Attempt> {
        let failed = |error| attempt_at(to, None, error);
        let socket = self.how.options.caller(to).map_err(failed)?;
        // Without it nobody tells what is prohibited from what is unreachable. MPTCP has it not.
        if !self.how.options.are_mptcp() {
            os::set_icmp_reports(&socket, to.is_ipv6()).map_err(failed)?;
        }
        let family = |source: &&SocketAddr| source.is_ipv4() == to.is_ipv4();
        if let Some(from) = self.how.sources.iter().find(family) {
            let bound = socket
                .set_reuse_address(true)
                .and_then(|()| socket.bind(&(*from).into()));
            bound.map_err(|error| attempt_at(to, Some(*from), error))?;
        }
        Ok(socket)
    }

    fn knock(&mut self, to: SocketAddr) -> Begun {
        let connected = datagram::connect(to, self.how.sources, self.how.options);
        let socket = match connected {
            Ok(socket) => socket,
            Err((from, error)) => return Begun::Failed(attempt_at(to, from, error), None),
        };
        if is_itself(&socket, to) {
            return Begun::Itself;
        }
        let sent = os::set_icmp_reports(&socket, to.is_ipv6()).and_then(|()| send(&socket, to));
        let seen = match sent {
            Ok(()) => look_at_datagrams(&socket),
            Err(e) => failed(&socket, e),
        };
        self.begun(socket, USES, to, seen)
    }

    fn spare(&mut self, to: SocketAddr) -> &mut Option<(Socket, u8)> {
        let [v4, v6] = &mut self.spares;
        if to.is_ipv4() { v4 } else { v6 }
    }

    /// Whether a socket has nothing to lose by being refused.
    fn can_connect_again(&self) -> bool {
        self.how.sources.is_empty() && !self.how.options.are_mptcp()
    }
}

/// Sends a request, once more if need be. What an earlier one met with is told here as well.
pub(super) fn send(socket: impl AsFd, to: SocketAddr) -> io::Result<()> {
    let request = request::to(to.port());
    match attempt(|| os::send_datagram(&socket, request, None, None))? {
        // Nothing was sent, so silence would mean nothing.
        Io::Blocked => Err(io::Error::from_raw_os_error(libc::EAGAIN)),
        _ => Ok(()),
    }
}

fn attempt_at(to: SocketAddr, from: Option<SocketAddr>, error: io::Error) -> Attempt {
    Attempt {
        address: to.into(),
        from,
        error,
    }
}

fn first_step(socket: &Socket, address: &SockAddr, to: SocketAddr) -> Seen {
    match step(socket, address, to) {
        // Whatever loopback answers has come by now, and connect(2) tells it at its next call.
        Seen::Nothing => step(socket, address, to),
        seen => seen,
    }
}

fn look_at_connection(socket: &impl AsFd, to: SocketAddr) -> Seen {
    match step(socket, &to.into(), to) {
        // While the socket was in use, ICMP can only leave a message (tcp_v4_err).
        Seen::Nothing => match os::icmp_error(socket) {
            Ok(Some(icmp)) => Seen::Failed(io::Error::from_raw_os_error(icmp.errno), Some(icmp)),
            _ => Seen::Nothing,
        },
        seen => seen,
    }
}

/// One call of connect(2): the first one begins, the others tell how it went. A socket that was
/// refused is as new after it was told (inet_stream_connect, tcp_disconnect).
fn step(socket: &impl AsFd, address: &SockAddr, to: SocketAddr) -> Seen {
    while let Err(error) = SockRef::from(socket).connect(address) {
        match error.raw_os_error() {
            Some(libc::EINPROGRESS | libc::EALREADY) => return Seen::Nothing,
            Some(libc::EINTR) => {}
            Some(libc::EISCONN) => break,
            // A reset of what was never connected is ECONNREFUSED (tcp_reset): this one came after
            // the handshake.
            Some(libc::ECONNRESET | libc::EPIPE) => return Seen::Open,
            _ => return failed(socket, error),
        }
    }
    if is_itself(socket, to) {
        // Closed with a FIN, it would keep the port from a server for a minute (TIME_WAIT).
        let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
        return Seen::Itself;
    }
    // The server sees a clean end, and no TIME_WAIT stays here. MPTCP has no such option.
    let _ = os::forget_after_close(socket);
    Seen::Open
}

/// Whether anything but a refusal has come, or nothing.
fn look_at_datagrams(socket: &impl AsFd) -> Seen {
    match attempt(|| os::recv_datagram(socket, &mut []).map(|got| got.length)) {
        Ok(Io::Blocked) => Seen::Nothing,
        Ok(_) => Seen::Open,
        Err(e) => failed(socket, e),
    }
}

fn failed(socket: &impl AsFd, error: io::Error) -> Seen {
    let icmp = match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => None,
        _ => os::icmp_error(socket).ok().flatten(),
    };
    // What a packet filter here says of the packet is less than what it answers.
    let error = icmp
        .as_ref()
        .map_or(error, |icmp| io::Error::from_raw_os_error(icmp.errno));
    Seen::Failed(error, icmp)
}

fn is_itself(socket: &impl AsFd, to: SocketAddr) -> bool {
    let local = SockRef::from(socket).local_addr();
    local.is_ok_and(|local| local.as_socket() == Some(to))
}
