//! Listening: what it says, whom it serves, and when it is over.

use super::{End, alike};
use crate::util::{In, Peer, Signal, ms};

/// The words after which it listens on a port that the kernel chooses.
const LISTENS: &[&[&str]] = &[
    &["-lnv", "127.0.0.1", "0"],
    &["-nv", "-l", "-s", "127.0.0.1", "-p", "0"],
    &["-lnvp", "0", "-s127.0.0.1"],
    &["127.0.0.1", "0", "-vnl"],
];

#[test]
fn every_way_to_name_the_port_is_understood() {
    needs!("nc.openbsd");
    for words in LISTENS {
        alike(|nc| {
            let (run, port) = nc.listening(nc.tool(words));
            let mut peer = nc.client(port);
            peer.send(b"hello\n");
            peer.half_close();
            nc.saw(run)
        })
        .exits(0)
        .wrote(b"hello\n")
        .said(&[
            "Listening on 127.0.0.1 <1>",
            "Connection received on 127.0.0.1 <2>",
        ]);
    }
}

#[test]
fn addresses_are_told_as_names_unless_they_are_to_be_numeric() {
    needs!("nc.openbsd");
    alike(|nc| {
        let (run, port) = nc.listening(nc.tool(&["-lv", "127.0.0.1", "0"]));
        nc.client(port).close();
        nc.saw(run)
    })
    .exits(0)
    .said(&[
        "Listening on localhost <1>",
        "Connection received on localhost <2>",
    ]);
}

/// E13.
#[test]
fn an_ipv6_address_is_told_as_it_is() {
    needs!("nc.openbsd");
    let seen = alike(|nc| {
        let (run, _) = nc.listening(nc.tool(&["-lnv", "::1", "0"]));
        run.signal(Signal::INT);
        nc.saw(run)
    });
    assert_eq!(seen.end, End::Signal(Signal::INT.as_raw()), "{seen}");
    seen.said(&["Listening on ::1 <1>"]);
}

/// E14.
#[test]
fn without_an_address_it_listens_on_ipv4_alone() {
    needs!("nc.openbsd");
    alike(|nc| {
        let (run, port) = nc.listening(nc.tool(&["-lnv", "0"]));
        let six = std::net::TcpStream::connect(("::1", port));
        assert!(six.is_err(), "{six:?}");
        nc.client(port).close();
        nc.saw(run)
    })
    .exits(0)
    .said(&[
        "Listening on 0.0.0.0 <1>",
        "Connection received on 127.0.0.1 <2>",
    ]);
}

/// E14.
#[test]
fn with_6_it_serves_both_families() {
    needs!("nc.openbsd");
    for (host, shown) in [("127.0.0.1", "::ffff:127.0.0.1"), ("::1", "::1")] {
        let line = format!("Connection received on {shown} <2>");
        alike(|nc| {
            let (run, port) = nc.listening(nc.tool(&["-6lnv", "0"]));
            let host: std::net::IpAddr = host.parse().unwrap();
            let peer = Peer::connect_to((host, port));
            nc.about(peer.local().port());
            peer.close();
            nc.saw(run)
        })
        .exits(0)
        .said(&["Listening on :: <1>", &line]);
    }
}

#[test]
fn a_port_in_use_is_a_failure() {
    needs!("nc.openbsd");
    alike(|nc| {
        let port = nc.taken().to_string();
        nc.sees(nc.tool(&["-l", "127.0.0.1", &port]))
    })
    .exits(1)
    .said(&["nc: Address already in use"]);
}

#[test]
fn an_address_of_somebody_else_is_a_failure() {
    needs!("nc.openbsd");
    alike(|nc| nc.sees(nc.tool(&["-l", "192.0.2.1", "0"])))
        .exits(1)
        .said(&["nc: Cannot assign requested address"]);
}

#[test]
fn a_name_or_port_that_nobody_knows_is_a_failure() {
    needs!("nc.openbsd");
    alike(|nc| nc.sees(nc.tool(&["-ln", "localhost", "0"])))
        .exits(1)
        .said(&["nc: getaddrinfo: Name or service not known"]);
    alike(|nc| nc.sees(nc.tool(&["-l", "127.0.0.1", "nosuchservice"])))
        .exits(1)
        .said(&["nc: getaddrinfo: Servname not supported for ai_socktype"]);
}

