//! `-z` in other ways than by a TCP connection, and what this machine has to do with it.

use std::net::Ipv4Addr;

use crate::ports::{counted, in_table, silent};
use crate::util::{Done, Net, Peer, Server, Spot, Tool, Udp, ms, proxies::Kind, spawn};

fn scan(words: &[&str]) -> Done {
    Tool::oxnc(words).run()
}

#[test]
fn an_answer_to_a_datagram_ends_the_wait() {
    let server = Udp::new();
    let run = Tool::connect(server.port(), &["-zu"]).start();
    let (datagram, from) = server.recv_from();
    assert_eq!(datagram, b"X");
    server.send_to(b"", from);
    let done = run.wait();
    silent(&done, 0);
    done.took_about(ms(0));
}

#[test]
fn a_silent_udp_port_is_not_known_to_be_open() {
    let server = Udp::new();
    let port = server.port().to_string();
    let done = scan(&["-uvz", "-w1", "127.0.0.1", &port]);
    done.exits(1).wrote(b"").took_about(ms(1000));
    let line = format!(
        "oxnc: connect to 127.0.0.1 port {port} (udp) failed: no answer; open or filtered\n"
    );
    assert_eq!(done.stderr, line);
    assert_eq!(server.recv(), b"X");
    server.hears_nothing_for(ms(1));
    let done = scan(&["-uz", "127.0.0.1", &port]);
    silent(&done, 1);
    done.took_about(ms(3000));
    for _ in 0..3 {
        assert_eq!(server.recv(), b"X");
    }
    server.hears_nothing_for(ms(1));
}

#[test]
fn a_refused_udp_port_is_not_open() {
    let server = Udp::new();
    let (silent_port, closed) = (server.port().to_string(), Udp::new().port().to_string());
    let done = scan(&["-uz", "127.0.0.1", &closed]);
    silent(&done, 1);
    done.took_about(ms(0));
    let done = scan(&["-uzv", "127.0.0.1", &closed]);
    let line =
        format!("oxnc: connect to 127.0.0.1 port {closed} (udp) failed: Connection refused\n");
    assert_eq!(done.exits(1).stderr, line);
    let done = scan(&["-uz", "-w0.2", "127.0.0.1", &closed, &silent_port]);
    assert_eq!(
        counted(done.exits(1).wrote(b"")),
        "2 ports: 1 open|filtered, 1 closed"
    );
    // For nc one that is silent is open, and as with TCP one is enough, whichever is the last.
    let nc = |words: &[&str]| scan(&[&["--compat=nc", "-uz", "-w0.2"], words].concat());
    silent(&nc(&["127.0.0.1", &closed, &silent_port]), 0);
    silent(&nc(&["127.0.0.1", &silent_port, &closed]), 0);
    silent(&nc(&["--all", "127.0.0.1", &silent_port, &closed]), 1);
}

#[test]
fn the_next_address_has_its_turn_with_datagrams_too() {
    needs!("root", "nft");
    let net = Net::new();
    net.file("hosts", "::1 both\n127.0.0.1 both\n");
    let _server = net.inside(|| Udp::on((Ipv4Addr::LOCALHOST, 4000)));
    net.drop_input("udp dport 4001 reject with icmpx admin-prohibited");
    let done = net
        .tool(Tool::oxnc(&["-zuv", "-w0.2", "both", "4000", "4001"]))
        .run();
    let expected = "oxnc: connect to both (::1) port 4000 (udp) failed: Connection refused\n\
                    oxnc: connect to both (127.0.0.1) port 4000 (udp) failed: no answer; open or filtered\n\
                    oxnc: connect to both (::1) port 4001 (udp) failed: Permission denied\n\
                    oxnc: connect to both (127.0.0.1) port 4001 (udp) failed: No route to host\n";
    assert_eq!(done.exits(1).stderr, expected);
}

/// Where the kernel has only four ports to give, one of four connections meets itself.
#[test]
fn a_probe_that_meets_itself_has_found_nobody() {
    needs!("root");
    let net = Net::new();
    net.sh("sysctl -qw net.ipv4.ip_local_port_range='40000 40003'");
    let rounds = "for n in $(seq 100); do \"$@\"; [ $? = 1 ] || exit 9; done";
    let oxnc = env!("CARGO_BIN_EXE_oxnc");
    for options in ["-z", "-zu"] {
        let words = ["-c", rounds, "sh", oxnc, options, "127.0.0.1", "40002"];
        silent(&net.tool(Tool::program("sh", &words)).run(), 0);
    }
    // And nothing keeps the port from a server.
    let left = net.tool(Tool::program("ss", &["-Htan"])).run();
    left.exits(0).wrote(b"");
    // One that can only meet itself ends all the same.
    net.sh("sysctl -qw net.ipv4.ip_local_port_range='40002 40002'");
    for options in ["-z", "-zu"] {
        let tool = Tool::oxnc(&[options, "127.0.0.1", "40002"]);
        silent(&net.tool(tool).run(), 1);
    }
}

#[test]
fn a_local_port_serves_for_all_of_them() {
    needs!("root");
    let net = Net::new();
    let servers = net.inside(|| [4000, 4001].map(|port| Server::on(([127, 0, 0, 1], port))));
    let words = ["-z", "--all", "-p", "5000", "127.0.0.1", "4000", "4001"];
    let done = net.tool(Tool::oxnc(&words)).run();
    assert_eq!(in_table(done.exits(0)), [4000, 4001]);
    for server in &servers {
        assert_eq!(server.accept().remote().port(), 5000);
    }
}

