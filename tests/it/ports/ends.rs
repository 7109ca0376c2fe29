//! How tests of ports end when something else ends them.

use std::{io::Read as _, time::Instant};

use super::{Ports, in_table, objects, port};
use crate::util::{DEADLINE, Net, Out, Running, Server, Signal, Tool, close_reader, ms, pipe};

#[test]
fn results_that_cannot_be_written_are_an_error() {
    needs!("root");
    let ports = Ports::open(&[4000, 4001]);
    for words in [
        &["-z", "127.0.0.1", "4000-4001"][..],
        &["-z", "--json", "127.0.0.1", "1-65535"],
        &["-z", "--json", "127.0.0.1", "4000"],
        &["-z", "--count", "1000", "127.0.0.1", "4000"],
    ] {
        let done = ports.oxnc(words).stdout(Out::Full).run();
        done.fails(4, &["standard output", "no space left"]);
    }
}

/// It has nothing to write.
#[test]
fn a_full_disk_is_no_matter_where_nothing_is_told() {
    let server = Server::new();
    let tool = Tool::connect(server.port(), &["-z"]).stdout(Out::Full);
    tool.run().succeeds();
    let tool = Tool::connect(server.port(), &["-z"]).stdout(Out::Closed);
    tool.run().succeeds();
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    needs!("root");
    let ports = Ports::open(&[4000]);
    for words in [
        &["-z", "--json", "127.0.0.1", "1-65535"][..],
        &["-z", "127.0.0.1", "4000-4001"],
        &["-z", "--count", "1000", "127.0.0.1", "4000"],
    ] {
        let (rx, tx) = pipe();
        close_reader(rx, &tx);
        let done = ports.oxnc(words).stdout(Out::Fd(tx.into())).run();
        assert_eq!(done.dies_of(Signal::PIPE).stderr, "", "{words:?}");
    }
}

/// As `| head -1` does. It would take a day.
#[test]
fn a_reader_that_leaves_ends_a_run_that_goes_on() {
    let server = Server::new();
    let options = ["-z", "--json", "--count", "1000000", "-i", "0.1"];
    let (mut rx, tx) = pipe();
    let tool = Tool::connect(server.port(), &options).stdout(Out::Fd(tx.into()));
    let run = tool.start();
    assert!(rx.read(&mut [0; 9]).unwrap() > 0);
    drop(rx);
    assert_eq!(run.wait().dies_of(Signal::PIPE).stderr, "");
}

/// Silent ports of a network of its own.
fn silent_net() -> Net {
    let net = Net::new();
    net.drop_input("tcp dport 10000-10999 drop");
    net
}

#[test]
fn a_total_limit_names_what_was_next() {
    needs!("root", "nft");
    let net = silent_net();
    let words = [
        "-z",
        "--max-time=0.5",
        "-w",
        "60",
        "127.0.0.1",
        "4000,10003-10010",
    ];
    let done = net.tool(Tool::oxnc(&words)).run();
    done.fails(124, &["--max-time", "127.0.0.1", "10003"]);
    done.took_about(ms(500));
}

#[test]
fn what_was_found_before_a_limit_is_told() {
    needs!("root", "nft");
    let net = silent_net();
    let _servers = net.inside(|| Server::on(([127, 0, 0, 1], 4000)));
    let words = [
        "-z",
        "--max-time=0.5",
        "-w",
        "60",
        "127.0.0.1",
        "4000,10003",
    ];
    let done = net.tool(Tool::oxnc(&words)).run();
    done.fails(124, &["--max-time", "10003"]);
    assert_eq!(in_table(&done), [4000]);
    let words = [&["--json"], &words[..]].concat();
    let done = net.tool(Tool::oxnc(&words)).run();
    assert_eq!(objects(done.exits(124)).len(), 1);
}

/// The first one has not answered, so nothing was told until then.
#[test]
fn what_was_found_behind_one_that_does_not_answer_is_told_in_the_end() {
    needs!("root", "nft");
    let ports = Ports {
        net: silent_net(),
        servers: Vec::new(),
    };
    let listen = |port| Server::on(([127, 0, 0, 1], port));
    let _servers = ports.net.inside(move || [4000, 4001].map(listen));
    let words = ["-z", "-w", "60", "127.0.0.1", "10000,4000,10001,4001,10002"];
    let limited = [&["--max-time=0.5"], &words[..]].concat();
    let done = ports.oxnc(&limited).run();
    done.fails(124, &["--max-time", "10000"]);
    assert_eq!(in_table(&done), [4000, 4001]);
    let run = ports.oxnc(&words).start();
    asked_until(&run, "2 of 5 ports, 2 open");
    run.signal(Signal::INT);
    assert_eq!(in_table(run.wait().dies_of(Signal::INT)), [4000, 4001]);
}

/// Much of it, and whoever reads it has to have the time to do so.
#[test]
fn what_is_told_in_the_end_is_told_in_full() {
    needs!("root", "nft");
    let net = silent_net();
    let words = ["-z", "--json", "-w", "60", "127.0.0.1", "10000,1-9999"];
    let run = net.tool(Tool::oxnc(&words)).start();
    asked_until(&run, "9,999 of 10,000 ports, 0 open");
    run.signal(Signal::INT);
    let told = objects(run.wait().dies_of(Signal::INT));
    assert!(told.iter().map(port).eq(1..=9999));
}

/// Asks how far it is until the answer is this one.
fn asked_until(run: &Running, far: &str) {
    let until = Instant::now() + DEADLINE;
    // Until it knows the signal, that would be its end.
    let knows = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", run.pid()));
        let status = status.expect("/proc/PID/status");
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.unwrap_or_default().trim(), 16);
        caught.expect("a mask") >> (Signal::USR1.as_raw() - 1) & 1 == 1
    };
    while !knows() {
        assert!(Instant::now() < until, "it never asks for signals");
        run.runs_on_for(ms(1));
    }
    while !String::from_utf8_lossy(&run.stderr.so_far()).contains(far) {
        assert!(Instant::now() < until, "it never was at {far:?}");
        run.signal(Signal::USR1);
        run.runs_on_for(ms(5));
    }
}

#[test]
fn signals_end_it_at_any_time() {
    needs!("root", "nft", "ss");
    let net = silent_net();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let words = ["-z", "-w", "60", "127.0.0.1", "10000-10999"];
        let run = net.tool(Tool::oxnc(&words)).start();
        let pending = || {
            let ss = ["-Htan", "state", "syn-sent"];
            let done = net.tool(Tool::program("ss", &ss)).run();
            !done.stdout.is_empty()
        };
        let until = Instant::now() + DEADLINE;
        while !pending() {
            let over = run.ends_within(ms(1)) || Instant::now() > until;
            assert!(!over, "nothing is under way");
        }
        run.signal(signal);
        let done = run.wait();
        assert_eq!(done.dies_of(signal).wrote(b"").stderr, "");
    }
}

/// The open ones are told when they are found, not at the end.
#[test]
fn a_signal_takes_nothing_back() {
    needs!("root", "nft");
    let net = silent_net();
    let _server = net.inside(|| Server::on(([127, 0, 0, 1], 4000)));
    let words = ["-z", "-w", "60", "127.0.0.1", "4000,10000"];
    let run = net.tool(Tool::oxnc(&words)).start();
    run.stdout().wait_for_text("4000/tcp open");
    run.signal(Signal::INT);
    assert_eq!(in_table(run.wait().dies_of(Signal::INT)), [4000]);
}
