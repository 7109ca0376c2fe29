//! Making a connection: whom to, from where, and what is said when it cannot be made.

use std::{
    net::{Ipv6Addr, SocketAddr},
    time::Duration,
};

use socket2::{Domain, Socket, Type};

use crate::util::{In, Net, Peer, Server, Tool, ms};

/// A port of 127.0.0.1 on which nobody listens, as long as the socket is held.
fn closed_port() -> (Socket, u16) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    (socket, port)
}

/// Plays a server that says `hello`; the run must get there.
fn reaches(server: &Server, tool: Tool) -> Peer {
    let run = tool.start();
    let mut peer = server.accept();
    peer.send(b"hello");
    peer.half_close();
    run.wait().succeeds().wrote(b"hello");
    peer
}

#[test]
fn a_refused_connection_is_named() {
    let (_held, port) = closed_port();
    let done = Tool::connect(port, &[]).run();
    done.fails(1, &["127.0.0.1", &port.to_string(), "refused"])
        .wrote(b"");
}

#[test]
fn a_refused_connection_to_a_name_shows_name_and_address() {
    let (_held, port) = closed_port();
    let done = Tool::oxnc(&["-4", "localhost", &port.to_string()]).run();
    done.fails(1, &["localhost", "127.0.0.1", &port.to_string(), "refused"]);
}

#[test]
fn every_address_gives_its_reason() {
    needs!("root");
    let net = Net::new();
    net.file("hosts", "192.0.2.1 twice\n::1 twice\n");
    let done = net.tool(Tool::oxnc(&["twice", "4000"])).run();
    // No route to the first, nobody at the second.
    done.fails(
        1,
        &[
            "twice",
            "192.0.2.1",
            "unreachable",
            "::1",
            "refused",
            "4000",
        ],
    );
}

#[test]
fn a_refusal_takes_no_bytes_from_stdin() {
    let (_held, port) = closed_port();
    let (rx, tx) = crate::util::pipe();
    let mut left = rx.try_clone().unwrap();
    std::io::Write::write_all(&mut &tx, b"for the next try").unwrap();
    drop(tx);
    Tool::connect(port, &[])
        .stdin(In::Fd(rx.into()))
        .run()
        .fails(1, &["refused"]);
    assert_eq!(
        std::io::read_to_string(&mut left).unwrap(),
        "for the next try"
    );
}

#[test]
fn a_name_is_no_numeric_address() {
    let done = Tool::oxnc(&["-n", "localhost", "4000"]).run();
    done.fails(1, &["localhost"]);
}

#[test]
fn an_unknown_name_is_named() {
    needs!("root");
    let net = Net::new();
    net.file("hosts", "127.0.0.1 localhost\n");
    net.file("nsswitch.conf", "hosts: files\n");
    let done = net
        .tool(Tool::oxnc(&["no-such-host.example", "4000"]))
        .run();
    done.fails(1, &["no-such-host.example", "not known"]);
}

#[test]
fn an_unreachable_network_is_named() {
    needs!("root");
    let net = Net::new();
    let done = net.tool(Tool::oxnc(&["192.0.2.1", "4000"])).run();
    done.fails(1, &["192.0.2.1", "4000", "unreachable"]);
}

#[test]
fn a_host_that_does_not_answer_is_given_up_in_time() {
    needs!("root", "nft");
    let net = Net::new();
    net.drop_input("tcp dport 4000 drop");
    for option in ["--connect-timeout=1s", "-w1", "-w 1s"] {
        let option = option.split(' ').collect::<Vec<_>>();
        let done = net
            .tool(Tool::oxnc(&option).args(&["127.0.0.1", "4000"]))
            .run();
        done.fails(124, &["127.0.0.1", "4000"]).took_about(ms(1000));
    }
}

#[test]
fn a_server_whose_queue_is_full_is_given_up_in_time() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    socket.listen(0).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    let _first = Peer::connect(port);
    let done = Tool::connect(port, &["--connect-timeout=700ms"]).run();
    done.fails(124, &["127.0.0.1", &port.to_string()])
        .took_about(ms(700));
}

#[test]
fn host_and_port_may_be_one_word() {
    let server = Server::new();
    reaches(
        &server,
        Tool::oxnc(&[&format!("127.0.0.1:{}", server.port())]),
    );
    reaches(
        &server,
        Tool::oxnc(&["-4", &format!("localhost:{}", server.port())]),
    );
    let server = Server::on((Ipv6Addr::LOCALHOST, 0));
    reaches(&server, Tool::oxnc(&[&format!("[::1]:{}", server.port())]));
}

#[test]
fn an_ipv6_address_needs_no_brackets_beside_its_port() {
    let server = Server::on((Ipv6Addr::LOCALHOST, 0));
    let port = server.port().to_string();
    reaches(&server, Tool::oxnc(&["::1", &port]));
    reaches(&server, Tool::oxnc(&["[::1]", &port]));
    reaches(&server, Tool::oxnc(&["-6", "::1", &port]));
}

#[test]
fn options_may_follow_the_operands() {
    let server = Server::new();
    reaches(
        &server,
        Tool::oxnc(&["127.0.0.1", &server.port().to_string(), "-n", "-w", "5"]),
    );
}

