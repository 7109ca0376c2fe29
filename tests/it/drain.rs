//! When the peer has ended and our input has not: to the last byte, unless nobody can want it.

use std::{fs::File, io::Write, os::unix::net::UnixStream, time::Duration};

use crate::util::{Family, In, Net, Peer, Running, Server, Terminal, Tool, fifo, ms, pipe, spawn};

const SILENCE: Duration = ms(300);

/// A client of ours whose stdin is an open pipe, and a server that plays its part.
fn client(family: Family, options: &[&str], play: impl FnOnce(Peer) -> Peer) -> (Running, Peer) {
    let server = Server::of(family);
    let run = Tool::connect(server.spot(), options)
        .stdin(In::Pipe)
        .start();
    let peer = play(server.accept());
    (run, peer)
}

/// A listener of ours whose stdin is an open pipe, and a client that plays its part.
fn listener(family: Family, options: &[&str], play: impl FnOnce(Peer) -> Peer) -> (Running, Peer) {
    let tool = Tool::listen_at(family, options).stdin(In::Pipe);
    let (run, spot) = tool.start_listening_at();
    (run, play(Peer::connect(spot)))
}

fn half_closes(peer: Peer) -> Peer {
    peer.half_close();
    peer
}

fn answers_and_half_closes(mut peer: Peer) -> Peer {
    peer.send(b"answer");
    peer.half_close();
    peer
}

/// What a program that takes its time writes.
fn produce_slowly(run: &mut Running) {
    let mut stdin = run.take_stdin();
    spawn(move || {
        for line in ["one\n", "two\n", "three\n"] {
            std::thread::sleep(ms(150));
            stdin.write_all(line.as_bytes()).unwrap();
        }
    });
}

#[test]
fn a_slow_producer_loses_nothing_to_a_server_that_half_closed_at_once() {
    for family in Family::ALL {
        let (mut run, mut peer) = client(family, &[], half_closes);
        produce_slowly(&mut run);
        assert_eq!(peer.recv_all(), b"one\ntwo\nthree\n");
        peer.close();
        run.wait().succeeds();
    }
}

#[test]
fn a_slow_producer_loses_nothing_to_a_client_that_half_closed_at_once() {
    for family in Family::ALL {
        let (mut run, mut peer) = listener(family, &[], half_closes);
        produce_slowly(&mut run);
        assert_eq!(peer.recv_all(), b"one\ntwo\nthree\n");
        peer.close();
        run.wait().succeeds();
    }
}

#[test]
fn a_slow_producer_loses_nothing_to_a_client_that_spoke_and_half_closed() {
    for family in Family::ALL {
        let (mut run, mut peer) = listener(family, &[], answers_and_half_closes);
        produce_slowly(&mut run);
        assert_eq!(peer.recv_all(), b"one\ntwo\nthree\n");
        peer.close();
        run.wait().succeeds().wrote(b"answer");
    }
}

#[test]
fn a_slow_producer_that_has_begun_loses_nothing_to_a_server_that_answered() {
    for family in Family::ALL {
        let (mut run, mut peer) = client(family, &[], |peer| peer);
        run.write(b"zero\n");
        assert_eq!(peer.recv(5), b"zero\n");
        let mut peer = answers_and_half_closes(peer);
        produce_slowly(&mut run);
        assert_eq!(peer.recv_all(), b"one\ntwo\nthree\n");
        peer.close();
        run.wait().succeeds().wrote(b"answer");
    }
}

#[test]
fn a_slow_producer_between_two_oxncs_loses_nothing() {
    for (server_in, client_in) in [
        (In::Bytes(Vec::new()), In::Pipe),
        (In::Pipe, In::Bytes(Vec::new())),
    ] {
        let server_sends = matches!(server_in, In::Pipe);
        let (mut server, port) = Tool::listen(&[]).stdin(server_in).start_listening();
        let mut client = Tool::connect(port, &[]).stdin(client_in).start();
        produce_slowly(if server_sends {
            &mut server
        } else {
            &mut client
        });
        let (server, client) = (server.wait(), client.wait());
        let (sender, receiver) = if server_sends {
            (server, client)
        } else {
            (client, server)
        };
        sender.succeeds().wrote(b"");
        receiver.succeeds().wrote(b"one\ntwo\nthree\n");
    }
}

