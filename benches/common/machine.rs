//! Where and when it was measured.

use std::{
    fmt::Write,
    fs,
    thread::available_parallelism,
    time::{Duration, Instant, SystemTime},
};

use super::programs::Tool;

/// The machine before anything is measured.
pub(crate) struct Machine {
    load: String,
    stolen: Option<(u64, u64)>,
    started: Instant,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let load = first_line("/proc/loadavg");
        Self {
            load: load.split(' ').next().unwrap_or_default().to_owned(),
            stolen: stolen(),
            started: Instant::now(),
        }
    }

    /// For how long it has been measured.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// All of it in Markdown. `name` is the benchmark's, `facts` are what it alone knows, `others`
    /// are the parts of the processors that other programs had.
    pub(crate) fn describe<K>(
        &self,
        (title, name): (&str, &str),
        facts: &[String],
        others: &[f64],
        tools: &[Tool<K>],
        missing: &[String],
    ) -> String {
        let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let mut text = format!("# {title}\n\n");
        let mut line = |words: String| {
            // A String takes everything.
            let _ = writeln!(text, "{words}");
        };
        line(format!(
            "`cargo bench --bench {name}` wrote this; how to read it is told in"
        ));
        line(format!("`benches/{name}/main.rs`.\n"));
        line(format!("- {}", date.split('T').next().unwrap_or_default()));
        line(format!(
            "- {}, Linux {}",
            cpu(),
            first_line("/proc/sys/kernel/osrelease")
        ));
        for fact in facts {
            line(format!("- {fact}"));
        }
        line(format!(
            "- load average at the start {}; {:.0} % of the processors taken by other programs in \
             what counts, {} of the time by other guests of the host",
            self.load,
            mean(others) * 100.0,
            self.stolen_share()
        ));
        for tool in tools.iter().filter(|t| !t.program.version.is_empty()) {
            line(format!("- {}: {}", tool.name, tool.program.version));
        }
        for name in missing {
            line(format!("- skipped: {name}"));
        }
        text
    }

    fn stolen_share(&self) -> String {
        match (self.stolen, stolen()) {
            (Some((stolen, all)), Some((stolen_now, all_now))) if all_now > all => {
                let share = (stolen_now - stolen) as f64 / (all_now - all) as f64;
                format!("{:.1} %", share * 100.0)
            }
            _ => "an unknown part".into(),
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim())
    };
    let cores = cores();
    let model = field("model name").unwrap_or("unknown CPU");
    let number = field("model\t").unwrap_or("unknown");
    let guest = match field("flags") {
        Some(flags) if flags.split(' ').any(|flag| flag == "hypervisor") => ", a virtual machine",
        _ => "",
    };
    format!("{model} (model {number}), {cores} cores{guest}")
}

/// What the hypervisor took and the whole, in ticks of all cores: proc_stat(5).
fn stolen() -> Option<(u64, u64)> {
    let ticks = ticks();
    Some((*ticks.get(7)?, ticks.iter().sum()))
}

/// The time that all processes have had of all cores since the start.
pub(crate) fn busy() -> Duration {
    // user, nice and system, in hundredths of a second everywhere.
    let ticks: u64 = ticks().iter().take(3).sum();
    Duration::from_millis(10 * ticks)
}

fn ticks() -> Vec<u64> {
    let line = first_line("/proc/stat");
    let words = line.split_whitespace().skip(1).take(8);
    words.filter_map(|word| word.parse().ok()).collect()
}

fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// Which part of the machine that is for so long.
pub(crate) fn share(busy: Duration, time: Duration) -> f64 {
    busy.as_secs_f64() / time.as_secs_f64() / cores() as f64
}

pub(crate) fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

/// The same with single spaces between the words.
pub(crate) fn spaced(path: &str) -> String {
    let words: Vec<String> = first_line(path)
        .split_whitespace()
        .map(Into::into)
        .collect();
    words.join(" ")
}
