//! `--sockopt LEVEL:NAME:VALUE`: an option that has no name of its own here.

use std::fmt;

use thiserror::Error;

/// One call of setsockopt(2). Displayed as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SockOpt {
    /// Which layer the option belongs to.
    pub level: i32,
    /// Which option of the layer.
    pub name: i32,
    /// The bytes handed to the kernel.
    pub value: Vec<u8>,
    word: String,
}

impl SockOpt {
    /// Reads `LEVEL:NAME:VALUE`. Level and name are numbers or names of the headers; the value is a
    /// number (an int), `x` and bytes in hexadecimal, or a text in double quotes.
    pub fn parse(word: &str) -> Result<Self, SockOptError> {
        let mut parts = word.splitn(3, ':');
        let (Some(level), Some(name), Some(value)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(SockOptError::Form);
        };
        let level = parse_level(level)?;
        let name = parse_name(level, name)?;
        if is_packet_filter(level, name) {
            return Err(SockOptError::Filter);
        }
        Ok(Self {
            level,
            name,
            value: parse_value(value)?,
            word: word.to_owned(),
        })
    }
}

impl fmt::Display for SockOpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.word)
    }
}

/// What is wrong with a word that should be an option.
///
/// Each reads on after the word itself, which it does not repeat: `option 'x' is not ...`.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SockOptError {
    /// Not three parts.
    #[error("is not LEVEL:NAME:VALUE, as in socket:SO_MARK:7")]
    Form,
    /// No such level.
    #[error("has a level that is neither a number nor one of: socket, ip, ipv6, tcp, udp")]
    Level,
    /// No such name, or not at this level.
    #[error("has a name that is not known at its level; a number is taken as it is")]
    Name,
    /// What iptables(8) and its like use a socket for.
    #[error("belongs to the packet filter, not to a socket")]
    Filter,
    /// Nothing that could be handed to the kernel.
    #[error(
        "has a value that is none of: a 32-bit number, x and pairs of hexadecimal digits, a text \
         in double quotes"
    )]
    Value,
}

fn parse_level(word: &str) -> Result<i32, SockOptError> {
    let known = LEVELS.iter().find(|level| {
        level
            .names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(word))
    });
    known
        .map(|level| level.number)
        .or_else(|| number(word))
        .ok_or(SockOptError::Level)
}

fn parse_name(level: i32, word: &str) -> Result<i32, SockOptError> {
    let mut known = LEVELS
        .iter()
        .filter(|known| known.number == level)
        .flat_map(|known| known.options);
    known
        .find(|(name, _)| name.eq_ignore_ascii_case(word))
        .map(|(_, name)| *name)
        .or_else(|| number(word))
        .ok_or(SockOptError::Name)
}

/// `nf_setsockopt` in Linux: these reach the whole machine, by way of pointers within their values.
fn is_packet_filter(level: i32, name: i32) -> bool {
    match level {
        // Iptables, arptables, ebtables and IPVS.
        libc::IPPROTO_IP => name >= 64,
        // IPv6 has options of its own from 66 on.
        libc::IPPROTO_IPV6 => (64..66).contains(&name),
        _ => false,
    }
}

fn number(word: &str) -> Option<i32> {
    let digits = word.bytes().all(|b| b.is_ascii_digit());
    word.parse().ok().filter(|_| digits)
}

fn parse_value(word: &str) -> Result<Vec<u8>, SockOptError> {
    let value = if let Some(text) = word.strip_prefix('"') {
        text.strip_suffix('"').map(|text| text.as_bytes().to_vec())
    } else if let Some(hex) = word.strip_prefix('x') {
        bytes(hex)
    } else {
        integer(word).map(|number| number.to_ne_bytes().to_vec())
    };
    value.ok_or(SockOptError::Value)
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = hex
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let pairs = digits?;
    let (pairs, rest) = pairs.as_chunks::<2>();
    let whole = !pairs.is_empty() && rest.is_empty();
    whole.then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// The 32 bits of an int, which the kernel may read with a sign or without.
fn integer(word: &str) -> Option<u32> {
    let decimal = |word: &str| word.bytes().all(|b| b.is_ascii_digit());
    if let Some(hex) = word.strip_prefix("0x") {
        let digits = hex.bytes().all(|b| b.is_ascii_hexdigit());
        return u32::from_str_radix(hex, 16).ok().filter(|_| digits);
    }
    match word.strip_prefix('-') {
        Some(positive) if decimal(positive) => word.parse().ok().map(i32::cast_unsigned),
        _ => word.parse().ok().filter(|_| decimal(word)),
    }
}

struct Level {
    number: i32,
    names: &'static [&'static str],
    options: &'static [(&'static str, i32)],
}

