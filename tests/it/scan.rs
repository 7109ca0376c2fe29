//! `-z`: which ports are open, what is said about them, and what the exit status is.

use std::net::{Ipv6Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

use crate::ports::{counted, in_table, silent};
use crate::util::{Done, Net, Peer, Server, Signal, Tool, Trace, ms};

/// A port of 127.0.0.1 on which nobody listens, as long as the socket is held.
fn closed_port() -> (Socket, u16) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    (socket, port)
}

/// A port of 127.0.0.1 that does not answer, as long as both are held: its queue is full.
fn silent_port() -> (Socket, Peer, u16) {
    let (socket, port) = closed_port();
    socket.listen(0).unwrap();
    let first = Peer::connect(port);
    (socket, first, port)
}

/// These ports are open, and nothing is said but how many ports are in which state.
#[track_caller]
fn tells(done: &Done, code: i32, open: &[u16]) {
    assert_eq!(in_table(done.exits(code)), open, "{}", done.line);
    counted(done);
    assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
}

fn scan(words: &[&str]) -> Done {
    Tool::oxnc(words).run()
}

#[test]
fn one_port_is_told_by_the_exit_status_alone() {
    let server = Server::new();
    let (_held, closed) = closed_port();
    let (open, closed) = (server.port().to_string(), closed.to_string());
    silent(&scan(&["-z", "127.0.0.1", &open]), 0);
    silent(&scan(&["-z", "127.0.0.1", &closed]), 1);
    silent(&scan(&["-z", &format!("127.0.0.1:{open}")]), 0);
    silent(&scan(&["127.0.0.1", &closed, "-z"]), 1);
    silent(&scan(&["-w", "1", "-z", "localhost", "1"]), 1);
    silent(&scan(&["-z", "-w1", "no-such-host.invalid", "80"]), 1);
    silent(&scan(&["-z", "-s", "192.0.2.77", "127.0.0.1", &open]), 1);
}

#[test]
fn one_open_port_of_several_is_enough_unless_all_have_to_be() {
    let (first, second) = (Server::new(), Server::new());
    let (_held, closed) = closed_port();
    let open = [first.port(), second.port()];
    let [one, two] = open.map(|port| port.to_string());
    let closed = closed.to_string();
    let list = format!("{closed},{one}");
    tells(&scan(&["-z", "127.0.0.1", &closed, &one]), 0, &open[..1]);
    tells(&scan(&["-z", "127.0.0.1", &one, &closed]), 0, &open[..1]);
    tells(&scan(&["-z", "127.0.0.1", &list]), 0, &open[..1]);
    tells(&scan(&["-z", "127.0.0.1", &closed, &closed]), 1, &[]);
    let all = |words: &[&str]| scan(&[&["-z", "--all", "127.0.0.1"], words].concat());
    tells(&all(&[&one, &closed]), 1, &open[..1]);
    tells(&all(&[&one, &two]), 0, &open);
    let done = scan(&["-zr", "--all", "127.0.0.1", &one, &two]);
    assert_eq!(in_table(done.exits(0)).len(), 2);
}

#[test]
fn scripts_wait_for_a_port() {
    let (socket, port) = closed_port();
    let line = "until \"$0\" -z ${1%%:*} ${1##*:}; do sleep .1; done";
    let word = format!("127.0.0.1:{port}");
    let program = env!("CARGO_BIN_EXE_oxnc");
    let run = Tool::program("sh", &["-c", line, program, &word]).start();
    run.runs_on_for(ms(300));
    socket.listen(1).unwrap();
    silent(&run.wait(), 0);
}

#[test]
fn nothing_is_sent_and_the_end_is_a_clean_one() {
    let server = Server::new();
    let run = Tool::connect(server.port(), &["-z"]).start();
    assert_eq!(server.accept().recv_all(), b"");
    silent(&run.wait(), 0);
    assert!(!server.has_client_within(ms(0)), "one connection is enough");
}

