//! What routers and packet filters say about packets of ours: ICMP errors, whole, as ip(7) and
//! ipv6(7) report them. An errno alone does not tell "prohibited" from "unreachable".
#![expect(unsafe_code, reason = "recvmsg; each block says why")]

use std::{
    io, mem,
    os::fd::{AsFd, AsRawFd as _},
    ptr,
};

use super::{datagram::Control, set_socket_option};

/// How many reports are taken at once. The kernel keeps as many as `SO_RCVBUF` has room for, and a
/// peer may send more of them meanwhile.
const MOST: usize = 1024;

/// An ICMP error about a packet of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IcmpError {
    /// What the kernel makes of it.
    pub errno: i32,
    /// Whether it is ICMPv6.
    pub v6: bool,
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
}

impl IcmpError {
    /// Whether somebody on the way forbids it, rather than that there is no way: RFC 792 and 1812,
    /// RFC 4443.
    pub(crate) fn is_prohibited(&self) -> bool {
        // Communication with the network, with the host, or altogether is administratively
        // prohibited; with ICMPv6 it is prohibited, against a policy, or the route is a reject.
        matches!(
            (self.v6, self.kind, self.code),
            (false, 3, 9 | 10 | 13) | (true, 1, 1 | 5 | 6)
        )
    }
}

/// Has the kernel keep the ICMP errors of a socket for [`icmp_error`]; `v6` is what its packets are,
/// so it is false for an IPv4 address mapped into IPv6. To be called before connect(2).
///
/// TCP keeps those that come while it connects, with IPv4 even unasked, in spite of ip(7), according
/// to which it has no such queue (Linux 6.18). Afterwards the option makes fatal what would be waited
/// out, tcp(7).
pub(crate) fn set_icmp_reports(socket: impl AsFd, v6: bool) -> io::Result<()> {
    let (level, name) = if v6 {
        (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
    } else {
        (libc::IPPROTO_IP, libc::IP_RECVERR)
    };
    let on: libc::c_int = 1;
    set_socket_option(socket, level, name, &on.to_ne_bytes())
}

/// Empties the queue of reports, without waiting, and gives the newest one that is of ICMP. While
/// there are any, the socket has an error event.
///
/// For one who connects such a report is the answer, whatever else the socket says (Linux 6.18). To
/// take it resets `SO_ERROR`, so that is to be asked for first, or not at all. And where the report
/// comes while connect(2) still holds the socket, as over loopback, the attempt is not given up: it
/// stays SYN_SENT, and SYN is sent again after a second.
pub(crate) fn icmp_error(socket: impl AsFd) -> io::Result<Option<IcmpError>> {
    let mut newest = None;
    for _ in 0..MOST {
        match next_report(&socket) {
            Ok(report) => newest = report.or(newest),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
            Err(e) => return Err(e),
        }
    }
    Ok(newest)
}

/// None for a report that is of our own kernel, such as of a packet that was too large.
fn next_report(socket: impl AsFd) -> io::Result<Option<IcmpError>> {
    let mut control = Control::<256>::EMPTY;
    // SAFETY: the header points to the control buffer alone, with its true length. What the packet
    // had, and whom it was for, has no room and is dropped.
    unsafe {
        let mut header: libc::msghdr = mem::zeroed();
        header.msg_control = control.bytes.as_mut_ptr().cast();
        header.msg_controllen = control.bytes.len();
        let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
        if libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut header, flags) == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(icmp_in(&header))
    }
}

