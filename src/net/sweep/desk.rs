//! Where two loops meet: what is to be tested next, and what has been found.

use std::{
    ops::ControlFlow,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use super::{Course, Found, Next};
use crate::event::Waker;

/// What was found at the port of an id.
pub(super) type Report = (u64, Found);

pub(super) struct Desk<'a> {
    course: Mutex<&'a mut dyn Course>,
    /// What the helping loop has found and the course has not heard of.
    handed_over: Mutex<Vec<Report>>,
    /// Wakes the helping loop.
    waker: Mutex<Option<Waker>>,
    helped: AtomicBool,
    stopped: AtomicBool,
    /// How many tests are under way, in both loops.
    under_way: AtomicUsize,
}

impl<'a> Desk<'a> {
    /// `helped` says whether there is a helping loop.
    pub(super) fn new(course: &'a mut dyn Course, helped: bool) -> Self {
        Self {
            course: Mutex::new(course),
            handed_over: Mutex::default(),
            waker: Mutex::default(),
            helped: AtomicBool::new(helped),
            stopped: AtomicBool::new(false),
            under_way: AtomicUsize::new(0),
        }
    }

    /// What the course wants to be done next.
    pub(super) fn next(&self, now: Instant) -> Next {
        lock(&self.course).next(now)
    }

    /// Tells the course what the leading loop has found, and what the helping loop has handed over;
    /// whether that is anything. A break ends the sweep.
    pub(super) fn tell(&self, mut found: Vec<Report>) -> ControlFlow<(), bool> {
        found.append(&mut lock(&self.handed_over));
        if found.is_empty() {
            return ControlFlow::Continue(false);
        }
        lock(&self.course).found(found)?;
        ControlFlow::Continue(true)
    }

    /// When the course wants to be told that nothing was found.
    pub(super) fn impatient_at(&self) -> Option<Instant> {
        lock(&self.course).impatient_at()
    }

    /// Tells it.
    pub(super) fn tell_nothing(&self) -> ControlFlow<()> {
        lock(&self.course).found(Vec::new())
    }

    /// How many tests are under way.
    pub(super) fn under_way(&self) -> &AtomicUsize {
        &self.under_way
    }

    /// Whether the helping loop may still hand something over.
    pub(super) fn is_helped(&self) -> bool {
        self.helped.load(Ordering::Acquire)
    }

    /// Ends the helping loop.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        if let Some(waker) = lock(&self.waker).as_ref() {
            waker.wake();
        }
    }

    /// The helping loop has found this; whether it is anything.
    pub(super) fn hand_over(&self, found: Vec<Report>) -> bool {
        let anything = !found.is_empty();
        if anything {
            lock(&self.handed_over).extend(found);
        }
        anything
    }

    /// How the helping loop is woken.
    pub(super) fn wake_with(&self, waker: Waker) {
        *lock(&self.waker) = Some(waker);
    }

    /// Whether the helping loop is to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// The helping loop has handed everything over.
    pub(super) fn leave(&self) {
        self.helped.store(false, Ordering::Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked with it has ended the program (panic = "abort").
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
