//! What is sent to a UDP port: a question that the service behind it answers, where that is known.

/// What `nc` sends. An empty datagram would be taken for the end by many a receiver, of `nc` as well.
const KNOCK: &[u8] = b"X";

/// DNS: which name servers has the root? RFC 1035, 4.1: one question, recursion desired.
const DNS: &[u8] = b"\x6e\x63\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01";

/// NTP: what time is it? RFC 5905, 7.3: no leap warning, version 4, mode 3 (client). The transmit
/// timestamp, at the end, is for us to recognize an answer by.
const NTP: &[u8] = b"\x23\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
                     \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0oxnc\0\0\0\x01";

/// What a port of this number is sent: its service's own request for DNS and NTP.
pub(super) fn to(port: u16) -> &'static [u8] {
    match port {
        53 => DNS,
        123 => NTP,
        _ => KNOCK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_size_that_their_protocols_ask_for() {
        // A header of 12 octets, the root's empty name, a type and a class.
        assert_eq!(to(53).len(), 12 + 1 + 4);
        assert_eq!(to(123).len(), 48);
        assert_eq!(to(5353), b"X");
    }
}
