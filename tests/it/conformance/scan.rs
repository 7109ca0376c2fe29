//! Testing ports (`-z`): which are open, what is said of them, and the exit status for all.

use std::{io::Read as _, net::SocketAddr};

use super::{
    Nc, Seen, alike,
    differences::{dies_of, differences, exits},
};
use crate::util::{In, Net, Server, Signal, Spot};

/// A namespace in which these ports of 127.0.0.1 are open and all others closed.
struct Ports {
    net: Net,
    _open: Vec<Server>,
}

impl Ports {
    fn open(ports: &'static [u16]) -> Self {
        let net = Net::new();
        let listen = |port: &u16| Server::on(SocketAddr::from(([127, 0, 0, 1], *port)));
        let open = net.inside(move || ports.iter().map(listen).collect());
        Self { net, _open: open }
    }

    fn see(&self, nc: &Nc, words: &[&str]) -> Seen {
        nc.sees(self.net.tool(nc.tool(words)))
    }
}

/// The line about a port of 127.0.0.1.
fn open(port: &str) -> String {
    format!("Connection to 127.0.0.1 {port} port [tcp/*] succeeded!")
}

fn closed(port: &str) -> String {
    format!("nc: connect to 127.0.0.1 port {port} (tcp) failed: Connection refused")
}

/// Z1.
#[test]
fn an_open_port_is_a_success_without_words() {
    needs!("nc.openbsd");
    for options in [&["-z"][..], &["-nz"], &["-zw1"], &["-z", "-w", "2"]] {
        alike(|nc| {
            let server = nc.server();
            let seen = nc.sees(
                nc.to(server.port(), options)
                    .stdin(In::Bytes(b"data".into())),
            );
            // Nothing was sent to it.
            seen.and_heard(server.accept().recv_all())
        })
        .exits(0)
        .wrote(b"")
        .heard(b"")
        .said(&[]);
    }
}

#[test]
fn a_closed_port_is_a_failure_without_words() {
    needs!("nc.openbsd");
    for options in [&["-z"][..], &["-nz"], &["-w1", "-z"]] {
        alike(|nc| nc.sees(nc.to(nc.refusing(), options)))
            .exits(1)
            .wrote(b"")
            .said(&[]);
    }
}

/// As health checks and installers ask.
#[test]
fn one_port_is_told_with_verbose() {
    needs!("nc.openbsd");
    for options in [
        &["-zv", "-w30"][..],
        &["-nzv"],
        &["-4w", "1", "-zv"],
        &["-vz"],
    ] {
        alike(|nc| {
            let server = nc.server();
            nc.sees(nc.to(server.port(), options))
        })
        .exits(0)
        .wrote(b"")
        .said(&[&open("<1>")]);
        alike(|nc| nc.sees(nc.to(nc.refusing(), options)))
            .exits(1)
            .wrote(b"")
            .said(&[&closed("<1>")]);
    }
}

/// Z2, and the others of its kind.
#[test]
fn many_ports_are_told_in_their_order() {
    needs!("root", "nc.openbsd");
    let table: &[(&[&str], i32, &[&str])] = &[
        (&["4000", "4001"], 0, &["- 4000", "+ 4001"]),
        (&["4001", "4000"], 0, &["+ 4001", "- 4000"]),
        (&["4000", "4002"], 1, &["- 4000", "- 4002"]),
        (&["4001", "4003"], 0, &["+ 4001", "+ 4003"]),
        (&["4000-4003"], 0, &["- 4000", "+ 4001", "- 4002", "+ 4003"]),
        // From the lower to the higher, whichever comes first.
        (&["4002-4000"], 0, &["- 4000", "+ 4001", "- 4002"]),
        (&["4003-4003", "4001"], 0, &["+ 4003", "+ 4001"]),
    ];
    for (words, status, told) in table {
        let told: Vec<String> = told
            .iter()
            .map(|told| match told.split_at(2) {
                ("+ ", port) => open(port),
                (_, port) => closed(port),
            })
            .collect();
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        alike(|nc| {
            let words = [&["-nzv", "127.0.0.1"], *words].concat();
            Ports::open(&[4001, 4003]).see(nc, &words)
        })
        .exits(*status)
        .wrote(b"")
        .said(&told);
    }
}

#[test]
fn a_port_may_be_called_by_its_service() {
    needs!("root", "nc.openbsd");
    alike(|nc| Ports::open(&[80]).see(nc, &["-zv", "127.0.0.1", "http", "https"]))
        .exits(0)
        .said(&[
            "Connection to 127.0.0.1 80 port [tcp/http] succeeded!",
            &closed("443"),
        ]);
}

/// A6.
#[test]
fn what_is_no_port_is_refused() {
    needs!("nc.openbsd");
    for port in [
        "0",
        "65536",
        "abc",
        "80-",
        "80 ",
        "0x50",
        "80-abc",
        "http-https",
        "80-65536",
    ] {
        let seen = alike(|nc| {
            let seen = nc.sees(nc.tool(&["-z", "127.0.0.1", port]));
            assert_eq!(seen.stderr.len(), 1, "{seen}");
            seen.whatever_it_said()
        });
        seen.exits(1).wrote(b"");
    }
}

/// X4.
#[test]
fn a_unix_socket_is_tested_without_words() {
    needs!("nc.openbsd");
    for options in [&["-zU"][..], &["-zvU"]] {
        alike(|nc| {
            let server = Server::at(Spot::new_socket());
            nc.sees(nc.tool(options).arg(server.spot().path()))
        })
        .exits(0)
        .wrote(b"")
        .said(&[]);
        alike(|nc| nc.sees(nc.tool(options).arg("/nowhere/socket")))
            .exits(1)
            .said(&["nc: /nowhere/socket: No such file or directory"]);
    }
}

