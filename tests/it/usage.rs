//! What cannot be meant is refused: exit status 2, one line that names it, and nothing opened.

use crate::util::{Done, Tool, Trace, data::random_bytes};

/// The words, and what the message must name.
const WRONG: &[(&[&str], &str)] = &[
    (&[], "host"),
    (&["127.0.0.1"], "port"),
    (&["-l"], "port"),
    (&["127.0.0.1", "99999"], "99999"),
    (&["127.0.0.1", "65536"], "65536"),
    (&["127.0.0.1", "4294967297"], "4294967297"),
    (
        &["127.0.0.1", "18446744073709551617"],
        "18446744073709551617",
    ),
    (&["127.0.0.1", "0"], "0"),
    (&["127.0.0.1", "+80"], "+80"),
    (&["127.0.0.1", ""], "port"),
    (&["127.0.0.1", " 80"], " 80"),
    (&["127.0.0.1:0"], "0"),
    (&["127.0.0.1:"], "port"),
    (&["127.0.0.1:99999"], "99999"),
    (&["[::1]"], "port"),
    (&["[::1:80"], "[::1:80"),
    (&["", "80"], "host"),
    (&["127.0.0.1", "80", "81"], "81"),
    (&["-l", "127.0.0.1", "80", "81"], "81"),
    (&["-l", "99999"], "99999"),
    (&["-l", "-p", "80", "127.0.0.1", "81"], "81"),
    (&["-l", "-s", "127.0.0.1", "127.0.0.2", "80"], "127.0.0"),
    (&["-p", "99999", "127.0.0.1", "80"], "99999"),
    (&["--no-such-option", "127.0.0.1", "80"], "--no-such-option"),
    (&["-Y", "127.0.0.1", "80"], "-Y"),
    (&["127.0.0.1", "80", "-q"], "-q"),
    (&["-w", "soon", "127.0.0.1", "80"], "soon"),
    (&["-w", "-1", "127.0.0.1", "80"], "-w"),
    (&["-w", "", "127.0.0.1", "80"], "-w"),
    (&["--max-time=1parsec", "127.0.0.1", "80"], "1parsec"),
    (
        &["--linger=99999999999999999999999", "127.0.0.1", "80"],
        "--linger",
    ),
    (&["--on-peer-eof=maybe", "127.0.0.1", "80"], "maybe"),
    (&["-N", "--no-shutdown", "127.0.0.1", "80"], "--no-shutdown"),
    (&["--send-only", "--recv-only", "127.0.0.1", "80"], "-only"),
    (&["-4", "-6", "127.0.0.1", "80"], "-6"),
    (&["--print-port", "127.0.0.1", "80"], "--print-port"),
    (
        &["--accept-timeout=1s", "127.0.0.1", "80"],
        "--accept-timeout",
    ),
    (&["-l", "--print-port=fd:x", "0"], "fd:x"),
    (&["-l", "--print-port=fd:-1", "0"], "fd:-1"),
];

fn refused(done: &Done, names: &str) {
    done.fails(2, &[names]).wrote(b"");
}

#[test]
fn bad_input_is_refused_in_one_line() {
    for (words, names) in WRONG {
        refused(&Tool::oxnc(words).run(), names);
    }
}

#[test]
fn a_host_that_is_too_long_is_refused() {
    let host = "a".repeat(70_000);
    let done = Tool::oxnc(&[&host, "80"]).run();
    assert!(matches!(done.status.code(), Some(1 | 2)), "{}", done.status);
    assert!(
        done.stderr.len() < 1000,
        "{} bytes of message",
        done.stderr.len()
    );
    assert_eq!(done.stderr.lines().count(), 1);
}

#[test]
fn random_words_never_crash_it() {
    for seed in 0..40 {
        let bytes = random_bytes(24, seed);
        let words = bytes
            .chunks(6)
            .map(|c| c.iter().map(|b| (b % 96 + 32) as char).collect());
        let words = words.collect::<Vec<String>>();
        let words = words.iter().map(String::as_str).collect::<Vec<_>>();
        // A word that begins with a dash is unknown; four words are too many.
        let done = Tool::oxnc(&["-n"]).args(&words).run();
        refused(&done, "");
    }
}

#[test]
fn a_typo_is_answered_with_a_suggestion() {
    let done = Tool::oxnc(&["--verbos", "127.0.0.1", "80"]).run();
    refused(&done, "--verbose");
}

#[test]
fn nothing_is_opened_for_bad_input() {
    needs!("strace");
    for (words, _) in WRONG.iter().step_by(5) {
        let options = ["-e", "trace=socket,bind,connect,listen,pipe2,epoll_create1"];
        let (trace, tool) = Trace::of(Tool::oxnc(words), &options);
        tool.run().fails(2, &[]);
        let lines = trace.lines();
        let calls = lines
            .iter()
            .filter(|line| line.contains('('))
            .collect::<Vec<_>>();
        assert!(calls.is_empty(), "{words:?}: {calls:?}");
    }
}

#[test]
fn help_goes_to_stdout() {
    for option in ["--help", "-h"] {
        let done = Tool::oxnc(&[option]).run();
        done.succeeds();
        let text = String::from_utf8(done.stdout).unwrap();
        for word in ["-l", "--listen", "--scan", "--max-time"] {
            assert!(text.contains(word), "no {word} in the help");
        }
    }
}

#[test]
fn the_version_is_told() {
    let done = Tool::oxnc(&["--version"]).run();
    done.succeeds()
        .wrote(format!("oxnc {}\n", env!("CARGO_PKG_VERSION")).as_bytes());
}

#[test]
fn help_into_a_full_device_is_a_failure() {
    let done = Tool::oxnc(&["--help"]).stdout(crate::util::Out::Full).run();
    done.fails(4, &[]);
}
