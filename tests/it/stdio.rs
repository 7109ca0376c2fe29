//! Whatever is on descriptors 0 and 1 works, and is left as it was found, during the run too.

use std::{
    fs::File,
    io::Write,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    panic::AssertUnwindSafe,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::fs::{OFlags, fcntl_getfl};

use crate::util::{
    Collector, In, Out, Peer, Server, Task, Terminal, Tool, Trace, data::random_bytes, fifo, ms,
    pipe, spawn,
};

const SENT: &[u8] = b"what we send, in one line\n";
/// No line ends: a terminal would write them its own way.
const RECEIVED: [u8; 3000] = [b'r'; 3000];

/// Something to read from that brings [`SENT`] and ends.
struct Source {
    name: &'static str,
    fd: OwnedFd,
    feed: Box<dyn FnOnce() + Send>,
    brings: &'static [u8],
}

fn sources(dir: &Path) -> Vec<Source> {
    let mut all = Vec::new();
    let mut add = |name, fd: OwnedFd, brings, feed: Box<dyn FnOnce() + Send>| {
        all.push(Source {
            name,
            fd,
            feed,
            brings,
        });
    };

    let path = dir.join("sent");
    std::fs::write(&path, SENT).unwrap();
    add(
        "file",
        File::open(path).unwrap().into(),
        SENT,
        Box::new(|| ()),
    );

    let (rx, mut tx) = pipe();
    add(
        "pipe",
        rx.into(),
        SENT,
        Box::new(move || tx.write_all(SENT).unwrap()),
    );

    let path = fifo(dir);
    let mut tx = File::options().read(true).write(true).open(&path).unwrap();
    let rx = File::open(&path).unwrap();
    add(
        "fifo",
        rx.into(),
        SENT,
        Box::new(move || tx.write_all(SENT).unwrap()),
    );

    let mut terminal = Terminal::new();
    let side = terminal.side();
    let feed = move || {
        terminal.type_in(std::str::from_utf8(SENT).unwrap());
        terminal.type_in("\x04");
        // Hanging up would be another story.
        std::mem::forget(terminal);
    };
    add("terminal", side, SENT, Box::new(feed));

    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let feed = move || {
        ours.write_all(SENT).unwrap();
        ours.shutdown(std::net::Shutdown::Write).unwrap();
        std::mem::forget(ours);
    };
    add("socket", theirs.into(), SENT, Box::new(feed));

    let null = File::open("/dev/null").unwrap();
    add("/dev/null", null.into(), b"", Box::new(|| ()));
    all
}

/// Something to write to, and what arrives there.
struct Sink {
    name: &'static str,
    fd: OwnedFd,
    arrives: Box<dyn FnOnce() -> Vec<u8>>,
}

fn sinks(dir: &Path) -> Vec<Sink> {
    let mut all = Vec::new();
    let mut add = |name, fd: OwnedFd, arrives: Box<dyn FnOnce() -> Vec<u8>>| {
        all.push(Sink { name, fd, arrives });
    };

    let path = dir.join("received");
    let file = File::create(&path).unwrap();
    add(
        "file",
        file.into(),
        Box::new(move || std::fs::read(path).unwrap()),
    );

    let path = dir.join("appended");
    let file = File::options()
        .append(true)
        .create(true)
        .open(&path)
        .unwrap();
    add(
        "appended file",
        file.into(),
        Box::new(move || std::fs::read(path).unwrap()),
    );

    let (rx, tx) = pipe();
    let heard = Collector::keeping(rx);
    add("pipe", tx.into(), Box::new(move || heard.finish().0));

    let path = fifo(dir);
    let both = File::options().read(true).write(true).open(&path).unwrap();
    let tx = File::options().write(true).open(&path).unwrap();
    let rx = File::open(&path).unwrap();
    drop(both);
    let heard = Collector::keeping(rx);
    add("fifo", tx.into(), Box::new(move || heard.finish().0));

    let terminal = Terminal::new();
    let side = terminal.side();
    let arrives = move || {
        terminal.screen.wait_for(RECEIVED.len() as u64);
        terminal.screen.so_far()
    };
    add("terminal", side, Box::new(arrives));

    let (ours, theirs) = UnixStream::pair().unwrap();
    let heard = Collector::keeping(ours);
    add("socket", theirs.into(), Box::new(move || heard.finish().0));
    all
}

#[test]
fn every_kind_of_stdin_goes_with_every_kind_of_stdout() {
    for_every_pair(exchange);
}

/// Tries all of them, to tell at the end which ones are wrong.
fn for_every_pair(try_out: fn(Source, Sink)) {
    let place = || tempfile::tempdir().unwrap();
    let count = sources(place().path()).len();
    let mut wrong = Vec::new();
    for (i, j) in (0..count).flat_map(|i| (0..count).map(move |j| (i, j))) {
        let (from, to) = (place(), place());
        let source = sources(from.path()).swap_remove(i);
        let sink = sinks(to.path()).swap_remove(j);
        let names = format!("{} to {}", source.name, sink.name);
        let attempt = AssertUnwindSafe(|| try_out(source, sink));
        if std::panic::catch_unwind(attempt).is_err() {
            wrong.push(names);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join(", "));
}

/// One run, while the shared descriptions are watched.
fn exchange(source: Source, sink: Sink) {
    let names = format!("{} to {}", source.name, sink.name);
    let watched = [&source.fd, &sink.fd].map(|fd| fd.as_fd().try_clone_to_owned().unwrap());
    // The copy of a pipe's write end would keep its reader waiting.
    let watch = Watch::start(watched);
    let server = Server::new();
    let run = Tool::connect(server.port(), &[])
        .stdin(In::Fd(source.fd))
        .stdout(Out::Fd(sink.fd))
        .start();
    let mut peer = server.accept();
    (source.feed)();
    assert_eq!(peer.recv(source.brings.len()), source.brings, "{names}");
    peer.send(&RECEIVED);
    peer.half_close();
    assert_eq!(peer.recv_all(), b"", "{names}");
    peer.close();
    run.wait().succeeds();
    watch.stop(&names);
    assert!((sink.arrives)() == RECEIVED, "{names}");
}

/// Looks at the flags of descriptions as fast as it can, as another program that shares them
/// would suffer from them.
struct Watch {
    stop: Arc<AtomicBool>,
    task: Task<Result<(), String>>,
}

impl Watch {
    fn start(fds: [OwnedFd; 2]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let before = fds.each_ref().map(|fd| fcntl_getfl(fd).unwrap());
        let task = spawn(move || {
            loop {
                // Once more after the stop: the state that is left behind counts too.
                let last = stopped.load(Ordering::Relaxed);
                let now = fds.each_ref().map(|fd| fcntl_getfl(fd).unwrap());
                if now != before {
                    return Err(format!("flags were {before:?} and became {now:?}"));
                }
                if last {
                    return Ok(());
                }
                std::thread::yield_now();
            }
        });
        Self { stop, task }
    }

    fn stop(self, names: &str) {
        self.stop.store(true, Ordering::Relaxed);
        if let Err(change) = self.task.join() {
            panic!("{names}: {change}");
        }
    }
}

#[test]
fn a_description_that_is_nonblocking_stays_so() {
    let (rx, mut tx) = pipe();
    let (out_rx, out_tx) = pipe();
    for fd in [rx.as_fd(), out_tx.as_fd()] {
        let flags = fcntl_getfl(fd).unwrap();
        rustix::fs::fcntl_setfl(fd, flags | OFlags::NONBLOCK).unwrap();
    }
    let watch =
        Watch::start([rx.as_fd(), out_tx.as_fd()].map(|fd| fd.try_clone_to_owned().unwrap()));
    let server = Server::new();
    let run = Tool::connect(server.port(), &[])
        .stdin(In::Fd(rx.into()))
        .stdout(Out::Fd(out_tx.into()))
        .start();
    let mut peer = server.accept();
    // An empty non-blocking pipe is not an end.
    run.runs_on_for(ms(200));
    tx.write_all(b"sent").unwrap();
    assert_eq!(peer.recv(4), b"sent");
    drop(tx);
    assert_eq!(peer.recv_all(), b"");
    peer.send(b"received");
    peer.close();
    run.wait().succeeds();
    watch.stop("non-blocking pipes");
    let heard = Collector::keeping(out_rx);
    assert_eq!(heard.finish().0, b"received");
}

#[test]
fn an_endless_device_is_sent_until_a_limit() {
    let server = Server::new();
    let run = Tool::connect(server.port(), &["--max-time=300ms"])
        .stdin(In::File("/dev/zero".into()))
        .start();
    let mut peer = server.accept();
    let arrived = peer.recv_until_reset();
    assert!(arrived.len() > 1 << 20 && arrived.iter().all(|b| *b == 0));
    run.wait().fails(124, &[]);
}

#[test]
fn a_file_without_a_size_is_sent_whole() {
    let text = std::fs::read("/proc/version").unwrap();
    let server = Server::new();
    let run = Tool::connect(server.port(), &[])
        .stdin(In::File("/proc/version".into()))
        .start();
    let mut peer = server.accept();
    assert_eq!(peer.recv_all(), text);
    peer.close();
    run.wait().succeeds();
}

#[test]
fn two_runs_in_a_pipeline_are_a_relay() {
    let data = random_bytes(4 << 20, 50);
    let server = Server::new();
    let (rx, tx) = pipe();
    let (first, port) = Tool::listen(&[])
        .stdout(Out::Fd(tx.into()))
        .start_listening();
    let second = Tool::connect(server.port(), &[])
        .stdin(In::Fd(rx.into()))
        .start();
    let mut out = server.accept();
    let mut into = Peer::connect(port);
    let bytes = data.clone();
    let sending = spawn(move || {
        into.send(&bytes);
        into.half_close();
        into.recv_all()
    });
    assert!(out.recv_all() == data);
    out.close();
    assert_eq!(sending.join(), b"");
    first.wait().succeeds();
    second.wait().succeeds();
}

/// As a super-server starts it: one connection is both stdin and stdout.
#[test]
fn a_connection_on_stdin_and_stdout_is_relayed_both_ways() {
    let (there, back) = (random_bytes(3 << 20, 51), random_bytes(3 << 20, 52));
    let (front, behind) = (Server::new(), Server::new());
    let mut client = Peer::connect(front.port());
    let passed = front.accept().socket;
    let run = Tool::connect(behind.port(), &[])
        .stdin(In::Fd(passed.try_clone().unwrap().into()))
        .stdout(Out::Fd(passed.into()))
        .start();
    let mut server = behind.accept();
    let (sent, answer) = (there.clone(), back.clone());
    let asking = spawn(move || {
        client.send(&sent);
        client.half_close();
        client.recv_all()
    });
    assert!(server.recv_all() == there);
    server.send(&answer);
    server.close();
    assert!(asking.join() == back);
    run.wait().succeeds();
}

#[test]
fn a_file_is_read_from_where_it_stands() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"header\nbody").unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(7)).unwrap();
    let server = Server::new();
    let run = Tool::connect(server.port(), &[])
        .stdin(In::Fd(file.into()))
        .start();
    let mut peer = server.accept();
    assert_eq!(peer.recv_all(), b"body");
    peer.close();
    run.wait().succeeds();
}

