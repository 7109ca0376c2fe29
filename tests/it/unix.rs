//! Unix sockets: where they differ from TCP. What they have in common with it is tested over both.

use std::{
    ffi::OsStr,
    io::{ErrorKind, Read, Write},
    os::unix::net::UnixStream,
};

use crate::util::{
    Digest, Family, In, Out, Peer, Running, Server, Signal, Spot, Tool, Trace,
    data::{RandomFile, large, random_bytes},
    ms,
};

fn listening(options: &[&str]) -> (Running, Spot) {
    Tool::listen_at(Family::Unix, options).start_listening_at()
}

/// A name that nobody else has.
fn abstract_name() -> String {
    let spot = Spot::new_socket();
    format!("@{}", spot.path().display())
}

#[test]
fn an_abstract_name_needs_no_file() {
    let name = abstract_name();
    let run = Tool::oxnc(&["-lU", &name]).start();
    run.listens_on(OsStr::new(&name));
    assert!(!std::path::Path::new(&name).exists());
    Tool::oxnc(&["-lU", &name])
        .run()
        .fails(1, &[&name, "in use"]);
    let client = Tool::oxnc(&["-U", &name]).stdin(In::Bytes(b"hello".to_vec()));
    client.run().succeeds();
    run.wait().succeeds().wrote(b"hello");
    Tool::oxnc(&["-U", &name])
        .run()
        .fails(1, &[&name, "refused"]);
}

#[test]
fn the_longest_abstract_name_works_and_longer_ones_are_wrong() {
    let base = abstract_name();
    let name_of = |length: usize| format!("{base}{}", "x".repeat(length + 1 - base.len()));
    let longest = name_of(107);
    let run = Tool::oxnc(&["-lU", &longest]).start();
    run.listens_on(OsStr::new(&longest));
    Tool::oxnc(&["-NU", &longest]).run().succeeds();
    run.wait().succeeds();
    for option in ["-U", "-lU"] {
        let done = Tool::oxnc(&[option, &name_of(108)]).run();
        done.fails(2, &["-U", "longer", "107"]);
    }
}

#[test]
fn what_cannot_be_connected_to_is_named() {
    let spot = Spot::new_socket();
    let path = spot.path().to_str().unwrap();
    let refused = |why: &str| {
        let done = Tool::oxnc(&["-U", path]).run();
        done.fails(1, &["cannot connect", path, why]);
    };
    refused("No such file");
    std::fs::write(path, "").unwrap();
    refused("it is a regular file, not a socket");
    std::fs::remove_file(path).unwrap();
    drop(std::os::unix::net::UnixListener::bind(path).unwrap());
    refused("refused");
    std::fs::remove_file(path).unwrap();
    let _datagram = std::os::unix::net::UnixDatagram::bind(path).unwrap();
    refused("it is not a stream socket");
}

#[test]
fn each_v_tells_more_of_a_conversation() {
    let spot = Spot::new_socket();
    let path = spot.path().to_str().unwrap();
    let pid = std::process::id().to_string();
    for (option, lines) in [("-v", 3), ("-vv", 4)] {
        let run = Tool::listen_on(&spot, &[option]).start();
        run.stderr
            .wait_for_text(&format!("oxnc: listening on {path}\n"));
        Peer::connect(spot.clone()).close();
        let done = run.wait();
        done.exits(0);
        assert!(
            done.stderr
                .contains(&format!("oxnc: connection on {path}\n"))
        );
        assert_eq!(
            done.stderr.contains(&format!("process {pid}, user ")),
            lines == 4
        );

        let server = Server::at(spot.clone());
        let run = Tool::connect(spot.clone(), &[option]).start();
        server.accept().close();
        let done = run.wait();
        done.exits(0);
        assert!(
            done.stderr
                .contains(&format!("oxnc: connected to {path}\n"))
        );
        assert_eq!(
            done.stderr.contains(&format!("process {pid}, user ")),
            lines == 4
        );
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_client_waits_for_its_turn() {
    // A queue for one, and somebody is in it.
    let spot = Spot::new_socket();
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&socket2::SockAddr::unix(spot.path()).unwrap())
        .unwrap();
    socket.listen(0).unwrap();
    let first = Peer::connect(spot.clone());
    let bytes = In::Bytes(b"second".to_vec());
    let run = Tool::connect(spot.clone(), &[]).stdin(bytes).start();
    let late = Tool::connect(spot.clone(), &["--connect-timeout=400ms"]).run();
    late.fails(
        124,
        &[
            spot.path().to_str().unwrap(),
            "waiting",
            "--connect-timeout",
        ],
    );
    late.took_about(ms(400));
    run.runs_on_for(ms(100));
    drop(socket.accept().unwrap());
    drop(first);
    let (mut second, _) = socket.accept().unwrap();
    let mut heard = Vec::new();
    second.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, b"second");
    drop(second);
    run.wait().succeeds();
}

