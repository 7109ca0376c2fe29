//! Proxies that `nc` waits for, or does not understand.

use std::{io::Read as _, net::Shutdown};

use super::{differences, exits, hangs};
use crate::conformance::{Nc, Seen};

differences! {
    /// P2. The limit covers all that comes before the connection.
    a_mute_proxy_is_given_up:
        |nc: &Nc| through(nc, &["-w1"], &[]),
        nc: Some(hangs()),
        oxnc: exits(1).saying("has not answered");

    /// P3. What CONNECT is answered with is any status of success, RFC 9110, 9.3.6.
    a_connection_that_was_created_is_one:
        |nc: &Nc| {
            let steps: &[(usize, &[u8])] = &[(30, b"HTTP/1.1 201 Created\r\n\r\nhello\n")];
            through(nc, &["-X", "connect"], steps)
        },
        nc: Some(exits(1).writing(b"").saying("Proxy error: \"HTTP/1.1 201 Created\"")),
        oxnc: exits(0).writing(b"hello\n").silent();

    /// The way to the proxy may have to begin somewhere, too.
    a_local_address_can_be_chosen_on_the_way_to_a_proxy:
        |nc: &Nc| {
            let proxy = format!("127.0.0.1:{}", nc.refusing());
            nc.sees(nc.tool(&["-x", &proxy, "-s", "127.0.0.1", "192.0.2.1", "443"]))
        },
        nc: Some(exits(1).saying("no proxy support for local source address")),
        oxnc: exits(1).saying("port <1> (tcp) failed: Connection refused");

    /// RFC 1928 lets a proxy tell its address as a name.
    a_proxy_may_have_a_name:
        |nc: &Nc| through(nc, &[], &[(3, b"\x05\0"), (10, b"\x05\0\0\x03\x05proxy\0\x50hello\n")]),
        nc: Some(exits(1).writing(b"").saying("unsupported address type")),
        oxnc: exits(0).writing(b"hello\n").silent();

    /// A method that was not offered is not "no authentication", as which `nc` takes it.
    a_proxy_cannot_choose_what_was_not_offered:
        |nc: &Nc| through(nc, &[], &[(3, b"\x05\x02")]),
        nc: Some(exits(1).hearing(b"\x05\x01\0\x05\x01\0\x01\xc0\0\x02\x01\x01\xbb")),
        oxnc: exits(1).hearing(b"\x05\x01\0");
}

/// It, by way of a proxy that reads so many bytes, answers them, and so on; then it ends, unless
/// it was mute.
fn through(nc: &Nc, options: &[&str], steps: &[(usize, &[u8])]) -> Seen {
    let server = nc.server();
    let proxy = format!("127.0.0.1:{}", server.port());
    let tool = nc.tool(options).args(&["-x", &proxy, "192.0.2.1", "443"]);
    let run = tool.start();
    let mut peer = server.accept();
    let mut heard = Vec::new();
    for (n, answer) in steps {
        heard.extend(peer.recv(*n));
        peer.send(answer);
    }
    if !steps.is_empty() {
        // It may have left, and left something unread.
        let _ = peer.socket.shutdown(Shutdown::Write);
        let _ = peer.socket.read_to_end(&mut heard);
    }
    nc.saw(run).and_heard(heard)
}
