//! Users and passwords for a proxy: where they come from, what a proxy is told of them, and that
//! nobody else is.

use std::{fs, io::Write as _, os::fd::AsRawFd as _, path::Path};

use crate::util::{
    Done, In, Running, Server, Signal, Terminal, Tool, Trace, fifo, ms, pipe,
    proxies::Kind::{self, Connect, Socks4, Socks5},
};

const PASSWORD: &str = "hunter2";

/// Runs it against a proxy that wants `bob` and `hunter2`, and gets them.
#[track_caller]
fn logs_in(kind: Kind, wire: impl Fn(Tool) -> Tool) -> Done {
    let server = Server::new();
    let run = wire(kind.tool(server.port(), &[])).start();
    gets_the_password(kind, &server, run)
}

#[track_caller]
fn gets_the_password(kind: Kind, server: &Server, run: Running) -> Done {
    let mut peer = server.accept();
    let cmdline = fs::read_to_string(format!("/proc/{}/cmdline", run.pid())).unwrap();
    assert!(!cmdline.contains(PASSWORD), "{cmdline:?}");
    match kind {
        Connect => {
            let request = "CONNECT example.invalid:443 HTTP/1.1\r\nHost: example.invalid:443\r\n\
                           Proxy-Authorization: Basic Ym9iOmh1bnRlcjI=\r\n\r\n";
            let asked = String::from_utf8(peer.recv(request.len())).unwrap();
            assert_eq!(asked, request);
            peer.send(Connect.answers()[0]);
        }
        _ => {
            assert_eq!(peer.recv(4), b"\x05\x02\0\x02");
            peer.send(b"\x05\x02");
            assert_eq!(peer.recv(13), b"\x01\x03bob\x07hunter2");
            peer.send(b"\x01\0");
            peer.recv(Socks5.questions()[1].len());
            peer.send(Socks5.answers()[1]);
        }
    }
    peer.close();
    let done = run.wait();
    done.exits(0);
    for shown in [PASSWORD, "Ym9iOmh1bnRlcjI"] {
        assert!(!done.stderr.contains(shown), "{}", done.stderr);
    }
    done
}

fn file(dir: &Path, text: &str) -> String {
    let path = dir.join("secret");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_file_holds_the_user_and_the_password() {
    let dir = tempfile::tempdir().unwrap();
    for text in ["bob:hunter2", "bob:hunter2\n", "bob:hunter2\r\n# a note\n"] {
        let path = file(dir.path(), text);
        for kind in [Socks5, Connect] {
            logs_in(kind, |tool| tool.args(&["--proxy-auth-file", &path])).succeeds();
        }
    }
}

#[test]
fn a_file_holds_the_password_of_a_user() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "hunter2\n");
    for kind in [Socks5, Connect] {
        let words = ["-P", "bob", "--proxy-auth-file", &path];
        logs_in(kind, |tool| tool.args(&words)).succeeds();
    }
}

#[test]
fn the_environment_holds_the_user_and_the_password() {
    for kind in [Socks5, Connect] {
        let full = |tool: Tool| {
            let tool = tool.args(&["--proxy-auth-env=SECRET"]);
            tool.under(&["env", "SECRET=bob:hunter2"])
        };
        logs_in(kind, full).succeeds();
        let half = |tool: Tool| {
            let tool = tool.args(&["-P", "bob", "--proxy-auth-env=SECRET"]);
            tool.under(&["env", "SECRET=hunter2"])
        };
        logs_in(kind, half).succeeds();
    }
}

#[test]
fn a_descriptor_brings_the_user_and_the_password() {
    logs_in(Socks5, |tool| {
        let (rx, mut tx) = pipe();
        tx.write_all(b"bob:hunter2\n").unwrap();
        let word = format!("--proxy-auth-file=fd:{}", rx.as_raw_fd());
        tool.arg(word).inherit(rx.into())
    })
    .succeeds();
}

#[test]
fn a_named_pipe_brings_them_when_its_writer_comes() {
    let dir = tempfile::tempdir().unwrap();
    let path = fifo(dir.path());
    let word = format!("--proxy-auth-file={}", path.display());
    let server = Server::new();
    let run = Socks5.tool(server.port(), &[&word]).start();
    run.runs_on_for(ms(100));
    let mut writer = fs::OpenOptions::new().write(true).open(path).unwrap();
    writer.write_all(b"bob:hun").unwrap();
    run.runs_on_for(ms(50));
    writer.write_all(b"ter2\n").unwrap();
    gets_the_password(Socks5, &server, run).succeeds();
}

