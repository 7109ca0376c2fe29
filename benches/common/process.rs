//! Child processes: bounded waits, what they cost, and nothing left behind.

use std::{
    fs::File,
    io::{Read, Seek},
    os::{fd::OwnedFd, unix::process::ExitStatusExt},
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};

use super::Result;

/// What a process that has exited says about itself.
#[derive(Clone, Debug)]
pub(crate) struct Exit {
    pub at: Instant,
    pub status: ExitStatus,
    /// User and system time.
    pub cpu: Duration,
    /// Bytes passed to write(2) and its kin, if the kernel tells.
    pub written: Option<u64>,
}

/// A child. Dropped while it runs, it is killed.
pub(crate) struct Process {
    what: String,
    child: Child,
    pidfd: OwnedFd,
    exit: Option<Exit>,
    stderr: File,
}

impl Process {
    /// Starts a program; `what` is its name in messages.
    pub(crate) fn start(what: &str, mut command: Command) -> Result<Self> {
        let stderr = tempfile::tempfile()?;
        command.stderr(stderr.try_clone()?);
        let child = command.spawn().map_err(|e| format!("{what}: {e}"))?;
        let pid = Pid::from_child(&child);
        Ok(Self {
            what: what.into(),
            child,
            pidfd: pidfd_open(pid, PidfdFlags::empty())?,
            exit: None,
            stderr,
        })
    }

    /// Whether it exits within `time`.
    pub(crate) fn exits_within(&mut self, time: Duration) -> Result<bool> {
        if self.exit.is_none() {
            self.exit = wait_for(&[&self.pidfd], time)?
                .then(|| reap(&self.child))
                .transpose()?;
        }
        Ok(self.exit.is_some())
    }

    /// How it went. An error if it runs still, or says that something went wrong.
    pub(crate) fn success(&self) -> Result<&Exit> {
        self.ended_with(0)
    }

    /// The same, where this status says that all is well.
    pub(crate) fn ended_with(&self, code: i32) -> Result<&Exit> {
        let Some(exit) = &self.exit else {
            return Err(format!("{} did not finish in time", self.what).into());
        };
        if exit.status.code() == Some(code) {
            return Ok(exit);
        }
        let said = self.said()?;
        let line = said.lines().last().unwrap_or_default();
        Err(format!("{}: {} {line}", self.what, exit.status).into())
    }

    /// What it wrote to its standard error.
    pub(crate) fn said(&self) -> Result<String> {
        let mut text = String::new();
        let mut file = &self.stderr;
        file.rewind()?;
        file.read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.exit.is_none() {
            // It fails only for a process that is gone.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Waits until all of them have exited, or until the deadline: `Process::success` tells.
pub(crate) fn wait_all(processes: &mut [&mut Process], deadline: Instant) -> Result<()> {
    loop {
        for process in processes.iter_mut() {
            process.exits_within(Duration::ZERO)?;
            // Once one has failed, the others may wait for ever.
            if process.exit.as_ref().is_some_and(|e| !e.status.success()) {
                return Ok(());
            }
        }
        let running: Vec<&OwnedFd> = processes
            .iter()
            .filter(|process| process.exit.is_none())
            .map(|process| &process.pidfd)
            .collect();
        let left = deadline.saturating_duration_since(Instant::now());
        if running.is_empty() || !wait_for(&running, left)? {
            return Ok(());
        }
    }
}

/// Waits until one of the processes has exited.
fn wait_for(pidfds: &[&OwnedFd], time: Duration) -> Result<bool> {
    let mut fds: Vec<PollFd<'_>> = pidfds
        .iter()
        .map(|fd| PollFd::new(*fd, PollFlags::IN))
        .collect();
    let time = Timespec::try_from(time)?;
    loop {
        match poll(&mut fds, Some(&time)) {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other? > 0),
        }
    }
}

/// Takes the exit status of a process that has exited.
#[expect(unsafe_code, reason = "wait4, for which there is no safe call")]
fn reap(child: &Child) -> Result<Exit> {
    let at = Instant::now();
    let written = written(child.id());
    let pid = i32::try_from(child.id())?;
    let mut status = 0;
    // SAFETY: rusage is plain integers, for which zero is a value; both pointers are valid for the
    // call. The child is ours and reaped only here: Drop looks at `exit` first.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        if libc::wait4(pid, &raw mut status, 0, &raw mut usage) != pid {
            return Err(std::io::Error::last_os_error().into());
        }
        usage
    };
    Ok(Exit {
        at,
        status: ExitStatus::from_raw(status),
        cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
        written,
    })
}

fn written(pid: u32) -> Option<u64> {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "))?;
    line.parse().ok()
}

fn duration(time: libc::timeval) -> Duration {
    let part = |n: i64| u64::try_from(n).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec)) + Duration::from_micros(part(time.tv_usec))
}
