//! What is told while it is waited: JSON lines, and those of -v.

use jsonschema::Validator;
use serde_json::Value;

use super::{at, lines_with, missing, wait};
use crate::util::{Done, Net, Out, Server, Signal, Spot, Tool};

/// What is written to stdout, a line each, which the schema allows.
#[track_caller]
fn results(done: &Done) -> Vec<Value> {
    let schema = serde_json::from_str(include_str!("../port.schema.json")).unwrap();
    let schema: Validator = jsonschema::draft202012::new(&schema).unwrap();
    let text = std::str::from_utf8(&done.stdout).unwrap();
    let lines = text.lines().map(|line| {
        let value: Value = serde_json::from_str(line).unwrap();
        assert!(schema.is_valid(&value), "{line}");
        value
    });
    lines.collect()
}

#[test]
fn with_json_each_one_has_a_line_when_it_is_there() {
    let (first, second) = (Server::new(), Server::closed());
    let run = wait(&["--json", &at(&first), &at(&second)]).start();
    let line = format!(
        r#"{{"host":"127.0.0.1","address":"127.0.0.1","port":{}"#,
        first.port()
    );
    run.stdout().wait_for_text(&line);
    second.open();
    let done = run.wait();
    done.succeeds();
    let results = results(&done);
    let ports: Vec<&Value> = results.iter().map(|one| &one["port"]).collect();
    assert_eq!(ports, [first.port(), second.port()]);
    for one in &results {
        assert_eq!(
            (&one["state"], &one["error"]),
            (&"open".into(), &Value::Null)
        );
        assert!(one["rtt"].is_number(), "{one}");
    }
}

/// Each has one line, whatever becomes of the wait.
#[test]
fn with_json_those_that_are_missing_in_the_end_have_a_line_too() {
    let (open, closed) = (Server::new(), Server::closed());
    let words = [at(&open), at(&closed)];
    let words = [
        "--wait-for=0.3",
        "--json",
        &words[1],
        &words[0],
        "nobody.invalid:80",
    ];
    let done = Tool::oxnc(&words).run();
    done.fails(124, &["not open after 300ms"]);
    let results = results(&done);
    let states: Vec<&str> = results
        .iter()
        .map(|one| one["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["open", "closed", "error"], "{results:?}");
    assert_eq!(results[1]["error"], "Connection refused");
    assert_eq!(results[2]["address"], Value::Null);
}

#[test]
fn with_json_what_has_not_answered_yet_is_filtered() {
    let server = Server::with_full_queue();
    let _first = crate::util::Peer::connect(server.port());
    let done = Tool::oxnc(&["--wait-for=0.2", "--json", &at(&server)]).run();
    let results = results(done.exits(124));
    let one = results.first().expect("a line");
    assert_eq!(
        (&one["state"], &one["error"]),
        (&"filtered".into(), &"no answer".into())
    );
}

#[test]
fn with_json_unix_sockets_and_closed_ports_have_lines_too() {
    let spot = Spot::new_socket();
    let run = wait(&["--json", "-v", "-U"]).arg(spot.path()).start();
    missing(&run, "No such file or directory");
    let server = Server::at(spot.clone());
    let found = results(run.wait().exits(0));
    assert_eq!(
        (&found[0]["state"], &found[0]["port"]),
        (&"open".into(), &Value::Null)
    );
    drop(server);
    let done = wait(&["--json", "--invert", "-U"]).arg(spot.path()).run();
    assert_eq!(results(done.exits(0))[0]["state"], "closed");
}

/// The lines are there before the command writes its own.
#[test]
fn with_json_a_command_writes_behind_the_lines() {
    let server = Server::new();
    let done = wait(&["--json", &at(&server), "--", "echo", "behind"]).run();
    let text = String::from_utf8(done.succeeds().stdout.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() == 2 && lines[1] == "behind", "{text}");
}

#[test]
fn results_that_cannot_be_written_end_the_wait_and_no_command_is_executed() {
    let server = Server::new();
    let words = ["--json", &at(&server), "--", "sh", "-c", "echo done >&2"];
    let done = wait(&words).stdout(Out::Full).run();
    done.fails(4, &["standard output"]);
    let (rx, tx) = crate::util::pipe();
    drop(rx);
    let done = wait(&words).stdout(Out::Fd(tx.into())).run();
    assert_eq!(done.dies_of(Signal::PIPE).stderr, "");
}

/// The same reason is told once, and another one once more.
#[test]
fn with_v_a_change_is_told_once() {
    needs!("root", "nft");
    let net = Net::new();
    let run = net.tool(wait(&["-v", "127.0.0.1:4000"])).start();
    missing(&run, "port 4000 (tcp) failed: Connection refused");
    // Several tests of the same.
    run.runs_on_for(crate::util::ms(200));
    net.drop_input("tcp dport 4000 reject with icmpx admin-prohibited");
    missing(&run, "port 4000 (tcp) failed: No route to host");
    run.runs_on_for(crate::util::ms(200));
    let _server = net.inside(|| Server::on(([127, 0, 0, 1], 4000)));
    net.drop_input("");
    let done = run.wait();
    assert_eq!(
        done.exits(0).wrote(b"").stderr,
        "oxnc: connect to 127.0.0.1 port 4000 (tcp) failed: Connection refused\n\
         oxnc: connect to 127.0.0.1 port 4000 (tcp) failed: No route to host\n\
         Connection to 127.0.0.1 4000 port [tcp/*] succeeded!\n"
    );
}

#[test]
fn with_v_what_is_missing_at_the_end_is_one_more_line() {
    let server = Server::closed();
    let done = Tool::oxnc(&["-v", "--wait-for=0.3", &at(&server)]).run();
    let port = server.port();
    assert_eq!(
        done.exits(124).stderr,
        format!(
            "oxnc: connect to 127.0.0.1 port {port} (tcp) failed: Connection refused\n\
             oxnc: not open after 300ms (--wait-for): 127.0.0.1 port {port}: Connection refused\n"
        )
    );
}

/// What it tells does not hold up the command, which writes to the same place.
#[test]
fn without_v_nothing_is_told() {
    let (first, second) = (Server::new(), Server::closed());
    let command = ["--", "sh", "-c", "echo out; echo err >&2"];
    let run = wait(&[&at(&first), &at(&second)]).args(&command).start();
    first.accept();
    second.open();
    let done = run.wait();
    assert_eq!(done.exits(0).wrote(b"out\n").stderr, "err\n");
    assert_eq!(lines_with(&done.stderr, "oxnc"), 0);
}

/// A link named nc may wait as well, and its limit is a failure like any other.
#[test]
fn nc_waits_too() {
    let server = Server::closed();
    let words = ["--compat=nc", "--wait-for=0.2", "-v", &at(&server)];
    let done = Tool::oxnc(&words).run();
    assert_eq!(
        lines_with(&done.exits(1).stderr, "Connection refused"),
        2,
        "{}",
        done.stderr
    );
}
