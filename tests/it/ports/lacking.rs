//! What this machine runs out of says nothing about a port: it is waited for, and told if it does not
//! come.

use std::net::Ipv4Addr;

use socket2::{Domain, Socket, Type};

use super::{Ports, counted, in_table, records, state};
use crate::util::{Done, Net, Running, Tool, Trace, ms};

/// It, while calls fail as strace is told to let them.
fn injected(ports: &Ports, what: &str, words: &[&str]) -> Done {
    let inject = format!("inject={what}");
    let strace = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e"];
    let wrapper = [&strace[..], &[&inject, "--"]].concat();
    ports.net.tool(Tool::oxnc(words).under(&wrapper)).run()
}

/// Calls fail again and again, and every test comes to the same as if none did.
#[test]
fn what_has_run_out_for_a_moment_changes_nothing() {
    needs!("root", "strace");
    let ports = Ports::open(&[4001, 4010, 4100, 4199]);
    for inject in [
        "socket:error=EMFILE:when=3+2",
        "socket:error=ENFILE:when=3+2",
        "socket:error=ENOBUFS:when=3+2",
        "socket:error=ENOMEM:when=3+2",
        "connect:error=EADDRNOTAVAIL:when=3+7",
        "connect:error=EAGAIN:when=3+7",
        "connect:error=ENOBUFS:when=3+7",
    ] {
        let words = ["-z", "127.0.0.1", "4000-4199"];
        let done = injected(&ports, inject, &words);
        assert_eq!(
            in_table(done.exits(0)),
            [4001, 4010, 4100, 4199],
            "{inject}"
        );
        assert_eq!(counted(&done), "200 ports: 4 open, 196 closed", "{inject}");
    }
}

/// Nor is the silence after a datagram that was not sent one of the port.
#[test]
fn a_datagram_that_could_not_be_sent_is_sent_later() {
    needs!("root", "strace");
    let ports = Ports::open(&[]);
    for inject in [
        "socket:error=EMFILE:when=1..3",
        "sendmsg:error=ENOBUFS:when=1..3",
        "sendmsg:error=EAGAIN:when=1..3",
    ] {
        let words = ["-zu", "--json", "-w", "2", "127.0.0.1", "4000"];
        let done = injected(&ports, inject, &words);
        let records = records(done.exits(1));
        assert_eq!(state(&records[0]), "closed", "{inject}");
    }
}

/// And it is told as what it is, if it lasts.
#[test]
fn what_has_run_out_for_good_is_an_error_and_not_a_state_of_the_port() {
    needs!("root", "strace");
    let ports = Ports::open(&[4000]);
    for (inject, reason) in [
        ("socket:error=EMFILE", "Too many open files"),
        (
            "connect:error=EADDRNOTAVAIL",
            "Cannot assign requested address",
        ),
        ("connect:error=ENOBUFS", "No buffer space available"),
    ] {
        let words = ["-z", "--json", "127.0.0.1", "4000"];
        let done = injected(&ports, inject, &words);
        let records = records(done.exits(1));
        assert_eq!(records.len(), 1);
        assert_eq!(state(&records[0]), "error", "{inject}");
        assert_eq!(records[0]["error"], reason, "{inject}");
    }
}

/// It is not waited for each of them.
#[test]
fn without_descriptors_no_port_is_closed() {
    needs!("root", "strace");
    let ports = Ports::open(&[4001]);
    let words = ["-z", "127.0.0.1", "4000-4999"];
    let done = injected(&ports, "socket:error=EMFILE", &words);
    let count = counted(done.exits(1).wrote(b""));
    assert_eq!(count, "1,000 ports: 1,000 error");
    assert!(
        done.stderr.contains("Too many open files"),
        "{}",
        done.stderr
    );
    assert_eq!(done.stderr.lines().count(), 2, "{}", done.stderr);
}

/// Holds all of the ports that the kernel may give to connections.
fn hold(net: &Net, kind: Type) -> Vec<Socket> {
    net.sh("sysctl -qw net.ipv4.ip_local_port_range='40000 40003'");
    net.inside(move || {
        let hold = |port| {
            let socket = Socket::new(Domain::IPV4, kind, None).unwrap();
            let address = std::net::SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
            socket.bind(&address.into()).unwrap();
            socket
        };
        (40_000..=40_003).map(hold).collect()
    })
}

/// It, testing two ports of which the first one is open, when it has seen that there is no port for
/// its own end.
fn short_of_ports(ports: &Ports, options: &[&str], call: &str) -> Running {
    let words = [&["-z", "--json"], options, &["127.0.0.1", "4000-4001"]].concat();
    let (trace, tool) = Trace::of(Tool::oxnc(&words), &["-e", "trace=%network"]);
    let run = ports.net.tool(tool).start();
    trace.wait_for(call);
    run
}

#[test]
fn a_port_for_our_own_end_is_waited_for() {
    needs!("root", "strace");
    let ports = Ports::open(&[4000]);
    let held = hold(&ports.net, Type::STREAM);
    let run = short_of_ports(&ports, &[], "EADDRNOTAVAIL");
    drop(held);
    let done = run.wait();
    let records = records(done.exits(0));
    let states: Vec<&str> = records.iter().map(state).collect();
    assert_eq!(states, ["open", "closed"]);
}

#[test]
fn a_port_for_our_own_end_is_waited_for_with_datagrams_too() {
    needs!("root", "strace");
    let ports = Ports::open(&[]);
    let held = hold(&ports.net, Type::DGRAM);
    let run = short_of_ports(&ports, &["-u"], "EAGAIN");
    drop(held);
    let done = run.wait();
    let records = records(done.exits(1));
    let states: Vec<&str> = records.iter().map(state).collect();
    assert_eq!(states, ["closed", "closed"]);
}

#[test]
fn without_a_port_for_our_own_end_nothing_is_known() {
    needs!("root");
    let ports = Ports::open(&[4000]);
    let _held = hold(&ports.net, Type::STREAM);
    let words = ["-z", "--json", "127.0.0.1", "4000"];
    let done = ports.oxnc(&words).run();
    let records = records(done.exits(1));
    assert_eq!(state(&records[0]), "error");
    assert_eq!(records[0]["error"], "Cannot assign requested address");
    assert!(
        done.took >= ms(1000),
        "it was not waited for: {:?}",
        done.took
    );
}

/// A loop that has nothing under way waits for the other one, which has.
#[test]
fn two_loops_share_what_is_scarce() {
    needs!("root", "nft");
    let net = Net::new();
    net.sh("sysctl -qw net.ipv4.ip_local_port_range='40000 40019'");
    net.drop_input("tcp dport 20001 drop");
    let ports = ["20001"; 1100].join(",");
    let words = ["-z", "--json", "-w", "2.5", "--max-time", "6"];
    let done = net
        .tool(Tool::oxnc(&words))
        .args(&["127.0.0.1", &ports])
        .run();
    let told = records(done.exits(124));
    assert!(told.len() >= 20, "{}", told.len());
    assert!(told.iter().all(|record| state(record) == "filtered"));
}
