//! `-z`: from arguments to what is to be tested.

use std::time::Duration;

use super::{stop_or_plan, usage_lines::usage};
use crate::plan::{
    Action, Goal, Measure, Plan, Port, PortSpan, PortTargets, Ports, Probe, Scan, SocketTargets,
    Survey, Targets, UnixAddress, UnixProbe,
};

#[track_caller]
fn plan(line: &str) -> Plan {
    match stop_or_plan(line) {
        Ok(plan) => plan,
        Err(stop) => panic!("{line}: {stop:?}"),
    }
}

#[track_caller]
pub(super) fn scan(line: &str) -> Scan {
    match plan(line).action {
        Action::Scan(scan) => scan,
        _ => panic!("{line}: not a plan to test ports"),
    }
}

#[track_caller]
pub(super) fn ports(line: &str) -> PortTargets {
    match scan(line).targets {
        Targets::Ports(ports) => ports,
        Targets::Sockets(_) => panic!("{line}: not about ports"),
    }
}

#[track_caller]
pub(super) fn sockets(line: &str) -> SocketTargets {
    match scan(line).targets {
        Targets::Sockets(sockets) => sockets,
        Targets::Ports(_) => panic!("{line}: not about Unix sockets"),
    }
}

#[track_caller]
fn survey(line: &str) -> Survey {
    match scan(line).goal {
        Goal::Survey(survey) => survey,
        other => panic!("{line}: {other:?}"),
    }
}

/// How long a test may take.
#[track_caller]
pub(super) fn timeout(line: &str) -> Option<Duration> {
    match scan(line).targets {
        Targets::Sockets(sockets) => sockets.timeout,
        Targets::Ports(ports) => match ports.probe {
            Probe::Connect { timeout, .. } => timeout,
            Probe::Datagrams { wait } => Some(wait),
        },
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

pub(super) fn seconds(n: u64) -> Option<Duration> {
    Some(Duration::from_secs(n))
}

pub(super) fn path(path: &str) -> UnixAddress {
    UnixAddress::Path(path.into())
}

#[test]
fn ports_are_numbers_ranges_lists_and_services() {
    let table: &[(&str, &[&str])] = &[
        ("-z a 80", &["80"]),
        ("-z a:80", &["80"]),
        ("-z [::1]:80", &["80"]),
        ("-z ::1 80", &["80"]),
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
        ("-z a -- 80 81", &["80", "81"]),
        ("--compat=nc -z a 25-20", &["20-25"]),
        ("--compat=nc -z a:25-20", &["20-25"]),
    ];
    for (line, expected) in table {
        let [target] = ports(line).list.try_into().unwrap();
        assert_eq!(target.ports, spans(expected), "{line}");
    }
}

#[test]
fn every_word_is_a_host_and_its_ports_if_the_first_one_is() {
    type HostsAndPorts = &'static [(&'static str, &'static [&'static str])];
    let table: &[(&str, HostsAndPorts)] = &[
        ("-z a:80 b:81", &[("a", &["80"]), ("b", &["81"])]),
        (
            "-z db:5432,8000-8010,http [::1]:22 -v a:1",
            &[
                ("db", &["5432", "8000-8010", "http"]),
                ("::1", &["22"]),
                ("a", &["1"]),
            ],
        ),
        ("-z a:80 a:80", &[("a", &["80"]), ("a", &["80"])]),
        (
            "-z a:1 -- b:2 c:3",
            &[("a", &["1"]), ("b", &["2"]), ("c", &["3"])],
        ),
    ];
    for (line, expected) in table {
        let list = ports(line).list;
        let found: Vec<_> = list
            .iter()
            .map(|target| (target.host.as_str(), target.ports.clone()))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(host, ports)| (*host, spans(ports)))
            .collect();
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn there_may_be_more_words_than_ports() {
    let line = |word: &str| format!("-z {}", vec![word; 70_000].join(" "));
    assert_eq!(ports(&line("a:80")).list.len(), 70_000);
    let [target] = ports(&format!("-z a {}", &line("80")[3..]))
        .list
        .try_into()
        .unwrap();
    assert_eq!(target.ports.spans().len(), 70_000);
    assert_eq!(sockets(&format!("-U {}", line("/s"))).list.len(), 70_000);
}

