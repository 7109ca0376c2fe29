//! Whose ways a run has.

/// Defaults, wording and exit status after a program that oxnc can stand in for. What is done to
/// the data is the same for all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Personality {
    /// Its own.
    #[default]
    Oxnc,
    /// Those of Debian's OpenBSD `nc`.
    Nc,
}
