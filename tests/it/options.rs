//! Options of sockets: each reaches the kernel before it matters, or ends the run with its name.

use std::{fs, net::SocketAddr, os::fd::OwnedFd, path::PathBuf};

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use socket2::{SockRef, Socket};

use crate::util::{Family, In, Net, Peer, Running, Server, Tool, Trace, ms};

const V4: &str = "127.0.0.1";
const V6: &str = "::1";

/// Every option that needs nothing but itself.
const ALL: &[&str] = &[
    "--device=lo",
    "-I64k",
    "-O32k",
    "-Tef",
    "-M44",
    "-m3",
    "-D",
    "-b",
    "--keepalive=33,7,4",
    "--nodelay",
    "--user-timeout=12345ms",
    "--congestion=reno",
    "--sockopt=socket:SO_MARK:7",
    "--sockopt=6:25:x00100000",
    "--sockopt=SOL_SOCKET:SO_PRIORITY:5",
];

/// What becomes of [`ALL`], as strace shows it, in this order.
fn all(host: &str) -> Vec<&'static str> {
    let header = if host == V4 {
        [
            "SOL_IP, IP_TOS, [184], 4",
            "SOL_IP, IP_TTL, [44], 4",
            "SOL_IP, IP_MINTTL, [3], 4",
        ]
    } else {
        [
            "SOL_IPV6, IPV6_TCLASS, [184], 4",
            "SOL_IPV6, IPV6_UNICAST_HOPS, [44], 4",
            "SOL_IPV6, IPV6_MINHOPCOUNT, [3], 4",
        ]
    };
    let [tos, ttl, min_ttl] = header;
    vec![
        "SOL_SOCKET, SO_BINDTODEVICE, \"lo\", 2",
        "SOL_SOCKET, SO_BROADCAST, [1], 4",
        "SOL_SOCKET, SO_DEBUG, [1], 4",
        tos,
        "SOL_SOCKET, SO_RCVBUF, [65536], 4",
        "SOL_SOCKET, SO_SNDBUF, [32768], 4",
        ttl,
        min_ttl,
        "SOL_SOCKET, SO_KEEPALIVE, [1], 4",
        "SOL_TCP, TCP_KEEPIDLE, [33], 4",
        "SOL_TCP, TCP_KEEPINTVL, [7], 4",
        "SOL_TCP, TCP_KEEPCNT, [4], 4",
        "SOL_TCP, TCP_NODELAY, [1], 4",
        "SOL_TCP, TCP_USER_TIMEOUT, [12345], 4",
        // Four bytes of text look like an int to strace.
        "SOL_TCP, TCP_CONGESTION, ",
        "SOL_SOCKET, SO_MARK, [7], 4",
        "SOL_TCP, TCP_NOTSENT_LOWAT, [4096], 4",
        "SOL_SOCKET, SO_PRIORITY, [5], 4",
    ]
}

/// What the kernel answers to [`ALL`].
fn has_all(socket: &Socket) {
    let seconds = |n: u64| ms(n * 1000);
    if socket.local_addr().unwrap().is_ipv4() {
        assert_eq!(socket.tos_v4().unwrap(), 184);
        assert_eq!(socket.ttl_v4().unwrap(), 44);
    } else {
        assert_eq!(socket.tclass_v6().unwrap(), 184);
        assert_eq!(socket.unicast_hops_v6().unwrap(), 44);
    }
    assert_eq!(socket.device().unwrap().unwrap(), b"lo");
    assert!(socket.broadcast().unwrap());
    assert_eq!(socket.recv_buffer_size().unwrap(), (2 * 64) << 10);
    assert_eq!(socket.send_buffer_size().unwrap(), (2 * 32) << 10);
    assert!(socket.keepalive().unwrap());
    assert_eq!(socket.tcp_keepalive_time().unwrap(), seconds(33));
    assert_eq!(socket.tcp_keepalive_interval().unwrap(), seconds(7));
    assert_eq!(socket.tcp_keepalive_retries().unwrap(), 4);
    assert!(socket.tcp_nodelay().unwrap());
    assert_eq!(socket.tcp_user_timeout().unwrap(), Some(ms(12_345)));
    assert!(socket.tcp_congestion().unwrap().starts_with(b"reno\0"));
    assert_eq!(socket.mark().unwrap(), 7);
    assert_eq!(socket.priority().unwrap(), 5);
}

