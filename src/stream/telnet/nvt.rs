//! The network virtual terminal of RFC 854 that has no options: what came, byte by byte.

use thiserror::Error;

/// "Interpret as command."
pub(super) const IAC: u8 = 255;

const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
const SB: u8 = 250;
const SE: u8 = 240;

const CR: u8 = b'\r';
const NUL: u8 = 0;

/// More than anybody has to say about an option. What has no end is not telnet, and no data would
/// be found in it any more.
const LONGEST_SUBNEGOTIATION: usize = 64 << 10;

/// What came, up to the byte at hand.
#[derive(Debug)]
pub(super) struct Nvt {
    state: State,
    /// The last byte of data is a CR.
    after_cr: bool,
    /// The options that were answered with WONT, and with DONT.
    wont: Answered,
    dont: Answered,
}

type Answered = [bool; 256];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Data,
    /// After IAC.
    Command,
    /// After a verb, which this one answers.
    Option(u8),
    /// After SB, and so many bytes.
    Subnegotiation(usize),
    /// The same after IAC.
    SubnegotiationCommand(usize),
}

/// What a byte was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Data.
    Data(u8),
    /// A part of something else.
    Nothing,
    /// The end of a request that this answers.
    Request([u8; 3]),
}

/// What came is not telnet.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum Error {
    /// See [`LONGEST_SUBNEGOTIATION`].
    #[error("a telnet subnegotiation does not end")]
    Endless,
    /// The end came in the middle of a command.
    #[error("the peer ended in the middle of a telnet command")]
    Cut,
}

impl Nvt {
    pub(super) fn new() -> Self {
        Self {
            state: State::Data,
            after_cr: false,
            wont: [false; 256],
            dont: [false; 256],
        }
    }

    /// Hears one byte.
    pub(super) fn hear(&mut self, byte: u8) -> Result<Heard, Error> {
        let (state, heard) = match (self.state, byte) {
            (State::Data, IAC) => (State::Command, Heard::Nothing),
            (State::Data, _) => (State::Data, self.data(byte)),
            (State::Command, IAC) => (State::Data, self.data(IAC)),
            (State::Command, SB) => (State::Subnegotiation(0), Heard::Nothing),
            (State::Command, DO | DONT) => (State::Option(WONT), Heard::Nothing),
            (State::Command, WILL | WONT) => (State::Option(DONT), Heard::Nothing),
            (State::Command, _) => (State::Data, Heard::Nothing),
            (State::Option(verb), option) => (State::Data, self.answer(verb, option)),
            (State::Subnegotiation(length), IAC) => {
                (State::SubnegotiationCommand(length), Heard::Nothing)
            }
            (State::SubnegotiationCommand(_), SE) => (State::Data, Heard::Nothing),
            (State::Subnegotiation(length) | State::SubnegotiationCommand(length), byte)
                if byte == IAC || matches!(self.state, State::Subnegotiation(_)) =>
            {
                if length >= LONGEST_SUBNEGOTIATION {
                    return Err(Error::Endless);
                }
                (State::Subnegotiation(length + 1), Heard::Nothing)
            }
            // Another command ends it as well: whoever sends one has forgotten the SE.
            (State::Subnegotiation(_) | State::SubnegotiationCommand(_), _) => {
                self.state = State::Command;
                return self.hear(byte);
            }
        };
        self.state = state;
        Ok(heard)
    }

    /// The end has come.
    pub(super) fn end(&self) -> Result<(), Error> {
        match self.state {
            State::Data => Ok(()),
            _ => Err(Error::Cut),
        }
    }

    /// A CR that moves to the start of the line is followed by NUL, which is not data.
    fn data(&mut self, byte: u8) -> Heard {
        let padding = byte == NUL && self.after_cr;
        self.after_cr = byte == CR;
        if padding {
            Heard::Nothing
        } else {
            Heard::Data(byte)
        }
    }

