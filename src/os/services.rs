//! All the names of ports at once.
#![expect(
    unsafe_code,
    reason = "getservent and the strings that it points to; each block says why"
)]

use std::{
    ffi::CStr,
    sync::{Mutex, PoisonError},
};

/// A line of services(5).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub port: u16,
    /// UDP, otherwise TCP.
    pub datagrams: bool,
    pub name: String,
}

/// More than each port of both protocols twice are nobody's names.
const MOST: usize = 1 << 18;

/// Everything in services(5) about TCP and UDP, in its order: getservent(3). Nothing where it cannot
/// be read, where a service does not list what it knows, and with musl.
pub(crate) fn services() -> Vec<Service> {
    /// There is one place in the list, and one entry at a time, for the whole process.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut found = Vec::new();
    // SAFETY: nothing else in this program calls one of the three (getnameinfo(3) has a place of its
    // own), and the lock keeps a second thread out. An entry and its strings stay as they are until
    // the next call, and are copied before that.
    unsafe {
        libc::setservent(1);
        for _ in 0..MOST {
            let Some(entry) = libc::getservent().as_ref() else {
                break;
            };
            found.extend(service(entry));
        }
        libc::endservent();
    }
    found
}

/// # Safety
///
/// The entry is as getservent(3) has left it: its strings end with a NUL.
unsafe fn service(entry: &libc::servent) -> Option<Service> {
    // SAFETY: as the caller promises.
    let (protocol, name) = unsafe { (CStr::from_ptr(entry.s_proto), CStr::from_ptr(entry.s_name)) };
    let datagrams = match protocol.to_bytes() {
        b"tcp" => false,
        b"udp" => true,
        _ => return None,
    };
    Some(Service {
        // In network order, in the lower half of an int.
        port: u16::from_be(u16::try_from(entry.s_port).ok()?),
        datagrams,
        name: name.to_str().ok()?.into(),
    })
}
