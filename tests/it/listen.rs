//! Listening: where, for whom, and how the port becomes known.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    os::fd::AsRawFd,
    time::Duration,
};

use crate::util::{In, Net, Peer, Running, Server, Tool, ms, pipe};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// Plays a client that says `hello` from inside; the listener must hear it.
fn serves(net: &Net, run: Running, address: impl Into<SocketAddr>) {
    let address = address.into();
    let mut peer = net.inside(move || Peer::connect_to(address));
    peer.send(b"hello");
    peer.half_close();
    run.wait().succeeds().wrote(b"hello");
}

fn refuses(net: &Net, address: impl Into<SocketAddr>) {
    let address = address.into();
    let answer = net.inside(move || TcpStream::connect_timeout(&address, ms(3000)));
    let refused = answer.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused);
    assert!(refused, "{address} is served");
}

/// `oxnc -l` with these words inside; listens when this returns.
fn listening(net: &Net, words: &[&str]) -> (Running, u16) {
    net.tool(Tool::listen_with(&[], words)).start_listening()
}

#[test]
fn every_form_of_naming_the_port_is_understood() {
    needs!("root");
    let net = Net::new();
    let any: &[(&[&str], IpAddr)] = &[
        (&["4000"], V4),
        (&["4000"], V6),
        (&["-p", "4000"], V4),
        (&["127.0.0.1", "4000"], V4),
        (&["127.0.0.1:4000"], V4),
        (&["-p", "4000", "127.0.0.1"], V4),
        (&["-s", "127.0.0.1", "4000"], V4),
        (&["-s", "127.0.0.1", "-p", "4000"], V4),
        (&["::1", "4000"], V6),
        (&["[::1]:4000"], V6),
        (&["-s", "::1", "-p", "4000"], V6),
        (&["4000", "-v"], V4),
    ];
    for (words, from) in any {
        let verbose = words.contains(&"-v");
        let (run, port) = listening(&net, words);
        assert_eq!(port, 4000);
        if verbose {
            drop(run);
        } else {
            serves(&net, run, (*from, 4000));
        }
    }
}

#[test]
fn an_address_excludes_the_others() {
    needs!("root");
    let net = Net::new();
    let (run, _) = listening(&net, &["127.0.0.2", "4000"]);
    refuses(&net, (V4, 4000));
    refuses(&net, (V6, 4000));
    serves(&net, run, ([127, 0, 0, 2], 4000));
}

#[test]
fn both_families_are_served_on_one_port_by_default() {
    needs!("root");
    let net = Net::new();
    for from in [V4, V6] {
        let (run, port) = listening(&net, &["0"]);
        assert_ne!(port, 0);
        serves(&net, run, (from, port));
    }
}

#[test]
fn a_family_excludes_the_other() {
    needs!("root");
    let net = Net::new();
    let (run, port) = listening(&net, &["-4", "0"]);
    refuses(&net, (V6, port));
    serves(&net, run, (V4, port));
    let (run, port) = listening(&net, &["-6", "0"]);
    refuses(&net, (V4, port));
    serves(&net, run, (V6, port));
}

#[test]
fn an_ipv6_wildcard_leaves_ipv4_to_others() {
    needs!("root");
    let net = Net::new();
    let (six, _) = listening(&net, &["-6", "4000"]);
    let (four, _) = listening(&net, &["-4", "4000"]);
    serves(&net, four, (V4, 4000));
    serves(&net, six, (V6, 4000));
}

#[test]
fn every_address_of_a_name_is_served() {
    needs!("root");
    let net = Net::new();
    net.file("hosts", "127.0.0.1 here\n127.0.0.9 here\n::1 here\n");
    let addresses = [V4, IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9)), V6];
    for address in addresses {
        let (run, port) = listening(&net, &["here", "0"]);
        refuses(&net, ([127, 0, 0, 2], port));
        serves(&net, run, (address, port));
    }
}

