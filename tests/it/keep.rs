//! A listener that stays open: what goes where, who ends how, and what the run comes to.

use std::{thread::sleep, time::Duration};

use rustix::io::ioctl_fionread;

use crate::util::{
    DEADLINE, Family, In, Out, Peer, Running, Server, Signal, SmallDisk, Terminal, Tool,
    close_reader, data::random_bytes, ms, pipe, readable, spawn,
};

fn keep(options: &[&str]) -> Tool {
    Tool::listen(options).args(&["-k"])
}

#[test]
fn clients_are_served_at_once_and_one_after_another() {
    for family in Family::ALL {
        let tool = Tool::listen_at(family, &["-k", "--accept=3"]);
        let (run, spot) = tool.start_listening_at();
        let (mut one, mut two) = (Peer::connect(spot.clone()), Peer::connect(spot.clone()));
        two.send(b"2");
        run.stdout().wait_for(1);
        one.send(b"1");
        run.stdout().wait_for(2);
        two.close();
        let mut three = Peer::connect(spot);
        three.send(b"3");
        run.stdout().wait_for(3);
        three.close();
        one.send(b"1");
        one.close();
        run.wait().succeeds().wrote(b"2131");
    }
}

#[test]
fn what_a_client_has_sent_is_written_before_it_gets_our_end() {
    for (family, options) in [
        (Family::Tcp, &["-k"][..]),
        (Family::Unix, &["-k"]),
        (Family::Tcp, &["-k", "--tag"]),
    ] {
        let (rx, tx) = pipe();
        let tool = Tool::listen_at(family, options).stdout(Out::Fd(tx.into()));
        let (run, spot) = tool.start_listening_at();
        let mut peer = Peer::connect(spot);
        // More than the pipe holds, which may have been made a wide one.
        peer.send(&vec![b'x'; 1_200_000]);
        peer.half_close();
        peer.hears_nothing_for(ms(300));
        let reader = spawn(move || {
            let mut rx = rx;
            std::io::copy(&mut rx, &mut std::io::sink()).unwrap()
        });
        assert_eq!(peer.recv_all(), b"");
        run.signal(Signal::TERM);
        run.wait().dies_of(Signal::TERM);
        assert!(reader.join() >= 1_200_000);
    }
}

#[test]
fn stdin_goes_to_everybody_who_is_there() {
    for family in Family::ALL {
        let tool = Tool::listen_at(family, &["-k", "--accept=3"]).stdin(In::Pipe);
        let (mut run, spot) = tool.start_listening_at();
        let mut one = Peer::connect(spot.clone());
        run.write(b"first ");
        assert_eq!(one.recv(6), b"first ");
        let mut two = Peer::connect(spot.clone());
        two.send(b"x");
        run.stdout().wait_for(1);
        run.write(b"second");
        run.close_stdin();
        assert_eq!(one.recv_all(), b"second");
        assert_eq!(two.recv_all(), b"second");
        // The end is the end for who comes later, too.
        let mut three = Peer::connect(spot);
        assert_eq!(three.recv_all(), b"");
        two.send(b"y");
        three.send(b"z");
        run.stdout().wait_for(3);
        for peer in [one, two, three] {
            peer.close();
        }
        run.wait().succeeds();
    }
}

#[test]
fn who_has_ended_gets_all_of_a_file_and_of_a_pipe_what_was_there() {
    let data = random_bytes(8 << 20, 72);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    std::fs::write(&path, &data).unwrap();
    for (family, options) in [
        (Family::Tcp, &["-k", "--accept=1"][..]),
        (Family::Unix, &["-k", "--accept=1"]),
        (Family::Tcp, &["-k", "--accept=1", "--no-shutdown"]),
    ] {
        let tool = Tool::listen_at(family, options).stdin(In::File(path.clone()));
        let (run, spot) = tool.start_listening_at();
        let mut peer = Peer::connect(spot);
        peer.send(b"and you?");
        peer.half_close();
        // It has been heard before anything is taken.
        run.stdout().wait_for(8);
        assert!(peer.recv_all() == data, "{family:?} {options:?}");
        peer.close();
        run.wait().succeeds().wrote(b"and you?");
    }
    let (mut run, port) = keep(&["--accept=1"]).stdin(In::Pipe).start_listening();
    let mut peer = Peer::connect(port);
    run.write(b"some");
    assert_eq!(peer.recv(4), b"some");
    peer.half_close();
    assert_eq!(peer.recv_all(), b"");
    peer.close();
    run.wait().succeeds();
}

