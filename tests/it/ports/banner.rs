//! `--banner`: what services say first, whatever that is.

use serde_json::Value;

use super::{port, records, state};
use crate::util::{Done, Server, Task, Tool, ms, spawn};

/// What becomes of the connection when it was said.
#[derive(Clone, Copy)]
enum Then {
    /// It stays, and nothing more is said.
    Waits,
    Closes,
    Resets,
}

/// A service that says something to its first client.
struct Service {
    port: u16,
    task: Task<()>,
}

impl Service {
    fn new(said: &'static [u8], then: Then) -> Self {
        let server = Server::new();
        let port = server.port();
        let task = spawn(move || {
            let mut peer = server.accept();
            peer.send(said);
            match then {
                Then::Waits => assert_eq!(peer.recv_all(), b"", "nothing is asked"),
                Then::Closes => peer.close(),
                Then::Resets => peer.reset(),
            }
        });
        Self { port, task }
    }
}

/// A service's record, which says that it is open.
#[track_caller]
fn banner_of(done: &Done) -> Value {
    let records = records(done.exits(0));
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(state(&records[0]), "open");
    records[0]["banner"].clone()
}

#[track_caller]
fn heard(said: &'static [u8], then: Then, time: &str) -> Value {
    let service = Service::new(said, then);
    let option = format!("--banner={time}");
    let done = Tool::connect(service.port, &["-z", "--json", &option]).run();
    service.task.join();
    banner_of(&done)
}

/// So much that a test would fail if it was waited for.
const LONG: &str = "600";

#[test]
fn the_first_line_is_told_as_soon_as_it_is_there() {
    assert_eq!(heard(b"220 ready\r\n", Then::Waits, LONG), "220 ready");
    assert_eq!(heard(b"SSH-2.0-x\n", Then::Waits, LONG), "SSH-2.0-x");
    assert_eq!(heard(b"one\ntwo\n", Then::Waits, LONG), "one");
}

#[test]
fn a_line_without_an_end_is_told_when_the_time_is_over() {
    assert_eq!(heard(b"login: ", Then::Waits, "0.2"), "login: ");
}

#[test]
fn a_line_may_end_with_the_connection() {
    assert_eq!(heard(b"bye", Then::Closes, LONG), "bye");
}

/// A reset takes with it what was said before, or does not, but not that somebody was there.
#[test]
fn who_resets_the_connection_was_there() {
    let told = heard(b"bye", Then::Resets, LONG);
    assert!(told.is_null() || told == "bye", "{told}");
}

#[test]
fn silence_is_no_banner() {
    assert_eq!(heard(b"", Then::Waits, "0.1"), Value::Null);
    assert_eq!(heard(b"", Then::Closes, LONG), Value::Null);
    assert_eq!(heard(b"", Then::Resets, LONG), Value::Null);
}

#[test]
fn not_more_is_told_than_anybody_wants_to_read() {
    static MUCH: [u8; 10_000] = [b'x'; 10_000];
    let server = Server::new();
    let port = server.port();
    let task = spawn(move || {
        let mut peer = server.accept();
        peer.send(&MUCH);
        // It may be reset: not all of it was read.
        let _ = std::io::Read::read(&mut peer.socket, &mut [0; 9]);
    });
    let option = format!("--banner={LONG}");
    let done = Tool::connect(port, &["-z", "--json", &option]).run();
    task.join();
    let banner = banner_of(&done);
    let banner = banner.as_str().unwrap_or_default();
    assert!(banner.bytes().all(|byte| byte == b'x'));
    assert!((64..=512).contains(&banner.len()), "{}", banner.len());
}

#[test]
fn what_moves_a_terminal_is_shown_as_numbers() {
    let said = b"\x1b[2J\x1b]0;title\x07\x00\xff\xc2\x9b\xe2\x80\xae\r\n";
    let shown = heard(said, Then::Waits, LONG);
    let shown = shown.as_str().unwrap_or_default();
    assert!(
        shown.starts_with(r"\x1b[2J\x1b]0;title\x07\x00\xff"),
        "{shown}"
    );
    assert!(!shown.contains(['\u{9b}', '\u{202e}']), "{shown}");
}

/// In a table as well, where it is the end of the line.
#[test]
fn a_table_has_it_behind_everything_else() {
    let said = Service::new(b"220 \x1b[31mred\r\n", Then::Waits);
    let mute = Service::new(b"", Then::Waits);
    let ports = [said.port, mute.port].map(|port| port.to_string());
    let words = ["-nz", "--banner=0.3", "127.0.0.1", &ports[0], &ports[1]];
    let done = Tool::oxnc(&words).run();
    said.task.join();
    mute.task.join();
    let text = String::from_utf8_lossy(&done.exits(0).stdout).into_owned();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(
        lines[0][..4],
        ["127.0.0.1", &format!("{}/tcp", ports[0]), "open", "-"]
    );
    assert_eq!(lines[0][5..], ["220", r"\x1b[31mred"]);
    assert_eq!(lines[1].len(), 5, "{text}");
}

/// They are listened to at the same time, each for its own time.
#[test]
fn many_are_listened_to_at_the_same_time() {
    let services: Vec<Service> = (0..40).map(|_| Service::new(b"", Then::Waits)).collect();
    let ports: Vec<String> = services.iter().map(|one| one.port.to_string()).collect();
    let words = [
        "-z",
        "--json",
        "--banner=0.5",
        "127.0.0.1",
        &ports.join(","),
    ];
    let done = Tool::oxnc(&words).run();
    let records = records(done.exits(0));
    let told: Vec<u16> = records.iter().map(port).collect();
    let asked: Vec<u16> = services.iter().map(|one| one.port).collect();
    assert_eq!(told, asked);
    assert!(records.iter().all(|record| record["banner"].is_null()));
    services.into_iter().for_each(|one| one.task.join());
    done.took_about(ms(500));
}

/// It has no place where there are only lines of `nc`, and harms nobody there.
#[test]
fn what_is_not_open_says_nothing() {
    let server = Server::new();
    let port = server.port();
    drop(server);
    let done = Tool::connect(port, &["-z", "--json", "--banner"]).run();
    let records = records(done.exits(1));
    assert_eq!(state(&records[0]), "closed");
    assert_eq!(records[0]["banner"], Value::Null);
}

/// Whoever asks for it wants to see it, although there is nothing else to tell of a single port.
#[test]
fn of_a_single_port_it_is_told_as_well() {
    let service = Service::new(b"220 ready\r\n", Then::Waits);
    let done = Tool::connect(service.port, &["-nz", "--banner"]).run();
    service.task.join();
    let text = String::from_utf8_lossy(&done.exits(0).stdout).into_owned();
    let begin = format!("127.0.0.1 {}/tcp open - ", service.port);
    assert!(text.starts_with(&begin), "{text}");
    assert!(text.ends_with("ms 220 ready\n"), "{text}");
}
