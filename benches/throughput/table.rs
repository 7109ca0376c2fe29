//! From samples to the table.

use std::time::Duration;

use crate::{
    case::{Case, Input, Output, Transport},
    common::table::{self, ends, median, ratio, sorted},
    transfer::Sample,
};

pub(crate) type Row = table::Row<Case, Figures>;
type Group<'a> = table::Group<'a, Case, Figures>;

/// Medians over the rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// GB/s.
    rate: f64,
    slowest: f64,
    fastest: f64,
    /// CPU seconds per GB.
    cpu: f64,
    sender: f64,
    receiver: f64,
}

impl Figures {
    pub(crate) fn of(samples: &[Sample], bytes: u64) -> Self {
        let gb = bytes as f64 / 1e9;
        let rates = sorted(samples, |s| gb / s.time.as_secs_f64());
        let (slowest, fastest) = ends(&rates);
        let cpu = |of: fn(&Sample) -> Duration| {
            median(&sorted(samples, |sample| of(sample).as_secs_f64() / gb))
        };
        Self {
            rate: median(&rates),
            slowest,
            fastest,
            cpu: cpu(|s| s.sender + s.receiver),
            sender: cpu(|s| s.sender),
            receiver: cpu(|s| s.receiver),
        }
    }
}

fn fastest_peer<'a>(group: &Group<'a>) -> Option<&'a Figures> {
    group.peers().max_by(|a, b| a.rate.total_cmp(&b.rate))
}

const HEAD: [&str; 11] = [
    "case",
    "tool",
    "GB/s",
    "slowest–fastest",
    "CPU s/GB",
    "sender",
    "receiver",
    "rate : fastest peer",
    "CPU : fastest peer",
    "rate : limit",
    "CPU : limit",
];

pub(crate) fn render(rows: &[Row]) -> String {
    table::render(&HEAD, rows, cells)
}

fn cells(figures: &Figures, group: &Group<'_>) -> Vec<String> {
    let peer = fastest_peer(group);
    let limit = group.figures("limit");
    vec![
        format!("{:.2}", figures.rate),
        format!("{:.2}–{:.2}", figures.slowest, figures.fastest),
        format!("{:.3}", figures.cpu),
        format!("{:.3}", figures.sender),
        format!("{:.3}", figures.receiver),
        ratio(figures.rate, peer.map(|f| f.rate)),
        ratio(figures.cpu, peer.map(|f| f.cpu)),
        ratio(figures.rate, limit.map(|f| f.rate)),
        ratio(figures.cpu, limit.map(|f| f.cpu)),
    ]
}

/// What oxnc is meant to reach over TCP, and what it has reached.
pub(crate) fn targets(rows: &[Row]) -> String {
    table::targets(rows, |group| {
        if group.case.transport != Transport::Tcp {
            return None;
        }
        let ours = group.figures("oxnc")?;
        match (group.case.input, group.case.output) {
            (Input::File, Output::Null) | (Input::Pipe, Output::Pipe) => {
                zero_copy(ours, fastest_peer(group)?, group)
            }
            (Input::File, Output::File) => to_file(ours, group),
            _ => None,
        }
    })
}

fn zero_copy(ours: &Figures, peer: &Figures, group: &Group<'_>) -> Option<(bool, String)> {
    let (rate, cpu) = (ours.rate / peer.rate, ours.cpu / peer.cpu);
    let limit = ours.rate / group.figures("limit")?.rate;
    let words = format!(
        "{rate:.2} times the fastest peer (at least 1.5) at {cpu:.2} of its CPU (at most 0.65), or \
         {limit:.2} times the limit (at least 0.95)"
    );
    Some(((rate >= 1.5 && cpu <= 0.65) || limit >= 0.95, words))
}

fn to_file(ours: &Figures, group: &Group<'_>) -> Option<(bool, String)> {
    let socat = ours.rate / group.figures("socat -b 1M")?.rate;
    let limit = ours.rate / group.figures("limit")?.rate;
    let words = format!(
        "{socat:.2} times socat -b 1M (at least 1) or {limit:.2} times the limit (at least 0.95)"
    );
    Some((socat >= 1.0 || limit >= 0.95, words))
}
