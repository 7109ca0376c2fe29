//! Linux: per-call non-blocking input and output, what the peer's kernel has acknowledged, and the
//! state in which the process was started.
#![expect(
    unsafe_code,
    reason = "ioctl, getsockopt, setsockopt, close, sigaction and a constructor; each block says why"
)]

use std::{
    fs, io, mem,
    os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd, RawFd},
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use rustix::{
    fs::{Mode, OFlags},
    io::ReadWriteFlags,
};

use super::exec;

/// Reads from a pipe without waiting and without touching its `O_NONBLOCK`, which everybody who
/// shares the description would see. `preadv2(2)` at offset -1 with `RWF_NOWAIT`.
pub(crate) fn read_nowait(fd: impl AsFd, buf: &mut [u8]) -> io::Result<usize> {
    let mut bufs = [io::IoSliceMut::new(buf)];
    Ok(rustix::io::preadv2(
        fd,
        &mut bufs,
        u64::MAX,
        ReadWriteFlags::NOWAIT,
    )?)
}

/// Writes to a pipe without waiting; see [`read_nowait`].
pub(crate) fn write_nowait(fd: impl AsFd, buf: &[u8]) -> io::Result<usize> {
    let bufs = [io::IoSlice::new(buf)];
    Ok(rustix::io::pwritev2(
        fd,
        &bufs,
        u64::MAX,
        ReadWriteFlags::NOWAIT,
    )?)
}

/// Opens what a descriptor refers to once more: a description of our own, which may be
/// non-blocking. Fails with EACCES where the file belongs to somebody else, and with ENOENT without
/// /proc. After `su` the terminal does, but everybody may open their controlling one, tty(4).
pub(crate) fn reopen_nonblocking(fd: impl AsFd, access: OFlags) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let ours =
        rustix::termios::tcgetsid(&fd).is_ok_and(|sid| rustix::process::getsid(None) == Ok(sid));
    match rustix::fs::open(path, flags, Mode::empty()) {
        Err(_) if ours => Ok(rustix::fs::open("/dev/tty", flags, Mode::empty())?),
        opened => Ok(opened?),
    }
}

/// Whether it is the master of a pseudo-terminal. To open /dev/ptmx again is to get another one,
/// pts(4).
pub(crate) fn is_pty_master(fd: impl AsFd) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|stat| stat.st_rdev == rustix::fs::makedev(5, 2))
}

/// Whether a FIFO has no name: `pipe(2)` made it, and nobody can open its other end.
pub(crate) fn is_anonymous_pipe(fd: impl AsFd) -> bool {
    // PIPEFS_MAGIC in linux/magic.h; a named FIFO carries its file system's own number.
    const PIPEFS: i128 = 0x5049_5045;
    rustix::fs::fstatfs(fd).is_ok_and(|s| s.f_type as i128 == PIPEFS)
}

/// `close(2)` whose result is looked at: NFS and quotas report a failed write only here.
pub(crate) fn close(fd: OwnedFd) -> io::Result<()> {
    // SAFETY: into_raw_fd gives up the ownership, so the number is closed exactly once. Linux
    // releases it even when close fails (close(2), NOTES), EINTR included.
    match unsafe { libc::close(fd.into_raw_fd()) } {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            e if e.kind() == io::ErrorKind::Interrupted => Ok(()),
            e => Err(e),
        },
    }
}

/// Bytes, and the FIN, that the peer's kernel has not acknowledged: `SIOCOUTQ`, tcp(7).
pub(crate) fn unacknowledged(fd: impl AsFd) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: SIOCOUTQ (TIOCOUTQ by another name) writes one int through the pointer.
    let done = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// What TCP knows about the peer's answers: `TCP_INFO`, tcp(7).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answers {
    /// Segments are on their way and unanswered.
    pub in_flight: bool,
    /// A probe of the peer's closed window is unanswered.
    pub probing: bool,
    /// Since the last acknowledgement of any kind.
    pub silence: Duration,
}

/// Asks TCP what it knows about the peer's answers.
pub(crate) fn answers(fd: impl AsFd) -> io::Result<Answers> {
    // SAFETY: tcp_info is plain integers, for which zero is a value; the kernel fills at most
    // `len` bytes of it and older kernels fill less.
    let info = unsafe {
        let mut info: libc::tcp_info = mem::zeroed();
        let mut len = size_of::<libc::tcp_info>() as libc::socklen_t;
        let done = libc::getsockopt(
            fd.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut len,
        );
        if done == -1 {
            return Err(io::Error::last_os_error());
        }
        info
    };
    Ok(Answers {
        in_flight: info.tcpi_unacked > 0,
        probing: info.tcpi_probes > 0,
        silence: Duration::from_millis(info.tcpi_last_ack_recv.into()),
    })
}

