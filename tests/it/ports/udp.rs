//! Datagrams: what is asked, how often, and what an answer or none means.

use std::net::Ipv4Addr;

use super::{counted, records, silent, state};
use crate::util::{Net, Tool, Udp, ms};

/// The one record of a run.
#[track_caller]
fn only(records: Vec<serde_json::Value>) -> serde_json::Value {
    assert_eq!(records.len(), 1, "{records:?}");
    records.into_iter().next().unwrap_or_default()
}

/// A server on a port of its own network, and what tests that port.
fn asked(net: &Net, port: u16, options: &[&str]) -> (Udp, Tool) {
    let server = net.inside(move || Udp::on((Ipv4Addr::LOCALHOST, port)));
    let tool = Tool::oxnc(&["-zu", "--json"]).args(options);
    (
        server,
        net.tool(tool.args(&["127.0.0.1", &port.to_string()])),
    )
}

#[test]
fn a_name_server_is_asked_for_the_name_servers_of_the_root() {
    needs!("root");
    let net = Net::new();
    let (server, tool) = asked(&net, 53, &[]);
    let run = tool.start();
    let (query, from) = server.recv_from();
    // RFC 1035, 4.1.1: a standard query with recursion desired, of one question and nothing else.
    assert_eq!(query[2..12], [1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    // 4.1.2: of the root, NS, IN.
    assert_eq!(query[12..], [0, 0, 2, 0, 1]);
    let mut response = query;
    response[2] |= 0x80;
    server.send_to(&response, from);
    let done = run.wait();
    let record = only(records(done.exits(0)));
    assert_eq!(
        (state(&record), &record["service"]),
        ("open", &"domain".into())
    );
    assert!(record["rtt"].is_number());
}

#[test]
fn a_time_server_is_asked_for_the_time() {
    needs!("root");
    let net = Net::new();
    let (server, tool) = asked(&net, 123, &[]);
    let run = tool.start();
    let (request, from) = server.recv_from();
    assert_eq!(request.len(), 48);
    // RFC 5905, 7.3: no warning, version 4, a client.
    let (leap, version, mode) = (request[0] >> 6, request[0] >> 3 & 7, request[0] & 7);
    assert_eq!((leap, version, mode), (0, 4, 3));
    let mut reply = request;
    reply[0] = 4 << 3 | 4;
    server.send_to(&reply, from);
    let done = run.wait();
    let record = only(records(done.exits(0)));
    assert_eq!(
        (state(&record), &record["service"]),
        ("open", &"ntp".into())
    );
}

#[test]
fn every_other_port_gets_an_x() {
    needs!("root");
    let net = Net::new();
    for port in [1, 161, 5353] {
        let (server, tool) = asked(&net, port, &["-w", "0.1"]);
        let done = tool.run();
        let record = only(records(done.exits(1)));
        assert_eq!(state(&record), "open|filtered");
        assert_eq!(server.recv(), b"X");
        server.hears_nothing_for(ms(1));
    }
}

/// A datagram may be lost, and so may its answer.
#[test]
fn it_is_asked_again_each_second() {
    needs!("root");
    let net = Net::new();
    let (server, tool) = asked(&net, 53, &["-w", "20"]);
    let run = tool.start();
    let (first, _) = server.recv_from();
    let (second, _) = server.recv_from();
    let (third, from) = server.recv_from();
    assert!(first == second && second == third);
    server.send_to(b"here", from);
    let done = run.wait();
    done.took_about(ms(2000));
    assert_eq!(state(&only(records(done.exits(0)))), "open");
}

#[test]
fn an_answer_of_whatever_kind_is_one() {
    needs!("root");
    let net = Net::new();
    for (port, answer) in [(4000, &b""[..]), (4001, b"X"), (53, b"not DNS at all")] {
        let (server, tool) = asked(&net, port, &[]);
        let run = tool.start();
        server.send_to(answer, server.recv_from().1);
        let done = run.wait();
        assert_eq!(state(&only(records(done.exits(0)))), "open");
    }
}

/// Somebody else's datagram is none.
#[test]
fn an_answer_from_elsewhere_is_none() {
    needs!("root");
    let net = Net::new();
    let (server, tool) = asked(&net, 4000, &["-w", "1"]);
    let other = net.inside(|| Udp::on((Ipv4Addr::LOCALHOST, 0)));
    let run = tool.start();
    other.send_to(b"me too", server.recv_from().1);
    let done = run.wait();
    assert_eq!(state(&only(records(done.exits(1)))), "open|filtered");
}

#[test]
fn a_refusal_is_a_closed_port() {
    needs!("root");
    let net = Net::new();
    for port in ["53", "4000"] {
        let words = ["-zu", "--json", "127.0.0.1", port];
        let done = net.tool(Tool::oxnc(&words)).run();
        let record = only(records(done.exits(1)));
        assert_eq!(state(&record), "closed");
        assert_eq!(record["error"], "Connection refused");
        done.took_about(ms(0));
    }
}

/// A service that was there when the first datagram came may be gone at the second one.
#[test]
fn a_refusal_of_a_later_datagram_counts() {
    needs!("root");
    let net = Net::new();
    let (server, tool) = asked(&net, 4000, &["-w", "15"]);
    let run = tool.start();
    server.recv();
    drop(server);
    let done = run.wait();
    assert_eq!(state(&only(records(done.exits(1)))), "closed");
}

#[test]
fn only_an_answer_is_open_and_the_others_are_counted() {
    needs!("root");
    let net = Net::new();
    let mute = net.inside(|| Udp::on((Ipv4Addr::LOCALHOST, 4000)));
    let words = ["-zu", "-w", "0.3", "127.0.0.1", "4000-4002"];
    let done = net.tool(Tool::oxnc(&words)).run();
    done.exits(1).wrote(b"");
    assert_eq!(counted(&done), "3 ports: 1 open|filtered, 2 closed");
    assert_eq!(mute.recv(), b"X");
}

/// For `nc` such a port is open, and its scripts believe that.
#[test]
fn silence_is_open_for_those_who_are_used_to_that() {
    let server = Udp::new();
    let port = server.port().to_string();
    let words = |options| {
        [
            "--compat=nc",
            options,
            "-w",
            "1",
            "127.0.0.1",
            port.as_str(),
        ]
    };
    silent(&Tool::oxnc(&words("-zu")).run(), 0);
    let done = Tool::oxnc(&words("-zuv")).run();
    let line = format!("Connection to 127.0.0.1 {port} port [udp/*] succeeded!\n");
    assert_eq!(done.exits(0).stderr, line);
}
