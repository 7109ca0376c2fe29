//! Which programs there are to measure.

use std::{
    env,
    path::{Path, PathBuf},
};

use super::output;

/// A program that is there.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub path: PathBuf,
    pub version: String,
}

/// A program, or its name and why it is missing; nothing if nobody wants it.
pub(crate) type Found = Result<Program, Option<String>>;

/// The binary of this package.
pub(crate) fn ours() -> Found {
    oxnc("oxnc", Path::new(env!("CARGO_BIN_EXE_oxnc")))
}

/// Another oxnc, if one is named.
pub(crate) fn base() -> Found {
    let path = env::var_os("OXNC_BENCH_BASE").ok_or(None)?;
    oxnc("base", Path::new(&path))
}

fn oxnc(name: &str, path: &Path) -> Found {
    match output(path, &["--version"]) {
        Ok(version) => Ok(Program {
            path: path.into(),
            version: version.trim().to_owned(),
        }),
        Err(e) => Err(Some(format!("{name}: {}: {e}", path.display()))),
    }
}

/// Debian's OpenBSD netcat.
pub(crate) fn nc() -> Found {
    peer("nc", &["nc.openbsd", "nc"], "-h", "OpenBSD")
}

/// The first of these programs that says the word when it is asked for its version.
pub(crate) fn peer(name: &str, programs: &[&str], ask: &str, word: &str) -> Found {
    for program in programs {
        let Ok(text) = output(Path::new(program), &[ask]) else {
            continue;
        };
        if let Some(line) = text.lines().find(|line| line.contains(word)) {
            return Ok(Program {
                path: program.into(),
                version: line.trim().to_owned(),
            });
        }
    }
    Err(Some(format!("{name}: not found")))
}

/// What is measured: a program, and a kind that says how it is called.
#[derive(Debug)]
pub(crate) struct Tool<K> {
    pub name: &'static str,
    pub kind: K,
    pub program: Program,
}

impl<K> Tool<K> {
    pub(crate) fn new(name: &'static str, kind: K, found: Found) -> Result<Self, Option<String>> {
        let program = found?;
        Ok(Self {
            name,
            kind,
            program,
        })
    }
}

/// The tools that are there, and the names of those that are not.
pub(crate) fn sort<K>(
    found: impl IntoIterator<Item = Result<Tool<K>, Option<String>>>,
) -> (Vec<Tool<K>>, Vec<String>) {
    let mut tools = Vec::new();
    let mut missing = Vec::new();
    for tool in found {
        match tool {
            Ok(tool) => tools.push(tool),
            Err(why) => missing.extend(why),
        }
    }
    (tools, missing)
}
