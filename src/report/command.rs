//! Words about commands.

use std::{ffi::OsStr, io, os::unix::ffi::OsStrExt as _};

use super::{Report, escape::escape_bytes, messages::reason};

impl Report {
    /// A command could not be executed in our place.
    pub(crate) fn not_executed(&self, command: &OsStr, error: &io::Error) {
        self.failure(&not_executed(command, error));
    }
}

fn not_executed(command: &OsStr, error: &io::Error) -> String {
    let name = escape_bytes(command.as_bytes());
    format!("cannot execute '{name}': {}", reason(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_is_not_there_is_named_and_does_no_harm() {
        let error = io::Error::from_raw_os_error(libc::ENOENT);
        assert_eq!(
            not_executed(OsStr::from_bytes(b"a\x1b[\xffb"), &error),
            r"cannot execute 'a\x1b[\xffb': No such file or directory"
        );
    }
}