/// The socket of a program that is connected to `peer`, in a descriptor of our own.
fn socket_to(run: &Running, peer: SocketAddr) -> Socket {
    let pid = i32::try_from(run.pid()).unwrap();
    let pidfd = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap();
    let folder = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let sockets = folder.map(|entry| entry.unwrap().path()).filter(|path| {
        fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
    });
    let take = |path: PathBuf| -> OwnedFd {
        let number = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        pidfd_getfd(&pidfd, number, PidfdGetfdFlags::empty()).unwrap()
    };
    let is_it = |socket: &Socket| {
        let its = socket.peer_addr().ok();
        its.and_then(|its| its.as_socket()) == Some(peer)
    };
    let mut sockets = sockets.map(|path| Socket::from(take(path)));
    sockets.find(is_it).expect("the connected socket")
}

/// `tool` under strace, and what it does with its sockets.
fn traced(tool: Tool) -> (Trace, Tool) {
    let calls = "trace=socket,setsockopt,bind,connect,listen,accept4";
    Trace::of(tool, &["-e", calls])
}

/// Asserts that calls with these beginnings, the arguments after the descriptor, come one after
/// another, with others between them.
#[track_caller]
fn in_order(lines: &[String], expected: &[&str]) {
    let mut rest = lines.iter();
    for call in expected {
        assert!(
            rest.any(|line| line.contains(call) && line.ends_with("= 0")),
            "no {call} (in its place) in {lines:#?}"
        );
    }
}

#[test]
fn every_option_is_set_before_bind_and_connect() {
    needs!("root", "strace");
    for host in [V4, V6] {
        let server = Server::on((host.parse::<std::net::IpAddr>().unwrap(), 0));
        let port = server.port().to_string();
        let (trace, tool) = traced(Tool::oxnc(ALL).args(&["-s", host, host, &port]));
        let run = tool.start();
        let peer = server.accept();
        has_all(&socket_to(&run, peer.local()));
        peer.close();
        run.wait().succeeds();
        let lines = trace.lines();
        let connect = lines.iter().position(|line| line.contains("connect("));
        let before = &lines[..connect.unwrap()];
        in_order(before, &[all(host), vec!["bind("]].concat());
    }
}

#[test]
fn every_option_is_set_before_bind_and_listen_and_inherited_by_the_client() {
    needs!("root", "strace");
    for host in [V4, V6] {
        let (trace, tool) = traced(Tool::listen_with(ALL, &[host, "0"]));
        let (run, port) = tool.start_listening();
        let peer = Peer::connect_to((host.parse::<std::net::IpAddr>().unwrap(), port));
        // When it writes what the client says it has taken it.
        let mut peer = peer;
        peer.send(b"x");
        run.stdout().wait_for(1);
        has_all(&socket_to(&run, peer.local()));
        peer.close();
        run.wait().succeeds();
        let again = vec!["bind(", "listen(", "SO_PRIORITY, [5], 4"];
        in_order(&trace.lines(), &[all(host), again].concat());
    }
}

#[test]
fn both_families_of_a_listener_have_the_options() {
    needs!("strace");
    let options = ["-T", "lowdelay", "--keepalive"];
    let (trace, tool) = traced(Tool::listen_with(&options, &["0"]));
    let (run, port) = tool.start_listening();
    Peer::connect(port).close();
    run.wait().succeeds();
    let lines = trace.lines();
    for tos in ["SOL_IP, IP_TOS, [16], 4", "SOL_IPV6, IPV6_TCLASS, [16], 4"] {
        in_order(&lines, &[tos, "SO_KEEPALIVE, [1], 4", "bind(", "listen("]);
    }
}

