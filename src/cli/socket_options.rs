//! Options of the sockets, and where the key of one of them comes from.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, ValueHint};

use super::values;
use crate::plan::{Keepalive, SockOpt};

// `-h` has no room for them.
#[derive(Args, Debug)]
#[command(next_help_heading = "Socket options")]
pub(super) struct SocketOptions {
    /// Size of the receive buffer (SO_RCVBUF)
    ///
    /// SIZE is a number of bytes; k, M and G behind it mean 1024, 1024^2 and 1024^3. The kernel
    /// doubles it, and makes it no larger than the setting net.core.rmem_max allows. It no longer
    /// adapts the buffer to the connection then.
    #[arg(
        short = 'I',
        long = "recv-buffer",
        value_name = "SIZE",
        value_hint = ValueHint::Other,
        value_parser = values::buffer_size(),
        allow_hyphen_values = true,
        hide_short_help = true
    )]
    pub(super) recv_buffer: Option<u32>,

    /// Size of the send buffer (SO_SNDBUF)
    ///
    /// As -I, for the other direction; the setting is net.core.wmem_max.
    #[arg(
        short = 'O',
        long = "send-buffer",
        value_name = "SIZE",
        value_hint = ValueHint::Other,
        value_parser = values::buffer_size(),
        allow_hyphen_values = true,
        hide_short_help = true
    )]
    pub(super) send_buffer: Option<u32>,

    /// Type of service, or traffic class, of what is sent
    ///
    /// A number from 0 to 255, in hexadecimal after 0x, or a name: af11-af13, af21-af23, af31-af33,
    /// af41-af43, cs0-cs7, ef, va, critical, inetcontrol, netcontrol, lowcost, lowdelay,
    /// reliability, throughput. Sets IP_TOS or IPV6_TCLASS. Of a TCP socket, the kernel keeps the
    /// two lowest bits (ECN) to itself.
    #[arg(
        short = 'T',
        long = "tos",
        value_name = "VALUE",
        value_hint = ValueHint::Other,
        value_parser = values::traffic_class(),
        allow_hyphen_values = true,
        hide_short_help = true
    )]
    pub(super) tos: Option<u8>,

    /// How many hops packets may go, 0-255
    ///
    /// Sets IP_TTL or IPV6_UNICAST_HOPS. The kernel does not take 0 for IPv4.
    #[arg(
        short = 'M',
        long = "ttl",
        value_name = "HOPS",
        value_hint = ValueHint::Other,
        value_parser = values::byte(),
        allow_hyphen_values = true,
        hide_short_help = true
    )]
    pub(super) ttl: Option<u8>,

    /// Drop packets with fewer hops left, 0-255
    ///
    /// Sets IP_MINTTL or IPV6_MINHOPCOUNT. With 255 only hosts on the same link are heard, if they
    /// send with --ttl 255 (RFC 5082).
    #[arg(
        short = 'm',
        long = "min-ttl",
        value_name = "HOPS",
        value_hint = ValueHint::Other,
        value_parser = values::byte(),
        allow_hyphen_values = true,
        hide_short_help = true
    )]
    pub(super) min_ttl: Option<u8>,

    /// Have the kernel debug the socket (SO_DEBUG)
    ///
    /// Needs CAP_NET_ADMIN.
    #[arg(short = 'D', long = "socket-debug", hide_short_help = true)]
    pub(super) socket_debug: bool,

    /// Allow broadcast addresses (SO_BROADCAST)
    ///
    /// Without effect on TCP.
    #[arg(short = 'b', long = "broadcast", hide_short_help = true)]
    pub(super) broadcast: bool,

    /// Have the kernel ask a silent peer if it is there
    ///
    /// Sets SO_KEEPALIVE. After IDLE seconds without a sign of life the peer is asked every INTERVAL
    /// seconds; when COUNT questions have got no answer, the connection has broken. The times are
    /// whole seconds from 1 to 32767, COUNT is a number from 1 to 127. What is left out from the
    /// right is what the kernel is set to, which may mean hours. When the peer has ended and stdin
    /// has not, the peer is asked after 10 seconds, every 5 seconds, 3 times, unless times are given
    /// here.
    #[arg(
        long = "keepalive",
        value_name = "IDLE,INTERVAL,COUNT",
        value_hint = ValueHint::Other,
        value_parser = values::keepalive(),
        num_args = 0..=1,
        require_equals = true,
        hide_short_help = true
    )]
    pub(super) keepalive: Option<Option<Keepalive>>,

    /// Send small pieces at once (TCP_NODELAY)
    ///
    /// They do not wait for the acknowledgement of the one before.
    #[arg(long = "nodelay", hide_short_help = true)]
    pub(super) nodelay: bool,

    /// How long data may be unacknowledged
    ///
    /// Sets TCP_USER_TIMEOUT: the kernel ends a connection that has made no progress for DUR,
    /// also one whose peer is there and does not read. Limits connecting too. With 0 the kernel
    /// decides.
    #[arg(
        long = "user-timeout",
        value_name = "DUR",
        value_hint = ValueHint::Other,
        value_parser = values::user_timeout(),
        allow_hyphen_values = true,
        hide_short_help = true
    )]
    pub(super) user_timeout: Option<u32>,

    /// Use this congestion control
    ///
    /// Sets TCP_CONGESTION. /proc/sys/net/ipv4/tcp_available_congestion_control lists the names.
    #[arg(
        long = "congestion",
        value_name = "NAME",
        value_hint = ValueHint::Other,
        value_parser = values::kernel_name(),
        hide_short_help = true
    )]
    pub(super) congestion: Option<String>,

    /// Use Multipath TCP (RFC 8684)
    ///
    /// With a peer that does not know it the connection becomes one of plain TCP.
    #[arg(long = "mptcp", hide_short_help = true)]
    pub(super) mptcp: bool,

    /// Use this network interface only
    ///
    /// Sets SO_BINDTODEVICE.
    #[arg(
        long = "device",
        value_name = "NAME",
        value_hint = ValueHint::Other,
        value_parser = values::kernel_name(),
        hide_short_help = true
    )]
    pub(super) device: Option<String>,

    /// Sign and check every segment (RFC 2385)
    ///
    /// Sets TCP_MD5SIG. Segments without the signature, or with that of another key, are dropped
    /// without a word, so that a wrong key looks like a peer that does not answer. The key is read
    /// from --md5sig-key-file, from --md5sig-key-env or, without these, from the terminal. It has 1
    /// to 80 bytes.
    #[arg(short = 'S', long = "md5sig", hide_short_help = true)]
    pub(super) md5sig: bool,

    /// Read the key of -S from this file
    ///
    /// The key is the first line.
    #[arg(
        long = "md5sig-key-file",
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        value_parser = values::path(),
        hide_short_help = true
    )]
    pub(super) md5sig_key_file: Option<PathBuf>,

    /// Read the key of -S from this environment variable
    #[arg(
        long = "md5sig-key-env",
        value_name = "NAME",
        value_hint = ValueHint::Other,
        value_parser = values::variable(),
        hide_short_help = true
    )]
    pub(super) md5sig_key_env: Option<OsString>,

    /// Set any option of setsockopt(2)
    ///
    /// LEVEL is socket, ip, ipv6, tcp, udp or a number; NAME one of the C names, such as SO_MARK, or
    /// a number. VALUE is a number, which becomes an int; or x and pairs of hexadecimal digits, which
    /// become bytes; or a text in double quotes. May be given several times; these options are set after
    /// all others.
    #[arg(
        long = "sockopt",
        value_name = "LEVEL:NAME:VALUE",
        value_hint = ValueHint::Other,
        value_parser = values::sockopt(),
        hide_short_help = true
    )]
    pub(super) sockopt: Vec<SockOpt>,

    /// Refused: Linux has no such routing tables
    ///
    /// What it does elsewhere is done by 'ip netns exec', by --device, or by a rule of ip-rule(8) for
    /// the mark that --sockopt socket:SO_MARK:N sets.
    #[arg(
        short = 'V',
        long = "rtable",
        value_name = "TABLE",
        value_hint = ValueHint::Other,
        allow_hyphen_values = true,
        hide_short_help = true
    )]
    pub(super) rtable: Option<OsString>,

    /// Refused: Linux has no DCCP any more
    ///
    /// The protocol was removed in Linux 6.16.
    #[arg(short = 'Z', long = "dccp", hide_short_help = true)]
    pub(super) dccp: bool,
}
