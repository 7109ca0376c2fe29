//! Bytes on their way from many to one, or from one to many: a ring whose bytes are known by their
//! place in the whole stream, so that others can remember a place and ask later.

use std::io;

use crate::stream::Io;

/// A ring of fixed size, allocated when the first byte comes.
pub(super) struct Ring {
    bytes: Box<[u8]>,
    capacity: usize,
    /// Where in `bytes` the first byte is.
    first: usize,
    start: u64,
    end: u64,
}

impl Ring {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            bytes: Box::default(),
            capacity,
            first: 0,
            start: 0,
            end: 0,
        }
    }

    /// The place of the first byte inside.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// The place that the next byte to come in will have.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Bytes inside.
    pub(super) fn held(&self) -> usize {
        usize::try_from(self.end - self.start).unwrap_or(self.capacity)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bytes that it can still take.
    pub(super) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.held())
    }

    /// Reads once into the room that is left, at most `most` bytes.
    pub(super) fn fill(
        &mut self,
        most: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<Io>,
    ) -> io::Result<Io> {
        let space = self.space(most);
        let limit = space.len();
        let io = read(space)?;
        if let Io::Moved(n) = io {
            self.end += n.min(limit) as u64;
        }
        Ok(io)
    }

    /// Takes bytes in; there has to be room for them.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        debug_assert!(bytes.len() <= self.room(), "more than there is room for");
        while !bytes.is_empty() {
            let space = self.space(bytes.len());
            let n = space.len();
            let Some((some, rest)) = bytes.split_at_checked(n).filter(|_| n > 0) else {
                return;
            };
            space.copy_from_slice(some);
            self.end += n as u64;
            bytes = rest;
        }
    }

    /// The bytes from this place on, up to where the ring turns: some, if there are any.
    pub(super) fn from(&self, place: u64) -> &[u8] {
        let place = place.clamp(self.start, self.end);
        let held = usize::try_from(self.end - place).unwrap_or_default();
        let at = self.index(place);
        let piece = held.min(self.capacity - at);
        self.bytes.get(at..at + piece).unwrap_or_default()
    }

    /// Forgets what comes before this place.
    pub(super) fn forget(&mut self, place: u64) {
        let place = place.clamp(self.start, self.end);
        self.first = self.index(place);
        self.start = place;
        if self.is_empty() {
            // The pages that were used last are used first.
            self.first = 0;
        }
    }

    /// Gives the memory back, and forgets everything.
    pub(super) fn release(&mut self) {
        self.forget(self.end);
        self.bytes = Box::default();
    }

    /// Room in one piece, up to `most` bytes.
    fn space(&mut self, most: usize) -> &mut [u8] {
        if self.bytes.is_empty() {
            // Zeroed pages come from the kernel untouched until they are used.
            self.bytes = vec![0; self.capacity].into_boxed_slice();
        }
        let at = self.index(self.end);
        let piece = self.room().min(self.capacity - at).min(most);
        self.bytes.get_mut(at..at + piece).unwrap_or_default()
    }

    fn index(&self, place: u64) -> usize {
        let offset = usize::try_from(place - self.start).unwrap_or_default();
        (self.first + offset) % self.capacity.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_wherever_the_ring_turns() {
        let mut ring = Ring::new(7);
        let (mut given, mut taken) = (0_u8, Vec::new());
        for turn in 0..100 {
            for _ in 0..(turn % 8).min(ring.room()) {
                ring.push(&[given]);
                given = given.wrapping_add(1);
            }
            let some = ring.from(ring.start());
            let n = some.len().min(turn % 5);
            taken.extend_from_slice(&some[..n]);
            ring.forget(ring.start() + n as u64);
        }
        assert!(taken.len() > 50);
        let expected: Vec<u8> = (0..).take(taken.len()).collect();
        assert_eq!(taken, expected);
    }

    #[test]
    fn a_place_stays_the_place_of_its_byte() {
        let mut ring = Ring::new(4);
        ring.push(b"abcd");
        ring.forget(3);
        ring.push(b"efg");
        assert_eq!((ring.start(), ring.end(), ring.room()), (3, 7, 0));
        assert_eq!(ring.from(3), b"d");
        assert_eq!(ring.from(5), b"fg");
        assert_eq!(ring.from(0), b"d", "what is forgotten is passed over");
        assert!(ring.from(9).is_empty());
    }

    #[test]
    fn memory_is_given_back_and_places_go_on() {
        let mut ring = Ring::new(4);
        ring.push(b"ab");
        ring.release();
        assert!(ring.bytes.is_empty() && ring.is_empty());
        ring.push(b"cd");
        assert_eq!(ring.from(2), b"cd");
    }
}
