//! Ports to be tested: numbers, ranges and the names of services, as many as there are.

use super::{AddressError, Port};

/// Ports in the order in which they were asked for; what was asked for twice is there twice. There
/// is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports(Vec<PortSpan>);

/// Some of them: one element of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortSpan {
    /// From the first to the last, both included, neither of them 0, in ascending order.
    Numbers {
        /// The first.
        first: u16,
        /// The last; the same for a single port.
        last: u16,
    },
    /// The one with this name, which is to be looked up.
    Service(String),
}

/// What a range means that ends before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reversed {
    /// A mistake.
    Refused,
    /// The same as the other way round.
    Swapped,
}

impl Ports {
    /// None if there are none.
    pub fn new(spans: Vec<PortSpan>) -> Option<Self> {
        (!spans.is_empty()).then_some(Self(spans))
    }

    /// The elements.
    pub fn spans(&self) -> &[PortSpan] {
        &self.0
    }

    /// Whether it is a single port that is asked about.
    pub fn is_one(&self) -> bool {
        match self.0.as_slice() {
            [PortSpan::Numbers { first, last }] => first == last,
            [PortSpan::Service(_)] => true,
            _ => false,
        }
    }
}

impl PortSpan {
    /// Reads a port as [`Port::parse`] does, or a range: `20-25`. A service whose name contains a
    /// hyphen begins with a letter, a range with a digit.
    pub fn parse(word: &str, reversed: Reversed) -> Result<Self, AddressError> {
        let range = word.split_once('-');
        match range.filter(|_| word.starts_with(|c: char| c.is_ascii_digit() || c == '-')) {
            Some((first, last)) => Self::range(number(first)?, number(last)?, reversed),
            None => Ok(match Port::parse(word)? {
                Port::Number(number) => Self::Numbers {
                    first: number,
                    last: number,
                },
                Port::Service(name) => Self::Service(name),
            }),
        }
    }

    fn range(first: u16, last: u16, reversed: Reversed) -> Result<Self, AddressError> {
        match (first <= last, reversed) {
            (true, _) => Ok(Self::Numbers { first, last }),
            (false, Reversed::Swapped) => Ok(Self::Numbers {
                first: last,
                last: first,
            }),
            (false, Reversed::Refused) => Err(AddressError::RangeReversed),
        }
    }
}

/// Either end of a range.
fn number(word: &str) -> Result<u16, AddressError> {
    match Port::parse(word) {
        Ok(Port::Number(number)) => Ok(number),
        Err(error @ (AddressError::PortRange | AddressError::PortZero)) => Err(error),
        _ => Err(AddressError::RangeWord),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(first: u16, last: u16) -> PortSpan {
        PortSpan::Numbers { first, last }
    }

    #[test]
    fn ports_and_ranges_are_read_strictly() {
        use AddressError::*;
        let service = |name: &str| Ok(PortSpan::Service(name.into()));
        let table = [
            ("1", Ok(numbers(1, 1))),
            ("65535", Ok(numbers(65535, 65535))),
            ("20-25", Ok(numbers(20, 25))),
            ("1-65535", Ok(numbers(1, 65535))),
            ("80-80", Ok(numbers(80, 80))),
            ("http", service("http")),
            ("http-alt", service("http-alt")),
            ("x11-1", service("x11-1")),
            ("25-20", Err(RangeReversed)),
            ("", Err(PortEmpty)),
            ("0", Err(PortZero)),
            ("0-5", Err(PortZero)),
            ("65536", Err(PortRange)),
            ("1-65536", Err(PortRange)),
            ("80-", Err(RangeWord)),
            ("-80", Err(RangeWord)),
            ("-", Err(RangeWord)),
            ("1-2-3", Err(RangeWord)),
            ("20-http", Err(RangeWord)),
            ("20 -25", Err(RangeWord)),
            ("3com-tsmux", Err(RangeWord)),
            ("+5", Err(PortWord)),
            (" 80", Err(PortWord)),
            ("80 ", Err(PortWord)),
            ("0x50", Err(PortWord)),
            ("80abc", Err(PortWord)),
        ];
        for (word, expected) in table {
            let read = PortSpan::parse(word, Reversed::Refused);
            assert_eq!(read, expected, "{word:?}");
        }
        let swapped = PortSpan::parse("25-20", Reversed::Swapped);
        assert_eq!(swapped, Ok(numbers(20, 25)));
    }

    #[test]
    fn one_port_is_one_however_it_is_written() {
        let is_one = |spans: &[PortSpan]| Ports::new(spans.to_vec()).map(|ports| ports.is_one());
        assert_eq!(is_one(&[]), None);
        assert_eq!(is_one(&[numbers(80, 80)]), Some(true));
        assert_eq!(is_one(&[PortSpan::Service("http".into())]), Some(true));
        assert_eq!(is_one(&[numbers(80, 81)]), Some(false));
        assert_eq!(is_one(&[numbers(80, 80), numbers(80, 80)]), Some(false));
    }
}
