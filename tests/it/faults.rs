//! Connections that break, outputs that fail, readers and writers that are slow or stopped: what
//! arrived is written, what did not is said.

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    time::Instant,
};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::util::{
    Collector, DEADLINE, Digest, Family, In, Out, Peer, Running, Server, Signal, Tool,
    bare_terminal, close_reader, data::random_bytes, ms, pipe, pipe_of_size, readable, spawn,
};

const MIB: usize = 1 << 20;

/// A receiver, connecting and listening, over TCP and over a Unix socket.
fn receivers(wire: impl Fn(Tool) -> Tool) -> impl Iterator<Item = (Running, Peer)> {
    let ways = Family::ALL
        .into_iter()
        .flat_map(|f| [(f, false), (f, true)]);
    ways.map(move |(family, listens)| {
        if listens {
            let tool = wire(Tool::listen_at(family, &[]));
            let (run, spot) = tool.start_listening_at();
            (run, Peer::connect(spot))
        } else {
            let server = Server::of(family);
            let run = wire(Tool::connect(server.spot(), &[])).start();
            (run, server.accept())
        }
    })
}

#[test]
fn a_reset_after_everything_was_read_is_still_a_reset() {
    let data = random_bytes(MIB, 20);
    for _ in 0..5 {
        for (run, mut peer) in receivers(|t| t) {
            peer.send(&data);
            run.stdout().wait_for(data.len() as u64);
            peer.reset();
            run.wait().fails(3, &["reset"]).wrote(&data);
        }
    }
}

#[test]
fn a_reset_is_seen_with_stdin_open_as_well() {
    for (run, mut peer) in receivers(|t| t.stdin(In::Pipe)) {
        peer.send(b"some");
        run.stdout().wait_for(4);
        peer.reset();
        run.wait().fails(3, &["reset"]).wrote(b"some");
    }
}

/// A reset discards what the kernel still holds; what was read before it must come out, and the
/// message must not claim more.
#[test]
fn a_reset_behind_a_stalled_stdout_loses_nothing_that_was_read() {
    let data = random_bytes(3 * MIB, 21);
    for _ in 0..3 {
        let ends = std::cell::RefCell::new(Vec::new());
        let wire = |tool: Tool| {
            let (rx, tx) = pipe();
            ends.borrow_mut().push(rx);
            tool.stdout(Out::Fd(tx.into()))
        };
        for (run, mut peer) in receivers(wire) {
            let rx = ends.borrow_mut().remove(0);
            // It is at work, not just connected.
            peer.send(&data[..1]);
            assert!(readable(&rx, DEADLINE));
            // Nobody reads: it blocks until it has waited long enough, and cuts.
            peer.socket.set_write_timeout(Some(ms(300))).unwrap();
            drop(peer.socket.write_all(&data[1..]));
            peer.reset();
            let stdout = Collector::keeping(rx);
            run.wait().fails(3, &["reset"]);
            let (written, _) = stdout.finish();
            assert!(
                data.starts_with(&written),
                "what came out is not what was sent"
            );
            assert!(!written.is_empty());
        }
    }
}

/// The peer's reset reaches a reader that was stopped: what was in the pipe stays readable, and
/// the end is not called one.
#[test]
fn a_stopped_receiver_does_not_mistake_a_reset_for_an_end() {
    let data = random_bytes(1000, 22);
    for (run, mut peer) in receivers(|t| t) {
        peer.send(b"!");
        run.stdout().wait_for(1);
        run.signal(Signal::STOP);
        peer.send(&data);
        peer.reset();
        run.signal(Signal::CONT);
        let mut all = b"!".to_vec();
        all.extend_from_slice(&data);
        run.wait().fails(3, &["reset"]).wrote(&all);
    }
}

/// Bytes, then an end, then a reset for what we send: the bytes are written first.
#[test]
fn an_error_does_not_discard_bytes_that_are_readable() {
    for family in Family::ALL {
        for _ in 0..10 {
            let server = Server::of(family);
            let run = Tool::connect(server.spot(), &[])
                .stdin(In::Bytes(b"ruok\n".to_vec()))
                .start();
            let mut peer = server.accept();
            peer.recv(4);
            peer.send(b"imok");
            // One byte is unread: closing resets the connection.
            peer.close();
            let done = run.wait();
            done.fails(5, &[]).wrote(b"imok");
        }
    }
}