/// Sets an option of a socket, setsockopt(2); the value is as the kernel reads it.
pub(crate) fn set_socket_option(
    fd: impl AsFd,
    level: i32,
    name: i32,
    value: &[u8],
) -> io::Result<()> {
    let length = libc::socklen_t::try_from(value.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the kernel reads `length` bytes of `value` and keeps no pointer to them. It follows
    // pointers inside a value (SO_ATTACH_FILTER) only to read, and answers EFAULT if they lead
    // nowhere. It writes through them for the packet filter alone, whose options a plan cannot hold.
    let done = unsafe {
        libc::setsockopt(
            fd.as_fd().as_raw_fd(),
            level,
            name,
            value.as_ptr().cast(),
            length,
        )
    };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Has TCP forget a connection that we close first, as soon as the peer has acknowledged our FIN:
/// `TCP_LINGER2`, tcp(7). No TIME_WAIT is left, and its port can be used again.
///
/// The peer reads our end, and a reset comes behind it: `tcp_rcv_state_process` (Linux 6.18) aborts
/// a connection that nobody holds instead of waiting for the peer's FIN. So it is for connections
/// on which nothing more is expected. A server that answers afterwards gets EPIPE, and one that
/// accepts afterwards has no getpeername(2) (ENOTCONN). With bytes that are unread close(2) is a
/// reset alone, as ever.
pub(crate) fn forget_after_close(socket: impl AsFd) -> io::Result<()> {
    let at_once: libc::c_int = -1;
    let value = at_once.to_ne_bytes();
    set_socket_option(socket, libc::IPPROTO_TCP, libc::TCP_LINGER2, &value)
}

/// Whether whoever started us asked for a signal to be ignored (`nohup`, a shell's `&`).
pub(crate) fn is_ignored(signal: i32) -> bool {
    // SAFETY: sigaction with a null new action only reads; the struct is plain data.
    unsafe {
        let mut old: libc::sigaction = mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut old) == 0
            && old.sa_sigaction == libc::SIG_IGN
    }
}

/// Takes over a descriptor that whoever started us passed in (`LISTEN_FDS`, `fd:N`), if it is open.
/// Those of our own are close-on-exec, and one that was passed in cannot be.
pub(crate) fn adopt_fd(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl only looks; from_raw_fd follows only for a number that is open. Nothing else
    // in this program knows descriptors that it did not open itself.
    unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFD);
        // One that is not open answers -1, in which every bit is set.
        if flags & libc::FD_CLOEXEC != 0 {
            return Err(io::Error::from_raw_os_error(libc::EBADF));
        }
        if libc::fcntl(fd, libc::F_SETFD, flags | libc::FD_CLOEXEC) == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(std::os::fd::FromRawFd::from_raw_fd(fd))
    }
}

/// Whether standard output was closed when the process started. Before `main`, Rust's runtime opens
/// /dev/null in its place, and what is written there would be lost without a word.
pub(crate) fn stdout_was_closed() -> bool {
    STDOUT_CLOSED.load(Ordering::Relaxed) != 0
}

static STDOUT_CLOSED: AtomicU8 = AtomicU8::new(0);

/// Runs before Rust's runtime, which is the last moment at which a closed descriptor shows, and
/// which signals were ignored.
extern "C" fn look_around() {
    exec::remember_signals();
    // SAFETY: fcntl(F_GETFD) has no effects and needs no runtime.
    if unsafe { libc::fcntl(1, libc::F_GETFD) } == -1 {
        STDOUT_CLOSED.store(1, Ordering::Relaxed);
    }
}

// SAFETY: .init_array holds pointers to C functions that the loader calls once before main
// (System V gABI, "Initialization and Termination Functions"); this one takes no arguments.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = look_around;

/// The kernel's release, for the log.
pub(crate) fn kernel() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_| "unknown".into(), |s| s.trim().into())
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read as _,
        net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
        time::Instant,
    };

    use super::*;

    const TIME_WAIT: &str = "06";

    /// The local and the remote port of a socket, which no other one here has both.
    type Ports = (u16, u16);

    /// The state of a socket, as tcp_states.h numbers it; none where there is no such socket.
    fn state((local, remote): Ports) -> Option<String> {
        let ends = [format!(":{local:04X}"), format!(":{remote:04X}")];
        for table in ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"] {
            let text = fs::read_to_string(table).unwrap_or_default();
            for line in text.lines() {
                let fields: Vec<&str> = line.split_whitespace().collect();
                if let [_, local, remote, state, ..] = fields[..]
                    && local.ends_with(&ends[0])
                    && remote.ends_with(&ends[1])
                {
                    return Some(state.to_owned());
                }
            }
        }
        None
    }

    /// Looks until a socket is in this state.
    #[track_caller]
    fn becomes(ports: Ports, expected: Option<&str>) {
        let until = Instant::now() + Duration::from_secs(5);
        while state(ports).as_deref() != expected {
            assert!(Instant::now() < until, "{:?}", state(ports));
            std::thread::yield_now();
        }
    }

    /// Both ends of a connection, and the ports of ours.
    fn connected(to: SocketAddr) -> (TcpStream, TcpStream, Ports) {
        let listener = TcpListener::bind(to).unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (local, remote) = (near.local_addr().unwrap(), near.peer_addr().unwrap());
        let far = listener.accept().unwrap().0;
        (near, far, (local.port(), remote.port()))
    }

    fn loopback() -> [SocketAddr; 2] {
        [
            (Ipv4Addr::LOCALHOST, 0).into(),
            (Ipv6Addr::LOCALHOST, 0).into(),
        ]
    }

    #[test]
    fn a_connection_that_is_closed_first_waits() {
        for address in loopback() {
            let (near, far, ports) = connected(address);
            drop(near);
            drop(far);
            becomes(ports, Some(TIME_WAIT));
        }
    }

    #[test]
    fn a_connection_that_is_to_be_forgotten_leaves_nothing_and_ends_cleanly() {
        for address in loopback() {
            let (near, mut far, ports) = connected(address);
            forget_after_close(&near).unwrap();
            drop(near);
            // Gone before the peer ends, and for good.
            becomes(ports, None);
            for _ in 0..2 {
                assert_eq!(far.read(&mut [0; 1]).unwrap(), 0);
            }
            drop(far);
            assert_eq!(state(ports), None);
        }
    }
}
