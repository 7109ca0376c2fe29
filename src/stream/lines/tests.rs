use std::collections::VecDeque;

use super::*;

const INTERVAL: Duration = Duration::from_secs(1);

/// Gives one piece after another, an empty one where nothing is there yet, and then ends.
#[derive(Default)]
struct Pieces {
    pieces: VecDeque<Vec<u8>>,
    armed: Want,
}

impl Stream for Pieces {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Io> {
        let Some(mut piece) = self.pieces.pop_front() else {
            return Ok(Io::Eof);
        };
        if piece.is_empty() {
            return Ok(Io::Blocked);
        }
        if piece.len() > buf.len() {
            let rest = piece.split_off(buf.len());
            self.pieces.push_front(rest);
        }
        buf[..piece.len()].copy_from_slice(&piece);
        Ok(Io::Moved(piece.len()))
    }

    fn send(&mut self, _: &[u8]) -> io::Result<Io> {
        unreachable!()
    }

    fn finish(&mut self) -> io::Result<Io> {
        unreachable!()
    }

    fn abort(&mut self) {}

    fn arm(&mut self, want: Want) -> io::Result<()> {
        self.armed = want;
        Ok(())
    }

    fn number(&mut self, _: usize) {}
}

fn lines(pieces: &[&[u8]], crlf: bool, interval: Option<Duration>) -> Lines {
    let pieces = pieces.iter().map(|piece| piece.to_vec()).collect();
    let inner = Pieces {
        pieces,
        armed: Want::NOTHING,
    };
    Lines::new(Box::new(inner), crlf, interval)
}

/// What each call gives, until the end; `size` is the room for it.
fn calls(lines: &mut Lines, size: usize) -> Vec<Vec<u8>> {
    let mut given = Vec::new();
    let mut buf = vec![0; size];
    loop {
        match lines.recv(&mut buf).unwrap() {
            Io::Moved(n) => given.push(buf[..n].to_vec()),
            Io::Blocked => {}
            Io::Eof => return given,
        }
    }
}

#[test]
fn an_lf_gets_a_cr_unless_it_has_one_however_the_bytes_come() {
    let table: &[(&[u8], &[u8])] = &[
        (b"a\nb\r\nc\n\n\r\nend", b"a\r\nb\r\nc\r\n\r\n\r\nend"),
        (b"\n", b"\r\n"),
        (b"\r\r\n\r", b"\r\r\n\r"),
        (b"\n\r\n\n\r", b"\r\n\r\n\r\n\r"),
        (b"", b""),
    ];
    for (text, expected) in table {
        for cut in 0..=text.len() {
            for size in [1, 2, 3, 100] {
                let (head, tail) = text.split_at(cut);
                let mut lines = lines(&[head, b"", tail], true, None);
                let given = calls(&mut lines, size).concat();
                assert_eq!(given, *expected, "{text:?} cut at {cut}, {size} at once");
            }
        }
    }
}

#[test]
fn one_call_gives_one_whole_line_or_what_there_is_room_for() {
    let pieces: &[&[u8]] = &[b"one\ntw", b"", b"o", b"", b"\n\n1234567\nlast"];
    let table: &[(bool, usize, &[&[u8]])] = &[
        (
            true,
            99,
            &[b"one\r\n", b"two\r\n", b"\r\n", b"1234567\r\n", b"last"],
        ),
        (
            false,
            99,
            &[b"one\n", b"two\n", b"\n", b"1234567\n", b"last"],
        ),
        (
            true,
            8,
            &[
                b"one\r\n",
                b"two\r\n",
                b"\r\n",
                b"1234567\r",
                b"\n",
                b"last",
            ],
        ),
        (
            true,
            5,
            &[
                b"one\r\n", b"two\r\n", b"\r\n", b"12345", b"67\r\n", b"last",
            ],
        ),
        (
            false,
            3,
            &[
                b"one", b"\n", b"two", b"\n", b"\n", b"123", b"456", b"7\n", b"las", b"t",
            ],
        ),
    ];
    for (crlf, size, expected) in table {
        let mut lines = lines(pieces, *crlf, None).one_by_one();
        assert_eq!(calls(&mut lines, *size), *expected, "{crlf}, {size}");
    }
}

#[test]
fn a_line_as_long_as_a_datagram_can_be_is_held_and_no_more() {
    let long = vec![b'x'; 200_000];
    let mut lines = lines(&[&long, b"\n"], true, None).one_by_one();
    let lengths: Vec<usize> = calls(&mut lines, 65_527).iter().map(Vec::len).collect();
    assert_eq!(lengths, [65_527, 65_527, 65_527, 3_421]);
}

#[test]
fn after_each_line_there_is_a_pause_from_when_it_was_passed_on() {
    let mut lines = lines(&[b"a\nb", b"", b"c\n", b"", b"d"], false, Some(INTERVAL));
    let mut buf = [0; 10];
    let mut now = Instant::now();
    assert_eq!(lines.due(now), None);
    assert_eq!(lines.recv(&mut buf).unwrap(), Io::Moved(2));
    // Not passed on yet: nobody has asked.
    now += INTERVAL * 5;
    assert_eq!(lines.recv(&mut buf).unwrap(), Io::Blocked);
    assert_eq!(lines.due(now), Some(now + INTERVAL));
    now += INTERVAL / 2;
    assert_eq!(lines.due(now), Some(now + INTERVAL / 2));
    assert_eq!(lines.recv(&mut buf).unwrap(), Io::Blocked);
    now += INTERVAL / 2;
    assert_eq!(lines.due(now), None);
    // A line that comes in parts is passed on in parts.
    assert_eq!(lines.recv(&mut buf).unwrap(), Io::Moved(1));
    assert_eq!(lines.due(now), None);
    assert_eq!(lines.recv(&mut buf).unwrap(), Io::Blocked);
    assert_eq!(lines.recv(&mut buf).unwrap(), Io::Moved(2));
    assert_eq!(lines.due(now), Some(now + INTERVAL));
}

#[test]
fn the_end_waits_for_no_pause() {
    for whole in [false, true] {
        let mut lines = lines(&[b"a\nb\n"], false, Some(INTERVAL));
        lines.whole = whole;
        let mut buf = [0; 10];
        let now = Instant::now();
        assert_eq!(lines.recv(&mut buf).unwrap(), Io::Moved(2));
        assert!(lines.due(now).is_some());
        assert_eq!(lines.recv(&mut buf).unwrap(), Io::Blocked, "b is held");
        assert_eq!(lines.due(now + INTERVAL), None);
        assert_eq!(lines.recv(&mut buf).unwrap(), Io::Moved(2));
        assert!(lines.due(now + INTERVAL).is_some());
        assert_eq!(lines.recv(&mut buf).unwrap(), Io::Eof);
    }
}