#[test]
fn a_port_behind_a_proxy_is_tested() {
    needs!("nc.openbsd");
    alike(|nc| behind_a_proxy(nc, 0))
        .exits(0)
        .heard(b"")
        .said(&["Connection to 192.0.2.1 443 port [tcp/https] succeeded!"]);
    // oxnc says which port it was: there may be more.
    alike(|nc| behind_a_proxy(nc, 5).whatever_it_said())
        .exits(1)
        .heard(b"");
}

/// It, testing a port through a SOCKS5 proxy that answers with this code.
fn behind_a_proxy(nc: &Nc, code: u8) -> Seen {
    let server = nc.server();
    let proxy = format!("127.0.0.1:{}", server.port());
    let run = nc.tool(&["-zv", "-x", &proxy, "192.0.2.1", "443"]).start();
    let mut peer = server.accept();
    peer.recv(3);
    peer.send(b"\x05\0");
    peer.recv(10);
    peer.send(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
    // It may leave a part of the answer unread.
    let mut heard = Vec::new();
    let _ = peer.socket.read_to_end(&mut heard);
    nc.saw(run).and_heard(heard)
}

/// B11, with -z.
#[test]
fn a_host_that_nobody_knows_is_a_failure() {
    needs!("nc.openbsd");
    alike(|nc| nc.sees(nc.tool(&["-nzv", "localhost", "80"])))
        .exits(1)
        .said(&["nc: getaddrinfo for host \"localhost\" port 80: Name or service not known"]);
}

/// Random order is for the order alone.
#[test]
fn every_port_is_tested_once_in_random_order() {
    needs!("root", "nc.openbsd");
    alike(|nc| {
        let ports = Ports::open(&[4001]);
        let mut seen = ports.see(nc, &["-nrzv", "127.0.0.1", "4000-4005"]);
        seen.stderr.sort();
        seen
    })
    .exits(0)
    .said(&[
        &open("4001"),
        &closed("4000"),
        &closed("4002"),
        &closed("4003"),
        &closed("4004"),
        &closed("4005"),
    ]);
}

/// Whoever does not answer gets no answer either: for `nc` such a port of UDP is open.
#[test]
fn a_silent_port_of_udp_is_taken_for_open() {
    needs!("nc.openbsd");
    alike(|nc| {
        let peer = crate::util::Udp::new();
        nc.about(peer.port());
        nc.sees(nc.to(peer.port(), &["-uzv", "-w1"]))
    })
    .exits(0)
    .wrote(b"")
    .said(&["Connection to 127.0.0.1 <1> port [udp/*] succeeded!"]);
}

differences! {
    /// B6. The words of `nc` are those of an `errno` that is not about this.
    a_port_that_does_not_answer_is_told_as_such:
        |nc: &Nc| {
            let (mute, refusing) = (nc.mute().to_string(), nc.refusing().to_string());
            let seen = nc.sees(nc.tool(&["-zv", "-w1", "127.0.0.1", &mute, &refusing]));
            let heard = seen.stderr.join("\n");
            seen.and_heard(heard)
        },
        nc: Some(exits(1).hearing(b"nc: connect to 127.0.0.1 port <1> (tcp) timed out: Operation now in progress\nnc: connect to 127.0.0.1 port <2> (tcp) failed: Connection refused")),
        oxnc: exits(1).hearing(b"nc: connect to 127.0.0.1 port <1> (tcp) failed: Connection timed out\nnc: connect to 127.0.0.1 port <2> (tcp) failed: Connection refused");

    /// Z3. The manual of `nc` promises it.
    an_interval_is_one_between_ports:
        |nc: &Nc| {
            let began = std::time::Instant::now();
            let ports = [nc.refusing(), nc.refusing()].map(|port| port.to_string());
            let seen = nc.sees(nc.tool(&["-z", "-i1", "127.0.0.1", &ports[0], &ports[1]]));
            let waited = began.elapsed().as_millis() >= 1000;
            seen.and_heard(if waited { "waits" } else { "does not" })
        },
        nc: Some(exits(1).hearing(b"does not")),
        oxnc: exits(1).hearing(b"waits");

    /// Z4. A local port serves for connections to as many ports as there are.
    a_local_port_serves_for_many_ports:
        |nc: &Nc| {
            let ports = Ports::open(&[4000, 4001]);
            ports.see(nc, &["-nzv", "-p", "5000", "127.0.0.1", "4000", "4001"])
        },
        nc: Some(exits(1).saying("bind failed: Address already in use")),
        oxnc: exits(0).saying("Connection to 127.0.0.1 4001 port [tcp/*] succeeded!");

    /// Z5.
    a_list_may_be_longer_than_there_are_ports:
        |nc: &Nc| Ports::open(&[]).see(nc, &["-z", "127.0.0.1", "1-65535", "1-65535", "1-65535"]),
        nc: Some(dies_of(Signal::SEGV)),
        oxnc: exits(1).silent();

    /// U4. The `nc` of 2022 says that it is open.
    a_port_of_udp_that_refuses_is_closed:
        |nc: &Nc| nc.sees(nc.to(nc.refusing_datagrams(), &["-uz", "-w1"])),
        nc: None,
        oxnc: exits(1).silent();

    /// U5. For `nc` the last one decides.
    any_port_of_udp_will_do:
        |nc: &Nc| {
            let peer = crate::util::Udp::new();
            let refusing = nc.refusing_datagrams().to_string();
            nc.sees(nc.tool(&["-uzv", "-w1", "127.0.0.1", &peer.port().to_string(), &refusing]))
        },
        nc: Some(exits(1)),
        oxnc: exits(0);
}
