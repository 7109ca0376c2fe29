//! All ports of a host: what is told is what the kernel says, no more and no less, time and again.

use std::collections::BTreeSet;

use super::{Ports, counted, in_table, objects, port, state};

/// Low and high ones, and some of those that the kernel gives to connections.
const OPEN: &[u16] = &[1, 22, 80, 1024, 32_768, 40_001, 60_999, 61_000, 65_535];

const ALL: &[&str] = &["127.0.0.1", "1-65535"];

/// One of several loops, each socket used again, and ports that are the kernel's to give: time and
/// again that comes to the same.
#[test]
fn what_is_told_is_what_listens() {
    needs!("root", "ss");
    let ports = Ports::open(OPEN);
    let listening: Vec<u16> = ports.listening().into_iter().collect();
    assert_eq!(listening, OPEN);
    for _ in 0..20 {
        let done = ports.oxnc(&["-z"]).args(ALL).run();
        assert_eq!(in_table(done.exits(0)), listening);
        assert_eq!(counted(&done), "65,535 ports: 9 open, 65,526 closed");
        assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
    }
}

#[test]
fn few_descriptors_change_nothing() {
    needs!("root", "ss");
    let ports = Ports::open(OPEN);
    let listening: Vec<u16> = ports.listening().into_iter().collect();
    for _ in 0..3 {
        let done = ports.oxnc_with_descriptors(64, &["-z"]).args(ALL).run();
        assert_eq!(in_table(done.exits(0)), listening);
        assert_eq!(counted(&done), "65,535 ports: 9 open, 65,526 closed");
    }
}

/// Most of these are kept for something else.
#[test]
fn hardly_any_descriptors_change_nothing() {
    needs!("root");
    let ports = Ports::open(&[4001, 4005]);
    for most in [40, 30] {
        let words = ["-z", "127.0.0.1", "4000-4999"];
        let done = ports.oxnc_with_descriptors(most, &words).run();
        assert_eq!(in_table(done.exits(0)), [4001, 4005], "{most}");
        assert_eq!(counted(&done), "1,000 ports: 2 open, 998 closed");
    }
}

#[test]
fn json_has_each_port_once_and_in_order() {
    needs!("root");
    let ports = Ports::open(OPEN);
    let done = ports.oxnc(&["-z", "--json"]).args(ALL).run();
    assert_eq!(done.exits(0).stderr, "");
    let records = objects(&done);
    let told: Vec<u16> = records.iter().map(port).collect();
    let all: Vec<u16> = (1..=65_535).collect();
    assert!(told == all, "{} lines", told.len());
    for record in &records {
        let expected = match OPEN.contains(&port(record)) {
            true => "open",
            false => "closed",
        };
        assert_eq!(state(record), expected, "{record}");
    }
}

#[test]
fn a_random_order_has_each_port_once() {
    needs!("root");
    let ports = Ports::open(OPEN);
    let told = |range| -> Vec<u16> {
        let done = ports.oxnc(&["-zr", "--json", "127.0.0.1", range]).run();
        objects(&done).iter().map(port).collect()
    };
    let all = told("1-65535");
    assert_eq!(all.len(), 65_535);
    let each: BTreeSet<u16> = all.iter().copied().collect();
    assert_eq!(each.len(), 65_535);
    assert!(!all.is_sorted(), "the order is that of numbers");
    assert!(told("1-1000") != told("1-1000"), "it is always the same");
}

#[test]
fn a_table_is_in_the_order_in_which_it_was_asked_for() {
    needs!("root");
    let ports = Ports::open(&[4000, 4001, 4002, 4003]);
    let told = |words: &[&str]| in_table(&ports.oxnc(&["-z", "127.0.0.1"]).args(words).run());
    assert_eq!(
        told(&["4003,4001", "4000-4002"]),
        [4003, 4001, 4000, 4001, 4002]
    );
    let many = told(&["4002", "1-3999,4004-65535", "4000"]);
    assert_eq!(many, [4002, 4000]);
}
