//! Proxies to connect through.

use std::ffi::OsString;

use clap::{Args, ValueEnum, ValueHint};

use super::values;
use crate::plan::{ProxyAddress, SecretSource};

#[derive(Args, Debug)]
#[command(next_help_heading = "Proxies")]
pub(super) struct Proxies {
    /// Connect through a proxy
    ///
    /// The proxy is connected to, and asked to connect to HOST and PORT. Its own port is 1080 if
    /// none is given, and 3128 with -X connect. IPv6 addresses stand in brackets. -s and -p are the
    /// local end of the connection to the proxy, -4 and -6 choose among the proxy's addresses, and
    /// among HOST's where these are looked up here.
    #[arg(
        short = 'x',
        long = "proxy",
        value_name = "HOST[:PORT]",
        value_hint = ValueHint::Hostname,
        value_parser = values::proxy(),
        allow_hyphen_values = true
    )]
    pub(super) proxy: Option<ProxyAddress>,

    /// "4", "4a", "5" (SOCKS) or "connect" [default: 5]
    ///
    /// What the proxy speaks: 4 is SOCKS4, 4a the same with names looked up by the proxy, 5 is SOCKS5, and connect the
    /// CONNECT of an HTTP proxy. Also spelled socks4, socks4a, socks5 and http.
    #[arg(
        short = 'X',
        long = "proxy-type",
        value_name = "TYPE",
        ignore_case = true,
        hide_possible_values = true
    )]
    pub(super) kind: Option<Kind>,

    /// Name USER to the proxy, and ask for a password
    ///
    /// The password is asked for on the terminal, unless --proxy-auth-file or --proxy-auth-env says
    /// where it is. It is sent to the proxy as it is, and readable on the way there. SOCKS4 knows no
    /// passwords.
    #[arg(
        short = 'P',
        long = "proxy-user",
        value_name = "USER",
        value_hint = ValueHint::Username,
        value_parser = values::user(),
        allow_hyphen_values = true
    )]
    pub(super) user: Option<String>,

    /// Read USER:PASSWORD from a file
    ///
    /// The first line of a file, or of an inherited descriptor (fd:3), holds the user and the
    /// password with a colon between; with -P it holds the password alone. For a file whose name
    /// begins with 'fd:', write './fd:'.
    #[arg(
        long = "proxy-auth-file",
        value_name = "FILE|fd:N",
        value_hint = ValueHint::FilePath,
        value_parser = values::password_file(),
        hide_short_help = true
    )]
    pub(super) auth_file: Option<SecretSource>,

    /// Read USER:PASSWORD from a variable
    ///
    /// The environment variable NAME holds the user and the password with a colon between; with -P
    /// it holds the password alone.
    #[arg(
        long = "proxy-auth-env",
        value_name = "NAME",
        value_hint = ValueHint::Other,
        value_parser = values::variable(),
        hide_short_help = true
    )]
    pub(super) auth_env: Option<OsString>,

    /// Who looks HOST up: remote, local, both, none
    ///
    /// 'remote' leaves it to the proxy, which is the default but for SOCKS4. 'local' looks the name
    /// up here; the proxy is asked for its addresses one after another until it connects to one.
    /// 'both' looks it up here, and leaves it to the proxy if that fails. With 'none' HOST must be
    /// a numeric address.
    #[arg(
        long = "proxy-dns",
        value_name = "WHO",
        hide_possible_values = true,
        hide_short_help = true
    )]
    pub(super) dns: Option<Dns>,
}

/// The value of `-X`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// SOCKS4
    #[value(name = "4", alias = "socks4")]
    Socks4,
    /// SOCKS4a
    #[value(name = "4a", alias = "socks4a")]
    Socks4a,
    /// SOCKS5
    #[value(name = "5", alias = "socks5")]
    Socks5,
    /// HTTP CONNECT
    #[value(name = "connect", alias = "http")]
    Connect,
}

/// The value of `--proxy-dns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Dns {
    /// The proxy
    Remote,
    /// This machine
    Local,
    /// This machine, or else the proxy
    Both,
    /// Nobody
    None,
}
