//! Commands: another program in our place.

use std::{ffi::OsString, io};

use crate::{os, outcome::Status};

/// Replaces this process by a command: its number, environment and working directory stay, and so
/// do standard input, output and error. What was changed of the process is undone, as [`os::exec`]
/// tells. Returns only if that fails, or if something is found at the last look.
///
/// The command knows nothing of the signals that we have caught. Those that end a run are therefore
/// given back first: one that came before is found at the last look, and one that comes afterwards
/// kills.
pub(crate) fn exec<T>(
    command: &[OsString],
    last_look: impl FnOnce() -> Result<(), T>,
) -> Result<io::Error, T> {
    os::give_signals_back();
    last_look()?;
    Ok(match command.split_first() {
        Some((program, arguments)) => os::exec(program, arguments),
        None => io::ErrorKind::InvalidInput.into(),
    })
}

/// The exit status where a command could not be executed, as shells have it. A directory and a file
/// without an x bit are there, and are no commands.
pub(crate) fn not_executed(error: &io::Error) -> Status {
    match error.kind() {
        io::ErrorKind::NotFound => Status::NotFound,
        _ => Status::NotExecutable,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        env, fs,
        net::TcpListener,
        process::{Command, Output},
    };

    use super::*;
    use crate::event::Reactor;

    /// What the part of the process that is replaced is told, a word a line.
    const WORDS: &str = "OXNC_TEST_EXEC";

    /// Whether it finds a reason to stop at the last look.
    const STOP: &str = "OXNC_TEST_STOP";

    /// The part of the process that is replaced. Without words there is nothing to play.
    #[test]
    fn a_run_that_ends_in_a_command() {
        let Some(words) = env::var_os(WORDS) else {
            return;
        };
        let words = words.into_string().unwrap();
        let command: Vec<OsString> = words.lines().map(OsString::from).collect();
        let mut reactor = Reactor::new().unwrap();
        reactor.catch_signals(|| {}).unwrap();
        let _socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let limit = os::raise_descriptor_limit();
        say(&format!("\n{limit}\n"));
        let Ok(error) = exec(&command, || env::var_os(STOP).map_or(Ok(()), Err)) else {
            return say("stopped\n");
        };
        let (code, ignored) = (not_executed(&error).code(), os::is_ignored(libc::SIGPIPE));
        say(&format!("{code} {ignored}\n"));
    }

    fn say(text: &str) {
        rustix::io::write(rustix::stdio::stdout(), text.as_bytes()).unwrap();
    }

    /// A process that a shell has started as `start` says, and that has become a command. The first
    /// line is the raised limit, the others are what the command has written.
    fn become_command(start: &str, words: &[&str]) -> Vec<String> {
        let script = format!("{start} \"$0\" --exact --nocapture {PART}");
        let output: Output = Command::new("sh")
            .args(["-c", &script])
            .arg(env::current_exe().unwrap())
            .env(WORDS, words.join("\n"))
            .current_dir("/usr/bin")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        // Before it stands what the test harness says.
        let own = text.split_once("running 1 test\n").unwrap().1;
        own.lines()
            .filter(|line| !line.is_empty() && !line.starts_with("test "))
            .map(String::from)
            .collect()
    }

    const PART: &str = "process::tests::a_run_that_ends_in_a_command";

    /// A set of signals in proc_pid_status(5), of a command.
    fn signals(start: &str, set: &str) -> u64 {
        let lines = become_command(start, &["cat", "/proc/self/status"]);
        let line = lines.iter().find_map(|line| line.strip_prefix(set));
        u64::from_str_radix(line.unwrap().trim(), 16).unwrap()
    }

    fn bit(signal: i32) -> u64 {
        1 << (signal - 1)
    }

    #[test]
    fn a_command_ignores_the_signals_that_we_were_started_to_ignore() {
        let changed = bit(libc::SIGPIPE) | bit(libc::SIGUSR1) | bit(libc::SIGXFSZ);
        assert_eq!(signals("exec", "SigIgn:") & changed, 0);
        for (name, signal) in [
            ("PIPE", libc::SIGPIPE),
            ("USR1", libc::SIGUSR1),
            ("XFSZ", libc::SIGXFSZ),
            ("TERM", libc::SIGTERM),
        ] {
            let start = format!("trap '' {name}; exec");
            let ignored = signals(&start, "SigIgn:") & (changed | bit(libc::SIGTERM));
            assert_eq!(ignored, bit(signal), "{name}");
        }
    }

    #[test]
    fn a_command_has_the_signal_mask_that_we_were_started_with() {
        assert_eq!(signals("exec", "SigBlk:"), 0);
        let blocked = signals("exec env --block-signal=USR2", "SigBlk:");
        assert_eq!(blocked, bit(libc::SIGUSR2));
    }

    #[test]
    fn a_command_has_the_descriptor_limit_that_we_were_started_with() {
        let limits = ["sh", "-c", "ulimit -Sn; ulimit -Hn"];
        let lines = become_command("ulimit -Sn 50; ulimit -Hn 100; exec", &limits);
        assert_eq!(lines, ["100", "50", "100"]);
    }

    #[test]
    fn a_command_has_our_place_and_none_of_our_descriptors() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let place = "pwd; echo $OXNC_TEST_WORD; echo $$; ls /proc/$$/fd";
        let input = file.path().display();
        let start = format!(
            "export OXNC_TEST_WORD=word; exec <{input}; ({place}) >{input}; echo input >>{input}; exec"
        );
        let script = format!("{place}; cat");
        let lines = become_command(&start, &["sh", "-c", &script]);
        // What the shell was before, then what it has written into the input.
        let before = fs::read_to_string(file.path()).unwrap();
        let before: Vec<&str> = before.lines().collect();
        let (shell, _) = before.split_at(before.len() - 1);
        assert_eq!(shell[..2], ["/usr/bin", "word"]);
        assert_eq!(lines[1..], [shell, &before].concat());
    }

    #[test]
    fn a_command_that_cannot_be_executed_is_told_of_as_shells_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "exit 0\n").unwrap();
        let file = file.to_str().unwrap();
        let beneath = format!("{file}/x");
        for (word, code) in [
            ("oxnc-no-such-command", 127),
            ("/no/such/command", 127),
            ("/", 126),
            (file, 126),
            (&beneath, 126),
        ] {
            // Afterwards SIGPIPE is ignored as before.
            let expected = format!("{code} true");
            assert_eq!(become_command("exec", &[word])[1], expected, "{word}");
        }
    }

    #[test]
    fn what_the_last_look_finds_is_why_there_is_no_command() {
        assert_eq!(
            become_command("exec env OXNC_TEST_STOP=1", &["pwd"])[1],
            "stopped"
        );
        assert_eq!(become_command("exec", &[])[1], "126 true");
    }
}
