//! A proxy, played step by step.

use super::{Peer, Tool};

/// A protocol as the option names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Socks4,
    Socks4a,
    Socks5,
    Connect,
}

pub const KINDS: [Kind; 4] = [Kind::Socks4, Kind::Socks4a, Kind::Socks5, Kind::Connect];

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Socks4 => "4",
            Self::Socks4a => "4a",
            Self::Socks5 => "5",
            Self::Connect => "connect",
        }
    }

    /// A target that it can be asked for, as it is said on the command line: port 443 of a name
    /// that does not exist, or of an address where the proxy knows no names.
    pub fn host(self) -> &'static str {
        match self {
            Self::Socks4 => "192.0.2.1",
            _ => "example.invalid",
        }
    }

    /// `oxnc` connecting to that target through the proxy on `port` of 127.0.0.1.
    pub fn tool(self, port: u16, options: &[&str]) -> Tool {
        let proxy = format!("127.0.0.1:{port}");
        Tool::oxnc(&["-X", self.word(), "-x", &proxy])
            .args(options)
            .args(&[self.host(), "443"])
    }

    /// What is asked, until the answer to the last question decides.
    pub fn questions(self) -> &'static [&'static [u8]] {
        match self {
            Self::Socks4 => &[b"\x04\x01\x01\xbb\xc0\0\x02\x01\0"],
            Self::Socks4a => &[b"\x04\x01\x01\xbb\0\0\0\x01\0example.invalid\0"],
            Self::Socks5 => &[b"\x05\x01\0", b"\x05\x01\0\x03\x0fexample.invalid\x01\xbb"],
            Self::Connect => {
                &[b"CONNECT example.invalid:443 HTTP/1.1\r\nHost: example.invalid:443\r\n\r\n"]
            }
        }
    }

    /// The answers with which all goes well, one for each question.
    pub fn answers(self) -> &'static [&'static [u8]] {
        match self {
            Self::Socks4 | Self::Socks4a => &[b"\0\x5a\0\0\0\0\0\0"],
            Self::Socks5 => &[b"\x05\0", b"\x05\0\0\x01\0\0\0\0\0\0"],
            Self::Connect => &[b"HTTP/1.1 200 Connection established\r\nVia: us\r\n\r\n"],
        }
    }

    /// Plays the proxy up to its last answer, which is given back.
    #[track_caller]
    pub fn play(self, peer: &mut Peer) -> &'static [u8] {
        let mut last: &[u8] = b"";
        for (question, answer) in self.questions().iter().zip(self.answers()) {
            if !last.is_empty() {
                peer.send(last);
            }
            let asked = peer.recv(question.len());
            assert_eq!(
                String::from_utf8_lossy(&asked),
                String::from_utf8_lossy(question)
            );
            last = answer;
        }
        last
    }

    /// Plays the proxy.
    #[track_caller]
    pub fn grant(self, peer: &mut Peer) {
        let last = self.play(peer);
        peer.send(last);
    }
}
