//! Sockets whose data comes in pieces, each with a sender of its own.

use std::{io, net::IpAddr};

use socket2::{SockAddr, SockRef, Socket, Type};

use super::{Io, Want, attempt};
use crate::{
    event::Source,
    os::{self, Local},
};

/// What one IPv4 packet can carry: 65,535 bytes less its header and UDP's.
pub(crate) const LARGEST_V4: usize = 65_507;

/// What one IPv6 packet can carry: there the header does not count.
pub(crate) const LARGEST_V6: usize = 65_527;

/// One more than any UDP datagram has, so that a full buffer is never a doubt.
const ROOM: usize = 65_536;

/// More than any Unix socket can send by default settings; nobody makes us hold more.
const MOST_ROOM: usize = 16 << 20;

/// Datagrams taken from one socket before another one has its turn.
const BURST: u32 = 64;

/// A correspondent: who sends to us, and how we answer.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    /// Its address.
    pub address: SockAddr,
    /// Which of our sockets it sends to, by number.
    pub socket: usize,
    /// Which of our addresses it sends to, where that is not the socket's own.
    pub local: Option<Local>,
}

impl Flow {
    /// It is a Unix socket that was not bound: nobody can answer it, or tell it from another one.
    pub(crate) fn is_nameless(&self) -> bool {
        let family = size_of::<libc::sa_family_t>();
        usize::try_from(self.address.len()).is_ok_and(|length| length <= family)
    }
}

/// What an attempt to receive came to.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// A datagram, perhaps an empty one; it fills the buffer's first bytes.
    Whole {
        /// How many.
        length: usize,
        /// Who sent it.
        from: Flow,
    },
    /// A datagram that was longer than any buffer of ours; the rest of it is lost.
    Cut {
        /// Its length.
        length: usize,
    },
    /// A datagram of somebody who is not our peer. It is dropped.
    Foreign,
    /// Nothing is there.
    Blocked,
}

/// Where datagrams come from and go to. No call waits.
pub(crate) trait Datagrams {
    /// Takes one datagram in. The buffer grows to what is needed.
    fn recv(&mut self, buf: &mut Vec<u8>) -> io::Result<Arrival>;

    /// Sends one datagram, to the one peer or to a correspondent. ENOBUFS: there is no room, and no
    /// event tells when there is.
    fn send(&mut self, buf: &[u8], to: Option<&Flow>) -> io::Result<Io>;

    /// Makes a correspondent the one peer.
    fn lock(&mut self, to: &Flow) -> io::Result<()>;

    /// The largest datagram that can be sent.
    fn largest(&self) -> usize;

    /// Bytes that have not left the machine.
    fn unsent(&self) -> io::Result<usize>;

    /// Fails with the error that has come since the last call, if one has.
    fn check(&self) -> io::Result<()>;

    /// The address that has taken the place of one where nobody was, since the last call.
    fn turned_to(&mut self) -> Option<SockAddr> {
        None
    }

    /// Asks the event loop for a wake-up.
    fn arm(&mut self, want: Want) -> io::Result<()>;
}

/// Datagram sockets of this machine: one that is connected, or several that are bound.
pub(crate) struct DatagramSockets {
    sockets: Vec<Source>,
    /// Whose turn it is, and how many datagrams it has given.
    turn: usize,
    given: u32,
    peer: Peer,
    unix: bool,
    /// The kernel must not know the peer: a connected socket gets nothing that goes to a group, and
    /// one that a supervisor has passed in is to stay as it is.
    unconnected: bool,
    /// Connected to the target's other addresses, until the target has shown where it is.
    spare: Vec<(Source, SockAddr)>,
    turned_to: Option<SockAddr>,
}

/// How many correspondents there are.
enum Peer {
    /// Everybody.
    Any,
    /// One, and the kernel has known it from the start.
    Connected,
    /// One, and what others had sent before the kernel knew it may still be there.
    Locked(Flow),
    /// One, whom only we know.
    Known(Flow),
}

