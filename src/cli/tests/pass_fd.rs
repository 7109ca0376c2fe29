//! `-F`: from arguments to a plan or a usage line.

use super::{super::Stop, stop_or_plan};
use crate::plan::{Action, Callee};

fn action(line: &str) -> Action {
    match stop_or_plan(line) {
        Ok(plan) => plan.action,
        Err(stop) => panic!("{line}: {stop:?}"),
    }
}

#[test]
fn the_socket_is_the_one_that_there_would_be_without_it() {
    for line in [
        "example.com 22",
        "-x proxy -X connect example.com 22",
        "-4 -s 127.0.0.1 -p 7 -w 5 example.com:22",
        "--idle-timeout 3 --max-time 5 example.com:22",
    ] {
        let Action::Connect(connect) = action(line) else {
            panic!("{line}: not a connection");
        };
        let passed = Action::PassFd(Callee::Inet(connect));
        assert_eq!(action(&format!("-F {line}")), passed);
        assert_eq!(action(&format!("{line} --pass-fd")), passed);
    }
    let Action::ConnectUnix(address) = action("-U @s") else {
        panic!("not a connection");
    };
    assert_eq!(action("-FU @s"), Action::PassFd(Callee::Unix(address)));
}

#[test]
fn what_is_about_the_data_goes_with_it_nowhere() {
    for (option, name) in [
        ("-l", "-l"),
        ("-z", "-z"),
        ("-u", "-u"),
        ("-W 1", "-W"),
        ("-C", "-C"),
        ("-i 1", "-i"),
        ("-t", "-t"),
        ("-d", "-d"),
        ("-N", "-N"),
        ("-q 0", "-q"),
        ("-q -1", "-q"),
        ("--no-shutdown", "--no-shutdown"),
        ("--on-peer-eof exit", "--on-peer-eof"),
        ("--send-only", "--send-only"),
        ("--recv-only", "--recv-only"),
        ("--linger 1", "--linger"),
    ] {
        let line = format!("-F {option} a 1");
        let said = format!("options '-F' and '{name}' exclude each other");
        assert_eq!(stop_or_plan(&line), Err(Stop::Usage(said)), "{line}");
    }
}
