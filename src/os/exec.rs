//! What a command in our place finds: as little of us as if it had been started instead.
#![expect(
    unsafe_code,
    reason = "sigaction, and a closure that runs before execvp; each block says why"
)]

use std::{
    ffi::OsString,
    io, mem,
    os::unix::process::CommandExt as _,
    process::Command,
    ptr,
    sync::atomic::{AtomicU8, Ordering},
};

use super::{is_ignored, restore_descriptor_limit};

/// Signals that somebody may have asked us to ignore, and that we treat otherwise: Rust's runtime
/// ignores SIGPIPE in any case, and a run catches the others.
const CHANGED: [i32; 3] = [libc::SIGPIPE, libc::SIGUSR1, libc::SIGXFSZ];

/// Which of them were ignored when the process started, a bit each.
static IGNORED: AtomicU8 = AtomicU8::new(0);

/// Remembers how the process was started. Has to run before Rust's runtime does.
pub(super) fn remember_signals() {
    let ignored = CHANGED.map(is_ignored);
    let bits = ignored.iter().rev().fold(0, |bits, ignored| {
        let bit = u8::from(*ignored);
        bits << 1 | bit
    });
    IGNORED.store(bits, Ordering::Relaxed);
}

/// Ends what we do about the signals that end a run: from here on they kill, as they do by default.
/// Those that we were started to ignore are ignored as before.
pub(crate) fn give_signals_back() {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM] {
        if !is_ignored(signal) {
            set_action(signal, libc::SIG_DFL);
        }
    }
}

/// Replaces this process by a command, and returns only if that fails.
///
/// What the kernel does by itself: signals that we catch become their defaults, those that are
/// ignored stay so, and close-on-exec descriptors are closed. What std's exec does (Rust 1.95):
/// SIGPIPE becomes its default, whatever it was when we were started; the signal mask, which
/// nothing of ours has changed, stays. What is left is done here: signals that we were started to
/// ignore are ignored again, and the descriptor limit is what it was.
pub(crate) fn exec(program: &OsString, arguments: &[OsString]) -> io::Error {
    let mut command = Command::new(program);
    command.args(arguments);
    // SAFETY: the closure makes system calls only, and allocates nothing. It runs after std has set
    // SIGPIPE, immediately before execvp, in this very process.
    unsafe {
        command.pre_exec(|| {
            ignore_again();
            restore_descriptor_limit()
        });
    }
    let error = command.exec();
    // Whoever tells of the failure is not to die of a reader that has left.
    set_action(libc::SIGPIPE, libc::SIG_IGN);
    error
}

fn ignore_again() {
    let bits = IGNORED.load(Ordering::Relaxed);
    for (n, signal) in CHANGED.into_iter().enumerate() {
        if bits >> n & 1 == 1 {
            set_action(signal, libc::SIG_IGN);
        }
    }
}

/// `SIG_IGN` or `SIG_DFL`.
fn set_action(signal: i32, what: libc::sighandler_t) {
    // SAFETY: sigaction is plain data, for which zero is a value; neither runs code of ours.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = what;
        // It fails only for signals of which nothing can be changed.
        libc::sigaction(signal, &raw const action, ptr::null_mut());
    }
}
