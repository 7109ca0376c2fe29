//! Proxies: what is asked of them, which answers are taken, and how a refusal is told.

use std::net::SocketAddr;

use super::{Nc, Seen, alike};
use crate::util::{In, Net, Peer, Server};

/// What the proxy hears and answers, step by step; an end of the connection follows the last answer
/// unless it grants.
type Steps = &'static [(Hears, &'static [u8])];

enum Hears {
    /// So many bytes.
    Bytes(usize),
    /// A request, to its empty line.
    Request,
}

use Hears::{Bytes, Request};

const GREETED: &[u8] = b"\x05\0";
const GRANTED: &[u8] = b"\x05\0\0\x01\0\0\0\0\0\0";

/// It, by way of a proxy that plays these steps, to the target in `words`.
fn through(nc: &Nc, kind: &str, words: &[&str], steps: Steps, granted: bool) -> Seen {
    let server = nc.server();
    let proxy = format!("127.0.0.1:{}", server.port());
    let tool = nc.tool(&["-X", kind, "-x", &proxy]).args(words);
    let run = tool.stdin(In::Bytes(b"question\n".into())).start();
    let mut peer = nc.accepted(&server);
    let mut heard = Vec::new();
    for (hears, answer) in steps {
        match hears {
            Bytes(n) => heard.extend(peer.recv(*n)),
            Request => heard.extend(target_of(&request(&mut peer))),
        }
        peer.send(answer);
    }
    if granted {
        heard.extend(peer.recv(9));
        peer.send(b"answer\n");
    }
    peer.close();
    nc.saw(run).and_heard(heard)
}

fn request(peer: &mut Peer) -> Vec<u8> {
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") {
        heard.extend(peer.recv(1));
    }
    heard
}

/// The request up to its version: oxnc speaks HTTP/1.1, and names the host once more.
fn target_of(request: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(request);
    let (target, _) = text.split_once(" HTTP/1.").expect("a request");
    target.as_bytes().to_vec()
}

/// P1.
#[test]
fn socks5_is_asked_for_names_and_addresses() {
    needs!("nc.openbsd");
    let name = b"\x05\x01\0\x05\x01\0\x03\x0fexample.invalid\x01\xbb" as &[u8];
    let four = b"\x05\x01\0\x05\x01\0\x01\xc0\0\x02\x01\x01\xbb";
    let six = b"\x05\x01\0\x05\x01\0\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb";
    let table: [(&str, Steps, &[u8]); 3] = [
        (
            "example.invalid",
            &[(Bytes(3), GREETED), (Bytes(22), GRANTED)],
            name,
        ),
        (
            "192.0.2.1",
            &[(Bytes(3), GREETED), (Bytes(10), GRANTED)],
            four,
        ),
        (
            "2001:db8::1",
            &[(Bytes(3), GREETED), (Bytes(22), GRANTED)],
            six,
        ),
    ];
    for (host, steps, asked) in table {
        let line = format!("Connection to {host} 443 port [tcp/https] succeeded!");
        alike(|nc| through(nc, "5", &["-v", host, "443"], steps, true))
            .exits(0)
            .wrote(b"answer\n")
            .heard(&[asked, b"question\n"].concat())
            .said(&[&line]);
    }
}

#[test]
fn socks5_is_what_a_proxy_speaks_unless_told_otherwise() {
    needs!("nc.openbsd");
    alike(|nc| {
        let server = nc.server();
        let proxy = format!("127.0.0.1:{}", server.port());
        let tool = nc.tool(&["-nv", "-x", &proxy, "192.0.2.1", "443"]);
        let run = tool.start();
        let mut peer = server.accept();
        let mut heard = peer.recv(3);
        peer.send(GREETED);
        heard.extend(peer.recv(10));
        // What the server says at once may come in the same segment.
        peer.send(&[GRANTED, b"SSH-2.0\r\n"].concat());
        peer.close();
        nc.saw(run).and_heard(heard)
    })
    .exits(0)
    .wrote(b"SSH-2.0\r\n")
    .said(&["Connection to 192.0.2.1 443 port [tcp/*] succeeded!"]);
}

#[test]
fn socks4_is_asked_for_an_address() {
    needs!("nc.openbsd");
    alike(|nc| {
        let steps: Steps = &[(Bytes(9), b"\0\x5a\0\0\0\0\0\0")];
        through(nc, "4", &["192.0.2.1", "443"], steps, true)
    })
    .exits(0)
    .wrote(b"answer\n")
    .heard(b"\x04\x01\x01\xbb\xc0\0\x02\x01\0question\n");
}