/// The names that people look up, not all that there are.
const LEVELS: &[Level] = &[
    Level {
        number: libc::SOL_SOCKET,
        names: &["socket", "SOL_SOCKET"],
        options: SOCKET,
    },
    Level {
        number: libc::IPPROTO_IP,
        names: &["ip", "IPPROTO_IP", "SOL_IP"],
        options: IP,
    },
    Level {
        number: libc::IPPROTO_IPV6,
        names: &["ipv6", "IPPROTO_IPV6", "SOL_IPV6"],
        options: IPV6,
    },
    Level {
        number: libc::IPPROTO_TCP,
        names: &["tcp", "IPPROTO_TCP", "SOL_TCP"],
        options: TCP,
    },
    Level {
        number: libc::IPPROTO_UDP,
        names: &["udp", "IPPROTO_UDP", "SOL_UDP"],
        options: UDP,
    },
];

const SOCKET: &[(&str, i32)] = &[
    ("SO_BINDTODEVICE", libc::SO_BINDTODEVICE),
    ("SO_BROADCAST", libc::SO_BROADCAST),
    ("SO_BUSY_POLL", libc::SO_BUSY_POLL),
    ("SO_DEBUG", libc::SO_DEBUG),
    ("SO_DONTROUTE", libc::SO_DONTROUTE),
    ("SO_INCOMING_CPU", libc::SO_INCOMING_CPU),
    ("SO_KEEPALIVE", libc::SO_KEEPALIVE),
    ("SO_MARK", libc::SO_MARK),
    ("SO_MAX_PACING_RATE", libc::SO_MAX_PACING_RATE),
    ("SO_OOBINLINE", libc::SO_OOBINLINE),
    ("SO_PRIORITY", libc::SO_PRIORITY),
    ("SO_RCVBUF", libc::SO_RCVBUF),
    ("SO_RCVBUFFORCE", libc::SO_RCVBUFFORCE),
    ("SO_RCVLOWAT", libc::SO_RCVLOWAT),
    ("SO_REUSEADDR", libc::SO_REUSEADDR),
    ("SO_REUSEPORT", libc::SO_REUSEPORT),
    ("SO_SNDBUF", libc::SO_SNDBUF),
    ("SO_SNDBUFFORCE", libc::SO_SNDBUFFORCE),
];

const IP: &[(&str, i32)] = &[
    ("IP_BIND_ADDRESS_NO_PORT", libc::IP_BIND_ADDRESS_NO_PORT),
    ("IP_FREEBIND", libc::IP_FREEBIND),
    ("IP_MINTTL", libc::IP_MINTTL),
    ("IP_MTU_DISCOVER", libc::IP_MTU_DISCOVER),
    ("IP_MULTICAST_IF", libc::IP_MULTICAST_IF),
    ("IP_MULTICAST_LOOP", libc::IP_MULTICAST_LOOP),
    ("IP_MULTICAST_TTL", libc::IP_MULTICAST_TTL),
    ("IP_OPTIONS", libc::IP_OPTIONS),
    ("IP_TOS", libc::IP_TOS),
    ("IP_TRANSPARENT", libc::IP_TRANSPARENT),
    ("IP_TTL", libc::IP_TTL),
    ("IP_UNICAST_IF", libc::IP_UNICAST_IF),
];

const IPV6: &[(&str, i32)] = &[
    ("IPV6_AUTOFLOWLABEL", libc::IPV6_AUTOFLOWLABEL),
    ("IPV6_DONTFRAG", libc::IPV6_DONTFRAG),
    ("IPV6_FREEBIND", libc::IPV6_FREEBIND),
    ("IPV6_MINHOPCOUNT", libc::IPV6_MINHOPCOUNT),
    ("IPV6_MTU", libc::IPV6_MTU),
    ("IPV6_MTU_DISCOVER", libc::IPV6_MTU_DISCOVER),
    ("IPV6_MULTICAST_HOPS", libc::IPV6_MULTICAST_HOPS),
    ("IPV6_MULTICAST_IF", libc::IPV6_MULTICAST_IF),
    ("IPV6_MULTICAST_LOOP", libc::IPV6_MULTICAST_LOOP),
    ("IPV6_TCLASS", libc::IPV6_TCLASS),
    ("IPV6_TRANSPARENT", libc::IPV6_TRANSPARENT),
    ("IPV6_UNICAST_HOPS", libc::IPV6_UNICAST_HOPS),
];