#[test]
fn the_listening_sockets_close_at_the_first_accept() {
    needs!("root");
    let net = Net::new();
    let (run, port) = listening(&net, &["0"]);
    let mut first = net.inside(move || Peer::connect_to((V4, port)));
    first.send(b"x");
    run.stdout().wait_for(1);
    refuses(&net, (V4, port));
    refuses(&net, (V6, port));
    first.close();
    run.wait().succeeds();
}

#[test]
fn nobody_in_time_is_a_time_out() {
    let (run, port) = Tool::listen(&["--accept-timeout=500ms"]).start_listening();
    run.wait()
        .fails(124, &[&port.to_string()])
        .took_about(ms(500));
}

#[test]
fn a_client_in_time_ends_the_wait_for_one() {
    let (run, port) = Tool::listen(&["--accept-timeout=500ms"]).start_listening();
    let mut peer = Peer::connect(port);
    run.runs_on_for(ms(800));
    peer.send(b"late");
    peer.close();
    run.wait().succeeds().wrote(b"late");
}

#[test]
fn w_does_not_bound_the_wait_for_a_client() {
    let (run, port) = Tool::listen(&["-w", "300ms"]).start_listening();
    run.runs_on_for(ms(600));
    Peer::connect(port).close();
    run.wait().succeeds();
}

#[test]
fn a_client_that_resets_before_it_is_taken_does_not_end_the_listener_silently() {
    let (run, port) = Tool::listen(&[]).start_listening();
    run.signal(crate::util::Signal::STOP);
    Peer::connect(port).reset();
    run.signal(crate::util::Signal::CONT);
    // Either it is taken and found broken, or the listener waits for the next.
    if run.ends_within(ms(300)) {
        run.wait().fails(3, &[]);
    } else {
        Peer::connect(port).close();
        run.wait().succeeds();
    }
}

#[test]
fn the_port_is_printed_to_stderr_alone_on_its_line() {
    let run = Tool::oxnc(&["-l", "--print-port", "127.0.0.1", "0"]).start();
    run.stderr.wait_for_text("\n");
    let line = String::from_utf8(run.stderr.so_far()).unwrap();
    let port: u16 = line.trim_end().parse().unwrap();
    Peer::connect(port).close();
    let done = run.wait();
    done.exits(0);
    assert_eq!(done.stderr, format!("{port}\n"));
}

#[test]
fn the_port_is_written_to_a_file() {
    let dir = tempfile::tempdir().unwrap();
    // A FIFO, so that reading it waits for the port.
    let path = crate::util::fifo(dir.path());
    let option = format!("--print-port={}", path.display());
    let run = Tool::oxnc(&["-l", &option, "127.0.0.1", "0"]).start();
    let text = crate::util::spawn(move || std::fs::read_to_string(path).unwrap()).join();
    Peer::connect(text.trim_end().parse::<u16>().unwrap()).close();
    run.wait().succeeds();
}

#[test]
fn a_plain_file_for_the_port_is_replaced() {
    needs!("root");
    let net = Net::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("port");
    std::fs::write(&path, "some older and longer text\n").unwrap();
    let option = format!("--print-port={}", path.display());
    let words = ["-l", "-v", &option, "127.0.0.1", "4000"];
    let run = net.tool(Tool::oxnc(&words)).start();
    run.stderr.wait_for_text("4000");
    net.inside(|| Peer::connect(4000)).close();
    run.wait().exits(0);
    assert_eq!(std::fs::read_to_string(path).unwrap(), "4000\n");
}

#[test]
fn the_ports_descriptor_is_closed_after_the_line() {
    let (rx, tx) = pipe();
    let option = format!("--print-port=fd:{}", tx.as_raw_fd());
    let run = Tool::oxnc(&["-l", &option, "127.0.0.1", "0"])
        .inherit(tx.into())
        .start();
    let text = crate::util::spawn(move || std::io::read_to_string(rx).unwrap()).join();
    Peer::connect(text.trim_end().parse::<u16>().unwrap()).close();
    run.wait().succeeds();
}

#[test]
fn a_fixed_port_is_printed_as_well() {
    needs!("root");
    let net = Net::new();
    let (run, port) = listening(&net, &["4000"]);
    assert_eq!(port, 4000);
    drop(run);
}

