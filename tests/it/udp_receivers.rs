//! UDP, where a peer speaks first: the one peer, many peers, groups, and the end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::util::{In, Net, Signal, Tool, Trace, Udp, ms};

fn listen(options: &[&str]) -> Tool {
    Tool::listen_with(&["-u"], &["127.0.0.1", "0"]).args(options)
}

/// Listens on every address.
fn listen_everywhere(options: &[&str]) -> Tool {
    Tool::listen_with(&["-u"], &["0"]).args(options)
}

#[test]
fn the_first_peer_is_the_only_one() {
    let (mut run, port) = listen(&["-W2"]).stdin(In::Pipe).start_listening();
    let (a, c) = (Udp::to(port), Udp::to(port));
    // All of it waits before the first is looked at.
    run.signal(Signal::STOP);
    a.send(b"A1;");
    c.send(b"C1;");
    c.send(b"C2;");
    a.send(b"A2;");
    run.write(b"reply");
    run.signal(Signal::CONT);
    assert_eq!(a.recv(), b"reply");
    c.hears_nothing_for(ms(100));
    run.wait().succeeds().wrote(b"A1;A2;");
}

#[test]
fn who_is_to_hear_one_datagram_answers_it() {
    let (run, port) = listen(&["-W1"])
        .stdin(In::Bytes(b"pong".to_vec()))
        .start_listening();
    let peer = Udp::to(port);
    peer.send(b"ping");
    assert_eq!(peer.recv(), b"pong");
    run.wait().succeeds().wrote(b"ping");
}

#[test]
fn a_second_peer_does_not_disturb_the_first() {
    let (mut run, port) = listen(&[]).stdin(In::Pipe).start_listening();
    let (a, c) = (Udp::to(port), Udp::to(port));
    a.send(b"a1;");
    run.stdout().wait_for(3);
    for n in 0..20 {
        // The kernel refuses them once the socket has a peer.
        let _ = c.0.send(b"c;");
        a.send(b"a;");
        run.stdout().wait_for(3 + 2 * (n + 1));
    }
    run.write(b"to a");
    assert_eq!(a.recv(), b"to a");
    run.signal(Signal::INT);
    let done = run.wait();
    done.dies_of(Signal::INT);
    assert!(!done.stdout.contains(&b'c'));
}

#[test]
fn empty_datagrams_open_a_conversation_and_do_not_end_it() {
    let (mut run, port) = listen(&["-W3", "-v"]).stdin(In::Pipe).start_listening();
    let peer = Udp::to(port);
    peer.send(b"");
    run.stderr.wait_for_text("first datagram from 127.0.0.1");
    run.write(b"hello");
    assert_eq!(peer.recv(), b"hello");
    peer.send(b"data");
    peer.send(b"");
    let done = run.wait();
    done.exits(0).wrote(b"data");
    let line = "sent 1 datagram of 5 bytes, received 3 datagrams of 4 bytes";
    assert!(done.stderr.contains(line), "{}", done.stderr);
    assert!(
        done.stderr.contains("bound on 127.0.0.1"),
        "{}",
        done.stderr
    );
}

#[test]
fn long_datagrams_are_not_cut() {
    for length in [9_000, 20_000, 60_000, 65_507] {
        let (run, port) = listen(&["-W1"]).start_listening();
        let data: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        Udp::to(port).send(&data);
        run.wait().succeeds().wrote(&data);
    }
}

#[test]
fn silence_ends_it_well_only_if_something_came() {
    let (run, port) = listen(&["-w", "0.5"]).start_listening();
    run.wait()
        .fails(124, &["127.0.0.1", &port.to_string(), "--idle-timeout"]);
    let (run, port) = listen(&["--idle-timeout=0.5"]).start_listening();
    Udp::to(port).send(b"x");
    run.wait().succeeds().wrote(b"x");
    let (run, port) = listen(&["-k", "-w", "0.5"]).start_listening();
    Udp::to(port).send(b"x");
    run.wait().succeeds().wrote(b"x");
}

