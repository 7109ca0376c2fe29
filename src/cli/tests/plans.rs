//! From arguments to a plan.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
    path::PathBuf,
    time::Duration,
};

use super::{
    super::{Stop, parse_with, passed_in},
    stop_or_plan,
};
use crate::plan::{
    Action, Connect, Endpoint, Family, Host, Input, KeepOpen, Limits, Lines, Listen, ListenOn,
    Lookup, OnInputEnd, OnPeerEnd, Personality, Plan, Port, PortTo, Source, Transfer, UnixAddress,
};

#[track_caller]
fn plan(line: &str) -> Plan {
    match stop_or_plan(line) {
        Ok(plan) => plan,
        Err(stop) => panic!("{line}: {stop:?}"),
    }
}

fn host(word: &str) -> Host {
    Host::parse(word).unwrap()
}

fn seconds(n: u64) -> Option<Duration> {
    Some(Duration::from_secs(n))
}

/// `oxnc example.com 80`, the plan that the others differ from.
fn plain() -> Plan {
    Plan {
        personality: Personality::Oxnc,
        numeric: false,
        action: Action::Connect(Connect {
            target: Endpoint {
                host: host("example.com"),
                port: Port::Number(80),
            },
            source: None,
            lookup: Lookup::default(),
            proxy: None,
        }),
        transfer: Transfer {
            input: Input::Stdin,
            on_input_end: OnInputEnd::Auto,
            on_peer_end: OnPeerEnd::Auto,
            quit_after: None,
            recv_limit: None,
            send_only: false,
            linger: Duration::from_secs(10),
            lines: Lines::default(),
            telnet: false,
        },
        limits: Limits {
            connect: seconds(30),
            accept: None,
            idle: None,
            total: None,
        },
        retry: None,
        socket_options: Vec::new(),
        verbosity: 0,
    }
}

fn connect(plan: &mut Plan) -> &mut Connect {
    match &mut plan.action {
        Action::Connect(connect) => connect,
        _ => panic!("not a plan to connect"),
    }
}

fn listen(line: &str) -> Listen {
    match plan(line).action {
        Action::Listen(listen) => listen,
        _ => panic!("{line}: not a plan to listen"),
    }
}

fn numeric(plan: &mut Plan) {
    connect(plan).lookup.numeric = true;
    plan.numeric = true;
}

