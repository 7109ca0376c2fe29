//! UDP, where oxnc speaks first: what becomes one datagram, when the run ends, and what it says.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    os::fd::OwnedFd,
    time::Duration,
};

use crate::util::{In, Net, Out, Records, Signal, Tool, Trace, Udp, ms, spawn};

fn call(port: u16, options: &[&str]) -> Tool {
    Tool::connect(port, &["-u"]).args(options)
}

fn bytes(text: &str) -> In {
    In::Bytes(text.as_bytes().to_vec())
}

/// A port of 127.0.0.1 at which nobody is, as long as the socket of the other protocol is held.
fn closed_port() -> u16 {
    Udp::new().port()
}

#[test]
fn a_counter_for_statsd() {
    for option in ["-w0", "-w1", "-q0"] {
        let server = Udp::new();
        let done = call(server.port(), &[option]).stdin(bytes("m:1|c\n")).run();
        done.succeeds().wrote(b"");
        assert_eq!(server.recv(), b"m:1|c\n", "{option}");
        let expected = ms(if option == "-w1" { 1000 } else { 0 });
        done.took_about(expected);
    }
}

#[test]
fn a_line_for_syslog() {
    let server = Udp::new();
    let line = "<13>Nov 25 03:00:00 host app: text";
    call(server.port(), &["-w0"])
        .stdin(bytes(line))
        .run()
        .succeeds();
    assert_eq!(server.recv(), line.as_bytes());
}

#[test]
fn what_comes_late_to_stdin_is_sent_all_the_same() {
    for _ in 0..20 {
        let server = Udp::new();
        let mut run = call(server.port(), &["-w0", "-v"]).stdin(In::Pipe).start();
        run.stderr.wait_for_text("sending to");
        run.write(b"late");
        run.close_stdin();
        run.wait().exits(0);
        assert_eq!(server.recv(), b"late");
    }
}

#[test]
fn an_answer_has_a_second_without_any_option() {
    let server = Udp::new();
    let run = call(server.port(), &[]).stdin(bytes("ping")).start();
    let (datagram, from) = server.recv_from();
    assert_eq!(datagram, b"ping");
    run.runs_on_for(ms(300));
    server.send_to(b"PONG", from);
    run.wait().succeeds().wrote(b"PONG").took_about(ms(1300));
}

#[test]
fn the_time_after_stdins_end_begins_anew_with_every_datagram() {
    let server = Udp::new();
    let run = call(server.port(), &["-q", "0.5"])
        .stdin(bytes("ping"))
        .start();
    let (_, from) = server.recv_from();
    let mut expected = Vec::new();
    for n in 0..4 {
        run.runs_on_for(ms(250));
        server.send_to(&[n], from);
        expected.push(n);
    }
    run.wait().succeeds().wrote(&expected).took_about(ms(1500));
}

#[test]
fn one_answer_is_enough_with_recv_limit() {
    let server = Udp::new();
    let run = call(server.port(), &["-W1", "-w", "10"])
        .stdin(In::Pipe)
        .start();
    let mut run = run;
    run.write(b"query");
    let (_, from) = server.recv_from();
    server.send_to(b"one", from);
    server.send_to(b"two", from);
    run.wait().succeeds().wrote(b"one").took_about(ms(0));
}

#[test]
fn nobody_there_is_a_failure_that_names_host_and_port() {
    let port = closed_port();
    for options in [&["-w0"][..], &[], &["-v", "-w0"], &["-q1"], &["-N"]] {
        let done = call(port, options).stdin(bytes("hi")).run();
        assert_eq!(done.status.code(), Some(1), "{options:?}: {}", done.stderr);
        let port = port.to_string();
        for part in ["127.0.0.1", &port, "refused"] {
            assert!(done.stderr.contains(part), "{options:?}: {}", done.stderr);
        }
    }
    let done = call(port, &[]).stdin(bytes("hi")).run();
    done.fails(1, &["127.0.0.1", &port.to_string(), "refused"]);
}

#[test]
fn a_name_shows_name_and_address_of_where_nobody_is() {
    let port = closed_port().to_string();
    let done = Tool::oxnc(&["-u4", "localhost", &port])
        .stdin(bytes("hi"))
        .run();
    done.fails(1, &["localhost", "127.0.0.1", &port, "refused"]);
}

