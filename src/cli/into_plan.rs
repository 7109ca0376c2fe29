//! From words to a [`Plan`]: every rule about options and operands that do not go together.

mod pass_fd;
mod proxies;
mod retry;
mod scan;
mod socket_options;

use std::{
    ffi::{OsStr, OsString},
    net::IpAddr,
    os::unix::ffi::OsStrExt as _,
    time::Duration,
};

use super::{
    Words,
    connecting::Connecting,
    end_of_data::{EndOfData, OnPeerEof, QuitAfter},
    lines::Lines,
    names::Names,
    time_limits::TimeLimits,
    usage::quote,
    values::read,
};
use crate::plan::{
    self, Action, AddressError, Callee, Connect, Endpoint, Family, Host, Input, KeepOpen, Limits,
    Listen, ListenOn, Lookup, OnInputEnd, OnPeerEnd, Personality, Plan, Port, PortTo, Source,
    Transfer, UnixAddress,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const LINGER: Duration = Duration::from_secs(10);

/// For the owner only: a socket's file is a door.
const UNIX_MODE: u32 = 0o600;

impl Words {
    /// The plan, or one line about what does not go together. `inherited` says whether a
    /// supervisor has passed in sockets to listen on.
    pub(super) fn into_plan(self, inherited: Option<usize>) -> Result<Plan, String> {
        if self.compat.compat.is_some() && self.personality == Personality::Oxnc {
            return Err("'--compat' has to be the first word".to_owned());
        }
        self.check_scan()?;
        self.check_pairs()?;
        let lookup = Lookup {
            services: self.personality == Personality::Nc,
            ..lookup(&self.names)
        };
        let transfer = Transfer {
            recv_limit: self.datagrams.recv_limit,
            ..transfer(&self.end_of_data, &self.lines, self.personality)
        };
        let limits = limits(&self.time_limits);
        let retry = self.retry();
        let (verbosity, personality) = (self.messages.verbose, self.personality);
        let datagrams = self.datagram_settings()?;
        let socket_options = self.socket_options.in_order();
        let (scan, pass_fd) = (self.scan_option().is_some(), self.connecting.pass_fd);
        let action = match (self.listening.listen, self.names.unix) {
            _ if scan => Action::Scan(self.scan(lookup)?),
            (true, true) => Action::Listen(self.listen_unix(inherited)?),
            (true, false) => Action::Listen(self.listen(lookup, inherited)?),
            (false, true) if pass_fd => Action::PassFd(Callee::Unix(self.unix_callee()?)),
            (false, true) => Action::ConnectUnix(self.unix_callee()?),
            (false, false) if pass_fd => Action::PassFd(Callee::Inet(self.connect(lookup)?)),
            (false, false) => Action::Connect(self.connect(lookup)?),
        };
        let action = match datagrams {
            Some(settings) if !scan => settings.apply(action)?,
            _ => action,
        };
        Ok(Plan {
            personality,
            action,
            transfer,
            limits,
            retry,
            socket_options,
            verbosity,
            numeric: lookup.numeric,
        })
    }

    /// Options that contradict each other, and those that mean nothing without `-l`.
    fn check_pairs(&self) -> Result<(), String> {
        let (end, keep) = (&self.end_of_data, &self.listening);
        let many = keep.keep_open && !self.datagrams.udp;
        let quits = matches!(end.quit_after, Some(QuitAfter(Some(_))));
        let scan = self.scan_option().is_some();
        let paused = self.lines.interval.is_some() && !scan && !self.datagrams.udp;
        let exits = matches!(end.on_peer_eof, Some(OnPeerEof::Exit));
        let excluding = [
            (end.shutdown, "-N", end.no_shutdown, "--no-shutdown"),
            (quits, "-q", end.no_shutdown, "--no-shutdown"),
            (
                end.send_only,
                "--send-only",
                end.no_shutdown,
                "--no-shutdown",
            ),
            (end.send_only, "--send-only", end.recv_only, "--recv-only"),
            (end.send_only, "--send-only", end.no_stdin, "-d"),
            // `>/dev/null` discards as well; and who ends is done with.
            (many, "-k", end.send_only, "--send-only"),
            (many, "-k", end.on_peer_eof.is_some(), "--on-peer-eof"),
            (many, "-k", self.datagrams.recv_limit.is_some(), "-W"),
            // What ends the run early must not find lines that are read and wait for their pause.
            (paused, "-i", self.datagrams.recv_limit.is_some(), "-W"),
            (paused, "-i", exits, "--on-peer-eof=exit"),
            (self.names.ipv4, "-4", self.names.unix, "-U"),
            (self.names.ipv6, "-6", self.names.unix, "-U"),
            (
                self.connecting.source_port.is_some(),
                "-p",
                self.names.unix,
                "-U",
            ),
            (
                self.listening.print_port.is_some(),
                "--print-port",
                self.names.unix,
                "-U",
            ),
        ];
        exclude(&excluding)?;
        let for_listeners = [
            (keep.keep_open, "-k"),
            (keep.print_port.is_some(), "--print-port"),
            (
                self.time_limits.accept_timeout.is_some(),
                "--accept-timeout",
            ),
            (self.listening.unix_mode.is_some(), "--unix-mode"),
            // A stream's Unix socket that connects has no name of its own.
            (
                self.names.unix && !self.datagrams.udp && self.connecting.source.is_some(),
                "-s' with '-U",
            ),
        ];
        for (given, name) in for_listeners {
            if given && !self.listening.listen {
                return Err(format!("option '{name}' needs '-l'"));
            }
        }
        let for_many = [
            (keep.max_conns.is_some(), "--max-conns"),
            (keep.accept.is_some(), "--accept"),
            (keep.tag, "--tag"),
        ];
        for (given, name) in for_many {
            if given && !keep.keep_open {
                return Err(format!("option '{name}' needs '-k'"));
            }
        }
        if self.listening.unix_mode.is_some() && !self.names.unix {
            return Err("option '--unix-mode' needs '-U'".to_owned());
        }
        let proxied = self.proxies.proxy.is_some();
        exclude(&[
            (proxied, "-x", self.listening.listen, "-l"),
            (proxied, "-x", self.names.unix, "-U"),
        ])?;
        self.proxies.check()?;
        self.check_pass_fd()?;
        self.check_retry()?;
        self.socket_options.check(self.names.unix)
    }

    fn connect(self, lookup: Lookup) -> Result<Connect, String> {
        let (host, port) = match self.operands.as_slice() {
            [] => {
                return Err("HOST and PORT are needed, or '-l' and PORT to listen; \
                            see '--help'"
                    .to_owned());
            }
            [word] => self.host_and_port(word)?,
            [host, port] => {
                one_port_only(host, port)?;
                (OsStr::new(host), OsStr::new(port))
            }
            [_, _, extra, ..] => return Err(too_many(extra)),
        };
        let target = Endpoint {
            host: read("host", host, Host::parse).map_err(|bad| bad.to_string())?,
            port: read("port", port, Port::parse).map_err(|bad| bad.to_string())?,
        };
        let source = source(self.connecting, lookup)?;
        let proxy = self.proxies.for_host(&target.host)?;
        match &proxy {
            // What the proxy does with the target's address is not for us to choose.
            Some(proxy) => {
                check_lookup(lookup, Some(&proxy.server.host), Some(&proxy.server.port))?;
                check_lookup(lookup, None, Some(&target.port))?;
            }
            None => check_lookup(lookup, Some(&target.host), Some(&target.port))?,
        }
        Ok(Connect {
            target,
            source,
            lookup,
            proxy,
        })
    }

    /// One word for both, to connect to.
    fn host_and_port<'a>(&self, word: &'a OsStr) -> Result<(&'a OsStr, &'a OsStr), String> {
        match split(word)? {
            Split::Both(host, port) => Ok((host, port)),
            Split::One if self.personality == Personality::Nc => {
                Err("missing port number".to_owned())
            }
            Split::One if self.connecting.source_port.is_some() => Err(format!(
                "host {} needs a port ('-p' is the local one)",
                quote(word)
            )),
            Split::One => Err(format!("host {} needs a port", quote(word))),
            Split::Neither(error) => Err(format!("{} {error}", quote(word))),
        }
    }

    fn listen(self, lookup: Lookup, inherited: Option<usize>) -> Result<Listen, String> {
        let keep_open = self.keep_open();
        let print_port = self
            .listening
            .print_port
            .map(|to| to.unwrap_or(PortTo::Stderr));
        let address = local_host(self.connecting.source)?;
        let port = self.connecting.source_port;
        let (host_word, port_word) = match self.operands.as_slice() {
            [] => (None, None),
            [word] if port.is_some() => (Some(lone_address(word)?), None),
            [word] => lone_port(word)?,
            [host, port] => {
                one_port_only(host, port)?;
                (Some(OsStr::new(host)), Some(OsStr::new(port)))
            }
            [_, _, extra, ..] => return Err(too_many(extra)),
        };
        let port = match (port, port_word) {
            (Some(_), Some(word)) => return Err(twice("port", "'-p'", word)),
            (Some(port), None) => Some(port),
            (None, Some(word)) => {
                Some(read("port", word, Port::parse_local).map_err(|bad| bad.to_string())?)
            }
            (None, None) => None,
        };
        let host = match (address, host_word) {
            (Some(_), Some(word)) => return Err(twice("address", "'-s'", word)),
            (Some(host), None) => Some(host),
            (None, Some(word)) => {
                Some(read("address", word, Host::parse).map_err(|bad| bad.to_string())?)
            }
            (None, None) => None,
        };
        check_lookup(lookup, host.as_ref(), port.as_ref())?;
        let (lookup, mapped) = match (self.personality, lookup.family) {
            (Personality::Nc, Family::Any) if host.is_none() && port.is_some() => (
                Lookup {
                    family: Family::V4,
                    ..lookup
                },
                false,
            ),
            (Personality::Nc, Family::V6) => (lookup, true),
            _ => (lookup, false),
        };
        let on = match (port, inherited) {
            (Some(port), _) => ListenOn::Address { host, port },
            (None, Some(_)) if lookup.family != Family::Any => {
                return Err("-4 and -6 do not apply to sockets that were passed in".to_owned());
            }
            (None, Some(count)) if host.is_none() => {
                self.socket_options.check_inherited()?;
                ListenOn::Inherited(count)
            }
            (None, _) => return Err("-l needs a port".to_owned()),
        };
        Ok(Listen {
            on,
            lookup,
            mapped,
            print_port,
            keep_open,
        })
    }

    fn listen_unix(self, inherited: Option<usize>) -> Result<Listen, String> {
        let on = match (self.unix_address()?, inherited) {
            (Some(address), _) => ListenOn::Unix {
                address,
                mode: self.listening.unix_mode.unwrap_or(UNIX_MODE),
            },
            (None, Some(count)) => ListenOn::Inherited(count),
            (None, None) => return Err(self.no_path()),
        };
        Ok(Listen {
            on,
            lookup: Lookup::default(),
            print_port: None,
            keep_open: self.keep_open(),
            mapped: false,
        })
    }

    fn unix_callee(&self) -> Result<UnixAddress, String> {
        self.unix_address()?.ok_or_else(|| self.no_path())
    }

    /// Many clients of a stream. Datagrams have a way of their own.
    fn keep_open(&self) -> Option<KeepOpen> {
        let words = &self.listening;
        let most = words
            .max_conns
            .map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        (words.keep_open && !self.datagrams.udp).then_some(KeepOpen {
            max_conns: match self.personality {
                Personality::Oxnc => most,
                // One after another.
                Personality::Nc => most.or(Some(1)),
            },
            accept: words.accept.map(u64::from),
            tag: words.tag,
        })
    }

    fn no_path(&self) -> String {
        match self.personality {
            Personality::Oxnc => "-U needs a path".to_owned(),
            Personality::Nc => "missing socket pathname".to_owned(),
        }
    }

    /// The one word of `-U`, or its `-s`, unless that is the caller's own name.
    fn unix_address(&self) -> Result<Option<UnixAddress>, String> {
        let source = self.connecting.source.as_ref();
        let source = source.filter(|_| self.listening.listen);
        let word = match (source, self.operands.as_slice()) {
            (Some(_), [word, ..]) => return Err(twice("path", "'-s'", word)),
            (_, [_, extra, ..]) => return Err(too_many(extra)),
            (Some(word), []) | (None, [word]) => word,
            (None, []) => return Ok(None),
        };
        unix_path(word).map(Some)
    }
}

