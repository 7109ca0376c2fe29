//! However a run ends, its peer does not take that for the end of the data.

use std::{io::Write, net::SocketAddr};

use crate::util::{
    In, Net, Out, Peer, Server, Signal, Tool, Trace, data::random_bytes, fifo, ms, pipe, spawn,
};

/// All that a sender gives fits into its receiver, whose stdout nobody reads.
#[test]
fn a_receiver_killed_with_bytes_in_hand_makes_its_sender_fail() {
    for signal in [Signal::QUIT, Signal::ALARM, Signal::USR2, Signal::KILL] {
        let (rx, tx) = pipe();
        let (receiver, port) = Tool::listen(&[])
            .stdout(Out::Fd(tx.into()))
            .start_listening();
        let sender = Tool::connect(port, &[])
            .stdin(In::Bytes(random_bytes(1_500_000, 60)))
            .start();
        sender.runs_on_for(ms(300));
        receiver.signal(signal);
        receiver.wait().dies_of(signal);
        sender.wait().fails(5, &[]);
        drop(rx);
    }
}

#[test]
fn a_file_over_the_limit_is_a_failed_write() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let script = "ulimit -f 64; exec \"$@\"";
    let (receiver, port) = Tool::listen(&[])
        .stdout(Out::File(path.clone()))
        .under(&["bash", "-c", script, "bash"])
        .start_listening();
    let sender = Tool::connect(port, &[]).stdin(In::Bytes(random_bytes(200_000, 61)));
    sender.run().fails(5, &[]);
    receiver.wait().fails(4, &["File too large"]);
    assert_eq!(std::fs::metadata(path).unwrap().len(), 64 << 10);
}

/// The sender has given up while the cable was cut, and then the cable is mended.
#[test]
fn a_sender_that_gave_up_does_not_look_like_one_that_ended() {
    needs!("root", "nft");
    let (near, far) = Net::pair();
    let receiver = Tool::listen_with(&["--idle-timeout=3s"], &["192.0.2.2", "4000"]);
    let (receiver, _) = far.tool(receiver).stdout(Out::Digest).start_listening();
    let sender = Tool::oxnc(&["--linger=1s", "192.0.2.2", "4000"]);
    let mut sender = near.tool(sender).stdin(In::Pipe).start();
    let mut stdin = sender.take_stdin();
    spawn(move || while stdin.write_all(&[0; 4096]).is_ok() {});
    receiver.stdout().wait_for(1 << 20);
    far.drop_input("meta l4proto tcp drop");
    sender.wait().fails(5, &["192.0.2.2"]);
    far.sh("nft flush ruleset");
    // The reset was sent into the cut cable. What matters: there is no end.
    receiver.wait().fails(124, &["192.0.2.1", "idle"]);
}

#[test]
fn a_failure_of_the_event_loop_is_not_an_end() {
    needs!("strace");
    let server = Server::new();
    let fault = ["-e", "inject=epoll_ctl:error=ENOMEM:when=14+"];
    let (_trace, tool) = Trace::of(Tool::connect(server.port(), &[]).stdin(In::Pipe), &fault);
    let mut run = tool.start();
    let mut peer = server.accept();
    run.write(b"hello");
    let heard = spawn(move || peer.recv_until_reset());
    run.wait().fails(4, &["memory"]);
    assert!(b"hello".starts_with(&heard.join()));
}

#[test]
fn a_reset_with_nothing_to_deliver_is_a_broken_stream_each_time() {
    for _ in 0..20 {
        let server = Server::new();
        let run = Tool::connect(server.port(), &["-N"]).start();
        let mut peer = server.accept();
        peer.send(&[b'x'; 1000]);
        peer.reset();
        run.wait().fails(3, &["reset"]).wrote(&[b'x'; 1000]);
    }
}

