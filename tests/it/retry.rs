//! `--retry`: a connection that fails is tried again, what no try can mend is not, and what is told of
//! it.

use std::net::SocketAddr;

use crate::util::{
    Family, In, Net, Peer, Running, Server, Signal, Spot, Tool, Trace, ms,
    proxies::{
        KINDS,
        Kind::{self, Connect, Socks5},
    },
};

/// Started where it misses, under strace, which tells of it while the run itself says nothing.
fn misses(tool: Tool, error: &str) -> Running {
    let (trace, tool) = Trace::of(tool, &["-e", "trace=connect,getsockopt"]);
    let run = tool.start();
    trace.wait_for(error);
    run
}

fn question(tool: Tool) -> Tool {
    tool.stdin(In::Bytes(b"question".to_vec()))
}

/// Both ends say something, and there is nothing to complain about.
#[track_caller]
fn talks(run: Running, server: &Server) {
    let mut peer = server.accept();
    assert_eq!(peer.recv_all(), b"question");
    answers(run, peer);
}

#[track_caller]
fn answers(run: Running, mut peer: Peer) {
    peer.send(b"answer");
    peer.close();
    run.wait().succeeds().wrote(b"answer");
}

/// How many lines have this in them.
fn lines_with(stderr: &str, word: &str) -> usize {
    stderr.lines().filter(|line| line.contains(word)).count()
}

#[test]
fn a_server_that_comes_later_is_reached_and_nothing_is_said() {
    for option in ["--retry", "--retry=100000"] {
        let server = Server::closed();
        let tool = Tool::connect(server.port(), &[option]);
        let run = misses(question(tool), "[ECONNREFUSED]");
        server.open();
        talks(run, &server);
    }
}

#[test]
fn a_unix_socket_that_comes_later_is_reached() {
    let spot = Spot::new_socket();
    let tool = Tool::connect(spot.clone(), &["--retry"]);
    let run = misses(question(tool), "ENOENT");
    talks(run, &Server::at(spot));
}

#[test]
fn a_unix_socket_whose_listener_has_died_is_tried_again() {
    let spot = Spot::new_socket();
    drop(Server::at(spot.clone()));
    let tool = Tool::connect(spot.clone(), &["--retry"]);
    let run = misses(question(tool), "ECONNREFUSED");
    std::fs::remove_file(spot.path()).unwrap();
    talks(run, &Server::at(spot));
}

#[test]
fn a_name_that_comes_later_is_reached() {
    needs!("root");
    let net = Net::new();
    net.file("hosts", "127.0.0.1 localhost\n");
    net.file("nsswitch.conf", "hosts: files\n");
    let server = net.inside(|| Server::on(SocketAddr::from(([127, 0, 0, 1], 4000))));
    let tool = Tool::oxnc(&["-v", "--retry", "late", "4000"]);
    let run = net.tool(tool).start();
    run.stderr.wait_for_text("cannot look up late port 4000: ");
    net.file("hosts", "127.0.0.1 late\n");
    let mut peer = server.accept();
    peer.send(b"answer");
    peer.close();
    let done = run.wait();
    done.exits(0).wrote(b"answer");
    let reached = lines_with(&done.stderr, "connected to late (127.0.0.1) port 4000");
    assert_eq!(reached, 1, "{}", done.stderr);
}

#[test]
fn a_proxy_that_comes_later_is_asked() {
    for kind in KINDS {
        let server = Server::closed();
        let run = misses(kind.tool(server.port(), &["--retry"]), "[ECONNREFUSED]");
        server.open();
        let mut peer = server.accept();
        kind.grant(&mut peer);
        answers(run, peer);
    }
}

#[test]
fn a_proxy_that_leaves_or_is_silent_or_refuses_is_asked_again() {
    let refusals: [(Kind, &[u8]); 2] = [
        (Socks5, b"\x05\x05\0\x01\0\0\0\0\0\0"),
        (Connect, b"HTTP/1.1 502 Bad gateway\r\n\r\n"),
    ];
    for (kind, refusal) in refusals {
        let server = Server::new();
        let options = ["--retry=3", "--connect-timeout=1s"];
        let run = kind.tool(server.port(), &options).start();
        let mut peer = server.accept();
        kind.play(&mut peer);
        peer.close();
        let mut peer = server.accept();
        kind.play(&mut peer);
        // It waits no longer.
        peer.recv_until_reset();
        let mut peer = server.accept();
        kind.play(&mut peer);
        peer.send(refusal);
        peer.recv_until_reset();
        let mut peer = server.accept();
        kind.grant(&mut peer);
        answers(run, peer);
    }
}