#[test]
fn what_has_come_before_a_refusal_is_written() {
    let server = Udp::new();
    let mut run = call(server.port(), &["-w", "10"]).stdin(In::Pipe).start();
    run.write(b"1");
    let (_, from) = server.recv_from();
    run.signal(Signal::STOP);
    server.send_to(b"answer", from);
    run.write(b"2");
    drop(server);
    run.signal(Signal::CONT);
    run.write(b"3");
    let done = run.wait();
    done.fails(1, &["refused"]).wrote(b"answer");
}

#[test]
fn empty_datagrams_are_data_and_no_end() {
    let server = Udp::new();
    let mut run = call(server.port(), &["-W3", "-w", "10"])
        .stdin(In::Pipe)
        .start();
    run.write(b"go");
    let (_, from) = server.recv_from();
    server.send_to(b"", from);
    server.send_to(b"data", from);
    server.send_to(b"", from);
    run.wait().succeeds().wrote(b"data");
}

#[test]
fn nothing_is_sent_that_was_not_in_stdin() {
    let server = Udp::new();
    let run = call(server.port(), &["-vvv"]).stdin(In::Pipe).start();
    server.hears_nothing_for(ms(500));
    drop(run);
    call(server.port(), &["-v"]).run().exits(0).wrote(b"");
    server.hears_nothing_for(ms(100));
}

#[test]
fn long_datagrams_pass_whole_in_both_directions() {
    for length in [9_000, 20_000, 60_000, 65_507] {
        let server = Udp::new();
        let data: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        let run = call(server.port(), &["-W1"])
            .stdin(In::Bytes(data.clone()))
            .start();
        let (datagram, from) = server.recv_from();
        assert!(datagram == data, "{length}: {} bytes came", datagram.len());
        server.send_to(&data, from);
        run.wait().succeeds().wrote(&data);
    }
}

#[test]
fn what_does_not_fit_into_a_datagram_is_spread_over_several() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    let table: [(usize, &[&str], &[usize]); 3] = [
        (65_508, &[], &[65_507, 1]),
        (2_500, &["--datagram-size", "1000"], &[1000, 1000, 500]),
        (2_000, &["--datagram-size=1000"], &[1000, 1000]),
    ];
    for (length, options, expected) in table {
        std::fs::write(&file, vec![7; length]).unwrap();
        let server = Udp::new();
        let done = call(server.port(), &["-w0"])
            .args(options)
            .stdin(In::File(file.clone()))
            .run();
        done.succeeds();
        let lengths: Vec<usize> = expected.iter().map(|_| server.recv().len()).collect();
        assert_eq!(lengths, expected);
    }
}

#[test]
fn ipv6_carries_twenty_bytes_more() {
    let server = Udp::on((Ipv6Addr::LOCALHOST, 0));
    let port = server.port().to_string();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, vec![7; 65_527]).unwrap();
    let run = Tool::oxnc(&["-u", "-w0", "::1", &port]).stdin(In::File(file));
    run.run().succeeds();
    assert_eq!(server.recv().len(), 65_527);
}

#[test]
fn a_datagram_that_is_too_long_for_the_way_is_not_delivered() {
    needs!("root");
    let net = Net::new();
    net.sh("ip link set lo mtu 1400; sysctl -qw net.ipv4.ip_default_ttl=64");
    let server = net.inside(Udp::new);
    let data = vec![1; 20_000];
    let tool = call(server.port(), &["-w0"]).stdin(In::Bytes(data.clone()));
    net.tool(tool).run().succeeds();
    assert_eq!(
        server.recv(),
        data,
        "the kernel splits packets, and joins them"
    );
}

#[test]
fn the_next_address_is_used_when_nobody_is_at_the_first() {
    needs!("root");
    let net = Net::new();
    net.file("hosts", "::1 dual\n127.0.0.1 dual\n");
    let server = net.inside(Udp::new);
    let port = server.port().to_string();
    let run = net
        .tool(Tool::oxnc(&["-u", "-v", "dual", &port]))
        .stdin(bytes("hi"))
        .start();
    let (datagram, from) = server.recv_from();
    assert_eq!(datagram, b"hi");
    server.send_to(b"ho", from);
    run.stderr
        .wait_for_text("nobody there; sending to 127.0.0.1");
    run.wait().exits(0).wrote(b"ho");
    drop(server);
    let done = net
        .tool(Tool::oxnc(&["-u", "dual", &port]))
        .stdin(bytes("hi"))
        .run();
    done.fails(1, &["dual", "127.0.0.1", &port, "refused"]);
}