#[test]
fn the_first_datagram_has_a_limit_of_its_own() {
    let (run, _) = listen(&["--accept-timeout=0.3"]).start_listening();
    run.wait()
        .fails(124, &["no datagram", "300ms", "--accept-timeout"])
        .took_about(ms(300));
    let (run, port) = listen(&["--accept-timeout=0.3", "-W2"]).start_listening();
    let peer = Udp::to(port);
    peer.send(b"x");
    run.runs_on_for(ms(500));
    peer.send(b"y");
    run.wait().succeeds().wrote(b"xy");
}

#[test]
fn an_answer_and_then_the_end() {
    let (run, port) = listen(&["-q0"])
        .stdin(In::Bytes(b"answer".to_vec()))
        .start_listening();
    run.runs_on_for(ms(200));
    let peer = Udp::to(port);
    peer.send(b"question");
    assert_eq!(peer.recv(), b"answer");
    run.wait().succeeds().wrote(b"question");
}

#[test]
fn a_peer_that_has_gone_is_a_failure_when_it_is_answered() {
    let (mut run, port) = listen(&[]).stdin(In::Pipe).start_listening();
    let peer = Udp::to(port);
    let gone = peer.port().to_string();
    peer.send(b"x");
    run.stdout().wait_for(1);
    drop(peer);
    run.write(b"y");
    run.wait()
        .fails(1, &["127.0.0.1", &gone, "refused"])
        .wrote(b"x");
}

#[test]
fn many_peers_are_served_at_once() {
    let (mut run, port) = listen(&["-k", "-v"]).stdin(In::Pipe).start_listening();
    let peers: Vec<Udp> = (0..20).map(|_| Udp::to(port)).collect();
    for (n, peer) in peers.iter().enumerate() {
        peer.send(format!("{n};").as_bytes());
    }
    let expected: String = (0..20).map(|n| format!("{n};")).collect();
    run.stdout().wait_for(expected.len() as u64);
    assert_eq!(run.stdout().so_far(), expected.as_bytes());
    for text in [&b"one"[..], b"two"] {
        run.write(text);
        for peer in &peers {
            assert_eq!(peer.recv(), text);
        }
    }
    // One that leaves is nobody's trouble.
    let mut peers = peers;
    peers.truncate(5);
    run.write(b"three");
    for peer in &peers {
        assert_eq!(peer.recv(), b"three");
        peer.send(b"x");
    }
    run.stdout().wait_for(expected.len() as u64 + 5);
    run.signal(Signal::TERM);
    let done = run.wait();
    done.dies_of(Signal::TERM);
    let firsts = done.stderr.matches("first datagram from").count();
    assert_eq!(firsts, 20, "{}", done.stderr);
}

#[test]
fn stdin_waits_for_somebody_who_could_hear_it() {
    for option in ["-k", "-n"] {
        let (run, port) = listen(&[option, "-q0"])
            .stdin(In::Bytes(b"kept".to_vec()))
            .start_listening();
        run.runs_on_for(ms(100));
        let peer = Udp::to(port);
        peer.send(b"");
        assert_eq!(peer.recv(), b"kept");
        run.wait().succeeds();
    }
}

#[test]
fn both_families_are_heard_on_one_port() {
    let (mut run, port) = listen_everywhere(&["-k"]).stdin(In::Pipe).start_listening();
    let v4 = Udp::to(port);
    let v6 = Udp::to_host(Ipv6Addr::LOCALHOST, port);
    v4.send(b"4");
    run.stdout().wait_for(1);
    v6.send(b"6");
    run.stdout().wait_for(2);
    run.write(b"both");
    assert_eq!(v4.recv(), b"both");
    assert_eq!(v6.recv(), b"both");
    drop(run);
    for (option, address) in [
        ("-4", IpAddr::from(Ipv4Addr::LOCALHOST)),
        ("-6", Ipv6Addr::LOCALHOST.into()),
    ] {
        let (run, port) = listen_everywhere(&[option, "-W1"]).start_listening();
        Udp::to_host(address, port).send(b"x");
        run.wait().succeeds().wrote(b"x");
    }
}

