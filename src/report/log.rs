//! The log records of all rooms and libraries, for `-vvv`.

use log::{LevelFilter, Log, Metadata, Record};

use super::{escape, line};

struct Logger;

/// From here on log records are printed.
pub(super) fn install() {
    // It fails only when there is a logger already, and that is this one.
    if log::set_logger(&Logger).is_ok() {
        log::set_max_level(LevelFilter::Trace);
    }
}

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let level = record.level().as_str().to_ascii_lowercase();
        let text = record.args().to_string();
        line(&format!("{level}: {}: {}", record.target(), escape(&text)));
    }

    fn flush(&self) {}
}
