//! `-F`: the connected socket is passed over standard output, as it would be if its receiver had
//! connected it, with every byte that has come.

use std::{
    fs::File,
    io::{ErrorKind, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::fd::OwnedFd,
};

use rustix::{
    fs::{OFlags, fcntl_getfl},
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags,
        SocketType, recvmsg, socketpair,
    },
};
use socket2::{SockRef, Socket};

use crate::util::{
    DEADLINE, Digest, Family, In, Out, Peer, Running, Server, Signal, Spot, Terminal, Tool, Trace,
    close_reader,
    data::random_bytes,
    ms, pipe,
    proxies::{KINDS, Kind},
    spawn,
};

/// A socket for standard output, and the other end of it.
struct Receiver(Socket);

impl Receiver {
    fn new() -> (Self, OwnedFd) {
        Self::of(SocketType::STREAM)
    }

    fn of(kind: SocketType) -> (Self, OwnedFd) {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, kind, flags, None).unwrap();
        let ours = Socket::from(ours);
        ours.set_read_timeout(Some(DEADLINE)).unwrap();
        (Self(ours), theirs)
    }

    /// What comes at once: bytes, and descriptors beside them.
    fn message(&self) -> (Vec<u8>, Vec<OwnedFd>) {
        let mut bytes = [0xff; 16];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let come = recvmsg(
            &self.0,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )
        .expect("a message");
        let fds = control.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => fds,
            _ => panic!("something else than descriptors"),
        });
        (bytes[..come.bytes].to_vec(), fds.collect())
    }

    /// The socket that is passed: with one byte, which is 0, and then nothing more.
    fn receive(&self) -> Socket {
        let (bytes, mut fds) = self.message();
        assert_eq!((bytes.as_slice(), fds.len()), (&b"\0"[..], 1));
        Socket::from(fds.remove(0))
    }

    fn hears_the_end(&self) {
        let (bytes, fds) = self.message();
        assert!(bytes.is_empty() && fds.is_empty(), "{bytes:?} {fds:?}");
    }
}

/// It is like a socket that was just connected.
#[track_caller]
fn is_as_new(socket: &Socket) {
    assert!(!fcntl_getfl(socket).unwrap().contains(OFlags::NONBLOCK));
    assert_eq!(socket.linger().unwrap(), None);
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
}

fn read_to_end(mut socket: &Socket) -> Vec<u8> {
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).expect("a clean end");
    bytes
}

fn start(tool: Tool) -> (Running, Receiver) {
    let (receiver, stdout) = Receiver::new();
    (tool.stdout(Out::Fd(stdout)).start(), receiver)
}

/// What it was started for is over, and the socket is used.
fn talks(run: Running, receiver: &Receiver, mut peer: Peer) {
    let socket = receiver.receive();
    run.wait().succeeds();
    receiver.hears_the_end();
    is_as_new(&socket);
    (&socket).write_all(b"question").unwrap();
    assert_eq!(peer.recv(8), b"question");
    peer.send(b"answer");
    // A close is an end, not a reset.
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(peer.recv_all(), b"");
    peer.close();
    assert_eq!(read_to_end(&socket), b"answer");
}

#[test]
fn the_socket_is_passed_with_one_byte_and_works_after_the_end() {
    for words in [&["-F"][..], &["--pass-fd"], &["-F", "-w", "5", "-n", "-4"]] {
        let server = Server::new();
        let (run, receiver) = start(Tool::connect(server.port(), words));
        talks(run, &receiver, server.accept());
    }
}

#[test]
fn a_close_of_the_passed_socket_is_an_end() {
    let server = Server::new();
    let (run, receiver) = start(Tool::connect(server.port(), &["-F"]));
    let mut peer = server.accept();
    let socket = receiver.receive();
    run.wait().succeeds();
    (&socket).write_all(b"the last words").unwrap();
    drop(socket);
    assert_eq!(peer.recv_all(), b"the last words");
}

#[test]
fn a_unix_socket_can_be_passed_too() {
    let server = Server::of(Family::Unix);
    let (run, receiver) = start(Tool::connect(server.spot(), &["-F"]));
    talks(run, &receiver, server.accept());
}

