//! Who we are to a proxy. Nothing here is ever printed but the user's name.

use crate::plan::Secret;

/// A user and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub user: Vec<u8>,
    pub password: Secret,
}

impl Credentials {
    /// A user and no password, as SOCKS4 has it.
    pub(crate) fn user(name: &str) -> Self {
        Self::new(name, Secret::default())
    }

    /// A user and a password.
    pub(crate) fn new(user: &str, password: Secret) -> Self {
        Self {
            user: user.into(),
            password,
        }
    }

    /// Reads `USER:PASSWORD`; none if there is no colon.
    pub(crate) fn read(line: &Secret) -> Option<Self> {
        let mut parts = line.bytes().splitn(2, |byte| *byte == b':');
        let (user, password) = (parts.next()?, parts.next()?);
        Some(Self {
            user: user.to_vec(),
            password: Secret::from(password.to_vec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_colon_is_between_the_user_and_the_password() {
        let table = [
            ("bob:secret", Some(("bob", "secret"))),
            ("bob:se:cr:et", Some(("bob", "se:cr:et"))),
            ("bob: se cret ", Some(("bob", " se cret "))),
            ("bob:", Some(("bob", ""))),
            (":secret", Some(("", "secret"))),
            ("secret", None),
            ("", None),
        ];
        for (line, expected) in table {
            let read = Credentials::read(&Secret::from(line.as_bytes().to_vec()));
            let expected = expected.map(|(user, password)| {
                Credentials::new(user, Secret::from(password.as_bytes().to_vec()))
            });
            assert_eq!(read, expected, "{line:?}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let known = Credentials::new("bob", Secret::from(b"hunter2".to_vec()));
        assert!(!format!("{known:?}").contains(&format!("{:?}", b'h')));
    }
}
