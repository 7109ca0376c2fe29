//! Lines of stdin: CRLF at their ends, pauses between them, one datagram each.

use std::time::Duration;

use rustix::io::ioctl_fionread;

use crate::util::{
    Family, In, Out, Peer, Running, Server, Signal, Terminal, Tool, Trace, Udp, ms, pipe,
};

/// Longer than any test may take: what waits for it never comes.
const LONG: &str = "1h";

fn bytes(text: &[u8]) -> In {
    In::Bytes(text.to_vec())
}

/// A run that has been accepted.
fn connected(family: Family, options: &[&str], stdin: In) -> (Running, Peer) {
    let server = Server::of(family);
    let run = Tool::connect(server.spot(), options).stdin(stdin).start();
    (run, server.accept())
}

#[test]
fn every_lf_is_sent_as_crlf_unless_it_has_its_cr() {
    for family in Family::ALL {
        let text = bytes(b"a\nb\r\nc\n\n\r\nend");
        let (run, mut peer) = connected(family, &["-C"], text);
        assert_eq!(peer.recv_all(), b"a\r\nb\r\nc\r\n\r\n\r\nend");
        peer.close();
        run.wait().succeeds();
    }
}

#[test]
fn a_cr_is_remembered_from_one_read_to_the_next() {
    let (mut run, mut peer) = connected(Family::Tcp, &["--crlf"], In::Pipe);
    for (piece, sent) in [
        (&b"a\r"[..], &b"a\r"[..]),
        (b"\n", b"\n"),
        (b"b", b"b"),
        (b"\n", b"\r\n"),
        (b"\r", b"\r"),
        (b"\r", b"\r"),
        (b"\n", b"\n"),
    ] {
        run.write(piece);
        assert_eq!(peer.recv(sent.len()), sent);
    }
    run.close_stdin();
    assert_eq!(peer.recv_all(), b"");
    peer.close();
    run.wait().succeeds();
}

#[test]
fn a_large_file_gets_its_line_ends_and_nothing_else() {
    let text = b"a line of text\nand a long one\r\n".repeat(100_000);
    let expected = b"a line of text\r\nand a long one\r\n".repeat(100_000);
    let (run, mut peer) = connected(Family::Tcp, &["-C"], In::Bytes(text));
    assert!(peer.recv_all() == expected);
    peer.close();
    run.wait().succeeds();
}

#[test]
fn what_is_received_stays_as_it_is() {
    let (run, mut peer) = connected(Family::Tcp, &["-C", "-i", "1"], In::Null);
    peer.send(b"a\nb\r\n\r\r\n\n");
    peer.close();
    run.wait().succeeds().wrote(b"a\nb\r\n\r\r\n\n");
}

#[test]
fn what_is_typed_is_sent_with_crlf() {
    let server = Server::new();
    let mut terminal = Terminal::new();
    let run = Tool::connect(server.port(), &["-C"])
        .stdin(In::Fd(terminal.side()))
        .start();
    let mut peer = server.accept();
    terminal.type_in("EHLO there\n");
    assert_eq!(peer.recv(12), b"EHLO there\r\n");
    terminal.type_in("\x04");
    assert_eq!(peer.recv_all(), b"");
    peer.close();
    run.wait().succeeds();
}

#[test]
fn many_clients_get_the_same_lines() {
    for family in Family::ALL {
        let tool = Tool::listen_at(family, &["-k", "-C", "-i0.3", "--accept=2"]);
        let (mut run, spot) = tool.stdin(In::Pipe).start_listening_at();
        let (mut one, mut two) = (Peer::connect(spot.clone()), Peer::connect(spot));
        for peer in [&mut one, &mut two] {
            peer.send(b"x");
        }
        run.stdout().wait_for(2);
        run.write(b"one\ntwo\r\nthree");
        run.close_stdin();
        for peer in [&mut one, &mut two] {
            assert_eq!(peer.recv_all(), b"one\r\ntwo\r\nthree");
        }
        drop((one, two));
        run.wait().succeeds();
    }
}

#[test]
fn a_line_waits_until_the_pause_is_over() {
    let (run, mut peer) = connected(Family::Tcp, &["-i", "0.7"], bytes(b"one\ntwo\nthree\n"));
    assert_eq!(peer.recv(4), b"one\n");
    peer.hears_nothing_for(ms(300));
    assert_eq!(peer.recv(4), b"two\n");
    peer.hears_nothing_for(ms(300));
    // The end is there at once.
    assert_eq!(peer.recv_all(), b"three\n");
    peer.close();
    run.wait().succeeds().took_about(ms(1400));
}

