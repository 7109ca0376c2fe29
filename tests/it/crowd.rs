//! Many clients at once: a thousand of them, one that never reads, and a system that runs out of
//! descriptors.

use std::{
    collections::{HashMap, HashSet},
    env, fs,
    io::{BufRead, BufReader, PipeReader, Read, Write},
    sync::{Arc, Barrier},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::util::{
    DEADLINE, Digest, Family, In, Out, Peer, Running, Signal, Tool, Trace, data::random_bytes, ms,
    pipe, readable, spawn,
};

/// What a run with many clients may hold in memory.
const ALLOWED: u64 = 128 << 20;

fn keep(options: &[&str]) -> Tool {
    Tool::listen(options).args(&["-k"])
}

/// A field of /proc/PID/status in bytes.
fn memory(run: &Running, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", run.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}

/// The processor time that it has taken so far, in ticks of 10 ms.
fn ticks(run: &Running) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", run.pid())).unwrap();
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

fn number(name: &str, default: usize) -> usize {
    env::var(name).map_or(default, |n| n.parse().unwrap())
}

/// Line `n` of a client: of a length of its own.
fn line(client: usize, n: usize) -> Vec<u8> {
    let filler = vec![b'a' + (client % 26) as u8; (client * 31 + n * 17) % 150];
    [format!("{client} {n} ").as_bytes(), &filler, b"\n"].concat()
}

/// All lines up to a size.
fn lines(client: usize, size: usize) -> (Vec<u8>, usize) {
    let mut text = Vec::new();
    for n in 0.. {
        text.extend(line(client, n));
        if text.len() >= size {
            return (text, n + 1);
        }
    }
    unreachable!()
}

/// Reads tagged lines to the end: how many of each client there were. They come in order.
fn judge(rx: PipeReader) -> (HashMap<usize, usize>, HashMap<usize, String>) {
    let mut counts = HashMap::new();
    let mut tags = HashMap::new();
    let mut reader = BufReader::with_capacity(1 << 20, rx);
    let mut text = Vec::new();
    loop {
        text.clear();
        if reader.read_until(b'\n', &mut text).unwrap() == 0 {
            return (counts, tags);
        }
        let blank = text.iter().position(|byte| *byte == b' ').unwrap();
        let (tag, rest) = text.split_at(blank);
        let word = rest[1..].split(|byte| *byte == b' ').next().unwrap();
        let client: usize = String::from_utf8_lossy(word).parse().unwrap();
        let n = counts.entry(client).or_insert(0);
        assert!(rest[1..] == line(client, *n), "client {client}, line {n}");
        *n += 1;
        let tag = String::from_utf8(tag.to_vec()).unwrap();
        assert_eq!(*tags.entry(client).or_insert_with(|| tag.clone()), tag);
    }
}

#[test]
fn a_crowd_sends_lines_and_every_one_of_them_is_whole() {
    let clients = number("OXNC_TEST_CLIENTS", 200);
    let size = number("OXNC_TEST_CLIENT_BYTES", 200_000);
    let (rx, tx) = pipe();
    let accept = format!("--accept={}", clients + 1);
    let tool = keep(&["--tag", "--max-conns=4096", &accept]).stdout(Out::Fd(tx.into()));
    let (run, port) = tool.start_listening();
    let last = Peer::connect(port);
    let reader = spawn(move || judge(rx));
    let all_there = Arc::new(Barrier::new(clients));
    let senders: Vec<_> = (0..clients)
        .map(|client| {
            let all_there = Arc::clone(&all_there);
            let work = move || {
                let mut peer = Peer::connect(port);
                // While others have their turn it may take long.
                peer.socket.set_write_timeout(Some(DEADLINE * 6)).unwrap();
                peer.socket.set_read_timeout(Some(DEADLINE * 6)).unwrap();
                all_there.wait();
                let (text, count) = lines(client, size);
                peer.send(&text);
                peer.half_close();
                assert_eq!(peer.recv_all(), b"");
                (peer.local().to_string(), count)
            };
            let thread = std::thread::Builder::new().stack_size(256 << 10);
            thread.spawn(work).unwrap()
        })
        .collect();
    let expected: Vec<_> = senders.into_iter().map(|s| s.join().unwrap()).collect();
    let peak = memory(&run, "VmHWM:");
    assert!(peak <= ALLOWED, "{peak} bytes");
    last.close();
    run.wait().succeeds();
    let (counts, tags) = reader.join();
    assert_eq!(counts.len(), clients);
    for (client, (name, count)) in expected.into_iter().enumerate() {
        assert_eq!(counts[&client], count, "client {client}");
        assert_eq!(tags[&client], name);
    }
}

#[test]
fn a_crowd_that_sends_no_line_end_holds_no_more_than_it_may() {
    let (rx, tx) = pipe();
    let tool = keep(&["--tag"]).stdout(Out::Fd(tx.into()));
    let (run, port) = tool.start_listening();
    let mut peers: Vec<_> = (0..300).map(|_| Peer::connect(port)).collect();
    for peer in &mut peers {
        peer.send(&[b'x'; 60_000]);
    }
    // It has read them all when the last one is served again.
    peers[299].send(b"\n");
    assert!(readable(&rx, DEADLINE));
    let peak = memory(&run, "VmHWM:");
    assert!(peak <= 48 << 20, "{peak} bytes");
    for peer in &mut peers {
        peer.send(b"\n");
    }
    let reader = spawn(move || {
        BufReader::new(rx)
            .lines()
            .map(|l| l.unwrap().len())
            .collect()
    });
    for peer in peers {
        peer.half_close();
    }
    run.runs_on_for(ms(300));
    run.signal(Signal::TERM);
    let _ = run.wait();
    let lengths: Vec<usize> = reader.join();
    assert!(lengths.iter().filter(|n| **n > 60_000).count() >= 300);
}

#[test]
fn who_never_reads_is_dropped_and_the_others_lose_nothing() {
    let data = random_bytes(24 << 20, 80);
    let tool = keep(&["-v", "--accept=4"]).stdin(In::Pipe);
    let (mut run, port) = tool.start_listening();
    let mut bad = Peer::connect(port);
    let name = format!("127.0.0.1 port {} does not read", bad.local().port());
    let good: Vec<_> = (0..3)
        .map(|_| {
            let mut peer = Peer::connect(port);
            spawn(move || Digest::of(&peer.recv_all()))
        })
        .collect();
    while run
        .stderr
        .so_far()
        .windows(10)
        .filter(|w| w == b"connection")
        .count()
        < 4
    {
        assert!(run.stderr.moves_within(DEADLINE));
    }
    let began = Instant::now();
    let expected = Digest::of(&data);
    let mut stdin = run.take_stdin();
    spawn(move || stdin.write_all(&data).unwrap());
    for peer in good {
        assert_eq!(peer.join(), expected);
    }
    assert!(began.elapsed() >= Duration::from_secs(5));
    bad.recv_until_reset();
    let done = run.wait();
    done.exits(5);
    let lines: Vec<_> = done.stderr.lines().filter(|l| l.contains(&name)).collect();
    assert_eq!(lines.len(), 1, "{}", done.stderr);
    assert!(done.took < Duration::from_secs(12), "{:?}", done.took);
}

#[test]
fn who_reads_slowly_stays_and_who_reads_next_to_nothing_does_not() {
    let pace = |each: usize, pause: Duration, stays: bool, family: Family| {
        move || {
            let options: &[&str] = if stays {
                &["-k", "--idle-timeout=1s"]
            } else {
                &["-k"]
            };
            let tool = Tool::listen_at(family, options).stdin(In::Pipe);
            let (mut run, spot) = tool.start_listening_at();
            let mut stdin = run.take_stdin();
            let feed = spawn(move || while stdin.write_all(&[b'x'; 65536]).is_ok() {});
            let mut peer = Peer::connect(spot);
            let began = Instant::now();
            let mut chunk = vec![0; each];
            while began.elapsed() < Duration::from_secs(if stays { 8 } else { 14 }) {
                let reads = peer.socket.read(&mut chunk).is_ok_and(|n| n > 0);
                if !reads || (!stays && !run.stderr.so_far().is_empty()) {
                    break;
                }
                sleep(pause);
            }
            let errors = String::from_utf8(run.stderr.so_far()).unwrap();
            let dropped = errors.contains("does not read fast enough");
            assert_eq!(errors.is_empty(), stays, "{family:?}: {errors}");
            assert_eq!(dropped, !stays, "{family:?}: {errors}");
            run.signal(Signal::TERM);
            let _ = run.wait();
            feed.join();
        }
    };
    let readers: Vec<_> = Family::ALL
        .into_iter()
        .flat_map(|family| {
            [
                spawn(pace(10_000, ms(100), true, family)),
                spawn(pace(300, ms(300), false, family)),
            ]
        })
        .collect();
    for reader in readers {
        reader.join();
    }
}

#[test]
fn the_last_words_of_who_leaves_in_the_middle_are_written() {
    const CLIENTS: usize = 500;
    for family in Family::ALL {
        let tool = Tool::listen_at(family, &["-k"]).stdin(In::Pipe);
        let (mut run, spot) = tool.start_listening_at();
        let mut stdin = run.take_stdin();
        let feed = spawn(move || while stdin.write_all(&[b'x'; 1000]).is_ok() {});
        // One stays, so that there is always something on its way.
        let mut steady = Peer::connect(spot.clone());
        let listen = spawn(move || {
            let mut chunk = [0; 64 << 10];
            while steady.socket.read(&mut chunk).is_ok_and(|n| n > 0) {}
        });
        let mut expected = HashSet::new();
        for n in 0..CLIENTS {
            let mut peer = Peer::connect(spot.clone());
            peer.recv(1000);
            let words = format!("bye {n}");
            peer.send(format!("{words}\n").as_bytes());
            expected.insert(words);
            // What it has not read makes a reset of this.
            peer.close();
        }
        let length: usize = expected.iter().map(|words| words.len() + 1).sum();
        run.stdout().wait_for(length as u64);
        run.signal(Signal::TERM);
        let done = run.wait();
        let written = String::from_utf8(done.stdout).unwrap();
        let written: HashSet<_> = written.lines().map(str::to_owned).collect();
        assert_eq!(written, expected, "{family:?}");
        listen.join();
        feed.join();
    }
}

#[test]
fn who_has_too_few_descriptors_to_start_does_not_say_that_it_has() {
    let (mut failed, mut started) = (0, 0);
    for limit in 8..20 {
        let limit = format!("ulimit -n {limit}; exec \"$@\"");
        let options = ["--accept-timeout=10ms", "--print-port"];
        let done = Tool::oxnc(&["-lk", "127.0.0.1", "0"])
            .args(&options)
            .under(&["sh", "-c", &limit, "sh"])
            .stdin(In::Pipe)
            .run();
        let told = done.stderr.starts_with(|c: char| c.is_ascii_digit());
        if told {
            done.exits(124);
            started += 1;
        } else {
            done.fails(1, &["too many open files"]);
            failed += 1;
        }
    }
    assert!(failed > 0 && started > 0, "{failed}, {started}");
}

#[test]
fn without_descriptors_clients_wait_and_nothing_spins() {
    let limit = "ulimit -n 16; exec \"$@\"";
    let tool = keep(&["--max-conns=100"]).under(&["sh", "-c", limit, "sh"]);
    let (run, port) = tool.start_listening();
    let mut peers: Vec<_> = (0..40).map(|_| Peer::connect(port)).collect();
    for peer in &mut peers {
        peer.send(b"x");
    }
    run.stdout().wait_for(2);
    while run.stdout().moves_within(ms(300)) {}
    let served = run.stdout().count();
    assert!(served < 16, "{served} clients with 16 descriptors");
    let before = ticks(&run);
    run.runs_on_for(ms(2000));
    let spent = ticks(&run) - before;
    assert!(spent <= 2, "{spent} ticks in two seconds of waiting");
    // Each that leaves makes room for the next one, at once.
    let began = Instant::now();
    for (n, peer) in peers.into_iter().enumerate() {
        peer.half_close();
        run.stdout().wait_for((served + n as u64 + 1).min(40));
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    run.signal(Signal::TERM);
    let done = run.wait();
    done.dies_of(Signal::TERM);
    assert_eq!(done.stdout.len(), 40);
    assert_eq!(done.stderr, "");
}

#[test]
fn without_max_conns_there_are_descriptors_to_spare() {
    let limit = "ulimit -Sn 16; ulimit -Hn 60; exec \"$@\"";
    let tool = keep(&[]).under(&["sh", "-c", limit, "sh"]);
    let (run, port) = tool.start_listening();
    let mut peers: Vec<_> = (0..25).map(|_| Peer::connect(port)).collect();
    for peer in &mut peers {
        peer.send(b"x");
    }
    run.stdout().wait_for(20);
    assert!(
        !run.stdout().moves_within(ms(300)),
        "more than a third of 60"
    );
}

#[test]
fn an_accept_that_fails_is_tried_again() {
    needs!("strace");
    for error in [
        "EINTR",
        "EAGAIN",
        "ECONNABORTED",
        "EPERM",
        "EPROTO",
        "ENETDOWN",
        "EHOSTUNREACH",
        "EOPNOTSUPP",
        "ENOPROTOOPT",
        "EMFILE",
        "ENFILE",
        "ENOBUFS",
        "ENOMEM",
    ] {
        let inject = format!("inject=accept4:error={error}:when=1..2");
        let (_trace, tool) = Trace::of(keep(&["--accept=2"]), &["-e", &inject]);
        let (run, port) = tool.start_listening();
        let began = Instant::now();
        for _ in 0..2 {
            let mut peer = Peer::connect(port);
            peer.send(b"x");
            peer.half_close();
            assert_eq!(peer.recv_all(), b"", "{error}");
        }
        let took = began.elapsed();
        assert!(took < Duration::from_secs(2), "{error}: {took:?}");
        run.wait().succeeds().wrote(b"xx");
    }
}

#[test]
fn a_listener_with_clients_that_say_nothing_rests() {
    needs!("strace");
    let (rx, _tx) = pipe();
    let tool = keep(&["--idle-timeout=1h", "--accept-timeout=1h"]).stdin(In::Fd(rx.into()));
    let (trace, tool) = Trace::of(tool, &[]);
    let (run, port) = tool.start_listening();
    let mut peers: Vec<_> = (0..5).map(|_| Peer::connect(port)).collect();
    peers[0].send(b"x");
    run.stdout().wait_for(1);
    trace.settle();
    trace.rests_for(ms(1500));
    drop(peers);
}

#[test]
fn a_listener_whose_stdout_is_stalled_rests() {
    needs!("strace");
    let (_rx, tx) = pipe();
    let (trace, tool) = Trace::of(keep(&["--tag"]).stdout(Out::Fd(tx.into())), &[]);
    let (_run, port) = tool.start_listening();
    let mut peers: Vec<_> = (0..3).map(|_| Peer::connect(port)).collect();
    for peer in &mut peers {
        peer.socket.set_write_timeout(Some(ms(300))).unwrap();
        peer.send_until_error();
    }
    peers[0].half_close();
    trace.settle();
    trace.rests_for(ms(1500));
}

#[test]
fn silent_clients_do_not_keep_others_from_being_served() {
    let (run, port) = keep(&[]).start_listening();
    let silent: Vec<_> = (0..500).map(|_| Peer::connect(port)).collect();
    let began = Instant::now();
    let mut peer = Peer::connect(port);
    peer.send(b"x");
    run.stdout().wait_for(1);
    let took = began.elapsed();
    assert!(took < ms(500), "{took:?}");
    let held = memory(&run, "VmRSS:");
    assert!(held < 24 << 20, "{held} bytes for {} clients", silent.len());
}
