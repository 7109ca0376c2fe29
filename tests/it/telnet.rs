//! Telnet: what is answered, what is data, and peers that misbehave.

use std::{fs, time::Duration};

use crate::util::{Family, In, Out, Peer, Running, Server, Signal, Tool, ms, pipe};

/// A run that has been accepted.
fn connected(family: Family, options: &[&str], stdin: In) -> (Running, Peer) {
    let server = Server::of(family);
    let run = Tool::connect(server.spot(), &["-t"]).args(options);
    (run.stdin(stdin).start(), server.accept())
}

#[test]
fn requests_are_refused_and_only_data_is_written() {
    for family in Family::ALL {
        let (run, mut peer) = connected(family, &[], In::Null);
        peer.send(b"\xff\xfd\x01\xff\xfb\x03hello");
        assert_eq!(peer.recv(6), b"\xff\xfc\x01\xff\xfe\x03");
        run.stdout().wait_for(5);
        peer.send(b"\xff\xfa\x18\x01\xff\xf0, \xff\xffworld\r\n\xff\xf1");
        peer.half_close();
        assert_eq!(peer.recv_all(), b"");
        run.wait().succeeds().wrote(b"hello, \xffworld\r\n");
    }
}

#[test]
fn a_command_may_come_byte_by_byte() {
    let (run, mut peer) = connected(Family::Tcp, &[], In::Null);
    peer.socket.set_tcp_nodelay(true).unwrap();
    let mut data = 0;
    for (byte, is_data) in [
        (b'a', true),
        (255, false),
        (253, false),
        (31, false),
        (b'b', true),
        (255, false),
        (255, true),
        (b'\r', true),
        (0, false),
        (b'c', true),
    ] {
        peer.send(&[byte]);
        data += u64::from(is_data);
        run.stdout().wait_for(data);
    }
    assert_eq!(peer.recv(3), [255, 252, 31]);
    peer.close();
    run.wait().succeeds().wrote(b"ab\xff\rc");
}

#[test]
fn byte_255_is_sent_twice_and_everything_else_as_it_is() {
    let all: Vec<u8> = (0..=255).collect();
    let sent = all.repeat(5000);
    let expected = [&all[..], &[255]].concat().repeat(5000);
    let (run, mut peer) = connected(Family::Tcp, &[], In::Bytes(sent));
    assert!(peer.recv_all() == expected);
    peer.close();
    run.wait().succeeds();
}

#[test]
fn a_dialog_that_is_no_telnet_is_not_harmed() {
    let request = b"GET / HTTP/1.0\r\nHost: a\r\n\r\n";
    let answer = b"HTTP/1.0 200 OK\r\n\r\nbody\r\rbody\n\0\r\n";
    let (run, mut peer) = connected(Family::Tcp, &[], In::Bytes(request.to_vec()));
    assert_eq!(peer.recv_all(), request);
    peer.send(answer);
    peer.close();
    run.wait().succeeds().wrote(answer);
}

#[test]
fn telnet_and_crlf_go_together() {
    let (mut run, mut peer) = connected(Family::Tcp, &["-C"], In::Pipe);
    peer.send(b"\xff\xfb\x01login: ");
    assert_eq!(peer.recv(3), b"\xff\xfe\x01");
    run.stdout().wait_for(7);
    run.write(b"m\xff\n");
    run.close_stdin();
    assert_eq!(peer.recv_all(), b"m\xff\xff\r\n");
    peer.close();
    run.wait().succeeds().wrote(b"login: ");
}

#[test]
fn each_of_many_clients_has_its_own_conversation() {
    for options in [&["-kt", "--accept=2"][..], &["-kt", "--accept=2", "--tag"]] {
        let (mut run, port) = Tool::listen(options).stdin(In::Pipe).start_listening();
        let (mut one, mut two) = (Peer::connect(port), Peer::connect(port));
        one.send(b"\xff\xfd");
        two.send(b"\xff\xfb\x05\xff\xf1");
        assert_eq!(two.recv(3), b"\xff\xfe\x05");
        one.send(b"\x05one\n");
        assert_eq!(one.recv(3), b"\xff\xfc\x05");
        run.stdout().wait_for(4);
        run.write(b"all\xff");
        run.close_stdin();
        for peer in [&mut one, &mut two] {
            assert_eq!(peer.recv_all(), b"all\xff\xff");
        }
        let name = one.local();
        drop((one, two));
        let tag = if options.len() > 2 {
            format!("{name} ")
        } else {
            String::new()
        };
        run.wait()
            .succeeds()
            .wrote(format!("{tag}one\n").as_bytes());
    }
}

#[test]
fn what_comes_with_the_answer_of_a_proxy_is_telnet_as_well() {
    let server = Server::new();
    let proxy = format!("127.0.0.1:{}", server.port());
    let run = Tool::oxnc(&["-t", "-X", "connect", "-x", &proxy, "example.com", "23"]).start();
    let mut peer = server.accept();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.extend(peer.recv(1));
    }
    peer.send(b"HTTP/1.0 200 OK\r\n\r\n\xff\xfd\x01hello");
    assert_eq!(peer.recv(3), b"\xff\xfc\x01");
    peer.close();
    run.wait().succeeds().wrote(b"hello");
}

