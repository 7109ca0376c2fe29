//! The other netcats at the other end, with the options under which they lose nothing themselves.
//!
//! What they need: OpenBSD's nc sends a FIN only with `-N`, and with it a client must not half
//! close before the server has sent everything; `ncat --send-only` and `socat -u` lose data when
//! the other side says anything, so nothing is said to them.

use crate::util::{In, Net, Out, Running, Tool, data::RandomFile};

const SIZE: u64 = 8 << 20;
/// A namespace's ports are all free.
const PORT: &str = "4000";

/// Who is at the other end, and the words it takes there.
struct Other {
    program: &'static str,
    words: &'static [&'static str],
    /// What it says once it listens.
    ready: &'static str,
}

const fn client(program: &'static str, words: &'static [&'static str]) -> Other {
    Other {
        program,
        words,
        ready: "",
    }
}

const fn server(
    program: &'static str,
    words: &'static [&'static str],
    ready: &'static str,
) -> Other {
    Other {
        program,
        words,
        ready,
    }
}

#[test]
fn openbsd_nc_sends_to_our_listener() {
    other_connects_and_sends(&client("nc.openbsd", &["-N", "127.0.0.1"]));
}

#[test]
fn openbsd_nc_with_quit_after_sends_to_our_listener() {
    other_connects_and_sends(&client("nc.openbsd", &["-q1", "127.0.0.1"]));
}

#[test]
fn ncat_sends_to_our_listener() {
    other_connects_and_sends(&client("ncat", &["127.0.0.1"]));
}

#[test]
fn ncat_send_only_sends_to_our_listener() {
    other_connects_and_sends(&client("ncat", &["--send-only", "127.0.0.1"]));
}

#[test]
fn socat_sends_to_our_listener() {
    other_connects_and_sends(&client("socat", &["-u", "STDIO", "TCP:127.0.0.1:{port}"]));
}

#[test]
fn openbsd_nc_receives_from_our_listener() {
    other_connects_and_receives(&client("nc.openbsd", &["-d", "127.0.0.1"]));
}

#[test]
fn openbsd_nc_with_an_ended_stdin_receives_from_our_listener() {
    other_connects_and_receives(&client("nc.openbsd", &["127.0.0.1"]));
}

#[test]
fn ncat_receives_from_our_listener() {
    other_connects_and_receives(&client("ncat", &["--recv-only", "127.0.0.1"]));
}

#[test]
fn ncat_that_half_closes_at_once_receives_from_our_listener() {
    other_connects_and_receives(&client("ncat", &["127.0.0.1"]));
}

#[test]
fn socat_receives_from_our_listener() {
    other_connects_and_receives(&client("socat", &["-u", "TCP:127.0.0.1:{port}", "STDOUT"]));
}

#[test]
fn socat_that_half_closes_at_once_receives_from_our_listener() {
    let words = &["-t", "10", "STDIO", "TCP:127.0.0.1:{port}"];
    other_connects_and_receives(&client("socat", words));
}

#[test]
fn openbsd_nc_listens_and_sends_to_us() {
    let words = &["-v", "-n", "-N", "-l", "127.0.0.1", PORT];
    other_listens_and_sends(&server("nc.openbsd", words, "Listening on"));
}

#[test]
fn ncat_listens_and_sends_to_us() {
    let words = &["-v", "-n", "--send-only", "-l", "127.0.0.1", PORT];
    other_listens_and_sends(&server("ncat", words, "Listening on"));
}

#[test]
fn socat_listens_and_sends_to_us() {
    let words = &["-d", "-d", "-u", "STDIN", "TCP-LISTEN:4000,bind=127.0.0.1"];
    other_listens_and_sends(&server("socat", words, "listening on"));
}

#[test]
fn openbsd_nc_listens_and_receives_from_us() {
    let words = &["-v", "-n", "-d", "-l", "127.0.0.1", PORT];
    other_listens_and_receives(&server("nc.openbsd", words, "Listening on"));
}