#[test]
fn it_answers_its_client_and_leaves_with_it() {
    needs!("nc.openbsd");
    for options in [&["-l"][..], &["-lN"], &["-lq0"], &["-lw5"]] {
        alike(|nc| {
            let (mut run, port) = nc.listening(nc.listens(options).stdin(In::Pipe));
            let mut peer = nc.client(port);
            peer.send(b"ping\n");
            run.stdout().wait_for(5);
            run.write(b"pong\n");
            let heard = peer.recv(5);
            run.close_stdin();
            peer.close();
            nc.saw(run).and_heard(heard)
        })
        .exits(0)
        .wrote(b"ping\n")
        .heard(b"pong\n");
    }
}

/// E6.
#[test]
fn a_silent_client_is_left_alone() {
    needs!("nc.openbsd");
    alike(|nc| {
        let (run, port) = nc.listening(nc.listens(&["-l", "-w1"]).stdin(In::Pipe));
        // There is no limit to how long it waits for somebody.
        run.runs_on_for(ms(1300));
        let _silent = nc.client(port);
        nc.saw(run)
    })
    .exits(0)
    .wrote(b"");
}

/// E6.
#[test]
fn a_silent_client_makes_room_for_the_next() {
    needs!("nc.openbsd");
    let seen = alike(|nc| {
        let (run, port) = nc.listening(nc.listens(&["-lk", "-w1"]).stdin(In::Pipe));
        let _silent = nc.client(port);
        let mut next = nc.client(port);
        next.send(b"next\n");
        run.stdout().wait_for(5);
        nc.saw_until_now(run)
    });
    seen.wrote(b"next\n").said(&[
        "Listening on 127.0.0.1 <1>",
        "Connection received on 127.0.0.1 <2>",
        "Connection received on 127.0.0.1 <3>",
    ]);
}

/// E3.
#[test]
fn clients_are_served_in_turn_and_none_is_lost() {
    needs!("nc.openbsd");
    let seen = alike(|nc| {
        let (run, port) = nc.listening(nc.listens(&["-lk"]));
        let (mut one, mut two) = (nc.client(port), nc.client(port));
        two.send(b"2222");
        two.half_close();
        one.send(b"11");
        run.stdout().wait_for(2);
        // It is not the second one's turn.
        assert!(!run.stdout().moves_within(ms(200)));
        one.send(b"11");
        one.close();
        run.stdout().wait_for(8);
        drop(two);
        let reset = nc.client(port);
        reset.reset();
        let mut four = nc.client(port);
        four.send(b"4444");
        four.close();
        run.stdout().wait_for(12);
        nc.saw_until_now(run).whatever_it_said()
    });
    assert_eq!(seen.end, End::Signal(Signal::TERM.as_raw()), "{seen}");
    seen.wrote(b"111122224444");
}

/// E7.
#[test]
fn with_shutdown_and_nothing_to_say_each_client_gets_an_end_at_once() {
    needs!("nc.openbsd");
    alike(|nc| {
        let (run, port) = nc.listening(nc.listens(&["-lkN"]));
        for word in [b"one ", b"two "] {
            let before = run.stdout().count();
            let mut peer = nc.client(port);
            assert_eq!(peer.recv_all(), b"");
            peer.send(word);
            peer.close();
            run.stdout().wait_for(before + 4);
        }
        nc.saw_until_now(run)
    })
    .wrote(b"one two ");
}

/// E8.
#[test]
fn what_is_said_to_the_first_client_is_not_said_again() {
    needs!("nc.openbsd");
    alike(|nc| {
        let tool = nc.listens(&["-lk"]).stdin(In::Bytes(b"welcome\n".into()));
        let (run, port) = nc.listening(tool);
        let mut one = nc.client(port);
        let mut heard = one.recv(8);
        one.close();
        let mut two = nc.client(port);
        two.send(b"x");
        run.stdout().wait_for(1);
        two.half_close();
        heard.extend(two.recv_all());
        nc.saw_until_now(run).and_heard(heard)
    })
    .wrote(b"x")
    .heard(b"welcome\n");
}

/// E10, as far as it is no race.
#[test]
fn a_client_that_only_looked_ends_it() {
    needs!("nc.openbsd");
    for options in [&["-l"][..], &["-ld"], &["-lN"]] {
        alike(|nc| {
            let (run, port) = nc.listening(nc.listens(options));
            nc.client(port).close();
            nc.saw(run)
        })
        .exits(0)
        .wrote(b"");
    }
}