#[test]
fn unix_sockets_have_the_options_that_are_not_of_the_network() {
    needs!("strace");
    let options = ["-I64k", "-O32k", "--sockopt=socket:SO_PRIORITY:5"];
    let expected = [
        "SO_RCVBUF, [65536], 4",
        "SO_SNDBUF, [32768], 4",
        "SO_PRIORITY, [5], 4",
    ];
    let (trace, tool) = traced(Tool::listen_at(Family::Unix, &options));
    let (run, spot) = tool.start_listening_at();
    let client = Tool::connect(spot, &options).stdin(In::Bytes(b"hello".to_vec()));
    let (client_trace, client) = traced(client);
    client.run().succeeds();
    run.wait().succeeds().wrote(b"hello");
    let before = |call| [&expected[..], &[call]].concat();
    in_order(&client_trace.lines(), &before("connect("));
    let lines = trace.lines();
    in_order(&lines, &before("bind("));
    // An accepted Unix socket inherits none of them.
    let accepted = lines.iter().rposition(|line| line.contains("accept4("));
    in_order(&lines[accepted.unwrap()..], &expected);
}

#[test]
fn a_socket_passed_in_stays_as_it_is_and_its_client_gets_the_options() {
    let server = Server::new();
    let port = server.port();
    let listening = server.into_fd();
    let script = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"";
    let run = Tool::oxnc(&["-l", "--ttl=44", "--sockopt=socket:SO_PRIORITY:5"])
        .under(&["sh", "-c", script, "sh"])
        .stdin(In::Fd(listening.try_clone().unwrap()))
        .start();
    let mut peer = Peer::connect(port);
    peer.send(b"x");
    run.stdout().wait_for(1);
    let socket = socket_to(&run, peer.local());
    assert_eq!(
        (socket.ttl_v4().unwrap(), socket.priority().unwrap()),
        (44, 5)
    );
    let before = SockRef::from(&listening);
    assert_ne!(before.ttl_v4().unwrap(), 44);
    assert_eq!(before.priority().unwrap(), 0);
    peer.close();
    run.wait().succeeds();
}

#[test]
fn an_ipv4_address_mapped_into_ipv6_has_the_options_of_ipv4() {
    let server = Server::new();
    let run = Tool::oxnc(&["--ttl=44", "::ffff:127.0.0.1", &server.port().to_string()]).start();
    let peer = server.accept();
    let mapped = match peer.local() {
        SocketAddr::V4(v4) => SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port())),
        v6 => v6,
    };
    assert_eq!(socket_to(&run, mapped).ttl_v4().unwrap(), 44);
    peer.close();
    run.wait().succeeds();
}

#[test]
fn packets_with_too_few_hops_left_are_not_heard() {
    let (run, port) = Tool::listen(&["--min-ttl=64"]).start_listening();
    let done = Tool::connect(port, &["--ttl=63", "--connect-timeout=500ms"]).run();
    done.fails(124, &["127.0.0.1"]).took_about(ms(500));
    let client = Tool::connect(port, &["--ttl=64"]).stdin(In::Bytes(b"near".to_vec()));
    client.run().succeeds();
    run.wait().succeeds().wrote(b"near");
}

#[test]
fn an_option_that_the_kernel_refuses_ends_the_run_and_is_named() {
    let table: &[(&[&str], &[&str])] = &[
        (
            &["--congestion=nosuch"],
            &["cannot set --congestion nosuch"],
        ),
        (
            &["--device=nosuch0"],
            &["cannot set --device nosuch0", "no such device"],
        ),
        (
            &["--ttl=0", "-4"],
            &["cannot set --ttl 0", "invalid argument"],
        ),
        (
            &["--sockopt=tcp:999:1"],
            &["cannot set --sockopt tcp:999:1", "not available"],
        ),
        // A short value for an int.
        (&["--sockopt=6:1:x01"], &["cannot set --sockopt 6:1:x01"]),
        (
            &["--mptcp", "--user-timeout=5", "-m1"],
            &["cannot set --", "127.0.0.1"],
        ),
    ];
    let server = Server::new();
    let port = server.port().to_string();
    for (options, words) in table {
        let target = [V4, &port];
        Tool::oxnc(options).args(&target).run().fails(1, words);
        let listening = Tool::oxnc(options).args(&["-l", V4, "0"]).run();
        listening.fails(1, words);
    }
    let spot = crate::util::Spot::new_socket();
    let path = spot.path().to_str().unwrap();
    for words in [["-U", path], ["-lU", path]] {
        let done = Tool::oxnc(&["--sockopt=tcp:TCP_NODELAY:1"])
            .args(&words)
            .run();
        done.fails(1, &[path, "cannot set --sockopt tcp:TCP_NODELAY:1"]);
        assert!(!spot.path().exists());
    }
    assert!(!server.has_client_within(ms(0)));
}

