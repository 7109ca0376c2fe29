use std::io;

use super::*;
use crate::{
    net::{Address, LookupFailure},
    outcome::{Expired, Limit, Stop},
    plan::Personality,
    proxy::{Refusal, Target, TargetHost},
};

/// A TCP port that was tested.
pub(super) fn found<'a>(
    host: &'a Host,
    port: u16,
    state: PortState,
    causes: &'a [Cause],
) -> Finding<'a> {
    Finding {
        subject: Subject::Port {
            host,
            port,
            datagrams: false,
        },
        state,
        address: None,
        rtt: Some(Duration::from_micros(43)),
        banner: None,
        causes,
    }
}

/// An address that was tried.
pub(super) fn attempt(address: &str, error: i32) -> Attempt {
    Attempt {
        address: Address::Inet(address.parse().unwrap()),
        from: None,
        error: io::Error::from_raw_os_error(error),
    }
}

pub(super) fn unknown(host: &str) -> Cause {
    Cause::Lookup(net::Error::Lookup {
        what: host.into(),
        failure: LookupFailure::Other("Name or service not known".into()),
    })
}

fn host() -> Host {
    Host::parse("both").unwrap()
}

fn report(personality: Personality, verbosity: u8) -> Report {
    Report {
        verbosity,
        personality,
        numeric: true,
    }
}

/// What is told with -v.
fn told(personality: Personality, finding: &Finding<'_>) -> Vec<String> {
    report(personality, 1).lines(finding)
}

const BOTH: [Personality; 2] = [Personality::Oxnc, Personality::Nc];

#[test]
fn each_address_that_is_not_open_has_a_line_before_the_one_that_is() {
    let host = host();
    let causes = [
        Cause::Attempt(attempt("[::1]:80", libc::ECONNREFUSED)),
        Cause::Attempt(Attempt {
            error: io::Error::new(io::ErrorKind::TimedOut, "no answer"),
            ..attempt("192.0.2.7:80", 0)
        }),
        Cause::Prohibited(attempt("192.0.2.8:80", libc::EHOSTUNREACH)),
    ];
    let lines = [
        "oxnc: connect to both (::1) port 80 (tcp) failed: Connection refused",
        "oxnc: connect to both (192.0.2.7) port 80 (tcp) failed: Connection timed out",
        "oxnc: connect to both (192.0.2.8) port 80 (tcp) failed: No route to host",
        "Connection to both (127.0.0.1) 80 port [tcp/*] succeeded!",
    ];
    let open = Finding {
        address: Some("127.0.0.1:80".parse().unwrap()),
        ..found(&host, 80, PortState::Open, &causes)
    };
    let filtered = found(&host, 80, PortState::Filtered, &causes);
    for personality in BOTH {
        assert_eq!(told(personality, &open), lines);
        assert_eq!(told(personality, &filtered), &lines[..3]);
    }
}

#[test]
fn silence_is_success_for_nc_alone() {
    let host = host();
    let causes = [
        Cause::Attempt(attempt("[::1]:80", libc::ECONNREFUSED)),
        Cause::Silence("127.0.0.1:80".parse().unwrap()),
    ];
    let finding = Finding {
        subject: Subject::Port {
            host: &host,
            port: 80,
            datagrams: true,
        },
        ..found(&host, 80, PortState::OpenFiltered, &causes)
    };
    assert_eq!(
        told(Personality::Oxnc, &finding),
        [
            "oxnc: connect to both (::1) port 80 (udp) failed: Connection refused",
            "oxnc: connect to both (127.0.0.1) port 80 (udp) failed: no answer; open or filtered"
        ]
    );
    assert_eq!(
        told(Personality::Nc, &finding),
        ["Connection to both (127.0.0.1) 80 port [udp/*] succeeded!"]
    );
    let answered = Finding {
        state: PortState::Open,
        address: Some("192.0.2.1:80".parse().unwrap()),
        ..finding
    };
    let success = "Connection to both (192.0.2.1) 80 port [udp/*] succeeded!";
    assert_eq!(told(Personality::Nc, &answered), [success]);
    let lines = told(Personality::Oxnc, &answered);
    assert_eq!(lines.last().map(String::as_str), Some(success));
}

#[test]
fn a_proxy_has_no_address_of_the_target() {
    let host = host();
    let target = Target {
        host: TargetHost::Name("both".into()),
        port: 80,
    };
    let expired = Expired {
        limit: Limit::Connect,
        length: Duration::from_secs(2),
    };
    let table = [
        (
            Failure::Refused(vec![(target, Refusal::Socks5(5))]),
            "the proxy refuses: SOCKS5 code 5, connection refused",
        ),
        (Failure::Ended, "the proxy closed the connection"),
        (
            Failure::Broken(io::Error::from_raw_os_error(libc::ECONNRESET)),
            "the proxy broke the connection: Connection reset by peer",
        ),
        (
            Failure::Stopped(Stop::Expired(expired)),
            "Connection timed out",
        ),
    ];
    for (failure, words) in table {
        let causes = [Cause::Proxy(failure)];
        let line = format!("oxnc: connect to both port 80 (tcp) failed: {words}");
        for personality in BOTH {
            let finding = found(&host, 80, PortState::Closed, &causes);
            assert_eq!(told(personality, &finding), [&*line]);
        }
    }
    let open = found(&host, 80, PortState::Open, &[]);
    assert_eq!(
        told(Personality::Oxnc, &open),
        ["Connection to both 80 port [tcp/*] succeeded!"]
    );
}