#[test]
fn a_wait_for_a_password_is_ended_by_a_signal_or_a_limit() {
    let dir = tempfile::tempdir().unwrap();
    let word = format!("--proxy-auth-file={}", fifo(dir.path()).display());
    let (trace, tool) = Trace::of(Socks5.tool(9, &[&word]), &["-e", "trace=all"]);
    let run = tool.start();
    trace.settle();
    run.signal(Signal::TERM);
    run.wait().dies_of(Signal::TERM);
    Socks5
        .tool(9, &[&word, "--max-time=300ms"])
        .run()
        .fails(124, &["password", "--max-time"])
        .took_about(ms(300));
}

#[test]
fn the_log_does_not_show_the_password() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "bob:hunter2");
    for kind in [Socks5, Connect] {
        let words = ["-vvv", "--proxy-auth-file", &path];
        let done = logs_in(kind, |tool| tool.args(&words));
        assert!(done.stderr.lines().count() > 5, "{}", done.stderr);
    }
}

#[test]
fn a_refused_password_is_a_matter_of_trust() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "bob:hunter2");
    let answers: [(Kind, &[u8]); 4] = [
        (Socks5, b"\x05\x02\x01\x01"),
        (Socks5, b"\x05\x02\x01\xff"),
        (Connect, b"HTTP/1.1 407 Authenticate\r\n\r\n"),
        (
            Connect,
            b"HTTP/1.0 407 Proxy Authentication Required\r\nContent-Length: 5\r\n\r\nwrong",
        ),
    ];
    for (kind, answer) in answers {
        let server = Server::new();
        let run = kind
            .tool(server.port(), &["--proxy-auth-file", &path])
            .start();
        let mut peer = server.accept();
        peer.send(answer);
        let port = server.port().to_string();
        let words = ["127.0.0.1", &port, "example.invalid", "password"];
        let done = run.wait();
        done.fails(6, &words);
        assert!(!done.stderr.contains(PASSWORD), "{}", done.stderr);
        // What was sent is of no matter here.
        drop(peer);
    }
}

#[test]
fn what_holds_no_password_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let gone = dir.path().join("gone");
    let gone = gone.to_str().unwrap();
    let place = dir.path().to_str().unwrap();
    let with = |options: &[&str]| Socks5.tool(9, options).run();
    with(&["--proxy-auth-file", gone]).fails(4, &["gone", "no such file"]);
    with(&["--proxy-auth-file", place]).fails(4, &[place, "directory"]);
    with(&["--proxy-auth-file=fd:99"]).fails(2, &["99", "not open"]);
    with(&["--proxy-auth-env=NO_SUCH_NAME"]).fails(2, &["NO_SUCH_NAME", "not set"]);
    for (text, word) in [
        ("", "empty"),
        ("\n", "empty"),
        ("hunter2\n", "USER:PASSWORD"),
    ] {
        let path = file(dir.path(), text);
        let done = with(&["--proxy-auth-file", &path]);
        done.fails(2, &[&path, word]);
        assert!(!done.stderr.contains(PASSWORD), "{}", done.stderr);
    }
    let path = file(dir.path(), &format!("bob:{}", "x".repeat(100_000)));
    with(&["--proxy-auth-file", &path]).fails(2, &[&path, "8192"]);
    // SOCKS5 has one byte for a length.
    let path = file(dir.path(), &format!("bob:{}", "x".repeat(256)));
    with(&["--proxy-auth-file", &path]).fails(2, &["255 bytes"]);
}

#[test]
fn without_a_terminal_nobody_can_be_asked() {
    needs!("setsid");
    let done = Socks5.tool(9, &["-P", "bob"]).under(&["setsid"]).run();
    done.fails(2, &["no terminal", "--proxy-auth-file"]);
    // Nobody has to be: SOCKS4 knows no passwords.
    let server = Server::new();
    let run = Socks4
        .tool(server.port(), &["-P", "bob"])
        .under(&["setsid"])
        .start();
    let mut peer = server.accept();
    peer.recv(Socks4.questions()[0].len() + 3);
    peer.send(Socks4.answers()[0]);
    peer.close();
    run.wait().succeeds();
}

/// Runs it at a terminal of its own, up to the question.
fn asked(terminal: &Terminal, kind: Kind, server: &Server, options: &[&str]) -> Running {
    let run = kind
        .tool(server.port(), options)
        .args(&["-P", "bob"])
        .stdin(In::Fd(terminal.side()))
        .under(&["setsid", "-c"])
        .start();
    terminal
        .screen
        .wait_for_text("Proxy password for bob@127.0.0.1: ");
    run
}