#[test]
fn stdin_is_not_read_while_nobody_is_there() {
    let (rx, tx) = pipe();
    let left = rx.try_clone().unwrap();
    let (run, port) = keep(&[]).stdin(In::Fd(rx.into())).start_listening();
    let unread = || ioctl_fionread(&left).unwrap();
    let write = |text: &[u8]| rustix::io::write(&tx, text).unwrap();
    write(b"before");
    run.runs_on_for(ms(200));
    assert_eq!(unread(), 6);
    let mut peer = Peer::connect(port);
    assert_eq!(peer.recv(6), b"before");
    peer.half_close();
    assert_eq!(peer.recv_all(), b"");
    peer.close();
    write(b"between");
    run.runs_on_for(ms(200));
    assert_eq!(unread(), 7);
    let mut peer = Peer::connect(port);
    assert_eq!(peer.recv(7), b"between");
    run.signal(Signal::TERM);
    run.wait().dies_of(Signal::TERM);
    // Stdin had delivered something and not ended.
    peer.recv_until_reset();
}

#[test]
fn with_nothing_to_send_a_client_gets_its_end_after_its_own() {
    for (options, at_once) in [
        (&[][..], false),
        (&["-N"], true),
        (&["--no-shutdown"], false),
    ] {
        let (run, port) = keep(&["--accept=1"]).args(options).start_listening();
        let mut peer = Peer::connect(port);
        if at_once {
            assert_eq!(peer.recv_all(), b"", "{options:?}");
        } else {
            peer.hears_nothing_for(ms(200));
        }
        peer.send(b"x");
        peer.half_close();
        assert_eq!(peer.recv_all(), b"");
        run.wait().succeeds().wrote(b"x");
    }
}

#[test]
fn after_stdins_end_a_silent_client_is_done_with_where_that_is_asked_for() {
    let tool = keep(&["-q", "400ms", "--accept=1"]).stdin(In::Bytes(b"hello".to_vec()));
    let (run, port) = tool.start_listening();
    let mut peer = Peer::connect(port);
    assert_eq!(peer.recv_all(), b"hello");
    peer.send(b"answer");
    run.stdout().wait_for(6);
    run.wait().succeeds().wrote(b"answer");
}

#[test]
fn with_tags_lines_are_whole_and_say_who() {
    let (run, port) = keep(&["--tag", "--accept=2"]).start_listening();
    let (mut one, mut two) = (Peer::connect(port), Peer::connect(port));
    let tags = [one.local(), two.local()];
    one.send(b"half ");
    two.send(b"whole\n");
    let first = format!("{} whole\n", tags[1]);
    run.stdout().wait_for(first.len() as u64);
    one.send(b"a line\nand no end");
    two.send(b"\n");
    one.close();
    two.close();
    let done = run.wait();
    done.succeeds();
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(text.starts_with(&first), "{text}");
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    let mut expected = vec![
        format!("{} half a line", tags[0]),
        format!("{} and no end", tags[0]),
        format!("{} whole", tags[1]),
        format!("{} ", tags[1]),
    ];
    expected.sort_unstable();
    assert_eq!(lines, expected);
    assert!(text.ends_with('\n'));
}

