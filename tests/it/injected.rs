//! System calls that fail for a moment: interrupted, out of buffers, not now.

use std::collections::BTreeMap;

use crate::util::{Done, In, Out, Tool, Trace, data::random_bytes, pipe_of_size};

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

/// A transfer in which one of the two runs under strace with these options.
fn transfer(role: Role, data: &[u8], options: &[&str]) -> (Done, Done, Vec<String>) {
    let (out_rx, out_tx) = pipe_of_size(64 << 10);
    let out = crate::util::Collector::keeping(out_rx);
    let receiver = Tool::listen(&[]).stdout(Out::Fd(out_tx.into()));
    let wrap = |tool: Tool, wanted: Role| {
        if role == wanted {
            let (trace, tool) = Trace::of(tool, options);
            (Some(trace), tool)
        } else {
            (None, tool)
        }
    };
    let (receiver_trace, receiver) = wrap(receiver, Role::Receiver);
    let (receiver, port) = receiver.start_listening();
    let sender = Tool::connect(port, &[]).stdin(In::Bytes(data.to_vec()));
    let (sender_trace, sender) = wrap(sender, Role::Sender);
    let sender = sender.run();
    let mut receiver = receiver.wait();
    receiver.stdout = out.finish().0;
    let lines = receiver_trace
        .or(sender_trace)
        .map(|trace| trace.lines())
        .unwrap_or_default();
    (sender, receiver, lines)
}

/// How often each of [`CALLS`] is made: before the first socket (by the loader and the runtime,
/// which are not ours to test), and in all.
fn census(role: Role, data: &[u8]) -> BTreeMap<&'static str, (usize, usize)> {
    let (sender, receiver, lines) = transfer(role, data, &[]);
    sender.succeeds();
    receiver.succeeds().wrote(data);
    let mut counts = BTreeMap::new();
    let mut begun = false;
    for line in &lines {
        let Some((head, _)) = line.split_once('(') else {
            continue;
        };
        let name = head.rsplit(' ').next().unwrap_or_default();
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
                let (sender, receiver, _) = transfer(role, &data, &["-e", &inject]);
                let context = format!("{role:?} {inject}: {} {}", sender.stderr, receiver.stderr);
                assert!(
                    sender.status.success() && receiver.status.success(),
                    "{context}"
                );
                assert!(receiver.stdout == data, "{context}");
            }
        }
    }
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
    let counts = census(Role::Sender, &data);
    let mut tried = 0;
    for (call, (before, _)) in counts.iter().filter(|(call, _)| SENDING.contains(*call)) {
        let inject = format!(
            "inject={call}:error={error}:when={}..{}",
            before + 1,
            before + 3
        );
        let (sender, receiver, _) = transfer(Role::Sender, &data, &["-e", &inject]);
        let context = format!("{inject}: {} {}", sender.stderr, receiver.stderr);
        assert!(
            sender.status.success() && receiver.status.success(),
            "{context}"
        );
        assert!(receiver.stdout == data, "{context}");
        tried += 1;
    }
    assert!(tried > 0, "none of {SENDING:?} is used: {counts:?}");
}
