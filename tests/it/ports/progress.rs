//! How far a long test is: a line for whoever sits in front of a terminal, and for nobody else.

use std::os::fd::AsRawFd as _;

use super::counted;
use crate::util::{Net, Terminal, Tool, ms};

/// Silent ports, a few of which are tested at the same time: that takes a second and a half.
fn slow(net: &Net) -> Tool {
    net.drop_input("tcp dport 10000-10999 drop");
    let words = [
        "-z",
        "--parallel=4",
        "-w",
        "0.3",
        "127.0.0.1",
        "10000-10019",
    ];
    Tool::oxnc(&words)
}

/// What shows on a terminal on stderr.
fn seen(net: &Net, tool: Tool, name: &str) -> String {
    let terminal = Terminal::new();
    let side = terminal.side();
    let term = format!("TERM={name}");
    let script = format!("exec \"$@\" 2>/dev/fd/{}", side.as_raw_fd());
    let tool = tool
        .under(&["env", &term, "sh", "-c", &script, "sh"])
        .inherit(side);
    let done = net.tool(tool).run();
    done.exits(1).wrote(b"");
    assert_eq!(done.stderr, "");
    terminal.screen.wait_for_text(" s: ");
    String::from_utf8_lossy(&terminal.screen.so_far()).into_owned()
}

#[test]
fn a_long_test_shows_how_far_it_is_and_leaves_no_trace_of_that() {
    needs!("root", "nft");
    let net = Net::new();
    let screen = seen(&net, slow(&net), "xterm");
    let steps: Vec<&str> = screen.split("\r\x1b[K").collect();
    let [before, shown @ .., last] = steps.as_slice() else {
        panic!("{screen:?}");
    };
    assert_eq!(*before, "", "{screen:?}");
    assert!(shown.len() >= 2, "{screen:?}");
    for step in shown {
        assert!(step.ends_with(" of 20 ports, 0 open"), "{screen:?}");
    }
    // What stays is the closing line.
    assert!(last.starts_with("oxnc: 20 ports in "), "{screen:?}");
    assert!(last.ends_with(" s: 20 filtered\r\n"), "{screen:?}");
}

/// A run of which nothing is known yet is not dead.
#[test]
fn it_shows_that_nothing_was_found_so_far() {
    needs!("root", "nft");
    let net = Net::new();
    net.drop_input("tcp dport 10000-10009 drop");
    let tool = Tool::oxnc(&["-z", "-w", "1", "127.0.0.1", "10000-10009"]);
    let screen = seen(&net, tool, "xterm");
    assert!(screen.contains("\x1b[K0 of 10 ports, 0 open"), "{screen:?}");
}

/// What is told is another matter.
#[test]
fn it_counts_what_was_found_behind_one_that_does_not_answer() {
    needs!("root", "nft");
    let net = Net::new();
    net.drop_input("tcp dport 10000 drop");
    let tool = Tool::oxnc(&["-z", "-w", "1", "127.0.0.1", "10000,20000-20009"]);
    let screen = seen(&net, tool, "xterm");
    let steps = screen.matches("\x1b[K10 of 11 ports, 0 open").count();
    assert_eq!(steps, 1, "the same is not written again: {screen:?}");
}

/// stdout may lead to the same terminal by way of another program.
#[test]
fn it_makes_room_for_what_goes_to_a_pipe() {
    needs!("root", "nft");
    let net = Net::new();
    net.drop_input("tcp dport 10000-10999 drop");
    let _server = net.inside(|| crate::util::Server::on(([127, 0, 0, 1], 20_000)));
    let terminal = Terminal::new();
    let side = terminal.side();
    let script = format!("exec \"$@\" 2>/dev/fd/{}", side.as_raw_fd());
    let ports = "10000-10003,20000,10004-10007";
    let tool = Tool::oxnc(&["-z", "--parallel=2", "-w", "0.4", "127.0.0.1", ports])
        .under(&["env", "TERM=xterm", "sh", "-c", &script, "sh"])
        .inherit(side);
    let done = net.tool(tool).run();
    assert_eq!(super::in_table(done.exits(0)), [20000]);
    terminal.screen.wait_for_text(" s: ");
    let screen = String::from_utf8_lossy(&terminal.screen.so_far()).into_owned();
    let steps: Vec<&str> = screen.split("\r\x1b[K").collect();
    let room = steps.iter().skip(1).position(|step| step.is_empty());
    let room = room.unwrap_or_else(|| panic!("{screen:?}"));
    assert!(steps[room].ends_with(", 0 open"), "{screen:?}");
    assert!(steps[room + 2].ends_with(", 1 open"), "{screen:?}");
}