#[test]
fn a_file_on_stdout_is_written_from_where_it_stands() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"header\n").unwrap();
    let server = Server::new();
    let run = Tool::connect(server.port(), &[])
        .stdout(Out::Fd(file.try_clone().unwrap().into()))
        .start();
    let mut peer = server.accept();
    peer.send(b"body");
    peer.close();
    run.wait().succeeds();
    // The offset is shared: whoever writes next goes on behind us.
    file.write_all(b"\nfooter").unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    let text = std::io::read_to_string(file).unwrap();
    assert_eq!(text, "header\nbody\nfooter");
}

#[test]
fn a_terminal_is_left_as_it_was_found() {
    let mut terminal = Terminal::new();
    let before = terminal.settings();
    let server = Server::new();
    let run = Tool::connect(server.port(), &[])
        .stdin(In::Fd(terminal.side()))
        .stdout(Out::Fd(terminal.side()))
        .start();
    let mut peer = server.accept();
    terminal.type_in("typed\n");
    assert_eq!(peer.recv(6), b"typed\n");
    assert_eq!(terminal.settings(), before);
    peer.send(b"shown");
    terminal.screen.wait_for_text("shown");
    peer.close();
    run.wait().succeeds();
    assert_eq!(terminal.settings(), before);
}

#[test]
fn no_call_changes_the_mode_of_stdin_or_stdout() {
    needs!("strace");
    for_every_pair(exchange_traced);
}

