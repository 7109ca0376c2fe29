//! Unix datagram sockets: names on both sides, and what is left of them.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram},
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::util::{DEADLINE, In, Out, Records, Running, Signal, Tool, ms};

struct Place {
    dir: TempDir,
    path: String,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s").to_str().unwrap().to_owned();
        Self { dir, path }
    }

    fn name(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Nothing is left in the directory but `names`.
    #[track_caller]
    fn holds(&self, names: &[&str]) {
        let mut found: Vec<_> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort();
        assert_eq!(found, names);
    }
}

fn bound(path: impl AsRef<Path>) -> UnixDatagram {
    let socket = UnixDatagram::bind(path).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.set_write_timeout(Some(DEADLINE)).unwrap();
    socket
}

fn recv(socket: &UnixDatagram) -> Vec<u8> {
    let mut buffer = vec![0; 300_000];
    let n = socket.recv(&mut buffer).expect("a datagram");
    buffer.truncate(n);
    buffer
}

fn receiver(place: &Place, options: &[&str]) -> Tool {
    Tool::oxnc(&["-luU", &place.path, "-v"]).args(options)
}

fn start(tool: Tool) -> Running {
    let run = tool.start();
    run.stderr.wait_for_text("bound on");
    run
}

#[test]
fn a_caller_is_answered_and_leaves_nothing_behind() {
    let place = Place::new();
    let server = bound(&place.path);
    let run = Tool::oxnc(&["-uU", &place.path])
        .stdin(In::Bytes(b"ping".to_vec()))
        .start();
    let mut buffer = [0; 100];
    let (n, from) = server.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..n], b"ping");
    server.send_to_addr(b"", &from).unwrap();
    server.send_to_addr(b"pong", &from).unwrap();
    run.wait().succeeds().wrote(b"pong").took_about(ms(1000));
    place.holds(&["s"]);
}

#[test]
fn a_caller_has_the_name_that_it_is_given() {
    let place = Place::new();
    let server = bound(&place.path);
    let own = place.name("own");
    for signal in [None, Some(Signal::TERM)] {
        // One that has been left behind is dead, and gives way.
        drop(UnixDatagram::bind(&own).unwrap());
        let mut run = Tool::oxnc(&["-uU", &place.path, "-w0"])
            .args(&["-s", own.to_str().unwrap()])
            .stdin(In::Pipe)
            .start();
        run.write(b"x");
        assert_eq!(recv(&server), b"x");
        let mode = fs::metadata(&own).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        server.send_to(b"y", &own).unwrap();
        run.stdout().wait_for(1);
        place.holds(&["own", "s"]);
        match signal {
            Some(signal) => {
                run.signal(signal);
                run.wait().dies_of(signal);
            }
            None => {
                run.close_stdin();
                run.wait().succeeds().wrote(b"y");
            }
        }
        place.holds(&["s"]);
    }
    fs::write(&own, "text").unwrap();
    Tool::oxnc(&["-uU", &place.path, "-s", own.to_str().unwrap()])
        .run()
        .fails(1, &["own", "regular file"]);
    assert_eq!(fs::read(&own).unwrap(), b"text");
}

#[test]
fn why_nobody_can_be_reached_is_told() {
    let place = Place::new();
    let path = |name: &str| place.name(name).to_str().unwrap().to_owned();
    drop(UnixDatagram::bind(path("dead")).unwrap());
    let _stream = std::os::unix::net::UnixListener::bind(path("stream")).unwrap();
    fs::write(path("file"), "").unwrap();
    let taken = bound(path("taken"));
    let other = bound(path("other"));
    taken.connect(path("other")).unwrap();
    let table = [
        ("dead", "refused"),
        ("stream", "not a datagram socket"),
        ("file", "regular file"),
        ("nothing", "No such file"),
        ("taken", "has a peer already"),
    ];
    for (name, why) in table {
        Tool::oxnc(&["-uU", &path(name)])
            .stdin(In::Bytes(b"x".to_vec()))
            .run()
            .fails(1, &[name, why]);
    }
    drop(other);
}

#[test]
fn a_server_that_ends_is_noticed_at_the_next_datagram() {
    let place = Place::new();
    let server = bound(&place.path);
    let mut run = Tool::oxnc(&["-uU", &place.path]).stdin(In::Pipe).start();
    run.write(b"1");
    assert_eq!(recv(&server), b"1");
    drop(server);
    run.write(b"2");
    run.wait().fails(1, &[&place.path, "refused"]);
}