#[test]
fn tries_show_none_and_tell_it_if_they_are_asked() {
    let server = crate::util::Server::new();
    let options = ["-z", "--count", "5", "-i", "0.4"];
    let terminal = Terminal::new();
    let side = terminal.side();
    let script = format!("exec \"$@\" 2>/dev/fd/{}", side.as_raw_fd());
    let run = Tool::connect(server.port(), &options)
        .under(&["env", "TERM=xterm", "sh", "-c", &script, "sh"])
        .inherit(side)
        .start();
    run.stdout().wait_for_text("try 3: open");
    run.signal(crate::util::Signal::USR1);
    run.wait().exits(0);
    terminal.screen.wait_for_text("\n");
    let screen = String::from_utf8_lossy(&terminal.screen.so_far()).into_owned();
    assert_eq!(screen, "oxnc: 3 of 5 tries, 3 open\r\n");
}

#[test]
fn a_terminal_that_cannot_erase_shows_none() {
    needs!("root", "nft");
    let net = Net::new();
    let screen = seen(&net, slow(&net), "dumb");
    assert!(screen.starts_with("oxnc: 20 ports in "), "{screen:?}");
    assert_eq!(screen.lines().count(), 1, "{screen:?}");
}

#[test]
fn without_a_terminal_there_is_none() {
    needs!("root", "nft");
    let net = Net::new();
    let done = net.tool(slow(&net)).run();
    assert_eq!(counted(done.exits(1)), "20 ports: 20 filtered");
    assert_eq!(done.stderr.lines().count(), 1, "{:?}", done.stderr);
    assert!(
        done.took >= ms(1000),
        "it was not long enough to tell: {:?}",
        done.took
    );
}

/// It would have been gone before anybody saw it.
#[test]
fn a_short_test_shows_none() {
    needs!("root", "nft");
    let net = Net::new();
    let screen = seen(&net, Tool::oxnc(&["-z", "127.0.0.1", "1-20"]), "xterm");
    assert!(!screen.contains(" of 20 ports"), "{screen:?}");
}

/// Open ports stand above it.
#[test]
fn results_on_the_same_terminal_are_whole_lines() {
    needs!("root", "nft");
    let net = Net::new();
    net.drop_input("tcp dport 10000-10999 drop");
    let _server = net.inside(|| crate::util::Server::on(([127, 0, 0, 1], 20_000)));
    let words = [
        "-z",
        "--parallel=2",
        "-w",
        "0.3",
        "127.0.0.1",
        "10000-10009,20000",
    ];
    let terminal = Terminal::new();
    let side = terminal.side();
    let number = side.as_raw_fd();
    let script = format!("exec \"$@\" >/dev/fd/{number} 2>&1");
    let tool = Tool::oxnc(&words)
        .under(&["env", "TERM=xterm", "sh", "-c", &script, "sh"])
        .inherit(side);
    net.tool(tool).run().exits(0);
    terminal.screen.wait_for_text(" s: ");
    let screen = String::from_utf8_lossy(&terminal.screen.so_far()).into_owned();
    assert!(screen.contains(" of 11 ports, 0 open"), "{screen:?}");
    let table = screen.split("\r\x1b[K").find(|part| part.contains("/tcp"));
    let table = table.unwrap_or_else(|| panic!("{screen:?}"));
    assert!(table.starts_with("127.0.0.1 20000/tcp "), "{screen:?}");
    assert!(table.contains("ms\r\n"), "{screen:?}");
    let words: Vec<&str> = table.split_whitespace().take(4).collect();
    assert_eq!(words, ["127.0.0.1", "20000/tcp", "open", "-"]);
}