#[test]
fn tags_name_ipv6_and_unix_clients() {
    let tool = Tool::listen_with(&["-k", "--tag", "--accept=1"], &["::1", "0"]);
    let (run, port) = tool.start_listening();
    let mut peer = Peer::connect_to(([0, 0, 0, 0, 0, 0, 0, 1], port));
    peer.send(b"x");
    let expected = format!("[::1]:{} x\n", peer.local().port());
    peer.close();
    run.wait().succeeds().wrote(expected.as_bytes());

    let tool = Tool::listen_at(Family::Unix, &["-k", "--tag", "--accept=2"]);
    let (run, spot) = tool.start_listening_at();
    for n in 1..=2 {
        let mut peer = Peer::connect(spot.clone());
        peer.send(b"x");
        peer.half_close();
        assert_eq!(peer.recv_all(), b"", "client {n}");
    }
    run.wait().succeeds().wrote(b"client-1 x\nclient-2 x\n");
}

#[test]
fn a_client_that_breaks_is_named_and_ends_nobody_else() {
    for family in Family::ALL {
        let tool = Tool::listen_at(family, &["-k", "--accept=2"]);
        let (run, spot) = tool.start_listening_at();
        let (mut bad, mut good) = (Peer::connect(spot.clone()), Peer::connect(spot));
        bad.send(b"bad ");
        run.stdout().wait_for(4);
        bad.reset();
        run.stderr.wait_for_text("reset");
        good.send(b"good");
        good.close();
        run.wait().fails(3, &["reset"]).wrote(b"bad good");
    }
}

#[test]
fn the_worst_client_makes_the_status() {
    let tool = keep(&["--accept=3", "--idle-timeout=300ms"]).stdin(In::Pipe);
    let (mut run, port) = tool.start_listening();
    // One is idle (124), one resets what it was sent (5), one ends cleanly.
    let clean = Peer::connect(port);
    clean.half_close();
    let (idle, mut bad) = (Peer::connect(port), Peer::connect(port));
    run.write(b"for you");
    assert_eq!(bad.recv(7), b"for you");
    bad.reset();
    let done = run.wait();
    done.exits(5);
    assert_eq!(done.stderr.lines().count(), 2, "{}", done.stderr);
    drop((clean, idle));
}

#[test]
fn an_idle_client_is_reset_and_named_and_a_busy_one_is_not() {
    for family in Family::ALL {
        let tool = Tool::listen_at(family, &["-k", "-w500ms", "--accept=2"]);
        let (run, spot) = tool.start_listening_at();
        let (mut busy, mut idle) = (Peer::connect(spot.clone()), Peer::connect(spot));
        let talk = spawn(move || {
            for _ in 0..15 {
                busy.send(b"x");
                sleep(ms(100));
            }
            busy.half_close();
            assert_eq!(busy.recv_all(), b"");
        });
        assert_eq!(idle.recv_until_reset(), b"");
        talk.join();
        run.wait()
            .fails(124, &["nothing moved", "idle-timeout"])
            .wrote(&[b'x'; 15]);
    }
}

#[test]
fn the_wait_for_clients_is_limited_while_nobody_is_there() {
    let (run, port) = keep(&["--accept-timeout=400ms"]).start_listening();
    let peer = Peer::connect(port);
    run.runs_on_for(ms(800));
    peer.close();
    run.wait()
        .fails(124, &[&port.to_string(), "accept-timeout"]);
}

#[test]
fn the_whole_run_is_limited() {
    for family in Family::ALL {
        let tool = Tool::listen_at(family, &["-k", "--max-time=700ms"]);
        let (run, spot) = tool.start_listening_at();
        let mut peer = Peer::connect(spot);
        assert_eq!(peer.recv_until_reset(), b"");
        run.wait().fails(124, &["max-time", "1 client"]);
    }
}

