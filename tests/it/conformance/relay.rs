//! The two directions of a connection: what is passed on, in which order, and when it is over.

use super::{End, Nc, alike};
use crate::util::{
    In, Out, Peer, Running, Signal, Tool,
    data::{RandomFile, random_bytes},
    ms,
};

/// It, connected to the server of the case, with this on its stdin.
fn connected(nc: &Nc, options: &[&str], stdin: In) -> (Running, Peer) {
    let server = nc.server();
    let run = nc.to(server.port(), options).stdin(stdin).start();
    let peer = nc.accepted(&server);
    (run, peer)
}

/// C1.
#[test]
fn the_end_of_stdin_is_not_passed_on() {
    needs!("nc.openbsd");
    alike(|nc| {
        let (run, mut peer) = connected(nc, &[], In::Bytes(b"hi\n".into()));
        let heard = peer.recv(3);
        peer.hears_nothing_for(ms(300));
        peer.send(b"late\n");
        peer.close();
        nc.saw(run).and_heard(heard)
    })
    .exits(0)
    .wrote(b"late\n")
    .said(&[]);
}

/// C2.
#[test]
fn the_end_of_stdin_is_passed_on_with_shutdown() {
    needs!("nc.openbsd");
    for options in [
        &["-N"][..],
        &["-q0"],
        &["-q", "1"],
        &["-Nq-1"],
        &["-Nv", "-n"],
    ] {
        alike(|nc| {
            let (run, mut peer) = connected(nc, options, In::Bytes(b"hi\n".into()));
            let heard = peer.recv_all();
            peer.send(b"one\n");
            run.stdout().wait_for(4);
            peer.send(b"two\n");
            peer.close();
            nc.saw(run).and_heard(heard)
        })
        .exits(0)
        .wrote(b"one\ntwo\n")
        .heard(b"hi\n");
    }
}

#[test]
fn nothing_to_send_is_no_reason_to_leave() {
    needs!("nc.openbsd");
    for options in [&[][..], &["-d"]] {
        alike(|nc| {
            let (run, mut peer) = connected(nc, options, In::Null);
            peer.hears_nothing_for(ms(200));
            peer.send(b"all of it\n");
            peer.close();
            nc.saw(run)
        })
        .exits(0)
        .wrote(b"all of it\n");
    }
}

/// C3: with `-d`, `nc` leaves when the server has.
#[test]
fn a_server_that_leaves_ends_it_unless_it_waits_for_stdin() {
    needs!("nc.openbsd");
    alike(|nc| {
        let (run, mut peer) = connected(nc, &["-d"], In::Pipe);
        peer.send(b"bye\n");
        peer.close();
        nc.saw(run)
    })
    .exits(0)
    .wrote(b"bye\n");
}

/// Both directions at once, and what was sent before the other side's end arrives.
#[test]
fn what_is_still_to_be_sent_is_sent_after_the_server_has_ended() {
    needs!("nc.openbsd");
    let bytes = random_bytes(3_000_000, 1);
    alike(|nc| {
        let (run, mut peer) = connected(nc, &["-N"], In::Bytes(bytes.clone()));
        // Until something has come from stdin, a server that has left ends it (see `differences`).
        let mut heard = peer.recv(1000);
        peer.send(b"I say no more\n");
        peer.half_close();
        heard.extend(peer.recv_all());
        nc.saw(run).and_heard(heard)
    })
    .exits(0)
    .wrote(b"I say no more\n")
    .heard(&bytes);
}

#[test]
fn small_writes_in_both_directions_keep_their_order() {
    needs!("nc.openbsd");
    alike(|nc| {
        let (mut run, mut peer) = connected(nc, &["-N"], In::Pipe);
        let mut heard = Vec::new();
        for n in 0..32 {
            let word = format!("{n} ");
            run.write(word.as_bytes());
            heard.extend(peer.recv(word.len()));
            let before = run.stdout().count();
            peer.send(word.as_bytes());
            run.stdout().wait_for(before + word.len() as u64);
        }
        run.close_stdin();
        heard.extend(peer.recv_all());
        peer.close();
        nc.saw(run).and_heard(heard)
    })
    .exits(0);
}

