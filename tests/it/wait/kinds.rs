//! What can be waited for, how many of it, and in which state.

use std::net::Ipv6Addr;

use super::{at, comes_later, lines_with, missing, silent, wait};
use crate::util::{
    Net, Peer, Server, Spot, Tool, Udp, ms,
    proxies::Kind::{Connect, Socks5},
};

#[test]
fn what_is_open_is_not_waited_for() {
    let server = Server::new();
    let port = server.port().to_string();
    silent(&wait(&[&at(&server)]).run(), 0);
    silent(&wait(&["127.0.0.1", &port]).run(), 0);
    silent(&wait(&["-z", "127.0.0.1", &port]).run(), 0);
    silent(&Tool::oxnc(&[&at(&server), "--wait-for=1m"]).run(), 0);
    silent(&Tool::oxnc(&[&at(&server), "--wait-for", "0"]).run(), 0);
}

#[test]
fn a_port_that_opens_ends_the_wait() {
    let server = Server::closed();
    let done = comes_later(wait(&[&at(&server)]), &server);
    done.exits(0).wrote(b"");
    assert_eq!(lines_with(&done.stderr, "succeeded!"), 1, "{}", done.stderr);
    let server = Server::closed();
    let port = server.port().to_string();
    comes_later(wait(&["127.0.0.1", &port]), &server).exits(0);
}

/// Nothing is sent, and the connection is ended as it should be.
#[test]
fn what_is_open_sees_a_client_that_leaves() {
    let server = Server::new();
    let run = wait(&[&at(&server)]).start();
    assert_eq!(server.accept().recv_all(), b"");
    silent(&run.wait(), 0);
}

#[test]
fn all_of_them_have_to_come_in_whatever_order() {
    for first in [0, 1] {
        let servers = [Server::closed(), Server::closed()];
        let words = servers.each_ref().map(at);
        let run = wait(&["-v", &words[0], &words[1]]).start();
        for server in &servers {
            let word = format!("port {} (tcp) failed: Connection refused", server.port());
            missing(&run, &word);
        }
        servers[first].open();
        missing(
            &run,
            &format!("{} port [tcp/*] succeeded!", servers[first].port()),
        );
        run.runs_on_for(ms(100));
        servers[1 - first].open();
        run.wait().exits(0);
    }
}

#[test]
fn one_of_them_is_enough_where_that_is_said() {
    let servers = [Server::closed(), Server::closed()];
    let words = servers.each_ref().map(at);
    let done = comes_later(wait(&["--any", &words[0], &words[1]]), &servers[1]);
    done.exits(0);
    silent(&wait(&["--any", &words[0], &words[1]]).run(), 0);
}

/// A server that is seen once may go again, and hears of us only once.
#[test]
fn a_port_that_was_seen_is_not_tested_again() {
    let (first, second) = (Server::new(), Server::closed());
    let run = wait(&[&at(&first), &at(&second)]).start();
    assert_eq!(first.accept().recv_all(), b"");
    assert!(!first.has_client_within(ms(400)), "it came again");
    let there = at(&first);
    drop(first);
    second.open();
    silent(&run.wait(), 0);
    Tool::oxnc(&["-z", &there]).run().exits(1);
}

#[test]
fn a_port_that_is_named_twice_is_two() {
    let server = Server::new();
    silent(&wait(&[&at(&server), &at(&server)]).run(), 0);
    let _clients = [server.accept(), server.accept()];
    assert!(!server.has_client_within(ms(0)));
}

#[test]
fn lists_ranges_and_services_are_as_with_z() {
    needs!("root");
    let net = Net::new();
    let run = net.tool(wait(&["-v", "127.0.0.1:ssh,4000-4002", "[::1]:http"]));
    let run = run.start();
    missing(&run, "port 4002 (tcp) failed: Connection refused");
    let four =
        [22, 4000, 4001, 4002].map(|port| net.inside(move || Server::on(([127, 0, 0, 1], port))));
    missing(&run, "Connection to 127.0.0.1 22 port [tcp/ssh] succeeded!");
    let _six = net.inside(|| Server::on((Ipv6Addr::LOCALHOST, 80)));
    run.wait().exits(0);
    for server in &four {
        server.accept();
        assert!(!server.has_client_within(ms(0)));
    }
    let words = ["127.0.0.1", "ssh", "4000-4001,4002"];
    silent(&net.tool(wait(&words)).run(), 0);
}

