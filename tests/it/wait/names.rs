//! Names that somebody still has to learn.

use std::time::Instant;

use super::{lines_with, missing, silent, wait};
use crate::util::{Net, Server, Signal, Tool, Trace, Udp, ms};

/// A namespace that knows no names but these.
fn knowing(hosts: &str) -> Net {
    let net = Net::new();
    net.file("hosts", hosts);
    net.file("nsswitch.conf", "hosts: files\n");
    net
}

#[test]
fn a_name_that_is_not_known_yet_is_looked_up_again() {
    needs!("root");
    let net = knowing("127.0.0.1 localhost\n");
    let server = net.inside(|| Server::on(([127, 0, 0, 1], 4000)));
    let run = net.tool(wait(&["-v", "late:4000", "late:4000"])).start();
    run.stderr.wait_for_text("cannot look up late port 4000: ");
    net.file("hosts", "127.0.0.1 late\n");
    let done = run.wait();
    done.exits(0).wrote(b"");
    assert_eq!(lines_with(&done.stderr, "succeeded!"), 2, "{}", done.stderr);
    let _clients = [server.accept(), server.accept()];
    assert!(!server.has_client_within(ms(0)));
}

/// Containers that are started anew have another address.
#[test]
fn a_name_may_get_another_address() {
    needs!("root");
    let net = knowing("127.0.0.1 db\n");
    let run = net.tool(wait(&["-v", "db:4000"])).start();
    missing(
        &run,
        "db (127.0.0.1) port 4000 (tcp) failed: Connection refused",
    );
    let _server = net.inside(|| Server::on(([127, 0, 0, 2], 4000)));
    run.runs_on_for(ms(100));
    net.file("hosts", "127.0.0.2 db\n");
    let done = run.wait();
    let line = "Connection to db (127.0.0.2) 4000 port [tcp/*] succeeded!";
    assert_eq!(
        lines_with(&done.exits(0).stderr, line),
        1,
        "{}",
        done.stderr
    );
}

/// That of the proxy, and that of a host that is looked up on this side of it.
#[test]
fn a_name_may_get_another_address_behind_a_proxy() {
    needs!("root");
    let net = knowing("127.0.0.1 proxy\n192.0.2.1 db\n");
    let [old, new] = [1, 2].map(|n| net.inside(move || Server::on(([127, 0, 0, n], 1080))));
    let words = ["-x", "proxy", "--proxy-dns=local", "db:4000"];
    let run = net.tool(wait(&words)).start();
    let asked = |server: &Server| {
        let mut peer = server.accept();
        assert_eq!(peer.recv(3), b"\x05\x01\0");
        peer.send(b"\x05\0");
        let target = peer.recv(10);
        peer.send(b"\x05\x05\0\x01\0\0\0\0\0\0");
        target
    };
    assert_eq!(asked(&old), b"\x05\x01\0\x01\xc0\0\x02\x01\x0f\xa0");
    net.file("hosts", "127.0.0.2 proxy\n192.0.2.2 db\n");
    drop(old);
    assert_eq!(asked(&new), b"\x05\x01\0\x01\xc0\0\x02\x02\x0f\xa0");
    run.signal(Signal::TERM);
    run.wait().dies_of(Signal::TERM);
}

#[test]
fn names_wait_for_nobody_else() {
    needs!("root");
    let net = knowing("127.0.0.1 here\n");
    let server = net.inside(|| Server::on(([127, 0, 0, 1], 4000)));
    let run = net.tool(wait(&["late:4000", "here:4000"])).start();
    assert_eq!(server.accept().recv_all(), b"");
    let any = net.tool(wait(&["--any", "late:4000", "here:4000"])).run();
    silent(&any, 0);
    net.file("hosts", "127.0.0.1 late\n");
    silent(&run.wait(), 0);
}

#[test]
fn with_closed_ports_a_name_has_to_be_known_all_the_same() {
    needs!("root");
    let net = knowing("127.0.0.1 localhost\n");
    let run = net.tool(wait(&["-v", "--invert", "late:4000"])).start();
    run.stderr.wait_for_text("cannot look up late port 4000: ");
    run.runs_on_for(ms(100));
    net.file("hosts", "127.0.0.1 late\n");
    run.wait().exits(0);
}

/// What nobody will ever learn.
#[test]
fn what_makes_no_sense_is_not_waited_for() {
    let done = wait(&["fe80::1%nope0", "80"]).run();
    done.fails(2, &["nope0"]).took_about(ms(0));
    let done = wait(&["127.0.0.1", "no-such-service"]).run();
    done.fails(2, &["no-such-service"]).took_about(ms(0));
    let done = wait(&["-s", "192.0.2.77", "127.0.0.1:1"]).run();
    done.fails(1, &["192.0.2.77"]).took_about(ms(0));
    let done = wait(&["-n", "localhost:1"]).run();
    done.fails(1, &["localhost"]).took_about(ms(0));
}

#[test]
fn a_name_service_that_does_not_answer_is_why() {
    needs!("root");
    let net = Net::new();
    net.file("resolv.conf", "nameserver 127.0.0.53\n");
    net.file("nsswitch.conf", "hosts: dns\n");
    let _silent = net.inside(|| Udp::on(([127, 0, 0, 53], 53)));
    let words = ["--wait-for", "0.5", "--json", "db.example.com:5432"];
    let done = net.tool(Tool::oxnc(&words)).run();
    let why = "db.example.com port 5432: cannot be looked up: no name service answered";
    done.fails(124, &[why]).took_about(ms(500));
    let line = String::from_utf8_lossy(&done.stdout);
    assert!(line.contains(r#""state":"error""#), "{line}");
}

/// One that drops what it gets must not hold up the one that refuses.
#[test]
fn an_address_that_is_silent_does_not_hold_up_the_other_one() {
    needs!("root", "nft");
    let net = knowing("2001:db8::9 both\n127.0.0.1 both\n");
    net.sh("ip addr add 2001:db8::9/128 dev lo nodad");
    net.drop_input("ip6 daddr 2001:db8::9 drop");
    let server = net.inside(Server::closed);
    let word = format!("both:{}", server.port());
    let run = net.tool(wait(&["-w", "15", &word])).start();
    // By then one has refused, and the other one will keep silent for long.
    run.runs_on_for(ms(400));
    let opened = Instant::now();
    server.open();
    run.wait().exits(0);
    assert!(opened.elapsed() < ms(5000), "it waited for the silent one");
}

/// Many ports of a host are one question to the name service, not many.
#[test]
fn a_host_is_looked_up_once_for_all_its_ports() {
    needs!("root", "strace");
    let net = knowing("127.0.0.1 many\n");
    let tool = Tool::oxnc(&["--wait-for", "1", "many:4000-4099"]);
    let (trace, tool) = Trace::of(tool, &["-e", "trace=openat"]);
    net.tool(tool).run().exits(124);
    let lines = trace.lines();
    let lookups = lines
        .iter()
        .filter(|line| line.contains("\"/etc/hosts\""))
        .count();
    assert!((2..200).contains(&lookups), "{lookups} lookups");
}
