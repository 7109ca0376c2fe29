//! Whatever can become of a test is told apart: open, refused, silent, prohibited, unreachable.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, Ipv6Addr, UdpSocket},
    time::Duration,
};

use serde_json::Value;

use super::{counted, port, records, state};
use crate::util::{DEADLINE, Net, SLACK, Server, Tool, spawn};

/// What stands between us and the other side. A rule of the filter for each port from 4001 on; on
/// 4000 somebody is there, and on 4001 nobody.
const RULES: &str = "th dport 4002 drop\n\
     th dport 4003 reject with icmpx admin-prohibited\n\
     th dport 4004 reject with icmpx port-unreachable\n\
     th dport 4005 reject with icmpx host-unreachable\n\
     th dport 4006 reject with icmpx no-route\n\
     tcp dport 4007 reject with tcp reset";

/// A machine that is to be tested, 192.0.2.2 and 2001:db8::2, beside our own. It is a router that
/// knows no way to anybody else.
struct Field {
    ours: Net,
    theirs: Net,
}

impl Field {
    fn new() -> Self {
        let (ours, theirs) = Net::pair();
        for (net, device, n) in [(&ours, "v1", 1), (&theirs, "v2", 2)] {
            net.sh(&format!("ip addr add 2001:db8::{n}/64 dev {device} nodad"));
        }
        ours.routed("2001:db8::2");
        theirs.routed("2001:db8::1");
        // Every ICMP message is sent, not just one a second. Without any time between two, IPv4 would
        // send none about routes (`inet_peer_xrlim_allow` and `ip_error`, Linux 6.18).
        theirs.sh("sysctl -qw net.ipv4.icmp_ratemask=0
             sysctl -qw net.ipv6.icmp.ratelimit=0
             sysctl -qw net.ipv4.ip_forward=1
             sysctl -qw net.ipv6.conf.all.forwarding=1
             ip route add unreachable 198.51.100.1
             ip route add prohibit 198.51.100.2
             ip route add unreachable 2001:db8:1::1
             ip route add prohibit 2001:db8:1::2");
        ours.sh("ip route add 198.51.100.0/24 via 192.0.2.2
             ip route add 2001:db8:1::/64 via 2001:db8::2
             ip route add unreachable 203.0.113.1
             ip route add prohibit 203.0.113.2
             ip route add blackhole 203.0.113.3");
        theirs.drop_input(RULES);
        Self { ours, theirs }
    }

    /// The state and the reason of each port that `words` ask for.
    #[track_caller]
    fn tested(&self, words: &[&str]) -> BTreeMap<String, (String, Option<String>)> {
        let tool = Tool::oxnc(&["-z", "--json", "-w", "0.5"]).args(words);
        let done = self.ours.tool(tool).run();
        let told = records(&done).into_iter().map(|record| {
            let host = record["host"].as_str().unwrap_or_default();
            let port = format!("{host} {}", record["port"]);
            let reason = record["error"].as_str().map(String::from);
            (port, (state(&record).to_owned(), reason))
        });
        told.collect()
    }
}

/// What is expected of a port: its name, its state and its reason, if there is one.
type Row = (&'static str, &'static str, Option<&'static str>);

/// As it is for TCP.
const EXPECTED: &[Row] = &[
    ("192.0.2.2 4000", "open", None),
    ("192.0.2.2 4001", "closed", Some("Connection refused")),
    ("192.0.2.2 4002", "filtered", Some("no answer")),
    ("192.0.2.2 4003", "filtered", Some("prohibited (ICMP)")),
    ("192.0.2.2 4004", "closed", Some("Connection refused")),
    ("192.0.2.2 4005", "unreachable", Some("No route to host")),
    (
        "192.0.2.2 4006",
        "unreachable",
        Some("Network is unreachable"),
    ),
    ("192.0.2.2 4007", "closed", Some("Connection refused")),
    ("2001:db8::2 4000", "open", None),
    ("2001:db8::2 4001", "closed", Some("Connection refused")),
    ("2001:db8::2 4002", "filtered", Some("no answer")),
    ("2001:db8::2 4003", "filtered", Some("prohibited (ICMP)")),
    ("2001:db8::2 4004", "closed", Some("Connection refused")),
    ("2001:db8::2 4005", "unreachable", Some("No route to host")),
    (
        "2001:db8::2 4006",
        "unreachable",
        Some("Network is unreachable"),
    ),
    ("2001:db8::2 4007", "closed", Some("Connection refused")),
];

#[track_caller]
fn agree(told: &BTreeMap<String, (String, Option<String>)>, expected: &[Row]) {
    let row = |(port, state, reason): &Row| {
        let reason = reason.map(String::from);
        ((*port).to_owned(), ((*state).to_owned(), reason))
    };
    let expected: BTreeMap<_, _> = expected.iter().map(row).collect();
    assert_eq!(told, &expected);
}

const TARGETS: &[&str] = &["192.0.2.2:4000-4007", "[2001:db8::2]:4000-4007"];

#[test]
fn every_state_of_tcp_is_told_apart() {
    needs!("root", "nft");
    let field = Field::new();
    let _server = field
        .theirs
        .inside(|| Server::on((Ipv6Addr::UNSPECIFIED, 4000)));
    for _ in 0..10 {
        agree(&field.tested(TARGETS), EXPECTED);
    }
}

/// Answers every datagram on port 4000, until none comes any more.
fn echo(net: &Net) {
    let socket = net.inside(|| UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 4000)).unwrap());
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let _ = spawn(move || {
        let mut buffer = [0; 100];
        while let Ok((n, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(buffer.get(..n).unwrap_or_default(), from);
        }
    });
}

#[test]
fn every_state_of_udp_is_told_apart() {
    needs!("root", "nft");
    let field = Field::new();
    echo(&field.theirs);
    let words = [&["-u"], TARGETS].concat();
    let mut expected = EXPECTED.to_vec();
    // Silence may be that of a service which has nothing to say.
    for (_, state, reason) in &mut expected {
        if *reason == Some("no answer") {
            *state = "open|filtered";
        }
    }
    for _ in 0..10 {
        agree(&field.tested(&words), &expected);
    }
}

/// A router that knows no way, or lets nobody through, says so. It says it five times at most, and
/// then once a second (`ip_error`, Linux 6.18).
#[test]
fn what_a_router_says_counts() {
    needs!("root");
    let field = Field::new();
    let targets = [
        "198.51.100.1:4000",
        "198.51.100.2:4000",
        "[2001:db8:1::1]:4000",
        "[2001:db8:1::2]:4000",
    ];
    let expected = [
        ("198.51.100.1 4000", "unreachable", Some("No route to host")),
        ("198.51.100.2 4000", "filtered", Some("prohibited (ICMP)")),
        (
            "2001:db8:1::1 4000",
            "unreachable",
            Some("Network is unreachable"),
        ),
        ("2001:db8:1::2 4000", "filtered", Some("prohibited (ICMP)")),
    ];
    for options in [&[][..], &["-u"]] {
        agree(&field.tested(&[options, &targets].concat()), &expected);
    }
}

/// Our own machine may have no way, or take none.
#[test]
fn a_route_of_ours_says_nothing_about_the_port() {
    needs!("root");
    let field = Field::new();
    let targets = ["203.0.113.1:4000", "203.0.113.2:4000", "203.0.113.3:4000"];
    for options in [&[][..], &["-u"]] {
        let told = field.tested(&[options, &targets].concat());
        let states: Vec<&str> = told.values().map(|(state, _)| state.as_str()).collect();
        assert_eq!(states, ["unreachable", "error", "error"], "{told:#?}");
    }
}

/// Nobody answers for the address on the cable, and the kernel gives up.
#[test]
fn a_host_that_is_not_on_the_network_is_unreachable() {
    needs!("root");
    let (ours, _theirs) = Net::pair();
    let words = ["-z", "--json", "-w", "15", "192.0.2.77", "4000-4002"];
    let done = ours.tool(Tool::oxnc(&words)).run();
    for record in records(done.exits(1)) {
        assert_eq!(state(&record), "unreachable", "{record}");
    }
}

/// A port that is silent at one address and refuses at another may be open, for all that is known.
#[test]
fn the_most_doubtful_address_decides_about_what_is_not_open() {
    needs!("root", "nft");
    let net = Net::new();
    net.file("hosts", "127.0.0.1 both\n::1 both\n");
    net.drop_input(
        "ip daddr 127.0.0.1 tcp dport 4000 drop\n\
         ip6 daddr ::1 tcp dport 4001 drop\n\
         tcp dport 4002 reject with icmpx admin-prohibited",
    );
    let _server = net.inside(|| Server::on((Ipv6Addr::LOCALHOST, 4000)));
    let words = ["-z", "--json", "-w", "1", "both", "4000-4003"];
    let done = net.tool(Tool::oxnc(&words)).run();
    let told: Vec<(u16, String, Value)> = records(done.exits(0))
        .into_iter()
        .map(|record| {
            (
                port(&record),
                state(&record).to_owned(),
                record["address"].clone(),
            )
        })
        .collect();
    let told: Vec<(u16, &str, Option<&str>)> = told
        .iter()
        .map(|(port, state, address)| (*port, state.as_str(), address.as_str()))
        .collect();
    assert_eq!(told[0], (4000, "open", Some("::1")));
    assert_eq!(told[1], (4001, "filtered", Some("::1")));
    assert_eq!((told[2].0, told[2].1), (4002, "filtered"));
    assert_eq!((told[3].0, told[3].1), (4003, "closed"));
}

/// One after another they would take more than an hour.
#[test]
fn thousands_of_silent_ports_are_waited_for_at_the_same_time() {
    needs!("root", "nft");
    let net = Net::new();
    net.drop_input("");
    net.sh(
        "nft add set inet t seen '{ type inet_service; size 65535; flags dynamic; }'
         nft add rule inet t input tcp dport 10000-14999 add @seen '{ tcp dport }' drop",
    );
    let words = ["-z", "--json", "-w", "1s", "127.0.0.1", "10000-14999"];
    let done = net.tool(Tool::oxnc(&words)).run();
    let told: Vec<u16> = records(done.exits(1))
        .iter()
        .map(|record| {
            assert_eq!(state(record), "filtered", "{record}");
            port(record)
        })
        .collect();
    let all: Vec<u16> = (10_000..15_000).collect();
    assert!(told == all, "{} lines", told.len());
    assert!(
        done.took <= Duration::from_secs(3) + SLACK,
        "{:?}",
        done.took
    );
    let listed = net.tool(Tool::program("nft", &["list", "set", "inet", "t", "seen"]));
    let text = String::from_utf8_lossy(&listed.run().exits(0).stdout).into_owned();
    let (_, elements) = text.split_once("elements = {").expect("elements");
    let seen: BTreeSet<u16> = elements
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .collect();
    assert_eq!(seen.len(), 5000, "each port got a packet");
    let words = ["-z", "-w", "1s", "127.0.0.1", "10000-14999"];
    let done = net.tool(Tool::oxnc(&words)).run();
    assert_eq!(
        counted(done.exits(1).wrote(b"")),
        "5,000 ports: 5,000 filtered"
    );
}

/// Nobody has said so.
#[test]
fn silence_that_the_kernel_has_enough_of_is_not_prohibited() {
    needs!("root", "nft");
    let net = Net::new();
    net.sh("sysctl -qw net.ipv4.tcp_syn_retries=1");
    net.drop_input("tcp dport 4000 drop");
    let words = ["-z", "--json", "-w", "30", "127.0.0.1", "4000"];
    let done = net.tool(Tool::oxnc(&words)).run();
    let records = records(done.exits(1));
    assert_eq!(state(&records[0]), "filtered");
    assert_eq!(records[0]["error"], "no answer");
}

#[test]
fn multipath_tcp_finds_the_same() {
    needs!("root", "nft");
    let net = Net::new();
    let _server = net.inside(|| Server::on((Ipv4Addr::LOCALHOST, 4000)));
    net.drop_input("tcp dport 4002 drop");
    let words = [
        "-z",
        "--mptcp",
        "--json",
        "-w",
        "0.5",
        "127.0.0.1",
        "4000-4002",
    ];
    let done = net.tool(Tool::oxnc(&words)).run();
    let records = records(done.exits(0));
    let states: Vec<&str> = records.iter().map(state).collect();
    assert_eq!(states, ["open", "closed", "filtered"]);
}
