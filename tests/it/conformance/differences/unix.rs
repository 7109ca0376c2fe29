//! Paths that are not ours.

use std::{fs, os::unix::net::UnixDatagram};

use super::{dies_of, differences, exits, hangs};
use crate::{
    conformance::Nc,
    util::{Peer, Server, Signal, Spot},
};

differences! {
    /// X2. Whatever is in the place of the socket is deleted by `nc`.
    a_file_is_not_taken_for_a_socket:
        |nc: &Nc| {
            let spot = Spot::new_socket();
            fs::write(spot.path(), "mine").unwrap();
            let seen = nc.sees(nc.tool(&["-lU"]).arg(spot.path()));
            seen.and_heard(fs::read(spot.path()).unwrap_or_default())
        },
        nc: Some(hangs().hearing(b"")),
        oxnc: exits(1).hearing(b"mine");

    /// X2. A socket that somebody serves.
    a_socket_in_use_is_left_alone:
        |nc: &Nc| {
            let server = Server::at(Spot::new_socket());
            let seen = nc.sees(nc.tool(&["-lU"]).arg(server.spot().path()));
            let heard = match std::os::unix::net::UnixStream::connect(server.spot().path()) {
                Ok(_) => "still served",
                Err(_) => "gone",
            };
            seen.and_heard(heard)
        },
        nc: Some(hangs().hearing(b"gone")),
        oxnc: exits(1).hearing(b"still served").saying("Address already in use");

    /// `nc` tells its own path, which it has told already.
    a_client_is_told_by_its_own_path:
        |nc: &Nc| {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("socket");
            let run = nc.tool(&["-luUv"]).arg(&path).start();
            run.stderr.wait_for_text("Bound on");
            let client = UnixDatagram::bind(dir.path().join("client")).unwrap();
            client.send_to(b"x", &path).unwrap();
            run.stdout().wait_for(1);
            let seen = nc.saw_until_now(run);
            let line = seen.stderr.last().cloned().unwrap_or_default();
            seen.and_heard(line.replace(dir.path().to_str().unwrap(), "DIR"))
        },
        nc: Some(dies_of(Signal::TERM).hearing(b"Connection received on DIR/socket")),
        oxnc: dies_of(Signal::TERM).hearing(b"Connection received on DIR/client");

    /// X1.
    a_socket_is_removed_at_the_end:
        |nc: &Nc| {
            let spot = Spot::new_socket();
            let run = nc.tool(&["-lU"]).arg(spot.path()).start();
            run.listens_on(spot.path().as_os_str());
            Peer::connect(spot.clone()).close();
            let seen = nc.saw(run);
            seen.and_heard(if spot.path().exists() { "left" } else { "removed" })
        },
        nc: Some(exits(0).hearing(b"left")),
        oxnc: exits(0).hearing(b"removed").silent();
}