#[test]
fn a_signal_resets_whoever_is_there() {
    for family in Family::ALL {
        for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
            let tool = Tool::listen_at(family, &["-k"]);
            let (run, spot) = tool.start_listening_at();
            let (mut one, mut two) = (Peer::connect(spot.clone()), Peer::connect(spot));
            one.send(b"x");
            two.send(b"y");
            run.stdout().wait_for(2);
            run.signal(signal);
            let done = run.wait();
            done.dies_of(signal);
            assert_eq!(done.stderr, "");
            one.recv_until_reset();
            two.recv_until_reset();
        }
    }
}

#[test]
fn who_leaves_the_terminal_says_good_bye_to_all() {
    let mut terminal = Terminal::new();
    let (run, port) = keep(&[]).stdin(In::Fd(terminal.side())).start_listening();
    let mut peer = Peer::connect(port);
    terminal.type_in("hello\n");
    assert_eq!(peer.recv(6), b"hello\n");
    run.signal(Signal::INT);
    run.wait().dies_of(Signal::INT);
    assert_eq!(peer.recv_all(), b"");
}

#[test]
fn a_full_disk_ends_the_run_and_resets_all() {
    for family in Family::ALL {
        let tool = Tool::listen_at(family, &["-k"]).stdout(Out::Full);
        let (run, spot) = tool.start_listening_at();
        let (mut one, mut two) = (Peer::connect(spot.clone()), Peer::connect(spot));
        two.send(b"x");
        run.wait().fails(4, &["standard output", "no space"]);
        two.recv_until_reset();
        one.recv_until_reset();
    }
}

#[test]
fn a_disk_that_becomes_full_ends_the_run() {
    needs!("root", "unshare");
    let disk = SmallDisk::new("64k");
    let tool = keep(&["--tag"]).stdout(Out::File(disk.file("out")));
    let (run, port) = tool.start_listening();
    let mut peer = Peer::connect(port);
    let line = [&[b'x'; 999][..], b"\n"].concat();
    peer.socket
        .set_write_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    peer.send(&line.repeat(200));
    run.wait().fails(4, &["no space"]);
    peer.recv_until_reset();
}

#[test]
fn a_reader_that_left_ends_the_run_quietly() {
    let (rx, tx) = pipe();
    let writer = tx.try_clone().unwrap();
    let (run, port) = keep(&[]).stdout(Out::Fd(tx.into())).start_listening();
    close_reader(rx, &writer);
    let mut peer = Peer::connect(port);
    peer.send(b"x");
    let done = run.wait();
    done.dies_of(Signal::PIPE);
    assert_eq!(done.stderr, "");
    peer.recv_until_reset();
}

#[test]
fn stdin_that_cannot_be_read_ends_the_run_and_resets_all() {
    let dir = tempfile::tempdir().unwrap();
    let fd = std::fs::File::open(dir.path()).unwrap();
    let (run, port) = keep(&[]).stdin(In::Fd(fd.into())).start_listening();
    let mut peer = Peer::connect(port);
    run.wait().fails(4, &["standard input", "directory"]);
    peer.recv_until_reset();
}

#[test]
fn the_status_of_a_sender_tells_what_was_written() {
    let data = random_bytes(3_000_000, 70);
    let (run, port) = keep(&["--accept=4"]).stdout(Out::Digest).start_listening();
    let senders: Vec<_> = (0..4)
        .map(|_| {
            Tool::connect(port, &[])
                .stdin(In::Bytes(data.clone()))
                .start()
        })
        .collect();
    for sender in senders {
        sender.wait().succeeds();
    }
    let done = run.wait();
    done.succeeds();
    assert_eq!(done.digest.bytes, 4 * data.len() as u64);
}

#[test]
fn a_broadcast_reaches_receivers_whole() {
    for family in Family::ALL {
        let data = random_bytes(5_000_000, 71);
        let tool = Tool::listen_at(family, &["-kv", "--accept=3"]).stdin(In::Pipe);
        let (mut run, spot) = tool.start_listening_at();
        let receivers: Vec<_> = (1..=3)
            .map(|n| {
                let receiver = Tool::connect(spot.clone(), &["-d"]).start();
                has_clients(&run, n);
                receiver
            })
            .collect();
        run.write(&data);
        run.close_stdin();
        for receiver in receivers {
            receiver.wait().succeeds().wrote(&data);
        }
        run.wait().exits(0);
    }
}

