//! Where a secret comes from. Never from the command line, which every user of the machine sees.

use std::{ffi::OsString, path::PathBuf};

/// Where a secret is to be read from, once the run begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A file: its first line.
    File(PathBuf),
    /// A variable of the environment, by its name.
    Environment(OsString),
    /// The terminal that the process belongs to, without an echo.
    Terminal,
}