#[test]
fn nobody_is_let_in_beside_the_one_client() {
    // The listener is held still, so that all are there before it takes one.
    let (run, spot) = listening(&[]);
    run.signal(Signal::STOP);
    let mut first = Peer::connect(spot.clone());
    first.send(b"first");
    let others = [0, 1, 2].map(|_| {
        let bytes = In::Bytes(b"too late".to_vec());
        Tool::connect(spot.clone(), &[]).stdin(bytes).start()
    });
    // This one waits within the kernel.
    let path = spot.path().to_owned();
    let blocking = crate::util::spawn(move || UnixStream::connect(path).map(drop));
    for other in &others {
        other.runs_on_for(ms(100));
    }
    run.signal(Signal::CONT);
    first.half_close();
    for other in others {
        let done = other.wait();
        done.exits(1);
        assert!(
            done.stderr.contains("refused") || done.stderr.contains("No such file"),
            "{}",
            done.stderr
        );
    }
    let error = blocking.join().unwrap_err();
    // The kernel looks the path up again when the wait is over, and it may be gone by then.
    let kinds = [ErrorKind::ConnectionRefused, ErrorKind::NotFound];
    assert!(kinds.contains(&error.kind()), "{error}");
    run.wait().succeeds().wrote(b"first");
}

/// What a supervisor does: the listening socket is descriptor 3.
fn passed_in(server: Server, words: &[&str]) -> Tool {
    let script = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"";
    Tool::oxnc(words)
        .under(&["sh", "-c", script, "sh"])
        .stdin(In::Fd(server.into_fd()))
}

#[test]
fn a_socket_passed_in_is_listened_on_and_stays() {
    for words in [&["-l"][..], &["-lU"]] {
        let server = Server::of(Family::Unix);
        let supervisors = server.clone_socket();
        let spot = server.spot();
        let run = passed_in(server, words).start();
        let mut peer = Peer::connect(spot.clone());
        peer.send(b"hello");
        peer.half_close();
        run.wait().succeeds().wrote(b"hello");
        assert!(spot.path().exists());
        // It is not shut down either.
        let _next = Peer::connect(spot);
        supervisors.accept().unwrap();
    }
}

#[test]
fn a_socket_passed_in_has_no_port_to_print() {
    let done = passed_in(Server::of(Family::Unix), &["-l", "--print-port"]).run();
    done.fails(2, &["--print-port", "no port"]);
}

/// A mark is no data: who reads in the usual way sees what was sent, and an end.
#[test]
fn a_cut_looks_like_an_end_to_other_programs() {
    let server = Server::of(Family::Unix);
    let mut run = Tool::connect(server.spot(), &[]).stdin(In::Pipe).start();
    run.write(b"some of it");
    let mut peer = server.accept();
    assert_eq!(peer.recv(10), b"some of it");
    run.signal(Signal::TERM);
    run.wait().dies_of(Signal::TERM);
    let mut rest = Vec::new();
    peer.socket.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
}

/// There is no room for another byte, not even for the mark.
#[test]
fn a_cut_with_a_full_queue_is_a_cut() {
    let server = Server::of(Family::Unix);
    let run = Tool::connect(server.spot(), &["--idle-timeout=300ms"])
        .stdin(In::File("/dev/zero".into()))
        .start();
    let mut peer = server.accept();
    run.wait().fails(124, &["idle"]);
    let came = peer.recv_until_reset();
    assert!(came.len() > 100_000 && came.iter().all(|byte| *byte == 0));
}

#[test]
fn a_receiver_that_reads_after_a_cut_gets_what_was_sent_and_fails() {
    // The receiver is held still until all has happened.
    let (receiver, spot) = Tool::listen_at(Family::Unix, &[])
        .stdout(Out::Digest)
        .start_listening_at();
    let mut sender = Tool::connect(spot, &[]).stdin(In::Pipe).start();
    sender.write(b"x");
    receiver.stdout().wait_for(1);
    receiver.signal(Signal::STOP);
    let data = random_bytes(50_000, 21);
    sender.write(&data);
    sender.runs_on_for(ms(200));
    sender.signal(Signal::INT);
    sender.wait().dies_of(Signal::INT);
    receiver.signal(Signal::CONT);
    let done = receiver.wait();
    done.fails(3, &["reset"]);
    assert_eq!(done.digest, Digest::of(&[b"x", &data[..]].concat()));
}