#[test]
fn a_server_that_answered_and_left_ends_a_client_with_an_idle_pipe_on_stdin() {
    for family in Family::ALL {
        let (run, peer) = client(family, &[], |mut peer| {
            peer.send(b"answer");
            peer
        });
        peer.close();
        // The pipe on stdin stays open.
        run.wait_within(ms(2000)).succeeds().wrote(b"answer");
    }
}

#[test]
fn a_server_that_answered_and_left_ends_a_client_with_an_idle_socket_on_stdin() {
    let server = Server::new();
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let run = Tool::connect(server.port(), &[])
        .stdin(In::Fd(theirs.into()))
        .start();
    let mut peer = server.accept();
    peer.send(b"answer");
    peer.close();
    run.wait_within(ms(2000)).succeeds().wrote(b"answer");
}

#[test]
fn a_fifo_on_stdin_is_somebodys_and_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = fifo(dir.path());
    let server = Server::new();
    // Opened for both, so that neither side waits for the other to open.
    let mut writer = File::options().read(true).write(true).open(&path).unwrap();
    let run = Tool::connect(server.port(), &[])
        .stdin(In::File(path))
        .start();
    let mut peer = answers_and_half_closes(server.accept());
    run.runs_on_for(SILENCE);
    writer.write_all(b"late but wanted").unwrap();
    drop(writer);
    assert_eq!(peer.recv_all(), b"late but wanted");
    peer.close();
    run.wait().succeeds().wrote(b"answer");
}

#[test]
fn bytes_that_wait_in_stdins_pipe_are_sent_although_the_server_left_first() {
    // The bytes are in the pipe before the run begins, and the peer's end comes at once.
    let server = Server::new();
    let (rx, mut tx) = pipe();
    tx.write_all(b"already here").unwrap();
    let run = Tool::connect(server.port(), &[])
        .stdin(In::Fd(rx.into()))
        .start();
    let mut peer = answers_and_half_closes(server.accept());
    assert_eq!(peer.recv(12), b"already here");
    run.runs_on_for(SILENCE);
    drop(tx);
    assert_eq!(peer.recv_all(), b"");
    peer.close();
    run.wait().succeeds().wrote(b"answer");
}

#[test]
fn a_listener_with_an_idle_pipe_waits_for_it() {
    for family in Family::ALL {
        let (mut run, mut peer) = listener(family, &[], answers_and_half_closes);
        run.runs_on_for(SILENCE);
        run.write(b"reply");
        run.close_stdin();
        assert_eq!(peer.recv_all(), b"reply");
        peer.close();
        run.wait().succeeds().wrote(b"answer");
    }
}

#[test]
fn a_terminal_on_stdin_ends_with_the_peer() {
    let terminal = Terminal::new();
    let before = terminal.settings();
    let server = Server::new();
    let run = Tool::connect(server.port(), &[])
        .stdin(In::Fd(terminal.side()))
        .start();
    let peer = server.accept();
    peer.close();
    run.wait_within(ms(2000)).succeeds();

    let (run, port) = Tool::listen(&[])
        .stdin(In::Fd(terminal.side()))
        .start_listening();
    Peer::connect(port).close();
    run.wait_within(ms(2000)).succeeds();
    assert_eq!(terminal.settings(), before);
}

#[test]
fn a_terminal_on_stdin_ends_with_the_peer_even_after_lines_were_typed() {
    let mut terminal = Terminal::new();
    let server = Server::new();
    let run = Tool::connect(server.port(), &[])
        .stdin(In::Fd(terminal.side()))
        .start();
    let mut peer = server.accept();
    terminal.type_in("hello\n");
    assert_eq!(peer.recv(6), b"hello\n");
    peer.send(b"goodbye\n");
    peer.close();
    run.wait_within(ms(2000)).succeeds().wrote(b"goodbye\n");
}

