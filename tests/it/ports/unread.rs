//! Results that nobody reads, or not at once.

use std::{
    io::PipeReader,
    os::fd::{AsRawFd as _, OwnedFd},
    time::Instant,
};

use super::{Ports, objects};
use crate::util::{
    Collector, DEADLINE, Net, Out, Running, Server, Signal, Tool, ms, pipe, pipe_of_size,
};

/// Started with a stdout that is full by now.
fn unread(tool: Tool) -> (Running, PipeReader) {
    let (rx, tx) = pipe_of_size(4096);
    let run = tool.stdout(Out::Fd(tx.into())).start();
    let until = Instant::now() + DEADLINE;
    while rustix::io::ioctl_fionread(&rx).expect("FIONREAD") == 0 {
        assert!(Instant::now() < until, "it writes nothing");
        run.runs_on_for(ms(1));
    }
    // Nobody can see whether it is in the middle of writing.
    run.runs_on_for(ms(100));
    (run, rx)
}

#[test]
fn a_stdout_that_nobody_reads_makes_nobody_deaf() {
    needs!("root");
    let ports = Ports::open(&[4000]);
    for words in [
        &["-z", "--json", "127.0.0.1", "1-65535"][..],
        &["-z", "--count=1000000", "-i0", "127.0.0.1", "4001"],
        &[
            "-z",
            "--json",
            "--count=1000000",
            "-i0",
            "127.0.0.1",
            "4001",
        ],
        // All is tested, and has only to be written.
        &["-z", "--json", "127.0.0.1", "1-200"],
    ] {
        for signal in [Signal::TERM, Signal::INT] {
            let (run, _rx) = unread(ports.oxnc(words));
            run.signal(signal);
            run.wait().dies_of(signal);
        }
        let (run, _rx) = unread(ports.oxnc(&["--max-time=1"]).args(words));
        run.wait().exits(124);
    }
}

#[test]
fn it_is_told_that_nobody_has_read_it() {
    let server = Server::closed();
    let options = ["-z", "--count=100", "-i0", "--max-time=1"];
    let (run, _rx) = unread(Tool::connect(server.port(), &options));
    run.wait().fails(124, &["not read", "--max-time"]);
}

#[test]
fn who_reads_late_reads_everything() {
    needs!("root");
    let ports = Ports::open(&[4000]);
    let (run, rx) = unread(ports.oxnc(&["-z", "--json", "127.0.0.1", "1-65535"]));
    run.runs_on_for(ms(300));
    let told = Collector::keeping(rx);
    let mut done = run.wait();
    (done.stdout, _) = told.finish();
    let ports = objects(done.exits(0)).into_iter();
    assert!(ports.map(|one| super::port(&one)).eq(1..=65535));
}

/// The lines of `-v` are results. A reader of them may take longer than one of words may.
#[test]
fn no_line_about_a_port_is_dropped() {
    needs!("root");
    let net = Net::new();
    let (rx, tx) = pipe();
    let tx = OwnedFd::from(tx);
    let script = format!("exec \"$@\" 2>/dev/fd/{}", tx.as_raw_fd());
    let tool = Tool::oxnc(&["-zv", "127.0.0.1", "1-65535"])
        .under(&["sh", "-c", &script, "sh"])
        .inherit(tx);
    let run = net.tool(tool).start();
    run.runs_on_for(ms(2500));
    let told = Collector::keeping(rx);
    run.wait().exits(1);
    let (told, _) = told.finish();
    let told = String::from_utf8_lossy(&told).into_owned();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 65535);
    for (line, port) in lines.iter().zip(1..) {
        let begin = format!("oxnc: connect to 127.0.0.1 port {port} (tcp) failed");
        assert!(line.starts_with(&begin), "{line:?}");
    }
}

/// Neither what is not read nor what cannot be told yet is kept without a bound.
#[test]
fn what_needs_no_test_is_not_gone_through_at_once() {
    needs!("root", "nft");
    let net = Net::new();
    net.drop_input("tcp dport 10000 drop");
    let limited = |words: &[&str]| {
        let script = "ulimit -v 400000; exec \"$@\"";
        let tool = Tool::oxnc(&["-z", "--json", "-w60", "--max-time=3"]).args(words);
        let unknown = ["no-such-host.invalid:1-65535"; 60];
        net.tool(tool.args(&unknown).under(&["sh", "-c", script, "sh"]))
    };
    limited(&["127.0.0.1:10000"]).run().exits(124);
    let (run, _rx) = unread(limited(&[]));
    run.wait().exits(124);
}