#[test]
fn the_lines_are_those_of_nc() {
    needs!("nc.openbsd");
    let server = Server::new();
    let (_held, closed) = closed_port();
    let (open, closed) = (server.port().to_string(), closed.to_string());
    let lines: &[&[&str]] = &[
        &["-zv", "localhost", &open],
        &["-zv", "127.0.0.1", &open],
        &["-nzv", "127.0.0.1", &open],
        &["-4zv", "localhost", &closed],
        &["-zv", "127.0.0.1", &closed],
        &["-zv", "127.0.0.1", &closed, &open],
        &["127.0.0.1", &open, "-z", "-v"],
        &["-4zv", "localhost", "1-5"],
        &["-zv", "127.0.0.1", "domain", "1-3", "http-alt"],
    ];
    for words in lines {
        let theirs = Tool::program("nc.openbsd", words).run();
        let ours = scan(words);
        ours.exits(theirs.status.code().unwrap()).wrote(b"");
        assert_eq!(
            ours.stderr,
            theirs.stderr.replace("nc.openbsd: ", "oxnc: "),
            "{words:?}"
        );
    }
}

#[test]
fn a_service_has_its_name() {
    needs!("root");
    let net = Net::new();
    let _server = net.inside(|| Server::on(([127, 0, 0, 1], 22)));
    let told = |words: &[&str]| net.tool(Tool::oxnc(words)).run().stderr;
    let line = "Connection to 127.0.0.1 22 port [tcp/ssh] succeeded!\n";
    assert_eq!(told(&["-zv", "127.0.0.1", "22"]), line);
    assert_eq!(told(&["-zv", "127.0.0.1", "ssh"]), line);
    assert_eq!(told(&["-nzv", "127.0.0.1", "22"]), line.replace("ssh", "*"));
    net.tool(Tool::oxnc(&["-z", "127.0.0.1", "no-such-service"]))
        .run()
        .fails(2, &["no-such-service"]);
}

#[test]
fn a_wrong_port_is_a_usage_error_that_names_it() {
    for word in [
        "0", "65536", "abc!", "80-", "80 ", "0x50", "+5", " 80", "", "25-20",
    ] {
        scan(&["-z", "127.0.0.1", word])
            .fails(2, &[&format!("'{word}'")])
            .wrote(b"");
    }
}

#[test]
fn a_port_that_does_not_answer_costs_its_time_and_is_not_open() {
    let (_socket, _first, silent_port) = silent_port();
    let (_held, closed) = closed_port();
    let words = [&silent_port.to_string(), &closed.to_string()];
    let done = scan(&["-zv", "-w1", "127.0.0.1", words[0], words[1]]);
    done.exits(1).took_about(ms(1000));
    let expected = format!(
        "oxnc: connect to 127.0.0.1 port {silent_port} (tcp) failed: Connection timed out\n\
         oxnc: connect to 127.0.0.1 port {closed} (tcp) failed: Connection refused\n"
    );
    assert_eq!(done.stderr, expected);
    // Each of several has two seconds, if nobody says anything else.
    let done = scan(&["-z", "127.0.0.1", words[0], words[1]]);
    tells(&done, 1, &[]);
    assert_eq!(counted(&done), "2 ports: 1 filtered, 1 closed");
    done.took_about(ms(2000));
    let done = scan(&["-z", "-w", "0.3", "127.0.0.1", words[0]]);
    silent(&done, 1);
    done.took_about(ms(300));
}

#[test]
fn there_is_a_pause_between_two_ports() {
    let (_held, closed) = closed_port();
    let closed = closed.to_string();
    let done = scan(&["-z", "-i", "0.2", "127.0.0.1", &closed, &closed, &closed]);
    tells(&done, 1, &[]);
    done.took_about(ms(400));
    let done = scan(&["-z", "-i", "5", "127.0.0.1", &closed]);
    silent(&done, 1);
    done.took_about(ms(0));
}

#[test]
fn a_total_limit_ends_the_run() {
    let (_socket, _first, port) = silent_port();
    let port = port.to_string();
    let options = ["-z", "--max-time=300ms", "127.0.0.1", &port];
    let done = scan(&options);
    silent(&done, 124);
    done.took_about(ms(300));
    let done = Tool::oxnc(&options).arg("1").run();
    done.fails(124, &["--max-time", "127.0.0.1", &port]);
}

#[test]
fn a_signal_ends_the_wait_for_an_answer() {
    needs!("strace");
    let (_socket, _first, port) = silent_port();
    let (trace, tool) = Trace::of(Tool::connect(port, &["-z"]), &["-e", "trace=connect"]);
    let run = tool.start();
    trace.wait_for("connect(");
    run.signal(Signal::INT);
    run.wait().dies_of(Signal::INT);
}