#[test]
fn every_kind_of_unix_socket_can_be_on_stdout() {
    for kind in [SocketType::STREAM, SocketType::SEQPACKET, SocketType::DGRAM] {
        let server = Server::new();
        let (receiver, stdout) = Receiver::of(kind);
        let tool = Tool::connect(server.port(), &["-F"]).stdout(Out::Fd(stdout));
        tool.run().succeeds();
        let socket = receiver.receive();
        (&socket).write_all(b"x").unwrap();
        assert_eq!(server.accept().recv(1), b"x");
    }
}

#[test]
fn what_the_server_said_first_is_still_in_the_socket() {
    let server = Server::new();
    let (run, receiver) = start(Tool::connect(server.port(), &["-F"]));
    let mut peer = server.accept();
    let banner = random_bytes(50_000, 1);
    peer.send(&banner);
    peer.close();
    run.wait().succeeds();
    assert!(read_to_end(&receiver.receive()) == banner);
}

#[test]
fn the_socket_comes_through_every_kind_of_proxy() {
    for kind in KINDS {
        let server = Server::new();
        let (run, receiver) = start(kind.tool(server.port(), &["-F"]));
        let mut peer = server.accept();
        kind.grant(&mut peer);
        talks(run, &receiver, peer);
    }
}

#[test]
fn what_comes_right_behind_a_proxys_reply_is_still_in_the_socket() {
    for kind in KINDS {
        let server = Server::new();
        let (run, receiver) = start(kind.tool(server.port(), &["-F"]));
        let mut peer = server.accept();
        let last = kind.play(&mut peer);
        let banner = random_bytes(20_000, 2);
        peer.send(&[last, &banner].concat());
        peer.close();
        run.wait().succeeds();
        let found = read_to_end(&receiver.receive());
        assert_eq!(Digest::of(&found), Digest::of(&banner), "{kind:?}");
    }
}

#[test]
fn what_comes_behind_an_interim_answer_is_still_in_the_socket() {
    let server = Server::new();
    let (run, receiver) = start(Kind::Connect.tool(server.port(), &["-F"]));
    let mut peer = server.accept();
    let interim = b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n";
    let last = Kind::Connect.play(&mut peer);
    peer.send(&[interim, last, b"SSH-2.0-x\r\n"].concat());
    peer.close();
    run.wait().succeeds();
    assert_eq!(read_to_end(&receiver.receive()), b"SSH-2.0-x\r\n");
}

#[test]
fn a_proxy_that_refuses_passes_nothing() {
    for (kind, refusal) in [
        (Kind::Socks5, &b"\x05\0\x05\x05\0\x01\0\0\0\0\0\0"[..]),
        (Kind::Connect, b"HTTP/1.1 403 Forbidden\r\n\r\nno"),
    ] {
        let server = Server::new();
        let (run, receiver) = start(kind.tool(server.port(), &["-F"]));
        let mut peer = server.accept();
        peer.send(refusal);
        let port = server.port().to_string();
        run.wait()
            .fails(1, &["cannot connect to", "the proxy", &port, "refuses"]);
        receiver.hears_the_end();
    }
}

#[test]
fn who_cannot_be_reached_is_named_and_nothing_is_passed() {
    let nobody = Spot::new_socket();
    let (run, receiver) = start(Tool::connect(nobody, &["-F"]));
    run.wait().fails(1, &["cannot connect", "No such file"]);
    receiver.hears_the_end();
}

#[test]
fn stdin_is_not_read() {
    let server = Server::new();
    let (rest, mut tx) = pipe();
    tx.write_all(b"for the receiver").unwrap();
    drop(tx);
    let stdin = In::Fd(rest.try_clone().unwrap().into());
    let (run, receiver) = start(Tool::connect(server.port(), &["-F"]).stdin(stdin));
    drop(receiver.receive());
    run.wait().succeeds();
    assert_eq!(server.accept().recv_all(), b"");
    let mut left = Vec::new();
    File::from(OwnedFd::from(rest))
        .read_to_end(&mut left)
        .unwrap();
    assert_eq!(left, b"for the receiver");
}

#[test]
fn each_v_says_that_it_was_passed() {
    let server = Server::new();
    let (run, receiver) = start(Tool::connect(server.port(), &["-F", "-v"]));
    drop(receiver.receive());
    let done = run.wait();
    done.exits(0);
    let place = format!("127.0.0.1 port {}", server.port());
    let expected = format!(
        "oxnc: connected to {place}\noxnc: passed the socket that is connected to {place}\n"
    );
    assert_eq!(done.stderr, expected);
}

