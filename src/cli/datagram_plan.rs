//! From words to a plan, where it is about datagrams.

use std::{net::IpAddr, time::Duration};

use super::{Words, end_of_data::QuitAfter, usage::quote};
use crate::plan::{Action, Datagrams, Group, ListenOn, Role, Scope, SocketOption, UnixAddress};

/// How long there has to be silence after stdin's end when nobody says anything else: an answer
/// takes less on any network, and a script need not wait longer.
const QUIET: Duration = Duration::from_secs(1);

/// What the words say about datagrams.
pub(super) struct DatagramSettings {
    size: Option<usize>,
    recv_limit: Option<u64>,
    quiet: Option<Duration>,
    everyone: bool,
    groups: Vec<Group>,
    own: Option<UnixAddress>,
    /// An option that changes a socket.
    needs_own_socket: Option<&'static str>,
}

impl Words {
    /// The settings, if it is to be datagrams at all.
    pub(super) fn datagram_settings(&self) -> Result<Option<DatagramSettings>, String> {
        let words = &self.datagrams;
        let needs = |name: &str, other: &str| Err(format!("option '{name}' needs '{other}'"));
        let listens = self.listening.listen;
        if !words.join.is_empty() && !listens {
            return needs("--join", "-l");
        }
        if !words.udp {
            let for_datagrams = [
                (words.size.is_some(), "--datagram-size"),
                (!words.join.is_empty(), "--join"),
            ];
            return match for_datagrams.into_iter().find(|(given, _)| *given) {
                Some((_, name)) => needs(name, "-u"),
                None => Ok(None),
            };
        }
        self.check_streams_only()?;
        self.check_groups()?;
        Ok(Some(DatagramSettings {
            size: words.size,
            recv_limit: words.recv_limit,
            quiet: self.quiet(),
            everyone: self.listening.keep_open,
            groups: words.join.clone(),
            own: self.own_unix_address()?,
            needs_own_socket: self.needs_own_socket(),
        }))
    }

    /// Datagrams have no end and are not acknowledged. `-N` is let pass, because `nc -uN` is common
    /// and does nothing either.
    fn check_streams_only(&self) -> Result<(), String> {
        let end = &self.end_of_data;
        let for_streams = [
            (end.no_shutdown, "--no-shutdown"),
            (end.linger.is_some(), "--linger"),
            (end.on_peer_eof.is_some(), "--on-peer-eof"),
            (self.proxies.proxy.is_some(), "-x"),
            (self.listening.max_conns.is_some(), "--max-conns"),
            (self.listening.accept.is_some(), "--accept"),
            (self.listening.tag, "--tag"),
            (self.lines.telnet, "-t"),
        ];
        let options = self.socket_options.in_order();
        let for_tcp = options.iter().filter(|o| o.scope() == Scope::Tcp);
        let given = for_streams.into_iter().filter(|(given, _)| *given);
        let mut names = given
            .map(|(_, name)| name)
            .chain(for_tcp.map(SocketOption::name));
        match names.next() {
            Some(name) => Err(format!("options '-u' and '{name}' exclude each other")),
            None => Ok(()),
        }
    }

    /// What cannot be had of a socket that was passed in, which stays as it is.
    fn needs_own_socket(&self) -> Option<&'static str> {
        let option = self.socket_options.in_order();
        let join = (!self.datagrams.join.is_empty()).then_some("--join");
        join.or_else(|| option.first().map(SocketOption::name))
    }

    /// The name of a caller's own Unix socket.
    pub(super) fn own_unix_address(&self) -> Result<Option<UnixAddress>, String> {
        let word = self.connecting.source.as_ref();
        let word = word.filter(|_| self.names.unix && !self.listening.listen);
        let own = word.map(|word| {
            UnixAddress::parse(word)
                .map_err(|bad| format!("option '-s': path {} {bad}", quote(word)))
        });
        own.transpose()
    }

    fn check_groups(&self) -> Result<(), String> {
        if self.names.unix && !self.datagrams.join.is_empty() {
            return Err("options '-U' and '--join' exclude each other".into());
        }
        for group in &self.datagrams.join {
            let (family, option, name) = match group.address {
                IpAddr::V4(_) => (self.names.ipv6, "-6", "IPv4"),
                IpAddr::V6(_) => (self.names.ipv4, "-4", "IPv6"),
            };
            if family {
                return Err(format!(
                    "'{option}' excludes the {name} address '{}'",
                    group.address
                ));
            }
        }
        Ok(())
    }

    /// After stdin's end, the run is done when nothing has come for so long.
    fn quiet(&self) -> Option<Duration> {
        let times = &self.time_limits;
        let silence = times.idle_timeout.or(times.timeout);
        match self.end_of_data.quit_after {
            Some(QuitAfter(Some(time))) => Some(time),
            _ if self.listening.listen => None,
            Some(QuitAfter(None)) => silence.filter(|time| !time.is_zero()),
            None if self.end_of_data.send_only => Some(silence.unwrap_or_default()),
            None => Some(silence.unwrap_or(QUIET)),
        }
    }
}

impl DatagramSettings {
    /// The same conversation in datagrams.
    pub(super) fn apply(self, action: Action) -> Result<Action, String> {
        let role = match action {
            Action::Connect(connect) => Role::Caller(connect),
            Action::ConnectUnix(target) => Role::UnixCaller {
                target,
                own: self.own,
            },
            Action::Listen(listen)
                if matches!(listen.on, ListenOn::Inherited(_))
                    && self.needs_own_socket.is_some() =>
            {
                let name = self.needs_own_socket.unwrap_or_default();
                return Err(format!(
                    "option '{name}' needs a port: a socket that was passed in is what it is"
                ));
            }
            Action::Listen(listen) => Role::Receiver {
                listen,
                everyone: self.everyone,
                groups: self.groups,
            },
            other => return Ok(other),
        };
        Ok(Action::Datagrams(Datagrams {
            role,
            size: self.size,
            recv_limit: self.recv_limit,
            quiet: self.quiet,
        }))
    }
}
