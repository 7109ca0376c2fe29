//! What `-F` leaves nothing to do for.

use super::{super::Words, exclude};

impl Words {
    /// Whoever gets the socket has the data to himself, and its end.
    pub(super) fn check_pass_fd(&self) -> Result<(), String> {
        let (end, lines) = (&self.end_of_data, &self.lines);
        let others = [
            (self.listening.listen, "-l"),
            (self.scanning.scan, "-z"),
            (self.waiting.limit.is_some(), "--wait-for"),
            (self.datagrams.udp, "-u"),
            (self.datagrams.recv_limit.is_some(), "-W"),
            (lines.crlf, "-C"),
            (lines.interval.is_some(), "-i"),
            (lines.telnet, "-t"),
            (end.no_stdin, "-d"),
            (end.shutdown, "-N"),
            (end.no_shutdown, "--no-shutdown"),
            (end.quit_after.is_some(), "-q"),
            (end.on_peer_eof.is_some(), "--on-peer-eof"),
            (end.send_only, "--send-only"),
            (end.recv_only, "--recv-only"),
            (end.linger.is_some(), "--linger"),
        ];
        let pass = self.connecting.pass_fd;
        exclude(&others.map(|(given, name)| (pass, "-F", given, name)))
    }
}