#[test]
fn each_option_changes_its_part_of_the_plan() {
    type Change = fn(&mut Plan);
    let table: &[(&str, Change)] = &[
        ("", |_| ()),
        ("-4", |p| connect(p).lookup.family = Family::V4),
        ("--ipv4", |p| connect(p).lookup.family = Family::V4),
        ("-6", |p| connect(p).lookup.family = Family::V6),
        ("--ipv6", |p| connect(p).lookup.family = Family::V6),
        ("-4 -6", |p| connect(p).lookup.family = Family::V6),
        ("-6 -4", |p| connect(p).lookup.family = Family::V4),
        ("-464", |p| connect(p).lookup.family = Family::V4),
        ("-n", numeric),
        ("--numeric", numeric),
        ("--nodns", numeric),
        ("-d", |p| p.transfer.input = Input::Nothing),
        ("--no-stdin", |p| p.transfer.input = Input::Nothing),
        ("--recv-only", |p| p.transfer.input = Input::Nothing),
        ("-d --recv-only", |p| p.transfer.input = Input::Nothing),
        ("-N", |p| p.transfer.on_input_end = OnInputEnd::Shutdown),
        ("--shutdown", |p| {
            p.transfer.on_input_end = OnInputEnd::Shutdown
        }),
        ("--no-shutdown", |p| {
            p.transfer.on_input_end = OnInputEnd::Keep
        }),
        ("-d -N", |p| {
            p.transfer.input = Input::Nothing;
            p.transfer.on_input_end = OnInputEnd::Shutdown;
        }),
        ("-q 5", |p| {
            p.transfer.on_input_end = OnInputEnd::Shutdown;
            p.transfer.quit_after = seconds(5);
        }),
        ("--quit-after=1m30s", |p| {
            p.transfer.on_input_end = OnInputEnd::Shutdown;
            p.transfer.quit_after = seconds(90);
        }),
        ("-q 0", |p| p.transfer.on_input_end = OnInputEnd::Shutdown),
        ("-q -0", |p| p.transfer.on_input_end = OnInputEnd::Shutdown),
        ("-q -1", |_| ()),
        ("-q-1", |_| ()),
        ("-q 5 -q -1", |_| ()),
        ("-q -1 --no-shutdown", |p| {
            p.transfer.on_input_end = OnInputEnd::Keep
        }),
        ("--on-peer-eof exit", |p| {
            p.transfer.on_peer_end = OnPeerEnd::Exit
        }),
        ("--on-peer-eof=drain", |p| {
            p.transfer.on_peer_end = OnPeerEnd::Drain
        }),
        ("--send-only", |p| {
            p.transfer.send_only = true;
            p.transfer.on_input_end = OnInputEnd::Shutdown;
        }),
        ("-C", |p| p.transfer.lines.crlf = true),
        ("--crlf", |p| p.transfer.lines.crlf = true),
        ("-i 1.5", |p| {
            p.transfer.lines.interval = Some(Duration::from_millis(1500));
        }),
        ("--interval=2", |p| p.transfer.lines.interval = seconds(2)),
        ("-i 2 -i 0", |_| ()),
        ("-t", |p| p.transfer.telnet = true),
        ("--telnet", |p| p.transfer.telnet = true),
        ("--linger 1.5", |p| {
            p.transfer.linger = Duration::from_millis(1500)
        }),
        ("--linger 0", |p| p.transfer.linger = Duration::ZERO),
        ("-w 3", |p| {
            p.limits.connect = seconds(3);
            p.limits.idle = seconds(3);
        }),
        ("-w3", |p| {
            p.limits.connect = seconds(3);
            p.limits.idle = seconds(3);
        }),
        ("--timeout 3", |p| {
            p.limits.connect = seconds(3);
            p.limits.idle = seconds(3);
        }),
        ("--wait=3", |p| {
            p.limits.connect = seconds(3);
            p.limits.idle = seconds(3);
        }),
        ("-w 0", |p| p.limits.connect = None),
        ("--connect-timeout 500ms", |p| {
            p.limits.connect = Some(Duration::from_millis(500))
        }),
        ("--connect-timeout 0", |p| p.limits.connect = None),
        ("--idle-timeout 7", |p| p.limits.idle = seconds(7)),
        ("--idle-timeout 0", |_| ()),
        ("--connect-timeout 5 -w 3", |p| {
            p.limits.connect = seconds(5);
            p.limits.idle = seconds(3);
        }),
        ("-w 3 --idle-timeout 7", |p| {
            p.limits.connect = seconds(3);
            p.limits.idle = seconds(7);
        }),
        ("--idle-timeout 0 -w 3", |p| p.limits.connect = seconds(3)),
        ("-w 0 --connect-timeout 5", |p| {
            p.limits.connect = seconds(5)
        }),
        ("--max-time 1h", |p| p.limits.total = seconds(3600)),
        ("--max-time 0", |_| ()),
        ("-v", |p| p.verbosity = 1),
        ("-vvv", |p| p.verbosity = 3),
        ("-v --verbose", |p| p.verbosity = 2),
        ("-s 10.0.0.1", |p| {
            connect(p).source = Some(Source {
                host: Some(host("10.0.0.1")),
                port: None,
            });
        }),
        ("--source-port 5000", |p| {
            connect(p).source = Some(Source {
                host: None,
                port: Some(Port::Number(5000)),
            });
        }),
        ("--source ::1 -p http", |p| {
            let port = Some(Port::Service("http".to_owned()));
            connect(p).source = Some(Source {
                host: Some(host("::1")),
                port,
            });
        }),
        ("-p 0", |_| ()),
        ("-p 1 -p 2", |p| {
            connect(p).source = Some(Source {
                host: None,
                port: Some(Port::Number(2)),
            });
        }),
        ("-d -d -N -N -n -n", |p| {
            p.transfer.input = Input::Nothing;
            p.transfer.on_input_end = OnInputEnd::Shutdown;
            numeric(p);
        }),
        ("-nNv4w3", |p| {
            connect(p).lookup = Lookup {
                family: Family::V4,
                numeric: true,
                services: false,
            };
            p.numeric = true;
            p.transfer.on_input_end = OnInputEnd::Shutdown;
            p.limits.connect = seconds(3);
            p.limits.idle = seconds(3);
            p.verbosity = 1;
        }),
    ];
    for (options, change) in table {
        let mut expected = plain();
        change(&mut expected);
        assert_eq!(
            plan(&format!("{options} example.com 80")),
            expected,
            "before: {options}"
        );
        assert_eq!(
            plan(&format!("example.com 80 {options}")),
            expected,
            "behind: {options}"
        );
        assert_eq!(
            plan(&format!("example.com {options} 80")),
            expected,
            "between: {options}"
        );
        assert_eq!(
            plan(&format!("{options} -- example.com:80")),
            expected,
            "one word: {options}"
        );
    }
}

