//! What came from the network, a name service or the command line, made harmless for a terminal.

use std::{borrow::Cow, fmt::Write};

/// Longer strings are cut here, with dots in the place of the rest.
const LONGEST: usize = 256;

/// Keeps printable characters. The bytes of everything that a terminal could obey, that ends a line
/// or that changes the order in which it is read become `\xNN`.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) && text.chars().count() <= LONGEST {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == LONGEST {
            out.push_str("...");
            break;
        }
        if !is_harmful(c) {
            out.push(c);
            continue;
        }
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    Cow::Owned(out)
}

/// The same for bytes that need not be UTF-8; those that are not become `\xNN` as well.
pub(crate) fn escape_bytes(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        out.push_str(&escape(chunk.valid()));
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Control characters, and those without a shape that reorder or hide their neighbours: Unicode's
/// bidirectional controls (UAX 9), line separators, zero-width characters, tags.
pub(super) fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in [
            "",
            "localhost",
            "a b~!",
            "münchen.example",
            "日本",
            "a\\x1b",
        ] {
            assert!(matches!(escape(text), Cow::Borrowed(t) if t == text));
        }
    }

    #[test]
    fn no_byte_that_a_terminal_obeys_is_left() {
        for byte in 0..=0xff_u8 {
            let text = format!("a{}b", char::from(byte));
            let out = escape(&text);
            assert!(!out.chars().any(char::is_control), "{byte:#x}");
        }
        assert_eq!(escape("a\x1b]0;x\x07"), "a\\x1b]0;x\\x07");
        assert_eq!(escape("a\u{9b}31m"), "a\\xc2\\x9b31m");
        assert_eq!(escape("\u{202e}gpj.exe"), "\\xe2\\x80\\xaegpj.exe");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_by_their_numbers() {
        assert_eq!(escape_bytes(b"/run/s"), "/run/s");
        assert_eq!(escape_bytes("ü".as_bytes()), "ü");
        assert_eq!(escape_bytes(b"a\xff\xfeb\n\0"), r"a\xff\xfeb\x0a\x00");
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(escape(&"x".repeat(1000)).len(), LONGEST + 3);
    }
}
