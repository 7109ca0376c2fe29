//! Lines of stdin as they are to be sent (`-C`, `-i`), and telnet (`-t`).

use super::{
    Nc, Seen, alike,
    differences::{differences, exits},
};
use crate::util::{In, Peer, Running, Udp, ms, readable};

fn connected(nc: &Nc, options: &[&str], stdin: In) -> (Running, Peer) {
    let server = nc.server();
    let run = nc.to(server.port(), options).stdin(stdin).start();
    let peer = nc.accepted(&server);
    (run, peer)
}

/// C22.
#[test]
fn lines_end_in_crlf() {
    needs!("nc.openbsd");
    let table: &[(&[u8], &[u8])] = &[
        (b"a\nb\r\nc\n\n\r\nend", b"a\r\nb\r\nc\r\n\r\n\r\nend"),
        (b"no end", b"no end"),
        (b"a\rb\n", b"a\rb\r\n"),
        (b"\n", b"\r\n"),
        (b"", b""),
    ];
    for (stdin, heard) in table {
        for options in [&["-CN"][..], &["-C", "-q0"]] {
            alike(|nc| {
                let (run, mut peer) = connected(nc, options, In::Bytes(stdin.to_vec()));
                let heard = peer.recv_all();
                // What comes is passed on as it is.
                peer.send(b"x\ny\r\n");
                peer.close();
                nc.saw(run).and_heard(heard)
            })
            .exits(0)
            .heard(heard)
            .wrote(b"x\ny\r\n");
        }
    }
}

#[test]
fn long_texts_keep_every_line() {
    needs!("nc.openbsd");
    let text = "a line of a text that is longer than any buffer\n".repeat(5000);
    let heard = text.replace('\n', "\r\n");
    alike(|nc| {
        let (run, mut peer) = connected(nc, &["-CN"], In::Bytes(text.clone().into()));
        let heard = peer.recv_all();
        peer.close();
        nc.saw(run).and_heard(heard)
    })
    .exits(0)
    .heard(heard.as_bytes());
}

/// C21.
#[test]
fn an_interval_passes_between_lines() {
    needs!("nc.openbsd");
    alike(|nc| {
        let (run, mut peer) = connected(nc, &["-i1", "-N"], In::Bytes(b"one\ntwo\n".into()));
        let mut heard = peer.recv(4);
        peer.hears_nothing_for(ms(600));
        heard.extend(peer.recv_all());
        peer.close();
        nc.saw(run).and_heard(heard)
    })
    .exits(0)
    .heard(b"one\ntwo\n");
}

/// C24.
#[test]
fn telnet_is_declined_politely() {
    needs!("nc.openbsd");
    let table: [(&[u8], &[u8]); 4] = [
        (
            b"\xff\xfd\x01\xff\xfb\x03hello",
            b"\xff\xfc\x01\xff\xfe\x03",
        ),
        (b"text\xff\xfd\x01hello", b"\xff\xfc\x01"),
        // Two bytes of 255 are one that is meant.
        (b"\xff\xff\xfd\x01hello", b""),
        (b"\xff\xff\xff\xfd\x01hello", b"\xff\xfc\x01"),
    ];
    for (said, answer) in table {
        alike(|nc| {
            let mut seen = telnet(nc, &[said]);
            seen.stdout.retain(u8::is_ascii_alphabetic);
            seen
        })
        .exits(0)
        .heard(answer);
    }
}

differences! {
    /// C23. `nc` forgets what it has sent before.
    a_line_end_that_comes_in_two_parts_is_one:
        |nc: &Nc| {
            let (mut run, mut peer) = connected(nc, &["-CN"], In::Pipe);
            run.write(b"a\r");
            let mut heard = peer.recv(2);
            run.write(b"\n");
            run.close_stdin();
            heard.extend(peer.recv_all());
            peer.close();
            nc.saw(run).and_heard(heard)
        },
        nc: Some(exits(0).hearing(b"a\r\r\n")),
        oxnc: exits(0).hearing(b"a\r\n");

    /// A line is one datagram; `nc` makes one of the line and another one of its end.
    a_line_and_its_end_are_one_datagram:
        |nc: &Nc| {
            let peer = Udp::new();
            let tool = nc.to(peer.port(), &["-uC", "-q0"]).stdin(In::Bytes(b"line\n".into()));
            let run = tool.start();
            let first = peer.recv();
            if first.len() < 6 {
                peer.recv();
            }
            nc.saw(run).and_heard(first)
        },
        nc: Some(exits(0).hearing(b"line")),
        oxnc: exits(0).hearing(b"line\r\n");

    /// A command that comes in two parts is one.
    a_telnet_command_that_comes_in_two_parts_is_answered:
        |nc: &Nc| telnet(nc, &[b"text\xff\xfd", b"\x01hello"]),
        nc: Some(exits(0).hearing(b"")),
        oxnc: exits(0).hearing(b"\xff\xfc\x01");

    /// What is said to the program is not for whoever reads its output.
    telnet_commands_are_no_text:
        |nc: &Nc| telnet(nc, &[b"\xff\xfd\x01text\xff\xffhello"]),
        nc: Some(exits(0).writing(b"\xff\xfd\x01text\xff\xffhello")),
        oxnc: exits(0).writing(b"text\xffhello");
}

/// What is answered to this. Every part is read before the next one comes; the first begins with
/// text if there are several, and the last ends in `hello`.
fn telnet(nc: &Nc, parts: &[&[u8]]) -> Seen {
    let (mut run, mut peer) = connected(nc, &["-t"], In::Pipe);
    for part in parts {
        peer.send(part);
        let last = part.ends_with(b"hello");
        run.stdout()
            .wait_for_text(if last { "hello" } else { "text" });
    }
    // The answers were sent before the text was written.
    run.close_stdin();
    let mut heard = Vec::new();
    while readable(&peer.socket, ms(100)) {
        heard.extend(peer.recv(3));
    }
    peer.close();
    nc.saw(run).and_heard(heard)
}