/// A word of `-U`.
fn unix_path(word: &OsStr) -> Result<UnixAddress, String> {
    UnixAddress::parse(word).map_err(|bad| format!("option '-U': path {} {bad}", quote(word)))
}

/// The local end of what we connect.
fn source(words: Connecting, lookup: Lookup) -> Result<Option<Source>, String> {
    // Port 0 is what the kernel does anyway.
    let port = words.source_port.filter(|port| *port != Port::Number(0));
    let host = local_host(words.source)?;
    check_lookup(lookup, host.as_ref(), port.as_ref())?;
    Ok((host.is_some() || port.is_some()).then_some(Source { host, port }))
}

fn local_host(word: Option<OsString>) -> Result<Option<Host>, String> {
    let host = word.map(|word| read("address", &word, Host::parse));
    host.transpose()
        .map_err(|bad| format!("option '-s': {bad}"))
}

/// Fails for the first two options of which both are given.
fn exclude(pairs: &[(bool, &str, bool, &str)]) -> Result<(), String> {
    match pairs.iter().find(|(one, _, other, _)| *one && *other) {
        Some((_, one, _, other)) => {
            Err(format!("options '{one}' and '{other}' exclude each other"))
        }
        None => Ok(()),
    }
}

fn lookup(names: &Names) -> Lookup {
    let family = match (names.ipv4, names.ipv6) {
        (true, _) => Family::V4,
        (false, true) => Family::V6,
        (false, false) => Family::Any,
    };
    Lookup {
        family,
        numeric: names.numeric,
        services: false,
    }
}