#[test]
fn targets_come_as_one_word_or_two() {
    let table = [
        ("example.com https", "example.com:https"),
        ("::1 80", "[::1]:80"),
        ("[::1] 80", "[::1]:80"),
        ("[::1]:80", "[::1]:80"),
        ("fe80::1%eth0 80", "[fe80::1%eth0]:80"),
        ("[fe80::1%eth0]:80", "[fe80::1%eth0]:80"),
        ("-6 [::1]:80", "[::1]:80"),
        ("-4 127.0.0.1:65535", "127.0.0.1:65535"),
        ("-n 127.0.0.1:1", "127.0.0.1:1"),
        ("-- -x 80", "-x:80"),
    ];
    for (line, expected) in table {
        assert_eq!(
            connect(&mut plan(line)).target.to_string(),
            expected,
            "{line}"
        );
    }
}

#[test]
fn listeners_are_named_in_many_ways() {
    let table = [
        ("-l 80", None, "80"),
        ("80 -l", None, "80"),
        ("--listen http", None, "http"),
        ("-l 0", None, "0"),
        ("-lp 80", None, "80"),
        ("-l -p 0", None, "0"),
        ("-l localhost 80", Some("localhost"), "80"),
        ("-l ::1 80", Some("::1"), "80"),
        ("-l 127.0.0.1:80", Some("127.0.0.1"), "80"),
        ("-l 127.0.0.1:0", Some("127.0.0.1"), "0"),
        ("-l [::1]:80", Some("::1"), "80"),
        ("-l -s 127.0.0.1 -p 80", Some("127.0.0.1"), "80"),
        ("-l -s 127.0.0.1 80", Some("127.0.0.1"), "80"),
        ("-l -p 80 127.0.0.1", Some("127.0.0.1"), "80"),
        ("-l -p 80 ::1", Some("::1"), "80"),
        ("-l -p 80 localhost", Some("localhost"), "80"),
        ("-l -p 80 [::1]", Some("::1"), "80"),
    ];
    for (line, address, port) in table {
        let expected = ListenOn::Address {
            host: address.map(host),
            port: Port::parse_local(port).unwrap(),
        };
        assert_eq!(listen(line).on, expected, "{line}");
    }
    assert_eq!(plan("-l 80 --accept-timeout 9").limits.accept, seconds(9));
    assert_eq!(plan("-l 80 --accept-timeout 0").limits.accept, None);
    // `-w` does not limit the wait for a client.
    assert_eq!(plan("-l 80 -w 9").limits.accept, None);
    assert_eq!(plan("-l 80 -w 9").limits.idle, seconds(9));
    assert_eq!(listen("-l6 80").lookup.family, Family::V6);
}