/// # Safety
///
/// The header is as recvmsg(2) has left it, and its control buffer is still there.
unsafe fn icmp_in(header: &libc::msghdr) -> Option<IcmpError> {
    const SIZE: usize = size_of::<libc::sock_extended_err>();
    // SAFETY: the macros stay within the control buffer that the header describes; the struct is
    // plain integers, and read only where the piece is long enough for it.
    unsafe {
        let mut next = libc::CMSG_FIRSTHDR(header);
        while let Some(piece) = next.as_ref() {
            // An IPv6 socket says IPV6_RECVERR of ICMP for IPv4, too; the origin tells.
            let is_report = matches!(
                (piece.cmsg_level, piece.cmsg_type),
                (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
            );
            if is_report && piece.cmsg_len >= libc::CMSG_LEN(SIZE as libc::c_uint) as usize {
                let report: libc::sock_extended_err =
                    ptr::read_unaligned(libc::CMSG_DATA(piece).cast());
                return of_icmp(&report);
            }
            next = libc::CMSG_NXTHDR(header, piece);
        }
    }
    None
}

fn of_icmp(report: &libc::sock_extended_err) -> Option<IcmpError> {
    let v6 = match report.ee_origin {
        libc::SO_EE_ORIGIN_ICMP => false,
        libc::SO_EE_ORIGIN_ICMP6 => true,
        _ => return None,
    };
    Some(IcmpError {
        errno: i32::try_from(report.ee_errno).unwrap_or_default(),
        v6,
        kind: report.ee_type,
        code: report.ee_code,
    })
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
        process::{Command, Stdio},
        thread,
    };

    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        thread::{UnshareFlags, unshare_unsafe},
    };
    use socket2::{Domain, Protocol, Socket, Type};

    use super::*;

    const LOOPBACK: [IpAddr; 2] = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ];

    /// What nft(8) calls it, its code, what the kernel makes of it, and whether it is a prohibition.
    type Row = (&'static str, u8, i32, bool);

    /// Destination unreachable, type 3.
    const V4: [Row; 7] = [
        ("net-unreachable", 0, libc::ENETUNREACH, false),
        ("host-unreachable", 1, libc::EHOSTUNREACH, false),
        ("prot-unreachable", 2, libc::ENOPROTOOPT, false),
        ("port-unreachable", 3, libc::ECONNREFUSED, false),
        ("net-prohibited", 9, libc::ENETUNREACH, true),
        ("host-prohibited", 10, libc::EHOSTUNREACH, true),
        ("admin-prohibited", 13, libc::EHOSTUNREACH, true),
    ];

    /// Destination unreachable, type 1.
    const V6: [Row; 6] = [
        ("no-route", 0, libc::ENETUNREACH, false),
        ("admin-prohibited", 1, libc::EACCES, true),
        ("addr-unreachable", 3, libc::EHOSTUNREACH, false),
        ("port-unreachable", 4, libc::ECONNREFUSED, false),
        ("policy-fail", 5, libc::EACCES, true),
        ("reject-route", 6, libc::EACCES, true),
    ];

    fn table(v6: bool) -> &'static [Row] {
        if v6 { &V6 } else { &V4 }
    }

    /// The port at which packets are rejected with this code.
    fn port(code: u8) -> u16 {
        1000 + u16::from(code)
    }

    fn rules() -> String {
        let mut rules = String::new();
        for (v6, icmp) in [(false, "icmp"), (true, "icmpv6")] {
            for (name, code, ..) in table(v6) {
                let port = port(*code);
                for protocol in ["tcp", "udp"] {
                    let reject = format!("reject with {icmp} type {name}");
                    rules += &format!("meta nfproto ipv{} ", if v6 { 6 } else { 4 });
                    rules += &format!("{protocol} dport {port} {reject}\n");
                }
            }
        }
        format!("table inet t {{\nchain c {{\ntype filter hook input priority 0\n{rules}}}\n}}\n")
    }

    /// Runs in a network of its own, which nobody else sees and which ends with the thread. False:
    /// we may not have one, or nft(8) is not here.
    fn in_a_network_that_rejects(work: fn()) -> bool {
        let run = move || {
            // SAFETY: the sockets that this thread has not made are not its own to use, and it uses
            // none of them.
            if unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.is_err() {
                return false;
            }
            let up = Command::new("ip")
                .args(["link", "set", "lo", "up"])
                .status();
            let nft = Command::new("nft")
                .args(["-f", "-"])
                .stdin(Stdio::piped())
                .spawn();
            let (Ok(up), Ok(mut nft)) = (up, nft) else {
                return false;
            };
            let mut input = nft.stdin.take().unwrap();
            input.write_all(rules().as_bytes()).unwrap();
            drop(input);
            assert!(up.success() && nft.wait().unwrap().success());
            work();
            true
        };
        thread::spawn(run).join().unwrap()
    }

    #[track_caller]
    fn check_in_a_network_that_rejects(work: fn()) {
        let done = in_a_network_that_rejects(work);
        assert!(
            done || std::env::var_os("CI").is_none(),
            "in CI nothing may be skipped"
        );
    }

    /// The newest report, once there is one.
    fn reported(socket: &impl AsFd) -> Option<IcmpError> {
        let patience = Timespec {
            tv_sec: 5,
            tv_nsec: 0,
        };
        let mut fds = [PollFd::new(socket, PollFlags::empty())];
        poll(&mut fds, Some(&patience)).unwrap();
        icmp_error(socket).unwrap()
    }

    fn connecting(ip: IpAddr, port: u16, v6: bool) -> Socket {
        let address = SocketAddr::from((ip, port));
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )
        .unwrap();
        socket.set_nonblocking(true).unwrap();
        set_icmp_reports(&socket, v6).unwrap();
        // That it goes on is an error, too.
        let _ = socket.connect(&address.into());
        socket
    }

    #[test]
    fn a_connection_that_is_rejected_tells_why() {
        check_in_a_network_that_rejects(|| {
            for ip in LOOPBACK {
                let (v6, kind) = if ip.is_ipv6() { (true, 1) } else { (false, 3) };
                for (name, code, errno, prohibited) in table(v6) {
                    let found = reported(&connecting(ip, port(*code), v6));
                    let expected = IcmpError {
                        errno: *errno,
                        v6,
                        kind,
                        code: *code,
                    };
                    assert_eq!(found, Some(expected), "{name}");
                    assert_eq!(expected.is_prohibited(), *prohibited, "{name}");
                }
            }
            let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
            let found = reported(&connecting(mapped.into(), port(13), false)).unwrap();
            assert_eq!((found.v6, found.code), (false, 13));
        });
    }

    #[test]
    fn a_datagram_that_is_rejected_tells_why() {
        check_in_a_network_that_rejects(|| {
            for ip in LOOPBACK {
                let v6 = ip.is_ipv6();
                for (name, code, errno, _) in table(v6) {
                    let socket = UdpSocket::bind((ip, 0)).unwrap();
                    set_icmp_reports(&socket, v6).unwrap();
                    socket.connect((ip, port(*code))).unwrap();
                    socket.send(b"x").unwrap();
                    let found = reported(&socket).unwrap();
                    assert_eq!((found.code, found.errno), (*code, *errno), "{name}");
                    // With it the error is taken, and the queue is empty.
                    assert_eq!(icmp_error(&socket).unwrap(), None);
                    assert!(socket.take_error().unwrap().is_none());
                }
            }
        });
    }

    #[test]
    fn of_several_reports_the_newest_counts() {
        check_in_a_network_that_rejects(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            set_icmp_reports(&socket, false).unwrap();
            for code in [13, 3, 9] {
                // An error of the one before may be told here.
                while socket.send_to(b"x", ("127.0.0.1", port(code))).is_err() {}
            }
            assert_eq!(reported(&socket).map(|found| found.code), Some(9));
            assert_eq!(icmp_error(&socket).unwrap(), None);
        });
    }

    #[test]
    fn a_refused_connection_has_nothing_of_icmp() {
        for ip in LOOPBACK {
            let listener = TcpListener::bind((ip, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            drop(listener);
            let socket = connecting(ip, port, ip.is_ipv6());
            assert_eq!(reported(&socket), None);
        }
    }

    /// The piece as the kernel lays it out, of a length that need not be its own.
    fn parsed(
        (level, kind): (i32, i32),
        length: usize,
        report: libc::sock_extended_err,
    ) -> Option<IcmpError> {
        let mut control = Control::<256>::EMPTY;
        // SAFETY: as in `next_report`, with room enough for the piece.
        unsafe {
            let mut header: libc::msghdr = mem::zeroed();
            header.msg_control = control.bytes.as_mut_ptr().cast();
            header.msg_controllen = control.bytes.len();
            let piece = libc::CMSG_FIRSTHDR(&raw const header);
            (*piece).cmsg_level = level;
            (*piece).cmsg_type = kind;
            (*piece).cmsg_len = libc::CMSG_LEN(length as libc::c_uint) as usize;
            ptr::write_unaligned(libc::CMSG_DATA(piece).cast(), report);
            header.msg_controllen = libc::CMSG_SPACE(length as libc::c_uint) as usize;
            icmp_in(&header)
        }
    }

    #[test]
    fn only_a_whole_report_of_icmp_is_one() {
        const SIZE: usize = size_of::<libc::sock_extended_err>();
        let of = |ee_origin| libc::sock_extended_err {
            ee_errno: 113,
            ee_origin,
            ee_type: 3,
            ee_code: 10,
            ee_pad: 0,
            ee_info: 0,
            ee_data: 0,
        };
        let v4 = (libc::IPPROTO_IP, libc::IP_RECVERR);
        let v6 = (libc::IPPROTO_IPV6, libc::IPV6_RECVERR);
        let (icmp, icmp6) = (libc::SO_EE_ORIGIN_ICMP, libc::SO_EE_ORIGIN_ICMP6);
        for (names, origin, is_v6) in [(v4, icmp, false), (v6, icmp, false), (v6, icmp6, true)] {
            let expected = IcmpError {
                errno: 113,
                v6: is_v6,
                kind: 3,
                code: 10,
            };
            // Behind it comes the address of who says it.
            for length in [SIZE, SIZE + size_of::<libc::sockaddr_in6>()] {
                assert_eq!(parsed(names, length, of(origin)), Some(expected));
            }
            assert_eq!(parsed(names, SIZE - 1, of(origin)), None);
        }
        assert_eq!(parsed(v4, SIZE, of(libc::SO_EE_ORIGIN_LOCAL)), None);
        let other = (libc::IPPROTO_IP, libc::IP_PKTINFO);
        assert_eq!(parsed(other, SIZE, of(icmp)), None);
    }
}
