//! The options of sockets: from arguments to the plan's list, and to a usage line.

use std::{ffi::OsString, path::PathBuf};

use super::{
    super::{Stop, parse_with},
    stop_or_plan,
};
use crate::plan::{
    Keepalive, SecretSource, SockOpt, SocketOption,
    SocketOption::{
        Broadcast, Congestion, Debug, Device, HopLimit, Md5Signature, MinHopLimit, Mptcp, NoDelay,
        Other, ReceiveBuffer, SendBuffer, TrafficClass, UserTimeout,
    },
};

fn keepalive(idle: u32, interval: Option<u32>, count: Option<u32>) -> SocketOption {
    SocketOption::Keepalive(Keepalive {
        idle: Some(idle),
        interval,
        count,
    })
}

fn other(word: &str) -> SocketOption {
    Other(SockOpt::parse(word).unwrap())
}

#[test]
fn each_option_is_one_of_the_plans() {
    let bare_keepalive = || SocketOption::Keepalive(Keepalive::default());
    let file = |name: &str| Md5Signature(SecretSource::File(PathBuf::from(name)));
    let variable = |name: &str| Md5Signature(SecretSource::Environment(OsString::from(name)));
    let table = [
        ("", vec![]),
        ("-I 1", vec![ReceiveBuffer(1)]),
        ("--recv-buffer=64k", vec![ReceiveBuffer(64 << 10)]),
        ("-I1G", vec![ReceiveBuffer(1 << 30)]),
        ("-O 1073741824", vec![SendBuffer(1 << 30)]),
        ("--send-buffer 2M", vec![SendBuffer(2 << 20)]),
        ("-I 1 -I 2", vec![ReceiveBuffer(2)]),
        ("-T 0", vec![TrafficClass(0)]),
        ("-T lowdelay", vec![TrafficClass(0x10)]),
        ("--tos 0xb8", vec![TrafficClass(0xb8)]),
        ("-M 0", vec![HopLimit(0)]),
        ("--ttl=255", vec![HopLimit(255)]),
        ("-m 255", vec![MinHopLimit(255)]),
        ("--min-ttl 1", vec![MinHopLimit(1)]),
        ("-D", vec![Debug]),
        ("--socket-debug", vec![Debug]),
        ("-b", vec![Broadcast]),
        ("--broadcast -b", vec![Broadcast]),
        ("--keepalive", vec![bare_keepalive()]),
        ("--keepalive=60", vec![keepalive(60, None, None)]),
        ("--keepalive=1m,5s", vec![keepalive(60, Some(5), None)]),
        ("--keepalive=60,5,3", vec![keepalive(60, Some(5), Some(3))]),
        ("--keepalive=60 --keepalive", vec![bare_keepalive()]),
        ("--nodelay", vec![NoDelay]),
        ("--user-timeout 2.5", vec![UserTimeout(2500)]),
        ("--user-timeout=0", vec![UserTimeout(0)]),
        ("--congestion cubic", vec![Congestion("cubic".into())]),
        ("--mptcp", vec![Mptcp]),
        ("--device eth0", vec![Device("eth0".into())]),
        ("-S", vec![Md5Signature(SecretSource::Terminal)]),
        ("-S --md5sig-key-file k", vec![file("k")]),
        ("--md5sig-key-env K --md5sig", vec![variable("K")]),
        (
            "--sockopt socket:SO_MARK:7",
            vec![other("socket:SO_MARK:7")],
        ),
        (
            "--sockopt 1:1:1 -M 9 --sockopt 1:2:3 --sockopt 1:1:1",
            vec![HopLimit(9), other("1:1:1"), other("1:2:3"), other("1:1:1")],
        ),
        (
            "--congestion reno -M 9 -I 3 -Db --mptcp",
            vec![
                Mptcp,
                Broadcast,
                Debug,
                ReceiveBuffer(3),
                HopLimit(9),
                Congestion("reno".into()),
            ],
        ),
    ];
    for (options, expected) in table {
        for line in [
            format!("{options} example.com 80"),
            format!("example.com 80 {options}"),
            format!("-l 80 {options}"),
            format!("{options} -- example.com:80"),
        ] {
            let plan = stop_or_plan(&line);
            assert_eq!(
                plan.map(|plan| plan.socket_options),
                Ok(expected.clone()),
                "{line}"
            );
        }
    }
}

