//! What the end of the data means, on either side.

use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use super::values;

#[derive(Args, Debug)]
#[command(next_help_heading = "End of data")]
pub(super) struct EndOfData {
    /// Read nothing from stdin
    ///
    /// There is nothing to send then, as with </dev/null: the peer sees no end of data (FIN) before
    /// the run is done. With -N it sees it at once. Two ends that have nothing to send wait for each
    /// other until a time limit ends them.
    #[arg(short = 'd', long = "no-stdin")]
    pub(super) no_stdin: bool,

    /// Send FIN when stdin ends or is /dev/null
    ///
    /// When a file, a pipe, a terminal or a socket on stdin ends, the peer is always told, unless
    /// --no-shutdown is given. With -N it is also told when there is nothing to send: with -d, and
    /// when stdin is /dev/null or closed.
    #[arg(short = 'N', long = "shutdown")]
    pub(super) shutdown: bool,

    /// Send no FIN before the run is done
    ///
    /// For peers that take the end of their input for the end of the connection, and then do not
    /// answer, or not with all of it. Many proxies are such peers, and so is Redis. When whoever
    /// read stdout has gone, there is no answer to wait for, and the FIN is sent.
    #[arg(long = "no-shutdown", hide_short_help = true)]
    pub(super) no_shutdown: bool,

    /// After stdin's end, quit after DUR of silence
    ///
    /// Once stdin has ended and nothing has come from the peer for DUR, the run is done, with exit
    /// status 0. Implies -N; with 0 it is -N and nothing more. A negative number waits for ever,
    /// which is the default, and does not imply -N.
    #[arg(
        short = 'q',
        long = "quit-after",
        value_name = "DUR",
        value_hint = ValueHint::Other,
        value_parser = values::duration_or_forever(),
        allow_hyphen_values = true
    )]
    pub(super) quit_after: Option<QuitAfter>,

    /// At the peer's end: quit, or send the rest
    ///
    /// This is about a peer that ends before stdin does. Without the option the rest of stdin is
    /// sent, for such a peer may just have nothing to say. Two cases are different, and end the
    /// run: stdin is a terminal; or we connected, the peer has sent something, and stdin is a pipe
    /// (not a named one) or a socket that has not delivered anything (a server has answered and
    /// left). 'exit' ends the run in every case, 'drain' in none.
    #[arg(
        long = "on-peer-eof",
        hide_short_help = true,
        value_name = "exit|drain",
        hide_possible_values = true
    )]
    pub(super) on_peer_eof: Option<OnPeerEof>,

    /// Send stdin, discard what comes (implies -N)
    ///
    /// After stdin's end what comes is still read and discarded, until the peer ends or --linger
    /// has run out. The exit status is 0 if everything was acknowledged, otherwise 5.
    #[arg(long = "send-only", hide_short_help = true)]
    pub(super) send_only: bool,

    /// Receive only; the same as -d
    #[arg(long = "recv-only", hide_short_help = true)]
    pub(super) recv_only: bool,

    /// Wait at most DUR for ACKs [default: 10s]
    ///
    /// Before a run ends with 0, the peer's kernel has acknowledged every byte and the end. If it
    /// acknowledges nothing more for this long, the exit status is 5. With 0 there is no waiting.
    #[arg(
        long = "linger",
        value_name = "DUR",
        value_hint = ValueHint::Other,
        value_parser = values::duration(),
        allow_hyphen_values = true
    )]
    pub(super) linger: Option<Duration>,
}

/// The value of `-q`; none means for ever.
#[derive(Clone, Copy, Debug)]
pub(super) struct QuitAfter(pub(super) Option<Duration>);

/// The value of `--on-peer-eof`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum OnPeerEof {
    /// End the run
    Exit,
    /// Send the rest of stdin
    Drain,
}
