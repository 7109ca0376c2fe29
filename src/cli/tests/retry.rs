//! `--retry`: from arguments to a plan or a usage line.

use std::time::Duration;

use super::{super::Stop, stop_or_plan, usage_lines::usage};
use crate::plan::Retry;

fn retry(line: &str) -> Option<Retry> {
    match stop_or_plan(line) {
        Ok(plan) => plan.retry,
        Err(stop) => panic!("{line}: {stop:?}"),
    }
}

#[test]
fn tries_are_counted_where_there_is_a_number() {
    let of = |tries, millis: Option<u64>| {
        let delay = millis.map(Duration::from_millis);
        Some(Retry { tries, delay })
    };
    for (line, expected) in [
        ("db 5432", None),
        ("--retry db 5432", of(None, None)),
        ("db 5432 --retry", of(None, None)),
        ("--retry=0 db 5432", of(Some(0), None)),
        ("--retry=1 db 5432", of(Some(1), None)),
        ("--retry=4294967295 db 5432", of(Some(u32::MAX), None)),
        ("--retry=7 --retry db 5432", of(None, None)),
        ("--retry-delay 1.5 --retry=3 db:1", of(Some(3), Some(1500))),
        ("--retry --retry-delay=200ms db:1", of(None, Some(200))),
        ("--retry --retry-delay 0 db:1", of(None, Some(0))),
        ("--retry -U /run/s", of(None, None)),
        ("--retry -F db 5432", of(None, None)),
        ("--retry=2 -FU @s", of(Some(2), None)),
        ("--retry -x proxy db 5432", of(None, None)),
    ] {
        assert_eq!(retry(line), expected, "{line}");
    }
}

#[test]
fn only_what_connects_a_stream_is_tried_again() {
    for (line, other) in [
        ("--retry -l 1", "-l"),
        ("--retry=2 -lk 1", "-l"),
        ("--retry -lU s", "-l"),
        ("--retry -z db 5432", "-z"),
        ("--retry -u db 53", "-u"),
        ("--retry -uU s", "-u"),
    ] {
        let said = format!("options '--retry' and '{other}' exclude each other");
        assert_eq!(stop_or_plan(line), Err(Stop::Usage(said)), "{line}");
    }
}

#[test]
fn a_pause_needs_tries() {
    for line in ["--retry-delay 1 db 5432", "-l --retry-delay=0 1"] {
        assert_eq!(usage(line), "option '--retry-delay' needs '--retry'");
    }
}

#[test]
fn a_number_that_stands_alone_may_be_one_of_tries() {
    let said = usage("--retry 5 db 5432");
    assert!(said.ends_with("; did you mean '--retry=5'?"), "{said}");
    for line in ["--retry=1 5 db 5432", "--retry db 5432 5", "5 db 5432"] {
        let said = usage(line);
        assert!(!said.contains("did you mean"), "{said}");
    }
}

#[test]
fn what_is_no_number_of_tries_is_named() {
    for word in ["-1", "x", "1.5", "4294967296"] {
        let said = usage(&format!("--retry={word} db 5432"));
        let named = said.starts_with(&format!("option '--retry': value '{word}' "));
        assert!(named, "{said}");
    }
    let said = usage("--retry --retry-delay=x db 5432");
    assert!(said.contains("'--retry-delay': duration 'x'"), "{said}");
}