/// Some program's own out-of-band byte: it is skipped, as by everybody else, and no cut.
/// SO_OOBINLINE, which would make the mark of a cut the last byte of the data.
#[test]
fn a_cut_is_a_cut_whatever_the_socket_is_set_to() {
    let (receiver, spot) = listening(&["--sockopt", "1:10:1"]);
    let mut sender = Tool::connect(spot, &[]).stdin(In::Pipe).start();
    sender.write(b"some of it");
    receiver.stdout().wait_for(10);
    sender.signal(Signal::TERM);
    sender.wait().dies_of(Signal::TERM);
    receiver.wait().fails(3, &[]).wrote(b"some of it");
}

#[test]
fn an_out_of_band_byte_in_mid_stream_is_not_a_cut() {
    for pause in [false, true] {
        let server = Server::of(Family::Unix);
        let run = Tool::connect(server.spot(), &[]).start();
        let mut peer = server.accept();
        peer.send(b"one ");
        peer.socket.send_out_of_band(b"!").unwrap();
        if pause {
            run.stdout().wait_for(4);
            run.runs_on_for(ms(200));
        }
        peer.send(b"two");
        peer.close();
        run.wait().succeeds().wrote(b"one two");
    }
}

/// A server that has heard enough answers and closes, while there is still much to send.
#[test]
fn an_answer_is_read_to_its_end_although_sending_fails() {
    let answer = random_bytes(50_000, 25);
    for n in 0..40 {
        let server = Server::of(Family::Unix);
        let file = tempfile::NamedTempFile::new().unwrap();
        // One of these is spliced to, the other is not.
        let to_file = n % 2 == 0;
        let stdout = match to_file {
            true => Out::File(file.path().to_owned()),
            false => Out::Keep,
        };
        let run = Tool::connect(server.spot(), &[])
            .stdin(In::File("/dev/zero".into()))
            .stdout(stdout)
            .start();
        let mut peer = server.accept();
        peer.recv(1 << (n / 2));
        peer.send(&answer);
        peer.close();
        let done = run.wait();
        done.fails(5, &["not delivered"]);
        let came = match to_file {
            true => std::fs::read(file.path()).unwrap(),
            false => done.stdout,
        };
        assert!(came == answer, "{} bytes of {}", came.len(), answer.len());
    }
}

#[test]
fn a_peer_that_closed_leaves_stdin_the_time_to_end() {
    // (echo quit; sleep 1) | oxnc -U ...
    let server = Server::of(Family::Unix);
    let mut run = Tool::connect(server.spot(), &[]).stdin(In::Pipe).start();
    run.write(b"quit\n");
    let mut peer = server.accept();
    assert_eq!(peer.recv(5), b"quit\n");
    peer.send(b"bye\n");
    peer.close();
    run.stdout().wait_for_end();
    run.runs_on_for(ms(500));
    run.close_stdin();
    run.wait().succeeds().wrote(b"bye\n");
}

#[test]
fn bytes_for_a_peer_that_closed_are_not_delivered() {
    let server = Server::of(Family::Unix);
    let mut run = Tool::connect(server.spot(), &[]).stdin(In::Pipe).start();
    run.write(b"one");
    let mut peer = server.accept();
    assert_eq!(peer.recv(3), b"one");
    peer.close();
    run.stdout().wait_for_end();
    run.write(b"two");
    run.wait().fails(5, &["not delivered"]);
}

#[test]
fn a_peer_that_closes_without_having_read_all_ends_the_run_at_once() {
    let server = Server::of(Family::Unix);
    let mut run = Tool::connect(server.spot(), &[]).stdin(In::Pipe).start();
    let mut peer = server.accept();
    peer.half_close();
    run.stdout().wait_for_end();
    run.write(b"one two");
    assert_eq!(peer.recv(3), b"one");
    peer.close();
    run.wait_within(ms(2000)).fails(5, &["not delivered"]);
}

#[test]
fn a_run_rests_while_stdin_is_waited_for_after_the_peer_closed() {
    needs!("strace");
    let server = Server::of(Family::Unix);
    let (trace, tool) = Trace::of(Tool::connect(server.spot(), &[]), &[]);
    let mut run = tool.stdin(In::Pipe).start();
    server.accept().close();
    run.stdout().wait_for_end();
    trace.settle();
    trace.rests_for(ms(1500));
    run.close_stdin();
    run.wait().succeeds();
}

