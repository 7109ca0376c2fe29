//! Listeners that take more than they can serve, or leave too early.

use std::{io::Write as _, net::Shutdown};

use super::{differences, exits, hangs};
use crate::{
    conformance::{Nc, Seen},
    util::{In, Out, Peer, Running, ms},
};

differences! {
    /// E1, E2. A client that nobody will serve is refused, before it sends.
    a_second_client_is_not_led_on:
        |nc: &Nc| {
            let (run, port) = nc.listening(nc.listens(&["-l"]));
            let mut first = nc.client(port);
            first.send(b"1");
            run.stdout().wait_for(1);
            let second = nc.to(port, &["-N"]).stdin(In::Bytes(b"2".into())).start();
            second.ends_within(ms(300));
            first.close();
            run.wait().wrote(b"1");
            nc.saw(second)
        },
        nc: Some(exits(0).silent()),
        oxnc: exits(1).saying("Connection refused");

    /// E4. The peer has asked, and waits for an answer that is not there yet.
    an_answer_may_come_after_the_end_of_the_question:
        |nc: &Nc| {
            let (run, port) = nc.listening(nc.listens(&["-lN"]).stdin(In::Pipe));
            let mut client = nc.client(port);
            client.half_close();
            answer_later(nc, run, &mut client)
        },
        nc: Some(exits(0).hearing(b"")),
        oxnc: exits(0).hearing(b"answer\n");

    /// E5. Two listeners take one another's clients away.
    a_port_has_one_listener:
        |nc: &Nc| {
            let (_run, port) = nc.listening(nc.listens(&["-l"]));
            nc.sees(nc.tool(&["-l", "127.0.0.1", &port.to_string()]))
        },
        nc: Some(hangs()),
        oxnc: exits(1).saying("nc: Address already in use");

    /// E9. `-q` is about the time after stdin's end in which nothing comes.
    a_listener_with_nothing_to_send_still_receives:
        |nc: &Nc| {
            let (run, port) = nc.listening(nc.listens(&["-l", "-q1"]));
            let mut client = nc.client(port);
            assert_eq!(client.recv_all(), b"");
            let _ = client.socket.write_all(b"data\n");
            let _ = client.socket.shutdown(Shutdown::Write);
            nc.saw(run)
        },
        nc: Some(exits(0).writing(b"")),
        oxnc: exits(0).writing(b"data\n");

    /// A8. Debian's list of changes says that it can be done.
    a_host_may_follow_the_port:
        |nc: &Nc| nc.sees(nc.tool(&["-l", "-p", "0", "127.0.0.1"])),
        nc: Some(exits(1).saying("usage")),
        oxnc: hangs();

    /// The address of `-s` and a port of its own.
    an_address_may_be_an_option_and_the_port_a_word:
        |nc: &Nc| nc.sees(nc.tool(&["-l", "-s", "127.0.0.1", "0"])),
        nc: Some(exits(1).saying("usage")),
        oxnc: hangs();

    /// E10. Whether `nc` prints it is a race; it exits 0 in any case.
    a_client_that_resets_has_not_ended:
        |nc: &Nc| {
            let (run, port) = nc.listening(nc.listens(&["-l"]));
            let mut client = nc.client(port);
            client.send(b"data\n");
            client.reset();
            nc.saw(run)
        },
        nc: None,
        oxnc: exits(1).writing(b"data\n").saying("reset");

    /// E11. `nc` accepts clients for ever, and drops what they send.
    a_listener_that_cannot_write_ends:
        |nc: &Nc| {
            let (run, port) = nc.listening(nc.listens(&["-lk"]).stdout(Out::Full));
            let mut client = nc.client(port);
            client.send(b"data\n");
            nc.saw(run)
        },
        nc: Some(hangs()),
        oxnc: exits(1).saying("No space left on device");

    /// A10. `nc` listens on another port: 70000 - 65536.
    a_port_that_does_not_exist_is_refused:
        |nc: &Nc| nc.sees(nc.tool(&["-l", "127.0.0.1", "70000"])),
        nc: None,
        oxnc: exits(1).saying("70000");
}

/// Answers once the client has ended, if it is still there.
fn answer_later(nc: &Nc, mut run: Running, client: &mut Peer) -> Seen {
    if !run.ends_within(ms(500)) {
        run.write(b"answer\n");
        run.close_stdin();
    }
    let heard = client.recv_all();
    nc.saw(run).and_heard(heard)
}
