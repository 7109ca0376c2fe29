//! System calls that fail for a moment: interrupted, out of buffers, not now.

use std::collections::BTreeMap;

use crate::util::{
    Collector, Done, In, Out, Server, Tool, Trace, data::random_bytes, pipe_of_size,
};

/// Calls that may be interrupted or told to wait. `close` is not one of them: on Linux it is done
/// when it says EINTR, while strace would skip it.
const CALLS: &[&str] = &[
    "read",
    "readv",
    "pread64",
    "preadv",
    "preadv2",
    "recvfrom",
    "recvmsg",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "sendto",
    "sendmsg",
    "splice",
    "sendfile",
    "poll",
    "ppoll",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "accept",
    "accept4",
    "connect",
];

/// Calls by which bytes leave for the network.
const SENDING: &[&str] = &[
    "sendto", "sendmsg", "writev", "pwritev2", "splice", "sendfile",
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    /// Connects and sends.
    Sender,
    /// Listens and receives.
    Receiver,
}

/// A transfer in which one of the two runs under strace with these options: its calls, or how it
/// failed.
fn transfer(role: Role, data: &[u8], options: &[&str]) -> Result<Vec<String>, String> {
    let (rx, tx) = pipe_of_size(64 << 10);
    let out = Collector::keeping(rx);
    let mut trace = None;
    let mut wrap = |tool: Tool, wanted: Role| {
        if role != wanted {
            return tool;
        }
        let (traced, tool) = Trace::of(tool, options);
        trace = Some(traced);
        tool
    };
    let receiver = wrap(Tool::listen(&[]).stdout(Out::Fd(tx.into())), Role::Receiver);
    let (receiver, port) = receiver.start_listening();
    let sender = Tool::connect(port, &[]).stdin(In::Bytes(data.to_vec()));
    let sender = wrap(sender, Role::Sender).run();
    let failed = |who: &str, done: &Done| {
        Err(format!(
            "{who} with {options:?}: {}: {}",
            done.status,
            done.stderr.trim_end()
        ))
    };
    if !sender.status.success() {
        return failed("the sender", &sender);
    }
    let receiver = receiver.wait();
    if !receiver.status.success() {
        return failed("the receiver", &receiver);
    }
    if out.finish().0 != data {
        return failed("wrong bytes at the receiver", &receiver);
    }
    Ok(trace.map(|trace| trace.lines()).unwrap_or_default())
}

/// How often each of [`CALLS`] is made: before the first socket (by the loader and the runtime,
/// which are not ours to test), and in all.
fn census(role: Role, data: &[u8]) -> BTreeMap<&'static str, (usize, usize)> {
    let lines = transfer(role, data, &[]).unwrap();
    let mut counts = BTreeMap::new();
    let mut begun = false;
    for line in &lines {
        let Some((name, _)) = call_of(line) else {
            continue;
        };
        begun |= name == "socket";
        if let Some(call) = CALLS.iter().find(|call| **call == name) {
            let (before, all) = counts.entry(*call).or_insert((0, 0));
            *all += 1;
            *before += usize::from(!begun);
        }
    }
    counts.retain(|_, (before, all)| before < all);
    counts
}

#[test]
fn an_interrupted_call_is_made_again() {
    needs!("strace");
    let data = random_bytes(300_000, 30);
    let mut failures = Vec::new();
    for role in [Role::Sender, Role::Receiver] {
        let counts = census(role, &data);
        assert!(counts.len() >= 3, "{counts:?}");
        for (call, (before, all)) in counts {
            // The first one, then every second one.
            for when in [
                format!("{}", before + 1),
                format!("{}+2", (before + 2).min(all)),
            ] {
                let inject = format!("inject={call}:error=EINTR:when={when}");
                failures.extend(transfer(role, &data, &["-e", &inject]).err());
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_network_that_is_out_of_buffers_for_a_moment_is_asked_again() {
    refused_for_a_moment("ENOBUFS");
}

#[test]
fn a_socket_that_is_not_ready_after_all_is_asked_again() {
    refused_for_a_moment("EAGAIN");
}

fn refused_for_a_moment(error: &str) {
    needs!("strace");
    let data = random_bytes(2 << 20, 31);
    let lines = transfer(Role::Sender, &data, &[]).unwrap();
    let sends = first_sends(&lines);
    assert!(!sends.is_empty(), "none of {SENDING:?} is used");
    let mut failures = Vec::new();
    for (call, n) in sends {
        // Splice also reads, and that has no business with the network: one refusal is enough.
        let last = if call == "splice" { n } else { n + 2 };
        let inject = format!("inject={call}:error={error}:when={n}..{last}");
        failures.extend(transfer(Role::Sender, &data, &["-e", &inject]).err());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Which of the calls of each kind is the first one that sends to the socket.
fn first_sends(lines: &[String]) -> BTreeMap<&'static str, usize> {
    let (mut counts, mut sends) = (BTreeMap::new(), BTreeMap::new());
    let mut socket = None;
    for line in lines {
        let Some((name, arguments)) = call_of(line) else {
            continue;
        };
        if name == "socket" {
            socket = line.rsplit_once("= ").map(|(_, fd)| fd.to_owned());
        }
        let Some(call) = SENDING.iter().find(|call| **call == name) else {
            continue;
        };
        let n = counts.entry(*call).or_insert(0);
        *n += 1;
        // splice(from, offset, to, ...), anything else begins with where it goes.
        let target = arguments
            .split(", ")
            .nth(if name == "splice" { 2 } else { 0 });
        if target == socket.as_deref() {
            sends.entry(*call).or_insert(*n);
        }
    }
    sends
}

/// The name and the arguments of a line's call, if it has one.
fn call_of(line: &str) -> Option<(&str, &str)> {
    let (head, arguments) = line.split_once('(')?;
    Some((head.rsplit(' ').next().unwrap_or(head), arguments))
}

/// The answer and the reset are both there before the program looks at its new connection.
#[test]
fn a_server_that_answers_and_resets_at_once_was_connected_to() {
    needs!("strace");
    let server = Server::new();
    let tool = Tool::connect(server.port(), &[]);
    let (_trace, tool) = Trace::of(tool, &["-e", "inject=connect:delay_exit=300000"]);
    let run = tool.start();
    let mut peer = server.accept();
    peer.send(b"answer");
    peer.reset();
    run.wait().fails(3, &["reset"]).wrote(b"answer");
}
