//! What a failed connection says about a port.

use std::io;

use crate::{os::IcmpError, outcome::PortState};

/// Types and codes of ICMP for a port on which nobody listens: RFC 792 and RFC 4443, 3.1.
const PORT_UNREACHABLE: (u8, u8) = (3, 3);
const PORT_UNREACHABLE_V6: (u8, u8) = (1, 4);

/// The state of a port that failed with this error, of which ICMP said more, or did not.
pub(super) fn state(error: &io::Error, icmp: Option<&IcmpError>) -> PortState {
    match icmp {
        Some(icmp) if icmp.is_prohibited() => PortState::Filtered,
        Some(icmp) if refuses(icmp) => PortState::Closed,
        Some(_) => PortState::Unreachable,
        None => match error.raw_os_error() {
            Some(libc::ECONNREFUSED) => PortState::Closed,
            Some(libc::ETIMEDOUT) => PortState::Filtered,
            Some(
                libc::ENETUNREACH
                | libc::EHOSTUNREACH
                | libc::ENETDOWN
                | libc::EHOSTDOWN
                | libc::ENONET
                | libc::EAFNOSUPPORT,
            ) => PortState::Unreachable,
            None if error.kind() == io::ErrorKind::TimedOut => PortState::Filtered,
            _ => PortState::Error,
        },
    }
}

fn refuses(icmp: &IcmpError) -> bool {
    let what = (icmp.kind, icmp.code);
    match icmp.v6 {
        true => what == PORT_UNREACHABLE_V6,
        false => what == PORT_UNREACHABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn icmp_says_more_than_the_error() {
        use PortState::{Closed, Error, Filtered, Unreachable};

        let v4 = |code| IcmpError {
            errno: libc::EHOSTUNREACH,
            v6: false,
            kind: 3,
            code,
        };
        let v6 = |code| IcmpError {
            errno: libc::EACCES,
            v6: true,
            kind: 1,
            code,
        };
        let table = [
            (libc::ECONNREFUSED, None, Closed),
            (libc::ETIMEDOUT, None, Filtered),
            (libc::EHOSTUNREACH, None, Unreachable),
            (libc::ENETUNREACH, None, Unreachable),
            (libc::EACCES, None, Error),
            (libc::EMFILE, None, Error),
            (libc::EHOSTUNREACH, Some(v4(1)), Unreachable),
            (libc::ECONNREFUSED, Some(v4(3)), Closed),
            (libc::ENETUNREACH, Some(v4(9)), Filtered),
            (libc::EHOSTUNREACH, Some(v4(10)), Filtered),
            (libc::EHOSTUNREACH, Some(v4(13)), Filtered),
            (libc::EACCES, Some(v6(1)), Filtered),
            (libc::ENETUNREACH, Some(v6(0)), Unreachable),
            (libc::ECONNREFUSED, Some(v6(4)), Closed),
            (libc::EACCES, Some(v6(5)), Filtered),
        ];
        for (errno, icmp, expected) in table {
            let error = io::Error::from_raw_os_error(errno);
            assert_eq!(state(&error, icmp.as_ref()), expected, "{error} {icmp:?}");
        }
        let silence = io::Error::new(io::ErrorKind::TimedOut, "no answer");
        assert_eq!(state(&silence, None), Filtered);
    }
}