/// Of several addresses of a name one is enough.
#[test]
fn any_address_of_a_name_will_do() {
    needs!("root");
    let net = Net::new();
    net.file("hosts", "::1 both\n127.0.0.1 both\n");
    let run = net.tool(wait(&["-v", "both:4000"])).start();
    missing(
        &run,
        "both (127.0.0.1) port 4000 (tcp) failed: Connection refused",
    );
    let _server = net.inside(|| Server::on(([127, 0, 0, 1], 4000)));
    let done = run.wait();
    let line = "Connection to both (127.0.0.1) 4000 port [tcp/*] succeeded!";
    assert_eq!(
        lines_with(&done.exits(0).stderr, line),
        1,
        "{}",
        done.stderr
    );
}

#[test]
fn a_unix_socket_ends_the_wait_when_somebody_listens() {
    let spot = Spot::new_socket();
    let run = wait(&["-v", "-U"]).arg(spot.path()).start();
    missing(&run, "No such file or directory");
    // A file alone is nobody who listens.
    drop(Server::at(spot.clone()));
    missing(&run, "Connection refused");
    std::fs::remove_file(spot.path()).unwrap();
    let server = Server::at(spot.clone());
    run.wait().exits(0);
    assert_eq!(server.accept().recv_all(), b"");
    silent(&wait(&["-zU"]).arg(spot.path()).arg(spot.path()).run(), 0);
}

#[test]
fn a_unix_socket_may_be_waited_for_with_datagrams_and_by_an_abstract_name() {
    let spot = Spot::new_socket();
    let run = wait(&["-v", "-uU"]).arg(spot.path()).start();
    missing(&run, "No such file or directory");
    let server = std::os::unix::net::UnixDatagram::bind(spot.path()).unwrap();
    run.wait().exits(0);
    server.set_nonblocking(true).unwrap();
    assert!(server.recv(&mut [0; 9]).is_err(), "nothing is sent");

    let name = format!("@oxnc-wait-{}", std::process::id());
    let run = wait(&["-v", "-U", &name]).start();
    missing(&run, "Connection refused");
    let server = Tool::oxnc(&["-l", "-d", "-U", &name]).start();
    run.wait().exits(0);
    drop(server);
}

/// A name server is asked a question of its own protocol, and answers.
#[test]
fn a_name_server_is_waited_for() {
    needs!("root");
    let net = Net::new();
    let run = net.tool(wait(&["-v", "-u", "127.0.0.1:domain"])).start();
    missing(&run, "port 53 (udp) failed: Connection refused");
    let server = net.inside(|| Udp::on(([127, 0, 0, 1], 53)));
    let (question, from) = server.recv_from();
    // One question: class IN, type NS, the root; recursion desired.
    assert_eq!(question[2..], *b"\x01\0\0\x01\0\0\0\0\0\0\0\0\x02\0\x01");
    let mut answer = question;
    answer[2] |= 0x80;
    server.send_to(&answer, from);
    let done = run.wait();
    done.exits(0);
    let line = "Connection to 127.0.0.1 53 port [udp/domain] succeeded!";
    assert_eq!(lines_with(&done.stderr, line), 1, "{}", done.stderr);
}

/// Who keeps silent may be anybody: neither open nor closed.
#[test]
fn a_silent_udp_port_is_waited_for_in_either_direction() {
    let server = Udp::new();
    let target = format!("127.0.0.1:{}", server.port());
    for invert in [None, Some("--invert")] {
        let words = ["--wait-for", "1", "-w", "0.2", "-u", &target];
        let done = Tool::oxnc(&words).args(invert.as_slice()).run();
        done.fails(124, &[&format!("{}/udp: no answer", server.port())])
            .took_about(ms(1000));
    }
}

#[test]
fn a_port_that_closes_ends_the_wait_for_that() {
    let server = Server::new();
    let target = at(&server);
    let run = wait(&["-v", "--invert", &target]).start();
    missing(&run, "succeeded!");
    drop(server);
    let done = run.wait();
    done.exits(0);
    assert_eq!(
        lines_with(&done.stderr, "Connection refused"),
        1,
        "{}",
        done.stderr
    );
    silent(&wait(&["--invert", &target]).run(), 0);
}

