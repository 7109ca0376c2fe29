//! How a wait ends that has waited for nothing: its limit, that of the run, a signal.

use super::{at, silent, wait};
use crate::util::{In, Net, Server, Signal, Spot, Tool, Trace, ms, pipe};

fn within(time: &str, words: &[&str]) -> Tool {
    Tool::oxnc(&["--wait-for", time]).args(words)
}

#[test]
fn who_is_missing_is_named_with_the_reason() {
    let (open, closed) = (Server::new(), Server::closed());
    let port = closed.port();
    let words = [at(&open), at(&closed)];
    let done = within("0.4", &[&words[0], &words[1]]).run();
    done.exits(124).wrote(b"").took_about(ms(400));
    let line = "oxnc: not open after 400ms (--wait-for): 127.0.0.1 port";
    assert_eq!(done.stderr, format!("{line} {port}: Connection refused\n"));
    // And with HOST PORT.
    let done = within("0.1", &["127.0.0.1", &port.to_string()]).run();
    let line = "oxnc: not open after 100ms (--wait-for): 127.0.0.1 port";
    assert_eq!(
        done.exits(124).stderr,
        format!("{line} {port}: Connection refused\n")
    );
}

#[test]
fn every_kind_of_target_has_its_name_and_its_reason() {
    needs!("root", "nft");
    let net = Net::new();
    net.file("hosts", "::1 both\n127.0.0.1 both\n");
    net.file("nsswitch.conf", "hosts: files\n");
    net.sh("ip route add unreachable 192.0.2.1");
    net.drop_input("tcp dport 4001 drop\ntcp dport 4002 reject with icmpx admin-prohibited");
    let told = |words: &[&str]| {
        let done = net.tool(within("0.5", words)).run();
        let line = done.exits(124).stderr.clone();
        let line = line.strip_prefix("oxnc: not open after 500ms (--wait-for): ");
        line.unwrap_or_else(|| panic!("{}", done.stderr)).to_owned()
    };
    assert_eq!(
        told(&[
            "-w",
            "0.1",
            "both:22",
            "127.0.0.1:4001-4002",
            "192.0.2.1:1",
            "nobody:80"
        ]),
        "both port 22: 127.0.0.1: Connection refused, ::1: Connection refused; 127.0.0.1 port 4001: no answer; \
         127.0.0.1 port 4002: prohibited (ICMP); 192.0.2.1 port 1: No route to host; \
         nobody port 80: cannot be looked up: Name or service not known\n"
    );
    // Before the first test has come to its end.
    assert_eq!(
        told(&["127.0.0.1", "4001"]),
        "127.0.0.1 port 4001: no answer\n"
    );
    // One at a time, and the first one does not answer.
    assert_eq!(
        told(&["--parallel", "1", "127.0.0.1", "4001,4003"]),
        "127.0.0.1 port 4001: no answer; 127.0.0.1 port 4003: not tested\n"
    );
    assert_eq!(
        told(&["-u", "[::1]:53", "127.0.0.1:123"]),
        "::1 port 53/udp: Connection refused; 127.0.0.1 port 123/udp: Connection refused\n"
    );
    assert_eq!(
        told(&["-U", "/no/such/socket", "@no-such-name"]),
        "/no/such/socket: No such file or directory; @no-such-name: Connection refused\n"
    );
}

#[test]
fn of_many_only_six_are_named() {
    needs!("root");
    let net = Net::new();
    let done = net.tool(within("0.2", &["127.0.0.1:1-1005"])).run();
    done.fails(
        124,
        &["127.0.0.1 port 6: Connection refused; and 999 more\n"],
    );
    assert!(!done.stderr.contains("port 7"), "{}", done.stderr);
}

#[test]
fn with_any_it_is_said_that_none_of_them_is_there() {
    let (one, two) = (Server::closed(), Server::closed());
    let words = [at(&one), at(&two)];
    let done = within("0.2", &["--any", &words[0], &words[1]]).run();
    done.fails(
        124,
        &["none of 2 is open after 200ms (--wait-for): ", "refused; "],
    );
}

#[test]
fn with_invert_those_are_named_that_are_still_open() {
    let (one, two) = (Server::new(), Server::new());
    let closed = Server::closed();
    let words = [at(&one), at(&two), at(&closed)];
    let open = format!("127.0.0.1 port {}\n", one.port());
    let done = within("0.2", &["--invert", &words[0], &words[2]]).run();
    done.fails(
        124,
        &[&format!("still open after 200ms (--wait-for): {open}")],
    );
    let done = within("0.2", &["--invert", "--any", &words[0], &words[1]]).run();
    done.fails(124, &["all 2 are still open after 200ms (--wait-for): "]);
}

#[test]
fn the_limit_of_the_run_may_come_first() {
    let server = Server::closed();
    for limit in ["20", "0"] {
        let done = within(limit, &["--max-time=0.3", &at(&server)]).run();
        done.fails(124, &["not open after 300ms (--max-time): ", "refused"])
            .took_about(ms(300));
    }
    let done = within("0.2", &["--max-time=20", &at(&server)]).run();
    done.fails(124, &["not open after 200ms (--wait-for): "]);
}

/// It does not limit what comes after it.
#[test]
fn a_limit_that_is_not_reached_is_no_limit_for_the_command() {
    let server = Server::new();
    let (rx, tx) = pipe();
    let words = ["--max-time=0.3", &at(&server), "--", "cat"];
    let run = within("0.3", &words).stdin(In::Fd(rx.into())).start();
    run.runs_on_for(ms(900));
    drop(tx);
    silent(&run.wait(), 0);
}

#[test]
fn a_signal_ends_the_wait_and_no_command_is_executed() {
    needs!("strace");
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let server = Server::closed();
        let tool = wait(&[&at(&server), "--", "echo", "done"]);
        let (trace, tool) = Trace::of(tool, &["-e", "trace=connect"]);
        let run = tool.start();
        trace.wait_for("ECONNREFUSED");
        run.signal(signal);
        let done = run.wait();
        done.dies_of(signal).wrote(b"");
        assert_eq!(done.stderr, "");
    }
}

#[test]
fn a_signal_ends_the_wait_for_an_answer() {
    needs!("strace");
    let server = Server::with_full_queue();
    let _first = crate::util::Peer::connect(server.port());
    let (trace, tool) = Trace::of(wait(&["-w0", &at(&server)]), &["-e", "trace=connect"]);
    let run = tool.start();
    trace.wait_for("connect(");
    run.signal(Signal::INT);
    run.wait().dies_of(Signal::INT);
}

#[test]
fn a_signal_ends_the_wait_for_a_unix_socket() {
    let spot = Spot::new_socket();
    let run = wait(&["-v", "-U"]).arg(spot.path()).start();
    super::missing(&run, "No such file or directory");
    run.signal(Signal::TERM);
    run.wait().dies_of(Signal::TERM);
}