fn transfer(end: &EndOfData, lines: &Lines, personality: Personality) -> Transfer {
    let quit_after = end.quit_after.and_then(|QuitAfter(time)| time);
    Transfer {
        input: if end.no_stdin || end.recv_only {
            Input::Nothing
        } else {
            Input::Stdin
        },
        on_input_end: if end.no_shutdown {
            OnInputEnd::Keep
        } else if end.shutdown || end.send_only || quit_after.is_some() {
            OnInputEnd::Shutdown
        } else {
            match personality {
                Personality::Oxnc => OnInputEnd::Auto,
                Personality::Nc => OnInputEnd::Keep,
            }
        },
        on_peer_end: match end.on_peer_eof {
            None => OnPeerEnd::Auto,
            Some(OnPeerEof::Exit) => OnPeerEnd::Exit,
            Some(OnPeerEof::Drain) => OnPeerEnd::Drain,
        },
        // Quitting at once would cut the answer off; `-q 0` has always meant `-N` instead.
        quit_after: quit_after.filter(|time| !time.is_zero()),
        recv_limit: None,
        send_only: end.send_only,
        linger: end.linger.unwrap_or(LINGER),
        lines: plan::Lines {
            crlf: lines.crlf,
            interval: lines.interval.filter(|time| !time.is_zero()),
        },
        telnet: lines.telnet,
    }
}