#[test]
fn what_is_wrong_here_is_not_called_closed() {
    let server = Server::new();
    let port = server.port().to_string();
    let done = scan(&["-z", "-s", "192.0.2.77", "127.0.0.1", &port, "1"]);
    assert_eq!(counted(done.exits(1).wrote(b"")), "2 ports: 2 error");
    assert!(
        done.stderr.contains("cannot bind to 192.0.2.77"),
        "{}",
        done.stderr
    );
    let done = scan(&["-zv", "-s", "192.0.2.77", "127.0.0.1", &port]);
    done.fails(1, &["bind", "192.0.2.77", "assign"]);
    let options = ["-z", "--congestion", "no-such-thing"];
    let done = Tool::connect(server.port(), &options).arg("1").run();
    assert_eq!(counted(done.exits(1).wrote(b"")), "2 ports: 2 error");
    assert!(done.stderr.contains("no-such-thing"), "{}", done.stderr);
}

#[test]
fn what_has_run_out_is_waited_for() {
    needs!("strace");
    let server = Server::new();
    let port = server.port().to_string();
    let run = |inject: &str| {
        let words = ["-z", "127.0.0.1", &port, &port];
        let inject = format!("inject={inject}");
        let strace = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e"];
        let wrapper = [&strace[..], &[&inject, "--"]].concat();
        Tool::oxnc(&words).under(&wrapper).run()
    };
    for inject in [
        "socket:error=EMFILE:when=1..3",
        "socket:error=ENOBUFS:when=1..3",
        "connect:error=EADDRNOTAVAIL:when=1..3",
        "connect:error=EAGAIN:when=1..3",
    ] {
        let done = run(inject);
        assert_eq!(in_table(done.exits(0)), [server.port(); 2], "{inject}");
    }
    let done = run("socket:error=EMFILE");
    assert_eq!(counted(done.exits(1).wrote(b"")), "2 ports: 2 error");
    let why = format!("oxnc: cannot connect to 127.0.0.1 port {port}: Too many open files\n");
    assert!(done.stderr.starts_with(&why), "{}", done.stderr);
    done.took_about(ms(2000));
}

#[test]
fn a_unix_socket_is_open_or_not_and_that_is_all() {
    let spot = Spot::new_socket();
    let path = spot.path().to_str().unwrap().to_owned();
    let missing = |options: &str| scan(&[options, &path]);
    silent(&missing("-zU"), 1);
    silent(&missing("-zuU"), 1);
    let line = format!("oxnc: {path}: No such file or directory\n");
    assert_eq!(missing("-zvU").exits(1).stderr, line);
    let kept = spot.clone();
    let server = Server::at(spot);
    for options in ["-zU", "-zvU"] {
        silent(&scan(&[options, &path]), 0);
        assert_eq!(server.accept().recv_all(), b"");
    }
    // It is no datagram socket.
    silent(&missing("-zuU"), 1);
    drop(server);
    let line = format!("oxnc: {}: Connection refused\n", kept.path().display());
    assert_eq!(missing("-zvU").exits(1).stderr, line);
}

#[test]
fn a_unix_socket_for_datagrams_gets_none() {
    let spot = Spot::new_socket();
    let socket = std::os::unix::net::UnixDatagram::bind(spot.path()).unwrap();
    silent(&scan(&["-zuU", spot.path().to_str().unwrap()]), 0);
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 9]).is_err(), "nothing was to be sent");
}

/// SOCKS5: grants the first port, refuses the second one.
#[test]
fn a_proxy_tells_what_is_open() {
    let proxy = Server::new();
    let tool = Kind::Socks5.tool(proxy.port(), &["-zv", "-w5"]);
    let task = spawn(move || {
        let mut peer: Peer = proxy.accept();
        Kind::Socks5.grant(&mut peer);
        assert_eq!(
            peer.recv_all(),
            b"",
            "nothing is sent, and the end is clean"
        );
        let mut peer = proxy.accept();
        assert_eq!(peer.recv(3), b"\x05\x01\0");
        peer.send(b"\x05\0");
        assert_eq!(peer.recv(22), b"\x05\x01\0\x03\x0fexample.invalid\x01\xbc");
        peer.send(b"\x05\x05\0\x01\0\0\0\0\0\0");
        // Then one that closes, as many do.
        let mut peer = proxy.accept();
        peer.recv(3);
        peer.close();
    });
    let done = tool.args(&["444", "445"]).run();
    task.join();
    let expected = "Connection to example.invalid 443 port [tcp/https] succeeded!\n\
         oxnc: connect to example.invalid port 444 (tcp) failed: the proxy refuses: SOCKS5 code 5, \
         connection refused\n\
         oxnc: cannot connect to example.invalid port 445: the proxy closed the connection\n";
    assert_eq!(done.exits(0).stderr, expected);
}

#[test]
fn a_proxy_that_wants_another_method_is_asked_for_nothing_else() {
    let proxy = Server::new();
    let tool = Kind::Socks5.tool(proxy.port(), &["-z", "-w5"]);
    let run = tool.args(&["444", "445"]).start();
    proxy.accept().send(b"\x05\xff");
    run.wait().fails(1, &["proxy"]);
    assert!(!proxy.has_client_within(ms(0)));
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    let server = Server::new();
    let port = server.port();
    drop(server);
    let tool = Kind::Socks5.tool(port, &["-z"]).arg("444");
    tool.run().fails(1, &["proxy", "127.0.0.1", "refused"]);
    silent(&Kind::Socks5.tool(port, &["-z"]).run(), 1);
}