#[test]
fn an_address_without_a_route_is_passed_over() {
    needs!("root");
    let net = Net::new();
    net.file(
        "hosts",
        "2001:db8::1 dual\n192.0.2.9 dual\n127.0.0.1 dual\n",
    );
    let server = net.inside(Udp::new);
    let port = server.port().to_string();
    let done = net
        .tool(Tool::oxnc(&["-uv", "-w0", "dual", &port]))
        .stdin(bytes("hi"))
        .run();
    done.exits(0);
    assert_eq!(server.recv(), b"hi");
    assert!(done.stderr.contains("2001:db8::1"), "{}", done.stderr);
    let done = net
        .tool(Tool::oxnc(&["-u", "192.0.2.9", &port]))
        .stdin(bytes("hi"))
        .run();
    done.fails(1, &["192.0.2.9", &port, "unreachable"]);
}

#[test]
fn the_local_end_can_be_chosen() {
    let server = Udp::new();
    let port = closed_port().to_string();
    let tool = call(server.port(), &["-w0", "-s", "127.0.0.7", "-p", &port]);
    tool.stdin(bytes("x")).run().succeeds();
    let (_, from) = server.recv_from();
    assert_eq!(from.to_string(), format!("127.0.0.7:{port}"));
}

#[test]
fn send_only_discards_what_comes() {
    let server = Udp::new();
    let run = call(server.port(), &["--send-only", "-w1"])
        .stdin(bytes("x"))
        .start();
    let (_, from) = server.recv_from();
    server.send_to(b"y", from);
    run.wait().succeeds().wrote(b"");
}

#[test]
fn while_stdin_is_open_silence_is_a_limit() {
    let server = Udp::new();
    let run = call(server.port(), &["-w", "0.5"]).stdin(In::Pipe).start();
    let mut run = run;
    run.write(b"x");
    server.recv();
    let done = run.wait();
    done.fails(124, &["127.0.0.1", "500ms", "--idle-timeout", "1 datagram"]);
}

#[test]
fn output_that_fails_and_readers_that_leave() {
    let server = Udp::new();
    let run = call(server.port(), &["-w", "10"])
        .stdin(bytes("x"))
        .stdout(Out::Full)
        .start();
    let (_, from) = server.recv_from();
    server.send_to(b"y", from);
    run.wait().fails(4, &["standard output", "No space"]);

    let (rx, tx) = crate::util::pipe();
    drop(rx);
    let run = call(server.port(), &["-w", "10"])
        .stdin(bytes("x"))
        .stdout(Out::Fd(tx.into()))
        .start();
    let (_, from) = server.recv_from();
    server.send_to(b"y", from);
    run.wait().dies_of(Signal::PIPE);
}

#[test]
fn signals_end_it_and_counters_are_told() {
    let server = Udp::new();
    let mut run = call(server.port(), &["-v"]).stdin(In::Pipe).start();
    run.write(b"abc");
    server.recv();
    run.signal(Signal::USR1);
    run.stderr
        .wait_for_text("sent 1 datagram of 3 bytes, received 0 datagrams of 0 bytes");
    run.signal(Signal::TERM);
    run.wait().dies_of(Signal::TERM);
}

#[test]
fn it_rests_while_nobody_speaks() {
    needs!("strace");
    let server = Udp::new();
    let (trace, tool) = Trace::of(call(server.port(), &["-w", "1h"]), &[]);
    let mut run = tool.stdin(In::Pipe).start();
    run.write(b"x");
    let (_, from) = server.recv_from();
    trace.settle();
    trace.rests_for(ms(1000));
    run.close_stdin();
    trace.settle();
    trace.rests_for(ms(1000));
    server.send_to(b"", from);
    trace.settle();
    trace.rests_for(ms(1000));
    drop(run);
}