impl DatagramSockets {
    /// One socket that is connected. Should nobody be at its peer, a spare one takes its place.
    pub(crate) fn connected(socket: Source, spare: Vec<(Source, SockAddr)>) -> Self {
        Self {
            spare,
            ..Self::new(vec![socket], Peer::Connected)
        }
    }

    /// Sockets that are bound, and that must not be connected where they are `unconnected`.
    pub(crate) fn bound(sockets: Vec<Source>, unconnected: bool) -> Self {
        Self {
            unconnected,
            ..Self::new(sockets, Peer::Any)
        }
    }

    fn new(sockets: Vec<Source>, peer: Peer) -> Self {
        let is_unix = |socket: &Source| {
            SockRef::from(socket)
                .local_addr()
                .is_ok_and(|a| a.is_unix())
        };
        Self {
            unix: sockets.iter().any(is_unix),
            sockets,
            turn: 0,
            given: 0,
            peer,
            unconnected: false,
            spare: Vec::new(),
            turned_to: None,
        }
    }

    fn socket(&self, number: usize) -> io::Result<&Source> {
        self.sockets
            .get(number)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::EBADF))
    }

    fn recv_at(&self, number: usize, buf: &mut Vec<u8>) -> io::Result<Arrival> {
        let socket = self.socket(number)?;
        if buf.is_empty() {
            buf.resize(ROOM, 0);
        }
        if self.unix {
            let next = os::next_length(socket)?;
            if next > buf.len() && next <= MOST_ROOM {
                buf.resize(next, 0);
            }
        }
        let mut received = None;
        let moved = attempt(|| {
            received = Some(os::recv_datagram(socket, buf)?);
            Ok(0)
        })?;
        let Some(received) = received.filter(|_| moved != Io::Blocked) else {
            return Ok(Arrival::Blocked);
        };
        let length = received.length;
        if let Peer::Known(peer) | Peer::Locked(peer) = &self.peer
            && peer.address != received.from
        {
            return Ok(Arrival::Foreign);
        }
        if length > buf.len() {
            return Ok(Arrival::Cut { length });
        }
        let from = Flow {
            address: received.from,
            socket: number,
            local: received.to,
        };
        Ok(Arrival::Whole { length, from })
    }

    fn pass_turn(&mut self) {
        self.given = 0;
        self.turn = (self.turn + 1) % self.sockets.len().max(1);
    }

    /// Sends to the next address instead, if nobody is at this one and another one is left. What a
    /// machine says about itself it says at once; other answers come too late for that.
    fn try_elsewhere(&mut self, buf: &[u8]) -> io::Result<Io> {
        let mut sent = self.send_to_peer(buf);
        while !self.spare.is_empty() {
            match sent.and_then(|io| self.check().map(|()| io)) {
                Err(e) if is_refusal(&e) => {}
                other => {
                    sent = other;
                    break;
                }
            }
            let (socket, address) = self.spare.remove(0);
            self.sockets = vec![socket];
            self.turned_to = Some(address);
            sent = self.send_to_peer(buf);
        }
        self.spare.clear();
        sent
    }

    fn send_to_peer(&self, buf: &[u8]) -> io::Result<Io> {
        match &self.peer {
            Peer::Known(flow) => self.send_to(buf, flow),
            Peer::Any | Peer::Connected | Peer::Locked(_) => {
                let socket = self.socket(0)?;
                attempt(|| os::send_datagram(socket, buf, None, None))
            }
        }
    }

    fn send_to(&self, buf: &[u8], flow: &Flow) -> io::Result<Io> {
        let socket = self.socket(flow.socket)?;
        let sent = attempt(|| os::send_datagram(socket, buf, Some(&flow.address), flow.local));
        // The peer's queue is full, about which nothing is reported to a socket without a peer.
        if self.unix && matches!(sent, Ok(Io::Blocked)) {
            return Err(io::Error::from_raw_os_error(libc::ENOBUFS));
        }
        sent
    }
}

