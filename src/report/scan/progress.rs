//! How far a long test of ports is: a line on a terminal that other lines push down.

use std::{
    env,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::event::Timespec;

use super::{super::put, Kind, Report, totals::thousands};

/// Who is done before has no use for it.
const QUIET: Duration = Duration::from_millis(500);

/// Nobody reads faster.
const PAUSE: Duration = Duration::from_millis(100);

/// Where the terminal does not tell.
const WIDTH: usize = 80;

/// To the beginning of the line, and nothing in it.
const ERASE: &str = "\r\x1b[K";

/// What stands in the last line of the terminal, of which there is only one.
static SHOWN: Mutex<String> = Mutex::new(String::new());

/// How far the test is that goes on, whether it is shown or not.
static FAR: Mutex<Option<Far>> = Mutex::new(None);

/// How far a test is.
#[derive(Clone, Copy, Debug)]
struct Far {
    done: u64,
    total: u64,
    open: u64,
    kind: Kind,
}

/// The line.
#[derive(Debug)]
pub(crate) struct Progress {
    far: Far,
    /// Not before, and never where there is no terminal that understands.
    next: Option<Instant>,
}

impl Progress {
    /// Nothing is shown yet, and nothing will be unless it is `wanted`.
    pub(crate) fn new(total: u64, kind: Kind, wanted: bool, report: &Report) -> Self {
        let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        let is_shown = wanted
            && !report.is_nc()
            && !is_dumb
            && rustix::termios::isatty(rustix::stdio::stderr());
        let far = Far {
            done: 0,
            total,
            open: 0,
            kind,
        };
        far.note();
        Self {
            far,
            next: is_shown.then(|| Instant::now() + QUIET),
        }
    }

    /// So many are tested, so many of them open.
    pub(crate) fn step(&mut self, done: u64, open: u64) {
        self.far = Far {
            done,
            open,
            ..self.far
        };
        self.far.note();
    }

    /// Shows that, if it is time for it, and if it is news. It may be told as often as anybody likes.
    pub(crate) fn show(&mut self) {
        if self.is_due(Instant::now()) {
            let mut line = self.far.line();
            // The last column stays free: some terminals go on in the next line behind it.
            cut(&mut line, width().saturating_sub(1));
            let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
            // A terminal that takes nothing now is not waited for.
            if *shown != line && put(&format!("{ERASE}{line}"), &Timespec::default()) {
                *shown = line;
            }
        }
    }

    /// When the line is to be written next, if there is one.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.next
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let due = self.next.is_some_and(|next| next <= now);
        if due {
            self.next = Some(now + PAUSE);
        }
        due
    }

    /// Nothing is shown any more until the next time.
    pub(crate) fn clear(&mut self) {
        erase();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
        *FAR.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// How far the test is that goes on, if one does.
pub(in crate::report) fn far() -> Option<String> {
    let far = FAR.lock().unwrap_or_else(PoisonError::into_inner);
    far.map(Far::line)
}

impl Far {
    fn note(self) {
        *FAR.lock().unwrap_or_else(PoisonError::into_inner) = Some(self);
    }

    fn line(self) -> String {
        format!(
            "{} of {}, {} open",
            thousands(self.done),
            self.kind.many(self.total),
            thousands(self.open)
        )
    }
}

/// Lines that are written where the progress may stand, with it below them afterwards; `put` writes.
pub(in crate::report) fn beside(lines: &str, put: impl FnOnce(&str)) {
    let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    match around(lines, &shown) {
        Some(all) => put(&all),
        None => put(lines),
    }
}

fn around(lines: &str, shown: &str) -> Option<String> {
    (!shown.is_empty()).then(|| format!("{ERASE}{lines}{shown}"))
}

/// Before something is written to any other descriptor, which may lead to the same terminal, if only
/// by a pipe to another program.
pub(super) fn erase() {
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if !shown.is_empty() {
        shown.clear();
        put(ERASE, &Timespec::default());
    }
}

fn cut(line: &mut String, width: usize) {
    if let Some((end, _)) = line.char_indices().nth(width) {
        line.truncate(end);
    }
}

fn width() -> usize {
    match rustix::termios::tcgetwinsize(rustix::stdio::stderr()) {
        Ok(size) if size.ws_col > 0 => size.ws_col.into(),
        _ => WIDTH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nine() -> Far {
        Far {
            done: 0,
            total: 9,
            open: 0,
            kind: Kind::Socket,
        }
    }

    #[test]
    fn the_line_says_how_far_it_is() {
        let far = Far {
            done: 12_345,
            total: 65_535,
            open: 3,
            kind: Kind::Port,
        };
        assert_eq!(far.line(), "12,345 of 65,535 ports, 3 open");
    }

    #[test]
    fn it_is_cut_where_the_terminal_ends() {
        let cut = |width| {
            let mut line = "12 of 345".to_owned();
            cut(&mut line, width);
            line
        };
        assert_eq!(cut(80), "12 of 345");
        assert_eq!(cut(9), "12 of 345");
        assert_eq!(cut(4), "12 o");
        assert_eq!(cut(0), "");
    }

    #[test]
    fn a_short_run_has_none_and_a_long_one_not_too_often() {
        let began = Instant::now();
        let mut progress = Progress {
            far: nine(),
            next: Some(began + QUIET),
        };
        let mut due = |ms| progress.is_due(began + Duration::from_millis(ms));
        assert!(!due(0) && !due(499));
        assert!(due(500));
        assert!(!due(501) && !due(599));
        assert!(due(600));
        let mut hidden = Progress {
            far: nine(),
            next: None,
        };
        assert!(!hidden.is_due(began + Duration::from_secs(9)));
    }

    #[test]
    fn other_lines_stand_above_it() {
        assert_eq!(around("oxnc: x\n", ""), None);
        assert_eq!(
            around("oxnc: x\n", "1 of 2 ports, 0 open").as_deref(),
            Some("\r\x1b[Koxnc: x\n1 of 2 ports, 0 open")
        );
    }
}
