//! Datagrams that are lost, cut, or taken for an end.

use std::fs;

use super::{dies_of, differences, exits, hangs};
use crate::{
    conformance::{Nc, Seen},
    util::{In, Running, Signal, Udp, ms},
};

const LONG: &[u8] = &[b'x'; 20_000];

differences! {
    /// U1.
    a_datagram_that_was_refused_is_a_failure:
        |nc: &Nc| {
            let tool = nc.to(nc.refusing_datagrams(), &["-u"]);
            nc.sees(tool.stdin(In::Bytes(b"hi\n".into())))
        },
        nc: Some(exits(0).silent()),
        oxnc: exits(1).saying("refused");

    /// U2.
    a_client_with_no_more_to_say_leaves:
        |nc: &Nc| asks(nc, &["-u"], b"hi\n", &[]),
        nc: Some(hangs()),
        oxnc: exits(0).silent();

    /// U6.
    a_read_is_a_datagram:
        |nc: &Nc| {
            let peer = Udp::new();
            let tool = nc.to(peer.port(), &["-uq0"]).stdin(In::Bytes(LONG.into()));
            let run = tool.start();
            let mut heard = vec![peer.recv().len()];
            while heard.iter().sum::<usize>() < LONG.len() {
                heard.push(peer.recv().len());
            }
            nc.saw(run).and_heard(format!("{heard:?}"))
        },
        nc: Some(exits(0).hearing(b"[16384, 3616]")),
        oxnc: exits(0).hearing(b"[20000]");

    /// U8.
    an_empty_datagram_does_not_end_a_listener:
        |nc: &Nc| {
            let (run, port) = nc.listening(nc.listens(&["-lu"]));
            let peer = Udp::to(port);
            peer.send(b"");
            if run.ends_within(ms(500)) {
                return nc.saw(run);
            }
            peer.send(b"data");
            run.stdout().wait_for(4);
            nc.saw_until_now(run)
        },
        nc: Some(exits(0).writing(b"")),
        oxnc: dies_of(Signal::TERM).writing(b"data");

    /// U9.
    an_empty_answer_is_not_the_last:
        |nc: &Nc| asks(nc, &["-u", "-w1"], b"hi\n", &[b"", b"data"]),
        nc: Some(exits(0).writing(b"")),
        oxnc: exits(0).writing(b"data").silent();

    /// U10. `nc` takes a processor for itself from then on.
    an_empty_datagram_costs_nothing:
        |nc: &Nc| {
            let (run, port) = nc.listening(nc.listens(&["-klu"]));
            let peer = Udp::to(port);
            peer.send(b"");
            peer.send(b"data");
            run.stdout().wait_for(4);
            run.runs_on_for(ms(400));
            // Of the forty or so hundredths of a second.
            assert!(hundredths(&run) < 10, "it spins");
            nc.saw_until_now(run)
        },
        nc: None,
        oxnc: dies_of(Signal::TERM).writing(b"data");

    /// U11.
    a_long_datagram_is_not_cut:
        |nc: &Nc| {
            let (run, port) = nc.listening(nc.listens(&["-luw1"]));
            Udp::to(port).send(LONG);
            nc.saw(run)
        },
        nc: Some(exits(0).writing(LONG.split_at(16_384).0)),
        oxnc: exits(0).writing(LONG);

    /// U13.
    quit_after_waits_for_the_answer:
        |nc: &Nc| asks(nc, &["-u", "-q1"], b"hi\n", &[b"answer"]),
        nc: Some(exits(0).writing(b"")),
        oxnc: exits(0).writing(b"answer").silent();

    /// U14. A writer that takes a moment is not without a message.
    no_limit_at_all_is_long_enough_for_stdin:
        |nc: &Nc| {
            let peer = Udp::new();
            let mut run = nc.to(peer.port(), &["-u", "-w0"]).stdin(In::Pipe).start();
            if run.ends_within(ms(500)) {
                return nc.saw(run);
            }
            run.write(b"m:1|c\n");
            run.close_stdin();
            let heard = peer.recv();
            nc.saw(run).and_heard(heard)
        },
        nc: Some(exits(0).hearing(b"").silent()),
        oxnc: exits(0).hearing(b"m:1|c\n").silent();
}

/// Asks a peer that gives these answers.
fn asks(nc: &Nc, options: &[&str], question: &[u8], answers: &[&[u8]]) -> Seen {
    let peer = Udp::new();
    let tool = nc
        .to(peer.port(), options)
        .stdin(In::Bytes(question.into()));
    let run = tool.start();
    let (heard, from) = peer.recv_from();
    for answer in answers {
        peer.send_to(answer, from);
    }
    nc.saw(run).and_heard(heard)
}

/// The time that it has had a processor, in hundredths of a second.
fn hundredths(run: &Running) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", run.pid())).unwrap();
    let (_, after_name) = stat.rsplit_once(") ").expect("the name of the program");
    let fields: Vec<_> = after_name.split(' ').collect();
    // utime and stime are fields 14 and 15 of all, the state is field 3.
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
