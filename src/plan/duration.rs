//! Durations as people write them.

use std::time::Duration;

use thiserror::Error;

/// A century: longer than any run, and short enough that no clock overflows when it is added.
const LIMIT: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Reads a duration: a number of seconds (`5`, `1.5`, `.5`) or numbers with units (`500ms`, `1m30s`).
pub fn parse_duration(word: &str) -> Result<Duration, DurationError> {
    if word.is_empty() {
        return Err(DurationError::Empty);
    }
    if word.starts_with('-') {
        return Err(DurationError::Negative);
    }
    let bare = word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let duration = if bare {
        seconds(word)?
    } else {
        with_units(word)?
    };
    if duration > LIMIT {
        Err(DurationError::Long)
    } else {
        Ok(duration)
    }
}

/// Reads a duration in the way of netcat's `-q`: any negative one means for ever, here `None`.
pub fn parse_duration_or_forever(word: &str) -> Result<Option<Duration>, DurationError> {
    let Some(rest) = word.strip_prefix('-') else {
        return parse_duration(word).map(Some);
    };
    match parse_duration(rest) {
        Ok(Duration::ZERO) => Ok(Some(Duration::ZERO)),
        Ok(_) => Ok(None),
        Err(DurationError::Long) => Err(DurationError::Long),
        Err(_) => Err(DurationError::Syntax),
    }
}

/// What is wrong with a word that should be a duration.
///
/// Each reads on after the word itself, which it does not repeat: `duration '5 q' is not ...`.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DurationError {
    /// Nothing there.
    #[error("is empty")]
    Empty,
    /// A sign, where time cannot run backwards.
    #[error("is negative")]
    Negative,
    /// Neither a number of seconds nor numbers with units.
    #[error("is not a number of seconds or a time such as 500ms or 1m30s")]
    Syntax,
    /// More than a century.
    #[error("is longer than 100 years")]
    Long,
}

/// A bare number of seconds. By hand, because `f64` would also read `inf`, `NaN` and `1e9`.
fn seconds(word: &str) -> Result<Duration, DurationError> {
    let (whole, fraction) = match word.split_once('.') {
        None => (word, None),
        Some((whole, fraction)) => (whole, Some(fraction)),
    };
    if fraction.is_some_and(|digits| digits.is_empty() || digits.contains('.')) {
        return Err(DurationError::Syntax);
    }
    // Only digits are left, so the one thing that can be wrong with them is their size.
    let whole = match whole {
        "" => 0,
        digits => digits.parse::<u64>().map_err(|_| DurationError::Long)?,
    };
    let whole = Duration::from_secs(whole);
    let fraction = fraction.map_or(Duration::ZERO, nanoseconds);
    whole.checked_add(fraction).ok_or(DurationError::Long)
}

/// The digits behind the point. What is finer than a nanosecond counts as one more: rounding down
/// could give 0, and 0 means "no limit".
fn nanoseconds(digits: &str) -> Duration {
    let mut nanos = 0;
    let mut place = 100_000_000;
    let mut finer = 0;
    for digit in digits.bytes().map(|b| u64::from(b.saturating_sub(b'0'))) {
        if place == 0 && digit > 0 {
            finer = 1;
        }
        nanos += digit * place;
        place /= 10;
    }
    Duration::from_nanos(nanos + finer)
}

/// Numbers with units. `humantime` joins digits across blanks (`1 2s` is 12 s to it) and ignores
/// blanks at the ends; the only blank taken here is the one that it writes itself, as in `1m 30s`.
fn with_units(word: &str) -> Result<Duration, DurationError> {
    let mut before = None;
    for c in word.chars() {
        let fits = match before {
            None => !c.is_whitespace(),
            Some(' ') => c.is_ascii_digit(),
            Some(b) => !c.is_whitespace() || (c == ' ' && b.is_alphabetic()),
        };
        if !fits {
            return Err(DurationError::Syntax);
        }
        before = Some(c);
    }
    if before == Some(' ') {
        return Err(DurationError::Syntax);
    }
    humantime::parse_duration(word).map_err(|error| match error {
        humantime::DurationError::NumberOverflow => DurationError::Long,
        _ => DurationError::Syntax,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_strictly() {
        use DurationError::*;
        let ms = |n| Ok(Duration::from_millis(n));
        let ns = |n| Ok(Duration::from_nanos(n));
        let digits = "9".repeat(400);
        let table = [
            ("0", ms(0)),
            ("5", ms(5_000)),
            ("1.5", ms(1_500)),
            (".5", ms(500)),
            ("0.000000001", ns(1)),
            ("0.0000000001", ns(1)),
            ("0.9999999999", ns(1_000_000_000)),
            ("0.00000000000000000000000000", ms(0)),
            ("500ms", ms(500)),
            ("0ms", ms(0)),
            ("5s", ms(5_000)),
            ("5sec", ms(5_000)),
            ("1m30s", ms(90_000)),
            ("1m 30s", ms(90_000)),
            ("1.5s", ms(1_500)),
            ("2h", ms(7_200_000)),
            ("100us", ns(100_000)),
            ("3153600000", ms(3_153_600_000_000)),
            ("3153600000.1", Err(Long)),
            ("3153600001", Err(Long)),
            ("18446744073709551615", Err(Long)),
            ("18446744073709551615.999999999999", Err(Long)),
            (&digits, Err(Long)),
            ("101y", Err(Long)),
            ("99999999999999999999s", Err(Long)),
            ("18446744073709551615w", Err(Long)),
            ("", Err(Empty)),
            ("-1", Err(Negative)),
            ("-5s", Err(Negative)),
            ("-0", Err(Negative)),
            ("+1", Err(Syntax)),
            ("5.", Err(Syntax)),
            (".", Err(Syntax)),
            ("1.2.3", Err(Syntax)),
            ("1..2", Err(Syntax)),
            ("1,5", Err(Syntax)),
            ("1e3", Err(Syntax)),
            ("inf", Err(Syntax)),
            ("NaN", Err(Syntax)),
            ("0x10", Err(Syntax)),
            ("5x", Err(Syntax)),
            ("s", Err(Syntax)),
            ("ms5", Err(Syntax)),
            ("5s-1s", Err(Syntax)),
            (" 5", Err(Syntax)),
            ("5 ", Err(Syntax)),
            ("5s ", Err(Syntax)),
            ("1 2s", Err(Syntax)),
            ("5 s", Err(Syntax)),
            ("1m  30s", Err(Syntax)),
            ("1m\t30s", Err(Syntax)),
            ("5s\n", Err(Syntax)),
            ("\u{665}s", Err(Syntax)),
            ("5s30", Err(Syntax)),
        ];
        for (word, expected) in table {
            assert_eq!(parse_duration(word), expected, "{word:?}");
        }
    }

    #[test]
    fn a_negative_time_to_quit_is_for_ever() {
        use DurationError::*;
        let table = [
            ("-1", Ok(None)),
            ("-0.5", Ok(None)),
            ("-5s", Ok(None)),
            ("-0", Ok(Some(Duration::ZERO))),
            ("0", Ok(Some(Duration::ZERO))),
            ("2", Ok(Some(Duration::from_secs(2)))),
            ("", Err(Empty)),
            ("-", Err(Syntax)),
            ("--1", Err(Syntax)),
            ("-inf", Err(Syntax)),
            ("-v", Err(Syntax)),
            ("-99999999999999999999", Err(Long)),
        ];
        for (word, expected) in table {
            assert_eq!(parse_duration_or_forever(word), expected, "{word:?}");
        }
    }
}