#[test]
fn a_refusal_by_the_sockets_of_every_address_is_said_once() {
    needs!("root");
    let net = Net::new();
    net.file("hosts", "127.0.0.1 twice\n::1 twice\n");
    let done = net
        .tool(Tool::oxnc(&["--congestion=nosuch", "twice", "4000"]))
        .run();
    done.fails(1, &["twice port 4000: cannot set --congestion nosuch"]);
    assert_eq!(done.stderr.matches("cannot set").count(), 1);
}

#[test]
fn an_address_whose_socket_refuses_is_not_used() {
    needs!("root");
    let net = Net::new();
    net.file("hosts", "::1 twice\n127.0.0.1 twice\n");
    let addresses = [V4, V6].map(|host| (host.parse::<std::net::IpAddr>().unwrap(), 4000));
    let servers = addresses.map(|address| net.inside(move || Server::on(address)));
    let [_, six] = &servers;
    let option = "--sockopt=ipv6:IPV6_TCLASS:16";
    let run = net.tool(Tool::oxnc(&[option, "twice", "4000"])).start();
    six.accept().close();
    run.wait().succeeds();
    // Nobody is there but where the option is unknown.
    let [four, six] = servers;
    drop(six);
    let done = net.tool(Tool::oxnc(&[option, "twice", "4000"])).run();
    done.fails(
        1,
        &[
            "::1: connection refused",
            "127.0.0.1: cannot set --sockopt ipv6:IPV6_TCLASS:16",
        ],
    );
    assert!(!four.has_client_within(ms(0)));
}

#[test]
fn what_needs_privileges_says_so() {
    needs!("root");
    // Where everybody may run it.
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("oxnc");
    fs::copy(env!("CARGO_BIN_EXE_oxnc"), &copy).unwrap();
    for path in [dir.path(), &copy] {
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(path, everybody).unwrap();
    }
    let nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let run = |words: &[&str]| Tool::program(&copy, words).under(&nobody).run();
    let debug = [
        "cannot set --socket-debug",
        "permission denied",
        "CAP_NET_ADMIN",
    ];
    run(&["-D", V4, "1"]).fails(1, &debug);
    run(&["-l", "-D", V4, "0"]).fails(1, &debug);
    let mark = ["cannot set --sockopt socket:SO_MARK:7", "not permitted"];
    run(&["--sockopt=socket:SO_MARK:7", V4, "1"]).fails(1, &mark);
}

#[test]
fn bad_values_are_refused() {
    let table: &[(&[&str], &str)] = &[
        (&["-I", "0"], "1 to 1073741824"),
        (&["-O", "1073741825"], "1 to 1073741824"),
        (&["-T", "256"], "0 to 255"),
        (&["-M", "256"], "0 to 255"),
        (&["-m", "-1"], "0 to 255"),
        (&["--keepalive=0"], "1 to 32767"),
        (&["--user-timeout", "25days"], "2147483647ms"),
        (&["--congestion", ""], "1 to 15"),
        (&["--device", "0123456789abcdef"], "1 to 15"),
        (&["--sockopt", "socket:SO_NOSUCH:1"], "SO_NOSUCH"),
        (&["-V", "1"], "-V"),
        (&["-Z"], "DCCP"),
        (&["--md5sig-key-env", ""], "variable"),
    ];
    for (words, names) in table {
        let done = Tool::oxnc(words).args(&[V4, "1"]).run();
        done.fails(2, &[words[0].split('=').next().unwrap(), names]);
    }
}

