//! The one place that waits.
//!
//! Oneshot: a descriptor is reported once and then rests until it is armed again. In level mode a
//! dead peer with an empty interest woke the loop 46,703 times in 100 ms (Linux 6.18, polling 3.11),
//! since epoll reports hang-ups whatever the interest. For the same reason an empty interest is
//! never armed, but for [`Source::watch`], which is armed once.
#![expect(
    unsafe_code,
    reason = "Poller::add wants a promise about lifetimes, which Source keeps"
)]

use std::{
    cell::{Cell, RefCell},
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use polling::{Event, Events, Poller};

use super::{
    Want,
    signals::{Signal, Signals},
};

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// A descriptor is ready, or a waker was called, or the time is up: look.
    Look,
    /// A signal asks for the end, by its number.
    Signal(i32),
}

/// The loop's waiting half. Everything that is waited for is a [`Source`] of it.
pub(crate) struct Reactor {
    shared: Rc<Shared>,
    events: Events,
    /// The numbers of the sources that the last wait reported.
    woken: Vec<usize>,
    signals: Option<(Signals, Box<dyn Fn()>)>,
}

impl Reactor {
    /// A reactor without signals.
    pub(crate) fn new() -> io::Result<Self> {
        let shared = Shared {
            poller: Arc::new(Poller::new()?),
            places: RefCell::default(),
        };
        Ok(Self {
            shared: Rc::new(shared),
            events: Events::new(),
            woken: Vec::new(),
            signals: None,
        })
    }

    /// From here on SIGHUP, SIGINT and SIGTERM end waits instead of the process, and SIGUSR1 calls
    /// `on_usr1` from within a wait.
    pub(crate) fn catch_signals(&mut self, on_usr1: impl Fn() + 'static) -> io::Result<()> {
        self.signals = Some((Signals::install(self)?, Box::new(on_usr1)));
        Ok(())
    }

    /// Takes a descriptor over. One that epoll refuses with EPERM (regular files, /dev/null) is
    /// always ready, and waiting for it is a mistake of the caller.
    pub(crate) fn adopt(&self, fd: OwnedFd) -> io::Result<Source> {
        Shared::adopt(&self.shared, fd)
    }

    /// Ends a wait from another thread.
    pub(crate) fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.shared.poller))
    }

    /// Waits until an armed source is ready or `until` has come; none means for ever.
    pub(crate) fn wait(&mut self, until: Option<Instant>) -> io::Result<Wake> {
        if let Some(number) = self.end_signal()? {
            return Ok(Wake::Signal(number));
        }
        self.events.clear();
        self.woken.clear();
        match until {
            Some(at) => self.shared.poller.wait_deadline(&mut self.events, at)?,
            None => self.shared.poller.wait(&mut self.events, None)?,
        };
        let places = self.shared.places.borrow();
        for event in self.events.iter() {
            log::trace!("event {event:?}");
            if let Some(Some(place)) = places.by_key.get(event.key) {
                place.armed.set(None);
                self.woken.extend(place.number.get());
            }
        }
        drop(places);
        Ok(self.end_signal()?.map_or(Wake::Look, Wake::Signal))
    }

    /// The numbers ([`Source::number`]) of those that the last wait reported.
    pub(crate) fn woken(&self) -> &[usize] {
        &self.woken
    }

    fn end_signal(&self) -> io::Result<Option<i32>> {
        let Some((signals, on_usr1)) = &self.signals else {
            return Ok(None);
        };
        Ok(match signals.take()? {
            Some(Signal::End(number)) => Some(number),
            Some(Signal::Counters) => {
                on_usr1();
                None
            }
            None => None,
        })
    }
}

/// Ends waits from another thread.
pub(crate) struct Waker(Arc<Poller>);

impl Waker {
    /// Ends the current wait, or the next one.
    pub(crate) fn wake(&self) {
        // It fails only if the poller's own eventfd does, and then the wait fails as well.
        let _ = self.0.notify();
    }
}

