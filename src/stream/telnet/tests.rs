use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use super::*;

/// Gives one piece after another and then ends; takes as much at once as there is in `takes`.
#[derive(Default)]
struct Script {
    pieces: VecDeque<Vec<u8>>,
    takes: VecDeque<io::Result<usize>>,
    output: Vec<u8>,
    armed: Want,
    finish_fails: Option<io::ErrorKind>,
    finished: bool,
    aborted: bool,
}

#[derive(Clone, Default)]
struct Peer(Rc<RefCell<Script>>);

impl Stream for Peer {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Io> {
        let Some(piece) = self.0.borrow_mut().pieces.pop_front() else {
            return Ok(Io::Eof);
        };
        buf[..piece.len()].copy_from_slice(&piece);
        Ok(Io::Moved(piece.len()))
    }

    fn send(&mut self, buf: &[u8]) -> io::Result<Io> {
        let mut script = self.0.borrow_mut();
        let most = script.takes.pop_front().unwrap_or(Ok(usize::MAX))?;
        if most == 0 {
            return Ok(Io::Blocked);
        }
        let n = most.min(buf.len());
        script.output.extend_from_slice(&buf[..n]);
        Ok(Io::Moved(n))
    }

    fn finish(&mut self) -> io::Result<Io> {
        let mut script = self.0.borrow_mut();
        script.finished = true;
        script
            .finish_fails
            .map_or(Ok(Io::Moved(0)), |kind| Err(kind.into()))
    }

    fn abort(&mut self) {
        self.0.borrow_mut().aborted = true;
    }

    fn arm(&mut self, want: Want) -> io::Result<()> {
        self.0.borrow_mut().armed = want;
        Ok(())
    }

    fn number(&mut self, _: usize) {}
}

fn telnet(pieces: &[&[u8]]) -> (Telnet, Peer) {
    let peer = Peer::default();
    peer.0.borrow_mut().pieces = pieces.iter().map(|piece| piece.to_vec()).collect();
    (Telnet::new(Box::new(peer.clone())), peer)
}

fn received(telnet: &mut Telnet) -> (Vec<u8>, io::Result<Io>) {
    let (mut data, mut buf) = (Vec::new(), [0; 100]);
    loop {
        match telnet.recv(&mut buf) {
            Ok(Io::Moved(n)) => data.extend_from_slice(&buf[..n]),
            end => return (data, end),
        }
    }
}

const READ: Want = Want {
    read: true,
    write: false,
};

#[test]
fn it_is_the_same_wherever_the_segments_are_cut() {
    let bytes = b"login\r\0\xff\xfd\x01\xff\xfb\x03a\xff\xffb\xff\xfa\x18\xff\xff\x01\xff\xf0c\xff\xf1d\r\n";
    for first in 0..bytes.len() {
        for second in first..bytes.len() {
            let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
            let pieces: Vec<&[u8]> = pieces.into_iter().filter(|p| !p.is_empty()).collect();
            let (mut telnet, peer) = telnet(&pieces);
            let (data, end) = received(&mut telnet);
            assert_eq!(data, b"login\ra\xffbcd\r\n", "cut at {first} and {second}");
            assert!(matches!(end, Ok(Io::Eof)));
            telnet.arm(READ).unwrap();
            assert_eq!(peer.0.borrow().output, b"\xff\xfc\x01\xff\xfe\x03");
        }
    }
}

#[test]
fn an_iac_is_sent_twice_however_little_is_taken_at_once() {
    let data = b"\xffa\xff\xffb\r\n\xff";
    for most in 1..12 {
        let (mut telnet, peer) = telnet(&[]);
        let mut at = 0;
        while at < data.len() {
            peer.0.borrow_mut().takes.extend([Ok(most), Ok(0)]);
            if let Io::Moved(n) = telnet.send(&data[at..]).unwrap() {
                assert!(n > 0);
                at += n;
            }
        }
        peer.0.borrow_mut().takes.clear();
        assert_eq!(telnet.finish().unwrap(), Io::Moved(0));
        let output = peer.0.borrow().output.clone();
        assert_eq!(
            output, b"\xff\xffa\xff\xff\xff\xffb\r\n\xff\xff",
            "{most} at once"
        );
        assert_eq!(telnet.overhead(), 4);
    }
}

#[test]
fn answers_wait_for_room_go_before_data_and_keep_the_end_waiting() {
    let (mut telnet, peer) = telnet(&[b"\xff\xfd\x01\xff\xfd\x02"]);
    let _ = received(&mut telnet);
    peer.0
        .borrow_mut()
        .takes
        .extend([Ok(2), Ok(0), Ok(0), Ok(0)]);
    telnet.arm(READ).unwrap();
    assert!(peer.0.borrow().armed.write, "not all is sent");
    assert_eq!(telnet.send(b"data").unwrap(), Io::Blocked);
    assert_eq!(telnet.finish().unwrap(), Io::Blocked);
    assert!(!peer.0.borrow().finished);
    assert_eq!(telnet.send(b"data").unwrap(), Io::Moved(4));
    telnet.arm(READ).unwrap();
    assert!(!peer.0.borrow().armed.write);
    assert_eq!(peer.0.borrow().output, b"\xff\xfc\x01\xff\xfc\x02data");
    assert_eq!(telnet.overhead(), 6);
}

#[test]
fn a_reset_that_an_answer_ran_into_is_no_end() {
    for (errno, is_end) in [(libc::ECONNRESET, false), (libc::EPIPE, true)] {
        let (mut telnet, peer) = telnet(&[b"\xff\xfd\x01a"]);
        assert_eq!(telnet.recv(&mut [0; 10]).unwrap(), Io::Moved(1));
        let error = io::Error::from_raw_os_error(errno);
        peer.0.borrow_mut().takes.push_back(Err(error));
        telnet.arm(READ).unwrap();
        assert_eq!(telnet.recv(&mut [0; 10]).is_ok(), is_end);
        // An answer that nobody has read is nothing that was not delivered.
        assert_eq!(telnet.finish().unwrap(), Io::Moved(0));
    }
}

#[test]
fn an_end_that_cannot_be_told_matters_if_there_was_data() {
    for sent in [false, true] {
        let (mut telnet, peer) = telnet(&[]);
        if sent {
            telnet.send(b"data").unwrap();
        }
        peer.0.borrow_mut().finish_fails = Some(io::ErrorKind::NotConnected);
        assert_eq!(telnet.finish().is_err(), sent);
    }
}

#[test]
fn what_is_no_telnet_breaks_off_behind_what_was_good() {
    let (mut telnet, peer) = telnet(&[b"good\xff\xfd"]);
    let (data, end) = received(&mut telnet);
    assert_eq!(data, b"good");
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert!(peer.0.borrow().aborted);
}
