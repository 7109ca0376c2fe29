//! `--json`: for programs, one object on a line for each port, and nothing else.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use super::{Ports, records, state};
use crate::util::{Net, Peer, Server, Tool, proxies::Kind, spawn};

/// The keys, in the order in which the line has them.
const KEYS: &str =
    "\"host\",\"address\",\"port\",\"protocol\",\"service\",\"state\",\"rtt\",\"error\"";

#[test]
fn an_object_has_all_of_its_keys_in_their_order() {
    needs!("root");
    let ports = Ports::open(&[22]);
    let words = ["-z", "--json", "127.0.0.1", "22-23"];
    let done = ports.oxnc(&words).run();
    assert_eq!(done.exits(0).stderr, "");
    let told = records(&done);
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    for line in text.lines() {
        let mut rest = line;
        for key in KEYS.split(',') {
            let (_, after) = rest
                .split_once(key)
                .unwrap_or_else(|| panic!("{key} in {line}"));
            rest = after;
        }
    }
    let open = &told[0];
    assert_eq!(open["host"], "127.0.0.1");
    assert_eq!(open["address"], "127.0.0.1");
    assert_eq!(open["port"], 22);
    assert_eq!(open["protocol"], "tcp");
    assert_eq!(open["service"], "ssh");
    assert_eq!(open["state"], "open");
    assert!(open["rtt"].as_f64().is_some_and(|rtt| rtt < 20.0), "{open}");
    assert_eq!(open["error"], Value::Null);
    let closed = &told[1];
    assert_eq!(closed["service"], "telnet");
    assert_eq!(closed["state"], "closed");
    assert_eq!(closed["error"], "Connection refused");
}

#[test]
fn one_port_has_its_line_as_well() {
    needs!("root");
    let ports = Ports::open(&[4000]);
    for (port, status, expected) in [("4000", 0, "open"), ("4001", 1, "closed")] {
        let done = ports.oxnc(&["-z", "--json", "127.0.0.1", port]).run();
        assert_eq!(done.exits(status).stderr, "");
        let records = records(&done);
        assert_eq!(records.iter().map(state).collect::<Vec<_>>(), [expected]);
    }
}

/// `-v` is for people, and so is `nc`.
#[test]
fn neither_verbose_nor_nc_change_it() {
    needs!("root");
    let ports = Ports::open(&[4000]);
    let words = ["-nz", "--json", "127.0.0.1", "4000-4001"];
    let told = |options: &[&str]| {
        let done = ports.oxnc(&[options, &words].concat()).run();
        let mut records = records(done.exits(0));
        for record in &mut records {
            record["rtt"] = Value::Null;
        }
        records
    };
    let plain = told(&[]);
    assert_eq!(plain.len(), 2);
    assert_eq!(plain, told(&["-v"]));
    assert_eq!(plain, told(&["-vvv"]));
    assert_eq!(plain, told(&["--compat=nc"]));
    assert_eq!(plain, told(&["-i", "0.01"]));
}

#[test]
fn both_families_and_zones_keep_to_the_schema() {
    needs!("root");
    let (ours, theirs) = Net::pair();
    let _server = theirs.inside(|| Server::on((Ipv6Addr::UNSPECIFIED, 4000)));
    let words = ["[fe80::2%v1]:4000", "192.0.2.2:4000", "[fe80::2%v1]:4001"];
    let tool = Tool::oxnc(&["-z", "--json"]).args(&words);
    let done = ours.tool(tool).run();
    let records = records(done.exits(0));
    let states: Vec<&str> = records.iter().map(state).collect();
    assert_eq!(states, ["open", "open", "closed"]);
    assert_eq!(records[0]["host"], "fe80::2%v1");
    let address = records[0]["address"].as_str().unwrap_or_default();
    assert!(address.starts_with("fe80::2%"), "{address}");
}