/// A descriptor together with its registration. Dropping it ends both, in the right order; nothing
/// else holds the descriptor, so that closing a pipe's or a socket's end is really its end.
pub(crate) struct Source {
    fd: Option<OwnedFd>,
    key: usize,
    place: Rc<Place>,
    pollable: bool,
    shared: Rc<Shared>,
}

impl Source {
    /// Takes another descriptor over, to be waited for by the same reactor.
    pub(crate) fn adopt_beside(&self, fd: OwnedFd) -> io::Result<Self> {
        Shared::adopt(&self.shared, fd)
    }

    /// Asks to be woken when the descriptor is ready for `want`; nothing wanted leaves it resting.
    pub(crate) fn arm(&self, want: Want) -> io::Result<()> {
        if want == Want::NOTHING {
            return Ok(());
        }
        self.set(want)
    }

    /// Asks to be woken when the descriptor fails or hangs up, whatever it is ready for.
    pub(crate) fn watch(&self) -> io::Result<()> {
        self.set(Want::NOTHING)
    }

    /// Whether the kernel still has something to report.
    pub(crate) fn is_armed(&self) -> bool {
        self.place.armed.get().is_some()
    }

    /// From here on [`Reactor::woken`] tells of it by this number, which others may have as well.
    pub(crate) fn number(&self, number: usize) {
        self.place.number.set(Some(number));
    }

    /// Whether waiting for the descriptor is possible at all.
    pub(crate) fn is_pollable(&self) -> bool {
        self.pollable
    }

    /// Gives the descriptor back.
    pub(crate) fn release(mut self) -> Option<OwnedFd> {
        self.forget();
        self.fd.take()
    }

    fn set(&self, want: Want) -> io::Result<()> {
        if !self.pollable || self.place.armed.get() == Some(want) {
            return Ok(());
        }
        let event = Event::new(self.key, want.read, want.write);
        self.shared.poller.modify(self.as_fd(), event)?;
        self.place.armed.set(Some(want));
        log::trace!("armed {} for {want:?}", self.key);
        Ok(())
    }

    fn forget(&mut self) {
        if let Some(fd) = &self.fd
            && self.pollable
        {
            // It fails only for what was never added.
            let _ = self.shared.poller.delete(fd);
        }
        self.pollable = false;
        self.shared.dismiss(self.key);
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.fd {
            Some(fd) => fd.as_fd(),
            None => unreachable!("only release() and drop() take it, and both end the source"),
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if self.fd.is_some() {
            self.forget();
        }
    }
}

/// What a reactor knows of a source.
#[derive(Default)]
struct Place {
    /// What the kernel will report; none while it rests.
    armed: Cell<Option<Want>>,
    /// What its owner calls it.
    number: Cell<Option<usize>>,
}

/// What a reactor and its sources have in common.
struct Shared {
    poller: Arc<Poller>,
    places: RefCell<Places>,
}

/// The places of all sources.
#[derive(Default)]
struct Places {
    /// A place is used again once its source is gone.
    by_key: Vec<Option<Rc<Place>>>,
    /// The keys of those that can be used again. To search for one, with thousands of sockets,
    /// would cost more than to make the socket.
    free: Vec<usize>,
}

impl Shared {
    fn adopt(this: &Rc<Self>, fd: OwnedFd) -> io::Result<Source> {
        let place = Rc::new(Place::default());
        let key = this.enrol(&place);
        let mut source = Source {
            fd: Some(fd),
            key,
            place,
            pollable: false,
            shared: Rc::clone(this),
        };
        // SAFETY: the source owns the descriptor and its Drop deletes it from the poller first.
        match unsafe { this.poller.add(&source.as_fd(), Event::none(key)) } {
            Ok(()) => source.pollable = true,
            Err(e) if e.raw_os_error() == Some(libc::EPERM) => {}
            Err(e) => return Err(e),
        }
        Ok(source)
    }

