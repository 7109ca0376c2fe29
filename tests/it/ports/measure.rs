//! `--count`: a port that is tested again and again.

use serde_json::Value;

use super::records;
use crate::util::{Done, In, Peer, Running, Server, Signal, Tool, ms};

fn lines(done: &Done) -> Vec<String> {
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(text.ends_with('\n'), "{text:?}");
    text.lines().map(String::from).collect()
}

/// The four times of a line like `rtt min/avg/max/mdev = 0.1/0.2/0.3/0.0 ms`.
#[track_caller]
fn times(line: &str) -> Vec<f64> {
    let times = line
        .strip_prefix("rtt min/avg/max/mdev = ")
        .and_then(|times| times.strip_suffix(" ms"));
    let times = times.unwrap_or_else(|| panic!("{line:?}"));
    times.split('/').map(|time| time.parse().unwrap()).collect()
}

#[test]
fn every_try_has_a_line_and_the_end_has_figures() {
    let server = Server::new();
    let port = server.port();
    let options = ["-z", "--count", "4", "-i", "0.05"];
    let done = Tool::connect(port, &options).run();
    assert_eq!(done.exits(0).stderr, "");
    assert!(done.took >= ms(150), "{:?}", done.took);
    let lines = lines(&done);
    assert_eq!(lines.len(), 6, "{lines:#?}");
    for (line, number) in lines.iter().zip(1..=4) {
        let begin = format!("127.0.0.1 port {port}/tcp: try {number}: open, ");
        let time = line
            .strip_prefix(&begin)
            .and_then(|time| time.strip_suffix(" ms"));
        assert!(
            time.is_some_and(|time| time.parse::<f64>().is_ok()),
            "{line}"
        );
    }
    let count = format!("127.0.0.1 port {port}/tcp: 4 tries, 4 answered, 0% loss");
    assert_eq!(lines[4], count);
    let [min, avg, max, mdev] = times(&lines[5]).try_into().unwrap();
    assert!(min <= avg && avg <= max && mdev <= max, "{}", lines[5]);
    for _ in 0..4 {
        assert_eq!(server.accept().recv_all(), b"");
    }
    assert!(
        !server.has_client_within(ms(0)),
        "each try is one connection"
    );
}

#[test]
fn what_is_never_answered_has_no_times() {
    let closed = Server::closed();
    let port = closed.port();
    let options = ["-z", "--count", "3", "-i", "0"];
    let done = Tool::connect(port, &options).run();
    let lines = lines(done.exits(1));
    assert_eq!(lines.len(), 4, "{lines:#?}");
    let refused = format!("127.0.0.1 port {port}/tcp: try 2: closed: Connection refused");
    assert!(lines[1].starts_with(&refused), "{}", lines[1]);
    let count = format!("127.0.0.1 port {port}/tcp: 3 tries, 0 answered, 100% loss");
    assert_eq!(lines[3], count);
}

/// A silent one has its time, and the next try comes when it is over.
#[test]
fn a_try_has_a_limit_of_its_own() {
    let server = Server::with_full_queue();
    let port = server.port();
    let _first = Peer::connect(port);
    let options = ["-z", "--json", "--count", "3", "-i", "0.1", "-w", "0.2"];
    let done = Tool::connect(port, &options).run();
    let records = records(done.exits(1));
    assert_eq!(records.len(), 3);
    for record in &records {
        assert_eq!(record["state"], "filtered");
        assert_eq!(record["rtt"], Value::Null);
    }
    done.took_about(ms(600));
}

/// Tries without end, or nearly.
fn endless(port: u16, options: &[&str]) -> Running {
    let words = [&["-z", "--count", "1000000", "-i", "0.01"], options].concat();
    Tool::connect(port, &words).start()
}

#[test]
fn ctrl_c_ends_it_with_figures_and_the_last_answer_decides() {
    // It is there, and then it is gone.
    let server = Server::new();
    let run = endless(server.port(), &[]);
    run.stdout().wait_for_text("try 3: open");
    drop(server);
    run.stdout().wait_for_text(": closed");
    run.signal(Signal::INT);
    let done = run.wait();
    assert_eq!(done.exits(1).stderr, "");
    let told = lines(&done);
    let [count, figures] = told.last_chunk().unwrap();
    assert!(
        count.contains(" tries, ") && count.ends_with("% loss"),
        "{count}"
    );
    times(figures);

    // It is not there, and then it is.
    let server = Server::closed();
    let run = endless(server.port(), &[]);
    run.stdout().wait_for_text("try 3: closed");
    server.open();
    run.stdout().wait_for_text(": open");
    run.signal(Signal::INT);
    let done = run.wait();
    assert_eq!(done.exits(0).stderr, "");
    assert!(lines(&done).last().unwrap().starts_with("rtt "));
}

#[test]
fn other_signals_end_it_as_they_end_everything() {
    let server = Server::new();
    let run = endless(server.port(), &[]);
    run.stdout().wait_for_text("try 2: open");
    run.signal(Signal::TERM);
    run.wait().dies_of(Signal::TERM);
}

#[test]
fn a_total_limit_ends_it_with_figures() {
    let server = Server::new();
    let run = endless(server.port(), &["--max-time=0.5"]);
    let done = run.wait();
    done.fails(124, &["--max-time"]);
    assert!(lines(&done).last().unwrap().starts_with("rtt "));
}

/// On stdout are the tries alone; the figures are for people.
#[test]
fn json_has_the_number_of_each_try() {
    let server = Server::new();
    let options = ["-z", "--json", "--count", "3", "-i", "0"];
    let done = Tool::connect(server.port(), &options).run();
    let records = records(done.exits(0));
    let numbers: Vec<u64> = records
        .iter()
        .filter_map(|one| one["try"].as_u64())
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert!(records.iter().all(|one| one["rtt"].is_number()));
    let said: Vec<&str> = done.stderr.lines().collect();
    assert_eq!(said.len(), 2, "{}", done.stderr);
    assert!(
        said[0].ends_with("3 tries, 3 answered, 0% loss"),
        "{}",
        said[0]
    );
    assert!(said[1].contains("rtt min/avg/max/mdev = "), "{}", said[1]);
}

/// One that is written at once can be looked at while it goes on.
#[test]
fn a_line_is_there_as_soon_as_its_answer() {
    let server = Server::new();
    let options = ["-z", "--count", "2", "-i", "600"];
    let run = Tool::connect(server.port(), &options).start();
    run.stdout().wait_for_text("try 1: open, ");
    run.stdout().wait_for_text(" ms\n");
    assert!(server.accept().recv_all().is_empty());
    assert!(
        !server.has_client_within(ms(300)),
        "the interval is over too early"
    );
    run.signal(Signal::INT);
    let done = run.wait();
    assert!(lines(done.exits(0))[1].ends_with(": 1 try, 1 answered, 0% loss"));
}

#[test]
fn a_name_without_an_address_is_told() {
    let words = ["-z", "--count=3", "no-such-host.invalid", "80"];
    Tool::oxnc(&words).run().fails(1, &["no-such-host.invalid"]);
    let tool = Tool::oxnc(&["--json"]).args(&words);
    tool.run().fails(1, &["no-such-host.invalid"]);
}

#[test]
fn several_ports_are_not_measured() {
    for words in [
        &["127.0.0.1", "1", "2"][..],
        &["127.0.0.1", "1-2"],
        &["127.0.0.1:1", "127.0.0.2:1"],
    ] {
        let tool = Tool::oxnc(&["-z", "--count", "3"]).args(words);
        tool.stdin(In::Null).run().fails(2, &["--count"]);
    }
}
