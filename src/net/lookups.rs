//! Lookups that go on by themselves, several at the same time.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread,
};

use super::{Error, Query, resolve::Request};
use crate::{
    event::{Reactor, Waker},
    stream::same_error,
};

/// How many go on at the same time. Name services that keep silent hold up a worker for ten seconds
/// and more, and it must not be those who wait behind them who pay for that.
const WORKERS: usize = 256;

/// What was looked up under a number.
pub(crate) type Answer = (usize, Result<Vec<SocketAddr>, Error>);

/// The lookups, each with a number. Whoever drops them leaves those that go on behind.
pub(crate) struct Lookups {
    shared: Arc<Shared>,
    answers: Receiver<Answer>,
    answer: Sender<Answer>,
}

struct Shared {
    queue: Mutex<Queue>,
    waker: Waker,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(usize, Request)>,
    workers: usize,
}

impl Lookups {
    /// Each answer wakes this reactor.
    pub(crate) fn new(reactor: &Reactor) -> Self {
        let (answer, answers) = mpsc::channel();
        let shared = Shared {
            queue: Mutex::default(),
            waker: reactor.waker(),
        };
        Self {
            shared: Arc::new(shared),
            answers,
            answer,
        }
    }

    /// Looks up what is called `number`.
    pub(crate) fn start(&self, number: usize, query: &Query<'_>) {
        let request = Request::new(query);
        if request.asks_nobody() {
            return self.tell(number, request.answer());
        }
        let is_worker_missing = {
            let mut queue = self.shared.queue();
            queue.waiting.push_back((number, request));
            let missing = queue.workers < WORKERS;
            queue.workers += usize::from(missing);
            missing
        };
        if is_worker_missing {
            self.hire();
        }
    }

    /// The next one that has been answered.
    pub(crate) fn next(&self) -> Option<Answer> {
        self.answers.try_recv().ok()
    }

    fn hire(&self) {
        let (shared, answer) = (Arc::clone(&self.shared), self.answer.clone());
        let thread = thread::Builder::new().name("resolver".into());
        let Err(error) = thread.spawn(move || shared.work(&answer)) else {
            return;
        };
        let mut queue = self.shared.queue();
        queue.workers -= 1;
        // Those who are at work will come to it.
        if queue.workers == 0 {
            for (number, _) in queue.waiting.drain(..) {
                self.tell(number, Err(same_error(&error).into()));
            }
        }
    }

    fn tell(&self, number: usize, answer: Result<Vec<SocketAddr>, Error>) {
        // We hold the other end.
        let _ = self.answer.send((number, answer));
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, answer: &Sender<Answer>) {
        loop {
            let (number, request) = {
                let mut queue = self.queue();
                match queue.waiting.pop_front() {
                    Some(next) => next,
                    None => {
                        queue.workers -= 1;
                        return;
                    }
                }
            };
            if answer.send((number, request.answer())).is_err() {
                return;
            }
            self.waker.wake();
        }
    }
}
