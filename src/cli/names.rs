//! How names become addresses.

use clap::Args;

#[derive(Args, Debug)]
#[command(next_help_heading = "Names and addresses")]
pub(super) struct Names {
    /// Use IPv4 only
    ///
    /// Of -4 and -6 the last one counts.
    #[arg(short = '4', long = "ipv4", overrides_with = "ipv6")]
    pub(super) ipv4: bool,

    /// Use IPv6 only
    ///
    /// A socket that listens then serves IPv6 clients only. Of -4 and -6 the last one counts.
    #[arg(short = '6', long = "ipv6", overrides_with = "ipv4")]
    pub(super) ipv6: bool,

    /// Connect to, or listen on, a Unix socket
    ///
    /// The one word that is needed is the PATH of the socket's file, or @NAME for an abstract name,
    /// which has no file; write ./@NAME for a file of that name. With -l, PATH may also be given
    /// with -s. With -z and --wait-for there may be any number of words. Also spelled --unixsock.
    #[arg(short = 'U', long = "unix", alias = "unixsock")]
    pub(super) unix: bool,

    /// Look nothing up: numeric addresses and ports only
    ///
    /// No name service is asked, but names that a proxy is to look up are passed on to it. Also
    /// spelled --nodns.
    #[arg(short = 'n', long = "numeric", alias = "nodns")]
    pub(super) numeric: bool,
}