#[test]
fn a_probe_has_two_seconds_if_there_are_several() {
    let table = [
        ("-z a 80", seconds(30)),
        ("-z a 80,81", seconds(2)),
        ("-z a 80-81", seconds(2)),
        ("-z a:80 b:80", seconds(2)),
        ("-w 5 -z a 80-81", seconds(5)),
        ("-w 5 -z a 80", seconds(5)),
        ("-w 5 --connect-timeout 1 -z a 80", seconds(1)),
        ("-w 0 -z a 80", None),
        ("-w 0 -z a 80-81", None),
        ("-z --count 3 a 80", seconds(2)),
        ("-z --count 3 -w 5 a 80", seconds(5)),
        ("-z --count 3 -w 0 a 80", None),
        ("-zu a 80", seconds(3)),
        ("-uz a 80-81", seconds(3)),
        ("-zu -w 1 a 80", seconds(1)),
        ("-zu -w 0 a 80", seconds(3)),
        ("-zU s", seconds(30)),
        ("-zU s t", seconds(2)),
        ("-zU --count 3 s", seconds(2)),
        ("-zU -w 5 s t", seconds(5)),
        ("-zU -w 0 s", None),
    ];
    for (line, expected) in table {
        assert_eq!(timeout(line), expected, "{line}");
    }
    // The lookup has its own.
    assert_eq!(plan("-z a 80-81").limits.connect, seconds(30));
}

#[test]
fn what_holds_for_a_connection_holds_for_a_probe() {
    assert_eq!(ports("-z a 80").source, None);
    assert!(ports("-zn 127.0.0.1 80").lookup.numeric);
    let source = ports("-z -p 5000 a 80").source.unwrap();
    assert_eq!(source.port, Some(Port::Number(5000)));
    let proxy = |line: &str| match ports(line).probe {
        Probe::Connect { proxy, .. } => proxy.map(|proxy| proxy.server.to_string()),
        Probe::Datagrams { .. } => panic!("{line}: it is TCP"),
    };
    assert_eq!(proxy("-z a 80"), None);
    for line in ["-z -x p a 80", "-z -x p a:80 b:81"] {
        assert_eq!(proxy(line).as_deref(), Some("p:1080"), "{line}");
    }
}

#[test]
fn a_survey_is_paced_shuffled_and_strict_if_asked_for() {
    assert_eq!(
        survey("-z a 80-81"),
        Survey {
            interval: None,
            random: false,
            all: false,
            silent: false,
        }
    );
    assert!(survey("-rz a 80").random && survey("-z --random a 80").random);
    assert!(survey("-z --all a 80").all);
    let interval = |line: &str| survey(line).interval;
    assert_eq!(interval("-z -i 0.5 a 80"), Some(Duration::from_millis(500)));
    assert_eq!(interval("-z -i 0 a 80"), None);
    let parallel = |line: &str| ports(line).parallel;
    assert_eq!(parallel("-z a 80"), None);
    assert_eq!(parallel("-z --parallel 1 a 80"), Some(1));
    assert_eq!(parallel("-zu --parallel=65535 a 80"), Some(65535));
}

#[test]
fn a_survey_tells_of_several_ports_unless_nc_would() {
    for line in [
        "-z a 80,81",
        "-z a:80 b:80",
        "-z a 80 80",
        "-zu a 1-2",
        "-zU s t",
    ] {
        assert!(!survey(line).silent, "{line}");
        assert!(survey(&format!("-v {line}")).silent, "-v {line}");
        assert!(survey(&format!("--compat=nc {line}")).silent, "nc {line}");
        assert!(!scan(line).json);
        let json = scan(&format!("--json {line}"));
        assert!(
            json.json && json.goal == Goal::Survey(survey(line)),
            "{line}"
        );
    }
    for line in ["-z a 80", "-z a:80", "-z a 80-80", "-zu a http", "-zU s"] {
        assert!(survey(line).silent, "{line}");
        let json = scan(&format!("--json {line}"));
        assert!(
            json.json && json.goal == Goal::Survey(survey(line)),
            "{line}"
        );
    }
}

