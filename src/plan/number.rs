//! Numbers and sizes as people write them: digits alone, so that `+5`, ` 5` and `5x` are mistakes.

use std::ops::RangeInclusive;

use thiserror::Error;

/// Reads a decimal number.
pub fn parse_number(word: &str, range: RangeInclusive<u32>) -> Result<u32, NumberError> {
    let bad = || NumberError::Number(*range.start(), *range.end());
    digits(word)
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| range.contains(number))
        .ok_or_else(bad)
}

/// Reads a number of bytes, which may end in `k`, `M` or `G` (1024, 1024^2 and 1024^3) in either
/// case.
pub fn parse_size(word: &str, range: RangeInclusive<u64>) -> Result<u64, NumberError> {
    let bad = || NumberError::Size(*range.start(), *range.end());
    let (number, shift) = match word.as_bytes().last() {
        Some(b'k' | b'K') => (word.get(..word.len() - 1), 10),
        Some(b'm' | b'M') => (word.get(..word.len() - 1), 20),
        Some(b'g' | b'G') => (word.get(..word.len() - 1), 30),
        _ => (Some(word), 0),
    };
    number
        .and_then(digits)
        .and_then(|number| number.checked_mul(1 << shift))
        .filter(|size| range.contains(size))
        .ok_or_else(bad)
}

/// What is wrong with a word that should be a number.
///
/// Each reads on after the word itself, which it does not repeat: `number '256' is not ...`.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NumberError {
    /// Not digits, or out of this range.
    #[error("is not a number from {0} to {1}")]
    Number(u32, u32),
    /// Not digits with a unit, or out of this range.
    #[error("is not a number of bytes from {0} to {1}; k, M and G mean 1024, 1024^2 and 1024^3")]
    Size(u64, u64),
}

fn digits(word: &str) -> Option<u64> {
    // `parse` alone would take a sign.
    let digits = word.bytes().all(|b| b.is_ascii_digit());
    word.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_strictly() {
        let table = [
            ("0", Some(0)),
            ("255", Some(255)),
            ("007", Some(7)),
            ("256", None),
            ("4294967296", None),
            ("99999999999999999999999", None),
            ("", None),
            ("-1", None),
            ("+1", None),
            (" 1", None),
            ("1 ", None),
            ("1k", None),
            ("0x1", None),
            ("1.0", None),
            ("\u{661}", None),
        ];
        for (word, expected) in table {
            let expected = expected.ok_or(NumberError::Number(0, 255));
            assert_eq!(parse_number(word, 0..=255), expected, "{word:?}");
        }
    }

    #[test]
    fn sizes_are_read_strictly() {
        const LIMIT: u64 = 1 << 30;
        let table = [
            ("1", Some(1)),
            ("1k", Some(1 << 10)),
            ("1K", Some(1 << 10)),
            ("3M", Some(3 << 20)),
            ("3m", Some(3 << 20)),
            ("1G", Some(LIMIT)),
            ("1g", Some(LIMIT)),
            ("1073741824", Some(LIMIT)),
            ("1048576k", Some(LIMIT)),
            ("0", None),
            ("0k", None),
            ("1073741825", None),
            ("1048577k", None),
            ("2G", None),
            // 2^64 and 2^64 + 1024 would wrap to sizes that are allowed.
            ("18446744073709551616", None),
            ("18014398509481985k", None),
            ("17179869185G", None),
            ("", None),
            ("k", None),
            ("1T", None),
            ("1kk", None),
            ("1kB", None),
            ("-1", None),
            ("+1k", None),
            ("1 k", None),
            ("1.5k", None),
            ("0x10", None),
            ("1\u{212a}", None),
        ];
        for (word, expected) in table {
            let expected = expected.ok_or(NumberError::Size(1, LIMIT));
            assert_eq!(parse_size(word, 1..=LIMIT), expected, "{word:?}");
        }
    }
}