/// Where every answer comes at once, it is never waited for one.
#[test]
fn a_signal_ends_a_run_that_never_waits() {
    needs!("root");
    let net = Net::new();
    let all = ["1-65535"; 300].join(",");
    let run = net.tool(Tool::oxnc(&["-z", "127.0.0.1", &all])).start();
    run.runs_on_for(ms(300));
    run.signal(Signal::TERM);
    run.wait().dies_of(Signal::TERM);
}

#[test]
fn there_may_be_more_ports_than_there_are() {
    needs!("root");
    let net = Net::new();
    let all = ["1-65535"; 3];
    let scan = || net.tool(Tool::oxnc(&["-z", "127.0.0.1"])).args(&all).run();
    tells(&scan(), 1, &[]);
    let _server = net.inside(|| Server::on(([127, 0, 0, 1], 65535)));
    tells(&scan(), 0, &[65535; 3]);
}

#[test]
fn the_first_address_that_is_open_decides() {
    needs!("root");
    let net = Net::new();
    net.file("hosts", "::1 both\n127.0.0.1 both\n");
    let _four = net.inside(|| Server::on(([127, 0, 0, 1], 4000)));
    let _six = net.inside(|| Server::on((Ipv6Addr::LOCALHOST, 4001)));
    let scan = |words: &[&str]| net.tool(Tool::oxnc(words)).run();
    let done = scan(&["-z", "--all", "both", "4000", "4001"]);
    tells(&done, 0, &[4000, 4001]);
    let done = scan(&["-zv", "both", "4000-4002"]);
    let expected = "oxnc: connect to both (::1) port 4000 (tcp) failed: Connection refused\n\
                    Connection to both (127.0.0.1) 4000 port [tcp/*] succeeded!\n\
                    Connection to both (::1) 4001 port [tcp/*] succeeded!\n\
                    oxnc: connect to both (::1) port 4002 (tcp) failed: Connection refused\n\
                    oxnc: connect to both (127.0.0.1) port 4002 (tcp) failed: Connection refused\n";
    assert_eq!(done.exits(0).stderr, expected);
    silent(&scan(&["-6z", "both", "4000"]), 1);
    silent(&scan(&["-z", "-s", "127.0.0.1", "both", "4001"]), 1);
    silent(&scan(&["-z", "-s", "127.0.0.1", "both", "4000"]), 0);
    let done = scan(&["-z", "-s", "127.0.0.1", "::1", "4000", "4001"]);
    done.fails(1, &["::1", "other family"]);
}

#[test]
fn a_packet_filters_answer_is_told() {
    needs!("root", "nft");
    let net = Net::new();
    let _server = net.inside(|| Server::on(([0, 0, 0, 0], 4000)));
    net.drop_input(
        "tcp dport 4001 drop\n\
         tcp dport 4002 reject with tcp reset\n\
         tcp dport 4003 reject with icmp port-unreachable\n\
         tcp dport 4004 reject with icmp admin-prohibited",
    );
    let ports = "4000-4004";
    let done = net
        .tool(Tool::oxnc(&["-zv", "-w", "0.5", "127.0.0.1", ports]))
        .run();
    let failed =
        |port, why| format!("oxnc: connect to 127.0.0.1 port {port} (tcp) failed: {why}\n");
    let expected = [
        "Connection to 127.0.0.1 4000 port [tcp/*] succeeded!\n".to_owned(),
        failed(4001, "Connection timed out"),
        failed(4002, "Connection refused"),
        failed(4003, "Connection refused"),
        failed(4004, "No route to host"),
    ];
    assert_eq!(done.exits(0).stderr, expected.concat());
}

#[test]
fn the_name_is_looked_up_once() {
    needs!("strace");
    let words = ["-z", "localhost", "1-5"];
    let (trace, tool) = Trace::of(Tool::oxnc(&words), &["-e", "trace=openat"]);
    tells(&tool.run(), 1, &[]);
    let lines = trace.lines();
    let lookups = lines.iter().filter(|line| line.contains("\"/etc/hosts\""));
    assert_eq!(lookups.count(), 1, "{lines:#?}");
}

#[test]
fn a_name_that_is_unknown_is_told_where_there_are_several_ports() {
    let host = "no-such-host.invalid";
    scan(&["-z", "-w5", host, "80", "81"]).fails(1, &[host]);
    scan(&["-zv", "-w5", host, "80"]).fails(1, &[host]);
}
