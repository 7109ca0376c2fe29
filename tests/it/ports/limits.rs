//! How many at the same time, and how long between two: `--parallel` and `-i`.

use std::{collections::BTreeSet, time::Instant};

use super::{Ports, counted, in_table};
use crate::util::{DEADLINE, Net, Running, Server, Signal, Tool, Trace, ms};

/// A network in which packets to these ports are dropped, and counted.
fn silent_ports() -> Net {
    let net = Net::new();
    net.drop_input("tcp dport 10000-10999 tcp flags & (syn | ack) == syn counter drop");
    net
}

/// How many connections are being made at the moment.
fn under_way(net: &Net) -> usize {
    let words = ["-Htan", "state", "syn-sent"];
    let done = net.tool(Tool::program("ss", &words)).run();
    String::from_utf8_lossy(&done.exits(0).stdout)
        .lines()
        .count()
}

/// How many packets the rule has seen.
fn counter(net: &Net) -> u32 {
    let done = net.tool(Tool::program("nft", &["list", "ruleset"])).run();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let words = text
        .split_whitespace()
        .skip_while(|word| *word != "packets");
    words
        .skip(1)
        .find_map(|word| word.parse().ok())
        .expect("a counter")
}

/// Waits until so many are under way.
fn wait_for(net: &Net, run: &Running, count: usize) {
    let until = Instant::now() + DEADLINE;
    while under_way(net) < count {
        let over = run.ends_within(ms(1)) || Instant::now() > until;
        assert!(!over, "never {count} at the same time");
    }
}

/// How many sockets there were at the same time, by the calls that make and close them.
fn most_sockets(lines: &[String]) -> usize {
    let (mut open, mut most) = (BTreeSet::new(), 0);
    for line in lines {
        let descriptor = line.rsplit_once(" = ").map(|(_, result)| result);
        if line.contains(" socket(AF_INET, SOCK_STREAM") {
            open.extend(descriptor.map(String::from));
        } else if let Some((_, rest)) = line.split_once(" close(") {
            open.remove(rest.split(')').next().unwrap_or_default());
        }
        most = open.len().max(most);
    }
    most
}

#[test]
fn not_more_than_asked_for_are_under_way() {
    needs!("root", "nft", "strace");
    let net = silent_ports();
    for most in [1, 7] {
        let before = counter(&net);
        let option = format!("--parallel={most}");
        let words = ["-z", &option, "-w", "0.1", "127.0.0.1", "10000-10020"];
        let (trace, tool) = Trace::of(Tool::oxnc(&words), &["-e", "trace=socket,close"]);
        let done = net.tool(tool).run();
        assert_eq!(counted(done.exits(1)), "21 ports: 21 filtered");
        let lines = trace.lines();
        assert_eq!(most_sockets(&lines), most, "{lines:#?}");
        assert_eq!(counter(&net) - before, 21, "each of them got a packet");
    }
}

#[test]
fn as_many_as_asked_for_are_under_way() {
    needs!("root", "nft", "ss");
    let net = silent_ports();
    for (options, most) in [(&["--parallel=50"][..], 50), (&[], 1000)] {
        let words = [&["-z"], options, &["-w", "60", "127.0.0.1", "10000-10999"]].concat();
        let run = net.tool(Tool::oxnc(&words)).start();
        wait_for(&net, &run, most);
        for _ in 0..5 {
            assert_eq!(under_way(&net), most);
        }
        run.signal(Signal::TERM);
        run.wait().dies_of(Signal::TERM);
    }
}

/// More would be asked for than there are descriptors, and some are left for others.
#[test]
fn the_limit_of_descriptors_bounds_it_as_well() {
    needs!("root", "nft", "ss");
    let ports = Ports {
        net: silent_ports(),
        servers: Vec::new(),
    };
    for options in [&[][..], &["--parallel=65535"]] {
        let words = [&["-z"], options, &["-w", "60", "127.0.0.1", "10000-10999"]].concat();
        let run = ports.oxnc_with_descriptors(100, &words).start();
        wait_for(&ports.net, &run, 50);
        assert!(under_way(&ports.net) < 100);
        run.signal(Signal::TERM);
        run.wait().dies_of(Signal::TERM);
    }
}

#[test]
fn a_soft_limit_of_descriptors_is_raised() {
    needs!("root", "nft", "ss");
    let net = silent_ports();
    let script = "ulimit -Sn 100; exec \"$@\"";
    let words = ["-z", "-w", "60", "127.0.0.1", "10000-10499"];
    let tool = Tool::oxnc(&words).under(&["sh", "-c", script, "sh"]);
    let run = net.tool(tool).start();
    wait_for(&net, &run, 500);
    run.signal(Signal::TERM);
    run.wait().dies_of(Signal::TERM);
}

#[test]
fn one_at_a_time_finds_the_same() {
    needs!("root");
    let ports = Ports::open(&[4000, 4007, 4999]);
    for option in ["--parallel=1", "--parallel=2", "--parallel=3"] {
        let done = ports.oxnc(&["-z", option, "127.0.0.1", "3000-5000"]).run();
        assert_eq!(in_table(done.exits(0)), [4000, 4007, 4999]);
        assert_eq!(counted(&done), "2,001 ports: 3 open, 1,998 closed");
    }
}

#[test]
fn the_next_one_waits_for_the_interval() {
    let servers = [Server::new(), Server::new()];
    let [one, two] = [&servers[0], &servers[1]].map(|server| server.port().to_string());
    let run = Tool::oxnc(&["-z", "-i", "600", "127.0.0.1", &one, &two]).start();
    assert_eq!(servers[0].accept().recv_all(), b"");
    assert!(!servers[1].has_client_within(ms(500)), "it did not wait");
    // What is known is told meanwhile.
    run.stdout()
        .wait_for_text(&format!("127.0.0.1 {one}/tcp open "));
    run.signal(Signal::TERM);
    run.wait().dies_of(Signal::TERM);
}

/// The interval is one between beginnings: who does not answer does not hold up the others.
#[test]
fn an_interval_does_not_wait_for_answers() {
    needs!("root", "nft", "ss");
    let net = silent_ports();
    let words = ["-z", "-i", "0.01", "-w", "60", "127.0.0.1", "10000-10009"];
    let run = net.tool(Tool::oxnc(&words)).start();
    wait_for(&net, &run, 10);
    run.signal(Signal::TERM);
    run.wait().dies_of(Signal::TERM);
}