/// There is no address that we would know.
#[test]
fn behind_a_proxy_it_keeps_to_the_schema() {
    let proxy = Server::new();
    let tool = Kind::Socks5.tool(proxy.port(), &["-z", "--json", "-w5"]);
    let task = spawn(move || {
        let mut peer: Peer = proxy.accept();
        Kind::Socks5.grant(&mut peer);
        peer.recv_all();
        let mut peer = proxy.accept();
        peer.recv(3);
        peer.send(b"\x05\0");
        peer.recv(22);
        peer.send(b"\x05\x05\0\x01\0\0\0\0\0\0");
    });
    let done = tool.args(&["444"]).run();
    task.join();
    let records = records(done.exits(0));
    let told: Vec<(&str, &Value)> = records
        .iter()
        .map(|one| (state(one), &one["address"]))
        .collect();
    assert_eq!(told, [("open", &Value::Null), ("closed", &Value::Null)]);
    let reason = records[1]["error"].as_str().unwrap_or_default();
    assert!(reason.contains("proxy"), "{reason}");
}

/// Nothing more can be tested, but that one was.
#[test]
fn the_port_at_which_a_proxy_has_failed_is_a_line() {
    let proxy = Server::closed();
    let tool = Kind::Socks5.tool(proxy.port(), &["-z", "--json", "-w5"]);
    let done = tool.args(&["444"]).run();
    let records = records(done.fails(1, &["proxy"]));
    let told: Vec<(u16, &str)> = records
        .iter()
        .map(|one| (super::port(one), state(one)))
        .collect();
    assert_eq!(told, [(443, "error")]);
}

#[test]
fn a_single_host_that_nobody_knows_is_a_line() {
    let words = ["-z", "--json", "-w5", "no-such-host.invalid", "80-81"];
    let done = Tool::oxnc(&words).run();
    let records = records(done.exits(1));
    let states: Vec<&str> = records.iter().map(state).collect();
    assert_eq!(states, ["error", "error"]);
}

/// What has no blank and no control character is a host, until a name service says otherwise.
#[test]
fn a_strange_host_moves_no_terminal() {
    for host in ["b\u{202e}ad.invalid", "caf\u{e9}.invalid", "a\\\"b.invalid"] {
        let done = Tool::oxnc(&["-z", "--json", "-w5", host, "80"]).run();
        let records = records(done.exits(1));
        assert_eq!(records[0]["host"], host);
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(!text.contains('\u{202e}'), "{text:?}");
    }
    for host in ["a\u{1b}[2Jb.invalid", "a\u{9b}2Jb.invalid"] {
        let done = Tool::oxnc(&["-z", "--json", "-w5", host, "80"]).run();
        done.fails(2, &["control"]).wrote(b"");
        assert!(!done.stderr.trim_end().contains(char::is_control));
    }
}

#[test]
fn every_protocol_keeps_to_the_schema() {
    needs!("root");
    let net = Net::new();
    let _servers = net.inside(|| Server::on((Ipv4Addr::LOCALHOST, 4000)));
    let count = |words: &[&str]| {
        let done = net.tool(Tool::oxnc(&["--json"]).args(words)).run();
        records(&done).len()
    };
    assert_eq!(count(&["-z", "localhost", "3990-4010"]), 21);
    assert_eq!(count(&["-zu", "-w", "0.1", "localhost", "3990-4010"]), 21);
    assert_eq!(count(&["-zU", "/nowhere", "@nothing", "/etc/passwd"]), 3);
    assert_eq!(count(&["-zuU", "/nowhere", "@nothing", "/etc/passwd"]), 3);
    assert_eq!(count(&["-z", "--banner=0.1", "127.0.0.1", "3999-4001"]), 3);
    assert_eq!(count(&["-zr", "--all", "127.0.0.1", "3999-4001"]), 3);
    assert_eq!(
        count(&["-z", "--count=3", "-i", "0", "127.0.0.1", "4000"]),
        3
    );
    assert_eq!(
        count(&[
            "-zu",
            "--count=2",
            "-i",
            "0",
            "-w",
            "0.1",
            "127.0.0.1",
            "4000"
        ]),
        2
    );
    assert_eq!(count(&["-zU", "--count=2", "-i", "0", "/nowhere"]), 2);
    assert_eq!(
        count(&["-z", "-s", "192.0.2.77", "127.0.0.1", "4000-4002"]),
        3
    );
    assert_eq!(count(&["-z", "-s", "::1", "127.0.0.1", "4000-4002"]), 3);
}
