//! Connecting through a proxy, which is played step by step here: what it is asked, what comes of
//! its answers, and that it cannot make us wait, swallow memory or lose a byte.

use std::{net::Ipv6Addr, time::Duration};

use crate::util::{
    Digest, In, Out, Peer, Server, Signal, Tool,
    data::random_bytes,
    ms,
    proxies::{
        KINDS,
        Kind::{self, Connect, Socks4, Socks4a, Socks5},
    },
    spawn,
};

#[test]
fn data_moves_both_ways_through_every_kind_of_proxy() {
    for kind in KINDS {
        let server = Server::new();
        let (ours, theirs) = (random_bytes(3 << 20, 1), random_bytes(3 << 20, 2));
        let run = kind
            .tool(server.port(), &[])
            .stdin(In::Bytes(ours.clone()))
            .stdout(Out::Digest)
            .start();
        let mut peer = server.accept();
        kind.grant(&mut peer);
        let expected = Digest::of(&theirs);
        let mut sender = peer.twin();
        let sending = spawn(move || {
            sender.send(&theirs);
            sender.half_close();
        });
        assert!(peer.recv_all() == ours, "{kind:?}");
        sending.join();
        let done = run.wait();
        done.succeeds();
        assert_eq!(done.digest, expected, "{kind:?}");
    }
}

#[test]
fn the_default_is_socks5() {
    let server = Server::new();
    let proxy = format!("127.0.0.1:{}", server.port());
    let run = Tool::oxnc(&["-x", &proxy, "example.invalid:443"]).start();
    let mut peer = server.accept();
    Socks5.grant(&mut peer);
    peer.close();
    run.wait().succeeds();
}

