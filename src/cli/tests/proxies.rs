//! Proxies: from arguments to a plan or a usage line.

use std::path::PathBuf;

use super::{stop_or_plan, usage_lines::usage};
use crate::plan::{
    Action, Connect, Endpoint, Login, PasswordFrom, Proxy, ProxyNames, ProxyProtocol,
};

#[track_caller]
fn proxy(line: &str) -> Proxy {
    match stop_or_plan(line).map(|plan| plan.action) {
        Ok(Action::Connect(Connect {
            proxy: Some(proxy), ..
        })) => proxy,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn a_proxy_is_read_with_its_defaults() {
    use ProxyNames::*;
    use ProxyProtocol::*;
    let table = [
        ("-x p", "p:1080", Socks5, Remote),
        ("-xp", "p:1080", Socks5, Remote),
        ("--proxy=p:1", "p:1", Socks5, Remote),
        ("-x p:socks", "p:socks", Socks5, Remote),
        ("-x [::1]", "[::1]:1080", Socks5, Remote),
        ("-x [::1]:1", "[::1]:1", Socks5, Remote),
        ("-x p -X 5", "p:1080", Socks5, Remote),
        ("-x p -X socks5", "p:1080", Socks5, Remote),
        ("-x p -X 4", "p:1080", Socks4, Local),
        ("-x p -X4", "p:1080", Socks4, Local),
        ("-x p -X socks4", "p:1080", Socks4, Local),
        ("-x p -X 4a", "p:1080", Socks4, Remote),
        ("-x p -X 4A", "p:1080", Socks4, Remote),
        ("-x p -X SOCKS4A", "p:1080", Socks4, Remote),
        ("-x p -X 4 --proxy-dns remote", "p:1080", Socks4, Remote),
        ("-x p -X connect", "p:3128", Http, Remote),
        ("-x p -X CONNECT", "p:3128", Http, Remote),
        ("-x p --proxy-type=http", "p:3128", Http, Remote),
        ("-x p:1 -X connect", "p:1", Http, Remote),
        ("-x p --proxy-dns local", "p:1080", Socks5, Local),
        ("-x p --proxy-dns=both", "p:1080", Socks5, Both),
        ("-x p -x q", "q:1080", Socks5, Remote),
        ("-x p -X 4 -X connect", "p:3128", Http, Remote),
    ];
    for (words, server, protocol, names) in table {
        let expected = Proxy {
            server: Endpoint::parse(server).unwrap(),
            protocol,
            names,
            login: None,
        };
        for line in [
            format!("{words} example.com 80"),
            format!("example.com:80 {words}"),
        ] {
            assert_eq!(proxy(&line), expected, "{line:?}");
        }
    }
}

#[test]
fn a_proxy_is_told_the_target_as_it_was_given() {
    for line in [
        "-x p -4 ::1 80",
        "-x p -6 127.0.0.1 80",
        "-x p --proxy-dns none ::1 80",
        "-x p -X 4 127.0.0.1 80",
        "-x p -n example.com 80",
        "-x p -X 4 m\u{fc}nchen.example 80",
        "-x p -X connect --proxy-dns local m\u{fc}nchen.example 80",
        "-x p -X connect a_b.example. 80",
    ] {
        proxy(line);
    }
}

#[test]
fn passwords_come_from_where_they_are_said_to_be() {
    use PasswordFrom::*;
    let bob = || Some("bob".to_owned());
    let file = |name: &str| File(PathBuf::from(name));
    let table = [
        ("-P bob", bob(), Terminal),
        ("-X 4 -P bob", bob(), Nowhere),
        ("-X 4a --proxy-user=bob", bob(), Nowhere),
        ("-X connect -P bob", bob(), Terminal),
        ("-P bob --proxy-auth-file f", bob(), file("f")),
        ("--proxy-auth-file=f", None, file("f")),
        ("--proxy-auth-file ./fd:3", None, file("./fd:3")),
        ("--proxy-auth-file fd:3", None, Descriptor(3)),
        ("--proxy-auth-env V", None, Environment("V".into())),
        ("-P bob --proxy-auth-env=V", bob(), Environment("V".into())),
    ];
    for (words, user, password) in table {
        let expected = Some(Login { user, password });
        let line = format!("-x p {words} example.com 80");
        assert_eq!(proxy(&line).login, expected, "{line:?}");
    }
}

#[test]
fn what_no_proxy_can_do_is_said_in_one_line() {
    let table = [
        ("-x p -l 80", "options '-x' and '-l' exclude each other"),
        ("a 1 -X 5", "option '-X' needs '-x'"),
        ("a 1 -P bob", "option '-P' needs '-x'"),
        ("-l 1 -P bob", "option '-P' needs '-x'"),
        (
            "a 1 --proxy-auth-file f",
            "option '--proxy-auth-file' needs '-x'",
        ),
        (
            "a 1 --proxy-auth-env V",
            "option '--proxy-auth-env' needs '-x'",
        ),
        ("a 1 --proxy-dns local", "option '--proxy-dns' needs '-x'"),
        (
            "a 1 -x p --proxy-auth-env V --proxy-auth-file f",
            "options '--proxy-auth-file' and '--proxy-auth-env' exclude each other",
        ),
        (
            "a 1 -x p -X 4 --proxy-auth-env V",
            "option '--proxy-auth-env': SOCKS4 has no passwords; '-P' names the user",
        ),
        (
            "a 1 -x p -X 6",
            "option '-X': '6' is not one of: 4, 4a, 5, connect",
        ),
        (
            "a 1 -x p --proxy-dns x",
            "option '--proxy-dns': 'x' is not one of: remote, local, both, none",
        ),
        (
            "a 1 -x ::1",
            "option '-x': proxy '::1' is an IPv6 address without brackets; it is written [::1] \
             or [::1]:1080",
        ),
        (
            "a 1 --proxy http://p:1",
            "option '--proxy': proxy 'http://p:1' is a URL; HOST or HOST:PORT is wanted, and the \
             protocol with '-X'",
        ),
        ("a 1 -x p:", "option '-x': port '' is empty"),
        ("a 1 -x :1", "option '-x': host '' is empty"),
        (
            "a 1 -x p:99999",
            "option '-x': port '99999' is out of range; ports are 1-65535",
        ),
        (
            "a 1 -x p:0",
            "option '-x': port '0' cannot be connected to; ports are 1-65535",
        ),
        ("a 1 -x", "option '-x' requires an argument"),
        (
            "a 1 -x p --proxy-user=",
            "option '--proxy-user': user '' is empty",
        ),
        (
            "a 1 -x p -X connect -P a:b",
            "option '-P': user 'a:b' has a colon, which HTTP cannot tell from the one before the \
             password",
        ),
        (
            "a 1 -x p --proxy-auth-file fd:0",
            "option '--proxy-auth-file': 'fd:0' is stdin, which the data comes from",
        ),
        (
            "a 1 -x p --proxy-auth-file fd:2",
            "option '--proxy-auth-file': 'fd:2' is for writing to, and a password is read",
        ),
        (
            "a 1 -x p --proxy-auth bob:hunter2",
            "unknown option '--proxy-auth'; did you mean '--proxy-auth-env'?",
        ),
        (
            "::1 1 -x p -X 4",
            "SOCKS4 has no IPv6 addresses such as '::1'; '-X 5' and '-X connect' have",
        ),
        (
            "fe80::1%eth0 1 -x p",
            "host 'fe80::1%eth0' has a zone, which means nothing to a proxy",
        ),
        (
            "a 1 -x p --proxy-dns none",
            "'--proxy-dns none' excludes the name 'a'; give its address",
        ),
        (
            "a/b 1 -x p -X connect",
            "host 'a/b' is no name that HTTP can carry; non-ASCII names have an ASCII form, \
             xn--...",
        ),
        ("-4 -x [::1] a 80", "'-4' excludes the IPv6 address '::1'"),
        (
            "-n -x p a http",
            "'-n' excludes the service name 'http'; give its number",
        ),
        (
            "-n -x p:http a 80",
            "'-n' excludes the service name 'http'; give its number",
        ),
    ];
    for (line, expected) in table {
        assert_eq!(usage(line), expected, "{line:?}");
    }
}

#[test]
fn what_is_too_long_for_a_proxy_is_said() {
    let long = "x".repeat(256);
    let shown = "x".repeat(80);
    for line in [
        format!("-x p {long} 80"),
        format!("-x p -X 4a {long} 80"),
        format!("-x p --proxy-dns both {long} 80"),
    ] {
        let expected = format!("host '{shown}...' is longer than SOCKS can tell (255 bytes)");
        assert_eq!(usage(&line), expected);
    }
    for kind in ["4", "5"] {
        assert_eq!(
            usage(&format!("-x p -X {kind} -P {long} a 80")),
            format!("option '-P': user '{shown}...' is longer than SOCKS can tell (255 bytes)")
        );
    }
}