#[test]
fn the_first_peer_is_the_only_one() {
    let place = Place::new();
    let mut run = start(receiver(&place, &["-W2"]).stdin(In::Pipe));
    let mode = fs::metadata(&place.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (a, b) = (bound(place.name("a")), bound(place.name("b")));
    a.connect(&place.path).unwrap();
    b.connect(&place.path).unwrap();
    run.signal(Signal::STOP);
    a.send(b"a1").unwrap();
    b.send(b"b1").unwrap();
    run.write(b"reply");
    run.signal(Signal::CONT);
    assert_eq!(recv(&a), b"reply");
    let refused = b.send(b"b2").unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
    a.send(b"a2").unwrap();
    run.wait().exits(0).wrote(b"a1a2");
    place.holds(&["a", "b"]);
}

#[test]
fn senders_without_a_name_are_heard_and_not_answered() {
    for option in ["-k", "-n"] {
        let place = Place::new();
        let options = [option, "-W3"];
        let run = start(receiver(&place, &options).stdin(In::Bytes(b"kept".to_vec())));
        let sender = UnixDatagram::unbound().unwrap();
        for text in [&b"one"[..], b"", b"two"] {
            sender.send_to(text, &place.path).unwrap();
        }
        run.wait().exits(0).wrote(b"onetwo");
        place.holds(&[]);
    }
}

#[test]
fn everybody_is_answered_and_who_does_not_read_is_dropped() {
    let place = Place::new();
    let mut run = start(receiver(&place, &["-k"]).stdin(In::Pipe));
    let (a, b) = (bound(place.name("a")), bound(place.name("b")));
    for peer in [&a, &b] {
        peer.send_to(b"x", &place.path).unwrap();
    }
    run.stdout().wait_for(2);
    for n in 0..200_u32 {
        run.write(&n.to_be_bytes());
        assert_eq!(recv(&a), n.to_be_bytes(), "b reads nothing");
    }
    run.stderr.wait_for_text("no longer sending to");
    drop(a);
    run.signal(Signal::INT);
    run.wait().dies_of(Signal::INT);
    place.holds(&["a", "b"]);
}

#[test]
fn abstract_names_work_on_both_sides() {
    let name = format!("@oxnc-test-{}", std::process::id());
    let run = start(Tool::oxnc(&["-luUv", &name, "-W1"]).stdin(In::Null));
    Tool::oxnc(&["-uU", &name, "-w0", "-s", &format!("{name}-own")])
        .stdin(In::Bytes(b"x".to_vec()))
        .run()
        .succeeds();
    let done = run.wait();
    done.exits(0).wrote(b"x");
    let from = format!("first datagram from {name}-own");
    assert!(done.stderr.contains(&from), "{}", done.stderr);
}

#[test]
fn long_datagrams_are_not_cut() {
    let place = Place::new();
    let (output, theirs) = Records::pair();
    let run = start(receiver(&place, &["-W2"]).stdout(Out::Fd(theirs)));
    let sender = UnixDatagram::unbound().unwrap();
    for length in [150_000, 65_537] {
        let data: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        sender.send_to(&data, &place.path).unwrap();
        assert!(output.read() == data, "{length}");
    }
    run.wait().exits(0);
}

#[test]
fn nothing_is_lost_between_two_of_us_when_one_is_slower() {
    let place = Place::new();
    let (input, sends) = Records::pair();
    let (output, receives) = Records::pair();
    let run = start(receiver(&place, &["-W2000"]).stdout(Out::Fd(receives)));
    let sender = Tool::oxnc(&["-uU", &place.path, "-w0"])
        .stdin(In::Fd(sends))
        .start();
    let writer = crate::util::spawn(move || {
        for n in 0..2000_u32 {
            input.write(&n.to_be_bytes());
        }
    });
    for n in 0..2000_u32 {
        assert_eq!(output.read(), n.to_be_bytes());
    }
    writer.join();
    sender.wait().succeeds();
    run.wait().exits(0);
    place.holds(&[]);
}

#[test]
fn the_file_goes_when_a_limit_or_a_signal_ends_it() {
    let place = Place::new();
    let done = receiver(&place, &["-w", "0.3"]).run();
    assert_eq!(done.status.code(), Some(124), "{}", done.stderr);
    place.holds(&[]);
    let run = start(receiver(&place, &["--unix-mode", "666"]));
    let mode = fs::metadata(&place.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o666);
    Tool::oxnc(&["-luU", &place.path])
        .run()
        .fails(1, &[&place.path, "in use"]);
    run.signal(Signal::TERM);
    run.wait().dies_of(Signal::TERM);
    place.holds(&[]);
}
