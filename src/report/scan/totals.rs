//! What is said at the end: how many ports were found in which state, or what has not come in time.

use std::time::Duration;

use super::{
    super::messages::{self, LISTED, duration, expired},
    Cause, Report, Subject,
    reasons::each,
};
use crate::{
    outcome::{Expired, PortState, Tally},
    plan::Wait,
};

/// What is not as it was waited for to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unmet<'a> {
    /// What was tested.
    pub subject: Subject<'a>,
    /// What was found last.
    pub state: PortState,
    /// Why it was not open.
    pub causes: &'a [Cause],
}

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Ports of hosts.
    Port,
    /// Unix sockets.
    Socket,
    /// Tests of the same one.
    Try,
}

impl Kind {
    /// So many of them.
    pub(super) fn many(self, count: u64) -> String {
        let word = match self {
            Self::Port => "port",
            Self::Socket => "socket",
            Self::Try if count == 1 => "try",
            Self::Try => return format!("{} tries", thousands(count)),
        };
        let plural = if count == 1 { "" } else { "s" };
        format!("{} {word}{plural}", thousands(count))
    }
}

impl Report {
    /// How many were found in which state.
    pub(crate) fn tally(&self, tally: Tally, kind: Kind, took: Duration) {
        self.failure(&counts(tally, kind, took));
    }

