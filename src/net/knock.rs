//! Is anybody there who takes datagrams? Somebody who is there need not answer, and only that nobody
//! is there is told (ICMP).

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use socket2::SockRef;

use super::{Attempt, Dial, Error, Phase, datagram::connect, wait};
use crate::{
    event::{Deadline, Reactor, Source, Want},
    os,
    stream::{Io, attempt},
};

/// What is sent, as `nc` does. An empty datagram would be taken for the end by many a receiver, of
/// `nc` as well.
const KNOCK: &[u8] = b"X";

/// How long the next one is waited with: any of them may be lost, and so may its answer.
const AGAIN: Duration = Duration::from_secs(1);

/// How often another port of our own is tried, if it is the target's own.
const TRIES: u8 = 4;

/// Sends datagrams to one address after the other, until there is one that does not say that nobody
/// is there: that address, and those that do. No answer for the time of `silence` is none.
pub(crate) fn knock(
    reactor: &mut Reactor,
    dial: &Dial<'_>,
    silence: Duration,
    deadline: Deadline,
) -> Result<(SocketAddr, Vec<Attempt>), Error> {
    let mut failed = Vec::new();
    for to in dial.addresses {
        let (from, error) = match open(reactor, *to, dial) {
            Ok(socket) => match listen_for(reactor, &socket, silence, deadline)? {
                Ok(()) => return Ok((*to, failed)),
                Err(error) => (None, error),
            },
            Err(failure) => failure,
        };
        failed.push(Attempt {
            address: (*to).into(),
            from,
            error,
        });
    }
    Err(Error::Connect(failed))
}

/// A socket whose peer is somebody else: on loopback the kernel may pick the target's own port for
/// it, if nobody has that.
fn open(
    reactor: &Reactor,
    to: SocketAddr,
    dial: &Dial<'_>,
) -> Result<Source, (Option<SocketAddr>, io::Error)> {
    for _ in 0..TRIES {
        let socket = connect(to, dial.sources, dial.options)?;
        let local = socket.local_addr().map_err(|e| (None, e))?;
        if local.as_socket() != Some(to) {
            return reactor.adopt(socket.into()).map_err(|e| (None, e));
        }
    }
    Err((None, io::Error::from_raw_os_error(libc::ECONNREFUSED)))
}

/// Whether anything but a refusal comes, or nothing.
fn listen_for(
    reactor: &mut Reactor,
    socket: &Source,
    silence: Duration,
    deadline: Deadline,
) -> Result<io::Result<()>, Error> {
    let mut next = Instant::now();
    // A time that the clock cannot hold never comes.
    let end = next.checked_add(silence);
    loop {
        let now = Instant::now();
        match attempt(|| os::recv_datagram(socket, &mut []).map(|got| got.length)) {
            Ok(Io::Blocked) => {}
            Ok(_) => return Ok(Ok(())),
            Err(e) => return Ok(Err(e)),
        }
        if end.is_some_and(|end| now >= end) {
            return Ok(Ok(()));
        }
        if now >= next {
            // A refusal of the datagram before this one is told here.
            match attempt(|| os::send_datagram(socket, KNOCK, None, None)) {
                Ok(_) => {}
                Err(e) => return Ok(Err(e)),
            }
            next = now + AGAIN;
            // What this machine says about itself it has said by now.
            if let Some(e) = SockRef::from(socket).take_error()? {
                return Ok(Err(e));
            }
        }
        socket.arm(Want {
            read: true,
            write: false,
        })?;
        let until = end.map_or(next, |end| end.min(next));
        wait(reactor, Some(until), deadline)?.map_err(Error::stopped(Phase::Connect))?;
    }
}
