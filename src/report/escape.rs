//! What came from the network, a name service or the command line, made harmless for a terminal.

use std::{borrow::Cow, fmt::Write};

/// Longer strings are cut here, with dots in the place of the rest.
const LONGEST: usize = 256;

/// Keeps printable characters; everything that a terminal could obey or that changes the order of
/// what is read becomes `\xNN` or `\u{NNNN}`. The result is one line.
pub fn escape(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_harmless) && text.chars().count() <= LONGEST {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == LONGEST {
            out.push_str("...");
            break;
        }
        // Writing to a String cannot fail.
        let _ = match c {
            c if is_harmless(c) => write!(out, "{c}"),
            c if u32::from(c) <= 0xff => write!(out, "\\x{:02x}", u32::from(c)),
            c => write!(out, "\\u{{{:x}}}", u32::from(c)),
        };
    }
    Cow::Owned(out)
}

fn is_harmless(c: char) -> bool {
    // A backslash is harmless, but it would make an escape look like text and text like an escape.
    !c.is_control() && c != '\\' && !is_reordering(c)
}

/// Characters without a shape that reorder or hide their neighbours: Unicode's bidirectional
/// controls (UAX 9), separators that end a line, and the zero-width ones.
fn is_reordering(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in ["", "localhost", "a b~!", "münchen.example", "日本"] {
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
        assert_eq!(escape("a\u{9b}31m"), "a\\x9b31m");
        assert_eq!(escape("\u{202e}gpj.exe"), "\\u{202e}gpj.exe");
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(escape(&"x".repeat(1000)).len(), LONGEST + 3);
    }
}