    /// Once: whoever asks again knows the answer. So there is no loop with a peer that answers
    /// answers, and there are never more than 512 of them.
    fn answer(&mut self, verb: u8, option: u8) -> Heard {
        let answered = if verb == WONT {
            &mut self.wont
        } else {
            &mut self.dont
        };
        match answered.get_mut(usize::from(option)) {
            Some(answered) if !*answered => {
                *answered = true;
                Heard::Request([IAC, verb, option])
            }
            _ => Heard::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data and the answers of what is heard.
    fn hear(nvt: &mut Nvt, bytes: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let (mut data, mut answers) = (Vec::new(), Vec::new());
        for byte in bytes {
            match nvt.hear(*byte)? {
                Heard::Data(byte) => data.push(byte),
                Heard::Nothing => {}
                Heard::Request(answer) => answers.extend(answer),
            }
        }
        Ok((data, answers))
    }

    fn heard(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let mut nvt = Nvt::new();
        let heard = hear(&mut nvt, bytes).unwrap();
        nvt.end().unwrap();
        heard
    }

    #[test]
    fn requests_are_refused_and_commands_are_no_data() {
        type Row = (&'static [u8], &'static [u8], &'static [u8]);
        let table: &[Row] = &[
            (b"plain", b"plain", b""),
            (b"\xff\xfd\x01a", b"a", b"\xff\xfc\x01"),
            (b"\xff\xfe\x01a", b"a", b"\xff\xfc\x01"),
            (b"\xff\xfb\x03a", b"a", b"\xff\xfe\x03"),
            (b"\xff\xfc\x03a", b"a", b"\xff\xfe\x03"),
            (b"\xff\xfd\xffa", b"a", b"\xff\xfc\xff"),
            (b"a\xff\xffb", b"a\xffb", b""),
            (b"\xff\xff\xfd\x01", b"\xff\xfd\x01", b""),
            (b"a\xff\xf1\xff\xf6\xff\xf9b", b"ab", b""),
            (b"a\xff\xfa\x18\x01\xff\xf0b", b"ab", b""),
            (b"a\xff\xfa\x18\xff\xff\xf0\xff\xf0b", b"ab", b""),
            (b"a\xff\xfa\x18\xff\xfd\x05b", b"ab", b"\xff\xfc\x05"),
            (b"a\xff\xf0b", b"ab", b""),
            (b"a\r\0b\r\nc\0\r\r\0", b"a\rb\r\nc\0\r\r", b""),
            (b"\r\xff\xf1\0\r\xff\xff\0", b"\r\r\xff\0", b""),
        ];
        for (bytes, data, answers) in table {
            assert_eq!(heard(bytes), (data.to_vec(), answers.to_vec()), "{bytes:?}");
        }
    }

    #[test]
    fn each_request_is_answered_once() {
        let dos: Vec<u8> = (0..=255).flat_map(|option| [IAC, DO, option]).collect();
        let all = [DO, DONT, WILL, WONT].map(|verb| {
            let of = |option| [IAC, verb, option];
            (0..=255).flat_map(of).collect::<Vec<u8>>()
        });
        assert_eq!(heard(&dos.repeat(9)).1.len(), 768);
        assert_eq!(heard(&all.concat().repeat(9)).1.len(), 1536);
    }

    #[test]
    fn the_end_in_the_middle_of_a_command_is_a_cut() {
        let whole = b"a\xff\xfa\x18\xff\xff\xff\xf0\xff\xfd\x01\xff\xffb";
        let between = [0, 1, 8, 11, 13, 14];
        for length in 0..=whole.len() {
            let mut nvt = Nvt::new();
            hear(&mut nvt, &whole[..length]).unwrap();
            assert_eq!(nvt.end().is_ok(), between.contains(&length), "{length}");
        }
    }

    #[test]
    fn a_subnegotiation_without_an_end_is_an_error() {
        let mut nvt = Nvt::new();
        hear(&mut nvt, b"\xff\xfa").unwrap();
        hear(&mut nvt, &[7; LONGEST_SUBNEGOTIATION]).unwrap();
        assert_eq!(hear(&mut nvt, &[7]), Err(Error::Endless));
    }
}
