//! When it is tested again: soon at first, and more and more seldom.

use std::time::{Duration, Instant};

use super::{at, missing, wait};
use crate::util::{DEADLINE, Net, Running, Server, Tool, Trace, Udp, ms};

/// How long it takes until a client comes to a port that opens after it was waited for 0.7 s. What a
/// busy machine adds, it does not add each time: the best of some runs counts.
fn soonest(mut run: impl FnMut() -> (Running, Server)) -> Duration {
    let mut best = DEADLINE;
    for _ in 0..10 {
        let (run, server) = run();
        run.runs_on_for(ms(700));
        let opened = Instant::now();
        server.open();
        server.accept();
        best = best.min(opened.elapsed());
        if best <= ms(100) {
            break;
        }
    }
    best
}

#[test]
fn a_port_that_opens_after_700_ms_is_seen_within_100() {
    let best = soonest(|| {
        let server = Server::closed();
        (wait(&[&at(&server)]).start(), server)
    });
    assert!(best <= ms(100), "{best:?}");
}

/// Neither a target that does not answer nor a name service that does not holds up the others.
#[test]
fn it_is_seen_as_soon_beside_others_that_do_not_answer() {
    needs!("root", "nft");
    let net = Net::new();
    net.drop_input("tcp dport 4001 drop");
    net.file("hosts", "127.0.0.1 localhost\n");
    net.file("resolv.conf", "nameserver 127.0.0.53\n");
    net.file("nsswitch.conf", "hosts: files dns\n");
    let _silent = net.inside(|| Udp::on(([127, 0, 0, 53], 53)));
    let best = soonest(|| {
        let server = net.inside(Server::closed);
        let words = ["localhost:4001", "db.example.com:5432", &at(&server)];
        (net.tool(wait(&words)).start(), server)
    });
    assert!(best <= ms(100), "{best:?}");
}

/// How many SYNs came to port 4000 in `time`, where each of them is answered as the rule says.
fn syns(net: &Net, rule: &str, options: &[&str], time: &str) -> u64 {
    net.drop_input(&format!(
        "tcp dport 4000 tcp flags syn / syn,ack counter {rule}"
    ));
    let words = ["--wait-for", time, "127.0.0.1:4000"];
    net.tool(Tool::oxnc(&words)).args(options).run().exits(124);
    let rules = net.tool(Tool::program("nft", &["list", "ruleset"])).run();
    let rules = String::from_utf8(rules.exits(0).stdout.clone()).unwrap();
    let (_, count) = rules.split_once("counter packets ").unwrap();
    count.split(' ').next().unwrap().parse().unwrap()
}

/// From 10 ms to a tenth of two seconds, each up to a quarter shorter or longer: about 40 tests. With
/// pauses of 10 ms there would be 200 of them, with pauses of 200 ms there would be ten.
#[test]
fn pauses_grow_with_the_time_that_was_waited() {
    needs!("root", "nft");
    let net = Net::new();
    let count = syns(&net, "reject with tcp reset", &[], "2");
    assert!((14..=56).contains(&count), "{count} tests in two seconds");
}

/// A SYN that gets no answer is sent again after a second; a test that is given up after 0.2 s is
/// followed by another one.
#[test]
fn a_test_that_is_not_answered_is_given_up() {
    needs!("root", "nft");
    let net = Net::new();
    let count = syns(&net, "drop", &["-w", "0.2"], "1.5");
    assert!((3..=8).contains(&count), "{count} with -w 0.2");
    let count = syns(&net, "drop", &[], "1.5");
    assert_eq!(count, 2, "without -w");
}

/// Two seconds, with datagrams three.
#[test]
fn without_w_a_test_has_a_time_of_its_own() {
    needs!("root", "nft");
    let net = Net::new();
    net.drop_input("meta l4proto { tcp, udp } th dport 4000 drop");
    for (options, time) in [(&["-v"][..], 2000), (&["-vu"], 3000)] {
        let began = Instant::now();
        let run = net.tool(wait(options)).arg("127.0.0.1:4000").start();
        run.stderr.wait_for_text("failed: ");
        let took = began.elapsed();
        assert!(took >= ms(time), "{took:?}");
    }
}

/// Hundredths of a second on a processor so far: proc_pid_stat(5), utime and stime.
fn ticks(run: &Running) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", run.pid())).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = fields.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn waiting_takes_no_time_of_the_processor() {
    needs!("root", "nft");
    let net = Net::new();
    net.drop_input("tcp dport 4001 drop");
    net.file("hosts", "127.0.0.1 localhost\n");
    net.file("nsswitch.conf", "hosts: files\n");
    let words = ["127.0.0.1:4000-4001", "nobody:80"];
    let run = net.tool(wait(&words)).start();
    run.runs_on_for(ms(2500));
    let used = ticks(&run);
    assert!(used < 30, "{used} hundredths of 2.5 s");
}

/// Where only an answer is waited for, nothing is done at all.
#[test]
fn waiting_for_an_answer_is_rest() {
    needs!("root", "nft", "strace");
    let net = Net::new();
    net.drop_input("tcp dport 4001 drop");
    let (trace, tool) = Trace::of(wait(&["-w", "1h", "127.0.0.1:4001"]), &[]);
    let run = net.tool(tool).start();
    trace.wait_for("connect(");
    trace.settle();
    trace.rests_for(ms(700));
    drop(run);
}

/// As many as there may be: none of them waits for others.
#[test]
fn a_thousand_ports_are_waited_for_at_the_same_time() {
    needs!("root", "nft");
    let net = Net::new();
    net.drop_input("tcp dport 4000-4999 drop");
    let run = net.tool(wait(&["-v", "-w", "0.5", "127.0.0.1:4000-4999,5000"]));
    let run = run.start();
    missing(&run, "port 5000 (tcp) failed: Connection refused");
    let _server = net.inside(|| Server::on(([127, 0, 0, 1], 5000)));
    missing(&run, "5000 port [tcp/*] succeeded!");
    let _servers = net.inside(|| {
        let ports = 4000..5000;
        ports
            .map(|port| Server::on(([127, 0, 0, 1], port)))
            .collect::<Vec<_>>()
    });
    net.drop_input("");
    run.wait().exits(0);
}
