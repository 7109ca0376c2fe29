//! A run that has nothing to do makes no system calls, however long that lasts.

use std::time::Duration;

use crate::util::{In, Out, Peer, Running, Server, Tool, Trace, ms, pipe};

const REST: Duration = ms(1500);

/// More than any kernel holds on the way.
const BURST: usize = 32 << 20;

/// A client of ours under strace, and its peer.
fn traced(wire: impl FnOnce(Tool) -> Tool) -> (Trace, Running, Peer) {
    let server = Server::new();
    let (trace, tool) = Trace::of(Tool::connect(server.port(), &["--on-peer-eof=drain"]), &[]);
    let run = wire(tool).start();
    (trace, run, server.accept())
}

fn rests(trace: &Trace) {
    trace.settle();
    trace.rests_for(REST);
}

#[test]
fn while_waiting_for_a_client() {
    needs!("strace");
    let (trace, tool) = Trace::of(Tool::listen(&[]), &[]);
    let (run, port) = tool.start_listening();
    rests(&trace);
    Peer::connect(port).close();
    run.wait().succeeds();
}

#[test]
fn while_connected_and_nobody_speaks() {
    needs!("strace");
    let (trace, mut run, mut peer) = traced(|t| t.stdin(In::Pipe));
    rests(&trace);
    run.close_stdin();
    assert_eq!(peer.recv_all(), b"");
    peer.close();
    run.wait().succeeds();
}

#[test]
fn after_the_end_of_stdin() {
    needs!("strace");
    let (trace, run, mut peer) = traced(|t| t.stdin(In::Bytes(b"question".to_vec())));
    assert_eq!(peer.recv_all(), b"question");
    rests(&trace);
    peer.close();
    run.wait().succeeds();
}

#[test]
fn with_nothing_to_send() {
    needs!("strace");
    let (trace, run, peer) = traced(|t| t.stdin(In::Null));
    rests(&trace);
    peer.close();
    run.wait().succeeds();
}

#[test]
fn after_the_peers_end() {
    needs!("strace");
    let (trace, mut run, mut peer) = traced(|t| t.stdin(In::Pipe));
    peer.half_close();
    rests(&trace);
    run.write(b"last");
    run.close_stdin();
    assert_eq!(peer.recv_all(), b"last");
    peer.close();
    run.wait().succeeds();
}

#[test]
fn while_the_peer_does_not_read_and_stdout_is_stalled() {
    needs!("strace");
    let (rx, tx) = pipe();
    let wire = |tool: Tool| {
        tool.stdin(In::File("/dev/zero".into()))
            .stdout(Out::Fd(tx.into()))
    };
    let (trace, run, mut peer) = traced(wire);
    // More than any buffer between here and there holds.
    peer.socket.set_write_timeout(Some(ms(500))).unwrap();
    peer.send_until_error();
    rests(&trace);
    drop(run);
    drop(rx);
}

#[test]
fn while_the_peer_does_not_read_and_stdin_is_a_full_pipe() {
    needs!("strace");
    let (trace, run, peer) = traced(|t| t.stdin(In::Bytes(vec![0; 64 << 20])));
    rests(&trace);
    drop((run, peer));
}

#[test]
fn while_a_limit_is_far_away() {
    needs!("strace");
    let server = Server::new();
    let tool = Tool::connect(server.port(), &["--idle-timeout=1h", "--max-time=1h"]);
    let (trace, tool) = Trace::of(tool, &[]);
    let run = tool.stdin(In::Pipe).start();
    let peer = server.accept();
    rests(&trace);
    peer.close();
    drop(run);
}

/// Much is waited for where much has come, but not for ever.
#[test]
fn after_the_last_byte_of_a_burst() {
    needs!("strace");
    let (trace, run, mut peer) = traced(|t| t.stdin(In::Null));
    let burst = vec![7; BURST];
    let mut sent = 0;
    for more in [0, 1, 1000] {
        peer.send(&burst);
        peer.send(&burst[..more]);
        sent += (BURST + more) as u64;
        run.stdout().wait_for(sent);
    }
    // That much was waited for, and then no longer.
    trace.wait_for("SO_RCVLOWAT, [262144]");
    trace.wait_for("SO_RCVLOWAT, [1]");
    rests(&trace);
    peer.send(b"!");
    run.stdout().wait_for(sent + 1);
    peer.close();
    run.wait().succeeds();
}

/// Nobody who sets the clock makes a limit longer or shorter.
#[test]
fn limits_count_on_a_clock_that_cannot_be_set() {
    needs!("strace");
    let server = Server::new();
    let tool = Tool::connect(server.port(), &["--idle-timeout=1h"]).stdin(In::Pipe);
    let (trace, tool) = Trace::of(tool, &["-e", "trace=timerfd_create,timerfd_settime"]);
    let run = tool.start();
    let peer = server.accept();
    trace.wait_for("timerfd_settime(");
    peer.close();
    drop(run);
    let lines = trace.lines();
    assert!(
        lines
            .iter()
            .any(|l| l.contains("timerfd_create(CLOCK_MONOTONIC")),
        "{lines:?}"
    );
    assert!(
        !lines.iter().any(|l| l.contains("CLOCK_REALTIME")),
        "{lines:?}"
    );
}
