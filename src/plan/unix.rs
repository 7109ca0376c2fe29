//! Names of Unix sockets.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, path::PathBuf};

use thiserror::Error;

/// `sun_path` has 108 bytes, unix(7). A path needs one for its NUL, and an abstract name one for the
/// NUL that it begins with.
const LONGEST: usize = 107;

/// The name of a Unix socket, of any bytes but NUL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnixAddress {
    /// A path in the file system.
    Path(PathBuf),
    /// A name in the kernel's abstract name space, to which no file belongs; `@NAME` without the `@`.
    Abstract(Vec<u8>),
}

impl UnixAddress {
    /// Reads a path, or `@` and an abstract name, which may be empty.
    pub fn parse(word: &OsStr) -> Result<Self, UnixAddressError> {
        let bytes = word.as_bytes();
        if bytes.contains(&0) {
            return Err(UnixAddressError::Nul);
        }
        match bytes.strip_prefix(b"@") {
            Some(name) if name.len() > LONGEST => Err(UnixAddressError::LongName),
            Some(name) => Ok(Self::Abstract(name.to_owned())),
            None if bytes.is_empty() => Err(UnixAddressError::Empty),
            None if bytes.len() > LONGEST => Err(UnixAddressError::LongPath),
            None => Ok(Self::Path(word.into())),
        }
    }
}

/// What is wrong with a word that should name a Unix socket; each reads on after the word itself.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum UnixAddressError {
    /// No path at all.
    #[error("is empty")]
    Empty,
    /// The system's limit, which is far below that of other paths.
    #[error("is longer than a socket's path can be (107 bytes)")]
    LongPath,
    /// The same for abstract names.
    #[error("is longer than an abstract name can be (107 bytes behind the '@')")]
    LongName,
    /// No file can be called that.
    #[error("holds a NUL byte")]
    Nul,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_abstract_names_are_told_apart_and_measured() {
        use UnixAddressError::{Empty, LongName, LongPath, Nul};
        let path = |bytes: &[u8]| Ok(UnixAddress::Path(OsStr::from_bytes(bytes).into()));
        let name = |bytes: &[u8]| Ok(UnixAddress::Abstract(bytes.to_owned()));
        let letters = |n: usize| "a".repeat(n).into_bytes();
        let at = |n: usize| [b"@".to_vec(), letters(n)].concat();
        let table: &[(&[u8], Result<UnixAddress, UnixAddressError>)] = &[
            (b"s", path(b"s")),
            (b"/run/a b.sock", path(b"/run/a b.sock")),
            (b"./@s", path(b"./@s")),
            (b"a\xff\n", path(b"a\xff\n")),
            (b"@s", name(b"s")),
            (b"@@s", name(b"@s")),
            (b"@/a\xff", name(b"/a\xff")),
            (b"@", name(b"")),
            (b"", Err(Empty)),
            (b"a\0", Err(Nul)),
            (b"@\0a", Err(Nul)),
            (&letters(107), path(&letters(107))),
            (&letters(108), Err(LongPath)),
            (&letters(5000), Err(LongPath)),
            (&at(107), name(&letters(107))),
            (&at(108), Err(LongName)),
        ];
        for (word, expected) in table {
            let read = UnixAddress::parse(OsStr::from_bytes(word));
            assert_eq!(read, *expected, "{}", word.escape_ascii());
        }
    }
}
