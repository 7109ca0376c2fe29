//! What the end of our input means to the peer, and what the peer's end means to our stdout.

use std::{io::Read, net::Shutdown, os::unix::net::UnixStream, time::Duration};

use crate::util::{
    Collector, Family, In, Out, Peer, Running, Server, Signal, Tool, close_reader,
    data::random_bytes, ms, pipe,
};

/// Long enough to see that something does not happen.
const SILENCE: Duration = ms(300);

/// Every way of getting a connection, one after the other, for rules that hold for all.
fn connected(
    options: &[&str],
    wire: impl Fn(Tool) -> Tool,
) -> impl Iterator<Item = (Running, Peer)> {
    let ways = Family::ALL
        .into_iter()
        .flat_map(|f| [(f, false), (f, true)]);
    ways.map(move |(family, listens)| {
        if listens {
            let tool = wire(Tool::listen_at(family, options));
            let (run, spot) = tool.start_listening_at();
            (run, Peer::connect(spot))
        } else {
            let server = Server::of(family);
            let run = wire(Tool::connect(server.spot(), options)).start();
            (run, server.accept())
        }
    })
}

#[test]
fn the_end_of_stdin_is_passed_on_after_its_last_byte() {
    for (run, mut peer) in connected(&[], |t| t.stdin(In::Bytes(b"last words".to_vec()))) {
        assert_eq!(peer.recv_all(), b"last words");
        peer.close();
        run.wait().succeeds();
    }
}

#[test]
fn a_reply_that_comes_long_after_our_end_is_complete() {
    for (run, mut peer) in connected(&[], |t| t.stdin(In::Bytes(b"question".to_vec()))) {
        assert_eq!(peer.recv_all(), b"question");
        // The peer thinks.
        std::thread::sleep(ms(1500));
        peer.send(b"answer");
        peer.close();
        run.wait().succeeds().wrote(b"answer");
    }
}

#[test]
fn a_reply_in_pieces_after_our_end_is_complete() {
    for (run, mut peer) in connected(&[], |t| t.stdin(In::Bytes(b"question".to_vec()))) {
        assert_eq!(peer.recv_all(), b"question");
        for piece in ["one ", "two ", "three"] {
            peer.send(piece.as_bytes());
            std::thread::sleep(ms(100));
        }
        peer.close();
        run.wait().succeeds().wrote(b"one two three");
    }
}

#[test]
fn dev_null_on_stdin_means_nothing_to_send_and_no_fin_before_the_end() {
    says_nothing_until_the_end(&[], || In::Null);
}

#[test]
fn a_closed_stdin_means_nothing_to_send_and_no_fin_before_the_end() {
    says_nothing_until_the_end(&[], || In::Closed);
}

#[test]
fn no_stdin_means_nothing_to_send_and_no_fin_before_the_end() {
    says_nothing_until_the_end(&["-d"], || In::Bytes(b"not to be sent".to_vec()));
}

#[test]
fn recv_only_means_nothing_to_send_and_no_fin_before_the_end() {
    says_nothing_until_the_end(&["--recv-only"], || In::Bytes(b"not to be sent".to_vec()));
}

fn says_nothing_until_the_end(options: &[&str], input: fn() -> In) {
    for (run, mut peer) in connected(options, |tool| tool.stdin(input())) {
        peer.send(b"payload");
        run.stdout().wait_for(7);
        peer.hears_nothing_for(SILENCE);
        peer.half_close();
        assert_eq!(peer.recv_all(), b"");
        run.wait().succeeds().wrote(b"payload");
    }
}

#[test]
fn shutdown_forces_the_fin_although_there_is_nothing_to_send() {
    for (run, mut peer) in connected(&["-N"], |t| t.stdin(In::Null)) {
        assert_eq!(peer.recv_all(), b"");
        peer.send(b"late");
        peer.close();
        run.wait().succeeds().wrote(b"late");
    }
    for (run, mut peer) in connected(&["-N", "-d"], |t| t.stdin(In::Pipe)) {
        assert_eq!(peer.recv_all(), b"");
        peer.close();
        run.wait().succeeds();
    }
}

#[test]
fn no_shutdown_keeps_our_half_open_until_the_peer_ends() {
    for (run, mut peer) in connected(&["--no-shutdown"], |t| t.stdin(In::Bytes(b"data".to_vec()))) {
        assert_eq!(peer.recv(4), b"data");
        peer.hears_nothing_for(SILENCE);
        peer.send(b"reply");
        peer.half_close();
        assert_eq!(peer.recv_all(), b"");
        run.wait().succeeds().wrote(b"reply");
    }
}