/// P3, P4.
#[test]
fn connect_is_asked_for_names_and_addresses() {
    needs!("nc.openbsd");
    let answers: [Steps; 4] = [
        &[(Request, b"HTTP/1.0 200 Connection established\r\n\r\n")],
        &[(
            Request,
            b"HTTP/1.1 200 OK\r\nVia: 1.1 proxy\r\nX: y\r\n\r\n",
        )],
        &[(Request, b"HTTP/1.1 200 \r\n\r\n")],
        &[(Request, b"HTTP/1.1 200 OK\n\n")],
    ];
    for steps in answers {
        alike(|nc| {
            through(
                nc,
                "connect",
                &["-v", "example.invalid", "443"],
                steps,
                true,
            )
        })
        .exits(0)
        .wrote(b"answer\n")
        .heard(b"CONNECT example.invalid:443question\n")
        .said(&["Connection to example.invalid 443 port [tcp/https] succeeded!"]);
    }
    alike(|nc| through(nc, "CONNECT", &["2001:db8::1", "443"], answers[0], true))
        .exits(0)
        .heard(b"CONNECT [2001:db8::1]:443question\n");
}

/// P3.
#[test]
fn a_refusal_of_connect_is_told() {
    needs!("nc.openbsd");
    let table: [(Steps, &str); 2] = [
        (
            &[(Request, b"HTTP/1.1 403 Forbidden\r\n\r\n")],
            "HTTP/1.1 403 Forbidden",
        ),
        (
            &[(Request, b"HTTP/1.0 502 Bad Gateway\r\n\r\n")],
            "HTTP/1.0 502 Bad Gateway",
        ),
    ];
    for (steps, status) in table {
        let line = format!("nc: Proxy error: \"{status}\"");
        alike(|nc| through(nc, "connect", &["example.invalid", "443"], steps, false))
            .exits(1)
            .wrote(b"")
            .said(&[&line]);
    }
}

#[test]
fn a_refusal_of_socks_is_told() {
    needs!("nc.openbsd");
    let table: [(&str, Steps, &str); 6] = [
        (
            "5",
            &[
                (Bytes(3), GREETED),
                (Bytes(10), b"\x05\x01\0\x01\0\0\0\0\0\0"),
            ],
            "SOCKSv5 error: General SOCKS server failure",
        ),
        (
            "5",
            &[
                (Bytes(3), GREETED),
                (Bytes(10), b"\x05\x02\0\x01\0\0\0\0\0\0"),
            ],
            "SOCKSv5 error: Connection not allowed by ruleset",
        ),
        (
            "5",
            &[
                (Bytes(3), GREETED),
                (Bytes(10), b"\x05\x04\0\x01\0\0\0\0\0\0"),
            ],
            "SOCKSv5 error: Host unreachable",
        ),
        (
            "5",
            &[
                (Bytes(3), GREETED),
                (Bytes(10), b"\x05\x05\0\x01\0\0\0\0\0\0"),
            ],
            "SOCKSv5 error: Connection refused",
        ),
        (
            "4",
            &[(Bytes(9), b"\0\x5b\0\0\0\0\0\0")],
            "SOCKSv4 error: Request rejected or failed",
        ),
        (
            "4",
            &[(Bytes(9), b"\0\x5d\0\0\0\0\0\0")],
            "SOCKSv4 error: Client program and identd report different user-ids",
        ),
    ];
    for (kind, steps, error) in table {
        let line = format!("nc: connection failed, {error}");
        alike(|nc| through(nc, kind, &["192.0.2.1", "443"], steps, false))
            .exits(1)
            .wrote(b"")
            .said(&[&line]);
    }
    alike(|nc| {
        through(
            nc,
            "5",
            &["192.0.2.1", "443"],
            &[(Bytes(3), b"\x05\xff")],
            false,
        )
    })
    .exits(1)
    .said(&["nc: authentication method negotiation failed"]);
}

#[test]
fn a_proxy_has_a_port_of_its_own_unless_told_otherwise() {
    needs!("root", "nc.openbsd");
    for (kind, port) in [("4", 1080), ("5", 1080), ("connect", 3128)] {
        alike(|nc| {
            let net = Net::new();
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            let server = net.inside(move || Server::on(address));
            let words = ["-X", kind, "-x", "127.0.0.1", "192.0.2.1", "443"];
            let run = net.tool(nc.tool(&words)).start();
            server.accept().close();
            nc.saw(run).whatever_it_said()
        })
        .exits(1);
    }
}

/// A proxy that cannot be reached is told as any other host.
#[test]
fn a_proxy_that_is_not_there_is_a_failure() {
    needs!("nc.openbsd");
    for kind in ["5", "connect"] {
        alike(|nc| {
            let proxy = format!("127.0.0.1:{}", nc.refusing());
            nc.sees(nc.tool(&["-v", "-X", kind, "-x", &proxy, "192.0.2.1", "443"]))
        })
        .exits(1)
        .said(&["nc: connect to 127.0.0.1 port <1> (tcp) failed: Connection refused"]);
    }
}
