//! Names with several addresses, some of which lead nowhere, and a name service that is mute.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use crate::util::{Done, Net, Server, Tool, ms};

/// RFC 8305 lets 250 ms pass before the next address is tried.
const RACE: Duration = ms(600);

/// A namespace in which packets to the second documentation prefixes disappear.
fn net(hosts: &str) -> Net {
    let net = Net::new();
    net.sh("ip addr add 192.0.2.1/32 dev lo
            ip addr add 198.51.100.1/32 dev lo
            ip -6 addr add 2001:db8:1::1/128 dev lo nodad
            ip -6 addr add 2001:db8:2::1/128 dev lo nodad
            ip -6 addr add 2001:db8:2::2/128 dev lo nodad");
    for address in ["2001:db8:1::1", "2001:db8:2::1", "2001:db8:2::2"] {
        net.routed(address);
    }
    net.file("hosts", hosts);
    net.drop_input("ip daddr 198.51.100.0/24 tcp dport 4000 drop; ip6 daddr 2001:db8:2::/48 tcp dport 4000 drop");
    net
}

fn serve(net: &Net, address: &'static str) -> Server {
    net.inside(move || Server::on(address.parse::<SocketAddr>().unwrap()))
}

/// Connects a few times; the machine may be busy once, but not always.
fn connects_quickly(net: &Net, server: &Server) {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let run = net.tool(Tool::oxnc(&["target", "4000"])).start();
        server.accept().close();
        let done: Done = run.wait();
        done.succeeds();
        best = best.min(done.took);
    }
    assert!(best <= RACE, "{best:?}");
}

#[test]
fn a_black_hole_before_a_good_ipv4_address_costs_a_quarter_of_a_second() {
    needs!("root", "nft");
    let net = net("2001:db8:2::1 target\n192.0.2.1 target\n");
    let server = serve(&net, "192.0.2.1:4000");
    connects_quickly(&net, &server);
}

#[test]
fn a_black_hole_before_a_good_ipv6_address_costs_a_quarter_of_a_second() {
    needs!("root", "nft");
    let net = net("198.51.100.1 target\n2001:db8:1::1 target\n");
    let server = serve(&net, "[2001:db8:1::1]:4000");
    connects_quickly(&net, &server);
}

#[test]
fn a_refusal_and_a_black_hole_before_a_good_address_cost_no_more() {
    needs!("root", "nft");
    let net = net("2001:db8:1::1 target\n2001:db8:2::1 target\n192.0.2.1 target\n");
    let server = serve(&net, "192.0.2.1:4000");
    connects_quickly(&net, &server);
}

#[test]
fn a_refusal_costs_no_time_at_all() {
    needs!("root", "nft");
    let net = net("2001:db8:1::1 target\n192.0.2.1 target\n");
    let server = serve(&net, "192.0.2.1:4000");
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let run = net.tool(Tool::oxnc(&["target", "4000"])).start();
        server.accept().close();
        best = best.min(run.wait().succeeds().took);
    }
    assert!(best < ms(200), "{best:?}");
}

#[test]
fn only_one_connection_is_made() {
    needs!("root", "nft");
    let net = net("2001:db8:1::1 target\n192.0.2.1 target\n");
    let (four, six) = (
        serve(&net, "192.0.2.1:4000"),
        serve(&net, "[2001:db8:1::1]:4000"),
    );
    let run = net.tool(Tool::oxnc(&["-v", "target", "4000"])).start();
    let peer = six.accept();
    // The other attempt would begin after 250 ms.
    assert!(!four.has_client_within(ms(400)));
    peer.close();
    run.wait().exits(0);
}

#[test]
fn the_deadline_covers_every_address_together() {
    needs!("root", "nft");
    let net = net("2001:db8:2::1 target\n2001:db8:2::2 target\n198.51.100.1 target\n");
    let done = net
        .tool(Tool::oxnc(&["--connect-timeout=1s", "target", "4000"]))
        .run();
    done.fails(124, &["target", "4000"]).took_about(ms(1000));
}

#[test]
fn a_resolver_that_never_answers_is_cut_off_by_the_deadline() {
    needs!("root");
    let net = Net::new();
    net.file("hosts", "127.0.0.1 localhost\n");
    net.file("nsswitch.conf", "hosts: files dns\n");
    net.file("resolv.conf", "nameserver 127.0.0.1\n");
    // Takes every question and answers none.
    let _mute = net.inside(|| std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).unwrap());
    for option in ["--connect-timeout=1s", "-w1"] {
        let done = net
            .tool(Tool::oxnc(&[option, "www.example.com", "80"]))
            .run();
        done.fails(124, &["www.example.com"]).took_about(ms(1000));
    }
    // A signal needs no answer either.
    let run = net.tool(Tool::oxnc(&["www.example.com", "80"])).start();
    run.runs_on_for(ms(200));
    run.signal(crate::util::Signal::TERM);
    run.wait_within(ms(2000)).dies_of(crate::util::Signal::TERM);
}

#[test]
fn a_total_limit_covers_the_lookup() {
    needs!("root");
    let net = Net::new();
    net.file("nsswitch.conf", "hosts: files dns\n");
    net.file("resolv.conf", "nameserver ::1\n");
    let _mute = net.inside(|| std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 53)).unwrap());
    let done = net
        .tool(Tool::oxnc(&["--max-time=700ms", "www.example.com", "80"]))
        .run();
    done.fails(124, &[]).took_about(ms(700));
}