    /// It was waited for as long as it should be, or something else was over first, and not
    /// everything is as it should be.
    pub(crate) fn not_in_time(&self, wait: &Wait, first: Option<Expired>, unmet: &[Unmet<'_>]) {
        self.failure(&not_in_time(wait, first, unmet));
    }
}

fn counts(tally: Tally, kind: Kind, took: Duration) -> String {
    let states: Vec<String> = PortState::ALL
        .into_iter()
        .map(|state| (tally.of(state), state.word()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{} {word}", thousands(count)))
        .collect();
    let end = match states.is_empty() {
        true => String::new(),
        false => format!(": {}", states.join(", ")),
    };
    format!(
        "{} in {:.2} s{end}",
        kind.many(tally.total()),
        took.as_secs_f64()
    )
}

fn not_in_time(wait: &Wait, first: Option<Expired>, unmet: &[Unmet<'_>]) -> String {
    let count = thousands(unmet.len() as u64);
    let open = unmet.iter().all(|one| one.state == PortState::Open);
    let state = match (wait.any && unmet.len() > 1, wait.invert, open) {
        (false, false, _) => "not open".to_owned(),
        (true, false, _) => format!("none of {count} is open"),
        (false, true, true) => "still open".to_owned(),
        (true, true, true) => format!("all {count} are still open"),
        // Of a name without an address nobody knows.
        (false, true, false) => "not seen closed".to_owned(),
        (true, true, false) => format!("none of {count} was seen closed"),
    };
    let limit = wait
        .limit
        .map(|limit| format!("{} (--wait-for)", duration(limit)));
    let time = match first.map(expired).or(limit) {
        Some(limit) => format!(" after {limit}"),
        None => String::new(),
    };
    let mut missing: Vec<String> = unmet.iter().take(LISTED).map(Unmet::words).collect();
    if unmet.len() > LISTED {
        missing.push(format!(
            "and {} more",
            thousands((unmet.len() - LISTED) as u64)
        ));
    }
    format!("{state}{time}: {}", missing.join("; "))
}

impl Unmet<'_> {
    fn words(&self) -> String {
        let name = self.subject.name();
        let host = match self.causes {
            [only] => only
                .address()
                .map(|address| messages::host(&address.into()))
                .filter(|address| *address != name)
                .map_or_else(|| name.clone(), |address| format!("{name} ({address})")),
            _ => name,
        };
        let called = match self.subject {
            Subject::Port {
                port, datagrams, ..
            } => format!("{host} port {port}{}", if datagrams { "/udp" } else { "" }),
            Subject::Socket(_) => host,
        };
        match self.causes {
            _ if self.state == PortState::Open => called,
            [] => format!("{called}: not tested"),
            [only] => format!("{called}: {}", only.words()),
            several => format!("{called}: {}", each(several, ", ")),
        }
    }
}

/// A number that people have to read.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::{
        net::{self, Attempt, LookupFailure},
        outcome::Limit,
        plan::{Host, UnixAddress},
    };

    fn tally(counts: &[(PortState, u64)]) -> String {
        let mut tally = Tally::default();
        for (state, count) in counts {
            for _ in 0..*count {
                tally.count(*state);
            }
        }
        super::counts(tally, Kind::Port, Duration::from_millis(351))
    }

    #[test]
    fn only_states_that_occur_are_counted() {
        let (open, closed) = (PortState::Open, PortState::Closed);
        assert_eq!(
            tally(&[(open, 3), (closed, 65_530), (PortState::Filtered, 2)]),
            "65,535 ports in 0.35 s: 3 open, 2 filtered, 65,530 closed"
        );
        assert_eq!(tally(&[(closed, 1)]), "1 port in 0.35 s: 1 closed");
        assert_eq!(
            tally(&PortState::ALL.map(|state| (state, 1))),
            "6 ports in 0.35 s: 1 open, 1 open|filtered, 1 filtered, 1 closed, 1 unreachable, \
             1 error"
        );
        assert_eq!(tally(&[]), "0 ports in 0.35 s");
    }

    #[test]
    fn what_is_counted_has_its_name() {
        assert_eq!(Kind::Port.many(1), "1 port");
        assert_eq!(Kind::Socket.many(1), "1 socket");
        assert_eq!(Kind::Socket.many(1_000), "1,000 sockets");
    }

    #[test]
    fn a_long_number_has_commas() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (65_535, "65,535"),
            (100_000, "100,000"),
            (1_234_567, "1,234,567"),
        ];
        for (number, words) in cases {
            assert_eq!(thousands(number), words);
        }
    }

    fn waiting(any: bool, invert: bool) -> Wait {
        Wait {
            limit: Some(Duration::from_secs(30)),
            any,
            invert,
            command: None,
        }
    }

    #[test]
    fn who_has_not_come_in_time_is_named_with_the_reason() {
        let (db, cache) = (Host::parse("db").unwrap(), Host::parse("cache").unwrap());
        let port = |host, port, datagrams| Subject::Port {
            host,
            port,
            datagrams,
        };
        let refused = Cause::Attempt(Attempt {
            address: net::Address::Inet("192.0.2.1:5432".parse().unwrap()),
            from: None,
            error: io::Error::from_raw_os_error(libc::ECONNREFUSED),
        });
        let unknown = Cause::Lookup(net::Error::Lookup {
            what: "cache".into(),
            failure: LookupFailure::Other("Name or service not known".into()),
        });
        let path = UnixAddress::Path("/run/s".into());
        let unmet = [
            Unmet {
                subject: port(&db, 5432, false),
                state: PortState::Closed,
                causes: std::slice::from_ref(&refused),
            },
            Unmet {
                subject: port(&cache, 6379, true),
                state: PortState::Closed,
                causes: std::slice::from_ref(&unknown),
            },
            Unmet {
                subject: Subject::Socket(&path),
                state: PortState::Open,
                causes: &[],
            },
        ];
        let list = "db (192.0.2.1) port 5432: Connection refused; cache port 6379/udp: cannot be looked up: \
                    Name or service not known; /run/s";
        let said = |any, invert, unmet| not_in_time(&waiting(any, invert), None, unmet);
        let limit = "after 30s (--wait-for): ";
        assert_eq!(
            said(false, false, &unmet),
            format!("not open {limit}{list}")
        );
        assert_eq!(
            said(true, false, &unmet),
            format!("none of 3 is open {limit}{list}")
        );
        assert_eq!(
            said(true, false, &unmet[2..]),
            format!("not open {limit}/run/s")
        );
        assert_eq!(
            said(false, true, &unmet[2..]),
            format!("still open {limit}/run/s")
        );
        assert_eq!(
            said(true, true, &unmet),
            format!("none of 3 was seen closed {limit}{list}")
        );
        let total = Expired {
            limit: Limit::Total,
            length: Duration::from_secs(5),
        };
        assert_eq!(
            not_in_time(&waiting(false, false), Some(total), &unmet[2..]),
            "not open after 5s (--max-time): /run/s"
        );
    }

    #[test]
    fn more_than_people_read_are_counted() {
        let host = Host::parse("h").unwrap();
        let unmet: Vec<_> = (1..=18)
            .map(|port| Unmet {
                subject: Subject::Port {
                    host: &host,
                    port,
                    datagrams: false,
                },
                state: PortState::Open,
                causes: &[],
            })
            .collect();
        let line = not_in_time(&waiting(false, false), None, &unmet);
        assert!(line.ends_with("h port 6; and 12 more"), "{line}");
    }
}