#[test]
fn times_that_were_asked_for_hold_to_the_end() {
    needs!("strace");
    for (option, idle) in [("--keepalive=33", "[33]"), ("--keepalive", "[10]")] {
        let server = Server::new();
        let (trace, tool) = traced(Tool::connect(server.port(), &[option]));
        let mut run = tool.stdin(In::Pipe).start();
        let mut peer = server.accept();
        peer.half_close();
        run.stdout().wait_for_end();
        // Its stdin must not have ended when it sees the peer's end.
        trace.settle();
        run.write(b"the rest");
        assert_eq!(peer.recv(8), b"the rest");
        run.close_stdin();
        run.wait().succeeds();
        let lines = trace.lines();
        let mut idles = lines.iter().filter(|line| line.contains("TCP_KEEPIDLE"));
        let said = idles.next().map(String::as_str).unwrap_or_default();
        assert!(said.contains(idle) && idles.next().is_none(), "{lines:#?}");
    }
}

/// A client with this option and its server, between whom no packet goes any more.
fn cut_off(option: &str) -> (Running, [Net; 2], Peer) {
    let (near, far) = Net::pair();
    let server = far.inside(|| Server::on(([192, 0, 2, 2], 4000)));
    let tool = Tool::oxnc(&[option, "192.0.2.2", "4000"]).stdin(In::Pipe);
    let mut run = near.tool(tool).start();
    let mut peer = server.accept();
    run.write(b"x");
    assert_eq!(peer.recv(1), b"x");
    near.drop_input("drop");
    (run, [near, far], peer)
}

#[test]
fn data_that_is_not_acknowledged_in_time_ends_the_connection() {
    needs!("root", "nft");
    let (mut run, _nets, _peer) = cut_off("--user-timeout=1s");
    let began = std::time::Instant::now();
    run.write(b"lost");
    run.wait_within(ms(5000))
        .fails(5, &["192.0.2.2", "timed out"]);
    assert!(began.elapsed() >= ms(900), "{:?}", began.elapsed());
}

#[test]
fn a_silent_peer_that_does_not_answer_probes_is_gone() {
    needs!("root", "nft");
    let (run, _nets, _peer) = cut_off("--keepalive=1,1,2");
    let began = std::time::Instant::now();
    let done = run.wait_within(ms(8000));
    assert!(matches!(done.status.code(), Some(3 | 5)), "{done:?}");
    done.fails(done.status.code().unwrap(), &["192.0.2.2", "timed out"]);
    assert!(began.elapsed() >= ms(2000), "{:?}", began.elapsed());
}

#[test]
fn multipath_tcp_is_spoken_when_asked_for() {
    needs!("strace");
    for listener in [&["--mptcp"][..], &[]] {
        let (run, port) = Tool::listen(listener).start_listening();
        let data = crate::util::data::random_bytes(1 << 20, 1);
        let (trace, tool) = traced(Tool::connect(port, &["--mptcp", "--nodelay", "-T", "ef"]));
        let done = tool.stdin(In::Bytes(data.clone())).run();
        done.succeeds();
        run.wait().succeeds().wrote(&data);
        let lines = trace.lines();
        assert!(
            lines.iter().any(|line| line.contains("IPPROTO_MPTCP")),
            "{lines:#?}"
        );
        in_order(&lines, &["SOL_IP, IP_TOS, [184], 4"]);
    }
}

#[test]
fn multipath_tcp_that_is_switched_off_is_an_error() {
    needs!("root");
    let net = Net::new();
    net.sh("echo 0 >/proc/sys/net/mptcp/enabled");
    for words in [&[V4, "4000"][..], &["-l", "4000"]] {
        let done = net.tool(Tool::oxnc(&["--mptcp"]).args(words)).run();
        done.fails(1, &["cannot set --mptcp", "net.mptcp.enabled"]);
    }
}

#[test]
fn a_device_is_the_only_way_out() {
    needs!("root");
    let (near, far) = Net::pair();
    let server = far.inside(|| Server::on(([192, 0, 2, 2], 4000)));
    let words = ["192.0.2.2", "4000"];
    let run = near.tool(Tool::oxnc(&["--device=v1"]).args(&words)).start();
    server.accept().close();
    run.wait().succeeds();
    let done = near
        .tool(Tool::oxnc(&["--device=lo", "-w", "500ms"]).args(&words))
        .run();
    assert!(matches!(done.status.code(), Some(1 | 124)), "{done:?}");
    assert!(!server.has_client_within(ms(0)));
}