#[test]
fn what_no_try_can_mend_ends_the_run_at_once() {
    let server = Server::new();
    let at = server.port().to_string();
    let with = |words: &[&str]| Tool::oxnc(&["--retry"]).args(words).run();
    with(&["-s", "192.0.2.77", "127.0.0.1", &at]).fails(1, &["192.0.2.77", "assign"]);
    with(&["-s", "::1", "127.0.0.1", &at]).fails(1, &["other family"]);
    with(&["-n", "localhost", &at]).fails(1, &["localhost"]);
    with(&["127.0.0.1", "no-such-service"]).fails(2, &["no-such-service"]);
    with(&["fe80::1%nope0", &at]).fails(2, &["nope0"]);
    with(&["--congestion=nope", "127.0.0.1", &at]).fails(1, &["--congestion"]);
    with(&["-U", "/"]).fails(1, &["directory"]);
    with(&["-x", "127.0.0.1", "a", "no-such-service"]).fails(2, &["no-such-service"]);
    assert!(!server.has_client_within(ms(0)));
}

#[test]
fn a_proxy_that_does_not_know_us_is_not_asked_again() {
    let answers: [(Kind, &[u8], i32); 5] = [
        (Connect, b"HTTP/1.1 407 Authenticate\r\n\r\n", 6),
        (Connect, b"SSH-2.0-OpenSSH_10.0\r\n", 1),
        (Socks5, b"\x05\x02", 1),
        (Socks5, b"\x05\xff", 1),
        (Socks5, b"\x05\0\x05\x08\0\x01\0\0\0\0\0\0", 1),
    ];
    for (kind, answer, code) in answers {
        let server = Server::new();
        let run = kind.tool(server.port(), &["--retry"]).start();
        let mut peer = server.accept();
        peer.send(answer);
        run.wait().fails(code, &["example.invalid", "proxy"]);
        assert!(!server.has_client_within(ms(0)));
    }
}

#[test]
fn so_many_tries_and_no_more() {
    let server = Server::new();
    let run = Socks5.tool(server.port(), &["--retry=2"]).start();
    for _ in 0..3 {
        let mut peer = server.accept();
        Socks5.play(&mut peer);
        peer.send(b"\x05\x05\0\x01\0\0\0\0\0\0");
        peer.recv_until_reset();
    }
    run.wait()
        .fails(1, &["example.invalid", "connection refused"]);
    assert!(!server.has_client_within(ms(0)));
}

#[test]
fn the_last_failure_is_the_one_that_is_told() {
    let server = Server::closed();
    let port = server.port().to_string();
    let options = ["--retry=3", "--retry-delay=0"];
    let done = Tool::connect(server.port(), &options).run();
    done.fails(1, &["127.0.0.1", &port, "refused"]);
    let done = Tool::connect(Spot::new_socket(), &options).run();
    done.fails(1, &["socket", "no such file"]);

    let server = Server::with_full_queue();
    let (_first, port) = (Peer::connect(server.port()), server.port().to_string());
    let options = ["--retry=1", "--retry-delay=0", "--connect-timeout=300ms"];
    let done = Tool::connect(server.port(), &options).run();
    done.fails(124, &["127.0.0.1", &port, "--connect-timeout"])
        .took_about(ms(610));
}

#[test]
fn what_is_new_about_a_failure_is_told_to_those_who_ask() {
    let server = Server::closed();
    let options = ["-v", "--retry=3", "--retry-delay=0"];
    let done = Tool::connect(server.port(), &options).run();
    let line = format!(
        "oxnc: cannot connect to 127.0.0.1 port {}: Connection refused\n",
        server.port()
    );
    // The same once more is no news; the last one is told in any case.
    assert_eq!(done.exits(1).stderr, line.repeat(2));

    let done = Tool::connect(Spot::new_socket(), &options).run();
    assert_eq!(lines_with(&done.exits(1).stderr, "No such file"), 2);
    assert_eq!(done.stderr.lines().count(), 2, "{}", done.stderr);

    let options = ["-vv", "--retry=1", "--retry-delay=70ms"];
    let done = Tool::connect(server.port(), &options).run();
    let told: Vec<_> = done.exits(1).stderr.lines().collect();
    let (found, line) = ("oxnc: 127.0.0.1 is 127.0.0.1", line.trim_end());
    let pause = "oxnc: the next try is in 70ms";
    assert_eq!(told, [found, line, pause, found, line]);
}

