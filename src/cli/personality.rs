//! Whose ways: by the first word, or by the name that the program was started under.

use std::{ffi::OsString, os::unix::ffi::OsStrExt as _, path::Path};

use clap::{Args, ValueEnum};

use super::Words;
use crate::plan::Personality;

#[derive(Args, Debug)]
#[command(next_help_heading = "Personality")]
pub(super) struct Compat {
    /// Take the defaults, the wording and the exit status of another netcat
    ///
    /// It has to be the first word. 'nc' is Debian's OpenBSD netcat, and so is being started under
    /// the name nc, netcat or nc.SOMETHING. See PERSONALITIES in the man page.
    #[arg(
        long = "compat",
        value_name = "nc",
        hide_possible_values = true,
        hide_short_help = true
    )]
    pub(super) compat: Option<Named>,
}

/// A personality that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Named {
    Nc,
}

impl Words {
    /// The words without what `nc` lets pass although there is nothing to do for it.
    pub(super) fn without_what_nc_lets_pass(mut self) -> Self {
        if self.names.unix {
            (self.names.ipv4, self.names.ipv6) = (false, false);
        }
        if self.scan_option().is_none() {
            self.scanning.random = false;
        }
        if self.proxies.proxy.is_none() {
            (self.proxies.kind, self.proxies.user) = (None, None);
        }
        if self.listening.listen {
            self.connecting.pass_fd = false;
        }
        if self.connecting.pass_fd {
            self.datagrams.recv_limit = None;
            (self.lines.crlf, self.lines.telnet, self.lines.interval) = (false, false, None);
            (self.end_of_data.no_stdin, self.end_of_data.shutdown) = (false, false);
            self.end_of_data.quit_after = None;
        }
        // strtonum(3) skips blanks and takes a sign.
        let ports = self.operands.iter_mut().skip(1);
        for port in ports.filter(|_| !self.names.unix) {
            let number = port.to_str().map(|word| word.trim_start());
            if let Some(digits) = number.map(|word| word.strip_prefix('+').unwrap_or(word))
                && digits.starts_with(|c: char| c.is_ascii_digit())
            {
                *port = digits.into();
            }
        }
        self
    }
}

/// Under which name the program speaks, and whose ways it has.
pub fn personality(args: &[OsString]) -> (String, Personality) {
    let own = ("oxnc".to_owned(), Personality::Oxnc);
    let Some((program, words)) = args.split_first() else {
        return own;
    };
    let name = Path::new(program).file_name().unwrap_or_default();
    let name = name.to_string_lossy();
    if matches!(&*name, "nc" | "netcat") || name.starts_with("nc.") {
        return (name.into_owned(), Personality::Nc);
    }
    let asked = match words {
        [first, ..] if first.as_bytes() == b"--compat=nc" => true,
        [first, second, ..] => first.as_bytes() == b"--compat" && second.as_bytes() == b"nc",
        _ => false,
    };
    if asked { (own.0, Personality::Nc) } else { own }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_or_the_name_decides() {
        let table = [
            ("/usr/bin/oxnc -l 1", "oxnc", Personality::Oxnc),
            ("oxnc --compat=nc -l 1", "oxnc", Personality::Nc),
            ("oxnc --compat nc -l 1", "oxnc", Personality::Nc),
            ("oxnc -l 1 --compat=nc", "oxnc", Personality::Oxnc),
            ("/bin/nc -l 1", "nc", Personality::Nc),
            ("netcat", "netcat", Personality::Nc),
            ("nc.oxnc h 1", "nc.oxnc", Personality::Nc),
            ("ncat h 1", "oxnc", Personality::Oxnc),
            ("", "oxnc", Personality::Oxnc),
        ];
        for (line, name, whose) in table {
            let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            assert_eq!(personality(&args), (name.to_owned(), whose), "{line}");
        }
    }
}
