//! Arguments in, exit status out.

use std::process::ExitCode;

use oxnc::{cli, outcome::Status, report, run};

fn main() -> ExitCode {
    let status = match cli::parse(std::env::args_os()) {
        Ok(plan) => run::run(&plan),
        Err(cli::Stop::Usage(text)) => report::usage(&text),
        Err(cli::Stop::Show(text)) => report::show(&text),
    };
    if let Status::Signal(number) = status {
        // Whoever waits for us sees the signal; the code below is for where it has no effect.
        let _ = signal_hook::low_level::emulate_default_handler(number);
    }
    ExitCode::from(status.code())
}