#[test]
fn without_a_unix_socket_on_stdout_nobody_is_called() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::new();
    let internet = Peer::connect(Server::new().port()).socket;
    let table = [
        (Out::Keep, "is a pipe"),
        (Out::File(dir.path().join("file")), "is a regular file"),
        (Out::Null, "is a device"),
        (Out::Closed, "is closed"),
        (Out::Fd(Terminal::new().side()), "is a terminal"),
        (Out::Fd(internet.into()), "is a socket of another kind"),
    ];
    for (stdout, what) in table {
        let tool = Tool::connect(server.port(), &["-F"]).stdout(stdout);
        tool.run()
            .fails(2, &["standard output", what, "-F", "ProxyUseFdpass"]);
    }
    assert!(!server.has_client_within(ms(0)));
}

#[test]
fn a_receiver_that_has_gone_is_a_failure_of_the_output() {
    let server = Server::new();
    let (receiver, stdout) = Receiver::new();
    close_reader(receiver.0, &stdout);
    let tool = Tool::connect(server.port(), &["-F"]).stdout(Out::Fd(stdout));
    let place = format!("127.0.0.1 port {}", server.port());
    tool.run().fails(
        4,
        &["cannot pass", &place, "standard output", "Broken pipe"],
    );
    // Nobody has it, and nothing was lost.
    assert_eq!(server.accept().recv_all(), b"");
}

/// A receiver whose queue has no room for another byte.
fn full() -> (Receiver, OwnedFd) {
    let (receiver, stdout) = Receiver::new();
    let socket = SockRef::from(&stdout);
    socket.set_nonblocking(true).unwrap();
    let full = loop {
        if let Err(e) = socket.send(&[b'x'; 4096]) {
            break e;
        }
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    socket.set_nonblocking(false).unwrap();
    (receiver, stdout)
}

#[test]
fn a_receiver_that_takes_nothing_is_waited_for() {
    let server = Server::new();
    let (receiver, stdout) = full();
    let run = Tool::connect(server.port(), &["-F"])
        .stdout(Out::Fd(stdout))
        .start();
    let peer = server.accept();
    let reading = spawn(move || {
        loop {
            let (bytes, mut fds) = receiver.message();
            if let Some(fd) = fds.pop() {
                return (bytes, fd);
            }
        }
    });
    let (bytes, fd) = reading.join();
    assert_eq!(bytes.last(), Some(&0));
    run.wait().succeeds();
    drop((peer, fd));
}

#[test]
fn limits_and_signals_end_the_wait_for_a_receiver() {
    let server = Server::new();
    for option in ["--max-time=300ms", "-w0.3", "--idle-timeout=300ms"] {
        let (_receiver, stdout) = full();
        let tool = Tool::connect(server.port(), &["-F", option]).stdout(Out::Fd(stdout));
        let done = tool.run();
        done.fails(124, &["nobody took the socket", "127.0.0.1", "300ms"]);
        done.took_about(ms(300));
        // Nobody has sent anything, so that this is an end.
        assert_eq!(server.accept().recv_all(), b"");
    }
    let (_receiver, stdout) = full();
    let run = Tool::connect(server.port(), &["-F"])
        .stdout(Out::Fd(stdout))
        .start();
    drop(server.accept());
    run.runs_on_for(ms(100));
    run.signal(Signal::TERM);
    run.wait().dies_of(Signal::TERM);
}

#[test]
fn the_socket_is_that_of_the_try_that_succeeded() {
    let started = |tool: Tool, miss: &str| {
        let (calls, tool) = Trace::of(tool, &["-e", "trace=connect,getsockopt"]);
        let started = start(tool);
        calls.wait_for(miss);
        started
    };
    let options = ["-F", "--retry"];
    let server = Server::closed();
    let tool = Tool::connect(server.port(), &options);
    let (run, receiver) = started(tool, "[ECONNREFUSED]");
    server.open();
    talks(run, &receiver, server.accept());

    let spot = Spot::new_socket();
    let tool = Tool::connect(spot.clone(), &options);
    let (run, receiver) = started(tool, "ENOENT");
    talks(run, &receiver, Server::at(spot).accept());

    for kind in KINDS {
        let server = Server::closed();
        let tool = kind.tool(server.port(), &options);
        let (run, receiver) = started(tool, "[ECONNREFUSED]");
        server.open();
        let mut peer = server.accept();
        kind.grant(&mut peer);
        talks(run, &receiver, peer);
    }
}
