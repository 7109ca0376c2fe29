//! A cut is never passed on as an end: whoever is interrupted resets the connection, and the
//! other side knows.

use crate::util::{
    Family, In, Out, Peer, Running, Server, Signal, SmallDisk, Terminal, Tool, data::random_bytes,
    ms, pipe,
};

/// A sender that has delivered some bytes and is waiting for more from its stdin, and its
/// receiver: with the sender connecting and with the sender listening, over TCP and over a Unix
/// socket.
fn pairs(sender_options: &[&str], receiver_options: &[&str]) -> Vec<(Running, Running)> {
    let mut pairs = Vec::new();
    for family in Family::ALL {
        let (receiver, spot) = Tool::listen_at(family, receiver_options).start_listening_at();
        let sender = Tool::connect(spot, sender_options).stdin(In::Pipe).start();
        pairs.push((sender, receiver));
        let listening = Tool::listen_at(family, sender_options).stdin(In::Pipe);
        let (listening, spot) = listening.start_listening_at();
        pairs.push((listening, Tool::connect(spot, receiver_options).start()));
    }
    for (sender, receiver) in &mut pairs {
        sender.write(b"some of it");
        receiver.stdout().wait_for(10);
    }
    pairs
}

#[test]
fn a_sender_interrupted_by_sigint_makes_its_receiver_fail() {
    interrupted_sender(Signal::INT);
}

#[test]
fn a_sender_ended_by_sigterm_makes_its_receiver_fail() {
    interrupted_sender(Signal::TERM);
}

#[test]
fn a_sender_that_lost_its_terminal_makes_its_receiver_fail() {
    interrupted_sender(Signal::HUP);
}

fn interrupted_sender(signal: Signal) {
    for (sender, receiver) in pairs(&[], &[]) {
        sender.signal(signal);
        sender.wait().dies_of(signal);
        receiver.wait().fails(3, &["reset"]).wrote(b"some of it");
    }
}

#[test]
fn a_receiver_that_is_interrupted_makes_its_sender_fail() {
    for family in Family::ALL {
        for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
            let (receiver, spot) = Tool::listen_at(family, &[])
                .stdout(Out::Digest)
                .start_listening_at();
            let sender = Tool::connect(spot, &[])
                .stdin(In::File("/dev/zero".into()))
                .start();
            receiver.stdout().wait_for(1 << 20);
            receiver.signal(signal);
            receiver.wait().dies_of(signal);
            sender.wait().fails(5, &[]);
        }
    }
}

#[test]
fn a_receiver_interrupted_after_all_came_but_before_the_end_makes_its_sender_fail() {
    for signal in [Signal::INT, Signal::TERM] {
        for (mut sender, receiver) in pairs(&[], &[]) {
            receiver.signal(signal);
            receiver.wait().dies_of(signal);
            sender.close_stdin();
            sender.wait().fails(5, &[]);
        }
    }
}

#[test]
fn an_idle_limit_on_a_sender_is_a_cut() {
    for (sender, receiver) in pairs(&["--idle-timeout=300ms"], &[]) {
        sender.wait().fails(124, &["idle"]);
        receiver.wait().fails(3, &["reset"]).wrote(b"some of it");
    }
}

#[test]
fn a_total_limit_on_a_sender_is_a_cut() {
    for (sender, receiver) in pairs(&["--max-time=500ms"], &[]) {
        sender.wait().fails(124, &[]);
        receiver.wait().fails(3, &["reset"]).wrote(b"some of it");
    }
}

#[test]
fn an_idle_limit_on_a_receiver_makes_its_sender_fail() {
    for (mut sender, receiver) in pairs(&[], &["--idle-timeout=300ms"]) {
        receiver.wait().fails(124, &["idle"]).wrote(b"some of it");
        sender.close_stdin();
        sender.wait().fails(5, &[]);
    }
}

