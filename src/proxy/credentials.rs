//! Who we are to a proxy. Nothing here is ever printed but the user's name.

use std::{fmt, io};

use crate::outcome::{Setback, Stop};

/// A line with a user and a password is not longer than this.
pub(crate) const LINE_LIMIT: usize = 8192;

/// Bytes that nobody may see: not shown, and overwritten when they are dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Secret(Vec<u8>);

impl Secret {
    /// The bytes themselves.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Bytes to be changed or filled in; what they leave behind when they grow is not overwritten.
    pub(crate) fn bytes_mut(&mut self) -> &mut Vec<u8> {
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

/// A user and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub user: Vec<u8>,
    pub password: Secret,
}

/// Why there are none.
#[derive(Debug)]
pub(crate) enum LoginFailure {
    /// The file, the descriptor or the terminal cannot be read.
    Unreadable(io::Error),
    /// The descriptor is not open.
    NotOpen,
    /// The environment has no such variable.
    Unset,
    /// There is no terminal to ask on.
    NoTerminal(io::Error),
    /// Who was asked has ended the input.
    NoAnswer,
    /// What was read is not what it should be.
    Content(CredentialsError),
    /// A signal or a time limit came first.
    Stopped(Stop),
}

impl LoginFailure {
    /// What it means for the exit status. But for files that cannot be read, it is the command line
    /// that promises what is not there.
    pub(crate) fn setback(&self) -> Setback {
        match self {
            Self::Unreadable(_) => Setback::Local,
            Self::NotOpen | Self::Unset | Self::NoTerminal(_) | Self::Content(_) => Setback::Usage,
            Self::NoAnswer => Setback::NotTrusted,
            Self::Stopped(stop) => Setback::Stopped(*stop),
        }
    }
}

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CredentialsError {
    /// Nothing at all.
    Empty,
    /// A line longer than [`LINE_LIMIT`].
    Long,
    /// No colon between a user and a password.
    NoColon,
}

impl Credentials {
    /// A name alone, as SOCKS4 has it.
    pub(crate) fn user(name: &str) -> Self {
        Self {
            user: name.into(),
            password: Secret::default(),
        }
    }

    /// Reads the first line of `text`: `USER:PASSWORD`, or the password alone where the user is
    /// known already.
    pub(crate) fn read(text: &Secret, user: Option<&str>) -> Result<Self, CredentialsError> {
        let text = text.bytes();
        let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Err(CredentialsError::Empty);
        }
        if line.len() > LINE_LIMIT {
            return Err(CredentialsError::Long);
        }
        if let Some(user) = user {
            return Ok(Self {
                user: user.into(),
                password: Secret(line.to_vec()),
            });
        }
        let mut parts = line.splitn(2, |byte| *byte == b':');
        match (parts.next(), parts.next()) {
            (Some(user), Some(password)) => Ok(Self {
                user: user.to_vec(),
                password: Secret(password.to_vec()),
            }),
            _ => Err(CredentialsError::NoColon),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, user: Option<&str>) -> Result<(String, String), CredentialsError> {
        let read = Credentials::read(&Secret(text.into()), user)?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ok((text(&read.user), text(read.password.bytes())))
    }

    #[test]
    fn one_line_holds_a_user_and_a_password() {
        let table = [
            ("bob:secret", "bob", "secret"),
            ("bob:secret\n", "bob", "secret"),
            ("bob:secret\r\n", "bob", "secret"),
            ("bob:secret\nanother:line\n", "bob", "secret"),
            ("bob:se:cr:et\n", "bob", "se:cr:et"),
            ("bob: se cret \n", "bob", " se cret "),
            ("bob:\n", "bob", ""),
            (":secret\n", "", "secret"),
        ];
        for (text, user, password) in table {
            assert_eq!(
                read(text, None),
                Ok((user.into(), password.into())),
                "{text:?}"
            );
        }
        assert_eq!(read("", None), Err(CredentialsError::Empty));
        assert_eq!(read("\nbob:secret", None), Err(CredentialsError::Empty));
        assert_eq!(read("secret\n", None), Err(CredentialsError::NoColon));
        let long = "x".repeat(LINE_LIMIT + 1);
        assert_eq!(read(&long, Some("bob")), Err(CredentialsError::Long));
    }

    #[test]
    fn one_line_holds_the_password_of_a_known_user() {
        for (text, password) in [("secret", "secret"), ("bob:secret\n", "bob:secret")] {
            assert_eq!(
                read(text, Some("bob")),
                Ok(("bob".into(), password.into())),
                "{text:?}"
            );
        }
        assert_eq!(read("\n", Some("bob")), Err(CredentialsError::Empty));
    }

    #[test]
    fn a_secret_is_not_shown() {
        let read = Credentials::read(&Secret(b"bob:hunter2".to_vec()), None).unwrap();
        assert!(!format!("{read:?} {read:#?}").contains("hunter2"));
        let numbers = format!("{:?}", b"hunter2");
        assert!(!format!("{read:?}").contains(numbers.trim_matches(['[', ']'])));
    }
}
