//! Tables: from arguments to a plan, and from arguments to a usage line.

mod datagrams;
mod pass_fd;
mod plans;
mod proxies;
mod retry;
mod scan;
mod socket_options;
mod usage_lines;
mod wait;

use std::ffi::OsString;

use super::{EXIT_STATUS, Stop, command, parse_with};
use crate::plan::Plan;

fn stop_or_plan(line: &str) -> Result<Plan, Stop> {
    let words = std::iter::once("oxnc").chain(line.split_whitespace());
    parse_with(words.map(OsString::from).collect(), None)
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
    for line in ["-h", "--help"] {
        let text = show(line);
        assert!(text.ends_with('\n') && !text.contains(" \n"), "{line}");
    }
}

#[test]
fn the_help_texts_fit_a_screen_80_columns_wide() {
    let mut command = command().term_width(80);
    let short = command.render_help().to_string();
    assert!(short.contains("Usage: oxnc [OPTIONS] HOST PORT\n       oxnc -l [OPTIONS]"));
    // The defaults that the texts promise are those that the plans have.
    assert!(short.contains("connecting [default: 30s]") && short.contains("ACKs [default: 10s]"));
    assert!(short.lines().count() < 60, "60 lines with the prompt");
    for line in short.lines().filter(|line| line.starts_with("    ")) {
        let option = line.trim_start().starts_with("--");
        assert!(
            option || line.starts_with("       oxnc"),
            "a wrapped line: {line}"
        );
    }
    let long = command.render_long_help().to_string();
    for (code, meaning) in EXIT_STATUS {
        assert!(long.contains(&format!("  {code:<6} {meaning}\n")), "{code}");
    }
}

#[test]
fn what_is_about_ports_fits_a_screen() {
    let long = command().term_width(100).render_long_help().to_string();
    for heading in ["Testing ports:", "Waiting for ports:"] {
        let lines = long.lines().skip_while(|line| *line != heading);
        let group = lines
            .skip(1)
            .take_while(|line| line.is_empty() || line.starts_with(' '));
        let height = 1 + group.count();
        assert!((10..=50).contains(&height), "{heading} {height} lines");
    }
}

#[test]
fn every_option_stands_under_a_heading() {
    for arg in command().get_arguments().filter(|arg| !arg.is_hide_set()) {
        assert!(arg.get_help_heading().is_some(), "{}", arg.get_id());
    }
}
