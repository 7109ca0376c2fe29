//! What is printed, and what never is.

use crate::util::{Done, In, Out, Peer, Running, Server, Signal, Tool, ms};

/// A run in which both sides say something and all is well.
fn conversation(options: &[&str]) -> Done {
    let server = Server::new();
    let run = Tool::connect(server.port(), options)
        .stdin(In::Bytes(b"question".to_vec()))
        .start();
    let mut peer = server.accept();
    assert_eq!(peer.recv_all(), b"question");
    peer.send(b"answer");
    peer.close();
    let done = run.wait();
    done.exits(0).wrote(b"answer");
    done
}

#[test]
fn success_is_silent() {
    conversation(&[]).succeeds();
}

#[test]
fn each_v_tells_more_and_none_of_it_on_stdout() {
    let lines = ["-v", "-vv", "-vvv"].map(|option| {
        let done = conversation(&[option]);
        assert!(done.stderr.contains("127.0.0.1"), "{}", done.stderr);
        assert!(done.stderr.ends_with('\n'), "{}", done.stderr);
        done.stderr.lines().count()
    });
    let [one, two, three] = lines;
    assert!(0 < one && one < two && two < three, "{lines:?}");
}

#[test]
fn v_may_be_given_several_times() {
    let together = conversation(&["-vv"]).stderr.lines().count();
    let apart = conversation(&["-v", "-v"]).stderr.lines().count();
    assert_eq!(together, apart);
}

#[test]
fn the_closing_line_says_how_far_delivery_went() {
    let done = conversation(&["-v"]);
    let last = done.stderr.lines().last().unwrap_or_default();
    assert!(
        last.contains('8') && last.contains('6'),
        "no byte counts in {last:?}"
    );
}

#[test]
fn a_listener_tells_where_it_listens_and_who_came() {
    let (run, port) = Tool::listen(&["-v"]).start_listening();
    run.stderr.wait_for_text(&port.to_string());
    let peer = Peer::connect(port);
    run.stderr.wait_for_text(&peer.local().port().to_string());
    peer.close();
    run.wait().exits(0);
}

/// Asks for the counters; the answer is a line with both of them.
fn asks(run: &Running, counters: [&str; 2]) {
    let before = run.stderr.so_far().len();
    run.signal(Signal::USR1);
    run.stderr.wait_for(before as u64 + 1);
    run.stderr.wait_for_text("\n");
    let text = String::from_utf8_lossy(&run.stderr.so_far()).into_owned();
    for counter in counters {
        assert!(text.contains(counter), "no {counter:?} in {text:?}");
    }
}

#[test]
fn sigusr1_prints_the_counters_and_the_run_goes_on() {
    let server = Server::new();
    let mut run = Tool::connect(server.port(), &[]).stdin(In::Pipe).start();
    let mut peer = server.accept();
    run.write(&[b'u'; 321]);
    peer.recv(321);
    peer.send(&[b'd'; 654]);
    run.stdout().wait_for(654);
    asks(&run, ["321", "654"]);
    run.write(b"more");
    assert_eq!(peer.recv(4), b"more");
    run.close_stdin();
    assert_eq!(peer.recv_all(), b"");
    peer.close();
    let done = run.wait();
    done.exits(0).wrote(&[b'd'; 654]);
    assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
}

#[test]
fn sigusr1_does_not_end_a_listener_that_waits() {
    let (run, port) = Tool::listen(&[]).start_listening();
    run.signal(Signal::USR1);
    run.runs_on_for(ms(200));
    Peer::connect(port).close();
    run.wait().exits(0);
}

#[test]
fn no_control_byte_of_an_argument_reaches_stderr() {
    use std::os::unix::ffi::OsStringExt;
    for byte in (1..=255_u8).filter(|b| !(b' '..=b'~').contains(b)) {
        let host = std::ffi::OsString::from_vec(vec![b'a', byte, b'[', b'2', b'J', b'b']);
        let done = Tool::oxnc(&["-n"]).arg(host).arg("4000").run();
        assert!(
            matches!(done.status.code(), Some(1 | 2)),
            "{byte:#x}: {}",
            done.status
        );
        let clean = done.stderr.strip_suffix('\n').unwrap_or(&done.stderr);
        assert!(clean.starts_with("oxnc: "), "{byte:#x}: {clean:?}");
        assert!(!clean.chars().any(char::is_control), "{byte:#x}: {clean:?}");
    }
}

#[test]
fn what_the_peer_sends_is_not_shown_on_stderr() {
    let server = Server::new();
    let run = Tool::connect(server.port(), &["-vvv"]).start();
    let mut peer = server.accept();
    peer.send(b"\x1b]0;owned\x07payload\x1b[2J");
    peer.close();
    let done = run.wait();
    done.exits(0).wrote(b"\x1b]0;owned\x07payload\x1b[2J");
    assert!(
        !done.stderr.contains('\x1b') && !done.stderr.contains("payload"),
        "{}",
        done.stderr
    );
}

#[test]
fn a_stderr_that_is_full_does_not_matter() {
    // Nobody hears the messages; the transfer is what counts.
    let script = "exec \"$@\" 2>/dev/full";
    let server = Server::new();
    let tool = Tool::connect(server.port(), &["-vv"]).under(&["sh", "-c", script, "sh"]);
    let run = tool
        .stdin(In::Bytes(b"data".to_vec()))
        .stdout(Out::Keep)
        .start();
    let mut peer = server.accept();
    assert_eq!(peer.recv_all(), b"data");
    peer.close();
    run.wait().exits(0);
}
