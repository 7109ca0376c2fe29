//! Arguments in, exit status out.

use std::{ffi::OsString, process::ExitCode};

use oxnc::{cli, outcome::Status, report, run};

/// The first process of a container. No signal has a default effect on it, pid_namespaces(7), and
/// what insists on dying by one would crash.
const FIRST: u32 = 1;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let (name, personality) = cli::personality(&args);
    report::speak_as(name);
    let status = match cli::parse(args) {
        Ok(plan) => run::run(&plan),
        Err(cli::Stop::Usage(text)) => report::usage(&text),
        Err(cli::Stop::Show(text)) => report::show(&text),
        Err(cli::Stop::ShowOnStderr(text)) => report::show_on_stderr(&text),
    };
    if let Status::Signal(number) = status
        && std::process::id() != FIRST
    {
        // Whoever waits for us sees the signal; the code below is for where it has no effect.
        let _ = signal_hook::low_level::emulate_default_handler(number);
    }
    ExitCode::from(status.code_as(personality))
}
