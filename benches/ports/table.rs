//! From samples to the table.

use crate::{
    case::Case,
    common::table::{self, ends, median, ratio, sorted},
    trial::Sample,
};

pub(crate) type Row = table::Row<Case, Figures>;
type Group<'a> = table::Group<'a, Case, Figures>;

/// How many times as fast as the faster peer oxnc is meant to be where ports refuse.
const TIMES: f64 = 2.0;

/// In how many seconds it is meant to be done where they drop.
const SECONDS: f64 = 3.0;

/// Seconds, over the rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    time: f64,
    fastest: f64,
    slowest: f64,
    cpu: f64,
}

impl Figures {
    pub(crate) fn of(samples: &[Sample]) -> Self {
        let times = sorted(samples, |s| s.time.as_secs_f64());
        let (fastest, slowest) = ends(&times);
        Self {
            time: median(&times),
            fastest,
            slowest,
            cpu: median(&sorted(samples, |s| s.cpu.as_secs_f64())),
        }
    }
}

fn faster_peer<'a>(group: &Group<'a>) -> Option<&'a Figures> {
    group.peers().min_by(|a, b| a.time.total_cmp(&b.time))
}

const HEAD: [&str; 7] = [
    "case",
    "tool",
    "s",
    "fastest–slowest",
    "CPU s",
    "speed : faster peer",
    "CPU : faster peer",
];

/// The table in Markdown, its columns aligned.
pub(crate) fn render(rows: &[Row]) -> String {
    table::render(&HEAD, rows, cells)
}

fn cells(figures: &Figures, group: &Group<'_>) -> Vec<String> {
    let peer = faster_peer(group);
    vec![
        format!("{:.3}", figures.time),
        format!("{:.3}–{:.3}", figures.fastest, figures.slowest),
        format!("{:.3}", figures.cpu),
        // A speed is what is done in a second.
        ratio(1.0 / figures.time, peer.map(|peer| 1.0 / peer.time)),
        ratio(figures.cpu, peer.map(|peer| peer.cpu)),
    ]
}

/// What oxnc is meant to reach, and what it has reached. If it has failed, it has not.
pub(crate) fn targets(rows: &[Row]) -> String {
    table::targets(rows, |group| {
        let ours = group.figures("oxnc");
        match group.case {
            Case::Refused => {
                let peer = faster_peer(group)?;
                let times = ours.map(|ours| peer.time / ours.time);
                let words = "at least twice as fast as the faster of nc.openbsd and nmap";
                Some(judged(words, times, |times| times >= TIMES))
            }
            Case::Dropped => {
                let words = "every run done within 3 s";
                let slowest = ours.map(|ours| ours.slowest);
                Some(judged(words, slowest, |slowest| slowest <= SECONDS))
            }
        }
    })
}

fn judged(words: &str, figure: Option<f64>, enough: impl Fn(f64) -> bool) -> (bool, String) {
    match figure {
        Some(figure) => (enough(figure), format!("{words} ({figure:.2})")),
        None => (false, format!("{words} (failed)")),
    }
}
