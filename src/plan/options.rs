//! Options of sockets, as socket(7), ip(7), ipv6(7) and tcp(7) know them.

use std::{fmt, time::Duration};

use thiserror::Error;

use super::{SecretSource, SockOpt, parse_duration};

/// The longest name of a network interface, and of a congestion control: `IFNAMSIZ` and
/// `TCP_CA_NAME_MAX` count a NUL as well.
pub const NAME_LIMIT: usize = 15;

/// The longest time that tcp(7) takes for `TCP_KEEPIDLE` and `TCP_KEEPINTVL`, in seconds.
const KEEPALIVE_TIME_LIMIT: u64 = 32_767;

/// The most probes that tcp(7) takes for `TCP_KEEPCNT`.
const KEEPALIVE_COUNT_LIMIT: u32 = 127;

/// One option that every socket of the run is to have. Displayed as on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketOption {
    /// The protocol of the socket is Multipath TCP.
    Mptcp,
    /// `SO_BINDTODEVICE`: only by way of this interface.
    Device(String),
    /// `SO_BROADCAST`.
    Broadcast,
    /// `TCP_MD5SIG`, RFC 2385: every segment is signed with the key that is read from there.
    Md5Signature(SecretSource),
    /// `SO_DEBUG`.
    Debug,
    /// `IP_TOS` and `IPV6_TCLASS`.
    TrafficClass(u8),
    /// `SO_RCVBUF`, in bytes.
    ReceiveBuffer(u32),
    /// `SO_SNDBUF`, in bytes.
    SendBuffer(u32),
    /// `IP_TTL` and `IPV6_UNICAST_HOPS`.
    HopLimit(u8),
    /// `IP_MINTTL` and `IPV6_MINHOPCOUNT`.
    MinHopLimit(u8),
    /// `SO_KEEPALIVE`, and when to probe.
    Keepalive(Keepalive),
    /// `TCP_NODELAY`.
    NoDelay,
    /// `TCP_USER_TIMEOUT`, RFC 5482, in milliseconds.
    UserTimeout(u32),
    /// `TCP_CONGESTION`: the name of a congestion control.
    Congestion(String),
    /// Any other one.
    Other(SockOpt),
}

/// The sockets that an option is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Every socket.
    Socket,
    /// Those of IPv4 and IPv6.
    Ip,
    /// Those of TCP.
    Tcp,
}

impl SocketOption {
    /// The sockets that it is for.
    pub fn scope(&self) -> Scope {
        match self {
            Self::Broadcast
            | Self::Debug
            | Self::ReceiveBuffer(_)
            | Self::SendBuffer(_)
            | Self::Other(_) => Scope::Socket,
            Self::Device(_) | Self::TrafficClass(_) | Self::HopLimit(_) | Self::MinHopLimit(_) => {
                Scope::Ip
            }
            Self::Mptcp
            | Self::Md5Signature(_)
            | Self::Keepalive(_)
            | Self::NoDelay
            | Self::UserTimeout(_)
            | Self::Congestion(_) => Scope::Tcp,
        }
    }

    /// Its name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mptcp => "--mptcp",
            Self::Device(_) => "--device",
            Self::Broadcast => "--broadcast",
            Self::Md5Signature(_) => "--md5sig",
            Self::Debug => "--socket-debug",
            Self::TrafficClass(_) => "--tos",
            Self::ReceiveBuffer(_) => "--recv-buffer",
            Self::SendBuffer(_) => "--send-buffer",
            Self::HopLimit(_) => "--ttl",
            Self::MinHopLimit(_) => "--min-ttl",
            Self::Keepalive(_) => "--keepalive",
            Self::NoDelay => "--nodelay",
            Self::UserTimeout(_) => "--user-timeout",
            Self::Congestion(_) => "--congestion",
            Self::Other(_) => "--sockopt",
        }
    }
}

impl fmt::Display for SocketOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Mptcp | Self::Broadcast | Self::Md5Signature(_) | Self::Debug | Self::NoDelay => {
                Ok(())
            }
            Self::Device(name) | Self::Congestion(name) => write!(f, " {name}"),
            Self::TrafficClass(class) => write!(f, " {class:#04x}"),
            Self::ReceiveBuffer(size) | Self::SendBuffer(size) => write!(f, " {size}"),
            Self::HopLimit(hops) | Self::MinHopLimit(hops) => write!(f, " {hops}"),
            Self::Keepalive(times) => times.fmt(f),
            Self::UserTimeout(ms) => write!(f, " {ms}ms"),
            Self::Other(option) => write!(f, " {option}"),
        }
    }
}

/// When TCP asks a silent peer whether it is still there; none is the kernel's own choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keepalive {
    /// Seconds of silence before the first probe.
    pub idle: Option<u32>,
    /// Seconds between two probes.
    pub interval: Option<u32>,
    /// How many unanswered probes end the connection.
    pub count: Option<u32>,
}

