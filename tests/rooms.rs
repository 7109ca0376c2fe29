//! The rules of the house that a program can check: who may use whom, how long a file may be, and
//! where `unsafe`, platforms and printing belong.

#![allow(clippy::unwrap_used, reason = "a test, its helpers too")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// From the top of the house down: a room uses only rooms that come after it.
const ROOMS: &[&str] = &[
    "main", "cli", "run", "relay", "transfer", "process", "proxy", "tls", "net", "stream", "event",
    "os",
];

/// Pure data, used by every room; of these two, a later one uses only an earlier one.
const DATA: &[&str] = &["plan", "outcome"];

/// The only room that writes words, and the rooms that ask it to.
const REPORT: &str = "report";
const REPORTING: &[&str] = &["main", "cli", "run"];

const MAX_LINES: usize = 600;

#[test]
fn the_house_is_in_order() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&src);
    assert!(!files.is_empty());
    let mut complaints = Vec::new();
    for file in files {
        let path = file
            .strip_prefix(&src)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        complaints.extend(check(&path, &fs::read_to_string(&file).unwrap()));
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// All that is wrong with one file; `path` is relative to `src`.
fn check(path: &str, source: &str) -> Vec<String> {
    let room = path.split(['/', '.']).next().unwrap_or_default();
    let tokens = tokens(source);
    let paths = paths(&tokens);
    let mut found = Vec::new();
    found.extend(check_length(source));
    found.extend(check_imports(room, depth(path), &paths));
    if !["event", "os"].contains(&room) {
        found.extend(check_word(
            &tokens,
            "unsafe",
            "only event/ and os/ may be unsafe",
        ));
    }
    if room != "os" {
        found.extend(check_word(&tokens, "target_os", "only os/ knows platforms"));
    }
    if ![REPORT, "main"].contains(&room) {
        found.extend(check_printing(&tokens, &paths));
    }
    found
        .into_iter()
        .map(|complaint| format!("src/{path}: {complaint}"))
        .collect()
}

fn check_length(source: &str) -> Option<String> {
    let lines = source.lines().count();
    (lines > MAX_LINES).then(|| format!("{lines} lines, {MAX_LINES} are enough"))
}

fn check_imports(room: &str, depth: usize, paths: &[Vec<&str>]) -> Vec<String> {
    if room == "lib" {
        return Vec::new();
    }
    let mut found = Vec::new();
    if !is_room(room) {
        found.push(format!("'{room}' is not a room of the house"));
    }
    for path in paths {
        let written = path.join("::");
        let Some((other, rest)) = leaves_for(depth, path) else {
            continue;
        };
        if !is_room(other) {
            found.push(format!("{written}: '{other}' is not a room of the house"));
        } else if !may_use(room, other) {
            found.push(format!("{written}: {room} may not use {other}"));
        } else if room == "cli" && other == REPORT && rest.first() != Some(&"escape") {
            found.push(format!(
                "{written}: of report, cli may use nothing but escape"
            ));
        }
    }
    found
}

fn check_word(tokens: &[Token<'_>], word: &str, rule: &str) -> Option<String> {
    tokens
        .contains(&Token::Word(word))
        .then(|| format!("{word}: {rule}"))
}

fn check_printing(tokens: &[Token<'_>], paths: &[Vec<&str>]) -> Vec<String> {
    let rule = "only report/ and main.rs print";
    let macros = tokens.windows(2).filter_map(|pair| match pair {
        [
            Token::Word(name @ ("print" | "println" | "eprint" | "eprintln" | "dbg")),
            Token::Other('!'),
        ] => Some(format!("{name}!: {rule}")),
        _ => None,
    });
    let streams = paths.iter().filter_map(|path| {
        let path = path.strip_prefix(&["std"]).unwrap_or(path);
        match path {
            ["io", stream @ ("stdout" | "stderr"), ..] => Some(format!("io::{stream}: {rule}")),
            _ => None,
        }
    });
    macros.chain(streams).collect()
}

fn is_room(name: &str) -> bool {
    name == REPORT || ROOMS.contains(&name) || DATA.contains(&name)
}

fn may_use(from: &str, to: &str) -> bool {
    let place = |list: &[&str], name: &str| list.iter().position(|known| *known == name);
    if from == to {
        return true;
    }
    if let Some(datum) = place(DATA, to) {
        return place(DATA, from).is_none_or(|own| datum < own);
    }
    if to == REPORT {
        return REPORTING.contains(&from);
    }
    // What report tells about lies below the rooms that ask it to.
    let above = if from == REPORT { "run" } else { from };
    match (place(ROOMS, above), place(ROOMS, to)) {
        (Some(from), Some(to)) => from < to,
        _ => false,
    }
}

/// How many names the module of a file has below `crate`: 1 for `cli/mod.rs`, 2 for `cli/usage.rs`.
fn depth(path: &str) -> usize {
    let names = path.split('/').count();
    if path.ends_with("/mod.rs") {
        names - 1
    } else {
        names
    }
}

/// The room that a path leads to from the root of the crate, and what follows.
///
/// A path of many `super` counts too. Those in a module within the file lead one step less far than
/// is assumed here, so they count only if what follows is the name of a room.
fn leaves_for<'a>(depth: usize, path: &'a [&'a str]) -> Option<(&'a str, &'a [&'a str])> {
    let supers = path.iter().take_while(|name| **name == "super").count();
    let rest = match path {
        ["crate", rest @ ..] => rest,
        _ if supers >= depth => path
            .get(supers..)
            .filter(|rest| rest.first().is_some_and(|name| is_room(name)))?,
        _ => return None,
    };
    match rest.split_first() {
        None | Some((&("self" | "*"), _)) => None,
        Some((room, rest)) => Some((room, rest)),
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'a> {
    Word(&'a str),
    PathSeparator,
    Other(char),
}

/// The tokens of a source, as far as the checks need them: no comments, no strings, no characters.
fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let length = skipped(rest).unwrap_or_else(|| {
            let word = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            if word > 0 {
                found.push(Token::Word(&rest[..word]));
                return word;
            }
            if rest.starts_with("::") {
                found.push(Token::PathSeparator);
                return 2;
            }
            if !c.is_whitespace() {
                found.push(Token::Other(c));
            }
            c.len_utf8()
        });
        rest = &rest[length..];
    }
    found
}

/// The length of the comment, string or character that a text begins with.
fn skipped(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(text.find("*/").map_or(text.len(), |end| end + 2));
    }
    let quoted = text.trim_start_matches(['b', 'c']);
    if text.len() - quoted.len() > 1 {
        return None;
    }
    if let Some(raw) = quoted.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let start = text.len() - raw.len() + hashes + 1;
            let end = format!("\"{}", "#".repeat(hashes));
            return Some(
                text[start..]
                    .find(&end)
                    .map_or(text.len(), |at| start + at + end.len()),
            );
        }
    }
    let prefix = text.len() - quoted.len();
    let quote = quoted.chars().next().filter(|c| ['"', '\''].contains(c))?;
    let mut chars = quoted.char_indices().skip(1).peekable();
    if quote == '\'' {
        // 'a' and '\n' are characters, 'a alone is a lifetime.
        let first = chars.next()?.1;
        if first != '\\' && chars.peek()?.1 != '\'' {
            return None;
        }
        if first == '\\' {
            chars.next();
        }
    }
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote {
            return Some(prefix + at + 1);
        }
    }
    Some(text.len())
}

