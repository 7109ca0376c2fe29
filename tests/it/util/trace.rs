//! System calls, seen through strace.

use std::{io::PipeWriter, time::Duration};

use super::{Collector, DEADLINE, Tool, pipe, tool::number};

/// The system calls of one run.
pub struct Trace {
    calls: Collector,
}

impl Trace {
    /// `tool`, to be run under strace with these options. The traced program is our child, as it
    /// would be without: its pid, its status and its signals are its own.
    pub fn of(tool: Tool, options: &[&str]) -> (Self, Tool) {
        let (rx, tx) = pipe();
        let tool = Self::wrap(tool, tx, options);
        (
            Self {
                calls: Collector::keeping(rx),
            },
            tool,
        )
    }

    fn wrap(tool: Tool, to: PipeWriter, options: &[&str]) -> Tool {
        let target = format!("/dev/fd/{}", number(&to));
        let mut words = vec!["strace", "-D", "-f", "-qq", "-o", &target];
        words.extend(options);
        tool.under(&words).inherit(to.into())
    }

    /// Waits until the program makes no more calls: it has nothing left to do.
    pub fn settle(&self) {
        let until = std::time::Instant::now() + DEADLINE;
        while self.calls.moves_within(Duration::from_millis(300)) {
            assert!(
                std::time::Instant::now() < until,
                "it never rests:\n{}",
                self.tail()
            );
        }
    }

    /// Waits until a call that looks like this was made.
    pub fn wait_for(&self, call: &str) {
        self.calls.wait_for_text(call);
    }

    /// Asserts that it makes no call for `time`.
    pub fn rests_for(&self, time: Duration) {
        let before = self.calls.so_far().len();
        let moved = self.calls.moves_within(time);
        let after = self.calls.so_far();
        let news = String::from_utf8_lossy(after.get(before..).unwrap_or_default());
        assert!(!moved, "it should rest but does:\n{news}");
    }

    /// Every line, once the program has ended.
    pub fn lines(&self) -> Vec<String> {
        let (text, _) = self.calls.finish();
        String::from_utf8_lossy(&text)
            .lines()
            .map(String::from)
            .collect()
    }

    /// The last calls so far.
    pub fn tail(&self) -> String {
        let text = self.calls.so_far();
        let from = text.len().saturating_sub(2000);
        String::from_utf8_lossy(text.get(from..).unwrap_or_default()).into_owned()
    }
}