#[test]
fn a_password_is_asked_for_and_not_shown() {
    needs!("setsid");
    for kind in [Socks5, Connect] {
        let server = Server::new();
        let mut terminal = Terminal::new();
        let before = terminal.settings();
        let run = asked(&terminal, kind, &server, &[]);
        assert_ne!(terminal.settings(), before, "it would be shown");
        // Corrected with the backspace key.
        terminal.type_in("hunter3\x7f2\n");
        gets_the_password(kind, &server, run);
        assert_eq!(terminal.settings(), before);
        let expected = "Proxy password for bob@127.0.0.1: \r\n";
        terminal.screen.wait_for(expected.len() as u64);
        let shown = String::from_utf8(terminal.screen.so_far()).unwrap();
        assert_eq!(shown, expected);
    }
}

#[test]
fn the_terminal_is_as_before_whatever_ends_the_question() {
    needs!("setsid");
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let (server, terminal) = (Server::new(), Terminal::new());
        let before = terminal.settings();
        let run = asked(&terminal, Socks5, &server, &[]);
        run.signal(signal);
        run.wait().dies_of(signal);
        assert_eq!(terminal.settings(), before, "{signal:?}");
    }
    // Ctrl-C; Ctrl-\ and Ctrl-Z could not be followed by a clean-up.
    let (server, mut terminal) = (Server::new(), Terminal::new());
    let before = terminal.settings();
    let run = asked(&terminal, Socks5, &server, &[]);
    terminal.type_in("\x1c\x1a");
    run.runs_on_for(ms(100));
    terminal.type_in("\x03");
    run.wait().dies_of(Signal::INT);
    assert_eq!(terminal.settings(), before);
    // A limit.
    let (server, terminal) = (Server::new(), Terminal::new());
    let run = asked(&terminal, Socks5, &server, &["--max-time=400ms"]);
    run.wait().fails(124, &["password", "--max-time"]);
    assert_eq!(terminal.settings(), before);
    // Ctrl-D.
    let (server, mut terminal) = (Server::new(), Terminal::new());
    let run = asked(&terminal, Socks5, &server, &[]);
    terminal.type_in("\x04");
    run.wait().fails(2, &["password", "empty"]);
    assert_eq!(terminal.settings(), before);
    assert!(!server.has_client_within(ms(0)));
}

#[test]
fn the_time_to_type_is_not_the_proxys() {
    needs!("setsid");
    let (server, mut terminal) = (Server::new(), Terminal::new());
    let run = asked(&terminal, Socks5, &server, &["--connect-timeout=300ms"]);
    run.runs_on_for(ms(500));
    terminal.type_in("hunter2\n");
    gets_the_password(Socks5, &server, run);
}

#[test]
fn the_conversation_goes_on_at_the_same_terminal() {
    needs!("setsid");
    let (server, mut terminal) = (Server::new(), Terminal::new());
    let run = asked(&terminal, Connect, &server, &[]);
    terminal.type_in("hunter2\n");
    let mut peer = server.accept();
    peer.recv(
        Connect.questions()[0].len() + "Proxy-Authorization: Basic Ym9iOmh1bnRlcjI=\r\n".len(),
    );
    peer.send(Connect.answers()[0]);
    peer.send(b"welcome");
    run.stdout().wait_for_text("welcome");
    terminal.type_in("hello\n");
    assert_eq!(peer.recv(6), b"hello\n");
    terminal.screen.wait_for_text("hello");
    peer.close();
    run.wait().exits(0);
}

#[test]
fn a_password_is_asked_for_once_however_often_the_proxy_is() {
    needs!("setsid");
    for kind in [Socks5, Connect] {
        let (server, mut terminal) = (Server::new(), Terminal::new());
        let run = asked(&terminal, kind, &server, &["--retry"]);
        terminal.type_in("hunter2\n");
        for _ in 0..3 {
            let mut peer = server.accept();
            peer.recv(3);
            peer.close();
        }
        gets_the_password(kind, &server, run);
        let expected = "Proxy password for bob@127.0.0.1: \r\n";
        terminal.screen.wait_for(expected.len() as u64);
        let shown = String::from_utf8(terminal.screen.so_far()).unwrap();
        assert_eq!(shown, expected);
    }
}

#[test]
fn what_brings_a_password_once_brings_it_for_every_try() {
    let (rx, mut tx) = pipe();
    tx.write_all(b"bob:hunter2\n").unwrap();
    drop(tx);
    let word = format!("--proxy-auth-file=fd:{}", rx.as_raw_fd());
    let server = Server::new();
    let tool = Socks5.tool(server.port(), &["--retry", &word]);
    let run = tool.inherit(rx.into()).start();
    for _ in 0..2 {
        server.accept().close();
    }
    gets_the_password(Socks5, &server, run).succeeds();
}
