//! What `-F` leaves nothing to do for.

use super::{super::Words, exclude};
use crate::plan::Personality;

impl Words {
    /// Whoever gets the socket has the data to himself, and its end. nc takes what is about them and
    /// has nothing to do for it.
    pub(super) fn check_pass_fd(&self) -> Result<(), String> {
        let (end, lines) = (&self.end_of_data, &self.lines);
        let own = self.personality == Personality::Oxnc;
        let others = [
            (self.listening.listen, "-l"),
            (self.scanning.scan, "-z"),
            (self.datagrams.udp, "-u"),
            (self.datagrams.recv_limit.is_some(), "-W"),
            (own && lines.crlf, "-C"),
            (own && lines.interval.is_some(), "-i"),
            (own && lines.telnet, "-t"),
            (own && end.no_stdin, "-d"),
            (own && end.shutdown, "-N"),
            (end.no_shutdown, "--no-shutdown"),
            (own && end.quit_after.is_some(), "-q"),
            (end.on_peer_eof.is_some(), "--on-peer-eof"),
            (end.send_only, "--send-only"),
            (end.recv_only, "--recv-only"),
            (end.linger.is_some(), "--linger"),
        ];
        let pass = self.connecting.pass_fd;
        exclude(&others.map(|(given, name)| (pass, "-F", given, name)))
    }
}