/// Asserts that it does nothing for half a second.
fn rests(run: &Running) {
    // The first number is the time that it has had a processor, in nanoseconds.
    let busy = || {
        let stat = fs::read_to_string(format!("/proc/{}/schedstat", run.pid())).unwrap();
        let first = stat.split_whitespace().next().unwrap();
        Duration::from_nanos(first.parse().unwrap())
    };
    let before = busy();
    run.runs_on_for(ms(500));
    let spent = busy() - before;
    assert!(spent < ms(10), "it was busy for {spent:?}");
}

fn memory(run: &Running) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", run.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn who_asks_again_and_again_gets_each_answer_once() {
    let requests = |verb: u8| -> Vec<u8> {
        let all = (0..=255).flat_map(|option| [255, verb, option]);
        all.collect::<Vec<u8>>().repeat(1366)
    };
    for keep in [false, true] {
        let options: &[&str] = if keep { &["-kt"] } else { &["-t"] };
        let (run, port) = Tool::listen(options).start_listening();
        let mut peer = Peer::connect(port);
        peer.send(b"x");
        run.stdout().wait_for(1);
        let before = memory(&run);
        // 2 MiB of DO and WILL each, whose answers nobody reads.
        for verb in [253, 251] {
            peer.send(&requests(verb));
        }
        peer.send(b"y");
        run.stdout().wait_for(2);
        assert!(
            memory(&run) - before < 4 << 10,
            "{before} KiB, and then {}",
            memory(&run)
        );
        let answers = peer.recv(1536);
        assert!(
            answers
                .chunks(3)
                .take(256)
                .all(|answer| answer[..2] == [255, 252])
        );
        assert!(
            answers
                .chunks(3)
                .skip(256)
                .all(|answer| answer[..2] == [255, 254])
        );
        peer.hears_nothing_for(ms(200));
        rests(&run);
        run.signal(Signal::TERM);
        run.wait().dies_of(Signal::TERM);
    }
}

#[test]
fn a_peer_that_takes_nothing_costs_nothing() {
    let server = Server::with_small_window();
    let (rx, tx) = pipe();
    let run = Tool::connect(server.port(), &["-t"]).stdin(In::File("/dev/zero".into()));
    let run = run.stdout(Out::Fd(tx.into())).start();
    let mut peer = server.accept();
    // It sends until there is no room, and then answers have to wait as well.
    peer.recv(1);
    run.runs_on_for(ms(300));
    for option in 0..=255 {
        peer.send(&[255, 253, option]);
    }
    peer.send(b"data");
    let mut data = [0; 4];
    std::io::Read::read_exact(&mut { rx }, &mut data).unwrap();
    assert_eq!(data, *b"data");
    rests(&run);
    run.signal(Signal::TERM);
    run.wait().dies_of(Signal::TERM);
}

/// A server that says something and closes at once resets what it is answered.
#[test]
fn who_leaves_without_waiting_for_an_answer_has_said_everything() {
    for family in Family::ALL {
        for _ in 0..20 {
            let (run, mut peer) = connected(family, &[], In::Null);
            // If the answer came before the close, that would reset the connection.
            run.signal(Signal::STOP);
            peer.send(b"\xff\xfd\x01good bye");
            peer.close();
            run.signal(Signal::CONT);
            run.wait().succeeds().wrote(b"good bye");
        }
    }
}

#[test]
fn a_reset_is_no_end() {
    for family in Family::ALL {
        for _ in 0..20 {
            let (run, mut peer) = connected(family, &[], In::Null);
            peer.send(b"\xff\xfd\x01some");
            run.stdout().wait_for(4);
            peer.send(b"\xff\xfd\x02\xff\xfb\x03");
            peer.reset();
            run.wait().fails(3, &["reset"]);
        }
    }
}

#[test]
fn an_end_in_the_middle_of_a_command_is_a_cut() {
    for family in Family::ALL {
        for rest in [
            &b"\xff"[..],
            b"\xff\xfd",
            b"\xff\xfa\x18",
            b"\xff\xfa\x18\xff",
        ] {
            let (run, mut peer) = connected(family, &[], In::Null);
            peer.send(b"data");
            peer.send(rest);
            peer.half_close();
            peer.recv_until_reset();
            let done = run.wait();
            done.fails(3, &["middle of a telnet command"])
                .wrote(b"data");
        }
    }
}

#[test]
fn what_has_no_end_is_no_telnet() {
    let (run, mut peer) = connected(Family::Tcp, &[], In::Null);
    peer.send(b"data\xff\xfa");
    peer.send_until_error();
    let done = run.wait();
    done.fails(3, &["subnegotiation does not end"])
        .wrote(b"data");
}

#[test]
fn telnet_is_for_streams() {
    for words in [["-ut", "127.0.0.1", "9"], ["-tu", "127.0.0.1", "9"]] {
        let done = Tool::oxnc(&words).run();
        done.fails(2, &["'-u'", "'-t'"]);
    }
}

/// RFC 854, "The TELNET Synch signal": a data mark that is urgent.
#[test]
fn a_synch_is_a_command_like_any_other() {
    let (run, mut peer) = connected(Family::Tcp, &[], In::Null);
    peer.send(b"login");
    peer.socket.send_out_of_band(b"\xff\xf2").unwrap();
    peer.send(b": ok\r\n");
    peer.close();
    run.wait().succeeds().wrote(b"login: ok\r\n");
}