#[test]
fn a_pause_does_not_hold_back_what_is_received() {
    for keep in [false, true] {
        let options: &[&str] = if keep {
            &["-k", "-i", LONG]
        } else {
            &["-i", LONG]
        };
        let (mut run, port) = Tool::listen(options).stdin(In::Pipe).start_listening();
        let mut peer = Peer::connect(port);
        run.write(b"one\ntwo\n");
        assert_eq!(peer.recv(4), b"one\n");
        for n in 1..4 {
            peer.send(b"answer");
            run.stdout().wait_for(n * 6);
        }
        run.signal(Signal::TERM);
        // Stdin had not ended.
        assert_eq!(peer.recv_until_reset(), b"");
        run.wait().dies_of(Signal::TERM);
    }
}

#[test]
fn the_end_of_stdin_ends_a_pause() {
    for family in Family::ALL {
        let (mut run, mut peer) = connected(family, &["-i", LONG], In::Pipe);
        run.write(b"only\n");
        assert_eq!(peer.recv(5), b"only\n");
        run.close_stdin();
        assert_eq!(peer.recv_all(), b"");
        peer.close();
        run.wait().succeeds();
    }
    let (mut run, port) = Tool::listen(&["-k", "-i", LONG, "--accept=1"])
        .stdin(In::Pipe)
        .start_listening();
    let mut peer = Peer::connect(port);
    run.write(b"only\n");
    assert_eq!(peer.recv(5), b"only\n");
    run.close_stdin();
    assert_eq!(peer.recv_all(), b"");
    peer.close();
    run.wait().succeeds();
}

#[test]
fn a_line_in_the_making_is_passed_on() {
    let (mut run, mut peer) = connected(Family::Tcp, &["-i", LONG], In::Pipe);
    for piece in [&b"log"[..], b"in: ", b"me"] {
        run.write(piece);
        assert_eq!(peer.recv(piece.len()), piece);
    }
    run.close_stdin();
    assert_eq!(peer.recv_all(), b"");
    peer.close();
    run.wait().succeeds();
}

#[test]
fn a_peer_that_has_ended_still_gets_every_line() {
    let (run, mut peer) = connected(Family::Tcp, &["-i0.3"], bytes(b"one\ntwo\nthree\n"));
    assert_eq!(peer.recv(4), b"one\n");
    peer.send(b"enough");
    peer.half_close();
    assert_eq!(peer.recv_all(), b"two\nthree\n");
    peer.close();
    run.wait().succeeds().wrote(b"enough");
}

#[test]
fn a_pause_is_no_idle_time() {
    let text = || bytes(b"one\ntwo\nthree\n");
    let (run, mut peer) = connected(Family::Tcp, &["-i", "1", "-w", "0.4"], text());
    assert_eq!(peer.recv_all(), b"one\ntwo\nthree\n");
    peer.close();
    run.wait().succeeds();
    let server = Udp::new();
    let run = Tool::connect(server.port(), &["-u", "-i", "1", "-w", "0.4"]).stdin(text());
    let run = run.start();
    for line in [&b"one\n"[..], b"two\n", b"three\n"] {
        assert_eq!(server.recv(), line);
    }
    run.wait().succeeds().took_about(ms(2400));
}

#[test]
fn idle_time_begins_when_the_pause_is_over() {
    let options = ["-i", "0.5", "-w", "0.5"];
    let (mut run, mut peer) = connected(Family::Tcp, &options, In::Pipe);
    run.write(b"one\n");
    assert_eq!(peer.recv(4), b"one\n");
    run.runs_on_for(ms(700));
    run.wait().fails(124, &["500ms"]);
}

/// The clock of a pause starts when a line is on its way, not when it was read.
#[test]
fn a_pause_begins_when_the_line_is_sent() {
    let server = Server::with_small_window();
    let long = [&vec![b'x'; 8 << 20][..], b"\n"].concat();
    let text = [&long[..], b"two\n"].concat();
    let run = Tool::connect(server.port(), &["-i", "1"]).stdin(In::Bytes(text));
    let run = run.start();
    let mut peer = server.accept();
    peer.recv(1);
    run.runs_on_for(ms(1200));
    peer.recv(long.len() - 1);
    peer.hears_nothing_for(ms(400));
    assert_eq!(peer.recv_all(), b"two\n");
    peer.close();
    run.wait().succeeds();
}

