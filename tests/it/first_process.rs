//! As the first process of a container, where no signal has a default effect.

use std::{fs, io::Write as _};

use rustix::process::{Pid, kill_process};

use crate::util::{Out, Running, Server, Signal, Tool, close_reader, pipe};

/// With a namespace of processes to itself. Who stands outside has the exit status of the inside.
fn first(tool: Tool) -> Tool {
    tool.under(&["unshare", "--pid", "--fork", "--mount-proc"])
}

/// Sends a signal to the process inside.
fn signal(run: &Running, signal: Signal) {
    let path = format!("/proc/{0}/task/{0}/children", run.pid());
    let inside = fs::read_to_string(path).unwrap();
    let inside = Pid::from_raw(inside.trim().parse().unwrap()).unwrap();
    kill_process(inside, signal).unwrap();
}

#[test]
fn a_signal_ends_it_with_the_code_of_a_shell() {
    needs!("root", "unshare");
    for (number, code) in [(Signal::HUP, 129), (Signal::INT, 130), (Signal::TERM, 143)] {
        let (run, _) = first(Tool::listen(&[])).start_listening();
        signal(&run, number);
        assert_eq!(run.wait().exits(code).stderr, "");
    }
}

#[test]
fn a_reader_that_has_gone_ends_it_with_the_code_of_a_shell() {
    needs!("root", "unshare");
    let server = Server::new();
    let (rx, tx) = pipe();
    close_reader(rx, &tx);
    let tool = Tool::connect(server.port(), &[]).stdout(Out::Fd(tx.into()));
    let run = first(tool).start();
    let mut peer = server.accept();
    // It may have left before.
    let _ = peer.socket.write_all(b"answer");
    assert_eq!(run.wait().exits(141).stderr, "");
}
