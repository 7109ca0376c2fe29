//! Connections that fail, break, or never end.

use std::{fs, io::Read as _, net::SocketAddr};

use super::{dies_of, differences, exits, hangs};
use crate::{
    conformance::{Nc, Seen},
    util::{
        DEADLINE, In, Net, Out, Peer, Running, Server, Signal, Tool, close_reader,
        data::{RandomFile, random_bytes},
        ms, pipe, readable,
    },
};

const MANY: &[u8] = &[b'x'; 1000];

differences! {
    /// B1. Why a script failed should not be a riddle.
    a_refused_connection_is_told_without_verbose:
        |nc: &Nc| nc.sees(nc.to(nc.refusing(), &[])),
        nc: Some(exits(1).silent()),
        oxnc: exits(1).saying("nc: connect to 127.0.0.1 port <1> (tcp) failed: Connection refused");

    /// B4. The words of `nc` are those of an `errno` that is not about this.
    a_connection_that_timed_out_is_called_that:
        |nc: &Nc| nc.sees(nc.to(nc.mute(), &["-v", "-w1"])),
        nc: Some(exits(1).saying("port <1> (tcp) timed out: Operation now in progress")),
        oxnc: exits(1).saying("nc: connect to 127.0.0.1 port <1> (tcp) failed: Connection timed out");

    /// B8. An address of the other family is no reason to give up.
    a_local_address_serves_for_the_addresses_of_its_family:
        |nc: &Nc| from(nc, &["-s", "127.0.0.1", "dual", "4000"]),
        nc: Some(exits(1).saying("Address family for hostname not supported")),
        oxnc: exits(0).silent();

    /// B9.
    what_could_be_tried_from_a_local_address_is_told:
        |nc: &Nc| from(nc, &["-v", "-s", "::1", "dual", "4000"]),
        nc: Some(exits(1).saying("nc: getaddrinfo: Address family for hostname not supported")),
        oxnc: exits(1).saying("nc: connect to dual (::1) port 4000 (tcp) failed: Connection refused");

    /// C3. The server has answered and left, and nobody types.
    a_server_that_has_left_ends_it:
        |nc: &Nc| {
            let (run, mut peer) = connected(nc, &[], In::Pipe);
            peer.send(b"bye\n");
            peer.close();
            nc.saw(run)
        },
        nc: Some(hangs().writing(b"bye\n")),
        oxnc: exits(0).writing(b"bye\n").silent();

    /// C5.
    a_reset_is_no_end:
        |nc: &Nc| {
            let (run, mut peer) = connected(nc, &[], In::Pipe);
            peer.send(MANY);
            run.stdout().wait_for(1000);
            peer.reset();
            nc.saw(run)
        },
        nc: Some(exits(0).writing(MANY).silent()),
        oxnc: exits(1).writing(MANY).saying("reset");

    /// C6. The kernel still has what came before the reset.
    what_came_before_a_reset_is_written:
        |nc: &Nc| {
            let (run, mut peer) = connected(nc, &[], In::Pipe);
            peer.send(b"a");
            run.stdout().wait_for(1);
            run.signal(Signal::STOP);
            until_stopped(&run);
            peer.send(b"bcd");
            peer.reset();
            run.signal(Signal::CONT);
            nc.saw(run)
        },
        nc: Some(exits(0).writing(b"a").silent()),
        oxnc: exits(1).writing(b"abcd").saying("reset");

    /// C7. A server that answers a command without reading its line end resets the connection. `nc`
    /// loses the answer in four of five runs.
    an_answer_is_written_whatever_follows_it:
        |nc: &Nc| {
            for _ in 0..20 {
                let seen = probe(nc);
                seen.wrote(b"imok");
            }
            probe(nc)
        },
        nc: None,
        oxnc: exits(1).writing(b"imok").saying("reset");

    /// C8.
    an_upload_that_was_reset_has_failed:
        |nc: &Nc| upload(nc, 1000, Peer::reset),
        nc: Some(exits(0).silent()),
        oxnc: exits(1).saying("reset");

    /// C9.
    an_upload_to_a_server_that_left_has_failed:
        |nc: &Nc| upload(nc, 10, Peer::close),
        nc: Some(exits(0).silent()),
        oxnc: exits(1);

    /// C10.
    a_full_disk_is_told:
        |nc: &Nc| {
            let server = nc.server();
            let run = nc.to(server.port(), &[]).stdout(Out::Full).start();
            let mut peer = server.accept();
            peer.send(MANY);
            peer.half_close();
            nc.saw(run)
        },
        nc: Some(exits(0).silent()),
        oxnc: exits(1).saying("No space left on device");

    /// C10, with a stdin that stays open.
    a_full_disk_ends_it:
        |nc: &Nc| {
            let server = nc.server();
            let run = nc.to(server.port(), &[]).stdin(In::Pipe).stdout(Out::Full).start();
            let mut peer = server.accept();
            peer.send(MANY);
            nc.saw(run)
        },
        nc: Some(hangs().silent()),
        oxnc: exits(1).saying("No space left on device");

    /// C11. As any filter does.
    a_reader_that_left_ends_it_quietly:
        |nc: &Nc| without_reader(nc, In::Null),
        nc: Some(exits(0).silent()),
        oxnc: dies_of(Signal::PIPE).silent();

    /// C12.
    a_reader_that_left_ends_it_whatever_stdin_does:
        |nc: &Nc| without_reader(nc, In::Pipe),
        nc: Some(hangs()),
        oxnc: dies_of(Signal::PIPE).silent();

    /// C13. The socket of `nc` is its own stdin.
    a_closed_stdin_is_nothing_to_send:
        |nc: &Nc| echoed(nc, |tool| tool.stdin(In::Closed)),
        nc: Some(exits(0).writing(b"").hearing(b"hello\n")),
        oxnc: exits(0).writing(b"hello\n").hearing(b"").silent();

    /// C14. The socket of `nc` is its own stdout.
    a_closed_stdout_is_not_the_peer:
        |nc: &Nc| echoed(nc, |tool| tool.stdout(Out::Closed)),
        nc: Some(exits(0).hearing(b"hello\n")),
        oxnc: exits(1).hearing(b"").saying("cannot write to standard output");

    /// C15.
    a_stdin_that_cannot_be_read_is_a_failure:
        |nc: &Nc| {
            let server = nc.server();
            let run = nc.to(server.port(), &["-N"]).stdin(In::File("/".into())).start();
            let mut peer = server.accept();
            let mut end = [0; 1];
            let _ = peer.socket.read(&mut end);
            peer.close();
            nc.saw(run)
        },
        nc: Some(exits(0).silent()),
        oxnc: exits(1).saying("directory");

    /// C18. `nc` waits for the server, and the server for it.
    shutdown_without_stdin_is_not_put_off:
        |nc: &Nc| {
            let (run, peer) = connected(nc, &["-dN"], In::Null);
            let end = readable(&peer.socket, ms(500));
            peer.close();
            nc.saw(run).and_heard(if end { "an end" } else { "nothing" })
        },
        nc: Some(exits(0).hearing(b"nothing")),
        oxnc: exits(0).hearing(b"an end");

    /// A receiver that half-closes at once gets all of it. `nc` sends 16 KiB, or 2 MiB; both ends
    /// exit 0.
    a_file_arrives_whole_at_a_client_that_ended:
        |nc: &Nc| served(nc, &["-l"]),
        nc: None,
        oxnc: exits(0);

    /// The same with `-N` at both ends.
    a_file_with_an_end_arrives_whole_at_a_client_that_ended:
        |nc: &Nc| served(nc, &["-lN"]),
        nc: None,
        oxnc: exits(0);

    /// The same with `-q`.
    a_file_that_is_quit_after_arrives_whole_at_a_client_that_ended:
        |nc: &Nc| served(nc, &["-l", "-q1"]),
        nc: None,
        oxnc: exits(0);
}