#[test]
fn openbsd_nc_that_half_closes_at_once_receives_from_us() {
    let words = &["-v", "-n", "-N", "-l", "127.0.0.1", PORT];
    other_listens_and_receives(&server("nc.openbsd", words, "Listening on"));
}

#[test]
fn ncat_listens_and_receives_from_us() {
    let words = &["-v", "-n", "--recv-only", "-l", "127.0.0.1", PORT];
    other_listens_and_receives(&server("ncat", words, "Listening on"));
}

#[test]
fn socat_listens_and_receives_from_us() {
    let words = &["-d", "-d", "-u", "TCP-LISTEN:4000,bind=127.0.0.1", "STDOUT"];
    other_listens_and_receives(&server("socat", words, "listening on"));
}

/// (ncat 7.93 forgets what a `-c` command says after the end of its input.)
#[test]
fn an_answer_after_our_end_comes_back_from_socat() {
    needs!("root", "socat");
    let net = Net::new();
    let words = &[
        "-d",
        "-d",
        "-t10",
        "TCP-LISTEN:4000",
        "SYSTEM:cat; sleep 0.3; echo bye",
    ];
    let other = start_listening(
        &net,
        &server("socat", words, "listening on"),
        In::Null,
        Out::Keep,
    );
    let us = net.tool(Tool::oxnc(&["127.0.0.1", PORT]));
    us.stdin(In::Bytes(b"hello\n".to_vec()))
        .run()
        .succeeds()
        .wrote(b"hello\nbye\n");
    other.wait().exits(0);
}

fn other_connects_and_sends(other: &Other) {
    needs!(other.program);
    let file = RandomFile::new(SIZE, 2);
    let (us, port) = Tool::listen(&[]).stdout(Out::Digest).start_listening();
    connecting(other, port)
        .stdin(In::File(file.path()))
        .run()
        .exits(0);
    let us = us.wait();
    us.succeeds();
    assert_eq!(us.digest, file.digest);
}

fn other_connects_and_receives(other: &Other) {
    needs!(other.program);
    let file = RandomFile::new(SIZE, 3);
    let (us, port) = Tool::listen(&[])
        .stdin(In::File(file.path()))
        .start_listening();
    let done = connecting(other, port).stdout(Out::Digest).run();
    us.wait().succeeds().wrote(b"");
    done.exits(0);
    assert_eq!(done.digest, file.digest);
}

fn other_listens_and_sends(other: &Other) {
    needs!("root", other.program);
    let file = RandomFile::new(SIZE, 4);
    let net = Net::new();
    let server = start_listening(&net, other, In::File(file.path()), Out::Keep);
    let us = net
        .tool(Tool::oxnc(&["127.0.0.1", PORT]))
        .stdout(Out::Digest)
        .run();
    us.succeeds();
    assert_eq!(us.digest, file.digest);
    server.wait().exits(0);
}

fn other_listens_and_receives(other: &Other) {
    needs!("root", other.program);
    let file = RandomFile::new(SIZE, 5);
    let net = Net::new();
    let server = start_listening(&net, other, In::Null, Out::Digest);
    let us = net
        .tool(Tool::oxnc(&["127.0.0.1", PORT]))
        .stdin(In::File(file.path()))
        .run();
    us.succeeds().wrote(b"");
    let done = server.wait();
    done.exits(0);
    assert_eq!(done.digest, file.digest);
}

fn connecting(other: &Other, port: u16) -> Tool {
    let port = port.to_string();
    let mut tool = Tool::program(other.program, &[]);
    for word in other.words {
        tool = tool.arg(word.replace("{port}", &port));
    }
    if other.program == "socat" {
        tool
    } else {
        tool.arg(port)
    }
}

fn start_listening(net: &Net, other: &Other, stdin: In, stdout: Out) -> Running {
    let tool = net.tool(Tool::program(other.program, other.words));
    let running = tool.stdin(stdin).stdout(stdout).start();
    running.stderr.wait_for_text(other.ready);
    running
}