#[test]
fn answers_come_from_the_address_that_was_asked() {
    for option in ["-k", "-n"] {
        let (mut run, port) = listen_everywhere(&[option, "-W3"])
            .stdin(In::Pipe)
            .start_listening();
        // The route back would begin at 127.0.0.1, from where a connected peer hears nothing.
        let peer = Udp::to_host(Ipv4Addr::new(127, 0, 0, 9), port);
        peer.send(b"1");
        run.stdout().wait_for(1);
        run.write(b"one");
        assert_eq!(peer.recv(), b"one");
        peer.send(b"2");
        run.stdout().wait_for(2);
        run.write(b"two");
        assert_eq!(peer.recv(), b"two");
        peer.send(b"3");
        run.wait().succeeds().wrote(b"123");
    }
}

#[test]
fn a_port_belongs_to_one() {
    let (_run, port) = listen(&[]).start_listening();
    let port = port.to_string();
    Tool::oxnc(&["-lu", "127.0.0.1", &port])
        .run()
        .fails(1, &["127.0.0.1", &port, "in use"]);
}

#[test]
fn it_rests_while_nobody_speaks() {
    needs!("strace");
    for option in ["-k", "-n"] {
        let (trace, tool) = Trace::of(listen_everywhere(&[option, "-w", "1h"]), &[]);
        let (run, port) = tool.stdin(In::Pipe).start_listening();
        trace.settle();
        trace.rests_for(ms(1000));
        let peer = Udp::to(port);
        peer.send(b"");
        peer.send(b"x");
        run.stdout().wait_for(1);
        trace.settle();
        trace.rests_for(ms(1000));
        drop(run);
    }
}

#[test]
fn a_stalled_reader_costs_nothing_but_what_does_not_fit() {
    needs!("strace");
    let (rx, tx) = crate::util::pipe();
    let (trace, tool) = Trace::of(listen(&[]), &[]);
    let (run, port) = tool
        .stdout(crate::util::Out::Fd(tx.into()))
        .start_listening();
    let peer = Udp::to(port);
    for _ in 0..3000 {
        let _ = peer.0.send(&[0; 1400]);
    }
    trace.settle();
    for _ in 0..100 {
        let _ = peer.0.send(&[0; 1400]);
    }
    trace.rests_for(ms(500));
    drop((run, rx));
}

/// What a supervisor does: the socket is descriptor 3.
fn passed_in(socket: std::os::fd::OwnedFd, words: &[&str]) -> Tool {
    let script = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"";
    Tool::oxnc(words)
        .under(&["sh", "-c", script, "sh"])
        .stdin(In::Fd(socket))
}

#[test]
fn a_socket_passed_in_is_heard_and_left_as_it_was() {
    let socket = Udp::new();
    let port = socket.port();
    let theirs = socket.0.try_clone().unwrap();
    let run = passed_in(theirs.into(), &["-lu", "-W2"]).start();
    let (a, b) = (Udp::to(port), Udp::to(port));
    a.send(b"1");
    run.stdout().wait_for(1);
    b.send(b"x");
    a.send(b"2");
    run.wait().succeeds().wrote(b"12");
    assert!(socket.0.peer_addr().is_err());
    b.send(b"y");
    assert_eq!(socket.recv(), b"y");

    let stream = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    passed_in(stream.into(), &["-lu"])
        .run()
        .fails(2, &["descriptor 3", "datagram"]);
    passed_in(socket.0.into(), &["-lu", "--join", "239.1.2.3"])
        .run()
        .fails(2, &["--join", "port"]);
    let socket = Udp::new();
    passed_in(socket.0.into(), &["-lu", "-I", "64k"])
        .run()
        .fails(2, &["--recv-buffer", "port"]);
}