#[test]
fn unix_sockets_are_named_by_a_path_or_an_abstract_name() {
    let path = |path: &str| UnixAddress::Path(path.into());
    let table = [
        ("-U /run/s", path("/run/s")),
        ("/run/s -U", path("/run/s")),
        ("--unix s", path("s")),
        ("--unixsock s", path("s")),
        ("-nU s", path("s")),
        ("-U a:80", path("a:80")),
        ("-U -- -s", path("-s")),
        ("-U ./@s", path("./@s")),
        ("-U @s", UnixAddress::Abstract(b"s".to_vec())),
        ("-U @", UnixAddress::Abstract(Vec::new())),
    ];
    for (line, expected) in table {
        assert_eq!(plan(line).action, Action::ConnectUnix(expected), "{line}");
    }
    let table = [
        ("-lU s", path("s"), 0o600),
        ("-U -l s", path("s"), 0o600),
        ("s --listen --unix", path("s"), 0o600),
        ("-lU -s s", path("s"), 0o600),
        ("-lUs ::1", path("::1"), 0o600),
        ("-lU @s", UnixAddress::Abstract(b"s".to_vec()), 0o600),
        ("-lU s --unix-mode 666", path("s"), 0o666),
        ("-lU s --unix-mode=0777", path("s"), 0o777),
        ("-lU s --unix-mode 0", path("s"), 0),
    ];
    for (line, address, mode) in table {
        assert_eq!(listen(line).on, ListenOn::Unix { address, mode }, "{line}");
    }
    assert_eq!(plan("-lU s --accept-timeout 9").limits.accept, seconds(9));
    assert_eq!(plan("-U s -w 9").limits.connect, seconds(9));
}

#[test]
fn a_listener_that_stays_open() {
    let table = [
        ("-l 80", None),
        ("-lk 80", Some(KeepOpen::default())),
        ("-l --keep-open 80", Some(KeepOpen::default())),
        (
            "-lk 80 --max-conns 1",
            Some(KeepOpen {
                max_conns: Some(1),
                ..KeepOpen::default()
            }),
        ),
        (
            "-lk 80 --accept=4294967295 --tag",
            Some(KeepOpen {
                accept: Some(4_294_967_295),
                tag: true,
                ..KeepOpen::default()
            }),
        ),
        (
            "-lkU /s --tag",
            Some(KeepOpen {
                tag: true,
                ..KeepOpen::default()
            }),
        ),
    ];
    for (line, expected) in table {
        assert_eq!(listen(line).keep_open, expected, "{line}");
    }
    // What has a meaning for each client keeps it.
    for line in ["-q 3", "-N", "--no-shutdown", "-d", "-w 3", "--linger 1"] {
        let one = plan(&format!("-l 80 {line}"));
        let many = plan(&format!("-lk 80 {line}"));
        assert_eq!(many.transfer, one.transfer, "{line}");
        assert_eq!(many.limits, one.limits, "{line}");
    }
}

#[test]
fn the_port_is_written_to_stderr_a_descriptor_or_a_file() {
    let table = [
        ("-l 0", None),
        ("-l 0 --print-port", Some(PortTo::Stderr)),
        // The value needs its '=': this is a port to listen on.
        ("-l --print-port 0", Some(PortTo::Stderr)),
        ("-l 0 --print-port=fd:2", Some(PortTo::Stderr)),
        ("-l 0 --print-port=fd:3", Some(PortTo::Descriptor(3))),
        (
            "-l 0 --print-port=fd:2147483647",
            Some(PortTo::Descriptor(i32::MAX)),
        ),
        (
            "-l 0 --print-port=port.txt",
            Some(PortTo::File(PathBuf::from("port.txt"))),
        ),
        (
            "-l 0 --print-port=./fd:x",
            Some(PortTo::File(PathBuf::from("./fd:x"))),
        ),
        ("-l 0 --print-port=a --print-port", Some(PortTo::Stderr)),
    ];
    for (line, expected) in table {
        assert_eq!(listen(line).print_port, expected, "{line}");
    }
}

