//! Giving the connected socket away (`-F`), as ssh's `ProxyUseFdpass` wants it.

use std::{
    io::{IoSliceMut, Write as _},
    mem::MaybeUninit,
    net::TcpStream,
    os::fd::OwnedFd,
};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType,
    recvmsg, socketpair,
};

use super::alike;
use crate::util::{DEADLINE, In, Out, Running, pipe, readable};

/// The two ends of what ssh and its command talk over.
fn pair() -> (OwnedFd, OwnedFd) {
    socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .unwrap()
}

/// The bytes and the descriptor that came.
fn taken(from: &OwnedFd, run: &Running) -> (Vec<u8>, OwnedFd) {
    assert!(readable(from, DEADLINE), "nothing comes from {}", run.pid());
    let mut bytes = [0; 16];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let message = recvmsg(
        from,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )
    .unwrap();
    let mut descriptors = Vec::new();
    for part in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = part {
            descriptors.extend(received);
        }
    }
    assert_eq!(descriptors.len(), 1);
    (bytes[..message.bytes].to_vec(), descriptors.remove(0))
}

/// F1.
#[test]
fn the_socket_is_given_away() {
    needs!("nc.openbsd");
    for options in [&["-F"][..], &["-nF"], &["-F", "-w5"]] {
        alike(|nc| {
            let server = nc.server();
            let (ours, theirs) = pair();
            let tool = nc.to(server.port(), options).stdin(In::Pipe);
            let run = tool.stdout(Out::Fd(theirs)).start();
            let mut peer = server.accept();
            let (bytes, socket) = taken(&ours, &run);
            let seen = nc.saw(run);
            // It is still connected, and nothing was sent to it.
            let mut socket = TcpStream::from(socket);
            socket.write_all(b"mine\n").unwrap();
            drop(socket);
            seen.and_heard(bytes).and_heard(peer.recv_all())
        })
        .exits(0)
        .heard(b"\0mine\n")
        .said(&[]);
    }
}

/// What the server has said through the proxy is still in the socket.
#[test]
fn the_socket_behind_a_proxy_is_given_away() {
    needs!("nc.openbsd");
    alike(|nc| {
        let server = nc.server();
        let proxy = format!("127.0.0.1:{}", server.port());
        let (ours, theirs) = pair();
        let words = ["-F", "-X", "connect", "-x", &proxy, "example.invalid", "22"];
        let run = nc.tool(&words).stdout(Out::Fd(theirs)).start();
        let mut peer = server.accept();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.extend(peer.recv(1));
        }
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nSSH-2.0\r\n");
        peer.half_close();
        let (bytes, socket) = taken(&ours, &run);
        let seen = nc.saw(run);
        let mut socket = socket2::Socket::from(socket);
        socket.set_nonblocking(false).unwrap();
        let mut said = Vec::new();
        std::io::Read::read_to_end(&mut socket, &mut said).unwrap();
        seen.and_heard(bytes).and_heard(said)
    })
    .exits(0)
    .heard(b"\0SSH-2.0\r\n");
}

/// F2.
#[test]
fn a_pipe_takes_no_socket() {
    needs!("nc.openbsd");
    alike(|nc| {
        let server = nc.server();
        let (_reader, writer) = pipe();
        let tool = nc.to(server.port(), &["-F"]).stdout(Out::Fd(writer.into()));
        nc.sees(tool).whatever_it_said()
    })
    .exits(1);
}

#[test]
fn there_is_no_socket_to_give_away_where_none_is_connected() {
    needs!("nc.openbsd");
    alike(|nc| {
        let (_ours, theirs) = pair();
        let tool = nc.to(nc.refusing(), &["-Fv"]).stdout(Out::Fd(theirs));
        nc.sees(tool)
    })
    .exits(1)
    .said(&["nc: connect to 127.0.0.1 port <1> (tcp) failed: Connection refused"]);
}