/// What a supervisor does: the listening socket is descriptor 3.
fn passed_in(server: Server, pid: &str, words: &[&str]) -> Tool {
    let script = format!("exec 3<&0 </dev/null; export LISTEN_PID={pid} LISTEN_FDS=1; exec \"$@\"");
    Tool::oxnc(words)
        .under(&["sh", "-c", &script, "sh"])
        .stdin(In::Fd(server.into_fd()))
}

#[test]
fn a_socket_passed_in_is_listened_on() {
    let server = Server::new();
    let port = server.port();
    let run = passed_in(server, "$$", &["-l"]).start();
    let mut peer = Peer::connect(port);
    peer.send(b"hello");
    peer.half_close();
    run.wait().succeeds().wrote(b"hello");
}

#[test]
fn a_socket_passed_to_somebody_else_is_not_ours() {
    let done = passed_in(Server::new(), "1", &["-l"]).run();
    done.fails(2, &["port"]);
}

#[test]
fn a_named_port_goes_before_a_socket_passed_in() {
    let server = Server::new();
    let passed = server.port();
    let words = ["-l", "--print-port", "127.0.0.1", "0"];
    let run = passed_in(server, "$$", &words).start();
    run.stderr.wait_for_text("\n");
    let port: u16 = String::from_utf8(run.stderr.so_far())
        .unwrap()
        .trim_end()
        .parse()
        .unwrap();
    assert_ne!(port, passed);
    Peer::connect(port).close();
    run.wait().exits(0);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let server = Server::new();
    let port = server.port().to_string();
    let done = Tool::oxnc(&["-l", "127.0.0.1", &port]).run();
    done.fails(1, &["127.0.0.1", &port, "in use"]);
    assert!(!server.has_client_within(Duration::ZERO));
}

#[test]
fn two_listeners_do_not_share_a_port() {
    let (first, port) = Tool::listen(&[]).start_listening();
    let done = Tool::oxnc(&["-l", "127.0.0.1", &port.to_string()]).run();
    done.fails(1, &["in use"]);
    Peer::connect(port).close();
    first.wait().succeeds();
}

#[test]
fn a_port_can_be_listened_on_again_at_once() {
    let (first, port) = Tool::listen(&[])
        .stdin(In::Bytes(b"x".to_vec()))
        .start_listening();
    // The listener's side closes first, so its side keeps the connection in TIME_WAIT.
    let mut peer = Peer::connect(port);
    assert_eq!(peer.recv_all(), b"x");
    peer.close();
    first.wait().succeeds();
    let words = ["127.0.0.1", &port.to_string()];
    let (again, _) = Tool::listen_with(&[], &words).start_listening();
    Peer::connect(port).close();
    again.wait().succeeds();
}

#[test]
fn a_port_that_is_not_allowed_is_named() {
    needs!("root");
    let net = Net::new();
    let nobody = 65534;
    // Where everybody may run it.
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("oxnc");
    std::fs::copy(env!("CARGO_BIN_EXE_oxnc"), &copy).unwrap();
    net.sh(&format!(
        "chmod 755 '{}' '{}'",
        dir.path().display(),
        copy.display()
    ));
    let id = nobody.to_string();
    let done = net
        .tool(Tool::program(&copy, &["-l", "127.0.0.1", "80"]).under(&[
            "setpriv",
            "--reuid",
            &id,
            "--regid",
            &id,
            "--clear-groups",
        ]))
        .run();
    done.fails(1, &["127.0.0.1", "80", "permission denied"]);
}

#[test]
fn an_address_that_is_not_ours_is_named() {
    let done = Tool::oxnc(&["-l", "192.0.2.77", "0"]).run();
    done.fails(1, &["192.0.2.77", "assign"]);
}

#[test]
fn a_name_that_is_unknown_is_named() {
    Tool::oxnc(&["-l", "-n", "localhost", "0"])
        .run()
        .fails(1, &["localhost"]);
}