fn connected(nc: &Nc, options: &[&str], stdin: In) -> (Running, Peer) {
    let server = nc.server();
    let run = nc.to(server.port(), options).stdin(stdin).start();
    let peer = nc.accepted(&server);
    (run, peer)
}

/// Connects to a name of both families, of which only IPv4 is served.
fn from(nc: &Nc, words: &[&str]) -> Seen {
    let net = Net::new();
    net.file("hosts", "::1 dual\n127.0.0.1 dual\n");
    net.file("nsswitch.conf", "hosts: files\n");
    let server = net.inside(|| Server::on("127.0.0.1:4000".parse::<SocketAddr>().unwrap()));
    let run = net.tool(nc.tool(words)).start();
    while !run.ends_within(ms(1)) {
        if server.has_client_within(ms(10)) {
            server.accept().close();
        }
    }
    nc.saw(run)
}

fn until_stopped(run: &Running) {
    let stat = format!("/proc/{}/stat", run.pid());
    let stopped = || fs::read_to_string(&stat).unwrap().contains(") T ");
    while !stopped() {
        run.runs_on_for(ms(1));
    }
}

fn probe(nc: &Nc) -> Seen {
    let (run, mut peer) = connected(nc, &[], In::Bytes(b"ruok\n".into()));
    peer.recv(4);
    assert!(readable(&peer.socket, DEADLINE));
    peer.send(b"imok");
    peer.close();
    nc.saw(run)
}

fn upload(nc: &Nc, read: usize, leave: fn(Peer)) -> Seen {
    let (run, mut peer) = connected(nc, &["-N"], In::Bytes(random_bytes(20_000_000, 8)));
    peer.recv(read);
    leave(peer);
    nc.saw(run)
}

fn without_reader(nc: &Nc, stdin: In) -> Seen {
    let server = nc.server();
    let (reader, writer) = pipe();
    let watched = writer.try_clone().unwrap();
    let tool = nc
        .to(server.port(), &[])
        .stdin(stdin)
        .stdout(Out::Fd(writer.into()));
    let run = tool.start();
    let mut peer = server.accept();
    close_reader(reader, &watched);
    drop(watched);
    peer.send(MANY);
    let seen = nc.saw(run);
    drop(peer);
    seen
}

/// What a server hears that says `hello` and then ends.
fn echoed(nc: &Nc, wire: fn(Tool) -> Tool) -> Seen {
    let server = nc.server();
    let run = wire(nc.to(server.port(), &[])).start();
    let mut peer = server.accept();
    peer.send(b"hello\n");
    peer.half_close();
    let mut heard = Vec::new();
    let _ = peer.socket.read_to_end(&mut heard);
    nc.saw(run).and_heard(heard)
}

/// A file from a listener to a client that has nothing to send and says so.
fn served(nc: &Nc, listens: &[&str]) -> Seen {
    let file = RandomFile::new(5_000_000, 9);
    let listens = nc.listens(listens).stdin(In::File(file.path()));
    let (listener, port) = nc.listening(listens);
    let client = nc.to(port, &["-N"]).stdout(Out::Digest).start();
    client.stdout().wait_for(file.digest.bytes);
    let listener = nc.saw(listener);
    let client = client.wait();
    assert_eq!(client.digest, file.digest);
    client.succeeds();
    listener
}