#[test]
fn a_banner_has_a_second_unless_a_time_follows_the_equals_sign() {
    let banner = |line: &str| match ports(line).probe {
        Probe::Connect { banner, .. } => banner,
        Probe::Datagrams { .. } => panic!("{line}: it is TCP"),
    };
    assert_eq!(banner("-z a 80"), None);
    assert_eq!(banner("-z --banner a 80"), seconds(1));
    assert_eq!(banner("-z a 80 --banner"), seconds(1));
    assert_eq!(banner("-z --banner=5 a 80"), seconds(5));
    assert_eq!(banner("-z --banner=1m a 80-90"), seconds(60));
}

#[test]
fn one_port_is_measured_every_second() {
    let table = [
        ("-z --count 1 a 80", 1, 1000),
        ("-z --count 4294967295 a:80", 4_294_967_295, 1000),
        ("-z --count 5 -i 0.2 a 80", 5, 200),
        ("-z --count 5 -i 0 a 80", 5, 0),
        ("-zu --count 5 a http", 5, 1000),
        ("-zU --count 5 s", 5, 1000),
        ("-zv --json --banner --count 5 a 80", 5, 1000),
    ];
    for (line, count, interval) in table {
        let expected = Goal::Measure(Measure {
            count,
            interval: Duration::from_millis(interval),
        });
        assert_eq!(scan(line).goal, expected, "{line}");
    }
}

