//! The least that has to be done: what a transfer costs if a program makes only the system calls
//! that move the bytes, in loops that know in advance what both ends are.
//!
//! | way | calls |
//! |---|---|
//! | file → socket | sendfile(2) |
//! | pipe → socket, socket → pipe | the pipe raised to 1 MiB, splice(2) |
//! | socket → file, socket → /dev/null | splice(2) into a pipe of 1 MiB, and out of it |
//!
//! Descriptors are blocking, so there is no call but these. An end is passed on, and nothing is
//! checked: whether everything has arrived, and who is at the other end. It is no limit of what can be
//! reached: the receiver is woken by the first byte that comes (oxnc waits for many where many are to
//! be expected), and how the four processes share two processors is luck as well.

use std::{
    io,
    net::{Shutdown, TcpListener, TcpStream},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
};

use rustix::{
    fs::{FileType, fstat, sendfile},
    pipe::{SpliceFlags, fcntl_setpipe_size, splice},
};

use crate::common::Result;

const CHUNK: usize = 1 << 20;

/// Standard input to the socket at `to`: a port of 127.0.0.1, or a path.
pub(crate) fn send(to: &str) -> Result<()> {
    let input = rustix::stdio::stdin();
    match to.parse::<u16>() {
        Ok(port) => {
            let socket = TcpStream::connect(("127.0.0.1", port))?;
            upload(input, socket.as_fd())?;
            socket.shutdown(Shutdown::Write)?;
        }
        Err(_) => {
            let socket = UnixStream::connect(to)?;
            upload(input, socket.as_fd())?;
            socket.shutdown(Shutdown::Write)?;
        }
    }
    Ok(())
}

/// One client at `at` to standard output; the count is told at the end.
pub(crate) fn receive(at: &str) -> Result<()> {
    let output = rustix::stdio::stdout();
    let socket: OwnedFd = match at.parse::<u16>() {
        Ok(port) => TcpListener::bind(("127.0.0.1", port))?.accept()?.0.into(),
        Err(_) => UnixListener::bind(at)?.accept()?.0.into(),
    };
    let count = if kind(output)? == FileType::Fifo {
        fcntl_setpipe_size(output, CHUNK)?;
        splice_all(socket.as_fd(), output)?
    } else {
        through_a_pipe(socket.as_fd(), output)?
    };
    eprintln!("received {count} bytes");
    Ok(())
}

fn upload(input: BorrowedFd<'_>, socket: BorrowedFd<'_>) -> Result<()> {
    if kind(input)? == FileType::Fifo {
        fcntl_setpipe_size(input, CHUNK)?;
        splice_all(input, socket)?;
        return Ok(());
    }
    while sendfile(socket, input, None, 1 << 30)? > 0 {}
    Ok(())
}

fn splice_all(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<u64> {
    let mut count = 0;
    loop {
        match splice(from, None, to, None, CHUNK, SpliceFlags::MOVE)? {
            0 => return Ok(count),
            n => count += n as u64,
        }
    }
}

fn through_a_pipe(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<u64> {
    let (read, write) = io::pipe()?;
    fcntl_setpipe_size(&write, CHUNK)?;
    let mut count = 0;
    loop {
        let held = splice(from, None, &write, None, CHUNK, SpliceFlags::MOVE)?;
        if held == 0 {
            return Ok(count);
        }
        count += held as u64;
        let mut left = held;
        while left > 0 {
            left -= splice(&read, None, to, None, left, SpliceFlags::MOVE)?;
        }
    }
}

fn kind(fd: BorrowedFd<'_>) -> Result<FileType> {
    Ok(FileType::from_raw_mode(fstat(fd)?.st_mode))
}
