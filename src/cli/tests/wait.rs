//! `--wait-for`: from arguments to what is to be waited for, and what is done then.

use std::ffi::OsString;

use super::{
    super::parse_with,
    scan::{path, ports, scan, seconds, sockets, timeout},
    usage_lines::{usage, usage_of_bytes},
};
use crate::plan::{Action, Goal, Wait};

#[track_caller]
fn wait(line: &str) -> Wait {
    match scan(line).goal {
        Goal::Wait(wait) => wait,
        other => panic!("{line}: {other:?}"),
    }
}

#[track_caller]
fn command(line: &str) -> Option<String> {
    let words = wait(line).command?;
    let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
    Some(words.join(" "))
}

#[test]
fn it_is_waited_for_all_ports_to_be_open_unless_something_else_is_asked_for() {
    let all_open = Wait {
        limit: seconds(5),
        any: false,
        invert: false,
        command: None,
    };
    for line in [
        "--wait-for 5 a:80",
        "a:80 b:81 --wait-for=5s",
        "-z --wait-for 5 a 80",
        "--wait-for 5 --all a:80 b:80",
        "--wait-for 5 -U s t",
        "-v --wait-for 5 --json --parallel 5 --banner a:80",
        "--wait-for 1 --wait-for 5 a:80",
    ] {
        assert_eq!(wait(line), all_open, "{line}");
    }
    assert!(wait("--wait-for 5 --any a:80").any);
    assert!(wait("--wait-for 5 --invert a:80").invert);
    let both = wait("--wait-for 5 --invert --any a:80 b:80");
    assert!(both.any && both.invert);
    assert_eq!(wait("--wait-for 0 a:80").limit, None);
    assert!(scan("--wait-for 5 --json a:80").json && !scan("--wait-for 5 a:80").json);
}

#[test]
fn targets_are_those_of_a_test() {
    for words in [
        "a 80",
        "a 80 81-90",
        "a:80",
        "a:80 [::1]:http,22",
        "-u a:53 b:53",
        "-4 -p 5000 a 80",
        "-x p -w 3 a:80 b:80",
        "-U s t",
        "-uU s",
    ] {
        let test = scan(&format!("-z -w 3 {words}"));
        let wait = scan(&format!("--wait-for 5 -w 3 {words}"));
        assert_eq!(wait.targets, test.targets, "{words}");
    }
}

#[test]
fn a_try_has_two_seconds() {
    let table = [
        ("--wait-for 60 a:80", seconds(2)),
        ("--wait-for 60 a:80 b:80", seconds(2)),
        ("--wait-for 60 -w 5 a:80", seconds(5)),
        ("--wait-for 60 -w 0 a:80", None),
        ("--wait-for 60 -u a:80", seconds(3)),
        ("--wait-for 60 -U s", seconds(2)),
        ("--wait-for 60 -U --connect-timeout 7 s", seconds(7)),
    ];
    for (line, expected) in table {
        assert_eq!(timeout(line), expected, "{line}");
    }
}

#[test]
fn a_command_stands_behind_the_dashes() {
    let table = [
        ("--wait-for 5 a:80", None),
        ("--wait-for 5 a:80 --", None),
        ("--wait-for 5 a:80 -- app", Some("app")),
        ("--wait-for 5 a:80 -- app -v --any", Some("app -v --any")),
        ("a:80 --wait-for 5 -- sh -c x -- y", Some("sh -c x -- y")),
        ("-z a 80 --wait-for 5 -- -app b:81", Some("-app b:81")),
        ("-U s --wait-for 5 -- app t", Some("app t")),
        ("--compat=nc --wait-for 5 a 80 -- app +1", Some("app +1")),
    ];
    for (line, expected) in table {
        assert_eq!(command(line).as_deref(), expected, "{line}");
    }
    assert_eq!(ports("--wait-for 5 a:80 -- b:81").list.len(), 1);
    assert_eq!(sockets("--wait-for 5 -U s -- t").list, [path("s")]);
}

#[test]
fn a_command_may_have_arguments_of_any_bytes_and_empty_ones() {
    use std::os::unix::ffi::OsStringExt as _;

    let words = ["oxnc", "--wait-for", "5", "a:80", "--", "app", ""];
    let odd = OsString::from_vec(b"\xff\x1b".to_vec());
    let args = words.iter().map(OsString::from).chain([odd.clone()]);
    let Ok(Action::Scan(scan)) = parse_with(args.collect(), None).map(|plan| plan.action) else {
        panic!("not a plan to test ports");
    };
    let Goal::Wait(wait) = scan.goal else {
        panic!("not a plan to wait");
    };
    assert_eq!(wait.command, Some(vec!["app".into(), "".into(), odd]));
}

