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
    /// The one word that is needed is the socket's PATH, or @NAME for a name without a file (Linux's
    /// abstract names; a file's path that begins with '@' is written ./@NAME). With -l, PATH may
    /// also be given with -s. A socket that is there already and that nobody listens on is replaced;
    /// everything else that is there is left alone. The file is removed as soon as the client is
    /// there, and whenever the run ends before. Also spelled --unixsock.
    #[arg(short = 'U', long = "unix", alias = "unixsock")]
    pub(super) unix: bool,

    /// Look nothing up: numeric addresses and ports only
    ///
    /// No name service is asked. Also spelled --nodns.
    #[arg(short = 'n', long = "numeric", alias = "nodns")]
    pub(super) numeric: bool,
}
