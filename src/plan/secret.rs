//! Where a secret comes from. Never from the command line, which every user of the machine sees.

use std::{ffi::OsString, fmt, os::fd::RawFd, path::PathBuf};

/// Where a secret is to be read from, once the run begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A file: its first line.
    File(PathBuf),
    /// An inherited descriptor: the first line that comes from it.
    Descriptor(RawFd),
    /// A variable of the environment, by its name.
    Environment(OsString),
    /// The terminal that the process belongs to, without an echo.
    Terminal,
}

/// Bytes that nobody may see: not shown, and overwritten when they are dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The bytes themselves.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Bytes to be changed or filled in; what they leave behind when they grow is not overwritten.
    pub fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // What was there before it became shorter, too.
        let capacity = self.0.capacity();
        self.0.clear();
        self.0.resize(capacity, 0);
        // Without a look at them, writing to bytes that are about to be freed is no work at all.
        std::hint::black_box(&mut self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::from(b"hunter2".to_vec());
        assert_eq!(format!("{secret:?} {secret:#?}"), "Secret Secret");
    }
}
