//! Signals as something to wait for: the handlers write one byte to a pipe and set a number.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ},
    flag,
    low_level::pipe,
};

use super::{Reactor, Source, Want};
use crate::os;

/// A signal that a run reacts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGHUP, SIGINT or SIGTERM: clean up, then die by it.
    End(i32),
    /// SIGUSR1: print the counters.
    Counters,
}

pub(super) struct Signals {
    wakeups: Source,
    end: Arc<AtomicUsize>,
    counters: Arc<AtomicBool>,
    asked: Arc<AtomicBool>,
}

impl Signals {
    pub(super) fn install(reactor: &Reactor) -> io::Result<Self> {
        let (read, write) = io::pipe()?;
        let this = Self {
            wakeups: reactor.adopt(read.into())?,
            end: Arc::default(),
            counters: Arc::default(),
            asked: Arc::default(),
        };
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            // nohup and a shell's `&` ignore signals on purpose.
            if !os::is_ignored(signal) {
                let number = usize::try_from(signal).unwrap_or_default();
                // Where a system call waits after all, the second one kills; but nothing kills the
                // first process of a container by default, and whoever insists crashes.
                if std::process::id() != 1 {
                    flag::register_conditional_default(signal, Arc::clone(&this.asked))?;
                }
                flag::register(signal, Arc::clone(&this.asked))?;
                flag::register_usize(signal, Arc::clone(&this.end), number)?;
                pipe::register(signal, write.try_clone()?)?;
            }
        }
        // A file over the limit (RLIMIT_FSIZE) is a failed write, not a death without a word.
        flag::register(SIGXFSZ, Arc::default())?;
        flag::register(SIGUSR1, Arc::clone(&this.counters))?;
        pipe::register(SIGUSR1, write)?;
        this.wakeups.arm(Want {
            read: true,
            write: false,
        })?;
        Ok(this)
    }

    pub(super) fn take(&self) -> io::Result<Option<Signal>> {
        if !self.wakeups.is_armed() {
            // A byte a signal. The pipe need not be empty afterwards: armed again, it wakes again.
            let _ = os::read_nowait(&self.wakeups, &mut [0; 64]);
            self.wakeups.arm(Want {
                read: true,
                write: false,
            })?;
        }
        if let Ok(end @ 1..) = i32::try_from(self.end.load(Ordering::Relaxed)) {
            return Ok(Some(Signal::End(end)));
        }
        Ok(self
            .counters
            .swap(false, Ordering::Relaxed)
            .then_some(Signal::Counters))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        rc::Rc,
        time::{Duration, Instant},
    };

    use signal_hook::low_level::raise;

    use super::*;
    use crate::event::Wake;

    #[test]
    fn each_sigusr1_is_told_once() -> io::Result<()> {
        let told = Rc::new(Cell::new(0));
        let mut reactor = Reactor::new()?;
        let count = Rc::clone(&told);
        reactor.catch_signals(move || count.set(count.get() + 1))?;
        for n in 1..4 {
            raise(SIGUSR1)?;
            let until = Instant::now() + Duration::from_secs(5);
            while told.get() < n && Instant::now() < until {
                assert_eq!(reactor.wait(Some(until))?, Wake::Look);
            }
            assert_eq!(told.get(), n);
        }
        Ok(())
    }
}
