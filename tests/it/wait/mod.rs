//! `--wait-for`: until ports are open, or no longer, and the command that is executed then.

mod coming_from;
mod command;
mod kinds;
mod limits;
mod names;
mod schedule;
mod scripts;
mod told;

use crate::util::{Done, Running, Server, Tool};

/// `oxnc --wait-for 20` with these words. It is ended by what is waited for; the limit is the
/// deadline of a test that fails.
fn wait(words: &[&str]) -> Tool {
    Tool::oxnc(&["--wait-for", "20"]).args(words)
}

/// A port of 127.0.0.1 as one word.
fn at(server: &Server) -> String {
    format!("127.0.0.1:{}", server.port())
}

/// Waits with `-v` until it tells that something is not as it should be; that line.
fn missing(run: &Running, word: &str) {
    run.stderr.wait_for_text(&format!("{word}\n"));
}

/// It ended with `code` and has written nothing.
#[track_caller]
fn silent(done: &Done, code: i32) {
    done.exits(code).wrote(b"");
    assert_eq!(done.stderr, "", "{}", done.line);
}

/// How many lines have this in them.
fn lines_with(text: &str, word: &str) -> usize {
    text.lines().filter(|line| line.contains(word)).count()
}

/// A port from whose first line on nobody has listened: it is told once, and then there is one.
#[track_caller]
fn comes_later(tool: Tool, server: &Server) -> Done {
    let run = tool.arg("-v").start();
    missing(&run, "Connection refused");
    server.open();
    run.wait()
}