#[test]
fn a_family_excludes_the_other() {
    let server = Server::on((Ipv6Addr::LOCALHOST, 0));
    let port = server.port().to_string();
    let refused = |words: &[&str]| {
        Tool::oxnc(words).arg(&port).run().fails(2, words);
    };
    refused(&["-4", "::1"]);
    refused(&["-6", "127.0.0.1"]);
    assert!(!server.has_client_within(Duration::ZERO));
}

#[test]
fn a_family_chooses_among_a_names_addresses() {
    needs!("root");
    let net = Net::new();
    net.file("hosts", "127.0.0.1 both\n::1 both\n");
    let four = net.inside(|| Server::on(([127, 0, 0, 1], 4000)));
    let six = net.inside(|| Server::on((Ipv6Addr::LOCALHOST, 4000)));
    reaches(&four, net.tool(Tool::oxnc(&["-4", "both", "4000"])));
    reaches(&six, net.tool(Tool::oxnc(&["-6", "both", "4000"])));
    assert!(!four.has_client_within(Duration::ZERO));
    assert!(!six.has_client_within(Duration::ZERO));
}

#[test]
fn a_service_has_a_name() {
    needs!("root");
    let net = Net::new();
    let server = net.inside(|| Server::on(([127, 0, 0, 1], 80)));
    reaches(&server, net.tool(Tool::oxnc(&["127.0.0.1", "http"])));
    reaches(&server, net.tool(Tool::oxnc(&["127.0.0.1:http"])));
    net.tool(Tool::oxnc(&["127.0.0.1", "no-such-service"]))
        .run()
        .fails(2, &["no-such-service"]);
}

#[test]
fn the_local_address_can_be_chosen() {
    let server = Server::new();
    let peer = reaches(&server, Tool::connect(server.port(), &["-s", "127.0.0.2"]));
    assert_eq!(peer.remote().ip().to_string(), "127.0.0.2");
}

#[test]
fn the_local_port_can_be_chosen_and_used_again() {
    needs!("root");
    let net = Net::new();
    let server = net.inside(|| Server::on(([127, 0, 0, 1], 4000)));
    for _ in 0..2 {
        // The first connection may still be in TIME_WAIT: SO_REUSEADDR.
        let peer = reaches(&server, net.tool(Tool::connect(4000, &["-p", "5000"])));
        assert_eq!(peer.remote().to_string(), "127.0.0.1:5000");
    }
    let tool = Tool::connect(4000, &["-p", "5001", "-s", "127.0.0.3"]);
    let peer = reaches(&server, net.tool(tool));
    assert_eq!(peer.remote().to_string(), "127.0.0.3:5001");
}

#[test]
fn addresses_of_another_family_than_the_local_one_are_skipped() {
    needs!("root");
    let net = Net::new();
    net.file("hosts", "::1 both\n127.0.0.1 both\n");
    let four = net.inside(|| Server::on(([127, 0, 0, 1], 4000)));
    let six = net.inside(|| Server::on((Ipv6Addr::LOCALHOST, 4000)));
    let peer = reaches(
        &four,
        net.tool(Tool::oxnc(&["-s", "127.0.0.2", "both", "4000"])),
    );
    assert_eq!(peer.remote().ip().to_string(), "127.0.0.2");
    reaches(&six, net.tool(Tool::oxnc(&["-s", "::1", "both", "4000"])));
    assert!(!four.has_client_within(Duration::ZERO));
    // With nothing left to try it is said why.
    net.tool(Tool::oxnc(&["-s", "::1", "127.0.0.1", "4000"]))
        .run()
        .fails(1, &["127.0.0.1"]);
}

#[test]
fn a_local_address_that_is_not_ours_is_named() {
    let server = Server::new();
    let done = Tool::connect(server.port(), &["-s", "192.0.2.77"]).run();
    done.fails(1, &["192.0.2.77", "assign"]);
}

#[test]
fn a_link_local_address_is_reached_through_its_zone() {
    needs!("root");
    let (near, far) = Net::pair();
    let server = far.inside(|| Server::on((Ipv6Addr::UNSPECIFIED, 4000)));
    let peer = reaches(&server, near.tool(Tool::oxnc(&["fe80::2%v1", "4000"])));
    assert!(peer.remote().ip().to_string().starts_with("fe80::1"));
    reaches(&server, near.tool(Tool::oxnc(&["[fe80::2%v1]:4000"])));
    reaches(
        &server,
        near.tool(Tool::oxnc(&[
            "-n",
            "-s",
            "fe80::1%v1",
            "fe80::2%v1",
            "4000",
        ])),
    );
}

#[test]
fn a_missing_or_unknown_zone_is_explained() {
    needs!("root");
    let (near, _far) = Net::pair();
    let explained = |host: &str, words: &[&str]| {
        let done = near.tool(Tool::oxnc(&[host, "4000"])).run();
        let code = done.status.code();
        assert!(matches!(code, Some(1 | 2)), "{code:?}");
        done.fails(code.unwrap(), words);
    };
    explained("fe80::2", &["fe80::2", "%"]);
    explained("fe80::2%nope0", &["nope0"]);
}
