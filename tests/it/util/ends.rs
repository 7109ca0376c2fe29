//! Things to connect a program's descriptors to.

use std::{
    fs::File,
    io::{PipeReader, PipeWriter, Write},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::Mode,
    pipe::fcntl_setpipe_size,
    pty::OpenptFlags,
};

use tempfile::TempDir;

use super::{Collector, DEADLINE, In, Running, Tool};

/// An anonymous pipe.
pub fn pipe() -> (PipeReader, PipeWriter) {
    std::io::pipe().expect("a pipe")
}

/// An anonymous pipe that holds no more than `size` bytes (a page at least).
pub fn pipe_of_size(size: usize) -> (PipeReader, PipeWriter) {
    let (rx, tx) = pipe();
    fcntl_setpipe_size(&tx, size).expect("F_SETPIPE_SZ");
    (rx, tx)
}

/// Closes the end of a pipe or a socket that is read, and sees to it that it was the last one: a child that is just being
/// started may hold a copy until it gets as far as its program.
pub fn close_reader(reader: impl Into<OwnedFd>, writer: &impl AsFd) {
    drop(reader.into());
    let deadline = Timespec::try_from(DEADLINE).expect("a short time");
    let mut writer = [PollFd::new(writer, PollFlags::empty())];
    let gone = poll(&mut writer, Some(&deadline)).expect("poll");
    assert_eq!(gone, 1, "somebody else reads as well");
}

/// A named pipe in `dir`.
pub fn fifo(dir: &Path) -> PathBuf {
    let path = dir.join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RUSR | Mode::WUSR).expect("a FIFO");
    path
}

/// A terminal: the side of the person in front of it, and the side for the program.
pub struct Terminal {
    master: File,
    slave: OwnedFd,
    pub screen: Collector,
}

impl Terminal {
    pub fn new() -> Self {
        let (master, slave) = bare_terminal();
        let screen = Collector::keeping(master.try_clone().expect("dup"));
        Self {
            master: File::from(master),
            slave,
            screen,
        }
    }

    /// The descriptor for the program.
    pub fn side(&self) -> OwnedFd {
        self.slave.try_clone().expect("dup")
    }

    /// Types `text`, as a person would; `\x04` is the end of input.
    pub fn type_in(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).expect("typing");
    }

    /// How the terminal is set at the moment, to be compared.
    pub fn settings(&self) -> String {
        format!(
            "{:?}",
            rustix::termios::tcgetattr(&self.slave).expect("tcgetattr")
        )
    }
}

/// The two sides of a terminal, the person's first.
pub fn bare_terminal() -> (OwnedFd, OwnedFd) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags).expect("/dev/ptmx");
    rustix::pty::unlockpt(&master).expect("unlockpt");
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).expect("TIOCGPTPEER");
    (master, slave)
}

/// A file system of a given size that nobody else sees; it is gone when this is dropped.
pub struct SmallDisk {
    holder: Running,
    dir: TempDir,
}

impl SmallDisk {
    /// `size` as tmpfs takes it (`64k`). Needs root.
    pub fn new(size: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let script = format!(
            "mount -t tmpfs -o size={size} none '{}' && echo mounted && read wait",
            dir.path().display()
        );
        let holder = Tool::program("unshare", &["-m", "sh", "-c", &script])
            .stdin(In::Pipe)
            .start();
        holder.stdout().wait_for_text("mounted");
        Self { holder, dir }
    }

    /// Where a file of this name is, as seen from outside.
    pub fn file(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.pid()));
        let dir = self
            .dir
            .path()
            .strip_prefix("/")
            .unwrap_or_else(|_| self.dir.path());
        root.join(dir).join(name)
    }
}