/// Git closes both ways of its proxy command and waits for it; the server behind waits for the end.
#[test]
fn no_shutdown_holds_nothing_back_once_the_reader_of_stdout_has_gone() {
    let ends = std::cell::RefCell::new(Vec::new());
    let wire = |tool: Tool| {
        let (rx, tx) = pipe();
        ends.borrow_mut().push((rx, tx.try_clone().unwrap()));
        tool.stdin(In::Bytes(b"data".to_vec()))
            .stdout(Out::Fd(tx.into()))
    };
    for (run, mut peer) in connected(&["--no-shutdown"], wire) {
        let (mut rx, tx) = ends.borrow_mut().remove(0);
        assert_eq!(peer.recv(4), b"data");
        peer.send(b"reply");
        rx.read_exact(&mut [0; 5]).unwrap();
        peer.hears_nothing_for(SILENCE);
        close_reader(rx, &tx);
        drop(tx);
        assert_eq!(peer.recv_all(), b"");
        peer.close();
        run.wait().succeeds();
    }
}

#[test]
fn an_empty_file_on_stdin_has_an_end_that_is_passed_on() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for (run, mut peer) in connected(&[], |t| t.stdin(In::File(file.path().into()))) {
        assert_eq!(peer.recv_all(), b"");
        peer.close();
        run.wait().succeeds();
    }
}

#[test]
fn the_peers_end_closes_stdout_while_we_go_on_sending() {
    let wire = |tool: Tool| tool.stdin(In::Pipe);
    for (mut run, mut peer) in connected(&["--on-peer-eof=drain"], wire) {
        peer.send(b"all there is");
        peer.half_close();
        // The next program in the pipeline sees its end of input now, not when we end.
        run.stdout().wait_for_end();
        run.write(b"more");
        assert_eq!(peer.recv(4), b"more");
        run.close_stdin();
        assert_eq!(peer.recv_all(), b"");
        run.wait().succeeds().wrote(b"all there is");
    }
}

#[test]
fn the_peers_end_shuts_down_a_socket_that_is_stdin_and_stdout() {
    let ends = std::cell::RefCell::new(Vec::new());
    let wire = |tool: Tool| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let both = |s: &UnixStream| s.try_clone().unwrap().into();
        let tool = tool
            .stdin(In::Fd(both(&theirs)))
            .stdout(Out::Fd(both(&theirs)));
        // The test keeps `theirs` open: only a shutdown can end what `ours` reads.
        ends.borrow_mut().push((ours, theirs));
        tool
    };
    for (run, mut peer) in connected(&[], wire) {
        let (ours, theirs) = ends.borrow_mut().remove(0);
        peer.send(b"from the peer");
        peer.half_close();
        let heard = Collector::keeping(ours.try_clone().unwrap());
        heard.wait_for_end();
        assert_eq!(heard.so_far(), b"from the peer");
        ours.shutdown(Shutdown::Write).unwrap();
        assert_eq!(peer.recv_all(), b"");
        run.wait().succeeds();
        drop(theirs);
    }
}

#[test]
fn a_socket_on_stdin_and_stdout_carries_both_directions() {
    let server = Server::new();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let run = Tool::connect(server.port(), &[])
        .stdin(In::Fd(theirs.try_clone().unwrap().into()))
        .stdout(Out::Fd(theirs.into()))
        .start();
    let mut peer = server.accept();
    std::io::Write::write_all(&mut ours, b"there").unwrap();
    assert_eq!(peer.recv(5), b"there");
    peer.send(b"and back");
    ours.shutdown(Shutdown::Write).unwrap();
    assert_eq!(peer.recv_all(), b"");
    peer.close();
    let heard = Collector::keeping(ours);
    heard.wait_for_end();
    assert_eq!(heard.so_far(), b"and back");
    run.wait().succeeds();
}

#[test]
fn quit_after_ends_the_run_when_nothing_more_comes() {
    for (run, mut peer) in connected(&["-q", "300ms"], |t| t.stdin(In::Bytes(b"x".to_vec()))) {
        assert_eq!(peer.recv_all(), b"x");
        let done = run.wait();
        done.succeeds();
        assert!(done.took >= ms(300), "{:?}", done.took);
        assert!(done.took < ms(3000), "{:?}", done.took);
        peer.close();
    }
}

