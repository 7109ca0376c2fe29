//! From words to what is to be tested, and to what end (`-z`, `--wait-for`).

use std::{ffi::OsStr, mem, os::unix::ffi::OsStrExt as _, time::Duration};

use super::{
    super::{Words, usage::quote, values::read},
    CONNECT_TIMEOUT, Split, check_lookup, exclude, source, split, unix_path,
};
use crate::plan::{
    AddressError, Goal, Host, Lookup, Measure, Personality, Port, PortSpan, PortTargets, Ports,
    Probe, Reversed, Scan, SocketTargets, Survey, Target, Targets, UnixProbe, Wait,
};

/// A port that does not answer must not hold up the others for long. A SYN that is lost is sent again
/// after one second: RFC 6298.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Longer than the second for which Linux may hold back what says that nobody is there
/// (icmp_ratelimit), and what nc takes.
const SILENCE: Duration = Duration::from_secs(3);

/// How long it is waited for what a service says first: it is said as soon as the connection is there.
const BANNER: Duration = Duration::from_secs(1);

/// The time between two tests of the same port, as ping has it.
const PACE: Duration = Duration::from_secs(1);

impl Words {
    /// What means nothing without `-z` or `--wait-for`, and what means nothing with them. What `nc`
    /// lets pass passes: many a script has `-N`, `-q`, `-d` or `-v` there.
    pub(super) fn check_scan(&self) -> Result<(), String> {
        let (words, waiting) = (&self.scanning, &self.waiting);
        let test = self.scan_option();
        let waits = waiting.limit.is_some();
        let needing = [
            (words.random, "-r", test.is_some(), "-z"),
            (words.all, "--all", test.is_some(), "-z"),
            (words.parallel.is_some(), "--parallel", test.is_some(), "-z"),
            (words.json, "--json", test.is_some(), "-z"),
            (words.banner.is_some(), "--banner", test.is_some(), "-z"),
            (words.count.is_some(), "--count", test.is_some(), "-z"),
            (waiting.any, "--any", waits, "--wait-for"),
            (waiting.invert, "--invert", waits, "--wait-for"),
        ];
        let mut lonely = needing
            .into_iter()
            .filter(|(given, _, other, _)| *given && !*other);
        if let Some((_, name, _, other)) = lonely.next() {
            return Err(format!("option '{name}' needs '{other}'"));
        }
        match test {
            Some(test) => {
                self.check_no_data(test)?;
                self.check_tests()
            }
            None => Ok(()),
        }
    }

    /// There is no data where ports are tested.
    fn check_no_data(&self, test: &str) -> Result<(), String> {
        let end = &self.end_of_data;
        let for_data = [
            (self.listening.listen, "-l"),
            (end.no_shutdown, "--no-shutdown"),
            (end.on_peer_eof.is_some(), "--on-peer-eof"),
            (end.send_only, "--send-only"),
            (end.recv_only, "--recv-only"),
            (end.linger.is_some(), "--linger"),
            (self.time_limits.idle_timeout.is_some(), "--idle-timeout"),
            (self.datagrams.size.is_some(), "--datagram-size"),
        ];
        exclude(&for_data.map(|(given, name)| (true, test, given, name)))
    }

    /// What cannot be had of the same test.
    fn check_tests(&self) -> Result<(), String> {
        let (words, waiting) = (&self.scanning, &self.waiting);
        let (count, waits) = (words.count.is_some(), waiting.limit.is_some());
        let (parallel, banner) = (words.parallel.is_some(), words.banner.is_some());
        let (proxied, unix) = (self.proxies.proxy.is_some(), self.names.unix);
        exclude(&[
            (count, "--count", waits, "--wait-for"),
            (count, "--count", words.random, "-r"),
            (count, "--count", words.all, "--all"),
            (count, "--count", parallel, "--parallel"),
            (waits, "--wait-for", words.random, "-r"),
            // The pause grows with the time that was waited.
            (waits, "--wait-for", self.lines.interval.is_some(), "-i"),
            (waiting.any, "--any", words.all, "--all"),
            (banner, "--banner", self.datagrams.udp, "-u"),
            (banner, "--banner", unix, "-U"),
            (banner, "--banner", proxied, "-x"),
            // There it is one after another.
            (parallel, "--parallel", unix, "-U"),
            (parallel, "--parallel", proxied, "-x"),
        ])
    }