#[test]
fn nc_tells_each_failure_in_its_own_words() {
    let server = Server::closed();
    let port = server.port().to_string();
    let words = ["--compat=nc", "-vn", "--retry=2", "--retry-delay=0"];
    let tool = Tool::oxnc(&words).args(&["127.0.0.1", &port]);
    let line = format!("oxnc: connect to 127.0.0.1 port {port} (tcp) failed: Connection refused\n");
    assert_eq!(tool.run().exits(1).stderr, line.repeat(2));
}

#[test]
fn another_failure_than_the_one_before_is_told() {
    let server = Server::new();
    let run = Socks5.tool(server.port(), &["-v", "--retry=3"]).start();
    for code in [5, 5, 4, 5] {
        let mut peer = server.accept();
        Socks5.play(&mut peer);
        peer.send(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
        peer.recv_until_reset();
    }
    let done = run.wait();
    let told: Vec<_> = done.exits(1).stderr.lines().collect();
    let told: Vec<_> = told
        .iter()
        .filter(|line| line.contains("refuses"))
        .collect();
    let [refused, unreachable, last] = told[..] else {
        panic!("{told:?}");
    };
    assert!(unreachable.contains("unreachable"), "{unreachable}");
    assert!(refused.contains("refused") && refused == last, "{refused}");
}

#[test]
fn no_more_tries_are_a_number_of_tries() {
    let server = Server::new();
    let run = Socks5.tool(server.port(), &["--retry=0"]).start();
    server.accept().close();
    run.wait().fails(1, &["proxy"]);
    assert!(!server.has_client_within(ms(0)));
}

#[test]
fn the_limit_of_the_run_ends_a_pause() {
    let server = Server::closed();
    let port = server.port().to_string();
    let options = ["--retry", "--retry-delay=1h", "--max-time=500ms"];
    let done = Tool::connect(server.port(), &options).run();
    done.fails(124, &["127.0.0.1", &port, "refused", "--max-time"])
        .took_about(ms(500));
    let done = Socks5.tool(server.port(), &options).run();
    done.fails(124, &["example.invalid", &port, "refused", "--max-time"]);
    let done = Tool::connect(Spot::new_socket(), &options).run();
    done.fails(124, &["socket", "no such file", "--max-time"]);
    // Who was told why is not told again.
    let done = Tool::connect(server.port(), &options).arg("-v").run();
    let told: Vec<_> = done.exits(124).stderr.lines().collect();
    let expected = [
        format!("oxnc: cannot connect to 127.0.0.1 port {port}: Connection refused"),
        format!("oxnc: no connection to 127.0.0.1 port {port} within 500ms (--max-time)"),
    ];
    assert_eq!(told, expected);
}

#[test]
fn the_limit_of_the_run_ends_a_try() {
    let server = Server::with_full_queue();
    let (_first, port) = (Peer::connect(server.port()), server.port().to_string());
    let options = ["--retry", "--connect-timeout=300ms", "--max-time=500ms"];
    let done = Tool::connect(server.port(), &options).run();
    done.fails(124, &["127.0.0.1", &port, "--max-time"])
        .took_about(ms(500));
}

#[test]
fn a_signal_ends_a_pause() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let server = Server::closed();
        let options = ["-vv", "--retry", "--retry-delay=1h"];
        let run = Tool::connect(server.port(), &options).start();
        run.stderr.wait_for_text("the next try is in 1h\n");
        run.signal(signal);
        let done = run.wait();
        done.dies_of(signal);
        assert_eq!(lines_with(&done.stderr, "refused"), 1, "{}", done.stderr);
    }
}

#[test]
fn a_pause_is_rest() {
    let server = Server::closed();
    let options = ["-vv", "--retry", "--retry-delay=1h"];
    let tool = Tool::connect(server.port(), &options);
    let (trace, tool) = Trace::of(tool, &["-e", "trace=all"]);
    let run = tool.start();
    run.stderr.wait_for_text("the next try is in 1h\n");
    trace.settle();
    trace.rests_for(ms(500));
    run.signal(Signal::TERM);
    run.wait().dies_of(Signal::TERM);
}

#[test]
fn a_connection_that_breaks_is_not_made_again() {
    for family in Family::ALL {
        let server = Server::of(family);
        let run = Tool::connect(server.spot(), &["--retry"]).start();
        let mut peer = server.accept();
        peer.send(b"half");
        run.stdout().wait_for_text("half");
        peer.reset();
        run.wait().fails(3, &["broke"]).wrote(b"half");
        assert!(!server.has_client_within(ms(0)));
    }
}