    fn enrol(&self, new: &Rc<Place>) -> usize {
        let Places { by_key, free } = &mut *self.places.borrow_mut();
        let key = free.pop().unwrap_or(by_key.len());
        match by_key.get_mut(key) {
            Some(place) => *place = Some(Rc::clone(new)),
            None => by_key.push(Some(Rc::clone(new))),
        }
        key
    }

    fn dismiss(&self, key: usize) {
        let Places { by_key, free } = &mut *self.places.borrow_mut();
        // Only what was taken becomes free, and only once.
        if by_key.get_mut(key).and_then(Option::take).is_some() {
            free.push(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, time::Duration};

    use super::*;

    const READ: Want = Want {
        read: true,
        write: false,
    };

    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_secs(5))
    }

    #[test]
    fn a_ready_source_rests_until_it_is_armed_again() -> io::Result<()> {
        let mut reactor = Reactor::new()?;
        let (read, mut write) = io::pipe()?;
        let source = reactor.adopt(read.into())?;
        source.arm(READ)?;
        write.write_all(b"x")?;
        assert_eq!(reactor.wait(soon())?, Wake::Look);
        assert!(!source.is_armed());
        let before = Instant::now();
        reactor.wait(Some(before + Duration::from_millis(20)))?;
        assert!(
            before.elapsed() >= Duration::from_millis(20),
            "it was reported twice"
        );
        Ok(())
    }

    #[test]
    fn a_wait_tells_the_numbers_of_those_it_woke() -> io::Result<()> {
        let mut reactor = Reactor::new()?;
        let (one, mut write) = io::pipe()?;
        let (two, _write) = io::pipe()?;
        let (one, two) = (reactor.adopt(one.into())?, reactor.adopt(two.into())?);
        one.number(7);
        two.number(8);
        one.arm(READ)?;
        two.arm(READ)?;
        write.write_all(b"x")?;
        reactor.wait(soon())?;
        assert_eq!(reactor.woken(), [7]);
        reactor.wait(Some(Instant::now()))?;
        assert!(reactor.woken().is_empty());
        Ok(())
    }

    #[test]
    fn dropping_a_source_ends_the_pipe() -> io::Result<()> {
        let mut reactor = Reactor::new()?;
        let (read, write) = io::pipe()?;
        let read = reactor.adopt(read.into())?;
        drop(reactor.adopt(write.into())?);
        read.arm(READ)?;
        reactor.wait(soon())?;
        assert!(!read.is_armed(), "the end of the pipe was not reported");
        Ok(())
    }

    #[test]
    fn a_place_is_used_again_by_one_source_at_a_time() -> io::Result<()> {
        let reactor = Reactor::new()?;
        let file = || Ok::<_, io::Error>(std::fs::File::open("/dev/null")?.into());
        let mut sources = Vec::new();
        for _ in 0..8 {
            sources.push(reactor.adopt(file()?)?);
        }
        // The descriptor stays open while another one takes its place.
        let released = sources.remove(3).release();
        drop(sources.remove(5));
        for _ in 0..3 {
            sources.push(reactor.adopt(file()?)?);
        }
        drop(released);
        let mut keys: Vec<usize> = sources.iter().map(|source| source.key).collect();
        keys.sort_unstable();
        assert_eq!(keys, (0..9).collect::<Vec<_>>());
        Ok(())
    }

    #[test]
    fn a_regular_file_is_not_pollable() -> io::Result<()> {
        let reactor = Reactor::new()?;
        let file = std::fs::File::open("/proc/self/exe")?;
        assert!(!reactor.adopt(file.into())?.is_pollable());
        Ok(())
    }

    #[test]
    fn a_waker_ends_a_wait() -> io::Result<()> {
        let mut reactor = Reactor::new()?;
        let waker = reactor.waker();
        std::thread::spawn(move || waker.wake());
        assert_eq!(reactor.wait(soon())?, Wake::Look);
        Ok(())
    }
}