#[test]
fn a_limit_does_not_end_a_run_that_moves() {
    let server = Server::new();
    let run = Tool::connect(server.port(), &["--idle-timeout=500ms"]).start();
    let mut peer = server.accept();
    for _ in 0..6 {
        std::thread::sleep(ms(200));
        peer.send(b".");
    }
    peer.close();
    run.wait().succeeds().wrote(b"......");
}

#[test]
fn an_idle_limit_ends_a_run_in_which_nothing_moves_in_time() {
    for family in Family::ALL {
        let server = Server::of(family);
        let run = Tool::connect(server.spot(), &["--idle-timeout=700ms"]).start();
        let peer = server.accept();
        run.wait().fails(124, &["idle"]).took_about(ms(700));
        drop(peer);
    }
}

#[test]
fn a_total_limit_ends_a_run_that_moves() {
    let server = Server::new();
    let run = Tool::connect(server.port(), &["--max-time=700ms"])
        .stdout(Out::Null)
        .start();
    let mut peer = server.accept();
    peer.send_until_error();
    run.wait().fails(124, &[]).took_about(ms(700));
}

#[test]
fn w_is_the_idle_limit_too() {
    let server = Server::new();
    let run = Tool::connect(server.port(), &["-w", "0.5"]).start();
    let peer = server.accept();
    run.wait().fails(124, &[]).took_about(ms(500));
    drop(peer);
}

#[test]
fn a_person_who_interrupts_a_conversation_says_goodbye() {
    for family in Family::ALL {
        // Stdin is a terminal: what was typed is complete, and the peer gets an end, not a cut.
        let mut terminal = Terminal::new();
        let server = Server::of(family);
        let run = Tool::connect(server.spot(), &[])
            .stdin(In::Fd(terminal.side()))
            .start();
        let mut peer = server.accept();
        terminal.type_in("hello\n");
        assert_eq!(peer.recv(6), b"hello\n");
        run.signal(Signal::INT);
        run.wait().dies_of(Signal::INT);
        assert_eq!(peer.recv_all(), b"");
    }
}

#[test]
fn a_signal_ends_a_listener_that_waits() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let (run, _port) = Tool::listen(&[]).start_listening();
        run.signal(signal);
        let done = run.wait();
        done.dies_of(signal);
        assert!(done.stderr.lines().count() <= 1, "{}", done.stderr);
    }
}

#[test]
fn a_signal_that_was_ignored_before_the_start_stays_ignored() {
    let server = Server::new();
    for (name, signal) in [("HUP", Signal::HUP), ("INT", Signal::INT)] {
        let script = format!("trap '' {name}; exec \"$@\"");
        let tool = Tool::connect(server.port(), &[]).under(&["sh", "-c", &script, "sh"]);
        let run = tool.start();
        let peer = server.accept();
        run.signal(signal);
        run.runs_on_for(ms(300));
        peer.close();
        run.wait().succeeds();
    }
}

#[test]
fn an_unreadable_stdin_is_a_failure_and_a_cut() {
    for family in Family::ALL {
        // A directory opens and cannot be read.
        let (receiver, spot) = Tool::listen_at(family, &[]).start_listening_at();
        let sender = Tool::connect(spot, &[]).stdin(In::File("/".into())).run();
        sender.fails(4, &["directory"]);
        receiver.wait().fails(3, &["reset"]);
    }
}

#[test]
fn a_full_disk_ends_both_ends_as_failed() {
    for family in Family::ALL {
        needs!("root");
        let data = random_bytes(1 << 20, 6);
        for sender_listens in [false, true] {
            let disk = SmallDisk::new("64k");
            let file = disk.file("out");
            let receiver = |tool: Tool| tool.stdout(Out::File(file.clone()));
            let sender = |tool: Tool| tool.stdin(In::Bytes(data.clone()));
            let (sender, receiver) = if sender_listens {
                let (sender, spot) = sender(Tool::listen_at(family, &[])).start_listening_at();
                (sender, receiver(Tool::connect(spot, &[])).start())
            } else {
                let (receiver, spot) = receiver(Tool::listen_at(family, &[])).start_listening_at();
                (sender(Tool::connect(spot, &[])).start(), receiver)
            };
            receiver.wait().fails(4, &["no space left"]);
            sender.wait().fails(5, &[]);
            // The file keeps what was written.
            assert_eq!(std::fs::read(&file).unwrap(), data.get(..64 << 10).unwrap());
        }
    }
}