impl Datagrams for DatagramSockets {
    fn recv(&mut self, buf: &mut Vec<u8>) -> io::Result<Arrival> {
        if self.given >= BURST {
            self.pass_turn();
        }
        for _ in 0..self.sockets.len() {
            match self.recv_at(self.turn, buf)? {
                Arrival::Blocked => self.pass_turn(),
                arrival => {
                    self.given += 1;
                    self.spare.clear();
                    return Ok(arrival);
                }
            }
        }
        Ok(Arrival::Blocked)
    }

    fn send(&mut self, buf: &[u8], to: Option<&Flow>) -> io::Result<Io> {
        match to {
            Some(flow) => self.send_to(buf, flow),
            None if self.spare.is_empty() => self.send_to_peer(buf),
            None => self.try_elsewhere(buf),
        }
    }

    fn lock(&mut self, to: &Flow) -> io::Result<()> {
        if to.socket < self.sockets.len() {
            let socket = self.sockets.swap_remove(to.socket);
            self.sockets = vec![socket];
        }
        self.turn = 0;
        let flow = Flow {
            socket: 0,
            ..to.clone()
        };
        // A connected socket moves to the address that its route begins at. It must stay where the
        // peer sends to.
        let moves = to
            .local
            .is_some_and(|local| route_source(&to.address) != Some(address(local)));
        if self.unconnected || moves || to.is_nameless() {
            log::debug!("not connected to the first sender: {:?}", to.local);
            self.peer = Peer::Known(flow);
            return Ok(());
        }
        self.peer = match SockRef::from(self.socket(0)?).connect(&to.address) {
            Ok(()) => Peer::Locked(flow),
            // A Unix socket may have gone already. What it has sent is worth as much.
            Err(e) => {
                log::debug!("not connected to the first sender: {e}");
                Peer::Known(flow)
            }
        };
        Ok(())
    }

    fn largest(&self) -> usize {
        let v6 = |socket: &Source| {
            let address = SockRef::from(socket).local_addr();
            let address = address.ok().and_then(|a| a.as_socket_ipv6());
            address.is_some_and(|a| a.ip().to_ipv4_mapped().is_none())
        };
        if self.sockets.iter().all(v6) {
            LARGEST_V6
        } else {
            LARGEST_V4
        }
    }

    fn unsent(&self) -> io::Result<usize> {
        // What a Unix socket has sent is in its peer's queue at once, but counts until it is read.
        if self.unix {
            return Ok(0);
        }
        self.sockets.iter().try_fold(0_usize, |sum, socket| {
            Ok(sum.saturating_add(os::unacknowledged(socket)?))
        })
    }

    fn check(&self) -> io::Result<()> {
        for socket in &self.sockets {
            if let Some(e) = SockRef::from(socket).take_error()? {
                return Err(e);
            }
        }
        Ok(())
    }

    fn turned_to(&mut self) -> Option<SockAddr> {
        self.turned_to.take()
    }

    fn arm(&mut self, want: Want) -> io::Result<()> {
        self.sockets.iter().try_for_each(|socket| socket.arm(want))
    }
}

/// Whether the kernel says that nobody is there.
pub(crate) fn is_refusal(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::ConnectionRefused
}

/// The address that the kernel would choose for what goes there.
fn route_source(to: &SockAddr) -> Option<IpAddr> {
    let probe = Socket::new(to.domain(), Type::DGRAM.cloexec(), None).ok()?;
    probe.connect(to).ok()?;
    Some(probe.local_addr().ok()?.as_socket()?.ip())
}

fn address(local: Local) -> IpAddr {
    match local {
        Local::V4(address) => address.into(),
        Local::V6(address, _) => address.into(),
    }
}
