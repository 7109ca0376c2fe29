//! Whole lines, each with a tag before it: what makes one stream of many readable.

use super::ring::Ring;

/// One client's lines.
pub(super) struct Lines {
    tag: Vec<u8>,
    /// A line that is longer is passed on in pieces, each a line of its own.
    longest: usize,
    /// A line that has not ended yet.
    partial: Vec<u8>,
}

impl Lines {
    pub(super) fn new(tag: Vec<u8>, longest: usize) -> Self {
        Self {
            tag,
            longest,
            partial: Vec::new(),
        }
    }

    /// How many bytes may be passed on so that they and the end of the line find room, even if each
    /// of them is a line.
    pub(super) fn most(&self, room: usize) -> usize {
        let each = self.tag.len() + 2;
        (room.saturating_sub(self.longest) / each).saturating_sub(2)
    }

    /// Whether a line is waiting for its end.
    pub(super) fn is_open(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Passes on the lines that are whole, and keeps the rest.
    pub(super) fn pass(&mut self, bytes: &[u8], out: &mut Ring) {
        for mut line in bytes.split_inclusive(|byte| *byte == b'\n') {
            loop {
                let ends = line.ends_with(b"\n");
                let length = line.len() - usize::from(ends);
                let space = self.longest.saturating_sub(self.partial.len());
                if length > space
                    && let Some((piece, rest)) = line.split_at_checked(space)
                {
                    self.put(piece, out);
                    out.push(b"\n");
                    line = rest;
                } else if ends {
                    self.put(line, out);
                    break;
                } else {
                    self.keep(line);
                    break;
                }
            }
        }
    }

    /// Passes on what is left, with an end of its own.
    pub(super) fn end(&mut self, out: &mut Ring) {
        if self.is_open() {
            self.put(b"\n", out);
        }
    }

    fn put(&mut self, rest: &[u8], out: &mut Ring) {
        out.push(&self.tag);
        out.push(&std::mem::take(&mut self.partial));
        out.push(rest);
    }

    fn keep(&mut self, rest: &[u8]) {
        let needed = self.partial.len() + rest.len();
        if needed > self.partial.capacity() {
            let more = (2 * needed).min(self.longest).max(needed);
            self.partial.reserve_exact(more - self.partial.len());
        }
        self.partial.extend_from_slice(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: usize = 64 << 10;

    fn passed(pieces: &[&[u8]]) -> Vec<u8> {
        let mut out = Ring::new(1 << 20);
        let mut lines = Lines::new(b"t ".to_vec(), LONGEST);
        for piece in pieces {
            assert!(piece.len() <= lines.most(out.room()));
            lines.pass(piece, &mut out);
        }
        lines.end(&mut out);
        out.from(0).to_vec()
    }

    #[test]
    fn every_line_gets_its_tag_however_it_comes() {
        let text = b"one\n\ntwo\nthree";
        let expected = b"t one\nt \nt two\nt three\n";
        for cut in 0..text.len() {
            let (head, tail) = text.split_at(cut);
            assert_eq!(passed(&[head, tail]), expected, "cut at {cut}");
        }
        assert_eq!(passed(&[]), b"");
        assert_eq!(passed(&[b"\n"]), b"t \n");
    }

    #[test]
    fn a_line_that_is_too_long_comes_in_pieces() {
        let line = |n: usize| vec![b'x'; n];
        let tagged = |n: usize| [b"t ", &line(n)[..], b"\n"].concat();
        let whole = [&line(LONGEST)[..], b"\n"].concat();
        for cut in [1, LONGEST - 1, LONGEST] {
            let (head, tail) = whole.split_at(cut);
            assert!(passed(&[head, tail]) == tagged(LONGEST), "cut at {cut}");
        }
        let long = passed(&[&line(LONGEST), b"y"]);
        assert!(long == [&tagged(LONGEST)[..], b"t y\n"].concat());
        let long = passed(&[&line(2 * LONGEST + 5), b"\nz"]);
        let expected = [&tagged(LONGEST)[..], &tagged(LONGEST), &tagged(5), b"t z\n"];
        assert!(long == expected.concat());
    }

    #[test]
    fn the_worst_of_lines_find_room() {
        for tag in [0, 1, 21, 60] {
            let mut out = Ring::new(256 << 10);
            let mut lines = Lines::new(vec![b't'; tag], LONGEST);
            lines.keep(&vec![b'x'; LONGEST]);
            let most = lines.most(out.room());
            assert!(most > 0);
            // push() asserts.
            lines.pass(&vec![b'\n'; most], &mut out);
            lines.keep(b"x");
            lines.end(&mut out);
            let mut out = Ring::new(256 << 10);
            let mut lines = Lines::new(vec![b't'; tag], LONGEST);
            lines.keep(&vec![b'x'; LONGEST]);
            lines.pass(&vec![b'x'; lines.most(out.room())], &mut out);
            lines.end(&mut out);
        }
    }

    #[test]
    fn an_open_line_holds_no_more_than_it_may() {
        let mut out = Ring::new(1 << 20);
        let mut lines = Lines::new(b"t ".to_vec(), LONGEST);
        for _ in 0..LONGEST {
            lines.pass(b"x", &mut out);
        }
        assert!(lines.partial.capacity() <= LONGEST);
        lines.pass(b"\n", &mut out);
        assert_eq!(lines.partial.capacity(), 0, "memory is given back");
    }
}
