//! Whose ways: by the first word, or by the name that the program was started under.

use std::{ffi::OsString, os::unix::ffi::OsStrExt as _, path::Path};

use clap::{Args, ValueEnum};

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