/// A namespace whose loopback device carries multicasts.
fn with_groups() -> Net {
    let net = Net::new();
    net.sh("ip link set lo multicast on
         ip route add 239.0.0.0/8 dev lo
         ip addr add 10.9.9.1/24 dev lo");
    net
}

#[test]
fn groups_are_received() {
    needs!("root");
    let (one, two) = Net::pair();
    one.sh("ip route add 239.0.0.0/8 dev v1");
    two.sh("ip route add 239.0.0.0/8 dev v2");
    let table: [(&[&str], &str); 4] = [
        (&["--join", "239.1.2.3%v2"], "239.1.2.3"),
        (&["--join=239.1.2.3"], "239.1.2.3"),
        (&["-k", "--join=239.9.9.9", "--join=239.1.2.3"], "239.1.2.3"),
        (&["-6", "--join", "ff02::5%v2"], "ff02::5%v1"),
    ];
    for (options, group) in table {
        let (run, port) = two
            .tool(listen_everywhere(&["-W2"]).args(options))
            .start_listening();
        let port = port.to_string();
        let mut sender = one
            .tool(Tool::oxnc(&["-u", "-w0", group, &port]))
            .stdin(In::Pipe)
            .start();
        sender.write(b"one");
        run.stdout().wait_for(3);
        sender.write(b"two");
        sender.close_stdin();
        sender.wait().succeeds();
        run.wait().succeeds().wrote(b"onetwo");
    }
}

#[test]
fn members_share_a_port_and_only_their_own_groups_are_heard() {
    needs!("root");
    let net = with_groups();
    let join = |options: &[&str], port: &str| {
        let tool = Tool::listen_with(&["-uk", "-w", "2"], &[port]).args(options);
        net.tool(tool).start_listening()
    };
    let (one, port) = join(&["--join=239.1.2.3%lo"], "0");
    let number = port.to_string();
    let (two, _) = join(&["--join=239.1.2.4%lo", "--join=239.1.2.3%lo"], &number);
    let send = |group: &str, text: &str| {
        let tool = Tool::oxnc(&["-u", "-w0", group, &number]);
        let tool = net.tool(tool).stdin(In::Bytes(text.into()));
        tool.run().succeeds();
    };
    send("239.1.2.3", "both");
    send("239.1.2.4", "second");
    one.wait().succeeds().wrote(b"both");
    two.wait().succeeds().wrote(b"bothsecond");
}

#[test]
fn groups_that_cannot_be_joined_are_named() {
    needs!("root");
    let net = Net::new();
    let table: [(&[&str], &[&str]); 3] = [
        (
            &["--join=239.1.2.3%nowhere"],
            &["239.1.2.3", "interface", "nowhere"],
        ),
        (&["--join=239.1.2.3"], &["239.1.2.3", "interface"]),
        (&["-4", "--join=239.1.2.3%lo", "-s", "127.0.0.1"], &[]),
    ];
    for (options, parts) in table {
        let tool = net.tool(
            Tool::oxnc(&["-lu"])
                .args(options)
                .args(&["-w1", "-p", "4000"]),
        );
        let done = tool.run();
        if parts.is_empty() {
            done.fails(124, &[]);
        } else {
            done.fails(1, parts);
        }
    }
}

#[test]
fn the_memory_that_peers_can_take_is_bounded() {
    let (run, port) = listen(&["-k"]).stdin(In::Null).start_listening();
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    for n in 0..3000_u64 {
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.send_to(b"x", to).unwrap();
        if n % 100 == 99 {
            run.stdout().wait_for(n + 1);
        }
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", run.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: u64 = peak
        .and_then(|kib| kib.trim().trim_end_matches(" kB").parse().ok())
        .unwrap();
    assert!(peak < 16 << 10, "{peak} KiB");
    drop(run);
}