impl Keepalive {
    /// Reads `IDLE,INTERVAL,COUNT`, of which the last one or two may be missing.
    pub fn parse(word: &str) -> Result<Self, OptionError> {
        let mut parts = word.split(',');
        let idle = parts.next().map(seconds).transpose()?;
        let interval = parts.next().map(seconds).transpose()?;
        let count = parts.next().map(probes).transpose()?;
        match parts.next() {
            None => Ok(Self {
                idle,
                interval,
                count,
            }),
            Some(_) => Err(OptionError::Keepalive),
        }
    }
}

impl fmt::Display for Keepalive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, before) in [(self.idle, '='), (self.interval, ','), (self.count, ',')] {
            if let Some(number) = number {
                write!(f, "{before}{number}")?;
            }
        }
        Ok(())
    }
}

/// Reads the value of `-T`: a keyword of netcat's, `0x` and hexadecimal digits, or a number.
pub fn parse_traffic_class(word: &str) -> Result<u8, OptionError> {
    let keyword = TRAFFIC_CLASSES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word));
    let number = match word.strip_prefix("0x") {
        // `from_str_radix` would take a sign.
        Some(hex) if hex.bytes().all(|b| b.is_ascii_hexdigit()) => u8::from_str_radix(hex, 16).ok(),
        Some(_) => None,
        None => Some(word)
            .filter(|word| word.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|word| word.parse().ok()),
    };
    keyword
        .map(|(_, class)| *class)
        .or(number)
        .ok_or(OptionError::TrafficClass)
}

/// Reads a time in milliseconds; what is finer counts as one more, since 0 means the kernel's own.
pub fn parse_user_timeout(word: &str) -> Result<u32, OptionError> {
    let time = parse_duration(word).map_err(|_| OptionError::UserTimeout)?;
    let ms = time.as_nanos().div_ceil(1_000_000);
    i32::try_from(ms)
        .ok()
        .and_then(|ms| u32::try_from(ms).ok())
        .ok_or(OptionError::UserTimeout)
}

/// Reads the name of a network interface or of a congestion control.
pub fn parse_kernel_name(word: &str) -> Result<String, OptionError> {
    let fits = (1..=NAME_LIMIT).contains(&word.len());
    let harmless = word.chars().all(|c| !c.is_whitespace() && !c.is_control());
    if fits && harmless {
        Ok(word.to_owned())
    } else {
        Err(OptionError::Name)
    }
}

/// What is wrong with the value of an option.
///
/// Each reads on after the word itself, which it does not repeat: `value 'x' is not ...`.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OptionError {
    /// For `--keepalive`.
    #[error(
        "is not IDLE,INTERVAL,COUNT: two times in whole seconds from 1 to {KEEPALIVE_TIME_LIMIT}, \
         and a number from 1 to {KEEPALIVE_COUNT_LIMIT}"
    )]
    Keepalive,
    /// For `--tos`.
    #[error(
        "is not a number from 0 to 255 (or 0x00 to 0xff), nor one of: af11-af13, af21-af23, \
         af31-af33, af41-af43, cs0-cs7, ef, va, critical, inetcontrol, netcontrol, lowcost, \
         lowdelay, reliability, throughput"
    )]
    TrafficClass,
    /// For `--user-timeout`.
    #[error("is not a time from 0 to 2147483647ms (24 days)")]
    UserTimeout,
    /// For `--device` and `--congestion`.
    #[error("is not 1 to {NAME_LIMIT} bytes without blanks")]
    Name,
}

/// The keywords of `-T`: RFC 2597, RFC 2474, RFC 3246, RFC 5865, and RFC 791 with RFC 1349.
const TRAFFIC_CLASSES: &[(&str, u8)] = &[
    ("af11", 0x28),
    ("af12", 0x30),
    ("af13", 0x38),
    ("af21", 0x48),
    ("af22", 0x50),
    ("af23", 0x58),
    ("af31", 0x68),
    ("af32", 0x70),
    ("af33", 0x78),
    ("af41", 0x88),
    ("af42", 0x90),
    ("af43", 0x98),
    ("cs0", 0x00),
    ("cs1", 0x20),
    ("cs2", 0x40),
    ("cs3", 0x60),
    ("cs4", 0x80),
    ("cs5", 0xa0),
    ("cs6", 0xc0),
    ("cs7", 0xe0),
    ("ef", 0xb8),
    ("va", 0xb0),
    ("critical", 0xa0),
    ("inetcontrol", 0xc0),
    ("netcontrol", 0xe0),
    ("lowcost", 0x02),
    ("lowdelay", 0x10),
    ("reliability", 0x04),
    ("throughput", 0x08),
];

fn seconds(word: &str) -> Result<u32, OptionError> {
    let time = parse_duration(word).map_err(|_| OptionError::Keepalive)?;
    let whole = time.subsec_nanos() == 0 && time <= Duration::from_secs(KEEPALIVE_TIME_LIMIT);
    u32::try_from(time.as_secs())
        .ok()
        .filter(|seconds| whole && *seconds > 0)
        .ok_or(OptionError::Keepalive)
}

