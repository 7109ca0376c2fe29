//! The command that takes the place of oxnc.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::{at, silent, wait};
use crate::util::{Done, In, Net, Out, Server, Signal, Terminal, Tool, Trace, ms};

/// What a command has come to that is executed at once.
fn executed(words: &[&str]) -> Done {
    let server = Server::new();
    wait(&[&at(&server), "--"]).args(words).run()
}

/// A script of sh as the command; what it has written.
#[track_caller]
fn written(script: &str) -> String {
    let done = executed(&["sh", "-c", script]);
    String::from_utf8(done.succeeds().stdout.clone()).unwrap()
}

#[test]
fn it_is_executed_when_the_wait_is_over_and_not_before() {
    let server = Server::closed();
    let run = wait(&["-v", &at(&server), "--", "echo", "up"]).start();
    super::missing(&run, "Connection refused");
    run.runs_on_for(ms(100));
    assert_eq!(run.stdout().count(), 0);
    server.open();
    run.wait().exits(0).wrote(b"up\n");
}

#[test]
fn it_is_not_executed_when_time_is_over() {
    let server = Server::closed();
    let words = ["--wait-for=0.2", &at(&server), "--", "echo", "up"];
    Tool::oxnc(&words)
        .run()
        .fails(124, &["not open"])
        .wrote(b"");
    let words = [
        "--wait-for=20",
        "--max-time=0.2",
        &at(&server),
        "--",
        "echo",
        "up",
    ];
    Tool::oxnc(&words)
        .run()
        .fails(124, &["--max-time"])
        .wrote(b"");
}

#[test]
fn its_status_is_ours() {
    silent(&executed(&["true"]), 0);
    silent(&executed(&["false"]), 1);
    silent(&executed(&["sh", "-c", "exit 7"]), 7);
    silent(&executed(&["sh", "-c", "exit 124"]), 124);
    for signal in ["TERM", "KILL"] {
        let done = executed(&["sh", "-c", &format!("kill -{signal} $$")]);
        let expected = if signal == "TERM" {
            Signal::TERM
        } else {
            Signal::KILL
        };
        assert_eq!(done.dies_of(expected).stderr, "");
    }
}

#[test]
fn without_a_command_nothing_is_executed() {
    let server = Server::new();
    silent(&wait(&[&at(&server)]).run(), 0);
    silent(&wait(&[&at(&server), "--"]).run(), 0);
}

#[test]
fn it_is_the_same_process() {
    let server = Server::new();
    let run = wait(&[&at(&server), "--", "sh", "-c", "echo $$"]).start();
    let pid = run.pid().to_string();
    let done = run.wait();
    assert_eq!(done.succeeds().stdout.trim_ascii(), pid.as_bytes());
}

/// Options of its own, words that are empty or have blanks, more dashes: all are its own.
#[test]
fn its_arguments_are_its_own() {
    let script = r#"for word; do printf '<%s>' "$word"; done"#;
    let words = ["sh", "-c", script, "sh"];
    let more = ["-v", "--wait-for", "9", "", "a b", "--", "*", "--help", "-"];
    let done = executed(&[&words[..], &more].concat());
    done.succeeds();
    done.wrote(b"<-v><--wait-for><9><><a b><--><*><--help><->");
}

/// Bytes that are no UTF-8 are passed on as they are.
#[test]
fn its_arguments_are_bytes() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

    let server = Server::new();
    let word = OsStr::from_bytes(b"\xff\x1b");
    let tool = wait(&[&at(&server), "--", "printf", "%s"]).arg(word);
    tool.run().succeeds().wrote(b"\xff\x1b");
}

#[test]
fn a_command_that_is_not_there_is_127() {
    let done = executed(&["oxnc-no-such-command", "word"]);
    done.fails(
        127,
        &["cannot execute 'oxnc-no-such-command'", "no such file"],
    );
    executed(&["/no/such/command"]).fails(127, &["'/no/such/command'"]);
    // Whatever it looks like.
    executed(&["--weird"]).fails(127, &["'--weird'"]);
}

#[test]
fn a_command_that_cannot_be_executed_is_126() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("command");
    fs::write(&file, "#!/no/such/interpreter\n").unwrap();
    let word = file.to_str().unwrap();
    executed(&[word]).fails(126, &[word, "permission denied"]);
    executed(&["/"]).fails(126, &["'/'", "permission denied"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    // As with sh: whatever is missing, it is missing.
    executed(&[word]).fails(127, &[word, "no such file"]);
}

#[test]
fn an_empty_command_is_a_mistake() {
    let server = Server::new();
    let done = wait(&[&at(&server), "--", ""]).run();
    done.fails(2, &["the command behind '--' is empty"]);
    assert!(!server.has_client_within(ms(0)));
    wait(&["--", "true"]).run().fails(2, &["HOST:PORT"]);
}

/// Not a byte of stdin was read before.
#[test]
fn its_stdin_is_all_there() {
    let input = b"question\n".repeat(1000);
    let server = Server::closed();
    let words = ["-v", &at(&server), "--", "cat"];
    let run = wait(&words).stdin(In::Bytes(input.clone())).start();
    super::missing(&run, "Connection refused");
    server.open();
    run.wait().exits(0).wrote(&input);

    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &input).unwrap();
    let server = Server::new();
    let run = wait(&[&at(&server), "--", "cat"]).stdin(In::File(file.path().into()));
    run.run().succeeds().wrote(&input);
}

