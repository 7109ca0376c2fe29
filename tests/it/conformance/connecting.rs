//! Connecting: addresses in turn, the local end, and the lines about it.

use std::net::SocketAddr;

use super::{Nc, Seen, alike};
use crate::util::{Net, Server, Tool};

/// B1. (oxnc has a line about it; see `differences`.)
#[test]
fn a_refused_connection_is_a_failure() {
    needs!("nc.openbsd");
    alike(|nc| nc.sees(nc.to(nc.refusing(), &[])).whatever_it_said())
        .exits(1)
        .wrote(b"");
}

/// B2.
#[test]
fn a_refused_connection_is_told_with_verbose() {
    needs!("nc.openbsd");
    for options in [&["-v"][..], &["-nv"], &["-vv"], &["-vw2"]] {
        alike(|nc| nc.sees(nc.to(nc.refusing(), options)))
            .exits(1)
            .said(&["nc: connect to 127.0.0.1 port <1> (tcp) failed: Connection refused"]);
    }
}

/// B3.
#[test]
fn a_name_is_told_with_its_address() {
    needs!("nc.openbsd");
    alike(|nc| nc.sees(nc.tool(&["-4v", "localhost", &nc.refusing().to_string()])))
        .exits(1)
        .said(&["nc: connect to localhost (127.0.0.1) port <1> (tcp) failed: Connection refused"]);
}

#[test]
fn a_connection_is_told_with_verbose() {
    needs!("nc.openbsd");
    let table = [
        (
            &["-v", "127.0.0.1"][..],
            "Connection to 127.0.0.1 <1> port [tcp/*] succeeded!",
        ),
        (
            &["-nv", "127.0.0.1"],
            "Connection to 127.0.0.1 <1> port [tcp/*] succeeded!",
        ),
        (
            &["-4v", "localhost"],
            "Connection to localhost (127.0.0.1) <1> port [tcp/*] succeeded!",
        ),
    ];
    for (words, line) in table {
        alike(|nc| {
            let server = nc.server();
            let run = nc.tool(words).args(&[&server.port().to_string()]).start();
            server.accept().close();
            nc.saw(run)
        })
        .exits(0)
        .said(&[line]);
    }
}

/// A namespace in which `dual` has both loopback addresses, and nothing else has any.
fn net() -> Net {
    let net = Net::new();
    net.file("hosts", "::1 dual\n127.0.0.1 dual four\n");
    net.file("nsswitch.conf", "hosts: files\n");
    net
}

/// Runs it inside, where a server serves `address`.
fn inside(nc: &Nc, words: &[&str], address: &'static str) -> Seen {
    let net = net();
    let server = net.inside(move || Server::on(address.parse::<SocketAddr>().unwrap()));
    let run = net.tool(nc.tool(words)).start();
    if server.has_client_within(crate::util::DEADLINE) {
        server.accept().close();
    }
    nc.saw(run)
}

/// B7.
#[test]
fn the_addresses_of_a_name_are_tried_in_turn() {
    needs!("root", "nc.openbsd");
    alike(|nc| inside(nc, &["-v", "dual", "4000"], "127.0.0.1:4000"))
        .exits(0)
        .said(&[
            "nc: connect to dual (::1) port 4000 (tcp) failed: Connection refused",
            "Connection to dual (127.0.0.1) 4000 port [tcp/*] succeeded!",
        ]);
    alike(|nc| inside(nc, &["-v", "dual", "http"], "[::1]:80"))
        .exits(0)
        .said(&["Connection to dual (::1) 80 port [tcp/http] succeeded!"]);
}

#[test]
fn every_address_that_failed_is_told() {
    needs!("root", "nc.openbsd");
    alike(|nc| nc.sees(net().tool(nc.tool(&["-v", "dual", "4000"]))))
        .exits(1)
        .said(&[
            "nc: connect to dual (::1) port 4000 (tcp) failed: Connection refused",
            "nc: connect to dual (127.0.0.1) port 4000 (tcp) failed: Connection refused",
        ]);
}

/// The local end, as the server sees it. (`-s` and a name: B8, B9, in `differences`.)
#[test]
fn the_local_address_and_port_can_be_chosen() {
    needs!("root", "nc.openbsd");
    alike(|nc| {
        let net = net();
        let server = net.inside(|| Server::on("127.0.0.1:4000".parse::<SocketAddr>().unwrap()));
        let words = ["-s", "127.0.0.5", "-p", "4001", "127.0.0.1", "4000"];
        let run = net.tool(nc.tool(&words)).start();
        let peer = server.accept();
        let heard = peer.remote().to_string();
        peer.close();
        nc.saw(run).and_heard(heard)
    })
    .exits(0)
    .heard(b"127.0.0.5:4001");
}

/// B10.
#[test]
fn a_local_port_in_use_is_a_failure() {
    needs!("nc.openbsd");
    alike(|nc| {
        let server = nc.server();
        let taken = nc.taken().to_string();
        nc.sees(nc.to(server.port(), &["-s", "127.0.0.1", "-p", &taken]))
    })
    .exits(1)
    .said(&["nc: bind failed: Address already in use"]);
}

#[test]
fn a_local_address_of_somebody_else_is_a_failure() {
    needs!("nc.openbsd");
    alike(|nc| nc.sees(nc.to(nc.taken(), &["-s", "192.0.2.1"])))
        .exits(1)
        .said(&["nc: bind failed: Cannot assign requested address"]);
}

/// B11, as far as it needs no name server.
#[test]
fn a_name_without_an_address_is_a_failure() {
    needs!("root", "nc.openbsd");
    let table = [
        &["nobody", "80"][..],
        &["-v", "nobody", "80"],
        &["-n", "four", "80"],
        &["-u", "nobody", "80"],
    ];
    for words in table {
        let host = words[words.len() - 2];
        let line =
            format!("nc: getaddrinfo for host \"{host}\" port 80: Name or service not known");
        alike(|nc| nc.sees(net().tool(nc.tool(words))))
            .exits(1)
            .said(&[&line]);
    }
}

/// B13.
#[test]
fn an_option_that_needs_privileges_is_a_failure_without() {
    needs!("root", "nc.openbsd", "setpriv");
    alike(|nc| {
        let server = nc.server();
        let tool = nc.to(server.port(), &["-D"]);
        let rights = [
            "setpriv",
            "--bounding-set",
            "-net_admin",
            "--inh-caps",
            "-net_admin",
        ];
        // oxnc says as well which option it was, and what it needs.
        nc.sees(Tool::under(tool, &rights)).whatever_it_said()
    })
    .exits(1);
}

#[test]
fn the_options_of_the_socket_are_taken() {
    needs!("nc.openbsd");
    let options = [
        "-T", "lowdelay", "-M", "5", "-m", "1", "-I", "4096", "-O", "4096", "-b", "-N",
    ];
    alike(|nc| {
        let server = nc.server();
        let run = nc.to(server.port(), &options).start();
        let heard = server.accept().recv_all();
        nc.saw(run).and_heard(heard)
    })
    .exits(0)
    .said(&[]);
    let keywords = [
        "critical",
        "inetcontrol",
        "lowdelay",
        "netcontrol",
        "throughput",
        "reliability",
        "ef",
        "af11",
        "af43",
        "cs0",
        "cs7",
        "0x08",
        "8",
        "lowcost",
    ];
    for keyword in keywords {
        alike(|nc| nc.sees(nc.to(nc.refusing(), &["-v", "-T", keyword])))
            .exits(1)
            .said(&["nc: connect to 127.0.0.1 port <1> (tcp) failed: Connection refused"]);
    }
}
