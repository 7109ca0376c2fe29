//! Giving a connected socket to another process: SCM_RIGHTS, unix(7).

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    fs::FileType,
    net::{AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg, sockopt},
};

use super::{Error, Phase, socket_file, wait};
use crate::{
    event::{Deadline, Reactor, Source, Want},
    os,
};

/// What the socket is sent along with, as at least one byte has to be: what OpenSSH looks for
/// (`mm_receive_fd`).
const BYTE: [u8; 1] = [0];

/// The process that is to get the socket, at the other end of standard output.
pub(crate) struct FdReceiver(Source);

impl FdReceiver {
    /// Standard output, if it is a Unix socket.
    pub(crate) fn on_stdout(reactor: &Reactor) -> Result<Self, Error> {
        let stdout = rustix::stdio::stdout();
        if os::stdout_was_closed() {
            return Err(Error::NoFdReceiver("closed"));
        }
        if rustix::termios::isatty(stdout) {
            return Err(Error::NoFdReceiver("a terminal"));
        }
        let stat = rustix::fs::fstat(stdout).map_err(io::Error::from)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Socket => {}
            FileType::Fifo => return Err(Error::NoFdReceiver("a pipe")),
            other => return Err(Error::NoFdReceiver(socket_file::name(other))),
        }
        match sockopt::socket_domain(stdout).map_err(io::Error::from)? {
            AddressFamily::UNIX => {}
            _ => return Err(Error::NoFdReceiver("a socket of another kind")),
        }
        // Standard output itself stays as it is: the shell has it too.
        let ours = rustix::io::fcntl_dupfd_cloexec(stdout, 3).map_err(io::Error::from)?;
        Ok(Self(reactor.adopt(ours)?))
    }

    /// Passes the socket. Sending waits only while the receiver's queue is full.
    pub(crate) fn pass(
        &self,
        reactor: &mut Reactor,
        socket: &OwnedFd,
        deadline: Deadline,
    ) -> Result<(), Error> {
        loop {
            match self.send(socket) {
                Ok(()) => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Error::PassFd(e)),
            }
            self.0.arm(Want {
                read: false,
                write: true,
            })?;
            wait(reactor, None, deadline)?.map_err(Error::stopped(Phase::PassFd))?;
        }
    }

    fn send(&self, socket: &OwnedFd) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [socket.as_fd()];
        // There is room for exactly this one.
        control.push(SendAncillaryMessage::ScmRights(&fds));
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        sendmsg(&self.0, &[IoSlice::new(&BYTE)], &mut control, flags)?;
        Ok(())
    }
}