#[test]
fn an_ipv6_proxy_is_asked_for_an_ipv6_target() {
    let server = Server::on((Ipv6Addr::LOCALHOST, 0));
    let proxy = format!("[::1]:{}", server.port());
    let socks: &[&[u8]] = &[
        b"\x05\x01\0",
        b"\x05\x01\0\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb",
    ];
    let connect: &[&[u8]] =
        &[b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n"];
    for (kind, questions) in [(Socks5, socks), (Connect, connect)] {
        let run = Tool::oxnc(&["-x", &proxy, "-X", kind.word(), "2001:db8::1", "443"]).start();
        let mut peer = server.accept();
        for (question, answer) in questions.iter().zip(kind.answers()) {
            assert_eq!(&peer.recv(question.len()), question);
            peer.send(answer);
        }
        peer.close();
        run.wait().succeeds();
    }
}

#[test]
fn bytes_right_behind_the_reply_are_payload() {
    for kind in KINDS {
        let server = Server::new();
        let run = kind.tool(server.port(), &[]).start();
        let mut peer = server.accept();
        let last = kind.play(&mut peer);
        let payload = random_bytes(100_000, 3);
        peer.send(&[last, &payload].concat());
        peer.half_close();
        run.wait().succeeds().wrote(&payload);
    }
}

#[test]
fn a_proxy_that_answers_before_it_is_asked_loses_nothing() {
    for kind in KINDS {
        let server = Server::new();
        let run = kind
            .tool(server.port(), &[])
            .stdin(In::Bytes(b"question".to_vec()))
            .start();
        let mut peer = server.accept();
        peer.send(&[&kind.answers().concat(), &b"HELLO"[..]].concat());
        let asked = [&kind.questions().concat(), &b"question"[..]].concat();
        assert_eq!(peer.recv_all(), asked, "{kind:?}");
        peer.close();
        run.wait().succeeds().wrote(b"HELLO");
    }
}

#[test]
fn a_reply_may_come_byte_by_byte() {
    for kind in KINDS {
        let server = Server::new();
        let run = kind.tool(server.port(), &[]).start();
        let mut peer = server.accept();
        peer.socket.set_tcp_nodelay(true).unwrap();
        let last = kind.play(&mut peer);
        for byte in [last, b"HELLO"].concat() {
            peer.send(&[byte]);
        }
        peer.close();
        run.wait().succeeds().wrote(b"HELLO");
    }
}

/// Silent after so many answers.
#[test]
fn a_silent_proxy_is_given_up_in_time() {
    for kind in KINDS {
        for answered in 0..kind.answers().len() {
            for option in ["--connect-timeout=500ms", "-w0.5", "--max-time=500ms"] {
                let server = Server::new();
                let run = kind.tool(server.port(), &[option]).start();
                let mut peer = server.accept();
                for (question, answer) in kind.questions().iter().zip(kind.answers()).take(answered)
                {
                    peer.recv(question.len());
                    peer.send(answer);
                }
                let port = server.port().to_string();
                run.wait()
                    .fails(124, &["127.0.0.1", &port, kind.host(), "443", "500ms"])
                    .took_about(ms(500));
            }
        }
    }
}

/// Sends these bytes one by one, some time apart, until the other side has gone.
fn drip(mut peer: Peer, bytes: Vec<u8>, pause: Duration) {
    use std::io::Write as _;
    for byte in bytes {
        if peer.socket.write_all(&[byte]).is_err() {
            return;
        }
        // The pause is what is being tested.
        std::thread::sleep(pause);
    }
}

#[test]
fn a_dripping_proxy_is_given_up_in_time() {
    let headers = "HTTP/1.1 200 OK\r\n".to_owned() + &"A: b\r\n".repeat(20);
    let answers = [
        (Socks4a, b"\0\x5a\0\0\0\0\0\0".to_vec()),
        (
            Socks5,
            [b"\x05\0\x05\0\0\x03\xff", &[b'x'; 200][..]].concat(),
        ),
        (Connect, headers.into_bytes()),
    ];
    let runs = answers.map(|(kind, bytes)| {
        let server = Server::new();
        let run = kind.tool(server.port(), &["-w", "1"]).start();
        let peer = server.accept();
        (run, kind, spawn(move || drip(peer, bytes, ms(200))))
    });
    for (run, kind, dripping) in runs {
        run.wait()
            .fails(124, &["127.0.0.1", kind.host(), "1s"])
            .took_about(ms(1000));
        dripping.join();
    }
}

/// What a proxy says, what the status is, and words of the message.
type Said = (Kind, &'static [u8], i32, &'static [&'static str]);

const WRONG: &[Said] = &[
    (Socks4, b"\0\x5b\0\0\0\0\0\0", 1, &["91", "rejected"]),
    (Socks4, b"\0\x5c\0\0\0\0\0\0", 1, &["92", "identd"]),
    (Socks4, b"\0\x5d\0\0\0\0\0\0", 1, &["93", "identd"]),
    (Socks4, b"\0\xff\0\0\0\0\0\0", 1, &["255"]),
    (Socks4, b"\x04\x5a\0\0\0\0\0\0", 1, &["SOCKS4", "byte 4"]),
    (Socks4a, b"\x05\0", 1, &["SOCKS4", "byte 5"]),
    (Socks4a, b"HTTP/1.1 400 Bad\r\n\r\n", 1, &["byte 72"]),
    (Socks5, b"\x05\xff", 1, &["-P"]),
    (Socks5, b"\x05\x01", 1, &["method 1"]),
    (Socks5, b"\x05\x02", 1, &["method 2"]),
    (Socks5, b"\x04\0", 1, &["SOCKS5", "byte 4"]),
    (Socks5, b"\0\x5a\0\0\0\0\0\0", 1, &["SOCKS5", "byte 0"]),
    (Socks5, b"HTTP/1.1 400 Bad\r\n\r\n", 1, &["byte 72"]),
    (Socks5, b"\x05\0\x04\0\0\x01", 1, &["byte 4"]),
    (Socks5, b"\x05\0\x05\0\0\x02", 1, &["kind 2"]),
    (Socks5, b"\x05\0\x05\x01\0\x01\0\0\0\0\0\0", 1, &["general"]),
    (Socks5, b"\x05\0\x05\x02\0\x01\0\0\0\0\0\0", 1, &["rules"]),
    (Socks5, b"\x05\0\x05\x03\0\x01\0\0\0\0\0\0", 1, &["network"]),
    (Socks5, b"\x05\0\x05\x04\0\x01\0\0\0\0\0\0", 1, &["host"]),
    (Socks5, b"\x05\0\x05\x05\0\x01\0\0\0\0\0\0", 1, &["refused"]),
    (Socks5, b"\x05\0\x05\x06\0\x01\0\0\0\0\0\0", 1, &["TTL"]),
    (Socks5, b"\x05\0\x05\x07\0\x01\0\0\0\0\0\0", 1, &["command"]),
    (Socks5, b"\x05\0\x05\x08\0\x01\0\0\0\0\0\0", 1, &["type"]),
    (Socks5, b"\x05\0\x05\xff", 1, &["255"]),
    (
        Connect,
        b"HTTP/1.1 403 Forbidden\r\n\r\n",
        1,
        &["403 'Forbidden'"],
    ),
    (
        Connect,
        b"HTTP/1.0 502 Bad Gateway\n\n",
        1,
        &["502", "Gateway"],
    ),
    (Connect, b"HTTP/1.1 503\r\n\r\n", 1, &["503"]),
    (Connect, b"HTTP/1.1 302 Found\r\n\r\n", 1, &["302"]),
    (Connect, b"HTTP/1.1 -200 OK\r\n\r\n", 1, &["HTTP"]),
    (Connect, b"HTTP/1.1 200 O\x1bK\r\n\r\n", 1, &["HTTP"]),
    (Connect, b"HTTP/2 200 OK\r\n\r\n", 1, &["HTTP/1"]),
    (Connect, b"SSH-2.0-OpenSSH_9.9\r\n", 1, &["HTTP/1"]),
    (Connect, b"\x05\xff", 1, &["HTTP/1"]),
    (Connect, b"HTTP/1.1 407 Authenticate\r\n\r\n", 6, &["-P"]),
];

#[test]
fn every_wrong_answer_has_its_words() {
    for (kind, said, code, words) in WRONG {
        let server = Server::new();
        let run = kind.tool(server.port(), &[]).start();
        let mut peer = server.accept();
        peer.send(said);
        let done = run.wait();
        done.fails(*code, words).wrote(b"");
        let port = server.port().to_string();
        done.fails(*code, &["127.0.0.1", &port, kind.host(), "443"]);
    }
}

#[test]
fn a_proxy_that_ends_before_it_has_answered_is_named() {
    for kind in KINDS {
        let answer = kind.answers().concat();
        for length in 0..answer.len() {
            let server = Server::new();
            let run = kind.tool(server.port(), &[]).start();
            let mut peer = server.accept();
            peer.send(&answer[..length]);
            peer.half_close();
            run.wait()
                .fails(1, &["127.0.0.1", "closed", kind.host()])
                .wrote(b"");
        }
    }
}

#[test]
fn a_proxy_that_resets_the_connection_is_named() {
    for kind in KINDS {
        let server = Server::new();
        let run = kind.tool(server.port(), &[]).start();
        let mut peer = server.accept();
        kind.play(&mut peer);
        peer.reset();
        run.wait()
            .fails(1, &["127.0.0.1", "reset", kind.host()])
            .wrote(b"");
    }
}

#[test]
fn endless_answers_are_cut_off_at_once() {
    let answers = [
        b"HTTP/1.1 200 ".to_vec(),
        b"HTTP/1.1 200 OK\r\nA: ".to_vec(),
        "HTTP/1.1 200 OK\r\n".to_owned().into_bytes(),
    ];
    let rest = [
        vec![b'x'; 4 << 20],
        vec![b'x'; 4 << 20],
        b"A: b\r\n".repeat(100_000),
    ];
    for (answer, rest) in answers.into_iter().zip(rest) {
        let server = Server::new();
        let run = Connect.tool(server.port(), &[]).start();
        let mut peer = server.accept();
        Connect.play(&mut peer);
        let sending = spawn(move || {
            use std::io::Write as _;
            // It fails when the other side has heard enough.
            let _ = peer.socket.write_all(&[answer, rest].concat());
        });
        run.wait_within(ms(1500)).fails(1, &["more than"]);
        sending.join();
    }
}

#[test]
fn nothing_a_proxy_says_reaches_the_terminal_as_it_is() {
    for byte in 0..=u8::MAX {
        let server = Server::new();
        let run = Connect.tool(server.port(), &["-vv"]).start();
        let mut peer = server.accept();
        let said = [b"HTTP/1.1 403 a", &[byte][..], b"[2Jb\r\n\r\n"].concat();
        peer.send(&said);
        drop(peer);
        let done = run.wait();
        done.exits(1);
        for line in done.stderr.lines() {
            assert!(line.starts_with("oxnc: "), "{byte:#x}: {line:?}");
            assert!(!line.chars().any(char::is_control), "{byte:#x}: {line:?}");
        }
    }
}

#[test]
fn a_refusal_takes_no_bytes_from_stdin() {
    use std::io::Write as _;
    let server = Server::new();
    let (rx, mut tx) = crate::util::pipe();
    let mut left = rx.try_clone().unwrap();
    tx.write_all(b"for the next try").unwrap();
    drop(tx);
    let run = Socks5
        .tool(server.port(), &[])
        .stdin(In::Fd(rx.into()))
        .start();
    let mut peer = server.accept();
    peer.send(b"\x05\0\x05\x05");
    run.wait().fails(1, &["refused"]);
    assert_eq!(
        std::io::read_to_string(&mut left).unwrap(),
        "for the next try"
    );
}

#[test]
fn a_proxy_that_is_not_there_is_named_beside_the_target() {
    let server = Server::new();
    let port = server.port();
    drop(server);
    let done = Socks5.tool(port, &[]).run();
    let words = [
        "127.0.0.1",
        &port.to_string(),
        "refused",
        "example.invalid",
        "443",
    ];
    done.fails(1, &words);
    let done = Tool::oxnc(&["-n", "-x", "localhost", "example.invalid", "443"]).run();
    done.fails(1, &["proxy", "localhost", "example.invalid"]);
}

#[test]
fn a_signal_ends_the_wait_for_a_proxy() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let server = Server::new();
        let run = Socks5.tool(server.port(), &[]).start();
        let mut peer = server.accept();
        Socks5.play(&mut peer);
        run.signal(signal);
        let done = run.wait();
        done.dies_of(signal);
        assert_eq!(done.stderr, "");
        // The proxy hears of it, and cannot take it for an end.
        assert_eq!(peer.recv_until_reset(), b"");
    }
}

#[test]
fn the_local_end_is_the_connection_to_the_proxy() {
    let server = Server::new();
    let run = Connect.tool(server.port(), &["-s", "127.0.0.2"]).start();
    let mut peer = server.accept();
    assert_eq!(peer.remote().ip().to_string(), "127.0.0.2");
    Connect.grant(&mut peer);
    peer.close();
    run.wait().succeeds();
}

#[test]
fn v_tells_of_the_proxy_and_of_the_target() {
    for kind in KINDS {
        let server = Server::new();
        let run = kind.tool(server.port(), &["-v"]).start();
        let mut peer = server.accept();
        kind.grant(&mut peer);
        peer.close();
        let done = run.wait();
        done.exits(0);
        let proxy = format!("the proxy 127.0.0.1 port {}", server.port());
        let lines: Vec<&str> = done.stderr.lines().collect();
        assert_eq!(lines[0], format!("oxnc: connected to {proxy}"));
        let host = kind.host();
        assert_eq!(
            lines[1],
            format!("oxnc: {proxy} connects us to {host} port 443")
        );
        assert_eq!(lines.len(), 3, "{lines:?}");
    }
}

#[test]
fn what_breaks_later_is_told_of_the_proxy_and_of_the_target() {
    let server = Server::new();
    let run = Connect.tool(server.port(), &[]).start();
    let mut peer = server.accept();
    Connect.grant(&mut peer);
    peer.send(b"part");
    run.stdout().wait_for(4);
    peer.reset();
    let port = server.port().to_string();
    run.wait()
        .fails(
            3,
            &["example.invalid port 443", "127.0.0.1", &port, "reset"],
        )
        .wrote(b"part");
}

#[test]
fn a_reset_right_behind_the_payload_is_not_taken_for_an_end() {
    for kind in KINDS {
        let server = Server::new();
        let run = kind.tool(server.port(), &[]).start();
        let mut peer = server.accept();
        let last = kind.play(&mut peer);
        peer.send(&[last, b"part"].concat());
        run.stdout().wait_for(4);
        peer.reset();
        run.wait().fails(3, &["reset"]).wrote(b"part");
    }
}

#[test]
fn a_payload_behind_the_reply_waits_for_a_slow_reader() {
    // More than stdout's pipe takes comes in one piece with the reply.
    let server = Server::new();
    let (rx, tx) = crate::util::pipe_of_size(4096);
    let run = Connect
        .tool(server.port(), &[])
        .stdout(Out::Fd(tx.into()))
        .start();
    let mut peer = server.accept();
    let last = Connect.play(&mut peer);
    let payload = random_bytes(1 << 20, 4);
    peer.send(&[last, &payload].concat());
    peer.half_close();
    assert!(std::io::Read::bytes(rx).map(Result::unwrap).eq(payload));
    run.wait().succeeds();
}

#[test]
fn a_username_of_socks4_is_told() {
    let server = Server::new();
    let run = Socks4a.tool(server.port(), &["-P", "bob"]).start();
    let mut peer = server.accept();
    let question = b"\x04\x01\x01\xbb\0\0\0\x01bob\0example.invalid\0";
    assert_eq!(peer.recv(question.len()), question);
    peer.send(Socks4.answers()[0]);
    peer.close();
    run.wait().succeeds();
}
