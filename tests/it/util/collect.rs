//! Reads a descriptor to its end on a thread, and lets the test wait for what comes.

use std::{
    fs::File,
    io::Read,
    os::fd::OwnedFd,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use super::{DEADLINE, Digest};

/// Everything that has come from a descriptor so far.
#[derive(Clone)]
pub struct Collector(Arc<(Mutex<State>, Condvar)>);

struct State {
    bytes: Vec<u8>,
    digest: blake3::Hasher,
    count: u64,
    ended: bool,
}

impl Collector {
    /// Keeps every byte.
    pub fn keeping(source: impl Into<OwnedFd>) -> Self {
        Self::start(source.into(), true)
    }

    /// Keeps the digest only.
    pub fn digesting(source: impl Into<OwnedFd>) -> Self {
        Self::start(source.into(), false)
    }

    fn start(source: OwnedFd, keep: bool) -> Self {
        let state = State {
            bytes: Vec::new(),
            digest: blake3::Hasher::new(),
            count: 0,
            ended: false,
        };
        let this = Self(Arc::new((Mutex::new(state), Condvar::new())));
        let shared = this.clone();
        std::thread::spawn(move || {
            let mut source = File::from(source);
            let mut buffer = vec![0; 256 * 1024];
            loop {
                let n = source.read(&mut buffer);
                let mut state = shared.lock();
                match n {
                    // A terminal whose other side was closed says EIO.
                    Ok(0) | Err(_) => state.ended = true,
                    Ok(n) => {
                        let chunk = buffer.get(..n).unwrap_or_default();
                        state.count += n as u64;
                        state.digest.update(chunk);
                        if keep {
                            state.bytes.extend_from_slice(chunk);
                        }
                    }
                }
                shared.0.1.notify_all();
                if state.ended {
                    return;
                }
            }
        });
        this
    }

    /// What has come until now.
    pub fn so_far(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    /// How many bytes have come until now.
    pub fn count(&self) -> u64 {
        self.lock().count
    }

    /// Waits until at least `n` bytes have come.
    pub fn wait_for(&self, n: u64) {
        let ok = self.wait(DEADLINE, |state| state.count >= n || state.ended);
        let count = self.count();
        assert!(ok && count >= n, "{count} bytes came instead of {n}");
    }

    /// Waits until the text holds `needle`.
    pub fn wait_for_text(&self, needle: &str) {
        let holds = |state: &State| String::from_utf8_lossy(&state.bytes).contains(needle);
        let ok = self.wait(DEADLINE, |state| holds(state) || state.ended);
        let text = String::from_utf8_lossy(&self.so_far()).into_owned();
        assert!(ok && text.contains(needle), "no {needle:?} in {text:?}");
    }

    /// Waits for the end.
    pub fn wait_for_end(&self) {
        assert!(self.wait(DEADLINE, |state| state.ended), "no end of data");
    }

    /// Whether the end comes within `time`.
    pub fn ends_within(&self, time: Duration) -> bool {
        self.wait(time, |state| state.ended)
    }

    /// Whether anything, bytes or the end, comes within `time`.
    pub fn moves_within(&self, time: Duration) -> bool {
        let before = self.count();
        self.wait(time, |state| state.ended || state.count > before)
    }

    /// Everything, once the end has come.
    pub fn finish(&self) -> (Vec<u8>, Digest) {
        self.wait_for_end();
        let state = self.lock();
        let digest = Digest {
            bytes: state.count,
            hash: state.digest.finalize(),
        };
        (state.bytes.clone(), digest)
    }

    fn wait(&self, time: Duration, done: impl Fn(&State) -> bool) -> bool {
        let until = Instant::now() + time;
        let mut state = self.lock();
        while !done(&state) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.0.1.wait_timeout(state, left).unwrap().0;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap()
    }
}