/// The limits: an option of its own beats `-w`, wherever they stand, and 0 is no limit.
fn limits(times: &TimeLimits) -> Limits {
    let limit = |time: Option<Duration>| time.filter(|time| !time.is_zero());
    Limits {
        connect: limit(
            times
                .connect_timeout
                .or(times.timeout)
                .or(Some(CONNECT_TIMEOUT)),
        ),
        accept: limit(times.accept_timeout),
        idle: limit(times.idle_timeout.or(times.timeout)),
        total: limit(times.max_time),
    }
}

/// What `-4`, `-6` and `-n` exclude can be told without a lookup.
fn check_lookup(lookup: Lookup, host: Option<&Host>, port: Option<&Port>) -> Result<(), String> {
    let quoted = |word: &str| quote(OsStr::new(word));
    if let Some(host) = host {
        match (lookup.family, host.literal()) {
            (Family::V4, Some(IpAddr::V6(_))) => {
                return Err(format!(
                    "'-4' excludes the IPv6 address {}",
                    quoted(host.as_str())
                ));
            }
            (Family::V6, Some(IpAddr::V4(_))) => {
                return Err(format!(
                    "'-6' excludes the IPv4 address {}",
                    quoted(host.as_str())
                ));
            }
            _ => {}
        }
    }
    match port {
        Some(Port::Service(name)) if lookup.numeric && !lookup.services => Err(format!(
            "'-n' excludes the service name {}; give its number",
            quoted(name)
        )),
        _ => Ok(()),
    }
}