#[test]
fn a_reset_right_after_the_answer_loses_nothing_of_it_into_a_named_pipe() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..10 {
        let path = dir.path().join("fifo");
        let _ = std::fs::remove_file(&path);
        let path = fifo(dir.path());
        let both = || {
            std::fs::OpenOptions::new()
                .read(true)
                .write(true)
                .open(&path)
                .unwrap()
        };
        let (reader, writer) = (both(), both());
        let server = Server::new();
        let run = Tool::connect(server.port(), &[])
            .stdout(Out::Fd(writer.into()))
            .start();
        let mut peer = server.accept();
        peer.send(b"answer");
        peer.reset();
        run.wait().fails(3, &["reset"]);
        let mut answer = [0; 6];
        std::io::Read::read_exact(&mut &reader, &mut answer).unwrap();
        assert_eq!(&answer, b"answer");
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn the_master_of_a_terminal_is_written_to_and_not_opened_again() {
    use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let master = openpt(flags).unwrap();
    unlockpt(&master).unwrap();
    let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
    let server = Server::new();
    let run = Tool::connect(server.port(), &[])
        .stdout(Out::Fd(master.try_clone().unwrap()))
        .start();
    let mut peer = server.accept();
    peer.send(b"hello\n");
    peer.close();
    run.wait().succeeds();
    let mut line = [0; 6];
    std::io::Read::read_exact(&mut std::fs::File::from(slave), &mut line).unwrap();
    assert_eq!(&line, b"hello\n");
}

#[test]
fn a_port_for_a_named_pipe_that_nobody_reads_can_be_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let print = format!("--print-port={}", fifo(dir.path()).display());
    let listen = |more: &[&str]| Tool::oxnc(&["-l", &print, "127.0.0.1", "0"]).args(more);
    let run = listen(&[]).start();
    run.runs_on_for(ms(200));
    run.signal(Signal::TERM);
    run.wait().dies_of(Signal::TERM);
    listen(&["--max-time=300ms"])
        .run()
        .fails(124, &["--max-time"]);
}

#[test]
fn a_port_for_a_named_pipe_waits_for_its_reader() {
    let dir = tempfile::tempdir().unwrap();
    let path = fifo(dir.path());
    let print = format!("--print-port={}", path.display());
    let run = Tool::oxnc(&["-l", &print, "127.0.0.1", "0"]).start();
    run.runs_on_for(ms(100));
    let port: u16 = std::fs::read_to_string(path)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    Peer::connect(port).close();
    run.wait().succeeds();
}

#[test]
fn a_port_file_of_before_stays_when_nothing_is_listened_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("port");
    std::fs::write(&path, "4711\n").unwrap();
    let print = format!("--print-port={}", path.display());
    let server = Server::new();
    let taken = server.port().to_string();
    Tool::oxnc(&["-l", &print, "127.0.0.1", &taken])
        .run()
        .fails(1, &[&taken]);
    assert_eq!(std::fs::read_to_string(path).unwrap(), "4711\n");
}

#[test]
fn a_standard_error_that_nobody_reads_stops_neither_bytes_nor_signals() {
    let (rx, tx) = pipe();
    let server = Server::new();
    let script = "exec 2>&9 \"$@\"";
    let fd = std::os::fd::AsRawFd::as_raw_fd(&tx);
    let script = script.replace('9', &fd.to_string());
    let run = Tool::connect(server.port(), &["-vvv"])
        .under(&["bash", "-c", &script, "bash"])
        .inherit(tx.into())
        .stdin(In::File("/dev/zero".into()))
        .start();
    let mut peer = server.accept();
    assert_eq!(peer.recv(32 << 20).len(), 32 << 20);
    run.signal(Signal::TERM);
    run.wait().dies_of(Signal::TERM);
    drop(rx);
}

#[test]
fn every_address_of_a_name_is_bound_or_the_run_fails() {
    needs!("root");
    let net = Net::new();
    net.file("hosts", "127.0.0.1 two\n203.0.113.5 two\n");
    let listener = Tool::oxnc(&["-l", "two", "0", "--max-time=5"]);
    net.tool(listener).run().fails(1, &["203.0.113.5"]);
}

#[test]
fn the_total_limit_names_what_it_ended() {
    let words = ["-l", "--max-time=200ms", "127.0.0.1", "0"];
    Tool::oxnc(&words)
        .run()
        .fails(124, &["no client", "--max-time"]);
}

#[test]
fn addresses_of_the_other_family_cost_no_time() {
    needs!("root");
    let net = Net::new();
    net.sh("ip -6 addr add 2001:db8:1::1/128 dev lo nodad");
    net.file(
        "hosts",
        "2001:db8:1::1 t\n2001:db8:1::2 t\n2001:db8:1::3 t\n127.0.0.1 t\n",
    );
    let server = net.inside(|| Server::on(SocketAddr::from(([127, 0, 0, 1], 4000))));
    let mut best = ms(10_000);
    for _ in 0..3 {
        let run = net
            .tool(Tool::oxnc(&["-s", "127.0.0.1", "t", "4000"]))
            .start();
        server.accept().close();
        best = best.min(run.wait().took);
    }
    assert!(best < ms(200), "{best:?}");
}
