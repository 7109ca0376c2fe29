//! From the words about a proxy to a [`Proxy`], with the rules about what it can be asked for.

use std::{ffi::OsStr, net::IpAddr};

use super::{
    proxies::{Dns, Kind, Proxies},
    usage::quote,
};
use crate::plan::{Endpoint, Host, Login, PasswordFrom, Port, Proxy, ProxyNames, ProxyProtocol};

/// What a length of one byte can tell; for SOCKS4, which has none, it is our own limit.
const SOCKS_LIMIT: usize = 255;

impl Proxies {
    /// The first option that means nothing without `-x`.
    pub(super) fn lacks_proxy(&self) -> Option<&'static str> {
        let given = [
            (self.kind.is_some(), "-X"),
            (self.user.is_some(), "-P"),
            (self.auth_file.is_some(), "--proxy-auth-file"),
            (self.auth_env.is_some(), "--proxy-auth-env"),
            (self.dns.is_some(), "--proxy-dns"),
        ];
        let mut given = given.into_iter().filter(|(given, _)| *given);
        given
            .next()
            .filter(|_| self.proxy.is_none())
            .map(|(_, name)| name)
    }

    /// The proxy, if there is one, for this target.
    pub(super) fn for_target(self, target: &Endpoint) -> Result<Option<Proxy>, String> {
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
        check_target(&target.host, protocol, dns)?;
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
    file: Option<PasswordFrom>,
    variable: Option<std::ffi::OsString>,
    protocol: ProxyProtocol,
) -> Result<Option<Login>, String> {
    let password = match (file, variable) {
        (Some(_), Some(_)) => {
            return Err(
                "options '--proxy-auth-file' and '--proxy-auth-env' exclude each other".into(),
            );
        }
        (Some(from), None) => Some((from, "--proxy-auth-file")),
        (None, Some(name)) => Some((PasswordFrom::Environment(name), "--proxy-auth-env")),
        (None, None) => None,
    };
    if let Some(user) = &user {
        check_user(user, protocol)?;
    }
    let password = match (password, protocol) {
        (Some((_, option)), ProxyProtocol::Socks4) => {
            return Err(format!(
                "option '{option}': SOCKS4 has no passwords; '-P' names the user"
            ));
        }
        (Some((from, _)), _) => from,
        (None, _) if user.is_none() => return Ok(None),
        (None, ProxyProtocol::Socks4) => PasswordFrom::Nowhere,
        (None, _) => PasswordFrom::Terminal,
    };
    Ok(Some(Login { user, password }))
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
