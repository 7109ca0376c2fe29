//! From the words about a proxy to a [`Proxy`], with the rules about what it can be asked for.

use std::{
    ffi::{OsStr, OsString},
    net::IpAddr,
};

use super::{
    super::{
        proxies::{Dns, Kind, Proxies},
        usage::quote,
    },
    exclude,
};
use crate::plan::{Endpoint, Host, Login, Port, Proxy, ProxyNames, ProxyProtocol, SecretSource};

/// What a length of one byte can tell; for SOCKS4, which has none, it is our own limit.
const SOCKS_LIMIT: usize = 255;

impl Proxies {
    /// Options that contradict each other, and those that mean nothing without `-x`.
    pub(super) fn check(&self) -> Result<(), String> {
        let (file, variable) = (self.auth_file.is_some(), self.auth_env.is_some());
        exclude(&[(file, "--proxy-auth-file", variable, "--proxy-auth-env")])?;
        let for_proxies = [
            (self.kind.is_some(), "-X"),
            (self.user.is_some(), "-P"),
            (file, "--proxy-auth-file"),
            (variable, "--proxy-auth-env"),
            (self.dns.is_some(), "--proxy-dns"),
        ];
        match for_proxies.into_iter().find(|(given, _)| *given) {
            Some((_, name)) if self.proxy.is_none() => Err(format!("option '{name}' needs '-x'")),
            _ => Ok(()),
        }
    }

    /// The proxy, if there is one, for this target.
    pub(super) fn for_host(self, target: &Host) -> Result<Option<Proxy>, String> {
        self.for_hosts([target])
    }

    /// The proxy, if there is one, for all of these targets.
    pub(super) fn for_hosts<'a>(
        self,
        targets: impl IntoIterator<Item = &'a Host>,
    ) -> Result<Option<Proxy>, String> {
        let kind = self.kind.unwrap_or(Kind::Socks5);
        let protocol = match kind {
            Kind::Socks4 | Kind::Socks4a => ProxyProtocol::Socks4,
            Kind::Socks5 => ProxyProtocol::Socks5,
            Kind::Connect => ProxyProtocol::Http,
        };
        let dns = self.dns.unwrap_or(match kind {
            Kind::Socks4 => Dns::Local,
            _ => Dns::Remote,
        });
        let names = match dns {
            Dns::Remote | Dns::None => ProxyNames::Remote,
            Dns::Local => ProxyNames::Local,
            Dns::Both => ProxyNames::Both,
        };
        let Some(address) = self.proxy else {
            return Ok(None);
        };
        for target in targets {
            check_target(target, protocol, dns)?;
        }
        let login = login(self.user, self.auth_file, self.auth_env, protocol)?;
        let port = address.port;
        Ok(Some(Proxy {
            server: Endpoint {
                host: address.host,
                port: port.unwrap_or_else(|| Port::Number(protocol.default_port())),
            },
            protocol,
            names,
            login,
        }))
    }
}

/// Whether a proxy can be told about a host.
fn check_target(host: &Host, protocol: ProxyProtocol, dns: Dns) -> Result<(), String> {
    let quoted = quote(OsStr::new(host.as_str()));
    if host.zone().is_some() {
        return Err(format!(
            "host {quoted} has a zone, which means nothing to a proxy"
        ));
    }
    match (host.literal(), protocol) {
        (Some(IpAddr::V6(_)), ProxyProtocol::Socks4) => Err(format!(
            "SOCKS4 has no IPv6 addresses such as {quoted}; '-X 5' and '-X connect' have"
        )),
        (Some(_), _) => Ok(()),
        (None, _) if dns == Dns::None => Err(format!(
            "'--proxy-dns none' excludes the name {quoted}; give its address"
        )),
        (None, _) if dns == Dns::Local => Ok(()),
        (None, ProxyProtocol::Http) if !host.as_str().bytes().all(is_reg_name) => Err(format!(
            "host {quoted} is no name that HTTP can carry; non-ASCII names have an ASCII form, \
             xn--..."
        )),
        (None, ProxyProtocol::Socks4 | ProxyProtocol::Socks5)
            if host.as_str().len() > SOCKS_LIMIT =>
        {
            Err(format!(
                "host {quoted} is longer than SOCKS can tell (255 bytes)"
            ))
        }
        (None, _) => Ok(()),
    }
}

/// RFC 3986, 3.2.2, but for percent signs, which no name of a host needs.
fn is_reg_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

fn login(
    user: Option<String>,
    file: Option<SecretSource>,
    variable: Option<OsString>,
    protocol: ProxyProtocol,
) -> Result<Option<Login>, String> {
    if let Some(user) = &user {
        check_user(user, protocol)?;
    }
    let password = match (file, variable, protocol) {
        (None, None, ProxyProtocol::Socks4) => None,
        (_, _, ProxyProtocol::Socks4) => {
            return Err("SOCKS4 has no passwords; '-P' names the user".to_owned());
        }
        (None, None, _) if user.is_none() => return Ok(None),
        (None, None, _) => Some(SecretSource::Terminal),
        (Some(from), _, _) => Some(from),
        (None, Some(name), _) => Some(SecretSource::Environment(name)),
    };
    let known = user.is_some() || password.is_some();
    Ok(known.then_some(Login { user, password }))
}

fn check_user(user: &str, protocol: ProxyProtocol) -> Result<(), String> {
    let quoted = quote(OsStr::new(user));
    match protocol {
        ProxyProtocol::Http if user.contains(':') => Err(format!(
            "option '-P': user {quoted} has a colon, which HTTP cannot tell from the one before \
             the password"
        )),
        ProxyProtocol::Socks4 | ProxyProtocol::Socks5 if user.len() > SOCKS_LIMIT => Err(format!(
            "option '-P': user {quoted} is longer than SOCKS can tell (255 bytes)"
        )),
        _ => Ok(()),
    }
}