#[test]
fn a_reset_of_a_sender_is_not_delivery() {
    for _ in 0..3 {
        for (run, mut peer) in receivers(|t| t.stdin(In::File("/dev/zero".into()))) {
            peer.recv(1000);
            peer.reset();
            run.wait().fails(5, &["reset"]);
        }
    }
}

#[test]
fn a_connection_destroyed_from_outside_breaks_both_ends() {
    needs!("root", "ss");
    for _ in 0..5 {
        let (receiver, port) = Tool::listen(&[]).stdout(Out::Digest).start_listening();
        let sender = Tool::connect(port, &[])
            .stdin(In::File("/dev/zero".into()))
            .start();
        receiver.stdout().wait_for(100_000);
        let filter = format!("sport = :{port}");
        Tool::program("ss", &["-K", "-t", "state", "established", &filter]).run();
        receiver.wait().fails(3, &[]);
        sender.wait().fails(5, &[]);
    }
}

#[test]
fn a_full_device_fails_at_the_first_byte() {
    for (run, mut peer) in receivers(|t| t.stdout(Out::Full)) {
        let began = Instant::now();
        peer.send(b"x");
        run.wait().fails(4, &["no space left"]);
        assert!(began.elapsed() < ms(1500), "{:?}", began.elapsed());
    }
}

#[test]
fn a_full_device_fails_with_stdin_open_as_well() {
    for (run, mut peer) in receivers(|t| t.stdin(In::Pipe).stdout(Out::Full)) {
        peer.send(b"x");
        run.wait().fails(4, &["no space left"]);
    }
}

#[test]
fn a_closed_stdout_fails_when_there_is_something_to_write() {
    for (run, mut peer) in receivers(|t| t.stdout(Out::Closed)) {
        peer.send(b"x");
        run.wait().fails(4, &[]);
    }
}

#[test]
fn a_closed_stdout_does_not_matter_to_a_sender() {
    let wire = |tool: Tool| tool.stdin(In::Bytes(b"data".to_vec())).stdout(Out::Closed);
    for (run, mut peer) in receivers(wire) {
        assert_eq!(peer.recv_all(), b"data");
        peer.close();
        run.wait().succeeds();
    }
}

#[test]
fn a_reader_that_had_enough_ends_it_by_sigpipe_and_quietly() {
    let ends = std::cell::RefCell::new(Vec::new());
    let wire = |tool: Tool| {
        let (rx, tx) = pipe();
        ends.borrow_mut().push((rx, tx.try_clone().unwrap()));
        tool.stdin(In::Pipe).stdout(Out::Fd(tx.into()))
    };
    for (run, mut peer) in receivers(wire) {
        let (mut rx, tx) = ends.borrow_mut().remove(0);
        peer.send(b"0123456789");
        let mut head = [0; 10];
        rx.read_exact(&mut head).unwrap();
        close_reader(rx, &tx);
        drop(tx);
        let began = Instant::now();
        peer.send(b"one more");
        let done = run.wait();
        done.dies_of(Signal::PIPE);
        assert_eq!(done.stderr, "");
        assert!(began.elapsed() < ms(1500), "{:?}", began.elapsed());
    }
}

#[test]
fn a_reader_that_had_enough_of_a_socket_ends_it_by_sigpipe_as_well() {
    let ends = std::cell::RefCell::new(Vec::new());
    let wire = |tool: Tool| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ends.borrow_mut().push(ours);
        tool.stdin(In::Pipe).stdout(Out::Fd(theirs.into()))
    };
    for (run, mut peer) in receivers(wire) {
        let reader = ends.borrow_mut().remove(0);
        // Shut down for everybody who might hold a copy.
        reader.shutdown(Shutdown::Both).unwrap();
        peer.send(b"one more");
        let done = run.wait();
        done.dies_of(Signal::PIPE);
        assert_eq!(done.stderr, "");
    }
}

#[test]
fn a_terminal_that_is_gone_fails_as_an_output() {
    let server = Server::new();
    let (master, slave) = bare_terminal();
    let run = Tool::connect(server.port(), &[])
        .stdout(Out::Fd(slave))
        .start();
    let mut peer = server.accept();
    drop(master);
    // More than one byte: the first ones may come just before the terminal is gone.
    peer.send_until_error();
    run.wait().fails(4, &[]);
}