/// Waits until so many have come (`-v`).
fn has_clients(run: &Running, n: usize) {
    loop {
        let text = String::from_utf8(run.stderr.so_far()).unwrap();
        if text.matches("oxnc: connection ").count() >= n {
            return;
        }
        assert!(run.stderr.moves_within(DEADLINE), "nobody came: {text}");
    }
}

#[test]
fn sockets_passed_in_stay_open_for_many() {
    let server = Server::new();
    let port = server.port();
    let script = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"";
    let run = Tool::oxnc(&["-lk", "--accept=2"])
        .under(&["sh", "-c", script, "sh"])
        .stdin(In::Fd(server.into_fd()))
        .start();
    for _ in 0..2 {
        let mut peer = Peer::connect(port);
        peer.send(b"hello");
        peer.half_close();
        assert_eq!(peer.recv_all(), b"");
    }
    run.wait().succeeds().wrote(b"hellohello");
}

#[test]
fn both_families_are_served() {
    needs!("root");
    let net = crate::util::Net::new();
    let tool = Tool::listen_with(&["-k", "--accept=2"], &["0"]);
    let (run, port) = net.tool(tool).start_listening();
    let (mut four, mut six) = net.inside(move || {
        (
            Peer::connect_to(([127, 0, 0, 1], port)),
            Peer::connect_to(([0, 0, 0, 0, 0, 0, 0, 1], port)),
        )
    });
    six.send(b"6");
    run.stdout().wait_for(1);
    four.send(b"4");
    four.close();
    six.close();
    run.wait().succeeds().wrote(b"64");
}

#[test]
fn a_unix_listener_removes_its_file() {
    let (run, spot) = Tool::listen_at(Family::Unix, &["-k"]).start_listening_at();
    let _peer = Peer::connect(spot.clone());
    run.signal(Signal::TERM);
    run.wait().dies_of(Signal::TERM);
    assert!(!spot.path().exists());
}

#[test]
fn v_tells_who_comes_and_goes_and_sigusr1_the_sums() {
    let (run, port) = keep(&["-v", "--accept=2"]).start_listening();
    let (mut one, mut two) = (Peer::connect(port), Peer::connect(port));
    let names = [&one, &two].map(|peer| format!("127.0.0.1 port {}", peer.local().port()));
    one.send(b"abc");
    two.send(b"de");
    run.stdout().wait_for(5);
    run.signal(Signal::USR1);
    run.stderr
        .wait_for_text("2 clients connected; sent 0 bytes, received 5 bytes");
    one.close();
    run.stderr
        .wait_for_text(&format!("{}: sent 0 bytes, received 3 bytes", names[0]));
    run.signal(Signal::USR1);
    run.stderr
        .wait_for_text("1 client connected; sent 0 bytes, received 5 bytes");
    two.close();
    let done = run.wait();
    done.exits(0);
    for name in names {
        assert!(done.stderr.contains(&format!("connection from {name}\n")));
        assert!(done.stderr.contains(&format!("oxnc: {name}: sent")));
    }
}

#[test]
fn more_clients_than_wanted_wait_in_the_queue() {
    let (run, port) = keep(&["--max-conns=2"]).start_listening();
    let (mut one, mut two) = (Peer::connect(port), Peer::connect(port));
    one.send(b"1");
    two.send(b"2");
    run.stdout().wait_for(2);
    let mut three = Peer::connect(port);
    three.send(b"3");
    assert!(!run.stdout().moves_within(ms(300)), "it was served");
    assert!(!readable(&three.socket, ms(0)), "it was turned away");
    one.close();
    run.stdout().wait_for(3);
    three.half_close();
    assert_eq!(three.recv_all(), b"");
    drop(two);
}
