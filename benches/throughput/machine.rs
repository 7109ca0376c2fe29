//! Where and when it was measured.

use std::{
    fmt::Write,
    fs,
    thread::available_parallelism,
    time::{Duration, Instant, SystemTime},
};

use crate::{Result, tool::Tool, transfer::Bench};

/// The machine before the first transfer.
pub(crate) struct Machine {
    bytes: u64,
    rounds: usize,
    file_system: String,
    load: String,
    stolen: Option<(u64, u64)>,
    started: Instant,
}

impl Machine {
    pub(crate) fn look(bench: &Bench, rounds: usize) -> Result<Self> {
        // TMPFS_MAGIC, linux/magic.h.
        let magic = rustix::fs::fstatfs(bench.input())?.f_type as i128;
        let file_system = match magic {
            0x0102_1994 => "tmpfs".into(),
            other => format!("a file system of type {other:#x}"),
        };
        let load = first_line("/proc/loadavg");
        Ok(Self {
            bytes: bench.bytes,
            rounds,
            file_system,
            load: load.split(' ').next().unwrap_or_default().to_owned(),
            stolen: stolen(),
            started: Instant::now(),
        })
    }

    /// All of it in Markdown.
    pub(crate) fn describe(&self, tools: &[Tool], missing: &[String], others: f64) -> String {
        let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let mut text = String::from("# Throughput\n\n");
        let mut line = |words: String| {
            // A String takes everything.
            let _ = writeln!(text, "{words}");
        };
        line("`cargo bench --bench throughput` wrote this; how to read it is told in".into());
        line("`benches/throughput/main.rs`.\n".into());
        line(format!("- {}", date.split('T').next().unwrap_or_default()));
        line(format!(
            "- {}, Linux {}",
            cpu(),
            first_line("/proc/sys/kernel/osrelease")
        ));
        line(format!(
            "- {} bytes a transfer, files on {}; the median of {} rounds, in {} s altogether",
            self.bytes,
            self.file_system,
            self.rounds,
            self.started.elapsed().as_secs()
        ));
        line(format!(
            "- TCP as the kernel sets it up: {}, tcp_rmem {}, tcp_wmem {}",
            first_line("/proc/sys/net/ipv4/tcp_congestion_control"),
            spaced("/proc/sys/net/ipv4/tcp_rmem"),
            spaced("/proc/sys/net/ipv4/tcp_wmem"),
        ));
        line(format!(
            "- load average at the start {}; {:.0} % of the processors taken by other programs during \
             the transfers, {} of the time by other guests of the host",
            self.load,
            others * 100.0,
            self.stolen_share()
        ));
        for tool in tools.iter().filter(|tool| !tool.version.is_empty()) {
            line(format!("- {}: {}", tool.name, tool.version));
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

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

fn spaced(path: &str) -> String {
    let words: Vec<String> = first_line(path)
        .split_whitespace()
        .map(Into::into)
        .collect();
    words.join(" ")
}