#[test]
fn a_file_may_have_a_name_of_any_bytes() {
    let words = [&b"oxnc"[..], b"-l", b"0", b"--print-port=\xff\n"];
    let plan = parse_with(
        words.map(|w| OsStr::from_bytes(w).to_owned()).to_vec(),
        None,
    )
    .unwrap();
    let Action::Listen(listen) = plan.action else {
        panic!("not a plan to listen")
    };
    let file = PathBuf::from(OsStr::from_bytes(b"\xff\n"));
    assert_eq!(listen.print_port, Some(PortTo::File(file)));
}

#[test]
fn inherited_sockets_are_used_when_no_port_is_named() {
    let on = |line: &str| {
        let words = std::iter::once("oxnc").chain(line.split_whitespace());
        match parse_with(words.map(OsString::from).collect(), Some(1)) {
            Ok(Plan {
                action: Action::Listen(listen),
                ..
            }) => Ok(listen.on),
            Ok(other) => panic!("{line}: {other:?}"),
            Err(stop) => Err(stop),
        }
    };
    assert_eq!(on("-l"), Ok(ListenOn::Inherited(1)));
    assert_eq!(on("-lv --print-port"), Ok(ListenOn::Inherited(1)));
    assert_eq!(on("-lU"), Ok(ListenOn::Inherited(1)));
    assert_eq!(
        on("-lU s"),
        Ok(ListenOn::Unix {
            address: UnixAddress::Path("s".into()),
            mode: 0o600
        })
    );
    assert_eq!(
        on("-l 80"),
        Ok(ListenOn::Address {
            host: None,
            port: Port::Number(80)
        })
    );
    assert_eq!(
        on("-l -s ::1"),
        Err(Stop::Usage("-l needs a port".to_owned()))
    );

    let passed_in = |pid: Option<&str>, fds: Option<&str>| {
        passed_in(pid.map(OsStr::new), fds.map(OsStr::new), 42)
    };
    assert_eq!(passed_in(Some("42"), Some("1")), Some(1));
    assert_eq!(passed_in(Some("43"), Some("1")), None);
    assert_eq!(passed_in(Some("42"), Some("0")), None);
    assert_eq!(passed_in(Some("42"), Some("-1")), None);
    assert_eq!(passed_in(Some("42"), Some("x")), None);
    assert_eq!(passed_in(Some("42"), None), None);
    assert_eq!(passed_in(None, Some("1")), None);
}

#[test]
fn the_personality_nc_has_the_defaults_of_nc() {
    let nc = |line: &str| plan(&format!("--compat=nc {line}"));
    let on_input_end = |line: &str| nc(line).transfer.on_input_end;
    assert_eq!(nc("a 1").personality, Personality::Nc);
    assert_eq!(on_input_end("a 1"), OnInputEnd::Keep);
    assert_eq!(on_input_end("-N a 1"), OnInputEnd::Shutdown);
    assert_eq!(on_input_end("-q 0 a 1"), OnInputEnd::Shutdown);
    assert_eq!(on_input_end("-q -1 a 1"), OnInputEnd::Keep);
    let listens = |line: &str| match nc(line).action {
        Action::Listen(listen) => listen,
        _ => panic!("{line}: not a plan to listen"),
    };
    let families = |line: &str| {
        let listen = listens(line);
        (listen.lookup.family, listen.mapped)
    };
    assert_eq!(families("-l 80"), (Family::V4, false));
    assert_eq!(families("-l -p 80"), (Family::V4, false));
    assert_eq!(families("-6l 80"), (Family::V6, true));
    assert_eq!(families("-l ::1 80"), (Family::Any, false));
    let at_once = |line: &str| listens(line).keep_open.map(|keep| keep.max_conns);
    assert_eq!(at_once("-lk 80"), Some(Some(1)));
    assert_eq!(at_once("-lk --max-conns 5 80"), Some(Some(5)));
    assert_eq!(at_once("-l 80"), None);
    assert_eq!(
        stop_or_plan("a 1 --compat=nc"),
        Err(Stop::Usage(
            "'--compat' has to be the first word".to_owned()
        ))
    );
}
