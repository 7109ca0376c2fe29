//! Datagrams: who is heard, who is answered, and what ends it.

use super::alike;
use crate::util::{In, Udp};

/// The first line of many scripts: send this, wait a little, leave.
#[test]
fn a_datagram_is_sent_and_then_it_leaves() {
    needs!("nc.openbsd");
    for options in [&["-u", "-w1"][..], &["-uq0"], &["-nuq0"]] {
        alike(|nc| {
            let peer = Udp::new();
            let tool = nc.to(nc.about(peer.port()), options);
            let run = tool.stdin(In::Bytes(b"m:1|c\n".into())).start();
            let heard = peer.recv();
            nc.saw(run).and_heard(heard)
        })
        .exits(0)
        .wrote(b"")
        .heard(b"m:1|c\n")
        .said(&[]);
    }
}

#[test]
fn an_answer_is_written() {
    needs!("nc.openbsd");
    alike(|nc| {
        let peer = Udp::new();
        let tool = nc.to(nc.about(peer.port()), &["-u", "-w1"]);
        let run = tool.stdin(In::Bytes(b"question\n".into())).start();
        let (heard, from) = peer.recv_from();
        peer.send_to(b"an", from);
        peer.send_to(b"swer\n", from);
        nc.saw(run).and_heard(heard)
    })
    .exits(0)
    .wrote(b"answer\n")
    .heard(b"question\n");
}

/// U12.
#[test]
fn a_limit_of_datagrams_ends_it() {
    needs!("nc.openbsd");
    alike(|nc| {
        let peer = Udp::new();
        let tool = nc.to(nc.about(peer.port()), &["-u", "-W1"]);
        let run = tool.stdin(In::Bytes(b"question\n".into())).start();
        let (heard, from) = peer.recv_from();
        peer.send_to(b"one\n", from);
        peer.send_to(b"two\n", from);
        nc.saw(run).and_heard(heard)
    })
    .exits(0)
    .wrote(b"one\n");
}

#[test]
fn each_line_of_a_dialogue_is_a_datagram() {
    needs!("nc.openbsd");
    let seen = alike(|nc| {
        let peer = Udp::new();
        let tool = nc.to(nc.about(peer.port()), &["-u"]).stdin(In::Pipe);
        let mut run = tool.start();
        let mut heard = Vec::new();
        for line in ["one\n", "two\n"] {
            run.write(line.as_bytes());
            let (datagram, from) = peer.recv_from();
            heard.extend(datagram);
            let before = run.stdout().count();
            peer.send_to(b"ok\n", from);
            run.stdout().wait_for(before + 3);
        }
        nc.saw_until_now(run).and_heard(heard)
    });
    seen.wrote(b"ok\nok\n").heard(b"one\ntwo\n");
}

/// U7, as far as it is no race.
#[test]
fn a_listener_hears_and_answers_its_first_client() {
    needs!("nc.openbsd");
    let seen = alike(|nc| {
        let (mut run, port) = nc.listening(nc.listens(&["-lu"]).stdin(In::Pipe));
        let (first, other) = (Udp::to(port), Udp::to(port));
        nc.about(first.port());
        first.send(b"A1 ");
        run.stdout().wait_for(3);
        // It has taken the first one: others are refused.
        other.send(b"C1 ");
        assert!(other.0.recv(&mut [0; 9]).is_err());
        first.send(b"A2 ");
        run.stdout().wait_for(6);
        run.write(b"answer\n");
        let heard = first.recv();
        nc.saw_until_now(run).and_heard(heard)
    });
    seen.wrote(b"A1 A2 ").heard(b"answer\n").said(&[
        "Bound on 127.0.0.1 <1>",
        "Connection received on 127.0.0.1 <2>",
    ]);
}

#[test]
fn a_listener_that_is_kept_open_hears_everybody() {
    needs!("nc.openbsd");
    let seen = alike(|nc| {
        let (run, port) = nc.listening(nc.listens(&["-klu"]));
        for (n, word) in [b"one ", b"two ", b"3   "].into_iter().enumerate() {
            Udp::to(port).send(word);
            run.stdout().wait_for(4 * (n as u64 + 1));
        }
        nc.saw_until_now(run)
    });
    seen.wrote(b"one two 3   ")
        .said(&["Bound on 127.0.0.1 <1>"]);
}

#[test]
fn a_listener_is_left_alone_by_a_silent_client() {
    needs!("nc.openbsd");
    alike(|nc| {
        let (run, port) = nc.listening(nc.listens(&["-luw1"]).stdin(In::Pipe));
        Udp::to(port).send(b"once\n");
        nc.saw(run).whatever_it_said()
    })
    .exits(0)
    .wrote(b"once\n");
}

/// As log sinks are started.
#[test]
fn the_port_of_a_listener_may_be_an_option() {
    needs!("nc.openbsd");
    let seen = alike(|nc| {
        let tool = nc.tool(&["-klu", "-nv", "-s", "127.0.0.1", "-p", "0"]);
        let (run, port) = nc.listening(tool);
        Udp::to(port).send(b"line\n");
        run.stdout().wait_for(5);
        nc.saw_until_now(run)
    });
    seen.wrote(b"line\n").said(&["Bound on 127.0.0.1 <1>"]);
}