/// Every path, those of a group one by one: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths<'a>(tokens: &[Token<'a>]) -> Vec<Vec<&'a str>> {
    let mut found = Vec::new();
    let mut rest = tokens;
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            Token::Word(_) => path(&[], rest, &mut found),
            _ => after,
        };
    }
    found
}

/// Reads one path, or one group of them, that continues `prefix`; gives back what follows it.
fn path<'t, 'a>(
    prefix: &[&'a str],
    mut tokens: &'t [Token<'a>],
    found: &mut Vec<Vec<&'a str>>,
) -> &'t [Token<'a>] {
    let mut names = prefix.to_vec();
    loop {
        match tokens {
            [Token::Word(name), Token::PathSeparator, rest @ ..] => {
                names.push(name);
                tokens = rest;
            }
            [Token::Word(name), rest @ ..] => {
                names.push(name);
                found.push(names);
                return rest;
            }
            [Token::Other('*'), rest @ ..] => {
                names.push("*");
                found.push(names);
                return rest;
            }
            [Token::Other('{'), rest @ ..] => return group(&names, rest, found),
            // A generic path ends here, as in `Vec::<u8>`.
            rest => {
                found.push(names);
                return rest;
            }
        }
    }
}

fn group<'t, 'a>(
    prefix: &[&'a str],
    mut tokens: &'t [Token<'a>],
    found: &mut Vec<Vec<&'a str>>,
) -> &'t [Token<'a>] {
    loop {
        tokens = match tokens {
            [] => return tokens,
            [Token::Other('}'), rest @ ..] => return rest,
            [Token::Word("as"), _, rest @ ..] => rest,
            [Token::Word(_) | Token::Other('*' | '{'), ..] => path(prefix, tokens, found),
            [_, rest @ ..] => rest,
        };
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[track_caller]
fn assert_bad(path: &str, source: &str, part: &str) {
    let found = check(path, source);
    assert!(
        found.iter().any(|complaint| complaint.contains(part)),
        "{source}: {found:?}"
    );
}

#[track_caller]
fn assert_good(path: &str, source: &str) {
    assert_eq!(check(path, source), [""; 0], "{source}");
}

#[test]
fn upward_imports_are_found() {
    assert_bad(
        "net/dial.rs",
        "use crate::run::session;",
        "net may not use run",
    );
    assert_bad(
        "net/dial.rs",
        "fn f() { crate::relay::go() }",
        "net may not use relay",
    );
    assert_bad(
        "net/dial.rs",
        "use crate::{\n plan::Plan,\n cli::{parse, Stop},\n};",
        "use cli",
    );
    assert_bad(
        "net/dial.rs",
        "use crate::{os, tls as t};",
        "net may not use tls",
    );
    assert_bad("os/mod.rs", "use crate::event::*;", "os may not use event");
    assert_bad("net/mod.rs", "use super::run::x;", "net may not use run");
    assert_bad(
        "net/dial.rs",
        "use super::super::run;",
        "net may not use run",
    );
    assert_bad(
        "net/dial.rs",
        "mod tests { use super::super::super::run::x; }",
        "not use run",
    );
    assert_bad(
        "run/mod.rs",
        "pub(in crate::run) use crate::main::x;",
        "run may not use main",
    );
    assert_good(
        "net/dial.rs",
        "use crate::{plan::Host, stream::Stream, event, os, net::listen};",
    );
    assert_good(
        "net/dial.rs",
        "use super::listen; use super::super::net::run;",
    );
    assert_good(
        "run/connect.rs",
        "use crate::{relay::Link, report, outcome::Outcome};",
    );
    assert_good("lib.rs", "pub mod run; use crate::run;");
    assert_good("main.rs", "use oxnc::{cli, run};");
}

#[test]
fn the_rooms_beside_the_walk_have_their_own_rules() {
    assert_bad(
        "plan/mod.rs",
        "use crate::outcome::Outcome;",
        "plan may not use outcome",
    );
    assert_bad("plan/mod.rs", "use crate::os;", "plan may not use os");
    assert_bad("outcome.rs", "use crate::net;", "outcome may not use net");
    assert_bad(
        "relay/pump.rs",
        "use crate::report::line;",
        "relay may not use report",
    );
    assert_bad(
        "plan/mod.rs",
        "use crate::report;",
        "plan may not use report",
    );
    assert_bad("report/mod.rs", "use crate::run;", "report may not use run");
    assert_bad("report/mod.rs", "use crate::cli;", "report may not use cli");
    assert_bad("cli/usage.rs", "use crate::report;", "nothing but escape");
    assert_bad(
        "cli/usage.rs",
        "use crate::report::{escape, line};",
        "report::line",
    );
    assert_bad("shed/mod.rs", "", "'shed' is not a room");
    assert_bad("run/mod.rs", "use crate::shed;", "'shed' is not a room");
    assert_good("outcome.rs", "use crate::plan::Plan;");
    assert_good(
        "report/mod.rs",
        "use crate::{net::Error, outcome::Outcome, plan::Plan};",
    );
    assert_good(
        "cli/usage.rs",
        "use crate::report::escape; fn f() { crate::report::escape(x) }",
    );
}

#[test]
fn long_files_are_found() {
    assert_good("run/mod.rs", &"\n".repeat(MAX_LINES));
    assert_bad("run/mod.rs", &"\n".repeat(MAX_LINES + 1), "601 lines");
}

#[test]
fn unsafe_is_found() {
    assert_bad("run/mod.rs", "fn f() { unsafe { g() } }", "may be unsafe");
    assert_bad("lib.rs", "unsafe fn f() {}", "may be unsafe");
    assert_good("os/linux.rs", "fn f() { unsafe { g() } }");
    assert_good("event/poller.rs", "fn f() { unsafe { g() } }");
    assert_good(
        "run/mod.rs",
        "#![deny(unsafe_code)] // unsafe\n/* unsafe */ const S: &str = \"unsafe\";",
    );
}

#[test]
fn platforms_are_found() {
    assert_bad(
        "net/mod.rs",
        "#[cfg(target_os = \"linux\")] fn f() {}",
        "knows platforms",
    );
    assert_bad(
        "net/mod.rs",
        "if cfg!(not(target_os = \"linux\")) {}",
        "knows platforms",
    );
    assert_good("os/mod.rs", "#[cfg(target_os = \"linux\")] mod linux;");
}

#[test]
fn printing_is_found() {
    for source in [
        "fn f() { println!(\"x\") }",
        "fn f() { std::eprintln!(\"x\") }",
        "fn f() { print! { \"x\" } }",
        "fn f() { eprint!(\"x\") }",
        "fn f() { std::io::stdout().write(b\"x\") }",
        "fn f() { io::stderr().lock() }",
        "use std::io::{self, stdout};",
        "use std::{fmt, io::{Write as _, stderr}};",
    ] {
        assert_bad("run/mod.rs", source, "report/ and main.rs print");
        assert_good("report/mod.rs", source);
        assert_good("main.rs", source);
    }
    assert_good(
        "run/mod.rs",
        "fn f(stdout: u8) { println(stdout); rustix::stdio::stdout() }",
    );
    assert_good(
        "run/mod.rs",
        "/// println!(\"x\")\nfn f() { writeln!(w, \"println!()\") }",
    );
}

#[test]
fn comments_and_strings_are_no_code() {
    let source = r###"
        //! crate::run
        /* crate::run */
        const A: &str = "crate::run \" crate::run";
        const B: &str = r#"crate::run " crate::run"#;
        const C: &[u8] = b"crate::run";
        const D: &std::ffi::CStr = c"crate::run";
        const E: [char; 3] = ['"', '\'', '\u{22}'];
        fn f<'a>(x: &'a str) -> &'a str { x }
    "###;
    assert_good("os/mod.rs", source);
    assert_bad(
        "os/mod.rs",
        &format!("{source} use crate::run;"),
        "os may not use run",
    );
}
