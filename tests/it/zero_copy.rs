//! Bytes that nobody looks at do not enter the program, where both ends allow it.

use crate::util::{Digest, Done, In, Out, Running, Tool, Trace, data::RandomFile, pipe_of_size};

const SIZE: u64 = 32 << 20;

/// Calls that move bytes through the program's memory, but for the few that tests need themselves.
fn copies(lines: &[String]) -> Vec<&String> {
    let moves = [
        "read(",
        "write(",
        "preadv2(",
        "pwritev2(",
        "recvfrom(",
        "sendto(",
        "sendmsg(",
    ];
    let big = |line: &&String| {
        let result = line
            .rsplit(" = ")
            .next()
            .and_then(|n| n.parse::<u64>().ok());
        result.is_some_and(|n| n >= 512)
    };
    let named = |line: &&String| moves.iter().any(|call| line.contains(call));
    let later = lines
        .iter()
        .skip_while(|line| !line.contains("connect(") && !line.contains("accept4("));
    later.filter(named).filter(big).collect()
}

/// Sends a file through two ends, one of which is traced.
fn crosses(sender_is_traced: bool, stdout: Out) -> (Vec<String>, Done) {
    let file = RandomFile::new(SIZE, 50);
    let receiver = Tool::listen(&[]).stdout(stdout);
    let (mut trace, mut receiver) = (None, receiver);
    if !sender_is_traced {
        let (seen, tool) = Trace::of(receiver, &[]);
        (trace, receiver) = (Some(seen), tool);
    }
    let (receiver, port): (Running, u16) = receiver.start_listening();
    let mut sender = Tool::connect(port, &[]).stdin(In::File(file.path()));
    if sender_is_traced {
        let (seen, tool) = Trace::of(sender, &[]);
        (trace, sender) = (Some(seen), tool);
    }
    sender.run().succeeds();
    let done = receiver.wait();
    done.succeeds();
    (trace.expect("one end is traced").lines(), done)
}

fn calls_per_mib(lines: &[String]) -> u64 {
    lines.len() as u64 * (1 << 20) / SIZE
}

#[test]
fn a_file_goes_to_the_socket_without_a_copy_in_few_calls() {
    needs!("strace");
    let (lines, done) = crosses(true, Out::Digest);
    assert_eq!(
        done.digest,
        Digest::of_file(&RandomFile::new(SIZE, 50).path())
    );
    assert_eq!(copies(&lines), Vec::<&String>::new());
    assert!(calls_per_mib(&lines) <= 24, "{} calls", lines.len());
}

#[test]
fn the_socket_goes_to_a_pipe_without_a_copy() {
    needs!("strace");
    let (lines, done) = crosses(false, Out::Digest);
    assert_eq!(
        done.digest,
        Digest::of_file(&RandomFile::new(SIZE, 50).path())
    );
    assert_eq!(copies(&lines), Vec::<&String>::new());
    assert!(calls_per_mib(&lines) <= 400, "{} calls", lines.len());
}

#[test]
fn the_socket_goes_to_dev_null_without_a_copy() {
    needs!("strace");
    let (lines, _) = crosses(false, Out::Null);
    assert_eq!(copies(&lines), Vec::<&String>::new());
}

#[test]
fn a_file_that_is_appended_to_takes_bytes_from_memory_and_loses_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    std::fs::write(&path, b"before\n").unwrap();
    let file = std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap();
    crosses_into(Out::Fd(file.into()));
    let written = std::fs::read(&path).unwrap();
    let (before, after) = written.split_at(7);
    assert_eq!(before, b"before\n");
    assert_eq!(
        Digest::of(after),
        Digest::of_file(&RandomFile::new(SIZE, 50).path())
    );
}

#[test]
fn a_pipe_of_one_page_takes_everything() {
    let (rx, tx) = pipe_of_size(4096);
    // Its capacity is the reader's business where the writer may not widen it; here it may.
    let reader = crate::util::spawn(move || Digest::of_reader(rx));
    crosses_into(Out::Fd(tx.into()));
    assert_eq!(
        reader.join(),
        Digest::of_file(&RandomFile::new(SIZE, 50).path())
    );
}

#[test]
fn a_user_who_may_have_no_more_wide_pipes_loses_nothing() {
    needs!("root", "setpriv", "perl");
    // An unprivileged user gets 64 pipes of 1 MiB, then pipes of two pages (pipe(7)).
    let hoard = "$^F = 999; for (1..200) { pipe($r[$_], $w[$_]); fcntl($w[$_], 1031, 1 << 20) } \
                 exec @ARGV";
    let nobody = [
        "setpriv",
        "--reuid=65534",
        "--clear-groups",
        "perl",
        "-e",
        hoard,
        "--",
    ];
    let file = RandomFile::new(SIZE, 50);
    let receiver = Tool::listen(&["-vvv"]).stdout(Out::Digest).under(&nobody);
    let (receiver, port) = receiver.start_listening();
    Tool::connect(port, &[])
        .stdin(In::PipedFile(file.path()))
        .under(&nobody)
        .run()
        .succeeds();
    let done = receiver.wait();
    assert!(done.stderr.contains("no kernel pipe"), "{}", done.stderr);
    assert_eq!(done.digest, Digest::of_file(&file.path()));
}

fn crosses_into(stdout: Out) {
    let file = RandomFile::new(SIZE, 50);
    let (receiver, port) = Tool::listen(&[]).stdout(stdout).start_listening();
    Tool::connect(port, &[])
        .stdin(In::File(file.path()))
        .run()
        .succeeds();
    receiver.wait().succeeds();
}
