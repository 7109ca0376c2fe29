//! What `nc` lets pass, and so does its personality.

use std::net::SocketAddr;

use super::alike;
use crate::util::{In, Net, Server, ms};

/// A7.
#[test]
fn a_port_may_have_a_sign_or_a_blank_before_it() {
    needs!("nc.openbsd");
    for before in ["+", " "] {
        alike(|nc| {
            let port = format!("{before}{}", nc.refusing());
            nc.sees(nc.tool(&["-v", "127.0.0.1", &port]))
        })
        .exits(1)
        .said(&["nc: connect to 127.0.0.1 port <1> (tcp) failed: Connection refused"]);
    }
}

#[test]
fn a_family_means_nothing_to_a_unix_socket() {
    needs!("nc.openbsd");
    alike(|nc| nc.sees(nc.tool(&["-4U", "/nowhere/socket"])))
        .exits(1)
        .said(&["nc: /nowhere/socket: No such file or directory"]);
}

/// `-n` is about the host. Ports may have names all the same.
#[test]
fn a_port_may_have_a_name_where_hosts_are_numbers() {
    needs!("root", "nc.openbsd");
    alike(|nc| {
        let net = Net::new();
        let server = net.inside(|| Server::on("127.0.0.1:80".parse::<SocketAddr>().unwrap()));
        let run = net.tool(nc.tool(&["-nv", "127.0.0.1", "http"])).start();
        if server.has_client_within(ms(500)) {
            server.accept().close();
        }
        nc.saw(run)
    })
    .exits(0)
    .said(&["Connection to 127.0.0.1 80 port [tcp/*] succeeded!"]);
}

/// A user for a proxy that there is not.
#[test]
fn a_user_is_no_reason_to_want_a_proxy() {
    needs!("nc.openbsd");
    alike(|nc| {
        let server = nc.server();
        let run = nc.to(server.port(), &["-N", "-P", "bob"]).start();
        if server.has_client_within(ms(500)) {
            server.accept().close();
        }
        nc.saw(run)
    })
    .exits(0);
}

/// With one port there is no order.
#[test]
fn a_random_order_is_no_reason_to_test_ports() {
    needs!("nc.openbsd");
    alike(|nc| nc.sees(nc.to(nc.refusing(), &["-rv"])))
        .exits(1)
        .said(&["nc: connect to 127.0.0.1 port <1> (tcp) failed: Connection refused"]);
}

/// E6. Nothing was sent to it, so that nothing can be missing.
#[test]
fn a_silent_client_gets_an_end() {
    needs!("nc.openbsd");
    alike(|nc| {
        let (run, port) = nc.listening(nc.listens(&["-l", "-w1"]).stdin(In::Pipe));
        let mut peer = nc.client(port);
        let heard = peer.recv_all();
        nc.saw(run).and_heard(heard)
    })
    .exits(0)
    .wrote(b"")
    .heard(b"");
}