fn probes(word: &str) -> Result<u32, OptionError> {
    super::parse_number(word, 1..=KEEPALIVE_COUNT_LIMIT).map_err(|_| OptionError::Keepalive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_classes_are_read_strictly() {
        let table = [
            ("0", Some(0)),
            ("255", Some(255)),
            ("0x0", Some(0)),
            ("0xFf", Some(255)),
            ("0x0b8", Some(0xb8)),
            ("af11", Some(0x28)),
            ("AF43", Some(0x98)),
            ("cs0", Some(0)),
            ("cs7", Some(0xe0)),
            ("ef", Some(0xb8)),
            ("va", Some(0xb0)),
            ("critical", Some(0xa0)),
            ("inetcontrol", Some(0xc0)),
            ("netcontrol", Some(0xe0)),
            ("lowcost", Some(0x02)),
            ("lowdelay", Some(0x10)),
            ("reliability", Some(0x04)),
            ("throughput", Some(0x08)),
            // netcat reads the first three as 0.
            ("0x", None),
            ("0xzz", None),
            ("0x1 ", None),
            ("0x+1", None),
            ("0x100", None),
            ("256", None),
            ("-1", None),
            ("+1", None),
            ("", None),
            ("cs8", None),
            ("af1", None),
            ("af14", None),
        ];
        for (word, expected) in table {
            let expected = expected.ok_or(OptionError::TrafficClass);
            assert_eq!(parse_traffic_class(word), expected, "{word:?}");
        }
    }

    #[test]
    fn keepalive_times_are_whole_seconds_that_the_kernel_takes() {
        let table = [
            ("60", Some((60, None, None))),
            ("60s,10,5", Some((60, Some(10), Some(5)))),
            ("1m,1s", Some((60, Some(1), None))),
            ("1000ms", Some((1, None, None))),
            ("32767,32767,127", Some((32_767, Some(32_767), Some(127)))),
            ("32768", None),
            ("1,32768", None),
            ("1,1,128", None),
            ("0", None),
            ("1,0", None),
            ("1,1,0", None),
            ("1.5", None),
            ("1500ms", None),
            ("1,1,1s", None),
            ("1,1,1,1", None),
            ("", None),
            (",1", None),
            ("1,", None),
            ("1, 1", None),
            ("-1", None),
        ];
        for (word, expected) in table {
            let expected = expected
                .map(|(idle, interval, count)| Keepalive {
                    idle: Some(idle),
                    interval,
                    count,
                })
                .ok_or(OptionError::Keepalive);
            assert_eq!(Keepalive::parse(word), expected, "{word:?}");
        }
    }

    #[test]
    fn user_timeouts_are_what_an_int_holds_in_milliseconds() {
        let table = [
            ("0", Some(0)),
            ("1.5", Some(1500)),
            ("1ms", Some(1)),
            ("1us", Some(1)),
            ("1001us", Some(2)),
            ("2147483647ms", Some(2_147_483_647)),
            ("2147483647001us", None),
            ("25days", None),
            ("-1", None),
            ("x", None),
            ("", None),
        ];
        for (word, expected) in table {
            let expected = expected.ok_or(OptionError::UserTimeout);
            assert_eq!(parse_user_timeout(word), expected, "{word:?}");
        }
    }

    #[test]
    fn names_are_as_long_as_the_kernel_takes_them() {
        for word in ["lo", "a", "123456789012345", "eth0.1", "b\u{fc}ro"] {
            assert_eq!(parse_kernel_name(word), Ok(word.to_owned()));
        }
        for word in ["", "1234567890123456", "a b", "a\n", "a\0", "\u{9b}"] {
            assert_eq!(parse_kernel_name(word), Err(OptionError::Name), "{word:?}");
        }
    }

    #[test]
    fn options_are_written_as_on_the_command_line() {
        let keepalive = |idle, interval, count| {
            SocketOption::Keepalive(Keepalive {
                idle,
                interval,
                count,
            })
        };
        let table = [
            (SocketOption::HopLimit(64), "--ttl 64"),
            (SocketOption::TrafficClass(0x08), "--tos 0x08"),
            (SocketOption::Device("lo".into()), "--device lo"),
            (SocketOption::UserTimeout(1500), "--user-timeout 1500ms"),
            (
                SocketOption::Md5Signature(SecretSource::Terminal),
                "--md5sig",
            ),
            (keepalive(None, None, None), "--keepalive"),
            (keepalive(Some(60), None, None), "--keepalive=60"),
            (keepalive(Some(9), Some(2), Some(3)), "--keepalive=9,2,3"),
            (
                SocketOption::Other(SockOpt::parse("tcp:1:1").unwrap()),
                "--sockopt tcp:1:1",
            ),
        ];
        for (option, expected) in table {
            assert_eq!(option.to_string(), expected);
        }
    }
}
