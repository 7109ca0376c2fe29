//! What is tested: words for hosts and ports, names, and the paths of Unix sockets.

use std::{
    ffi::OsStr,
    net::{Ipv4Addr, Ipv6Addr},
    os::unix::{ffi::OsStrExt as _, net::UnixListener},
};

use serde_json::Value;

use super::{Ports, counted, in_table, port, records, state};
use crate::util::{Net, Server, Signal, Spot, Tool, Trace, ms};

#[test]
fn a_word_may_be_a_host_and_its_ports() {
    needs!("root");
    let net = Net::new();
    net.file("hosts", "127.0.0.1 four\n::1 six\n");
    let _servers = net.inside(|| {
        let four = [4000, 4001].map(|port| Server::on((Ipv4Addr::LOCALHOST, port)));
        (four, Server::on((Ipv6Addr::LOCALHOST, 4002)))
    });
    let words = [
        "[::1]:4000-4002",
        "127.0.0.1:4001",
        "four:4000,4002",
        "six:4002",
    ];
    let tool = Tool::oxnc(&["-z", "--json"]).args(&words);
    let done = net.tool(tool).run();
    let told: Vec<(String, Option<String>, u16, String)> = records(done.exits(0))
        .iter()
        .map(|record| {
            let word = |name: &str| record[name].as_str().map(String::from);
            let host = word("host").unwrap_or_default();
            (
                host,
                word("address"),
                port(record),
                state(record).to_owned(),
            )
        })
        .collect();
    let expected = [
        ("::1", "::1", 4000, "closed"),
        ("::1", "::1", 4001, "closed"),
        ("::1", "::1", 4002, "open"),
        ("127.0.0.1", "127.0.0.1", 4001, "open"),
        ("four", "127.0.0.1", 4000, "open"),
        ("four", "127.0.0.1", 4002, "closed"),
        ("six", "::1", 4002, "open"),
    ];
    let expected = expected.map(|(host, address, port, state)| {
        (
            host.to_owned(),
            Some(address.to_owned()),
            port,
            state.to_owned(),
        )
    });
    assert_eq!(told, expected);
    // And the words of those that are open, in a table.
    let done = net.tool(Tool::oxnc(&["-z"]).args(&words)).run();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let told: Vec<String> = text
        .lines()
        .map(|line| line.split(' ').take(3).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        told,
        [
            "::1 4002/tcp open",
            "127.0.0.1 4001/tcp open",
            "four 4000/tcp open",
            "six 4002/tcp open"
        ]
    );
    assert_eq!(counted(&done), "7 ports: 4 open, 3 closed");
}

#[test]
fn a_host_that_nobody_knows_does_not_keep_the_others_from_being_tested() {
    needs!("root");
    let ports = Ports::open(&[4000]);
    let words = ["no-such-host.invalid:80-82", "127.0.0.1:4000-4001"];
    let done = ports.oxnc(&["-z"]).args(&words).run();
    assert_eq!(in_table(done.exits(0)), [4000]);
    assert_eq!(counted(&done), "5 ports: 1 open, 1 closed, 3 error");
    let said: Vec<&str> = done.stderr.lines().collect();
    assert_eq!(said.len(), 2, "{}", done.stderr);
    assert!(said[0].contains("no-such-host.invalid"), "{}", said[0]);

    let done = ports.oxnc(&["-z", "--all"]).args(&words).run();
    done.exits(1);

    let done = ports.oxnc(&["-z", "--json"]).args(&words).run();
    let records = records(done.exits(0));
    let states: Vec<&str> = records.iter().map(state).collect();
    assert_eq!(states, ["error", "error", "error", "open", "closed"]);
    assert_eq!(records[0]["address"], Value::Null);
    let reason = records[0]["error"].as_str().unwrap_or_default();
    assert!(reason.contains("cannot be looked up"), "{reason}");
}

#[test]
fn a_name_is_looked_up_once_for_all_of_its_words() {
    needs!("root", "strace");
    let net = Net::new();
    net.file("hosts", "127.0.0.1 some-host\n");
    let words = ["some-host:1-1000", "127.0.0.1:1", "some-host:2000-2010"];
    let tool = Tool::oxnc(&["-z"]).args(&words);
    let (trace, tool) = Trace::of(tool, &["-e", "trace=openat"]);
    let done = net.tool(tool).run();
    assert_eq!(counted(done.exits(1)), "1,012 ports: 1,012 closed");
    let lines = trace.lines();
    let lookups = lines.iter().filter(|line| line.contains("\"/etc/hosts\""));
    assert_eq!(lookups.count(), 1, "{lines:#?}");
}

#[test]
fn there_may_be_more_words_than_there_are_ports() {
    needs!("root");
    let ports = Ports::open(&[4000]);
    let numbers: Vec<String> = (0..70_000).map(|n| (n % 65_535 + 1).to_string()).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let done = ports.oxnc(&["-z", "127.0.0.1"]).args(&numbers).run();
    assert_eq!(in_table(done.exits(0)), [4000, 4000]);
    assert_eq!(counted(&done), "70,000 ports: 2 open, 69,998 closed");
}

#[test]
fn there_may_be_as_many_words_for_hosts_and_ports() {
    needs!("root");
    let ports = Ports::open(&[4000]);
    let mut words = vec!["127.0.0.1:4001"; 69_999];
    words.push("127.0.0.1:4000");
    let done = ports.oxnc(&["-z"]).args(&words).run();
    assert_eq!(in_table(done.exits(0)), [4000]);
    assert_eq!(counted(&done), "70,000 ports: 1 open, 69,999 closed");
}