#[test]
fn usage_errors_name_the_option_and_the_range() {
    let size = "is not a number of bytes from 1 to 1073741824; k, M and G mean 1024, 1024^2 and \
                1024^3";
    let tos = "is not a number from 0 to 255 (or 0x00 to 0xff), nor one of: af11-af13, af21-af23, \
               af31-af33, af41-af43, cs0-cs7, ef, va, critical, inetcontrol, netcontrol, lowcost, \
               lowdelay, reliability, throughput";
    let keepalive = "is not IDLE,INTERVAL,COUNT: two times in whole seconds from 1 to 32767, and a \
                     number from 1 to 127";
    let value = "has a value that is none of: a 32-bit number, x and pairs of hexadecimal digits, a \
                 text in double quotes";
    let table = [
        ("-I 0", format!("option '-I': size '0' {size}")),
        ("-I -1", format!("option '-I': size '-1' {size}")),
        ("-O 2G", format!("option '-O': size '2G' {size}")),
        (
            "--send-buffer=",
            format!("option '--send-buffer': size '' {size}"),
        ),
        (
            "-M 256",
            "option '-M': value '256' is not a number from 0 to 255".into(),
        ),
        (
            "-M -1",
            "option '-M': value '-1' is not a number from 0 to 255".into(),
        ),
        (
            "--min-ttl x",
            "option '--min-ttl': value 'x' is not a number from 0 to 255".into(),
        ),
        ("-T 256", format!("option '-T': value '256' {tos}")),
        ("--tos 0x", format!("option '--tos': value '0x' {tos}")),
        (
            "--keepalive=",
            format!("option '--keepalive': value '' {keepalive}"),
        ),
        (
            "--keepalive=1,1,128",
            format!("option '--keepalive': value '1,1,128' {keepalive}"),
        ),
        (
            "--user-timeout 25days",
            "option '--user-timeout': duration '25days' is not a time from 0 to 2147483647ms (24 \
             days)"
                .into(),
        ),
        (
            "--device 1234567890123456",
            "option '--device': name '1234567890123456' is not 1 to 15 bytes without blanks".into(),
        ),
        (
            "--congestion=",
            "option '--congestion': name '' is not 1 to 15 bytes without blanks".into(),
        ),
        (
            "--sockopt 1:2",
            "option '--sockopt': value '1:2' is not LEVEL:NAME:VALUE, as in socket:SO_MARK:7"
                .into(),
        ),
        (
            "--sockopt 1:2:y",
            format!("option '--sockopt': value '1:2:y' {value}"),
        ),
        ("-I", "option '-I' requires an argument".into()),
        (
            "--sockopt",
            "option '--sockopt' requires an argument".into(),
        ),
        ("--md5sig=1", "option '--md5sig' takes no argument".into()),
        (
            "--md5sig-key-file k",
            "option '--md5sig-key-file' needs '-S'".into(),
        ),
        (
            "--md5sig-key-env K",
            "option '--md5sig-key-env' needs '-S'".into(),
        ),
        (
            "-S --md5sig-key-env K --md5sig-key-file k",
            "options '--md5sig-key-file' and '--md5sig-key-env' exclude each other".into(),
        ),
        (
            "-S --md5sig-key-file=",
            "option '--md5sig-key-file': '' is no file".into(),
        ),
        (
            "-S --md5sig-key-env A=B",
            "option '--md5sig-key-env': 'A=B' is no variable's name".into(),
        ),
        (
            "-S --mptcp",
            "options '-S' and '--mptcp' exclude each other".into(),
        ),
        (
            "-V 1",
            "option '-V': Linux has no such routing tables; 'ip netns exec', '--device' or \
             '--sockopt socket:SO_MARK:N' with a rule for N do the same"
                .into(),
        ),
        (
            "-Z",
            "option '-Z': Linux has no DCCP any more (removed in 6.16)".into(),
        ),
    ];
    for (options, expected) in table {
        let said = stop_or_plan(&format!("example.com 80 {options}"));
        assert_eq!(said, Err(Stop::Usage(expected)), "{options}");
    }
    for option in ["--ttl=1", "--tos=1", "--min-ttl=1", "--device=lo"]
        .into_iter()
        .chain(["--keepalive", "--nodelay", "--user-timeout=1", "--mptcp"])
        .chain(["--congestion=reno", "--md5sig"])
    {
        let name = option.split('=').next().unwrap_or_default();
        let expected = format!("options '{name}' and '-U' exclude each other");
        for line in ["-U", "-lU"].map(|mode| format!("{mode} {option} path")) {
            assert_eq!(stop_or_plan(&line), Err(Stop::Usage(expected.clone())));
        }
    }
    assert!(stop_or_plan("-U path -b -D -I 1 -O 1 --sockopt 1:1:1").is_ok());
    // What nobody can have is refused whatever is missing besides.
    assert!(matches!(stop_or_plan("-Z"), Err(Stop::Usage(said)) if said.contains("DCCP")));
}

#[test]
fn sockets_that_were_passed_in_are_what_they_are() {
    let parse = |option: &str| {
        let words = ["oxnc", "-l", option];
        parse_with(words.map(OsString::from).to_vec(), Some(1))
    };
    for option in ["--mptcp", "-S", "--device=lo"] {
        let name = option.split('=').next().unwrap_or_default();
        let said =
            format!("option '{name}' needs a port: a socket that was passed in is what it is");
        assert_eq!(parse(option), Err(Stop::Usage(said)));
    }
    assert!(parse("--ttl=9").is_ok());
}
