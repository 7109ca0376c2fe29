//! Who looks up the name of a target behind a proxy, and what the proxy is asked then.

use std::net::SocketAddr;

use crate::util::{
    Net, Peer, Server, Tool, ms,
    proxies::Kind::{self, Connect, Socks4, Socks4a, Socks5},
};

/// A namespace whose resolver knows what `hosts` says, and a proxy's place inside.
fn net(hosts: &str) -> (Net, Server) {
    let net = Net::new();
    net.file("hosts", hosts);
    net.file("nsswitch.conf", "hosts: files\n");
    let server = net.inside(|| Server::on("127.0.0.1:1080".parse::<SocketAddr>().unwrap()));
    (net, server)
}

/// What a SOCKS proxy is asked for first, behind version and command.
fn asked_for(kind: Kind, peer: &mut Peer) -> Vec<u8> {
    match kind {
        Socks5 => {
            assert_eq!(peer.recv(3), b"\x05\x01\0");
            peer.send(b"\x05\0");
            assert_eq!(peer.recv(3), b"\x05\x01\0");
            let start = peer.recv(2);
            let rest = match start[..] {
                [1, _] => 3 + 2,
                [4, _] => 15 + 2,
                [3, length] => usize::from(length) + 2,
                _ => panic!("{start:?}"),
            };
            [start, peer.recv(rest)].concat()
        }
        _ => {
            assert_eq!(peer.recv(2), b"\x04\x01");
            let mut asked = peer.recv(7);
            while asked.last() != Some(&0) || (asked.len() == 7 && asked[2..6] == [0, 0, 0, 1]) {
                asked.extend(peer.recv(1));
            }
            asked
        }
    }
}

#[test]
fn the_proxy_or_we_look_a_name_up() {
    needs!("root");
    let (net, server) = net("192.0.2.9 known\n");
    let remote5: &[u8] = b"\x03\x05known\0\x50";
    let local5: &[u8] = b"\x01\xc0\0\x02\x09\0\x50";
    let remote4: &[u8] = b"\0\x50\0\0\0\x01\0known\0";
    let local4: &[u8] = b"\0\x50\xc0\0\x02\x09\0";
    let table: &[(Kind, &[&str], &str, &[u8])] = &[
        (Socks5, &[], "known", remote5),
        (Socks5, &["--proxy-dns=remote"], "known", remote5),
        (Socks5, &["-n"], "known", remote5),
        (Socks5, &["--proxy-dns=local"], "known", local5),
        (Socks5, &["--proxy-dns=both"], "known", local5),
        (
            Socks5,
            &["--proxy-dns=both"],
            "other",
            b"\x03\x05other\0\x50",
        ),
        (Socks5, &["-n", "--proxy-dns=both"], "known", remote5),
        (Socks5, &["--proxy-dns=none"], "192.0.2.9", local5),
        (Socks4, &[], "known", local4),
        (Socks4, &["-6", "-4"], "known", local4),
        (Socks4, &["--proxy-dns=remote"], "known", remote4),
        (Socks4a, &[], "known", remote4),
        (Socks4a, &["--proxy-dns=local"], "known", local4),
        (Socks4a, &[], "192.0.2.9", local4),
    ];
    for (kind, options, host, expected) in table {
        let words = ["-X", kind.word(), "-x", "127.0.0.1"];
        let tool = Tool::oxnc(&words).args(options).args(&[*host, "80"]);
        let run = net.tool(tool).start();
        let mut peer = server.accept();
        let asked = asked_for(*kind, &mut peer);
        assert_eq!(&asked, expected, "{kind:?} {options:?} {host}");
        peer.send(kind.answers()[kind.answers().len() - 1]);
        peer.close();
        run.wait().succeeds();
    }
}

#[test]
fn a_service_is_told_by_its_number() {
    needs!("root");
    let (net, server) = net("");
    for kind in [Socks5, Socks4a] {
        let words = ["-X", kind.word(), "-x", "127.0.0.1", "a", "https"];
        let run = net.tool(Tool::oxnc(&words)).start();
        let mut peer = server.accept();
        let asked = asked_for(kind, &mut peer);
        assert!(asked.windows(2).any(|two| two == b"\x01\xbb"), "{asked:?}");
        peer.send(kind.answers()[kind.answers().len() - 1]);
        peer.close();
        run.wait().succeeds();
    }
    net.tool(Tool::oxnc(&["-x", "127.0.0.1", "a", "no-such-service"]))
        .run()
        .fails(2, &["no-such-service"]);
}