#[test]
fn a_terminal_is_as_it_was() {
    let mut terminal = Terminal::new();
    let before = terminal.settings();
    let server = Server::new();
    let script = "test -t 0 && test -t 1 && read word && echo \"<$word>\"";
    let run = wait(&[&at(&server), "--", "sh", "-c", script])
        .stdin(In::Fd(terminal.side()))
        .stdout(Out::Fd(terminal.side()))
        .start();
    terminal.type_in("word\n");
    silent(&run.wait(), 0);
    terminal.screen.wait_for_text("<word>");
    assert_eq!(terminal.settings(), before);
}

/// O_NONBLOCK would be seen by everybody who shares a descriptor.
#[test]
fn its_descriptors_block_as_they_did() {
    let flags = written("grep -h flags: /proc/self/fdinfo/[012]");
    for line in flags.lines() {
        let flags = u32::from_str_radix(line.trim_start_matches("flags:").trim(), 8).unwrap();
        assert_eq!(flags & 0o4000, 0, "{line}");
    }
    assert_eq!(flags.lines().count(), 3);
}

/// It has what the test has itself, and nothing else.
#[test]
fn no_descriptor_of_ours_is_left() {
    let list = ["ls", "/proc/self/fd"];
    let before = Tool::program(list[0], &list[1..]).run().stdout;
    executed(&list).succeeds().wrote(&before);
    // Nor when hundreds of tests are under way.
    needs!("root", "nft");
    let net = Net::new();
    net.drop_input("tcp dport 4000-4499 drop");
    let _server = net.inside(|| Server::on(([127, 0, 0, 1], 4500)));
    let words = ["--any", "127.0.0.1:4000-4500", "--"];
    let done = net.tool(wait(&words).args(&list)).run();
    done.succeeds().wrote(&before);
    // And those that it was given stay.
    let (_rx, tx) = crate::util::pipe();
    let server = Server::new();
    let tool = wait(&[&at(&server), "--", "sh", "-c", "ls /proc/$$/fd"]);
    let given = std::os::fd::AsRawFd::as_raw_fd(&tx).to_string();
    let done = tool.inherit(tx.into()).run();
    let left = String::from_utf8(done.succeeds().stdout.clone()).unwrap();
    assert!(left.lines().any(|line| line == given), "{left}");
}

/// As a shell with this beginning starts us.
#[track_caller]
fn begun(beginning: &str, command: &str) -> Done {
    let server = Server::new();
    let script = format!("{beginning}; exec \"$0\" --wait-for 20 \"$1\" -- sh -c \"$2\"");
    let words = [env!("CARGO_BIN_EXE_oxnc"), &at(&server), command];
    Tool::program("sh", &["-c", &script]).args(&words).run()
}

#[test]
fn its_environment_place_and_limits_are_those_that_we_were_given() {
    let done = begun(
        "export WORD='a b'; cd /usr; umask 027; ulimit -Sn 100; ulimit -Hn 200",
        "echo \"$WORD\"; pwd; umask; ulimit -Sn; ulimit -Hn",
    );
    done.succeeds().wrote(b"a b\n/usr\n0027\n100\n200\n");
}

#[test]
fn signals_are_as_they_were() {
    begun("true", "kill -PIPE $$; echo alive")
        .dies_of(Signal::PIPE)
        .wrote(b"");
    begun("true", "kill -USR1 $$; echo alive")
        .dies_of(Signal::USR1)
        .wrote(b"");
    for signal in ["PIPE", "USR1", "TERM", "HUP"] {
        let done = begun(
            &format!("trap '' {signal}"),
            &format!("kill -{signal} $$; echo alive"),
        );
        done.succeeds().wrote(b"alive\n");
    }
    let blocked = |script: &str| begun(script, "grep SigBlk: /proc/self/status");
    blocked("true")
        .succeeds()
        .wrote(b"SigBlk:\t0000000000000000\n");
}

/// The calls of a run up to the one by which the command takes its place, of those named here.
fn calls_before_the_command(to: &str, call: &str) -> usize {
    let options = ["-e", &format!("trace=execve,{call}")];
    let (trace, tool) = Trace::of(wait(&[to, "--", "true"]), &options);
    silent(&tool.run(), 0);
    let lines = trace.lines();
    let last = lines.iter().rposition(|line| line.contains("execve("));
    let calls = lines.iter().take(last.unwrap());
    calls
        .filter(|line| line.contains(&format!("{call}(")))
        .count()
}

/// A signal that comes in the last moments ends the run, or the command, but is not lost.
#[test]
fn a_signal_just_before_the_command_is_not_lost() {
    needs!("strace");
    let server = Server::new();
    for (call, how_many) in [("rt_sigaction", 7), ("prlimit64", 1)] {
        let last = calls_before_the_command(&at(&server), call);
        for n in last - how_many + 1..=last {
            let inject = format!("inject={call}:signal=TERM:when={n}");
            let options = ["-e", &format!("trace={call}"), "-e", &inject];
            let words = [&at(&server), "--", "echo", "up"];
            let (_trace, tool) = Trace::of(wait(&words), &options);
            let done = tool.run();
            assert_eq!(done.dies_of(Signal::TERM).stderr, "", "{inject}");
            done.wrote(b"");
        }
    }
}

#[test]
fn without_wait_for_two_dashes_end_the_options() {
    let server = Server::new();
    let port = server.port().to_string();
    silent(&Tool::oxnc(&["-z", "--", "127.0.0.1", &port]).run(), 0);
    let done = Tool::oxnc(&["-z", "127.0.0.1", &port, "--", "no command"]).run();
    done.fails(2, &["'no command'"]);
}