#[test]
fn the_end_of_input_typed_at_a_terminal_is_an_end() {
    let mut terminal = Terminal::new();
    let server = Server::new();
    let run = Tool::connect(server.port(), &[])
        .stdin(In::Fd(terminal.side()))
        .start();
    let mut peer = server.accept();
    terminal.type_in("hello\n\x04");
    assert_eq!(peer.recv_all(), b"hello\n");
    peer.send(b"reply");
    peer.close();
    run.wait().succeeds().wrote(b"reply");
}

#[test]
fn on_peer_eof_exit_ends_with_the_peer() {
    for family in Family::ALL {
        let (run, peer) = client(family, &["--on-peer-eof=exit"], half_closes);
        run.wait_within(ms(2000)).succeeds();
        drop(peer);
        let (run, peer) = listener(family, &["--on-peer-eof=exit"], answers_and_half_closes);
        run.wait_within(ms(2000)).succeeds().wrote(b"answer");
        drop(peer);
    }
}

#[test]
fn on_peer_eof_drain_waits_for_the_last_byte() {
    for family in Family::ALL {
        let (mut run, mut peer) = client(family, &["--on-peer-eof=drain"], answers_and_half_closes);
        run.runs_on_for(SILENCE);
        run.write(b"last");
        run.close_stdin();
        assert_eq!(peer.recv_all(), b"last");
        peer.close();
        run.wait().succeeds().wrote(b"answer");
    }
}

#[test]
fn on_peer_eof_drain_holds_for_a_terminal() {
    let mut terminal = Terminal::new();
    let server = Server::new();
    let run = Tool::connect(server.port(), &["--on-peer-eof=drain"])
        .stdin(In::Fd(terminal.side()))
        .start();
    let mut peer = answers_and_half_closes(server.accept());
    run.runs_on_for(SILENCE);
    terminal.type_in("last\n\x04");
    assert_eq!(peer.recv_all(), b"last\n");
    peer.close();
    run.wait().succeeds().wrote(b"answer");
}

/// Keepalive asks 10 s after the peer's end; the namespace forgets closed sockets after 1 s
/// instead of 60, so the answer is a reset.
#[test]
fn a_peer_that_closed_is_found_gone_while_draining() {
    needs!("root");
    let net = Net::new();
    net.sh("echo 1 > /proc/sys/net/ipv4/tcp_fin_timeout");
    let runs = [&b""[..], b"delivered"].map(|delivered| {
        let server = net.inside(Server::new);
        let mut run = net
            .tool(Tool::connect(server.port(), &[]))
            .stdin(In::Pipe)
            .start();
        let mut peer = server.accept();
        if !delivered.is_empty() {
            run.write(delivered);
        }
        assert_eq!(peer.recv(delivered.len()), delivered);
        peer.close();
        run
    });
    let [silent, spoke] = runs;
    // One that never delivered a byte has nothing to lose.
    silent.wait_within(ms(16_000)).succeeds();
    spoke.wait_within(ms(16_000)).fails(5, &[]);
}

#[test]
fn a_dead_host_is_found_while_draining() {
    needs!("root", "nft");
    let (near, far) = Net::pair();
    let runs = [&b""[..], b"delivered"].map(|delivered| {
        let server =
            far.inside(|| Server::on("192.0.2.2:0".parse::<std::net::SocketAddr>().unwrap()));
        let port = server.port().to_string();
        let mut run = near
            .tool(Tool::oxnc(&["192.0.2.2", &port]))
            .stdin(In::Pipe)
            .start();
        let mut peer = server.accept();
        if !delivered.is_empty() {
            run.write(delivered);
        }
        assert_eq!(peer.recv(delivered.len()), delivered);
        peer.half_close();
        run.stdout().wait_for_end();
        (run, peer)
    });
    // Nothing arrives any more, not even the dead host's last FIN once more.
    near.drop_input("meta l4proto tcp drop");
    far.drop_input("meta l4proto tcp drop");
    let [(silent, _one), (spoke, _two)] = runs;
    silent.wait_within(ms(32_000)).succeeds();
    spoke.wait_within(ms(32_000)).fails(5, &[]);
}
