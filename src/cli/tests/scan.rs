//! From arguments to what is to be tested.

use std::time::Duration;

use super::{stop_or_plan, usage_lines::usage};
use crate::plan::{Action, Plan, Port, PortSpan, Ports, Probe, Scan, UnixAddress, UnixProbe};

#[track_caller]
fn plan(line: &str) -> Plan {
    match stop_or_plan(line) {
        Ok(plan) => plan,
        Err(stop) => panic!("{line}: {stop:?}"),
    }
}

#[track_caller]
fn scan(line: &str) -> Scan {
    match plan(line).action {
        Action::Scan(scan) => scan,
        _ => panic!("{line}: not a plan to test ports"),
    }
}

fn spans(words: &[&str]) -> Ports {
    let span = |word: &&str| match word.split_once('-').map(|(a, b)| (a.parse(), b.parse())) {
        Some((Ok(first), Ok(last))) => PortSpan::Numbers { first, last },
        _ => match word.parse() {
            Ok(number) => PortSpan::Numbers {
                first: number,
                last: number,
            },
            Err(_) => PortSpan::Service((*word).to_owned()),
        },
    };
    Ports::new(words.iter().map(span).collect()).unwrap()
}

#[test]
fn ports_are_numbers_ranges_lists_and_services() {
    let table: &[(&str, &[&str])] = &[
        ("-z a 80", &["80"]),
        ("-z a:80", &["80"]),
        ("-z [::1]:80", &["80"]),
        ("--scan a 20-25", &["20-25"]),
        ("-z a 22,80,443", &["22", "80", "443"]),
        ("-z a:22,80", &["22", "80"]),
        (
            "-z a 22 8000-8010,http 53",
            &["22", "8000-8010", "http", "53"],
        ),
        ("-z a http-alt", &["http-alt"]),
        ("-z a 80 80", &["80", "80"]),
        ("a -z 80 -v 81", &["80", "81"]),
        ("-zv -w 1 -- a 80", &["80"]),
        ("--compat=nc -z a 25-20", &["20-25"]),
    ];
    for (line, expected) in table {
        assert_eq!(scan(line).ports, spans(expected), "{line}");
    }
}

#[test]
fn a_probe_has_two_seconds_if_there_are_several() {
    let seconds = |n| Some(Duration::from_secs(n));
    let table = [
        ("-z a 80", seconds(30)),
        ("-z a 80,81", seconds(2)),
        ("-z a 80-81", seconds(2)),
        ("-w 5 -z a 80-81", seconds(5)),
        ("-w 5 -z a 80", seconds(5)),
        ("-w 5 --connect-timeout 1 -z a 80", seconds(1)),
        ("-w 0 -z a 80", None),
        ("-w 0 -z a 80-81", None),
        ("-zu a 80", seconds(3)),
        ("-uz a 80-81", seconds(3)),
        ("-zu -w 1 a 80", seconds(1)),
        ("-zu -w 0 a 80", seconds(3)),
    ];
    for (line, expected) in table {
        let time = match scan(line).probe {
            Probe::Connect { timeout, .. } => timeout,
            Probe::Datagrams { wait } => Some(wait),
        };
        assert_eq!(time, expected, "{line}");
    }
    // The lookup has its own.
    assert_eq!(plan("-z a 80-81").limits.connect, seconds(30));
}

#[test]
fn what_holds_for_a_connection_holds_for_a_probe() {
    let plain = scan("-z a 80");
    assert!(!plain.random && !plain.all && plain.source.is_none());
    assert!(scan("-rz a 80").random && scan("-z --random a 80").random);
    assert!(scan("-z --all a 80").all);
    let interval = |line: &str| scan(line).interval;
    assert_eq!(interval("-z -i 0.5 a 80"), Some(Duration::from_millis(500)));
    assert_eq!(
        (interval("-z a 80"), interval("-z -i 0 a 80")),
        (None, None)
    );
    assert!(scan("-zn 127.0.0.1 80").lookup.numeric);
    let source = scan("-z -p 5000 a 80").source.unwrap();
    assert_eq!(source.port, Some(Port::Number(5000)));
    let Probe::Connect { proxy, .. } = scan("-z -x proxy.example a 80").probe else {
        panic!("it is TCP");
    };
    assert!(proxy.is_some());
    let unix = |line: &str| plan(line).action;
    let path = |path: &str| UnixAddress::Path(path.into());
    let stream = Action::ScanUnix(UnixProbe::Stream(path("/run/s")));
    assert_eq!(unix("-zU /run/s"), stream);
    let datagrams = |own| {
        let target = path("/run/s");
        Action::ScanUnix(UnixProbe::Datagrams { target, own })
    };
    assert_eq!(unix("-zuU /run/s"), datagrams(None));
    assert_eq!(
        unix("-zuU -s /run/o /run/s"),
        datagrams(Some(path("/run/o")))
    );
}

#[test]
fn what_scripts_have_with_z_passes() {
    for options in ["-N", "-d", "-q 0", "-q 1", "-v", "-vN -q1 -d", "-C -t"] {
        let (with, without) = (format!("-z {options} a 80"), "-z a 80");
        assert_eq!(scan(&with), scan(without), "{options}");
    }
}

#[test]
fn mistakes_are_named() {
    let table = [
        ("-z", "'-z' needs HOST and PORTS; see '--help'"),
        ("-z a", "host 'a' needs a port"),
        (
            "-z a:80 81",
            "the port is given twice: by 'a:80' and by '81'",
        ),
        (
            "-z a 0",
            "port '0' cannot be connected to; ports are 1-65535",
        ),
        (
            "-z a 65536",
            "port '65536' is out of range; ports are 1-65535",
        ),
        (
            "-z a 22,65536",
            "port '65536' of '22,65536' is out of range; ports are 1-65535",
        ),
        ("-z a 22,,80", "port '' of '22,,80' is empty"),
        ("-z a ,", "port '' of ',' is empty"),
        ("-z a:", "port '' is empty"),
        (
            "-z a 80-",
            "port '80-' is not a range of ports, as 20-25 is",
        ),
        ("-z a 25-20", "port '25-20' ends before it begins"),
        (
            "-z a 0x50",
            "port '0x50' is not a number (1-65535) or the name of a service",
        ),
        (
            "-z a +5",
            "port '+5' is not a number (1-65535) or the name of a service",
        ),
        (
            "-nz a 80,http",
            "'-n' excludes the service name 'http'; give its number",
        ),
        ("-4z ::1 80", "'-4' excludes the IPv6 address '::1'"),
        ("-zl 80", "options '-z' and '-l' exclude each other"),
        ("-zU", "-U needs a path"),
        ("-r a 80", "option '-r' needs '-z'"),
        ("--all a 80", "option '--all' needs '-z'"),
        (
            "-z --linger 1 a 80",
            "options '-z' and '--linger' exclude each other",
        ),
        (
            "-z --send-only a 80",
            "options '-z' and '--send-only' exclude each other",
        ),
        (
            "-zu -x proxy a 80",
            "options '-u' and '-x' exclude each other",
        ),
        ("a 80 81", "'81' is one word too many"),
    ];
    for (line, expected) in table {
        assert_eq!(usage(line), expected, "{line}");
    }
}