#[test]
fn of_a_unix_socket_only_that_it_is_not_open_is_told() {
    let host = host();
    let path = UnixAddress::Path("/run/s".into());
    let causes = [Cause::Attempt(Attempt {
        address: Address::Unix(path.clone()),
        from: None,
        error: io::Error::from_raw_os_error(libc::ENOENT),
    })];
    let finding = |state, causes| Finding {
        subject: Subject::Socket(&path),
        ..found(&host, 80, state, causes)
    };
    for personality in BOTH {
        assert_eq!(
            told(personality, &finding(PortState::Closed, &causes)),
            ["oxnc: /run/s: No such file or directory"]
        );
        assert!(told(personality, &finding(PortState::Open, &[])).is_empty());
    }
    let closed = finding(PortState::Closed, &causes[..]);
    assert!(report(Personality::Nc, 0).tells(&closed));
    assert!(!report(Personality::Oxnc, 0).tells(&closed));
}

#[test]
fn what_could_not_be_tested_is_told_in_the_words_of_a_connection() {
    let host = host();
    let unknown = [unknown("both")];
    let finding = found(&host, 80, PortState::Error, &unknown);
    assert_eq!(
        told(Personality::Oxnc, &finding),
        ["oxnc: cannot look up both port 80: Name or service not known"]
    );
    assert_eq!(
        told(Personality::Nc, &finding),
        ["oxnc: getaddrinfo for host \"both\" port 80: Name or service not known"]
    );
    let from = |address| {
        Cause::Attempt(Attempt {
            from: Some("192.0.2.77:0".parse().unwrap()),
            ..attempt(address, libc::EADDRNOTAVAIL)
        })
    };
    let bound = [from("127.0.0.1:80")];
    let finding = found(&host, 80, PortState::Error, &bound);
    assert_eq!(
        told(Personality::Oxnc, &finding),
        [
            "oxnc: cannot connect to both port 80: 127.0.0.1: cannot bind to 192.0.2.77 port 0: \
             Cannot assign requested address"
        ]
    );
    assert_eq!(
        told(Personality::Nc, &finding),
        ["oxnc: bind failed: Cannot assign requested address"]
    );
    let proxied = [Cause::Proxy(Failure::Proxy(net::Error::Connect(vec![
        attempt("127.0.0.1:1080", libc::ECONNREFUSED),
    ])))];
    let finding = found(&host, 80, PortState::Error, &proxied);
    assert_eq!(
        told(Personality::Oxnc, &finding),
        [
            "oxnc: cannot connect to both port 80: cannot connect to the proxy 127.0.0.1 port \
             1080: Connection refused"
        ]
    );
}

/// A name that does not exist is no name for any of 65,535 ports.
#[test]
fn what_is_true_for_all_ports_of_a_host_is_told_once() {
    let (one, two) = (host(), Host::parse("other").unwrap());
    let (first, second) = ([unknown("both")], [unknown("other")]);
    let ours = report(Personality::Oxnc, 0);
    let mut untested = Untested::default();
    let mut lines = Vec::new();
    for port in 1..=9 {
        for (host, causes) in [(&one, &first), (&two, &second)] {
            lines.extend(untested.lines(&ours, &found(host, port, PortState::Error, causes)));
        }
    }
    assert_eq!(
        lines,
        [
            "cannot look up both port 1: Name or service not known",
            "cannot look up other port 1: Name or service not known"
        ]
    );
    let closed = found(&one, 1, PortState::Closed, &[]);
    assert!(untested.lines(&ours, &closed).is_empty());
}

/// Whoever tells each of them does not tell it twice.
#[test]
fn what_is_told_anyway_is_not_told_again() {
    let host = host();
    let causes = [unknown("both")];
    let finding = found(&host, 80, PortState::Error, &causes);
    for (personality, verbosity, told) in [
        (Personality::Oxnc, 0, false),
        (Personality::Oxnc, 1, true),
        (Personality::Nc, 0, true),
    ] {
        let report = report(personality, verbosity);
        assert_eq!(report.tells(&finding), told);
        let lines = Untested::default().lines(&report, &finding);
        assert_eq!(lines.is_empty(), told);
    }
    let wrong = [Cause::Lookup(net::Error::Lookup {
        what: "nonesuch".into(),
        failure: LookupFailure::NoSuchService,
    })];
    let finding = found(&host, 80, PortState::Error, &wrong);
    assert!(report(Personality::Oxnc, 0).tells(&finding));
}
