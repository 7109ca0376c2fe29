//! Sending and nothing else, and what a sender can know about what it sent.

use crate::util::{Family, In, Peer, Running, Server, Tool, data::random_bytes, ms};

const MIB: usize = 1 << 20;

/// A sender of `data`, connecting and listening, over TCP and over a Unix socket.
fn senders(options: &[&str], data: &[u8]) -> impl Iterator<Item = (Running, Peer)> {
    let ways = Family::ALL
        .into_iter()
        .flat_map(|f| [(f, false), (f, true)]);
    ways.map(move |(family, listens)| {
        let bytes = In::Bytes(data.to_vec());
        if listens {
            let tool = Tool::listen_at(family, options).stdin(bytes);
            let (run, spot) = tool.start_listening_at();
            (run, Peer::connect(spot))
        } else {
            let server = Server::of(family);
            let run = Tool::connect(server.spot(), options).stdin(bytes).start();
            (run, server.accept())
        }
    })
}

#[test]
fn everything_arrives_at_a_slow_reader_that_said_something_first() {
    let data = random_bytes(MIB, 7);
    for (run, mut peer) in senders(&["--send-only"], &data) {
        peer.send(b"220 welcome to a server with a banner\r\n");
        let mut arrived = Vec::new();
        while arrived.len() < data.len() {
            let n = (data.len() - arrived.len()).min(128 << 10);
            arrived.extend(peer.recv(n));
            std::thread::sleep(ms(20));
        }
        assert!(arrived == data);
        assert_eq!(peer.recv_all(), b"");
        peer.close();
        run.wait().succeeds().wrote(b"");
    }
}

#[test]
fn what_the_peer_says_is_discarded_however_much_it_is() {
    let data = random_bytes(MIB, 8);
    for (run, mut peer) in senders(&["--send-only"], &data) {
        peer.send(&random_bytes(4 * MIB, 9));
        assert!(peer.recv_all() == data);
        peer.send(&random_bytes(MIB, 10));
        peer.close();
        run.wait().succeeds().wrote(b"");
    }
}

#[test]
fn a_peer_that_never_closes_is_waited_for_until_linger_runs_out() {
    for (run, mut peer) in senders(&["--send-only", "--linger=700ms"], b"all of it") {
        assert_eq!(peer.recv_all(), b"all of it");
        let done = run.wait();
        done.succeeds();
        assert!(
            done.took >= ms(700) && done.took < ms(3000),
            "{:?}",
            done.took
        );
        peer.close();
    }
}

#[test]
fn a_peer_that_closes_ends_it_at_once() {
    for (run, mut peer) in senders(&["--send-only"], b"all of it") {
        assert_eq!(peer.recv_all(), b"all of it");
        peer.close();
        let done = run.wait();
        done.succeeds();
        assert!(done.took < ms(5000), "{:?}", done.took);
    }
}

#[test]
fn a_peer_that_resets_after_our_end_has_not_taken_it() {
    for (run, mut peer) in senders(&["--send-only"], b"all of it") {
        assert_eq!(peer.recv(1), b"a");
        peer.reset();
        run.wait().fails(5, &[]);
    }
}

#[test]
fn a_fin_is_sent_although_there_is_nothing_to_send() {
    let server = Server::new();
    let run = Tool::connect(server.port(), &["--send-only"]).start();
    let mut peer = server.accept();
    assert_eq!(peer.recv_all(), b"");
    peer.close();
    run.wait().succeeds();
}

#[test]
fn a_peer_that_never_reads_and_closes_has_not_taken_it() {
    let data = random_bytes(100_000, 11);
    for options in [&[][..], &["--send-only"]] {
        for (run, peer) in senders(options, &data) {
            // Long enough for the peer's kernel to acknowledge it all.
            run.runs_on_for(ms(100));
            peer.close();
            run.wait().fails(5, &[]);
        }
    }
}

#[test]
fn bytes_in_the_accept_queue_of_a_server_that_dies_were_not_taken() {
    for family in Family::ALL {
        for options in [&[][..], &["--send-only"]] {
            let server = Server::of(family);
            let data = In::Bytes(random_bytes(100_000, 12));
            let run = Tool::connect(server.spot(), options).stdin(data).start();
            assert!(server.has_client_within(ms(5000)));
            run.runs_on_for(ms(100));
            drop(server);
            run.wait().fails(5, &[]);
        }
    }
}

#[test]
fn a_peer_that_closes_in_mid_stream_has_not_taken_it() {
    let data = random_bytes(64 * MIB, 13);
    for options in [&[][..], &["--send-only"]] {
        for (run, mut peer) in senders(options, &data) {
            peer.recv(MIB);
            peer.close();
            run.wait_within(ms(5000)).fails(5, &[]);
        }
    }
}

#[test]
fn a_peer_that_half_closes_goes_on_getting_everything() {
    let data = random_bytes(8 * MIB, 14);
    for options in [&[][..], &["--send-only"]] {
        for (run, mut peer) in senders(options, &data) {
            peer.half_close();
            assert!(peer.recv_all() == data);
            peer.close();
            run.wait().succeeds();
        }
    }
}

/// A reader may pause for longer than the peer's kernel may take to acknowledge.
#[test]
fn a_reader_that_pauses_gets_everything() {
    let data = random_bytes(16 * MIB, 15);
    let mut runs = Vec::new();
    for options in [&["--linger=2s"][..], &["--linger=2s", "--send-only"]] {
        runs.extend(senders(options, &data));
    }
    for (_, peer) in &mut runs {
        peer.recv(MIB);
    }
    std::thread::sleep(ms(3500));
    for (run, mut peer) in runs {
        assert!(peer.recv_all() == data[MIB..]);
        peer.close();
        run.wait().succeeds();
    }
}

/// Everything is handed to the kernel, and most of it can go no further.
#[test]
fn a_tail_that_is_not_acknowledged_is_not_delivered() {
    let data = random_bytes(100_000, 16);
    let server = Server::with_small_window();
    let run = Tool::connect(server.port(), &["--send-only", "--linger=700ms"])
        .stdin(In::Bytes(data))
        .start();
    let peer = server.accept();
    let done = run.wait();
    done.fails(5, &[]);
    assert!(
        done.took >= ms(700) && done.took < ms(3000),
        "{:?}",
        done.took
    );
    drop(peer);
}

#[test]
fn a_tail_that_is_acknowledged_late_is_delivered() {
    let data = random_bytes(100_000, 17);
    let server = Server::with_small_window();
    let run = Tool::connect(server.port(), &["--linger=700ms"])
        .stdin(In::Bytes(data.clone()))
        .start();
    let mut peer = server.accept();
    run.runs_on_for(ms(1200));
    assert!(peer.recv_all() == data);
    peer.close();
    run.wait().succeeds();
}

#[test]
fn without_linger_nobody_waits_for_acknowledgements() {
    let server = Server::new();
    let run = Tool::connect(server.port(), &["--send-only", "--linger=0"])
        .stdin(In::Bytes(vec![b'x'; 100_000]))
        .start();
    let mut peer = server.accept();
    run.wait_within(ms(2000)).succeeds();
    assert_eq!(peer.recv_all().len(), 100_000);
}

#[test]
fn without_linger_a_transfer_goes_on_as_ever() {
    let server = Server::new();
    let run = Tool::connect(server.port(), &["--linger=0"])
        .stdin(In::Bytes(vec![b'x'; 3_000_000]))
        .start();
    let mut peer = server.accept();
    assert_eq!(peer.recv_all().len(), 3_000_000);
    peer.send(b"answer");
    peer.close();
    run.wait().succeeds().wrote(b"answer");
}
