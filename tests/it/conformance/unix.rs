//! Unix sockets: paths and abstract names, streams and datagrams.

use std::{os::unix::net::UnixDatagram, path::Path, thread};

use super::{Nc, Seen, alike};
use crate::util::{In, Peer, Running, Server, Spot, ms};

/// A word that fits into a command line.
fn text(path: &Path) -> &str {
    path.to_str().expect("a path of letters")
}

/// It, listening at `path`, once it says so.
fn listening(nc: &Nc, path: &Path, options: &[&str], stdin: In) -> Running {
    let run = nc.tool(options).arg(path).stdin(stdin).start();
    run.stderr.wait_for_text(" on ");
    run
}

/// What was seen, with this for the path.
fn called(mut seen: Seen, path: &Path, name: &str) -> Seen {
    for line in &mut seen.stderr {
        *line = line.replace(text(path), name);
    }
    seen
}

/// X1.
#[test]
fn a_listener_and_its_client_tell_where_they_met() {
    needs!("nc.openbsd");
    alike(|nc| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let run = nc
            .tool(&["-lUv"])
            .arg(&path)
            .stdin(In::Bytes(b"welcome\n".into()))
            .start();
        run.stderr.wait_for_text("Listening on");
        let client = nc
            .tool(&["-UNv"])
            .arg(&path)
            .stdin(In::Bytes(b"hello\n".into()));
        let client = nc.sees(client);
        client.exits(0).wrote(b"welcome\n").said(&[]);
        called(nc.saw(run), &path, "PATH")
    })
    .exits(0)
    .wrote(b"hello\n")
    .said(&[
        "Bound on PATH",
        "Listening on PATH",
        "Connection received on PATH",
    ]);
}

/// X2.
#[test]
fn a_dead_socket_is_replaced() {
    needs!("nc.openbsd");
    alike(|nc| {
        let spot = Spot::new_socket();
        drop(Server::at(spot.clone()));
        assert!(spot.path().exists());
        let run = listening(nc, spot.path(), &["-lUv"], In::Null);
        run.listens_on(spot.path().as_os_str());
        let mut peer = Peer::connect(spot.clone());
        peer.send(b"alive\n");
        peer.close();
        called(nc.saw(run), spot.path(), "PATH")
    })
    .exits(0)
    .wrote(b"alive\n");
}

/// X3.
#[test]
fn a_socket_that_is_not_there_is_a_failure() {
    needs!("nc.openbsd");
    for options in [&["-U"][..], &["-NU"], &["-Uv"]] {
        alike(|nc| {
            let spot = Spot::new_socket();
            drop(Server::at(spot.clone()));
            called(
                nc.sees(nc.tool(options).arg(spot.path())),
                spot.path(),
                "PATH",
            )
        })
        .exits(1)
        .said(&["nc: PATH: Connection refused"]);
        alike(|nc| nc.sees(nc.tool(options).arg("/nowhere/socket")))
            .exits(1)
            .said(&["nc: /nowhere/socket: No such file or directory"]);
    }
}

#[test]
fn a_directory_that_is_not_there_is_a_failure() {
    needs!("nc.openbsd");
    alike(|nc| nc.sees(nc.tool(&["-lU", "/nowhere/socket"])))
        .exits(1)
        .said(&["nc: No such file or directory"]);
}

/// X6.
#[test]
fn an_abstract_name_needs_no_file() {
    needs!("nc.openbsd");
    for (n, options) in [&["-lUv"][..], &["-vlUN"]].into_iter().enumerate() {
        alike(|nc| {
            let thread = thread::current().id();
            let name = format!("@oxnc-conformance-{}-{n}-{thread:?}", std::process::id());
            let run = listening(nc, name.as_ref(), options, In::Null);
            run.listens_on(name.as_ref());
            let client = nc.tool(&["-UN", &name]).stdin(In::Bytes(b"hello\n".into()));
            nc.sees(client).exits(0).said(&[]);
            called(nc.saw(run), name.as_ref(), "NAME")
        })
        .exits(0)
        .wrote(b"hello\n")
        .said(&[
            "Bound on NAME",
            "Listening on NAME",
            "Connection received on NAME",
        ]);
    }
}

