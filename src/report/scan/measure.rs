//! A port that is tested again and again: a line for each try and two at the end, as ping(8) does.

use std::time::Duration;

use super::{super::messages, Finding, Subject, totals::thousands};
/// How long answers took, without keeping them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rtts {
    count: u64,
    min: f64,
    max: f64,
    avg: f64,
    /// The sum of the squares of what the times differ from their average.
    squares: f64,
}

impl Rtts {
    /// One more. Sums of squares would lose digits where times hardly differ; Welford's method does
    /// not.
    pub(crate) fn add(&mut self, time: Duration) {
        let time = time.as_secs_f64();
        self.count += 1;
        if self.count == 1 || time < self.min {
            self.min = time;
        }
        self.max = self.max.max(time);
        let difference = time - self.avg;
        let count = self.count as f64;
        self.avg += difference / count;
        self.squares += difference * (time - self.avg);
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The shortest.
    pub(crate) fn min(&self) -> Duration {
        seconds(self.min)
    }

    /// The average.
    pub(crate) fn avg(&self) -> Duration {
        seconds(self.avg)
    }

    /// The longest.
    pub(crate) fn max(&self) -> Duration {
        seconds(self.max)
    }

    /// ping's mean deviation, which is the standard deviation of all of them.
    pub(crate) fn mdev(&self) -> Duration {
        let variance = self.squares / (self.count.max(1) as f64);
        seconds(variance.sqrt())
    }
}

fn seconds(time: f64) -> Duration {
    Duration::try_from_secs_f64(time).unwrap_or_default()
}

/// What a try has found.
pub(super) fn line(number: u64, finding: &Finding<'_>) -> String {
    let address = finding
        .address
        .map(|address| messages::host(&address.into()));
    let mut line = format!(
        "{}: try {number}: {}",
        called(&finding.subject, address),
        finding.state.word()
    );
    if let Some(reason) = finding.reason() {
        line.push_str(&format!(": {reason}"));
    }
    if let Some(rtt) = finding.rtt {
        line.push_str(&format!(", {} ms", digits(rtt)));
    }
    line
}

/// How often it was open, and how long it took to know that.
pub(super) fn closing(subject: &Subject<'_>, tries: u64, rtts: &Rtts) -> Vec<String> {
    let answered = rtts.count();
    let mut lines = vec![format!(
        "{}: {} {}, {} answered{}",
        called(subject, None),
        thousands(tries),
        if tries == 1 { "try" } else { "tries" },
        thousands(answered),
        loss(tries, answered)
    )];
    if answered > 0 {
        let [min, avg, max, mdev] = [rtts.min(), rtts.avg(), rtts.max(), rtts.mdev()].map(ms);
        lines.push(format!(
            "rtt min/avg/max/mdev = {min:.3}/{avg:.3}/{max:.3}/{mdev:.3} ms"
        ));
    }
    lines
}

fn called(subject: &Subject<'_>, address: Option<String>) -> String {
    let name = subject.name();
    let Subject::Port { port, .. } = subject else {
        return name;
    };
    let at = match address {
        Some(address) if address != name => format!(" ({address})"),
        _ => String::new(),
    };
    format!("{name}{at} port {port}/{}", subject.protocol())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Three of them that mean something, as ping shows.
fn digits(time: Duration) -> String {
    let (ms, micros) = (ms(time), time.as_micros());
    match micros {
        0..1_000 => format!("{ms:.3}"),
        1_000..10_000 => format!("{ms:.2}"),
        10_000..100_000 => format!("{ms:.1}"),
        _ => format!("{ms:.0}"),
    }
}

fn loss(tries: u64, answered: u64) -> String {
    if tries == 0 {
        return String::new();
    }
    let lost = tries.saturating_sub(answered) as f64 / tries as f64 * 100.0;
    let lost = format!("{lost:.1}");
    format!(", {}% loss", lost.strip_suffix(".0").unwrap_or(&lost))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::{
        net::Attempt,
        outcome::PortState,
        plan::{Host, UnixAddress},
        report::scan::{Cause, tests::found},
    };

    fn of(micros: &[u64]) -> Rtts {
        let mut rtts = Rtts::default();
        for micros in micros {
            rtts.add(Duration::from_micros(*micros));
        }
        rtts
    }

    /// The root of what the mean of the squares, 1,323, is more than the square of the mean, 1,225.
    #[test]
    fn the_figures_are_those_of_ping() {
        let rtts = of(&[21, 35, 49, 35]);
        assert_eq!(rtts.count(), 4);
        let figures = [rtts.min(), rtts.avg(), rtts.max(), rtts.mdev()];
        let micros = figures.map(|time| (time.as_secs_f64() * 1e6 * 1e3).round() / 1e3);
        assert_eq!(micros, [21.0, 35.0, 49.0, 9.899]);
        assert_eq!(of(&[7]).mdev(), Duration::ZERO);
        // What hardly differs has lost no digit after a day.
        let rtts = of(&[86_400_000_001, 86_400_000_003]);
        assert_eq!(rtts.mdev().as_micros(), 1);
        assert_eq!(of(&[]).mdev(), Duration::ZERO);
    }

    #[test]
    fn the_end_is_two_lines_of_which_the_second_needs_an_answer() {
        let host = Host::parse("h").unwrap();
        let subject = found(&host, 80, PortState::Open, &[]).subject;
        assert_eq!(
            closing(&subject, 4, &of(&[21, 35, 49])),
            [
                "h port 80/tcp: 4 tries, 3 answered, 25% loss",
                "rtt min/avg/max/mdev = 0.021/0.035/0.049/0.011 ms"
            ]
        );
        let one = |tries, answered: &[u64]| closing(&subject, tries, &of(answered));
        assert_eq!(one(1, &[]), ["h port 80/tcp: 1 try, 0 answered, 100% loss"]);
        assert_eq!(one(0, &[]), ["h port 80/tcp: 0 tries, 0 answered"]);
        assert!(one(3, &[1])[0].ends_with(", 66.7% loss"));
        assert!(one(1500, &[1])[0].contains(": 1,500 tries, 1 answered, 99.9% loss"));
    }

    #[test]
    fn a_try_has_its_state_its_reason_and_its_time() {
        let host = Host::parse("example.com").unwrap();
        let address = "192.0.2.1:80".parse().unwrap();
        let said = |state, causes: &[Cause], micros: Option<u64>| {
            line(
                2,
                &Finding {
                    address: Some(address),
                    rtt: micros.map(Duration::from_micros),
                    ..found(&host, 80, state, causes)
                },
            )
        };
        let begin = "example.com (192.0.2.1) port 80/tcp: try 2: ";
        let refused = [Cause::Attempt(Attempt {
            address: address.into(),
            from: None,
            error: io::Error::from_raw_os_error(libc::ECONNREFUSED),
        })];
        assert_eq!(
            said(PortState::Open, &[], Some(11_234)),
            format!("{begin}open, 11.2 ms")
        );
        assert_eq!(
            said(PortState::Closed, &refused, Some(43)),
            format!("{begin}closed: Connection refused, 0.043 ms")
        );
        assert_eq!(
            said(PortState::Filtered, &[], None),
            format!("{begin}filtered: no answer")
        );
    }

    #[test]
    fn what_has_no_name_is_called_by_its_address_or_path() {
        let host = Host::parse("192.0.2.1").unwrap();
        let open = Finding {
            address: Some("192.0.2.1:80".parse().unwrap()),
            ..found(&host, 80, PortState::Open, &[])
        };
        assert_eq!(
            line(1, &open),
            "192.0.2.1 port 80/tcp: try 1: open, 0.043 ms"
        );
        let path = UnixAddress::Path("/run/s".into());
        let socket = Finding {
            subject: Subject::Socket(&path),
            address: None,
            ..open
        };
        assert_eq!(line(1, &socket), "/run/s: try 1: open, 0.043 ms");
    }

    #[test]
    fn a_time_has_three_digits() {
        let shown = |micros| digits(Duration::from_micros(micros));
        assert_eq!(shown(43), "0.043");
        assert_eq!(shown(1_234), "1.23");
        assert_eq!(shown(11_234), "11.2");
        assert_eq!(shown(123_456), "123");
        assert_eq!(shown(1_234_567), "1235");
    }
}