#[test]
fn unix_sockets_are_tested_as_many_as_there_are() {
    let all = sockets("-zU /run/s @t s");
    let names = [
        path("/run/s"),
        UnixAddress::Abstract(b"t".into()),
        path("s"),
    ];
    assert_eq!(
        (all.list.as_slice(), all.probe),
        (&names[..], UnixProbe::Stream)
    );
    let datagrams = |own| UnixProbe::Datagrams { own };
    assert_eq!(sockets("-zuU s").probe, datagrams(None));
    let named = sockets("-zuU -s /run/o s t");
    assert_eq!(named.probe, datagrams(Some(path("/run/o"))));
    // What nc makes of a port's number is not for paths.
    assert_eq!(
        sockets("--compat=nc -zU s +1").list,
        [path("s"), path("+1")]
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
        (
            "-z",
            "'-z' needs HOST and PORTS, or HOST:PORTS; see '--help'",
        ),
        ("-z a", "host 'a' needs a port"),
        ("-z -- a", "host 'a' needs a port"),
        (
            "-z ::1",
            "'::1' is an IPv6 address without a port; with one it is written [::1]:80",
        ),
        ("-z a:80 81", "'81' is not HOST:PORTS, as 'a:80' is"),
        ("-z a:80 b c:80", "'b' is not HOST:PORTS, as 'a:80' is"),
        (
            "-z [::1]:80 [::2]",
            "'[::2]' is not HOST:PORTS, as '[::1]:80' is",
        ),
        (
            "-z a:80 ::1",
            "'::1' is an IPv6 address without a port; with one it is written [::1]:80",
        ),
        ("-z a b:80", "host 'a' needs a port, as 'b:80' has one"),
        (
            "-z a 80:90",
            "port '80:90' is not a number (1-65535) or the name of a service",
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
        ("-z a:", "port '' of 'a:' is empty"),
        (
            "-z a:80 b:0",
            "port '0' of 'b:0' cannot be connected to; ports are 1-65535",
        ),
        (
            "-z a:80 b:1,65536",
            "port '65536' of 'b:1,65536' is out of range; ports are 1-65535",
        ),
        (
            "-z a:80 b:25-20",
            "port '25-20' of 'b:25-20' ends before it begins",
        ),
        ("-z a:80 b:1,", "port '' of 'b:1,' is empty"),
        ("-z a:80 :80", "host '' of ':80' is empty"),
        (
            "-z a:80 [fe80::1]:80",
            "host 'fe80::1' of '[fe80::1]:80' is link-local: name its interface too, as in \
             fe80::1%eth0",
        ),
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
        (
            "-nz a:80 b:81,http",
            "'-n' excludes the service name 'http'; give its number",
        ),
        ("-4z ::1 80", "'-4' excludes the IPv6 address '::1'"),
        ("-4z a:80 [::1]:80", "'-4' excludes the IPv6 address '::1'"),
        (
            "-z -x p -X 4 a:80 [::1]:80",
            "SOCKS4 has no IPv6 addresses such as '::1'; '-X 5' and '-X connect' have",
        ),
        ("-zl 80", "options '-z' and '-l' exclude each other"),
        ("-zU", "-U needs a path"),
        (
            "-z --linger 1 a 80",
            "options '-z' and '--linger' exclude each other",
        ),
        (
            "-z --send-only a 80",
            "options '-z' and '--send-only' exclude each other",
        ),
        ("-zF a 80", "options '-F' and '-z' exclude each other"),
        (
            "-zu -x proxy a 80",
            "options '-u' and '-x' exclude each other",
        ),
        ("a 80 81", "'81' is one word too many"),
        ("a 80 -- 81", "'81' is one word too many"),
        // What -z is needed for.
        ("-r a 80", "option '-r' needs '-z'"),
        ("--all a 80", "option '--all' needs '-z'"),
        ("--parallel 5 a 80", "option '--parallel' needs '-z'"),
        ("--json a 80", "option '--json' needs '-z'"),
        ("--banner a 80", "option '--banner' needs '-z'"),
        ("--count 5 a 80", "option '--count' needs '-z'"),
        // Measuring.
        ("-z --count 5 a 80,81", "'--count' measures one port"),
        ("-z --count 5 a:80 b:80", "'--count' measures one port"),
        ("-zU --count 5 s t", "'--count' measures one socket"),
        (
            "-zr --count 5 a 80",
            "options '--count' and '-r' exclude each other",
        ),
        (
            "-z --all --count 5 a 80",
            "options '--count' and '--all' exclude each other",
        ),
        (
            "-z --parallel 5 --count 5 a 80",
            "options '--count' and '--parallel' exclude each other",
        ),
        // Where there is nothing to hear, and where it is one after another.
        (
            "-zu --banner a 80",
            "options '--banner' and '-u' exclude each other",
        ),
        (
            "-zU --banner s",
            "options '--banner' and '-U' exclude each other",
        ),
        (
            "-z -x p --banner a 80",
            "options '--banner' and '-x' exclude each other",
        ),
        (
            "-zU --parallel 5 s",
            "options '--parallel' and '-U' exclude each other",
        ),
        (
            "-z -x p --parallel 5 a 80",
            "options '--parallel' and '-x' exclude each other",
        ),
        // Values.
        (
            "-z --parallel 0 a 80",
            "option '--parallel': value '0' is not a number from 1 to 65535",
        ),
        (
            "-z --parallel 65536 a 80",
            "option '--parallel': value '65536' is not a number from 1 to 65535",
        ),
        (
            "-z --count 0 a 80",
            "option '--count': value '0' is not a number from 1 to 4294967295",
        ),
        ("-z a 80 --count", "option '--count' requires an argument"),
        (
            "-z --banner= a 80",
            "option '--banner': duration '' is empty",
        ),
        (
            "-z --banner=-1 a 80",
            "option '--banner': duration '-1' is negative",
        ),
        (
            "-z --banner=0 a 80",
            "option '--banner': '0' is no time to wait for a banner",
        ),
        ("-z --json=1 a 80", "option '--json' takes no argument"),
        // The words of nc.
        ("--compat=nc -z a", "missing port number"),
        ("--compat=nc -zU", "missing socket pathname"),
    ];
    for (line, expected) in table {
        assert_eq!(usage(line), expected, "{line}");
    }
}