/// Numbered, of mixed sizes, recognisable wherever one begins.
pub fn numbered(n: u32) -> Vec<u8> {
    let sizes = [
        4, 5, 64, 512, 1_200, 1_472, 1_473, 4_096, 9_000, 16_385, 30_000, 65_507,
    ];
    let length = sizes[(n as usize).wrapping_mul(7) % sizes.len()];
    let mut datagram = vec![(n % 251) as u8; length];
    datagram[..4].copy_from_slice(&n.to_be_bytes());
    datagram
}

const COUNT: u32 = 10_000;

fn check(n: u32, datagram: &[u8]) {
    let expected = numbered(n);
    assert!(
        datagram == expected,
        "number {n}: {} bytes instead of {}",
        datagram.len(),
        expected.len()
    );
}

#[test]
fn ten_thousand_arrive_whole_and_in_order_at_another_program() {
    let server = Udp::new();
    let (input, theirs) = Records::pair();
    let run = call(server.port(), &["-w0"]).stdin(In::Fd(theirs)).start();
    for n in 0..COUNT {
        input.write(&numbered(n));
        check(n, &server.recv());
    }
    drop(input);
    run.wait_within(Duration::from_secs(30)).succeeds();
}

#[test]
fn ten_thousand_arrive_whole_and_in_order_from_another_program() {
    let (output, theirs): (_, OwnedFd) = Records::pair();
    let limit = COUNT.to_string();
    let (run, port) = Tool::listen_with(&["-u", "-W", &limit], &["127.0.0.1", "0"])
        .stdout(Out::Fd(theirs))
        .start_listening();
    let sender = Udp::to(port);
    for n in 0..COUNT {
        sender.send(&numbered(n));
        check(n, &output.read());
    }
    run.wait_within(Duration::from_secs(30)).succeeds();
}

#[test]
fn ten_thousand_arrive_whole_and_in_order_between_two_of_us() {
    let (input, sends) = Records::pair();
    let (output, receives) = Records::pair();
    let limit = COUNT.to_string();
    let (receiver, port) = Tool::listen_with(&["-u", "-W", &limit], &["127.0.0.1", "0"])
        .stdout(Out::Fd(receives))
        .start_listening();
    let sender = call(port, &["-w0"]).stdin(In::Fd(sends)).start();
    let writer = spawn(move || {
        for n in 0..COUNT {
            input.write(&numbered(n));
            check(n, &output.read());
        }
    });
    writer.join();
    sender.wait_within(Duration::from_secs(30)).succeeds();
    receiver.wait_within(Duration::from_secs(30)).succeeds();
}

#[test]
fn localhost_is_reached_wherever_it_is() {
    let server = Udp::on((Ipv4Addr::LOCALHOST, 0));
    let port = server.port().to_string();
    let done = Tool::oxnc(&["-u", "-w0", "localhost", &port])
        .stdin(bytes("x"))
        .run();
    done.succeeds();
    assert_eq!(server.recv(), b"x");
}

#[test]
fn broadcasts_need_their_option() {
    needs!("root");
    let net = Net::new();
    net.sh("ip addr add 10.9.9.1/24 broadcast + dev lo");
    let server = net.inside(|| Udp::on((Ipv4Addr::UNSPECIFIED, 0)));
    let port = server.port().to_string();
    let send = |options: &[&str]| {
        let tool = Tool::oxnc(&["-u", "-w0"]).args(options);
        let tool = tool.args(&["10.9.9.255", &port]);
        net.tool(tool).stdin(bytes("all")).run()
    };
    send(&[]).fails(1, &["10.9.9.255", &port, "-b"]);
    send(&["-b"]).succeeds();
    assert_eq!(server.recv(), b"all");
}

#[test]
fn options_of_sockets_are_set() {
    needs!("strace");
    let server = Udp::new();
    let options = ["-w0", "-T0x10", "-I", "64k", "-M", "9"];
    let (trace, tool) = Trace::of(call(server.port(), &options), &["-e", "trace=setsockopt"]);
    tool.stdin(bytes("x")).run().succeeds();
    let calls = trace.lines().join("\n");
    for call in ["IP_TOS, [16]", "SO_RCVBUF, [65536]", "IP_TTL, [9]"] {
        assert!(calls.contains(call), "{call}: {calls}");
    }
}
