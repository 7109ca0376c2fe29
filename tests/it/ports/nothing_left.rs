//! A test of ports is over when it is over: nothing of it keeps ports busy, and servers see a client
//! that came and left.

use std::io::Read as _;

use super::{Ports, counted};
use crate::util::{Server, Tool};

/// The sockets that are not just listening.
fn busy(ports: &Ports) -> Vec<String> {
    let done = ports.net.tool(Tool::program("ss", &["-Htan"])).run();
    let text = String::from_utf8_lossy(&done.exits(0).stdout).into_owned();
    let lines = text.lines().filter(|line| !line.starts_with("LISTEN"));
    lines.map(String::from).collect()
}

/// Everybody who came to a server has left with a clean end, and has said nothing.
fn saw_clean_ends(server: &Server) -> usize {
    let mut clients = 0;
    while server.has_client_within(std::time::Duration::ZERO) {
        let mut peer = server.accept();
        let mut said = [0; 9];
        let end = peer.socket.read(&mut said);
        assert!(matches!(end, Ok(0)), "port {}: {end:?}", server.port());
        clients += 1;
    }
    clients
}

#[test]
fn servers_see_a_clean_end_and_no_time_wait_stays() {
    needs!("root", "ss");
    let open: Vec<u16> = (4000..4300).collect();
    let ports = Ports::open(&open);
    for words in [
        &["-z", "127.0.0.1", "4000-4299"][..],
        &["-z", "127.0.0.1", "1-65535"],
        &["-zr", "--parallel", "10", "127.0.0.1", "4000-4299"],
        &["-z", "-s", "127.0.0.1", "127.0.0.1", "4000-4299"],
        &["-z", "-p", "5000", "127.0.0.1", "4000-4299"],
    ] {
        let done = ports.oxnc(words).run();
        assert!(
            counted(done.exits(0)).contains(": 300 open"),
            "{}",
            done.stderr
        );
        let states = busy(&ports);
        let waiting = states.iter().any(|line| line.starts_with("TIME-WAIT"));
        assert!(!waiting, "{words:?}: {states:#?}");
        for server in &ports.servers {
            assert_eq!(saw_clean_ends(server), 1, "port {}", server.port());
        }
        // The servers' own ends have been closed by now as well.
        let left = busy(&ports);
        assert!(left.is_empty(), "{words:?}: {left:#?}");
    }
}

/// Nor does one that was tested again and again.
#[test]
fn measuring_leaves_nothing_behind() {
    needs!("root", "ss");
    let ports = Ports::open(&[4000]);
    let words = ["-z", "--count", "50", "-i", "0", "127.0.0.1", "4000"];
    ports.oxnc(&words).run().exits(0);
    assert_eq!(saw_clean_ends(&ports.servers[0]), 50);
    let left = busy(&ports);
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn a_service_that_is_listened_to_sees_a_clean_end_too() {
    needs!("root", "ss");
    let ports = Ports::open(&[4000, 4001]);
    let words = ["-z", "--banner=50ms", "127.0.0.1", "4000-4001"];
    ports.oxnc(&words).run().exits(0);
    for server in &ports.servers {
        assert_eq!(saw_clean_ends(server), 1);
    }
    let left = busy(&ports);
    assert!(left.is_empty(), "{left:#?}");
}