fn exchange_traced(source: Source, sink: Sink) {
    let server = Server::new();
    let calls = &["-e", "trace=fcntl,ioctl,dup,dup2,dup3"];
    let (trace, tool) = Trace::of(Tool::connect(server.port(), &[]), calls);
    let run = tool
        .stdin(In::Fd(source.fd))
        .stdout(Out::Fd(sink.fd))
        .start();
    let mut peer = server.accept();
    (source.feed)();
    peer.send(&RECEIVED);
    peer.half_close();
    assert_eq!(peer.recv_all(), source.brings);
    peer.close();
    run.wait().succeeds();

    let mut shared = vec![String::from("0"), String::from("1"), String::from("2")];
    for line in trace.lines() {
        let Some((call, rest)) = line.split_once('(') else {
            continue;
        };
        let fd = rest.split([',', ')']).next().unwrap_or_default().trim();
        if !shared.iter().any(|s| s == fd) {
            continue;
        }
        // A copy of a descriptor has the same description.
        if call.ends_with("dup") || rest.contains("F_DUPFD") {
            let (_, copy) = rest.rsplit_once("= ").unwrap_or_default();
            shared.push(copy.trim().into());
        }
        let changes = ["F_SETFL", "FIONBIO", "TCSET"]
            .iter()
            .any(|w| rest.contains(w));
        assert!(!changes, "{line}");
    }
}