#[test]
fn without_it_the_dashes_just_end_the_options() {
    for (line, same) in [
        ("-z -- a 80", "-z a 80"),
        ("-z a -- 80 81", "-z a 80 81"),
        ("-z a:1 -- b:2", "-z a:1 b:2"),
        ("--compat=nc -z a -- +80", "--compat=nc -z a 80"),
    ] {
        assert_eq!(scan(line), scan(same), "{line}");
    }
    assert_eq!(sockets("-zU -- s -t").list, [path("s"), path("-t")]);
}

#[test]
fn mistakes_are_named() {
    let table = [
        (
            "--wait-for 5",
            "'--wait-for' needs HOST:PORT, or HOST and PORTS; see '--help'",
        ),
        (
            "-z --wait-for 5",
            "'--wait-for' needs HOST:PORT, or HOST and PORTS; see '--help'",
        ),
        (
            "--wait-for 5 -- app",
            "'--wait-for' needs HOST:PORT before '--'; see '--help'",
        ),
        ("--wait-for 5 a", "host 'a' needs a port"),
        ("--wait-for 5 a -- 80", "host 'a' needs a port"),
        ("--wait-for 5 a:80 b", "'b' is not HOST:PORTS, as 'a:80' is"),
        ("--wait-for 5 -U", "-U needs a path"),
        ("--wait-for 5 -U -- app", "-U needs a path"),
        (
            "a:80 --wait-for",
            "option '--wait-for' requires an argument",
        ),
        (
            "--wait-for -1 a:80",
            "option '--wait-for': duration '-1' is negative",
        ),
        (
            "--wait-for x a:80",
            "option '--wait-for': duration 'x' is not a number of seconds or a time such as 500ms \
             or 1m30s",
        ),
        (
            "--wait-for a:80",
            "option '--wait-for': duration 'a:80' is not a number of seconds or a time such as \
             500ms or 1m30s",
        ),
        ("--any a:80", "option '--any' needs '--wait-for'"),
        ("-z --any a:80", "option '--any' needs '--wait-for'"),
        ("-z --invert a:80", "option '--invert' needs '--wait-for'"),
        (
            "--wait-for 5 --count 3 a:80",
            "options '--count' and '--wait-for' exclude each other",
        ),
        (
            "--wait-for 5 -r a:80",
            "options '--wait-for' and '-r' exclude each other",
        ),
        (
            "--wait-for 5 -i 1 a:80",
            "options '--wait-for' and '-i' exclude each other",
        ),
        (
            "--wait-for 5 --any --all a:80",
            "options '--any' and '--all' exclude each other",
        ),
        (
            "--wait-for 5 -l 80",
            "options '--wait-for' and '-l' exclude each other",
        ),
        (
            "--wait-for 5 -F a:80",
            "options '-F' and '--wait-for' exclude each other",
        ),
        (
            "--wait-for 5 --linger 1 a:80",
            "options '--wait-for' and '--linger' exclude each other",
        ),
        (
            "--wait-for 5 --idle-timeout 1 a:80",
            "options '--wait-for' and '--idle-timeout' exclude each other",
        ),
        (
            "-z --wait-for 5 -l 80",
            "options '-z' and '-l' exclude each other",
        ),
        (
            "--wait-for 5 -u --banner a:80",
            "options '--banner' and '-u' exclude each other",
        ),
        (
            "--wait-for 5 -U --parallel 5 s",
            "options '--parallel' and '-U' exclude each other",
        ),
        (
            "--wait-for 5 -4 a:80 [::1]:80",
            "'-4' excludes the IPv6 address '::1'",
        ),
    ];
    for (line, expected) in table {
        assert_eq!(usage(line), expected, "{line}");
    }
    let words: [&[u8]; 5] = [b"--wait-for", b"5", b"a:80", b"--", b""];
    assert_eq!(usage_of_bytes(&words), "the command behind '--' is empty");
    let words: [&[u8]; 3] = [b"-z", b"a:80", b"\xff:80"];
    assert_eq!(usage_of_bytes(&words), r"address '\xff:80' is not UTF-8");
    let words: [&[u8]; 3] = [b"-z", b"a", b"8\xff"];
    assert_eq!(usage_of_bytes(&words), r"port '8\xff' is not UTF-8");
}