#[test]
fn a_pause_takes_nothing_that_nobody_would_get_and_makes_no_system_calls() {
    needs!("strace");
    for keep in [false, true] {
        let (rx, tx) = pipe();
        let left = rx.try_clone().unwrap();
        let options: &[&str] = if keep {
            &["-k", "-i", LONG]
        } else {
            &["-i", LONG]
        };
        let (trace, tool) = Trace::of(Tool::listen(options), &[]);
        let (run, port) = tool.stdin(In::Fd(rx.into())).start_listening();
        let mut peer = Peer::connect(port);
        rustix::io::write(&tx, b"one\ntwo\n").unwrap();
        assert_eq!(peer.recv(4), b"one\n");
        rustix::io::write(&tx, &[b'x'; 1000]).unwrap();
        trace.settle();
        trace.rests_for(ms(700));
        assert_eq!(ioctl_fionread(&left).unwrap(), 1000);
        run.signal(Signal::TERM);
        run.wait().dies_of(Signal::TERM);
    }
}

#[test]
fn a_line_is_a_datagram_with_its_end_inside() {
    for (options, end) in [(&["-C"][..], "\r\n"), (&["-i", "0.01"], "\n")] {
        let server = Udp::new();
        let run = Tool::connect(server.port(), &["-u", "-w0"]).args(options);
        let mut run = run.stdin(In::Pipe).start();
        run.write(b"one\ntwo\n\nth");
        for line in ["one", "two", ""] {
            assert_eq!(server.recv(), format!("{line}{end}").as_bytes());
        }
        run.write(b"r");
        server.hears_nothing_for(ms(200));
        run.write(b"ee\nlast");
        assert_eq!(server.recv(), format!("three{end}").as_bytes());
        server.hears_nothing_for(ms(200));
        run.close_stdin();
        assert_eq!(server.recv(), b"last");
        run.wait().succeeds();
    }
}

#[test]
fn a_line_that_is_too_long_for_a_datagram_comes_in_several() {
    let server = Udp::new();
    Tool::connect(server.port(), &["-uC", "-w0", "--datagram-size=4"])
        .stdin(bytes(b"12345678\nab\n123\n"))
        .run()
        .succeeds();
    for piece in ["1234", "5678", "\r\n", "ab\r\n", "123\r", "\n"] {
        assert_eq!(server.recv(), piece.as_bytes());
    }
    let server = Udp::new();
    let long = [&vec![b'x'; 65_507][..], b"y\n"].concat();
    let run = Tool::connect(server.port(), &["-uC", "-w0"]).stdin(In::Bytes(long));
    run.run().succeeds();
    assert!(server.recv() == vec![b'x'; 65_507]);
    assert_eq!(server.recv(), b"y\r\n");
}

#[test]
fn datagrams_of_a_receiver_are_lines_too() {
    let (mut run, port) = Tool::listen(&["-uk", "-C", "-i", "0.2"])
        .stdin(In::Pipe)
        .start_listening();
    let (one, two) = (Udp::to(port), Udp::to(port));
    one.send(b"1");
    two.send(b"2");
    run.stdout().wait_for(2);
    run.write(b"a\nb\n");
    for peer in [&one, &two] {
        assert_eq!(peer.recv(), b"a\r\n");
        assert_eq!(peer.recv(), b"b\r\n");
    }
    run.signal(Signal::TERM);
    run.wait().dies_of(Signal::TERM);
}

#[test]
fn receiving_is_as_fast_as_ever_with_lines() {
    needs!("strace");
    let server = Server::new();
    let (trace, tool) = Trace::of(Tool::connect(server.port(), &["-C"]), &[]);
    let (rx, tx) = pipe();
    let run = tool.stdin(In::Null).stdout(Out::Fd(tx.into())).start();
    let mut peer = server.accept();
    peer.send(b"received\n");
    peer.close();
    run.wait_within(Duration::from_secs(20)).succeeds();
    drop(rx);
    let spliced = trace.lines().iter().any(|line| line.contains("splice("));
    assert!(spliced, "no zero-copy");
}
