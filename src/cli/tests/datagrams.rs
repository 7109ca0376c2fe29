//! Datagrams: from arguments to a plan or a usage line.

use std::time::Duration;

use super::{super::Stop, stop_or_plan};
use crate::plan::{Action, Datagrams, Group, ListenOn, Role, UnixAddress};

#[track_caller]
fn datagrams(line: &str) -> Datagrams {
    match stop_or_plan(line).map(|plan| plan.action) {
        Ok(Action::Datagrams(datagrams)) => datagrams,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_silence_after_stdins_end_comes_from_several_options() {
    let ms = |n| Some(Duration::from_millis(n));
    let table = [
        ("-u a 1", ms(1000)),
        ("-u -w 3 a 1", ms(3000)),
        ("-uw0 a 1", ms(0)),
        ("-u --idle-timeout 2 a 1", ms(2000)),
        ("-u --idle-timeout 0 a 1", ms(0)),
        ("-u --idle-timeout 2 -w 0 a 1", ms(2000)),
        ("-u -q 5 a 1", ms(5000)),
        ("-u -q 0 a 1", ms(0)),
        ("-u -q 5 -w 1 a 1", ms(5000)),
        ("-u -q -1 a 1", None),
        ("-u -q -1 -w 3 a 1", ms(3000)),
        ("-u -q -1 -w 0 a 1", None),
        ("-u --send-only a 1", ms(0)),
        ("-u --send-only -w 2 a 1", ms(2000)),
        ("-u -N a 1", ms(1000)),
        ("-lu 1", None),
        ("-lu -w 3 1", None),
        ("-lu -q 5 1", ms(5000)),
    ];
    for (line, expected) in table {
        assert_eq!(datagrams(line).quiet, expected, "{line}");
    }
    let idle = |line: &str| stop_or_plan(line).unwrap().limits.idle;
    assert_eq!(idle("-u -w 0 a 1"), None);
    assert_eq!(idle("-lu -w 3 1"), ms(3000));
}

#[test]
fn sizes_limits_and_groups_are_read() {
    let plan = datagrams("-u -W 3 --datagram-size 1400 a 1");
    assert_eq!((plan.recv_limit, plan.size), (Some(3), Some(1400)));
    assert!(matches!(plan.role, Role::Caller(_)));
    let plan = datagrams("-luk --join 239.1.2.3%eth0 --join ff02::5 1");
    let Role::Receiver {
        everyone, groups, ..
    } = plan.role
    else {
        panic!("not a receiver");
    };
    assert!(everyone);
    let group = |word: &str| Group::parse(word).unwrap();
    assert_eq!(groups, [group("239.1.2.3%eth0"), group("ff02::5")]);
    assert!(matches!(
        datagrams("-lu 1").role,
        Role::Receiver {
            everyone: false,
            ..
        }
    ));
    for (line, size) in [("1", 1), ("65507", 65_507), ("8k", 8192)] {
        let line = format!("-u --datagram-size {line} a 1");
        assert_eq!(datagrams(&line).size, Some(size));
    }
}

#[test]
fn unix_sockets_have_a_name_on_both_sides() {
    let unix = |name: &str| match name.strip_prefix('@') {
        Some(name) => UnixAddress::Abstract(name.as_bytes().to_owned()),
        None => UnixAddress::Path(name.into()),
    };
    let table = [
        ("-uU s", "s", None),
        ("-uU @s", "@s", None),
        ("-u -U s -s own", "s", Some("own")),
        ("-uU s -s @", "s", Some("@")),
    ];
    for (line, target, own) in table {
        let expected = Role::UnixCaller {
            target: unix(target),
            own: own.map(unix),
        };
        assert_eq!(datagrams(line).role, expected, "{line}");
    }
    for line in ["-luU s", "-luU -s s"] {
        let Role::Receiver { listen, .. } = datagrams(line).role else {
            panic!("{line}: not a receiver");
        };
        let on = ListenOn::Unix {
            address: unix("s"),
            mode: 0o600,
        };
        assert_eq!(listen.on, on, "{line}");
    }
}

#[test]
fn what_datagrams_cannot_do_is_said_in_one_line() {
    let size = "is not a number of bytes from 1 to 65507; k, M and G mean 1024, 1024^2 and 1024^3";
    let table = [
        (
            "-u --linger 1 a 1",
            "options '-u' and '--linger' exclude each other".to_owned(),
        ),
        (
            "-u --no-shutdown a 1",
            "options '-u' and '--no-shutdown' exclude each other".into(),
        ),
        (
            "-u --on-peer-eof exit a 1",
            "options '-u' and '--on-peer-eof' exclude each other".into(),
        ),
        (
            "-u --nodelay a 1",
            "options '-u' and '--nodelay' exclude each other".into(),
        ),
        (
            "-u -t a 1",
            "options '-u' and '-t' exclude each other".into(),
        ),
        (
            "-u -S a 1",
            "options '-u' and '--md5sig' exclude each other".into(),
        ),
        (
            "--datagram-size 5 a 1",
            "option '--datagram-size' needs '-u'".into(),
        ),
        ("-l --join 239.1.2.3 1", "option '--join' needs '-u'".into()),
        (
            "-u --join 239.1.2.3 a 1",
            "option '--join' needs '-l'".into(),
        ),
        ("-uk a 1", "option '-k' needs '-l'".into()),
        (
            "-luk --max-conns 5 1",
            "options '-u' and '--max-conns' exclude each other".into(),
        ),
        (
            "-luk --accept 5 1",
            "options '-u' and '--accept' exclude each other".into(),
        ),
        (
            "-u -W 0 a 1",
            "option '-W': limit '0' is not a number from 1 to 2147483647".into(),
        ),
        (
            "-u -W x a 1",
            "option '-W': limit 'x' is not a number from 1 to 2147483647".into(),
        ),
        (
            "-u -W +1 a 1",
            "option '-W': limit '+1' is not a number from 1 to 2147483647".into(),
        ),
        ("-u -W", "option '-W' requires an argument".into()),
        (
            "-u --datagram-size 0 a 1",
            format!("option '--datagram-size': size '0' {size}"),
        ),
        (
            "-u --datagram-size 65508 a 1",
            format!("option '--datagram-size': size '65508' {size}"),
        ),
        (
            "-lu --join 10.0.0.1 1",
            "option '--join': group '10.0.0.1' is not a multicast address (224.0.0.0/4, ff00::/8)"
                .into(),
        ),
        (
            "-lu4 --join ff02::5 1",
            "'-4' excludes the IPv6 address 'ff02::5'".into(),
        ),
        (
            "-lu6 --join 239.1.2.3 1",
            "'-6' excludes the IPv4 address '239.1.2.3'".into(),
        ),
        ("-lu", "-l needs a port".into()),
        (
            "-luU s --join 239.1.2.3",
            "options '-U' and '--join' exclude each other".into(),
        ),
        ("-uU -s own", "-U needs a path".into()),
        ("-U s -s own", "option '-s' with '-U' needs '-l'".into()),
    ];
    for (line, expected) in table {
        match stop_or_plan(line) {
            Err(Stop::Usage(said)) => assert_eq!(said, expected, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}