#[test]
fn quit_after_counts_from_the_last_byte_that_came() {
    for (run, mut peer) in connected(&["-q", "0.5"], |t| t.stdin(In::Bytes(b"x".to_vec()))) {
        assert_eq!(peer.recv_all(), b"x");
        for _ in 0..5 {
            std::thread::sleep(ms(200));
            peer.send(b".");
        }
        run.wait().succeeds().wrote(b".....");
    }
}

#[test]
fn quit_after_zero_is_a_fin_and_no_more() {
    for (run, mut peer) in connected(&["-q", "0"], |t| t.stdin(In::Bytes(b"x".to_vec()))) {
        assert_eq!(peer.recv_all(), b"x");
        run.runs_on_for(SILENCE);
        peer.send(b"reply");
        peer.close();
        run.wait().succeeds().wrote(b"reply");
    }
}

#[test]
fn a_negative_quit_after_waits_for_the_peer() {
    for (run, mut peer) in connected(&["-q", "-1"], |t| t.stdin(In::Bytes(b"x".to_vec()))) {
        assert_eq!(peer.recv_all(), b"x");
        run.runs_on_for(SILENCE);
        peer.close();
        run.wait().succeeds();
    }
}

#[test]
fn two_ends_with_nothing_to_send_wait_for_each_other() {
    let (server, port) = Tool::listen(&["--max-time=600ms"]).start_listening();
    let client = Tool::connect(port, &["--max-time=5s"]).start();
    client.runs_on_for(SILENCE);
    server.wait().fails(124, &[]);
    drop(client);
}

#[test]
fn with_w_the_run_ends_after_so_many_reads() {
    let server = Server::new();
    let run = Tool::connect(server.port(), &["-W", "2"])
        .stdin(In::Pipe)
        .start();
    let mut peer = server.accept();
    peer.send(b"one ");
    run.stdout().wait_for(4);
    peer.send(b"two");
    // It neither waits for the peer's end nor for stdin's.
    run.wait().succeeds().wrote(b"one two");
    assert_eq!(peer.recv_all(), b"");
}

#[test]
fn w_does_not_keep_what_stdin_has_from_being_sent() {
    let server = Server::new();
    let question = random_bytes(1 << 20, 3);
    let run = Tool::connect(server.port(), &["-W", "1"])
        .stdin(In::Bytes(question.clone()))
        .start();
    let mut peer = server.accept();
    assert!(peer.recv(question.len()) == question);
    peer.send(b"answer");
    run.wait().succeeds().wrote(b"answer");
    assert_eq!(peer.recv_all(), b"");
}

/// splice(2) stops at urgent data as if nothing were there, or the end.
#[test]
fn urgent_data_is_data_in_its_place() {
    let (before, after) = (random_bytes(100_000, 1), random_bytes(100_000, 2));
    for ends in [false, true] {
        let server = Server::new();
        let run = Tool::connect(server.port(), &[]).stdin(In::Null).start();
        let mut peer = server.accept();
        peer.send(&before);
        peer.socket.send_out_of_band(b"!").unwrap();
        peer.send(&after);
        if ends {
            peer.half_close();
        }
        run.stdout().wait_for(200_001);
        peer.close();
        let done = run.wait();
        done.succeeds().wrote(&[&before[..], b"!", &after].concat());
    }
}

/// The peer says nothing that would tell.
#[test]
fn a_reader_that_left_ends_a_run_that_only_waits() {
    for options in [&[][..], &["-N"], &["--no-shutdown"]] {
        let server = Server::new();
        let (rx, tx) = pipe();
        let run = Tool::connect(server.port(), options)
            .stdin(In::Bytes(b"question".into()))
            .stdout(Out::Fd(tx.into()))
            .start();
        let mut peer = server.accept();
        assert_eq!(peer.recv(8), b"question");
        drop(rx);
        run.wait().succeeds();
        // Nothing was cut: that had been said.
        assert_eq!(peer.recv_all(), b"", "{options:?}");
    }
    for options in [&[][..], &["-N"]] {
        let server = Server::new();
        let (rx, tx) = pipe();
        let run = Tool::connect(server.port(), options)
            .stdin(In::Null)
            .stdout(Out::Fd(tx.into()))
            .start();
        let peer = server.accept();
        drop(rx);
        run.wait().dies_of(Signal::PIPE);
        drop(peer);
    }
}