    pub(super) fn scan(mut self, lookup: Lookup) -> Result<Scan, String> {
        let goal = self.goal()?;
        let (json, unix) = (self.scanning.json, self.names.unix);
        let targets = match unix {
            true => Targets::Sockets(self.socket_targets()?),
            false => Targets::Ports(self.port_targets(lookup)?),
        };
        let (one, banner) = (targets.is_one(), targets.have_banners());
        let goal = match goal {
            Goal::Measure(_) if !one => {
                let what = if unix { "socket" } else { "port" };
                return Err(format!("'--count' measures one {what}"));
            }
            Goal::Survey(survey) => Goal::Survey(Survey {
                // What a service says is asked for, and has to be told.
                silent: (survey.silent || one) && !banner,
                ..survey
            }),
            goal => goal,
        };
        Ok(Scan {
            targets,
            goal,
            json,
        })
    }

    /// To what end it is tested, as far as that does not depend on what is tested.
    fn goal(&mut self) -> Result<Goal, String> {
        if self.operands.is_empty() {
            return Err(self.no_targets());
        }
        let command = mem::take(&mut self.waiting.command);
        let (words, interval) = (&self.scanning, self.lines.interval);
        if let Some(limit) = self.waiting.limit {
            if command.first().is_some_and(|program| program.is_empty()) {
                return Err("the command behind '--' is empty".to_owned());
            }
            return Ok(Goal::Wait(Wait {
                limit: Some(limit).filter(|time| !time.is_zero()),
                any: self.waiting.any,
                invert: self.waiting.invert,
                command: Some(command).filter(|words| !words.is_empty()),
            }));
        }
        Ok(match words.count {
            Some(count) => Goal::Measure(Measure {
                count: u64::from(count),
                interval: interval.unwrap_or(PACE),
            }),
            None => Goal::Survey(Survey {
                interval: interval.filter(|time| !time.is_zero()),
                random: words.random,
                all: words.all,
                // -v has the lines of nc, and nothing else.
                silent: self.personality == Personality::Nc || self.messages.verbose > 0,
            }),
        })
    }

    fn no_targets(&self) -> String {
        match (self.names.unix, self.waiting.limit) {
            (true, _) => self.no_path(),
            (false, Some(_)) if !self.waiting.command.is_empty() => {
                "'--wait-for' needs HOST:PORT before '--'; see '--help'".to_owned()
            }
            (false, Some(_)) => {
                "'--wait-for' needs HOST:PORT, or HOST and PORTS; see '--help'".to_owned()
            }
            (false, None) => "'-z' needs HOST and PORTS, or HOST:PORTS; see '--help'".to_owned(),
        }
    }

    fn socket_targets(&self) -> Result<SocketTargets, String> {
        let own = self.own_unix_address()?;
        let paths = self.operands.iter().map(|word| unix_path(word));
        let list = paths.collect::<Result<Vec<_>, _>>()?;
        Ok(SocketTargets {
            probe: match self.datagrams.udp {
                true => UnixProbe::Datagrams { own },
                false => UnixProbe::Stream,
            },
            timeout: self.probe_timeout(list.len() == 1),
            list,
        })
    }

    fn port_targets(self, lookup: Lookup) -> Result<PortTargets, String> {
        let list = self.hosts_and_ports()?;
        let timeout = self.probe_timeout(Target::are_one(&list));
        let asked = self.asked_timeout().filter(|time| !time.is_zero());
        let source = source(self.connecting, lookup)?;
        let proxy = self
            .proxies
            .for_hosts(list.iter().map(|target| &target.host))?;
        if let Some(proxy) = &proxy {
            check_lookup(lookup, Some(&proxy.server.host), Some(&proxy.server.port))?;
        }
        for target in &list {
            // What the proxy does with the target's address is not for us to choose.
            check_lookup(lookup, Some(&target.host).filter(|_| proxy.is_none()), None)?;
            for span in target.ports.spans() {
                if let PortSpan::Service(name) = span {
                    check_lookup(lookup, None, Some(&Port::Service(name.clone())))?;
                }
            }
        }
        let words = self.scanning;
        let most = words.parallel.map(usize::try_from);
        Ok(PortTargets {
            list,
            probe: match self.datagrams.udp {
                true => Probe::Datagrams {
                    wait: asked.unwrap_or(SILENCE),
                },
                false => Probe::Connect {
                    timeout,
                    banner: words.banner.map(|time| time.unwrap_or(BANNER)),
                    proxy,
                },
            },
            source,
            lookup,
            parallel: most.map(|most| most.unwrap_or(usize::MAX)),
        })
    }