#[test]
fn a_nonblocking_stdout_with_a_slow_reader_gets_everything() {
    let data = random_bytes(MIB, 23);
    let (mut rx, tx) = pipe();
    let flags = fcntl_getfl(&tx).unwrap() | OFlags::NONBLOCK;
    fcntl_setfl(&tx, flags).unwrap();
    let watch = tx.try_clone().unwrap();
    let server = Server::new();
    let run = Tool::connect(server.port(), &[])
        .stdout(Out::Fd(tx.into()))
        .start();
    let mut peer = server.accept();
    let bytes = data.clone();
    let sending = spawn(move || peer.send(&bytes));
    let mut arrived = Vec::new();
    let mut chunk = [0; 4096];
    while arrived.len() < data.len() {
        let n = rx.read(&mut chunk).unwrap();
        arrived.extend_from_slice(chunk.get(..n).unwrap());
        std::thread::sleep(ms(1) / 2);
    }
    sending.join();
    assert!(arrived == data);
    run.wait().succeeds();
    assert_eq!(fcntl_getfl(&watch).unwrap(), flags);
}

#[test]
fn stopping_and_continuing_loses_nothing_behind_a_slow_reader() {
    let data = random_bytes(2 * MIB, 24);
    for (listens, seed) in [(false, 0_u64), (true, 1)] {
        let (rx, tx) = pipe();
        let wire = |tool: Tool| tool.stdout(Out::Fd(tx.into()));
        let (run, mut peer) = if listens {
            let (run, port) = wire(Tool::listen(&[])).start_listening();
            (run, Peer::connect(port))
        } else {
            let server = Server::new();
            let run = wire(Tool::connect(server.port(), &[])).start();
            (run, server.accept())
        };
        let bytes = data.clone();
        let sending = spawn(move || peer.send(&bytes));
        let reading = spawn(move || {
            let mut rx = rx;
            let mut all = Vec::new();
            let mut chunk = vec![0; 16 << 10];
            loop {
                let n = rx.read(&mut chunk).unwrap();
                if n == 0 {
                    return all;
                }
                all.extend_from_slice(chunk.get(..n).unwrap());
                std::thread::sleep(ms(1));
            }
        });
        for i in 0..30 {
            run.signal(Signal::STOP);
            std::thread::sleep(ms(1 + (i + seed) % 3));
            run.signal(Signal::CONT);
            std::thread::sleep(ms(1 + (i + seed) % 5));
        }
        sending.join();
        run.wait().succeeds();
        assert!(reading.join() == data, "bytes were lost");
    }
}

/// Readers and writers of odd sizes behind pipes of one page: every transfer is a short one.
#[test]
fn short_reads_and_writes_everywhere_lose_nothing() {
    let data = random_bytes(256 << 10, 25);
    for size in [1_usize, 3, 77, 777, 4096, 5000] {
        let data = data.get(..(size * 2000).min(data.len())).unwrap().to_vec();
        let (in_rx, in_tx) = pipe_of_size(4096);
        let (out_rx, out_tx) = pipe_of_size(4096);
        let (receiver, port) = Tool::listen(&[])
            .stdout(Out::Fd(out_tx.into()))
            .start_listening();
        let sender = Tool::connect(port, &[]).stdin(In::Fd(in_rx.into())).start();
        let bytes = data.clone();
        let writing = spawn(move || {
            let mut tx = in_tx;
            for piece in bytes.chunks(size) {
                tx.write_all(piece).unwrap();
            }
        });
        let reading = spawn(move || {
            let mut rx = out_rx;
            let mut all = Vec::new();
            let mut chunk = vec![0; size];
            loop {
                let n = rx.read(&mut chunk).unwrap();
                if n == 0 {
                    return all;
                }
                all.extend_from_slice(chunk.get(..n).unwrap());
            }
        });
        writing.join();
        sender.wait().succeeds();
        receiver.wait().succeeds();
        assert_eq!(
            Digest::of(&reading.join()),
            Digest::of(&data),
            "pieces of {size}"
        );
    }
}

/// A peer that sends and takes a few bytes at a time.
#[test]
fn a_peer_of_tiny_pieces_loses_nothing() {
    let data = random_bytes(3000, 26);
    for (run, mut peer) in receivers(|t| t.stdin(In::Bytes(random_bytes(3000, 26)))) {
        // A Unix socket knows no delay.
        drop(peer.socket.set_tcp_nodelay(true));
        for piece in data.chunks(7) {
            peer.send(piece);
            assert_eq!(peer.recv(piece.len()), piece);
        }
        assert_eq!(peer.recv_all(), b"");
        peer.close();
        run.wait().succeeds().wrote(&data);
    }
}
