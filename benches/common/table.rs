//! From figures to the table, whatever they are.

use std::fmt::{Display, Write};

use super::programs::Tool;

/// One tool in one case: its figures, or why there are none.
pub(crate) struct Row<C, F> {
    pub case: C,
    pub tool: &'static str,
    pub is_peer: bool,
    pub figures: Result<F, String>,
}

/// The rows of a case; `supports` says which tools have no figures and why.
pub(crate) fn rows<C: Copy, K, S, F>(
    case: C,
    tools: &[Tool<K>],
    results: Vec<super::Result<Vec<S>>>,
    is_peer: impl Fn(&Tool<K>) -> bool,
    supports: impl Fn(&Tool<K>) -> Result<(), String>,
    figures: impl Fn(&[S]) -> F,
) -> Vec<Row<C, F>> {
    let rows = tools.iter().zip(results).map(|(tool, result)| Row {
        case,
        tool: tool.name,
        is_peer: is_peer(tool),
        figures: supports(tool).and_then(|()| {
            let figures = result.map(|samples| figures(&samples));
            figures.map_err(|e| format!("FAILED: {e}"))
        }),
    });
    rows.collect()
}

/// The rows of one case, and those that the others are compared with.
pub(crate) struct Group<'a, C, F> {
    pub case: &'a C,
    rows: &'a [Row<C, F>],
}

impl<'a, C, F> Group<'a, C, F> {
    pub(crate) fn figures(&self, tool: &str) -> Option<&'a F> {
        let row = self.rows.iter().find(|row| row.tool == tool)?;
        row.figures.as_ref().ok()
    }

    /// Somebody else's tools, those without figures left out.
    pub(crate) fn peers(&self) -> impl Iterator<Item = &'a F> {
        let peers = self.rows.iter().filter(|row| row.is_peer);
        peers.filter_map(|row| row.figures.as_ref().ok())
    }
}

fn groups<C: PartialEq, F>(rows: &[Row<C, F>]) -> impl Iterator<Item = Group<'_, C, F>> {
    rows.chunk_by(|a, b| a.case == b.case).filter_map(|rows| {
        let case = &rows.first()?.case;
        Some(Group { case, rows })
    })
}

/// The values of all samples, the smallest first.
pub(crate) fn sorted<S>(samples: &[S], value: impl Fn(&S) -> f64) -> Vec<f64> {
    let mut values: Vec<f64> = samples.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values
}

pub(crate) fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    let at = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
    if sorted.len().is_multiple_of(2) {
        (at(middle.wrapping_sub(1)) + at(middle)) / 2.0
    } else {
        at(middle)
    }
}

/// The smallest and the largest.
pub(crate) fn ends(sorted: &[f64]) -> (f64, f64) {
    let or_none = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
    (or_none(sorted.first()), or_none(sorted.last()))
}

/// A cell that compares; empty if there is nothing to compare with.
pub(crate) fn ratio(value: f64, other: Option<f64>) -> String {
    other.map_or_else(String::new, |other| format!("{:.2}", value / other))
}

/// The table in Markdown, its columns aligned. `head` begins with the case and the tool, `cells`
/// are the others.
pub(crate) fn render<C: Display + PartialEq, F>(
    head: &[&str],
    rows: &[Row<C, F>],
    cells: impl Fn(&F, &Group<'_, C, F>) -> Vec<String>,
) -> String {
    let mut lines = vec![head.iter().map(|&name| name.to_owned()).collect()];
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
            line.resize(head.len(), String::new());
            lines.push(line);
        }
    }
    aligned(&lines, head.len())
}

fn aligned(lines: &[Vec<String>], columns: usize) -> String {
    let widths: Vec<usize> = (0..columns)
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

/// What oxnc is meant to reach, and whether it has; `judge` knows the cases that have a target.
pub(crate) fn targets<C: Display + PartialEq, F>(
    rows: &[Row<C, F>],
    judge: impl Fn(&Group<'_, C, F>) -> Option<(bool, String)>,
) -> String {
    let mut text = String::new();
    for group in groups(rows) {
        if let Some((met, words)) = judge(&group) {
            let verdict = if met { "met" } else { "NOT met" };
            let _ = writeln!(text, "- {}: {words}: {verdict}.", group.case);
        }
    }
    if text.is_empty() {
        return text;
    }
    format!("Targets:\n\n{text}")
}
