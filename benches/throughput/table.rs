//! From samples to the table.

use std::fmt::Write;

use crate::{
    case::{Case, Input, Output, Transport},
    transfer::Sample,
};

/// One tool in one case: its figures, or why there are none.
pub(crate) struct Row {
    pub case: Case,
    pub tool: &'static str,
    pub is_peer: bool,
    pub figures: Result<Figures, String>,
}

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
        let sorted = |value: &dyn Fn(&Sample) -> f64| {
            let mut values: Vec<f64> = samples.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let rates = sorted(&|s| gb / s.time.as_secs_f64());
        Self {
            rate: median(&rates),
            slowest: rates.first().copied().unwrap_or(f64::NAN),
            fastest: rates.last().copied().unwrap_or(f64::NAN),
            cpu: median(&sorted(&|s| (s.sender + s.receiver).as_secs_f64() / gb)),
            sender: median(&sorted(&|s| s.sender.as_secs_f64() / gb)),
            receiver: median(&sorted(&|s| s.receiver.as_secs_f64() / gb)),
        }
    }
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    let at = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
    if sorted.len().is_multiple_of(2) {
        (at(middle.wrapping_sub(1)) + at(middle)) / 2.0
    } else {
        at(middle)
    }
}

/// The rows of one case, and those that the others are compared with.
struct Group<'a> {
    rows: &'a [Row],
}

impl<'a> Group<'a> {
    fn figures(&self, tool: &str) -> Option<&'a Figures> {
        let row = self.rows.iter().find(|row| row.tool == tool)?;
        row.figures.as_ref().ok()
    }

    fn fastest_peer(&self) -> Option<&'a Figures> {
        self.rows
            .iter()
            .filter(|row| row.is_peer)
            .filter_map(|row| row.figures.as_ref().ok())
            .max_by(|a, b| a.rate.total_cmp(&b.rate))
    }
}

fn groups(rows: &[Row]) -> impl Iterator<Item = Group<'_>> {
    rows.chunk_by(|a, b| a.case == b.case)
        .map(|rows| Group { rows })
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

/// The table in Markdown, its columns aligned.
pub(crate) fn render(rows: &[Row]) -> String {
    let mut lines = vec![HEAD.map(str::to_owned).to_vec()];
    for group in groups(rows) {
        for (at, row) in group.rows.iter().enumerate() {
            let mut line = vec![
                if at == 0 {
                    row.case.to_string()
                } else {
                    String::new()
                },
                row.tool.to_owned(),
            ];
            match &row.figures {
                Ok(figures) => line.extend(cells(figures, &group)),
                Err(why) => line.push(why.clone()),
            }
            line.resize(HEAD.len(), String::new());
            lines.push(line);
        }
    }
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| {
            // A failure's text may be long, and is nobody's neighbour.
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells
                .map(|cell| cell.chars().count())
                .filter(|len| *len < 30)
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            // A String takes everything.
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
        if at == 0 {
            for width in &widths {
                let _ = write!(text, "|{:-<1$}", "", width + 2);
            }
            text.push_str("|\n");
        }
    }
    text
}

fn cells(figures: &Figures, group: &Group<'_>) -> Vec<String> {
    let ratio = |value: f64, other: Option<f64>| match other {
        Some(other) => format!("{:.2}", value / other),
        None => String::new(),
    };
    let peer = group.fastest_peer();
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
    let mut text = String::new();
    for group in groups(rows) {
        let Some(case) = group.rows.first().map(|row| row.case) else {
            continue;
        };
        if case.transport != Transport::Tcp {
            continue;
        }
        let Some(ours) = group.figures("oxnc") else {
            continue;
        };
        let line = match (case.input, case.output) {
            (Input::File, Output::Null) | (Input::Pipe, Output::Pipe) => group
                .fastest_peer()
                .and_then(|peer| zero_copy(ours, peer, &group)),
            (Input::File, Output::File) => to_file(ours, &group),
            _ => None,
        };
        if let Some((met, words)) = line {
            let verdict = if met { "met" } else { "NOT met" };
            let _ = writeln!(text, "- {case}: {words}: {verdict}.");
        }
    }
    if text.is_empty() {
        return text;
    }
    format!("Targets:\n\n{text}")
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
