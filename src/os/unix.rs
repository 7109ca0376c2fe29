//! What Linux knows about a Unix socket's peer, unix(7).
#![expect(unsafe_code, reason = "ioctl and getsockopt; each block says why")]

use std::{
    io, mem,
    os::fd::{AsFd, AsRawFd},
};

/// `SIOCATMARK`, asm-generic/sockios.h.
const SIOCATMARK: libc::Ioctl = 0x8905;

/// Whether the next thing to be read is an out-of-band byte. ENOTTY before Linux 5.15.
pub(crate) fn is_at_mark(socket: impl AsFd) -> io::Result<bool> {
    let mut answer: libc::c_int = 0;
    // SAFETY: SIOCATMARK writes one int through the pointer.
    let done = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), SIOCATMARK, &raw mut answer) };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(answer != 0)
}

/// Who is at the other end, as of its connect(2) or listen(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// None where the process lives in another pid namespace.
    pub process: Option<i32>,
    pub user: u32,
    pub group: u32,
}

/// `SO_PEERCRED`. rustix has it too, but with a process number that must not be 0.
pub(crate) fn peer_credentials(socket: impl AsFd) -> io::Result<Credentials> {
    // SAFETY: ucred is plain integers, for which zero is a value; the kernel fills at most `len`
    // bytes of it.
    let found = unsafe {
        let mut found: libc::ucred = mem::zeroed();
        let mut len = size_of::<libc::ucred>() as libc::socklen_t;
        let done = libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut found).cast(),
            &raw mut len,
        );
        if done == -1 {
            return Err(io::Error::last_os_error());
        }
        found
    };
    Ok(Credentials {
        process: (found.pid != 0).then_some(found.pid),
        user: found.uid,
        group: found.gid,
    })
}