#[test]
fn all_of_them_have_to_close_or_one() {
    let (first, second) = (Server::new(), Server::new());
    let words = [at(&first), at(&second)];
    let all = wait(&["-v", "--invert", &words[0], &words[1]]).start();
    let any = wait(&["-v", "--invert", "--any", &words[0], &words[1]]).start();
    for run in [&all, &any] {
        missing(run, &format!("{} port [tcp/*] succeeded!", second.port()));
    }
    drop(first);
    any.wait().exits(0);
    missing(&all, "Connection refused");
    all.runs_on_for(ms(100));
    drop(second);
    all.wait().exits(0);
}

#[test]
fn what_cannot_be_reached_is_not_open() {
    needs!("root", "nft");
    let net = Net::new();
    net.sh("ip route add unreachable 192.0.2.1");
    net.drop_input("tcp dport 4001 drop\ntcp dport 4002 reject with icmpx admin-prohibited");
    let words = [
        "--invert",
        "-w",
        "0.3",
        "192.0.2.1:1",
        "127.0.0.1:4001,4002",
    ];
    let done = net.tool(wait(&words)).run();
    silent(&done, 0);
    done.took_about(ms(300));
}

/// Nobody knows whether something is open there, so it is not known to be closed either.
#[test]
fn a_name_without_an_address_is_not_closed() {
    needs!("root");
    let net = Net::new();
    net.file("hosts", "127.0.0.1 localhost\n");
    net.file("nsswitch.conf", "hosts: files\n");
    let words = ["--wait-for", "0.3", "--invert", "nobody:80"];
    let done = net.tool(Tool::oxnc(&words)).run();
    done.fails(
        124,
        &["not seen closed", "nobody port 80: cannot be looked up"],
    );
}

#[test]
fn a_unix_socket_may_go() {
    let spot = Spot::new_socket();
    let server = Server::at(spot.clone());
    let run = wait(&["--invert", "-U"]).arg(spot.path()).start();
    server.accept();
    drop(server);
    silent(&run.wait(), 0);
    std::fs::remove_file(spot.path()).unwrap();
    silent(&wait(&["--invert", "-U"]).arg(spot.path()).run(), 0);
}

#[test]
fn a_proxy_that_comes_later_is_asked() {
    for kind in [Socks5, Connect] {
        let server = Server::closed();
        let run = kind
            .tool(server.port(), &["-v", "--wait-for", "20"])
            .start();
        run.stderr.wait_for_text("Connection refused");
        server.open();
        let mut proxy = server.accept();
        kind.grant(&mut proxy);
        assert_eq!(proxy.recv_all(), b"");
        run.wait().exits(0);
    }
}

#[test]
fn a_proxy_is_asked_until_it_reaches_the_port() {
    let server = Server::new();
    let run = Socks5.tool(server.port(), &["--wait-for", "20"]).start();
    for _ in 0..3 {
        let mut proxy = server.accept();
        Socks5.play(&mut proxy);
        proxy.send(b"\x05\x05\0\x01\0\0\0\0\0\0");
    }
    Socks5.grant(&mut server.accept());
    silent(&run.wait(), 0);
}

/// What no time mends ends the run.
#[test]
fn a_proxy_that_does_not_know_us_is_not_asked_again() {
    let server = Server::new();
    let run = Connect
        .tool(server.port(), &["-v", "--wait-for", "20"])
        .start();
    server.accept().send(b"HTTP/1.1 407 Authenticate\r\n\r\n");
    run.wait().fails(6, &["example.invalid", "proxy"]);
    assert!(!server.has_client_within(ms(0)));
}

/// Nor where it wants to know us in a way that we do not have.
#[test]
fn a_proxy_that_wants_another_method_is_not_asked_again() {
    let server = Server::new();
    let words = ["--wait-for", "20"];
    let run = Socks5.tool(server.port(), &words).start();
    server.accept().send(b"\x05\xff");
    run.wait().fails(1, &["example.invalid", "proxy"]);
    assert!(!server.has_client_within(ms(0)));
}

/// With a full queue a server does not answer: it is there, but not open, until somebody is let in.
#[test]
fn a_server_that_does_not_answer_is_asked_again() {
    let server = Server::with_full_queue();
    let _first = Peer::connect(server.port());
    let run = wait(&["-v", "-w", "0.2", &at(&server)]).start();
    missing(&run, "Connection timed out");
    server.accept();
    run.wait().exits(0);
}
