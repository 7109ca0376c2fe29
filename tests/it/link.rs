//! A cable that is cut: nothing is acknowledged any more, and nobody says so.

use std::{
    io::Write,
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::util::{In, Net, Out, SLACK, Server, Tool, ms, spawn};

/// One end of the cable, and a server at the other.
fn cable() -> (Net, Net, Server) {
    let (near, far) = Net::pair();
    let server = far.inside(|| Server::on(SocketAddr::from(([192, 0, 2, 2], 4000))));
    (near, far, server)
}

#[test]
fn a_cut_after_the_handshake_is_not_delivery() {
    needs!("root", "nft");
    for options in [&["--linger=2s"][..], &["--linger=2s", "--send-only"]] {
        let (near, far, server) = cable();
        let tool = Tool::oxnc(options).args(&["192.0.2.2", "4000"]);
        let mut run = near.tool(tool).stdin(In::Pipe).start();
        let _peer = server.accept();
        far.drop_input("meta l4proto tcp drop");
        let began = Instant::now();
        run.write(&[b'x'; 14_000]);
        run.close_stdin();
        run.wait().fails(5, &["192.0.2.2"]);
        let took = began.elapsed();
        assert!(took >= ms(1900) && took <= ms(2500) + SLACK, "{took:?}");
    }
}

#[test]
fn packets_too_big_for_a_hop_that_does_not_say_so_are_not_delivery() {
    needs!("root", "nft");
    let (near, far, server) = cable();
    far.drop_input("meta l4proto tcp meta length > 1000 drop");
    let tool = Tool::oxnc(&["--linger=1s", "--send-only", "192.0.2.2", "4000"]);
    let run = near.tool(tool).stdin(In::Bytes(vec![b'x'; 14_000])).start();
    let _peer = server.accept();
    run.wait_within(ms(10_000)).fails(5, &[]);
}

#[test]
fn a_cut_in_mid_transfer_is_found_by_both_ends() {
    needs!("root", "nft");
    // What the receiver takes with ease: its window is open when the cut comes.
    let took = cut_in_mid_transfer(In::Pipe);
    assert!(took <= ms(2500) + SLACK, "{took:?}");
}

/// The window may be closed at the moment of the cut. Then the sender is only asking for room,
/// and it takes one more look to tell a pause from a cut.
#[test]
fn a_cut_in_mid_transfer_at_full_speed_is_found_by_both_ends() {
    needs!("root", "nft");
    let took = cut_in_mid_transfer(In::File("/dev/zero".into()));
    assert!(took <= ms(4500) + SLACK, "{took:?}");
}

/// How long the sender needs to find out.
fn cut_in_mid_transfer(stdin: In) -> Duration {
    let paced = matches!(stdin, In::Pipe);
    let (near, far) = Net::pair();
    let receiver = Tool::listen_with(&["--idle-timeout=1s"], &["192.0.2.2", "4000"]);
    let (receiver, _port) = far.tool(receiver).stdout(Out::Digest).start_listening();
    let sender = Tool::oxnc(&["--linger=2s", "192.0.2.2", "4000"]);
    let mut sender = near.tool(sender).stdin(stdin).start();
    if paced {
        let mut stdin = sender.take_stdin();
        spawn(move || {
            while stdin.write_all(&[0; 32 << 10]).is_ok() {
                std::thread::sleep(ms(2));
            }
        });
    }
    receiver.stdout().wait_for(1 << 20);
    near.drop_input("meta l4proto tcp drop");
    far.drop_input("meta l4proto tcp drop");
    let began = Instant::now();
    receiver.wait().fails(124, &["idle"]);
    sender.wait().fails(5, &["192.0.2.2"]);
    began.elapsed()
}

/// Many packets are lost, all of the data arrives.
#[test]
fn lost_packets_are_not_lost_data() {
    needs!("root", "nft");
    let data = crate::util::data::random_bytes(1 << 20, 40);
    let (near, far) = Net::pair();
    // Otherwise one packet in these rules is 64 kB.
    near.sh("ip link set v1 gso_max_segs 1");
    for net in [&near, &far] {
        net.drop_input("meta l4proto tcp numgen random mod 100 < 5 drop");
    }
    let receiver = Tool::listen_with(&[], &["192.0.2.2", "4000"]);
    let (receiver, _port) = far.tool(receiver).start_listening();
    let sender = near
        .tool(Tool::oxnc(&["192.0.2.2", "4000"]))
        .stdin(In::Bytes(data.clone()));
    sender.start().wait().succeeds();
    receiver.wait().succeeds().wrote(&data);
}
