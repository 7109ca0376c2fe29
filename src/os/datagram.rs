//! Datagrams together with both of their addresses: `recvmsg(2)` and `sendmsg(2)` with the packet
//! information of ip(7) and ipv6(7).
#![expect(
    unsafe_code,
    reason = "recvmsg, sendmsg, setsockopt and ioctl; each block says why"
)]

use std::{
    io, mem,
    net::{Ipv4Addr, Ipv6Addr},
    os::fd::{AsFd, AsRawFd},
    ptr,
};

use socket2::SockAddr;

/// One of our own addresses: where a datagram went to, and where its answer has to come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Local {
    /// IPv4.
    V4(Ipv4Addr),
    /// IPv6, with the number of the interface, which link-local addresses need.
    V6(Ipv6Addr, u32),
}

/// A datagram that has come.
#[derive(Debug)]
pub(crate) struct Received {
    /// What it had, which may be more than the buffer took.
    pub length: usize,
    /// Who sent it.
    pub from: SockAddr,
    /// Which of our addresses it came to, where [`report_destinations`] asks for that.
    pub to: Option<Local>,
}

/// Room for pieces of ancillary data, aligned as `cmsghdr` is. One of packet information takes 40
/// bytes.
#[repr(C)]
pub(super) struct Control<const SIZE: usize = 64> {
    align: [libc::cmsghdr; 0],
    pub(super) bytes: [u8; SIZE],
}

impl<const SIZE: usize> Control<SIZE> {
    pub(super) const EMPTY: Self = Self {
        align: [],
        bytes: [0; SIZE],
    };
}

/// Takes one datagram, without waiting.
pub(crate) fn recv_datagram(socket: impl AsFd, buf: &mut [u8]) -> io::Result<Received> {
    let fd = socket.as_fd().as_raw_fd();
    let mut control: Control = Control::EMPTY;
    let mut iov = libc::iovec {
        iov_base: buf.as_mut_ptr().cast(),
        iov_len: buf.len(),
    };
    // SAFETY: the header points to the buffer, the address storage and the control buffer, with
    // their true lengths, and all of them outlive the call. The kernel sets the address's length
    // to what it has written of it; for a sender without an address that is nothing.
    let ((length, to), from) = unsafe {
        SockAddr::try_init(|storage, len| {
            let mut header: libc::msghdr = mem::zeroed();
            header.msg_name = storage.cast();
            header.msg_namelen = *len;
            header.msg_iov = &raw mut iov;
            header.msg_iovlen = 1;
            header.msg_control = control.bytes.as_mut_ptr().cast();
            header.msg_controllen = control.bytes.len();
            let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
            let Ok(length) = usize::try_from(libc::recvmsg(fd, &raw mut header, flags)) else {
                return Err(io::Error::last_os_error());
            };
            *len = header.msg_namelen;
            Ok((length, destination(&header)))
        })
    }?;
    Ok(Received { length, from, to })
}

/// Sends one datagram, without waiting: to the socket's peer or to `to`, from the address that the
/// kernel chooses or from `from`.
pub(crate) fn send_datagram(
    socket: impl AsFd,
    buf: &[u8],
    to: Option<&SockAddr>,
    from: Option<Local>,
) -> io::Result<usize> {
    let mut control: Control = Control::EMPTY;
    let mut iov = libc::iovec {
        iov_base: buf.as_ptr().cast_mut().cast(),
        iov_len: buf.len(),
    };
    // SAFETY: as for receiving; sendmsg reads from all of them and writes to none.
    unsafe {
        let mut header: libc::msghdr = mem::zeroed();
        if let Some(to) = to {
            header.msg_name = to.as_ptr().cast_mut().cast();
            header.msg_namelen = to.len();
        }
        header.msg_iov = &raw mut iov;
        header.msg_iovlen = 1;
        if let Some(from) = from {
            header.msg_control = control.bytes.as_mut_ptr().cast();
            header.msg_controllen = control.bytes.len();
            set_source(&mut header, from);
        }
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let sent = libc::sendmsg(socket.as_fd().as_raw_fd(), &raw const header, flags);
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

/// Has the kernel say to which of our addresses each datagram came.
pub(crate) fn report_destinations(socket: impl AsFd, is_v6: bool) -> io::Result<()> {
    let (level, name) = if is_v6 {
        (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)
    } else {
        (libc::IPPROTO_IP, libc::IP_PKTINFO)
    };
    let on: libc::c_int = 1;
    let len = size_of_val(&on) as libc::socklen_t;
    // SAFETY: both options take one int.
    let done = unsafe {
        let value = (&raw const on).cast();
        libc::setsockopt(socket.as_fd().as_raw_fd(), level, name, value, len)
    };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The length of the datagram that is next, 0 if there is none: `FIONREAD`, unix(7).
pub(crate) fn next_length(socket: impl AsFd) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int through the pointer.
    let done = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
    if done == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// # Safety
///
/// The header is as recvmsg(2) has left it, and its control buffer is still there.
unsafe fn destination(header: &libc::msghdr) -> Option<Local> {
    // SAFETY: the macros stay within the control buffer that the header describes; the structs are
    // plain data and read from wherever they lie.
    unsafe {
        let mut next = libc::CMSG_FIRSTHDR(header);
        while let Some(piece) = next.as_ref() {
            let data = libc::CMSG_DATA(piece);
            match (piece.cmsg_level, piece.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info: libc::in_pktinfo = ptr::read_unaligned(data.cast());
                    // For broadcasts and multicasts, the address of the interface.
                    let address = u32::from_be(info.ipi_spec_dst.s_addr);
                    return Some(Local::V4(address.into()));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info: libc::in6_pktinfo = ptr::read_unaligned(data.cast());
                    let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                    let ours = !address.is_multicast();
                    return ours.then_some(Local::V6(address, info.ipi6_ifindex));
                }
                _ => next = libc::CMSG_NXTHDR(header, piece),
            }
        }
    }
    None
}

/// # Safety
///
/// The header has a control buffer of zeros with room for one piece of packet information.
unsafe fn set_source(header: &mut libc::msghdr, from: Local) {
    // SAFETY: the first piece lies at the buffer's beginning, which is aligned for it; `Control`
    // holds 64 bytes, and the larger of the two pieces takes 40.
    unsafe {
        let piece = libc::CMSG_FIRSTHDR(header);
        let size = match from {
            Local::V4(address) => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr {
                        s_addr: u32::from(address).to_be(),
                    },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                (*piece).cmsg_level = libc::IPPROTO_IP;
                (*piece).cmsg_type = libc::IP_PKTINFO;
                ptr::write_unaligned(libc::CMSG_DATA(piece).cast(), info);
                size_of_val(&info)
            }
            Local::V6(address, interface) => {
                // Only these addresses are not found without their interface.
                let scoped = address.is_unicast_link_local();
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr {
                        s6_addr: address.octets(),
                    },
                    ipi6_ifindex: if scoped { interface } else { 0 },
                };
                (*piece).cmsg_level = libc::IPPROTO_IPV6;
                (*piece).cmsg_type = libc::IPV6_PKTINFO;
                ptr::write_unaligned(libc::CMSG_DATA(piece).cast(), info);
                size_of_val(&info)
            }
        };
        let size = size as libc::c_uint;
        (*piece).cmsg_len = libc::CMSG_LEN(size) as usize;
        header.msg_controllen = libc::CMSG_SPACE(size) as usize;
    }
}