    fn asked_timeout(&self) -> Option<Duration> {
        let times = &self.time_limits;
        times.connect_timeout.or(times.timeout)
    }

    /// How long one connection may take. What does not answer must not hold up the others, nor what
    /// comes after it.
    fn probe_timeout(&self, one: bool) -> Option<Duration> {
        let once = self.scanning.count.is_none() && self.waiting.limit.is_none();
        let usual = match one && once {
            true => CONNECT_TIMEOUT,
            false => PROBE_TIMEOUT,
        };
        let limit = self.asked_timeout().unwrap_or(usual);
        Some(limit).filter(|time| !time.is_zero())
    }

    /// One host and its ports in words of their own, or each word is both, as the first one is.
    fn hosts_and_ports(&self) -> Result<Vec<Target>, String> {
        let reversed = match self.personality {
            Personality::Oxnc => Reversed::Refused,
            Personality::Nc => Reversed::Swapped,
        };
        let Some((first, ports)) = self.operands.split_first() else {
            return Err(self.no_targets());
        };
        if ports.is_empty() {
            // Says what is missing.
            self.host_and_port(first)?;
        }
        if let Ok(Split::Both(..)) = split(first) {
            let words = self.operands.iter();
            return words.map(|word| target(word, first, reversed)).collect();
        }
        let host = read("host", first, Host::parse).map_err(|bad| bad.to_string())?;
        let mut spans = Vec::new();
        for word in ports {
            read_list(word, word, reversed, &mut spans).map_err(|bad| match split(word) {
                Ok(Split::Both(host, _)) if !is_number(host) => format!(
                    "host {} needs a port, as {} has one",
                    quote(first),
                    quote(word)
                ),
                _ => bad,
            })?;
        }
        let ports =
            Ports::new(spans).ok_or_else(|| format!("host {} needs a port", quote(first)))?;
        Ok(vec![Target { host, ports }])
    }
}

/// Reads one word for a host and its ports, which stands among others: messages show all of it.
fn target(word: &OsStr, first: &OsStr, reversed: Reversed) -> Result<Target, String> {
    let (host, list) = match split(word)? {
        Split::Both(host, list) => (host, list),
        Split::One => {
            let (word, first) = (quote(word), quote(first));
            return Err(format!("{word} is not HOST:PORTS, as {first} is"));
        }
        Split::Neither(error) => return Err(format!("{} {error}", quote(word))),
    };
    let host = read("host", host, |text| {
        Host::parse(text).map_err(|why| format!("of {} {why}", quote(word)))
    });
    let host = host.map_err(|bad| bad.to_string())?;
    let mut spans = Vec::new();
    read_list(list, word, reversed, &mut spans)?;
    let ports = Ports::new(spans).ok_or_else(|| format!("host {} needs a port", quote(word)))?;
    Ok(Target { host, ports })
}

/// Reads what stands between the commas of a list, which is all of a word, or its end.
fn read_list(
    list: &OsStr,
    word: &OsStr,
    reversed: Reversed,
    spans: &mut Vec<PortSpan>,
) -> Result<(), String> {
    let text = read("port", list, Ok::<&str, AddressError>).map_err(|bad| bad.to_string())?;
    for element in text.split(',') {
        let span = PortSpan::parse(element, reversed).map_err(|why| {
            let quoted = quote(OsStr::new(element));
            match element == word {
                true => format!("port {quoted} {why}"),
                false => format!("port {quoted} of {} {why}", quote(word)),
            }
        })?;
        spans.push(span);
    }
    Ok(())
}

fn is_number(word: &OsStr) -> bool {
    word.as_bytes().iter().all(u8::is_ascii_digit)
}
