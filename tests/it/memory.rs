//! What a run holds in memory does not grow with what passes through it or piles up before it.

use std::fs;

use crate::util::{In, Out, Peer, Running, Server, Tool, data::large, ms, pipe};

/// One buffer a direction, and what the kernel and the allocator make of it.
const ALLOWED: u64 = 6 << 20;

/// The most memory that it has held so far.
fn peak(run: &Running) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", run.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}

/// A run that has passed on a single byte each way.
fn begun(wire: impl FnOnce(Tool) -> Tool) -> (Running, Peer) {
    let server = Server::new();
    let run = wire(Tool::connect(server.port(), &[])).start();
    let mut peer = server.accept();
    peer.recv(1);
    peer.send(b"x");
    (run, peer)
}

#[test]
fn a_long_transfer_takes_no_more_than_a_short_one() {
    let wire = |tool: Tool| tool.stdin(In::File("/dev/zero".into())).stdout(Out::Digest);
    let (run, mut peer) = begun(wire);
    run.stdout().wait_for(1);
    let before = peak(&run);
    let chunk = vec![0; 1 << 20];
    let rounds = large() >> 20;
    for _ in 0..rounds {
        peer.send(&chunk);
        peer.recv(chunk.len());
    }
    run.stdout().wait_for((rounds << 20) + 1);
    let grown = peak(&run) - before;
    assert!(grown <= ALLOWED, "{grown} bytes more");
}

#[test]
fn a_stalled_run_stops_reading() {
    let (rx, tx) = pipe();
    let wire = |tool: Tool| {
        tool.stdin(In::File("/dev/zero".into()))
            .stdout(Out::Fd(tx.into()))
    };
    let (run, mut peer) = begun(wire);
    let before = peak(&run);
    // Neither stdout nor the peer is read from here on, and both inputs are endless.
    peer.socket.set_write_timeout(Some(ms(700))).unwrap();
    peer.send_until_error();
    let grown = peak(&run) - before;
    assert!(grown <= ALLOWED, "{grown} bytes more");
    drop(rx);
}