/// As libvirt talks to its daemon: until ssh closes stdin, or the daemon leaves.
#[test]
fn a_daemon_is_talked_to_until_stdin_ends() {
    needs!("nc.openbsd");
    for options in [&["-q0", "-U"][..], &["-NU"]] {
        alike(|nc| {
            let server = Server::at(Spot::new_socket());
            let tool = nc.tool(options).arg(server.spot().path()).stdin(In::Pipe);
            let mut run = tool.start();
            let mut peer = server.accept();
            run.write(b"question");
            let mut heard = peer.recv(8);
            peer.send(b"answer");
            run.stdout().wait_for(6);
            run.close_stdin();
            heard.extend(peer.recv_all());
            peer.close();
            nc.saw(run).and_heard(heard)
        })
        .exits(0)
        .wrote(b"answer")
        .heard(b"question")
        .said(&[]);
    }
}

#[test]
fn without_shutdown_a_daemon_hears_no_end() {
    needs!("nc.openbsd");
    alike(|nc| {
        let server = Server::at(Spot::new_socket());
        let tool = nc
            .tool(&["-U"])
            .arg(server.spot().path())
            .stdin(In::Bytes(b"cmd\n".into()));
        let run = tool.start();
        let mut peer = server.accept();
        let heard = peer.recv(4);
        peer.hears_nothing_for(ms(200));
        peer.send(b"ok\n");
        peer.close();
        nc.saw(run).and_heard(heard)
    })
    .exits(0)
    .wrote(b"ok\n");
}

#[test]
fn clients_of_a_socket_are_served_in_turn() {
    needs!("nc.openbsd");
    alike(|nc| {
        let spot = Spot::new_socket();
        let run = listening(nc, spot.path(), &["-lkUv"], In::Null);
        run.listens_on(spot.path().as_os_str());
        let (mut one, mut two) = (Peer::connect(spot.clone()), Peer::connect(spot.clone()));
        two.send(b"22");
        two.close();
        one.send(b"1");
        run.stdout().wait_for(1);
        one.send(b"1");
        one.close();
        run.stdout().wait_for(4);
        called(nc.saw_until_now(run), spot.path(), "PATH")
    })
    .wrote(b"1122")
    .said(&[
        "Bound on PATH",
        "Listening on PATH",
        "Connection received on PATH",
        "Connection received on PATH",
    ]);
}

/// X5.
#[test]
fn datagrams_reach_a_socket() {
    needs!("nc.openbsd");
    alike(|nc| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let server = UnixDatagram::bind(&path).unwrap();
        server
            .set_read_timeout(Some(crate::util::DEADLINE))
            .unwrap();
        let run = nc
            .tool(&["-uU", "-w1"])
            .arg(&path)
            .stdin(In::Bytes(b"hello\n".into()))
            .start();
        let mut heard = [0; 100];
        let (n, from) = server.recv_from(&mut heard).unwrap();
        // It has an address of its own for the answer: a file or an abstract name.
        server.send_to_addr(b"hi\n", &from).unwrap();
        nc.saw(run).and_heard(&heard[..n])
    })
    .exits(0)
    .wrote(b"hi\n")
    .heard(b"hello\n");
}

#[test]
fn the_path_of_a_client_can_be_chosen() {
    needs!("nc.openbsd");
    alike(|nc| {
        let dir = tempfile::tempdir().unwrap();
        let (path, own) = (dir.path().join("socket"), dir.path().join("own"));
        let server = UnixDatagram::bind(&path).unwrap();
        server
            .set_read_timeout(Some(crate::util::DEADLINE))
            .unwrap();
        let words = ["-uU", "-w1", "-s", text(&own)];
        let run = nc
            .tool(&words)
            .arg(&path)
            .stdin(In::Bytes(b"hello\n".into()))
            .start();
        let mut heard = [0; 100];
        let (n, from) = server.recv_from(&mut heard).unwrap();
        assert_eq!(from.as_pathname(), Some(&*own));
        server.send_to(b"hi\n", &own).unwrap();
        nc.saw(run).and_heard(&heard[..n])
    })
    .exits(0)
    .wrote(b"hi\n");
}

#[test]
fn a_socket_for_datagrams_hears_its_client() {
    needs!("nc.openbsd");
    alike(|nc| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let run = listening(nc, &path, &["-luUv"], In::Pipe);
        let client = UnixDatagram::bind(dir.path().join("client")).unwrap();
        client.send_to(b"one ", &path).unwrap();
        run.stdout().wait_for(4);
        client.send_to(b"two ", &path).unwrap();
        run.stdout().wait_for(8);
        nc.saw_until_now(run).whatever_it_said()
    })
    .wrote(b"one two ");
}
