//! The bytes of one direction that have been read and not been written.

use std::io;

use crate::stream::Io;

/// A buffer of fixed size, allocated when the first byte comes.
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    capacity: usize,
    start: usize,
    end: usize,
}

impl Buffer {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            bytes: Box::default(),
            capacity,
            start: 0,
            end: 0,
        }
    }

    /// Bytes inside.
    pub(super) fn held(&self) -> usize {
        self.end - self.start
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(super) fn has_room(&self) -> bool {
        self.end < self.capacity
    }

    /// Reads once into the room that is left.
    pub(super) fn fill(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> io::Result<Io>,
    ) -> io::Result<Io> {
        if self.bytes.is_empty() {
            // Zeroed pages come from the kernel untouched until they are used.
            self.bytes = vec![0; self.capacity].into_boxed_slice();
        }
        let io = read(self.bytes.get_mut(self.end..).unwrap_or_default())?;
        if let Io::Moved(n) = io {
            self.end = (self.end + n).min(self.capacity);
        }
        Ok(io)
    }

    /// Writes once from what is inside; not to be called when there is nothing.
    pub(super) fn drain(&mut self, write: impl FnOnce(&[u8]) -> io::Result<Io>) -> io::Result<Io> {
        let io = write(self.bytes.get(self.start..self.end).unwrap_or_default())?;
        if let Io::Moved(n) = io {
            self.start = (self.start + n).min(self.end);
            if self.start == self.end {
                (self.start, self.end) = (0, 0);
            }
        }
        Ok(io)
    }

    /// Gives the memory back, and drops whatever is inside.
    pub(super) fn release(&mut self) {
        *self = Self::new(self.capacity);
    }
}
