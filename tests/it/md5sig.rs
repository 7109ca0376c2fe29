//! TCP MD5 signatures, and where their key comes from.

use std::{fs, path::Path};

use crate::util::{In, Signal, Terminal, Tool, ms};

const V4: &str = "127.0.0.1";
const V6: &str = "::1";

/// A key in a file, in a folder of its own.
fn key_file(key: &[u8]) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path: &Path = &dir.path().join("key");
    fs::write(path, key).unwrap();
    let option = format!("--md5sig-key-file={}", path.display());
    (dir, option)
}

#[test]
fn segments_are_signed_with_the_same_key_on_both_sides() {
    for host in [V4, V6] {
        let (_dir, file) = key_file(b"the key\r\nnot the key\n");
        let (run, port) = Tool::listen_with(&["-S", &file], &[host, "0"]).start_listening();
        let client = ["-S", "--md5sig-key-env=OXNC_KEY", host, &port.to_string()];
        let done = Tool::oxnc(&client)
            .under(&["env", "OXNC_KEY=the key"])
            .stdin(In::Bytes(b"signed".to_vec()))
            .run();
        done.succeeds();
        run.wait().succeeds().wrote(b"signed");
    }
}

#[test]
fn another_key_and_no_key_at_all_look_like_nobody() {
    let (_dir, right) = key_file(b"right");
    let (_other_dir, wrong) = key_file(b"wrong");
    let (run, port) = Tool::listen(&["-S", &right]).start_listening();
    for options in [&["-S", wrong.as_str()][..], &[]] {
        let done = Tool::connect(port, &["--connect-timeout=500ms"])
            .args(options)
            .run();
        done.fails(124, &["no connection"]).took_about(ms(500));
    }
    let client = Tool::connect(port, &["-S", &right]).stdin(In::Bytes(b"signed".to_vec()));
    client.run().succeeds();
    run.wait().succeeds().wrote(b"signed");
}

#[test]
fn a_key_that_cannot_be_is_explained() {
    let (_dir, long) = key_file(&[b'x'; 81]);
    let (_empty_dir, empty) = key_file(b"\nsecond line");
    let (_longest_dir, longest) = key_file(&[b'x'; 80]);
    let connect = |words: &[&str]| Tool::connect(1, &["-S", "--connect-timeout=100ms"]).args(words);
    connect(&[&long]).run().fails(2, &["key", "80 bytes"]);
    connect(&[&empty]).run().fails(2, &["key", "empty"]);
    connect(&[&longest]).run().fails(124, &[]);
    let unset = ["--md5sig-key-env=OXNC_NO_SUCH"];
    connect(&unset).run().fails(2, &["OXNC_NO_SUCH", "not set"]);
    let missing = ["--md5sig-key-file=/nonexistent"];
    connect(&missing)
        .run()
        .fails(4, &["/nonexistent", "no such file"]);
    let endless = ["--md5sig-key-file=/dev/zero"];
    connect(&endless).run().fails(2, &["80 bytes"]);
}

#[test]
fn a_key_that_does_not_come_is_waited_for_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = crate::util::fifo(dir.path());
    let option = format!("--md5sig-key-file={}", fifo.display());
    let words = ["-S", option.as_str(), V4, "1"];
    let late = Tool::oxnc(&["--max-time=500ms"]).args(&words).run();
    late.fails(124, &["--max-time"]).took_about(ms(500));
    let run = Tool::oxnc(&words).start();
    run.runs_on_for(ms(200));
    run.signal(Signal::TERM);
    run.wait().dies_of(Signal::TERM);
    let run = Tool::oxnc(&["--connect-timeout=100ms"])
        .args(&words)
        .start();
    fs::write(&fifo, "key\n").unwrap();
    run.wait().fails(124, &["--connect-timeout"]);
}

#[test]
fn a_key_is_asked_for_on_the_terminal_without_an_echo() {
    let (_dir, file) = key_file(b"s3cret");
    let (server, port) = Tool::listen(&["-S", &file]).start_listening();
    let mut terminal = Terminal::new();
    let settings = terminal.settings();
    let run = Tool::connect(port, &["-S"])
        .stdin(In::Fd(terminal.side()))
        .under(&["setsid", "-c"])
        .start();
    terminal.screen.wait_for_text("key: ");
    assert_ne!(terminal.settings(), settings);
    terminal.type_in("s3cret\n");
    // It is connected when what is typed next arrives there.
    terminal.screen.wait_for_text("key: \r\n");
    terminal.type_in("hello\n");
    server.stdout().wait_for(6);
    assert_eq!(terminal.settings(), settings);
    terminal.type_in("\x04");
    server.wait().succeeds().wrote(b"hello\n");
    run.wait().succeeds();
    let screen = String::from_utf8_lossy(&terminal.screen.so_far()).into_owned();
    assert!(!screen.contains("s3cret"), "{screen:?}");
}

#[test]
fn the_terminal_is_as_before_when_nobody_answers() {
    let mut terminal = Terminal::new();
    let script = "trap : INT; stty -g; \"$@\"; echo $?; stty -g";
    let run = Tool::connect(1, &["-S"])
        .stdin(In::Fd(terminal.side()))
        .under(&["setsid", "-c", "sh", "-c", script, "sh"])
        .start();
    terminal.screen.wait_for_text("key: ");
    // Suspending it is switched off, interrupting it is not.
    terminal.type_in("\x1a\x03");
    let done = run.wait();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let lines = text.lines().collect::<Vec<_>>();
    let [before, status, after] = lines[..] else {
        panic!("{lines:?}")
    };
    assert_eq!((status, after), ("130", before));
}

#[test]
fn without_a_terminal_the_other_ways_are_named() {
    let done = Tool::connect(1, &["-S"]).under(&["setsid"]).run();
    done.fails(2, &["no terminal", "--md5sig-key-file"]);
}