const TCP: &[(&str, i32)] = &[
    ("TCP_CONGESTION", libc::TCP_CONGESTION),
    ("TCP_CORK", libc::TCP_CORK),
    ("TCP_DEFER_ACCEPT", libc::TCP_DEFER_ACCEPT),
    ("TCP_FASTOPEN", libc::TCP_FASTOPEN),
    ("TCP_FASTOPEN_CONNECT", libc::TCP_FASTOPEN_CONNECT),
    ("TCP_KEEPCNT", libc::TCP_KEEPCNT),
    ("TCP_KEEPIDLE", libc::TCP_KEEPIDLE),
    ("TCP_KEEPINTVL", libc::TCP_KEEPINTVL),
    ("TCP_LINGER2", libc::TCP_LINGER2),
    ("TCP_MAXSEG", libc::TCP_MAXSEG),
    ("TCP_NODELAY", libc::TCP_NODELAY),
    ("TCP_NOTSENT_LOWAT", libc::TCP_NOTSENT_LOWAT),
    ("TCP_QUICKACK", libc::TCP_QUICKACK),
    ("TCP_SYNCNT", libc::TCP_SYNCNT),
    ("TCP_THIN_LINEAR_TIMEOUTS", libc::TCP_THIN_LINEAR_TIMEOUTS),
    ("TCP_USER_TIMEOUT", libc::TCP_USER_TIMEOUT),
    ("TCP_WINDOW_CLAMP", libc::TCP_WINDOW_CLAMP),
];

const UDP: &[(&str, i32)] = &[
    ("UDP_CORK", libc::UDP_CORK),
    ("UDP_SEGMENT", libc::UDP_SEGMENT),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_by_number_and_by_name() {
        let int = |n: i32| n.to_ne_bytes().to_vec();
        let table = [
            (
                "SOL_SOCKET:SO_MARK:7",
                (libc::SOL_SOCKET, libc::SO_MARK, int(7)),
            ),
            (
                "socket:so_mark:0x10",
                (libc::SOL_SOCKET, libc::SO_MARK, int(16)),
            ),
            ("1:36:4294967295", (1, 36, int(-1))),
            ("ip:IP_TOS:16", (libc::IPPROTO_IP, libc::IP_TOS, int(16))),
            ("0:IP_TOS:16", (libc::IPPROTO_IP, libc::IP_TOS, int(16))),
            ("IPv6:16:-1", (libc::IPPROTO_IPV6, 16, int(-1))),
            (
                "tcp:TCP_NODELAY:1",
                (libc::IPPROTO_TCP, libc::TCP_NODELAY, int(1)),
            ),
            ("6:1:-2147483648", (6, 1, int(i32::MIN))),
            ("1:25:\"lo\"", (1, 25, b"lo".to_vec())),
            ("1:25:\"a:b\"\"", (1, 25, b"a:b\"".to_vec())),
            ("1:25:\"\"", (1, 25, Vec::new())),
            ("1:13:x0102fFA0", (1, 13, vec![1, 2, 255, 160])),
        ];
        for (word, (level, name, value)) in table {
            let option = SockOpt::parse(word).unwrap();
            assert_eq!(
                (option.level, option.name, &option.value),
                (level, name, &value)
            );
            assert_eq!(option.to_string(), word);
        }
    }

    #[test]
    fn mistakes_are_told_apart() {
        use SockOptError::*;
        let table = [
            ("", Form),
            ("1", Form),
            ("1:2", Form),
            ("x:1:1", Level),
            (":1:1", Level),
            ("-1:1:1", Level),
            ("2147483648:1:1", Level),
            ("tcp:SO_MARK:1", Name),
            ("tcp::1", Name),
            ("tcp:+1:1", Name),
            ("ip:64:x00", Filter),
            ("ip:1152:x00", Filter),
            ("ipv6:65:x00", Filter),
            ("tcp:1:", Value),
            ("tcp:1:y", Value),
            ("tcp:1:+1", Value),
            ("tcp:1:--1", Value),
            ("tcp:1:4294967296", Value),
            ("tcp:1:-2147483649", Value),
            ("tcp:1:0x", Value),
            ("tcp:1:0x+1", Value),
            ("tcp:1:0x100000000", Value),
            ("tcp:1:x", Value),
            ("tcp:1:x1", Value),
            ("tcp:1:x0g", Value),
            ("tcp:1:x\u{661}\u{661}", Value),
            ("tcp:1:\"", Value),
            ("tcp:1:\"lo", Value),
            ("tcp:1:1:2", Value),
        ];
        for (word, expected) in table {
            assert_eq!(SockOpt::parse(word), Err(expected), "{word:?}");
        }
    }
}