#[test]
fn what_cannot_be_looked_up_here_is_not_asked_for() {
    needs!("root");
    let (net, server) = net("2001:db8::1 six\n");
    let options: [&[&str]; 3] = [
        &["-X", "4", "nobody"],
        &["-X", "5", "--proxy-dns=local", "nobody"],
        // SOCKS4 has no IPv6 addresses.
        &["-X", "4", "six"],
    ];
    for words in options {
        let host = words[words.len() - 1];
        let tool = Tool::oxnc(&["-x", "127.0.0.1"]).args(words).arg("80");
        net.tool(tool).run().fails(1, &["look up", host]);
    }
    assert!(!server.has_client_within(std::time::Duration::ZERO));
}

#[test]
fn a_proxy_is_asked_for_every_address_that_we_have_found() {
    needs!("root");
    let (net, server) = net("192.0.2.1 many\n192.0.2.2 many\n192.0.2.3 many\n");
    let words = ["-x", "127.0.0.1", "--proxy-dns=local", "many", "80"];
    let refuse = |code: u8| {
        let mut peer = server.accept();
        let asked = asked_for(Socks5, &mut peer);
        peer.send(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
        asked[4]
    };
    let run = net.tool(Tool::oxnc(&words)).start();
    let mut asked = [refuse(4), refuse(5), 0];
    let mut peer = server.accept();
    asked[2] = asked_for(Socks5, &mut peer)[4];
    peer.send(Socks5.answers()[1]);
    peer.send(b"hello");
    peer.close();
    run.wait().succeeds().wrote(b"hello");
    asked.sort_unstable();
    assert_eq!(asked, [1, 2, 3]);

    // When none is left, each has its reason.
    let run = net.tool(Tool::oxnc(&words)).start();
    for code in [3, 4, 5] {
        refuse(code);
    }
    let words = [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.3",
        "network",
        "host",
        "refused",
    ];
    run.wait().fails(1, &words);

    // Bad manners are another matter.
    let words = ["-x", "127.0.0.1", "--proxy-dns=local", "many", "80"];
    let run = net.tool(Tool::oxnc(&words)).start();
    let mut peer = server.accept();
    peer.send(b"nonsense");
    run.wait().fails(1, &["SOCKS5"]);
    assert!(!server.has_client_within(std::time::Duration::ZERO));
}

#[test]
fn every_address_of_a_proxy_is_tried() {
    needs!("root");
    let net = Net::new();
    net.file("hosts", "::1 proxy\n127.0.0.2 proxy\n127.0.0.1 proxy\n");
    let server = net.inside(|| Server::on("127.0.0.1:3128".parse::<SocketAddr>().unwrap()));
    let words = ["-X", "connect", "-x", "proxy", "example.invalid", "443"];
    let run = net.tool(Tool::oxnc(&words)).start();
    let mut peer = server.accept();
    Connect.grant(&mut peer);
    peer.close();
    run.wait().succeeds();
    // -4 and -6 are about the proxy, whatever the target is.
    let words = ["-X", "connect", "-x", "proxy", "-4", "2001:db8::1", "443"];
    let run = net.tool(Tool::oxnc(&words)).start();
    let mut peer = server.accept();
    peer.recv(b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\n".len());
    peer.send(Connect.answers()[0]);
    peer.half_close();
    run.wait().succeeds();
    let words = ["-X", "connect", "-x", "proxy", "-6", "127.0.0.1", "443"];
    net.tool(Tool::oxnc(&words))
        .run()
        .fails(1, &["::1", "refused", "127.0.0.1 port 443"]);
}

#[test]
fn one_limit_covers_the_way_to_the_proxy_and_its_answer() {
    needs!("root", "nft");
    let net = Net::new();
    net.sh("ip addr add 198.51.100.1/32 dev lo");
    net.file("hosts", "198.51.100.1 proxy\n::1 proxy\n");
    net.drop_input("ip daddr 198.51.100.1 tcp dport 1080 drop");
    let server = net.inside(|| Server::on("[::1]:1080".parse::<SocketAddr>().unwrap()));
    // A quarter of a second goes by before the second address is tried.
    let words = ["-w", "0.7", "-x", "proxy", "example.invalid", "443"];
    let run = net.tool(Tool::oxnc(&words)).start();
    let mut peer = server.accept();
    assert_eq!(peer.recv(3), b"\x05\x01\0");
    run.wait()
        .fails(124, &["the proxy", "example.invalid", "700ms"])
        .took_about(ms(700));
}
