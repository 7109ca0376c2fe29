//! What people see: a table of what is open, a count, or with `-v` the lines of `nc`.

use std::net::Ipv4Addr;

use super::{Ports, counted, in_table, silent};
use crate::util::{Done, Net, Server, Tool};

fn run(ports: &Ports, words: &[&str]) -> Done {
    ports.oxnc(words).run()
}

#[test]
fn open_ports_have_a_line_and_all_of_them_a_count() {
    needs!("root");
    let ports = Ports::open(&[22, 4000]);
    let done = run(&ports, &["-z", "127.0.0.1", "22,4000", "4001-4010"]);
    let text = String::from_utf8_lossy(&done.exits(0).stdout).into_owned();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0][..4], ["127.0.0.1", "22/tcp", "open", "ssh"]);
    assert_eq!(lines[1][..4], ["127.0.0.1", "4000/tcp", "open", "-"]);
    for line in &lines {
        let time = line[4]
            .strip_suffix("ms")
            .and_then(|time| time.parse::<f64>().ok());
        assert!(line.len() == 5 && time.is_some(), "{line:?}");
    }
    assert_eq!(counted(&done), "12 ports: 2 open, 10 closed");
    assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
}

#[test]
fn without_open_ports_there_is_only_a_count() {
    needs!("root");
    let ports = Ports::open(&[]);
    let done = run(&ports, &["-z", "127.0.0.1", "1-1000"]);
    done.exits(1).wrote(b"");
    assert_eq!(counted(&done), "1,000 ports: 1,000 closed");
}

#[test]
fn with_numbers_only_no_service_is_named() {
    needs!("root");
    let ports = Ports::open(&[22]);
    let done = run(&ports, &["-nz", "127.0.0.1", "22-23"]);
    let text = String::from_utf8_lossy(&done.exits(0).stdout).into_owned();
    assert!(text.starts_with("127.0.0.1 22/tcp open - "), "{text}");
}

#[test]
fn verbose_has_the_lines_of_nc_and_nothing_else() {
    needs!("root");
    let ports = Ports::open(&[4001]);
    let done = run(&ports, &["-zv", "127.0.0.1", "4000-4001"]);
    let lines = "oxnc: connect to 127.0.0.1 port 4000 (tcp) failed: Connection refused\n\
                 Connection to 127.0.0.1 4001 port [tcp/*] succeeded!\n";
    assert_eq!(done.exits(0).wrote(b"").stderr, lines);
}

#[test]
fn nc_has_no_table_and_no_count() {
    needs!("root");
    let ports = Ports::open(&[4001]);
    for (words, status) in [(&["4000-4002"][..], 0), (&["4002-4010"], 1), (&["4001"], 0)] {
        let words = [&["--compat=nc", "-z", "127.0.0.1"], words].concat();
        silent(&run(&ports, &words), status);
    }
    let done = run(&ports, &["--compat=nc", "-zv", "127.0.0.1", "4001-4002"]);
    let lines = "Connection to 127.0.0.1 4001 port [tcp/*] succeeded!\n\
                 oxnc: connect to 127.0.0.1 port 4002 (tcp) failed: Connection refused\n";
    assert_eq!(done.exits(0).wrote(b"").stderr, lines);
}

#[test]
fn a_single_port_has_no_table_and_no_count() {
    needs!("root");
    let ports = Ports::open(&[4000]);
    for words in [
        &["127.0.0.1", "4000"][..],
        &["127.0.0.1", "4000-4000"],
        &["127.0.0.1:4000"],
    ] {
        silent(&run(&ports, &[&["-z"], words].concat()), 0);
    }
    silent(&run(&ports, &["-z", "127.0.0.1", "4001"]), 1);
}

/// What is the same for many ports is said of the first one.
#[test]
fn why_nothing_could_be_tested_is_said_once() {
    let words = ["-z", "-s", "192.0.2.77", "127.0.0.1", "1-500"];
    let done = Tool::oxnc(&words).run();
    done.exits(1).wrote(b"");
    assert_eq!(counted(&done), "500 ports: 500 error");
    let said: Vec<&str> = done.stderr.lines().collect();
    assert_eq!(said.len(), 2, "{}", done.stderr);
    assert!(said[0].contains("192.0.2.77"), "{}", said[0]);
}

/// The address that answered counts, whichever it is.
#[test]
fn the_host_is_called_as_it_was_asked_for() {
    needs!("root");
    let net = Net::new();
    net.file("hosts", "::1 both\n127.0.0.1 both\n");
    let _server = net.inside(|| Server::on((Ipv4Addr::LOCALHOST, 4000)));
    let done = net.tool(Tool::oxnc(&["-z", "both", "4000-4001"])).run();
    assert_eq!(in_table(done.exits(0)), [4000]);
    assert!(done.stdout.starts_with(b"both 4000/tcp open - "));
    assert_eq!(counted(&done), "2 ports: 1 open, 1 closed");
}
