//! From words to what is to be tested (`-z`).

use std::{
    ffi::{OsStr, OsString},
    time::Duration,
};

use super::{
    super::{Words, usage::quote, values::read},
    CONNECT_TIMEOUT, check_lookup, one_port_only, source,
};
use crate::plan::{
    Action, AddressError, Host, Lookup, Personality, Port, PortSpan, Ports, Probe, Reversed, Scan,
    UnixProbe,
};

/// A port that does not answer must not hold up the others for long. A SYN that is lost is sent again
/// after one second: RFC 6298.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Longer than the second for which Linux may hold back what says that nobody is there
/// (icmp_ratelimit), and what nc takes.
const SILENCE: Duration = Duration::from_secs(3);

impl Words {
    /// What means nothing without `-z`, and what means nothing with it. What `nc` lets pass passes:
    /// many a script has `-N`, `-q`, `-d` or `-v` there.
    pub(super) fn check_scan(&self) -> Result<(), String> {
        let (words, end) = (&self.scanning, &self.end_of_data);
        if !words.scan {
            let for_scans = [(words.random, "-r"), (words.all, "--all")];
            return match for_scans.into_iter().find(|(given, _)| *given) {
                Some((_, name)) => Err(format!("option '{name}' needs '-z'")),
                None => Ok(()),
            };
        }
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
        match for_data.into_iter().find(|(given, _)| *given) {
            Some((_, name)) => Err(format!("options '-z' and '{name}' exclude each other")),
            None => Ok(()),
        }
    }

    pub(super) fn scan_unix(self) -> Result<Action, String> {
        let own = self.own_unix_address()?;
        let target = self.unix_address()?.ok_or_else(|| self.no_path())?;
        Ok(Action::ScanUnix(match self.datagrams.udp {
            true => UnixProbe::Datagrams { target, own },
            false => UnixProbe::Stream(target),
        }))
    }

    pub(super) fn scan(self, lookup: Lookup) -> Result<Action, String> {
        let (host, ports) = self.host_and_ports()?;
        let source = source(self.connecting, lookup)?;
        let proxy = self.proxies.for_host(&host)?;
        match &proxy {
            Some(proxy) => {
                check_lookup(lookup, Some(&proxy.server.host), Some(&proxy.server.port))?;
            }
            None => check_lookup(lookup, Some(&host), None)?,
        }
        for span in ports.spans() {
            if let PortSpan::Service(name) = span {
                check_lookup(lookup, None, Some(&Port::Service(name.clone())))?;
            }
        }
        let asked = self
            .time_limits
            .connect_timeout
            .or(self.time_limits.timeout);
        let asked_limit = asked.filter(|time| !time.is_zero());
        let usual = match ports.is_one() {
            true => CONNECT_TIMEOUT,
            false => PROBE_TIMEOUT,
        };
        let probe = match self.datagrams.udp {
            true => Probe::Datagrams {
                wait: asked_limit.unwrap_or(SILENCE),
            },
            false => Probe::Connect {
                timeout: asked.map_or(Some(usual), |_| asked_limit),
                proxy,
            },
        };
        Ok(Action::Scan(Scan {
            host,
            ports,
            probe,
            source,
            lookup,
            interval: self.lines.interval.filter(|time| !time.is_zero()),
            random: self.scanning.random,
            all: self.scanning.all,
        }))
    }

    fn host_and_ports(&self) -> Result<(Host, Ports), String> {
        let (host, words) = match self.operands.as_slice() {
            [] => return Err("'-z' needs HOST and PORTS; see '--help'".to_owned()),
            [word] => {
                let (host, ports) = self.host_and_port(word)?;
                (host, vec![ports])
            }
            [host, ports @ ..] => {
                if let [first, ..] = ports {
                    one_port_only(host, first)?;
                }
                (
                    host.as_os_str(),
                    ports.iter().map(OsString::as_os_str).collect(),
                )
            }
        };
        let host = read("host", host, Host::parse).map_err(|bad| bad.to_string())?;
        let reversed = match self.personality {
            Personality::Oxnc => Reversed::Refused,
            Personality::Nc => Reversed::Swapped,
        };
        let mut spans = Vec::new();
        for word in words {
            read_list(word, reversed, &mut spans)?;
        }
        let ports = Ports::new(spans).ok_or_else(|| format!("host {host} needs a port"))?;
        Ok((host, ports))
    }
}

/// Reads what stands between the commas of one word.
fn read_list(word: &OsStr, reversed: Reversed, spans: &mut Vec<PortSpan>) -> Result<(), String> {
    let list = read("port", word, Ok::<&str, AddressError>).map_err(|bad| bad.to_string())?;
    for element in list.split(',') {
        let span = PortSpan::parse(element, reversed).map_err(|why| {
            let quoted = quote(OsStr::new(element));
            match element == list {
                true => format!("port {quoted} {why}"),
                false => format!("port {quoted} of {} {why}", quote(word)),
            }
        })?;
        spans.push(span);
    }
    Ok(())
}