/// C16.
#[test]
fn silence_ends_it_as_if_all_were_well() {
    needs!("nc.openbsd");
    alike(|nc| {
        let (run, _peer) = connected(nc, &["-w1"], In::Pipe);
        nc.saw(run)
    })
    .exits(0)
    .wrote(b"")
    .said(&[]);
}

/// C17.
#[test]
fn the_limit_is_one_of_silence_not_of_time() {
    needs!("nc.openbsd");
    alike(|nc| {
        let (run, mut peer) = connected(nc, &["-w1"], In::Pipe);
        for byte in b"123" {
            peer.hears_nothing_for(ms(450));
            peer.send(&[*byte]);
        }
        nc.saw(run)
    })
    .exits(0)
    .wrote(b"123");
}

/// What is sent counts as well: the probe of a script that waits for an answer.
#[test]
fn a_limit_of_silence_lets_an_answer_come() {
    needs!("nc.openbsd");
    alike(|nc| {
        let (run, mut peer) = connected(nc, &["-w", "2"], In::Bytes(b"ruok\n".into()));
        let heard = peer.recv(5);
        peer.send(b"imok");
        peer.close();
        nc.saw(run).and_heard(heard)
    })
    .exits(0)
    .wrote(b"imok")
    .heard(b"ruok\n");
}

/// C19.
#[test]
fn a_limit_of_reads_ends_it() {
    needs!("nc.openbsd");
    alike(|nc| {
        let (run, mut peer) = connected(nc, &["-W2"], In::Pipe);
        peer.send(b"0");
        run.stdout().wait_for(1);
        peer.send(b"1");
        nc.saw(run)
    })
    .exits(0)
    .wrote(b"01");
}

/// C25.
#[test]
fn a_signal_ends_it_without_a_word() {
    needs!("nc.openbsd");
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let seen = alike(|nc| {
            let (run, mut peer) = connected(nc, &[], In::Pipe);
            peer.send(b"x");
            run.stdout().wait_for(1);
            run.signal(signal);
            nc.saw(run)
        });
        assert_eq!(seen.end, End::Signal(signal.as_raw()), "{seen}");
        seen.wrote(b"x").said(&[]);
    }
}

/// The rows of the transfer matrix in which everything arrives, and both ends leave.
#[test]
fn files_arrive_whole() {
    needs!("nc.openbsd");
    let file = RandomFile::new(5_000_000, 5);
    // Who listens, who connects, and whether it is the listener that sends.
    let table = [
        (&["-l"][..], &["-N"][..], false),
        (&["-l"], &["-q1"], false),
        (&["-dl"], &["-N"], false),
        (&["-lN"], &["-N"], false),
        (&["-lN"], &[], false),
        (&["-lN"], &[], true),
        (&["-lN"], &["-d"], true),
        (&["-lN"], &["-w", "20"], true),
        (&["-l", "-q0"], &["-d"], true),
    ];
    for (listens, connects, listener_sends) in table {
        let wired = |tool: Tool, sends: bool| match sends {
            true => tool.stdin(In::File(file.path())),
            false => tool.stdout(Out::Digest),
        };
        alike(|nc| {
            let (listener, port) = nc.listening(wired(nc.listens(listens), listener_sends));
            let client = wired(nc.to(port, connects), !listener_sends).run();
            let listener = listener.wait();
            let receiver = if listener_sends { &client } else { &listener };
            assert_eq!(
                receiver.digest, file.digest,
                "{} | {}",
                listener.line, client.line
            );
            listener.exits(0);
            nc.saw_end(client)
        })
        .exits(0)
        .said(&[]);
    }
}

/// The rows in which everything arrives, but one end waits for the other: nobody passes an end on.
#[test]
fn without_shutdown_both_ends_wait() {
    needs!("nc.openbsd");
    let file = RandomFile::new(5_000_000, 6);
    alike(|nc| {
        let listens = nc.listens(&["-l"]).stdin(In::File(file.path()));
        let (listener, port) = nc.listening(listens);
        let client = nc.to(port, &[]).stdout(Out::Digest).start();
        client.stdout().wait_for(file.digest.bytes);
        client.runs_on_for(ms(300));
        listener.runs_on_for(ms(1));
        assert_eq!(client.stdout().count(), file.digest.bytes);
        nc.saw_until_now(listener).whatever_it_said()
    });
}