/// What one word may be.
enum Split<'a> {
    /// A host and a port.
    Both(&'a OsStr, &'a OsStr),
    /// A host or a port.
    One,
    /// Nothing that could be read.
    Neither(AddressError),
}

fn split(word: &OsStr) -> Result<Split<'_>, String> {
    let text = read("address", word, Ok::<&str, AddressError>).map_err(|bad| bad.to_string());
    Ok(match Endpoint::split(text?) {
        Ok((host, port)) => Split::Both(OsStr::new(host), OsStr::new(port)),
        Err(AddressError::NoPort) => Split::One,
        Err(error) => Split::Neither(error),
    })
}

/// The one operand of `-l`, where no `-p` names the port.
fn lone_port(word: &OsStr) -> Result<(Option<&OsStr>, Option<&OsStr>), String> {
    match split(word)? {
        Split::Both(host, port) => Ok((Some(host), Some(port))),
        Split::Neither(error) => Err(format!("{} {error}", quote(word))),
        Split::One if is_literal(word) => Err(format!("address {} needs a port", quote(word))),
        Split::One => Ok((None, Some(word))),
    }
}

/// The one operand of `-l`, where `-p` names the port.
fn lone_address(word: &OsStr) -> Result<&OsStr, String> {
    let number = || !word.is_empty() && word.as_bytes().iter().all(u8::is_ascii_digit);
    match split(word) {
        Ok(Split::Both(..)) => Err(twice("port", "'-p'", word)),
        Ok(Split::One) if number() => Err(twice("port", "'-p'", word)),
        _ => Ok(word),
    }
}

/// Two operands are an address and a port, so the first must not hold a port of its own.
fn one_port_only(host: &OsString, port: &OsString) -> Result<(), String> {
    match split(host) {
        Ok(Split::Both(..)) => Err(twice("port", &quote(host), port)),
        _ => Ok(()),
    }
}

fn is_literal(word: &OsStr) -> bool {
    let host = word.to_str().and_then(|text| Host::parse(text).ok());
    host.is_some_and(|host| host.literal().is_some())
}

fn twice(what: &str, first: &str, second: &OsStr) -> String {
    format!(
        "the {what} is given twice: by {first} and by {}",
        quote(second)
    )
}

fn too_many(extra: &OsStr) -> String {
    format!("{} is one word too many", quote(extra))
}