#[test]
fn a_sender_of_little_knows_that_its_receiver_could_not_write_it() {
    for family in Family::ALL {
        // Everything is acknowledged by the peer's kernel long before the peer tries to write.
        for sender_listens in [false, true] {
            let data = || In::Bytes(b"a few bytes".to_vec());
            let (sender, receiver) = if sender_listens {
                let (sender, spot) = Tool::listen_at(family, &[])
                    .stdin(data())
                    .start_listening_at();
                (sender, Tool::connect(spot, &[]).stdout(Out::Full).start())
            } else {
                let (receiver, spot) = Tool::listen_at(family, &[])
                    .stdout(Out::Full)
                    .start_listening_at();
                (Tool::connect(spot, &[]).stdin(data()).start(), receiver)
            };
            receiver.wait().fails(4, &["no space left"]);
            sender.wait().fails(5, &[]);
        }
    }
}

#[test]
fn a_reader_that_leaves_cuts_the_sender_off() {
    for family in Family::ALL {
        let (rx, tx) = pipe();
        let (receiver, spot) = Tool::listen_at(family, &[])
            .stdout(Out::Fd(tx.into()))
            .start_listening_at();
        let sender = Tool::connect(spot, &[])
            .stdin(In::File("/dev/zero".into()))
            .start();
        drop(rx);
        let done = receiver.wait();
        done.dies_of(Signal::PIPE);
        assert_eq!(done.stderr, "");
        sender.wait().fails(5, &[]);
    }
}

#[test]
fn an_output_that_fails_resets_the_peer() {
    for family in Family::ALL {
        let server = Server::of(family);
        let run = Tool::connect(server.spot(), &[]).stdout(Out::Full).start();
        let mut peer = server.accept();
        peer.send(b"x");
        peer.recv_until_reset();
        run.wait().fails(4, &["no space left"]);
    }
}

#[test]
fn a_killed_sender_leaves_a_prefix() {
    // Plain TCP: the kernel ends the connection of a process that is gone, and nobody can tell
    // that from the end of the data. All that can be asked for is a prefix, and an end.
    for (sender, receiver) in pairs(&[], &[]) {
        sender.signal(Signal::KILL);
        sender.wait().dies_of(Signal::KILL);
        let done = receiver.wait();
        done.wrote(b"some of it");
        assert!(matches!(done.status.code(), Some(0 | 3)), "{}", done.status);
    }
}

#[test]
fn nobodys_bytes_are_taken_beside_the_one_client() {
    let (run, port) = Tool::listen(&[]).start_listening();
    let mut first = Peer::connect(port);
    first.send(b"first");
    run.stdout().wait_for(5);
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let second = std::net::TcpStream::connect_timeout(&address, ms(3000));
    assert!(second.is_err(), "a second client was let in");
    first.close();
    run.wait().succeeds().wrote(b"first");
}

#[test]
fn a_client_that_came_too_late_is_refused_and_not_acknowledged() {
    // The listener is held still, so that both clients are there before it takes one.
    let (run, port) = Tool::listen(&[]).start_listening();
    run.signal(Signal::STOP);
    let mut first = Peer::connect(port);
    first.send(b"first");
    let second = Tool::connect(port, &[])
        .stdin(In::Bytes(b"second".to_vec()))
        .start();
    second.runs_on_for(ms(300));
    run.signal(Signal::CONT);
    first.half_close();
    second.wait().fails(1, &["refused"]);
    assert_eq!(first.recv_all(), b"");
    run.wait().succeeds().wrote(b"first");
}