#[test]
fn what_is_wrong_with_one_of_many_words_is_named() {
    for (words, name) in [
        (&["127.0.0.1", "80", "81,0"][..], "'0' of '81,0'"),
        (&["127.0.0.1", "80", "25-20"], "'25-20'"),
        (&["127.0.0.1", "80,"], "''"),
        (&["127.0.0.1:80", "127.0.0.1:65536"], "65536"),
        (&["127.0.0.1:80", "127.0.0.1"], "'127.0.0.1'"),
        (&["127.0.0.1:80", "::1"], "'::1'"),
        (&["127.0.0.1:80", "81"], "'81'"),
        (&["127.0.0.1", "127.0.0.1:80"], "127.0.0.1:80"),
        (&["127.0.0.1:80,99999"], "99999"),
        (&["127.0.0.1"], "port"),
        (&[], "PORTS"),
    ] {
        let done = Tool::oxnc(&["-z"]).args(words).run();
        done.fails(2, &[name]).wrote(b"");
    }
}

#[test]
fn several_unix_sockets_are_tested_in_their_order() {
    let (one, two) = (Spot::new_socket(), Spot::new_socket());
    let path = |spot: &Spot| spot.path().to_str().unwrap().to_owned();
    let (open, missing) = (path(&one), path(&two));
    let server = Server::at(one);
    let words = [missing.as_str(), &open, "/nowhere/socket", &open];

    let done = Tool::oxnc(&["-zU"]).args(&words).run();
    let text = String::from_utf8_lossy(&done.exits(0).stdout).into_owned();
    let told: Vec<&str> = text.lines().collect();
    assert_eq!(told.len(), 2, "{text}");
    for line in told {
        assert!(line.starts_with(&format!("{open} unix open - ")), "{line}");
    }
    assert!(
        counted(&done).contains(": 2 open, 2 closed"),
        "{}",
        done.stderr
    );

    let done = Tool::oxnc(&["-zU", "--json"]).args(&words).run();
    let records = records(done.exits(0));
    let states: Vec<&str> = records.iter().map(state).collect();
    assert_eq!(states, ["closed", "open", "closed", "open"]);
    let hosts: Vec<&str> = records
        .iter()
        .filter_map(|one| one["host"].as_str())
        .collect();
    assert_eq!(hosts, words);
    for _ in 0..4 {
        assert_eq!(server.accept().recv_all(), b"");
    }
    Tool::oxnc(&["-zU", "--all"]).args(&words).run().exits(1);
}

/// A path may be anything that a file system takes.
#[test]
fn the_path_of_a_socket_moves_no_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let names = [
        &b"a \x1b[2J\n\xff"[..],
        "b\u{9b}\u{202e}\u{e0001}\x1b\x7f".as_bytes(),
    ];
    let paths = names.map(|name| dir.path().join(OsStr::from_bytes(name)));
    let _listeners = paths
        .each_ref()
        .map(|path| UnixListener::bind(path).unwrap());
    let tool = |options: &[&str]| Tool::oxnc(options).arg(&paths[0]).arg(&paths[1]);
    let harmful = |c: char| c.is_control() || "\u{202e}\u{e0001}".contains(c);

    let done = tool(&["-zU", "--json"]).run();
    let records = records(done.exits(0));
    // What is text is given as it was asked for, in a way that shows nothing of it.
    assert_eq!(records[1]["host"], paths[1].to_str().unwrap());
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(!text.lines().any(|line| line.contains(harmful)), "{text:?}");

    let done = tool(&["-zU"]).run();
    let text = String::from_utf8_lossy(&done.exits(0).stdout).into_owned();
    assert_eq!(text.lines().count(), 2, "{text:?}");
    for line in text.lines() {
        assert_eq!(line.split(' ').count(), 5, "{line}");
        assert!(!line.contains(harmful), "{line:?}");
    }
    assert!(text.contains(r"a\x20\x1b[2J\x0a\xff unix open"), "{text}");
}

/// A namespace in which `both` is an address that drops what it gets, and one on which a server is.
fn half_dead() -> (Net, Server) {
    let net = Net::new();
    net.file("hosts", "2001:db8::9 both\n127.0.0.1 both\n");
    net.sh("ip addr add 2001:db8::9/128 dev lo nodad");
    net.drop_input("ip6 daddr 2001:db8::9 drop");
    let server = net.inside(|| Server::on((Ipv4Addr::LOCALHOST, 4000)));
    (net, server)
}

#[test]
fn each_address_has_its_turn_however_short_the_time_is() {
    needs!("root", "nft");
    let (net, _server) = half_dead();
    for time in ["0.1", "0.2", "1"] {
        let words = ["-z", "--json", "-w", time, "both", "4000"];
        let done = net.tool(Tool::oxnc(&words)).run();
        let records = records(done.exits(0));
        assert_eq!(records[0]["address"], "127.0.0.1", "{time}");
    }
}

/// Whose time is over because this process was stopped has not been asked.
#[test]
fn an_address_that_had_no_turn_has_it_late() {
    needs!("root", "nft");
    let (net, _server) = half_dead();
    // Before the second address has its turn.
    let run = net
        .tool(Tool::oxnc(&["-z", "-w", "0.5", "both", "4000"]))
        .start();
    run.runs_on_for(ms(50));
    run.signal(Signal::STOP);
    run.runs_on_for(ms(700));
    run.signal(Signal::CONT);
    run.wait().exits(0);
}
