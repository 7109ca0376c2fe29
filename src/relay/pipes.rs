//! Kernel pipes for bytes that nobody looks at.
//!
//! They are scarce: an unprivileged user gets about 64 of 1 MiB and then only 8 KiB ones (pipe(7),
//! `pipe-user-pages-soft`). So one is lent to a direction only while bytes are inside, and given back
//! when it is empty.

use std::{
    cell::{Cell, RefCell},
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    rc::Rc,
};

use rustix::pipe::{
    PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice,
};

/// What one pipe holds. A page may carry more than it seems: segments that the network card or
/// loopback joined take one place each.
const CAPACITY: usize = 1 << 20;

/// A smaller pipe is worse than a buffer.
const SMALLEST: usize = 64 << 10;

/// So many requests are turned down after the kernel has turned down one.
const PAUSE: u32 = 1024;

/// Empty pipes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pipes(Rc<Pool>);

#[derive(Debug, Default)]
struct Pool {
    free: RefCell<Vec<Pipe>>,
    pause: Cell<u32>,
}

#[derive(Debug)]
struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

impl Pipes {
    /// An empty pipe, unless the kernel has none to give.
    pub(super) fn lend(&self) -> Option<Lease> {
        let free = self.0.free.borrow_mut().pop();
        let pipe = free.or_else(|| self.open())?;
        Some(Lease {
            pipe,
            held: 0,
            pipes: self.clone(),
        })
    }

    fn open(&self) -> Option<Pipe> {
        if let Some(left) = self.0.pause.get().checked_sub(1) {
            self.0.pause.set(left);
            return None;
        }
        match open() {
            Ok(pipe) => Some(pipe),
            Err(e) => {
                log::debug!("no kernel pipe: {e}");
                self.0.pause.set(PAUSE);
                None
            }
        }
    }
}

fn open() -> io::Result<Pipe> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    let capacity = fcntl_setpipe_size(&write, CAPACITY).or_else(|_| fcntl_getpipe_size(&write))?;
    if capacity < SMALLEST {
        return Err(io::Error::other("only a small one is left"));
    }
    log::debug!("a kernel pipe of {capacity} bytes");
    Ok(Pipe { read, write })
}

/// A pipe in use.
#[derive(Debug)]
pub(super) struct Lease {
    pipe: Pipe,
    held: usize,
    pipes: Pipes,
}

impl Lease {
    /// Bytes inside.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Moves bytes in, without waiting for any. An error is the source's: this pipe has none.
    pub(super) fn fill(&mut self, from: BorrowedFd<'_>) -> io::Result<usize> {
        let n = move_bytes(from, self.pipe.write.as_fd(), CAPACITY)?;
        self.held += n;
        Ok(n)
    }

    /// Moves bytes out, without waiting for room. An error is the sink's.
    pub(super) fn drain(&mut self, to: BorrowedFd<'_>) -> io::Result<usize> {
        let n = move_bytes(self.pipe.read.as_fd(), to, self.held)?;
        self.held = self.held.saturating_sub(n);
        Ok(n)
    }

    /// Takes bytes out into memory; there are some.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = rustix::io::read(&self.pipe.read, buf)?;
        self.held = self.held.saturating_sub(n);
        Ok(n)
    }

    /// Gives it back, to be lent again if nothing is left in it.
    pub(super) fn give_back(self) {
        if self.held == 0 {
            self.pipes.0.free.borrow_mut().push(self.pipe);
        }
    }
}

fn move_bytes(from: BorrowedFd<'_>, to: BorrowedFd<'_>, len: usize) -> io::Result<usize> {
    let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
    loop {
        match splice(from, None, to, None, len, flags) {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}