#[test]
fn a_listener_rests() {
    needs!("strace");
    let spot = Spot::new_socket();
    let (trace, tool) = Trace::of(Tool::listen_on(&spot, &[]), &[]);
    let (run, spot) = tool.start_listening_at();
    trace.settle();
    trace.rests_for(ms(1500));
    Peer::connect(spot).close();
    run.wait().succeeds();
}

/// Calls that move payload through our memory: those that moved more than any message.
fn payload_calls(trace: &Trace) -> Vec<String> {
    let moved = |line: &String| {
        let result = line.rsplit(" = ").next()?.split(' ').next()?;
        result.parse::<u64>().ok()
    };
    let big = |line: &String| moved(line).is_some_and(|n| n > 4096);
    trace.lines().into_iter().filter(big).collect()
}

const PAYLOAD: &[&str] = &[
    "-e",
    "trace=read,readv,pread64,preadv,preadv2,write,writev,pwrite64,pwritev,pwritev2,\
     recvfrom,recvmsg,sendto,sendmsg",
];

#[test]
fn bytes_that_nobody_looks_at_do_not_enter_user_space() {
    needs!("strace");
    let file = RandomFile::new(large() / 4, 22);
    let spot = Spot::new_socket();
    let (at_receiver, tool) = Trace::of(Tool::listen_on(&spot, &[]), PAYLOAD);
    let (receiver, spot) = tool.stdout(Out::Digest).start_listening_at();
    let (at_sender, tool) = Trace::of(Tool::connect(spot, &[]), PAYLOAD);
    let sender = tool.stdin(In::File(file.path())).run();
    sender.succeeds();
    let done = receiver.wait();
    assert_eq!(done.succeeds().digest, file.digest);
    for trace in [at_sender, at_receiver] {
        assert_eq!(payload_calls(&trace), [""; 0]);
    }
}

/// Another program, with the path in the place of `{}`.
fn other(words: &[&str], spot: &Spot) -> Tool {
    let path = spot.path().to_str().unwrap();
    let tool = Tool::program(words[0], &[]);
    words[1..]
        .iter()
        .fold(tool, |tool, word| tool.arg(word.replace("{}", path)))
}

#[test]
fn other_programs_send_to_our_listener() {
    needs!("nc.openbsd", "ncat", "socat");
    let file = RandomFile::new(large() / 8, 23);
    let clients: &[&[&str]] = &[
        &["nc.openbsd", "-N", "-U", "{}"],
        &["ncat", "-U", "{}"],
        &["socat", "-", "UNIX-CONNECT:{}"],
    ];
    for words in clients {
        let tool = Tool::listen_at(Family::Unix, &[]).stdout(Out::Digest);
        let (receiver, spot) = tool.start_listening_at();
        let sender = other(words, &spot).stdin(In::File(file.path()));
        sender.run().exits(0);
        assert_eq!(receiver.wait().succeeds().digest, file.digest, "{words:?}");
    }
}

#[test]
fn other_programs_receive_from_our_client() {
    needs!("nc.openbsd", "ncat", "socat");
    let file = RandomFile::new(large() / 8, 24);
    let servers: &[&[&str]] = &[
        &["nc.openbsd", "-lU", "{}"],
        &["ncat", "-lU", "{}"],
        &["socat", "UNIX-LISTEN:{}", "-"],
    ];
    for words in servers {
        let spot = Spot::new_socket();
        let receiver = other(words, &spot).stdout(Out::Digest).start();
        receiver.listens_on(spot.path().as_os_str());
        let sender = Tool::connect(spot, &["--send-only"]).stdin(In::File(file.path()));
        sender.run().succeeds();
        assert_eq!(receiver.wait().exits(0).digest, file.digest, "{words:?}");
    }
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let table: &[(&[&str], &str)] = &[
        (&["-4U", "s"], "-4"),
        (&["-6", "-lU", "s"], "-6"),
        (&["-U", "-p", "80", "s"], "-p"),
        (&["-U", "localhost", "80"], "80"),
        (&["-lU", "s", "--print-port"], "--print-port"),
        (&["-U", "-s", "s", "t"], "-s"),
        (&["-lU", "s", "--unix-mode=9"], "--unix-mode"),
        (&["-U", "s", "--unix-mode=600"], "-l"),
    ];
    for (words, named) in table {
        Tool::oxnc(words).run().fails(2, &[named]);
    }
    // Nothing is looked up anyway.
    let (run, spot) = listening(&["-n"]);
    let mut stream = UnixStream::connect(spot.path()).unwrap();
    stream.write_all(b"hello").unwrap();
    drop(stream);
    run.wait().succeeds().wrote(b"hello");
}
