//! Tables: from arguments to a plan, and from arguments to a usage line.

mod plans;
mod usage_lines;

use std::ffi::OsString;

use super::{EXIT_STATUS, Stop, command, parse_with};
use crate::plan::Plan;

fn stop_or_plan(line: &str) -> Result<Plan, Stop> {
    let words = std::iter::once("oxnc").chain(line.split_whitespace());
    parse_with(words.map(OsString::from).collect(), false)
}

#[test]
fn the_definition_is_sound() {
    command().debug_assert();
}

#[test]
fn help_and_version_are_shown() {
    let show = |line: &str| match stop_or_plan(line) {
        Err(Stop::Show(text)) => text,
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(
        show("--version"),
        concat!("oxnc ", env!("CARGO_PKG_VERSION"), "\n")
    );
    let short = show("-h");
    let long = show("--help");
    assert!(short.contains("Usage: oxnc [OPTIONS] HOST PORT\n       oxnc -l [OPTIONS]"));
    assert!(
        short.lines().count() < 40,
        "-h fits on a screen, the prompt below it"
    );
    for (code, meaning) in EXIT_STATUS {
        assert!(long.contains(&format!("  {code:<6} {meaning}\n")), "{code}");
    }
    // The defaults that the texts promise are those of `plain`.
    assert!(short.contains("connecting [default: 30s]") && short.contains("ACKs [default: 10s]"));
    for text in [short, long] {
        assert!(text.ends_with('\n') && !text.contains(" \n"));
    }
}

#[test]
fn every_option_has_a_heading_and_a_help_line_of_one_screen_width() {
    for arg in command().get_arguments().filter(|arg| !arg.is_hide_set()) {
        let name = arg.get_long().unwrap();
        assert!(arg.get_help_heading().is_some(), "{name}");
        let help = arg.get_help().unwrap().to_string();
        assert!(!help.ends_with('.'), "{name}: {help}");
    }
    let long = command().term_width(80).render_help().to_string();
    for line in long.lines() {
        let starts = line.trim_start().starts_with('-') || !line.starts_with("    ");
        assert!(
            starts || line.starts_with("       oxnc"),
            "a wrapped line: {line}"
        );
    }
}
