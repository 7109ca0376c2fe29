//! The file of a Unix socket: who may use it, what gives way to it, and that it is gone afterwards.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt, net::UnixListener},
    path::Path,
    time::{Duration, Instant},
};

use crate::util::{Family, In, Peer, Running, Server, Signal, Spot, Tool, ms};

fn listening(options: &[&str]) -> (Running, Spot) {
    Tool::listen_at(Family::Unix, options).start_listening_at()
}

/// Everything in the socket's directory.
fn names(spot: &Spot) -> Vec<String> {
    let directory = spot.path().parent().unwrap();
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The client of a listener of ours says something, and is heard.
fn serves(run: Running, spot: Spot) {
    let mut peer = Peer::connect(spot);
    peer.send(b"hello");
    peer.half_close();
    run.wait().succeeds().wrote(b"hello");
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_file_is_the_owners_whatever_the_umask_is() {
    for umask in ["000", "022", "077"] {
        let script = format!("umask {umask}; exec \"$@\"");
        for (options, expected) in [
            (&[][..], 0o600),
            (&["--unix-mode=666"], 0o666),
            (&["--unix-mode", "0770"], 0o770),
        ] {
            let tool = Tool::listen_at(Family::Unix, options).under(&["sh", "-c", &script, "sh"]);
            let (run, spot) = tool.start_listening_at();
            assert_eq!(mode(spot.path()), expected, "{options:?}, umask {umask}");
            serves(run, spot);
        }
    }
}

#[test]
fn the_file_is_gone_as_soon_as_the_client_is_there() {
    let (run, spot) = listening(&[]);
    assert_eq!(names(&spot), ["socket"]);
    let mut peer = Peer::connect(spot.clone());
    peer.send(b"x");
    run.stdout().wait_for(1);
    assert!(names(&spot).is_empty());
    peer.close();
    run.wait().succeeds();
}

#[test]
fn the_file_is_gone_after_a_signal() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let (run, spot) = listening(&[]);
        let began = Instant::now();
        run.signal(signal);
        let done = run.wait();
        done.dies_of(signal);
        assert_eq!(done.stderr, "");
        assert!(began.elapsed() < ms(1000));
        assert!(names(&spot).is_empty(), "{signal:?}");
    }
}

#[test]
fn a_shell_sees_the_signals_number() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let spot = Spot::new_socket();
        // The signal goes to the program alone, whose number the shell tells.
        let script = "trap '' INT HUP; trap : TERM; (trap - INT HUP; exec \"$@\"); exit $?";
        let run = Tool::listen_on(&spot, &[])
            .under(&["sh", "-c", script, "sh"])
            .start();
        run.listens_on(spot.path().as_os_str());
        let children = format!("/proc/{0}/task/{0}/children", run.pid());
        let child: i32 = fs::read_to_string(children)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let child = rustix::process::Pid::from_raw(child).unwrap();
        rustix::process::kill_process(child, signal).unwrap();
        run.wait().exits(code);
        assert!(names(&spot).is_empty(), "{signal:?}");
    }
}

#[test]
fn the_file_is_gone_after_a_time_out() {
    let (run, spot) = listening(&["--accept-timeout=300ms"]);
    let path = spot.path().to_str().unwrap();
    run.wait()
        .fails(124, &[path, "no client"])
        .took_about(ms(300));
    assert!(names(&spot).is_empty());
}

#[test]
fn the_file_of_one_who_took_the_name_meanwhile_stays() {
    let (run, spot) = listening(&[]);
    fs::remove_file(spot.path()).unwrap();
    let other = Server::at(spot.clone());
    run.signal(Signal::TERM);
    run.wait().dies_of(Signal::TERM);
    assert_eq!(names(&spot), ["socket"]);
    Peer::connect(spot);
    assert!(other.has_client_within(ms(1000)));
}

#[test]
fn a_directory_that_is_gone_does_not_matter() {
    let (run, spot) = listening(&[]);
    fs::remove_dir_all(spot.path().parent().unwrap()).unwrap();
    run.signal(Signal::TERM);
    let done = run.wait();
    done.dies_of(Signal::TERM);
    assert_eq!(done.stderr, "");
}

#[test]
fn a_socket_that_nobody_listens_on_gives_way() {
    // Left behind by one that could not clean up.
    let (run, spot) = listening(&[]);
    run.signal(Signal::KILL);
    run.wait().dies_of(Signal::KILL);
    assert_eq!(names(&spot), ["socket"]);
    let (run, spot) = Tool::listen_on(&spot, &[]).start_listening_at();
    assert_eq!(names(&spot), ["socket"]);
    serves(run, spot);
}

#[test]
fn a_socket_that_somebody_listens_on_is_left_alone() {
    let server = Server::of(Family::Unix);
    let path = server.spot().path().to_str().unwrap().to_owned();
    let done = Tool::listen_on(&server.spot(), &[]).run();
    done.fails(1, &[&path, "address already in use"]);
    assert!(!server.has_client_within(Duration::ZERO));
    assert_eq!(names(&server.spot()), ["socket"]);
    Peer::connect(server.spot());
    server.accept();
}

#[test]
fn a_listener_of_ours_keeps_its_one_place_for_its_client() {
    let (run, spot) = listening(&[]);
    for _ in 0..5 {
        let done = Tool::listen_on(&spot, &[]).run();
        done.fails(1, &["address already in use"]);
    }
    serves(run, spot);
}

#[test]
fn a_socket_that_is_bound_and_not_yet_listened_on_is_left_alone() {
    let spot = Spot::new_socket();
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    let address = socket2::SockAddr::unix(spot.path()).unwrap();
    socket.bind(&address).unwrap();
    Tool::listen_on(&spot, &[]).run().fails(1, &["in use"]);
    socket.listen(1).unwrap();
    Peer::connect(spot);
}

#[test]
fn whatever_else_is_there_is_left_alone() {
    let spot = Spot::new_socket();
    let path = spot.path();
    let refused = |what: &str| {
        let done = Tool::listen_on(&spot, &[]).run();
        done.fails(1, &["cannot listen", path.to_str().unwrap(), what]);
        assert_eq!(names(&spot), ["socket"]);
    };
    fs::write(path, "precious").unwrap();
    refused("it is a regular file");
    assert_eq!(fs::read(path).unwrap(), b"precious");
    fs::remove_file(path).unwrap();

    fs::create_dir(path).unwrap();
    refused("it is a directory");
    fs::remove_dir(path).unwrap();

    std::os::unix::fs::symlink("nowhere", path).unwrap();
    refused("it is a symbolic link");
    fs::remove_file(path).unwrap();

    let pipe = crate::util::fifo(path.parent().unwrap());
    fs::rename(pipe, path).unwrap();
    refused("it is a named pipe");
}

#[test]
fn a_link_to_a_dead_socket_is_left_alone() {
    let dead = Spot::new_socket();
    drop(UnixListener::bind(dead.path()).unwrap());
    let spot = Spot::new_socket();
    std::os::unix::fs::symlink(dead.path(), spot.path()).unwrap();
    let done = Tool::listen_on(&spot, &[]).run();
    done.fails(1, &["it is a symbolic link"]);
    assert_eq!(names(&dead), ["socket"]);
}

#[test]
fn a_directory_that_cannot_be_used_is_told() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    for (name, why) in [("none/s", "No such file"), ("file/s", "Not a directory")] {
        let path = dir.path().join(name);
        let done = Tool::oxnc(&["-lU"]).arg(&path).run();
        done.fails(1, &[path.to_str().unwrap(), why]);
        let done = Tool::oxnc(&["-U"]).arg(&path).run();
        done.fails(1, &["cannot connect", path.to_str().unwrap(), why]);
    }
}

/// `oxnc` as nobody, and a directory that everybody may enter but nobody may write to.
fn as_nobody(spot: &Spot, option: &str) -> Tool {
    let directory = spot.path().parent().unwrap();
    let copy = directory.join("oxnc");
    if !copy.exists() {
        fs::copy(env!("CARGO_BIN_EXE_oxnc"), &copy).unwrap();
    }
    for path in [directory, &copy] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    Tool::program(copy, &[option])
        .arg(spot.path())
        .under(&nobody)
}

#[test]
fn what_is_not_allowed_is_told_and_left_alone() {
    needs!("root", "setpriv");
    let spot = Spot::new_socket();
    let denied = "permission denied";
    as_nobody(&spot, "-lU").run().fails(1, &[denied]);
    // A dead socket that may not be asked whether it is dead, and one that may.
    drop(UnixListener::bind(spot.path()).unwrap());
    fs::set_permissions(spot.path(), fs::Permissions::from_mode(0o600)).unwrap();
    as_nobody(&spot, "-lU").run().fails(1, &["perhaps", denied]);
    as_nobody(&spot, "-U").run().fails(1, &[denied]);
    fs::set_permissions(spot.path(), fs::Permissions::from_mode(0o666)).unwrap();
    let done = as_nobody(&spot, "-lU").run();
    done.fails(1, &["cannot be removed", denied]);
    assert_eq!(names(&spot), ["oxnc", "socket"]);
}

#[test]
fn the_longest_path_works_and_longer_ones_are_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().to_str().unwrap();
    let path_of = |length: usize| format!("{base}/{}", "x".repeat(length - base.len() - 1));
    let longest = path_of(107);
    let run = Tool::oxnc(&["-vlU", &longest]).start();
    run.listens_on(OsStr::new(&longest));
    Tool::oxnc(&["-NU", &longest]).run().succeeds();
    let done = run.wait();
    let first = format!("oxnc: listening on {longest}\n");
    assert!(done.stderr.starts_with(&first), "{}", done.stderr);
    for length in [108, 109, 130, 4000] {
        for option in ["-U", "-lU"] {
            let done = Tool::oxnc(&[option, &path_of(length)]).run();
            done.fails(2, &["-U", "longer", "107"]);
        }
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn an_empty_path_is_wrong() {
    for option in ["-U", "-lU"] {
        Tool::oxnc(&[option, ""]).run().fails(2, &["-U", "empty"]);
        Tool::oxnc(&[option]).run().fails(2, &["-U", "path"]);
    }
    Tool::oxnc(&["-lUs", ""]).run().fails(2, &["-U", "empty"]);
}

#[test]
fn a_path_may_have_any_bytes_and_is_shown_harmless() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir
        .path()
        .join(OsStr::from_bytes(b"a\xff b\x1b[2J\xc3\xbc"));
    // The kernel's table of sockets is no help here: a line feed would end a line of it.
    let run = Tool::oxnc(&["-vlU"]).arg(&path).start();
    run.stderr.wait_for_text("listening on");
    let text = String::from_utf8(run.stderr.so_far()).unwrap();
    assert!(text.ends_with("/a\\xff b\\x1b[2J\u{fc}\n"), "{text:?}");
    let client = Tool::oxnc(&["-U"])
        .arg(&path)
        .stdin(In::Bytes(b"hello".to_vec()));
    client.run().succeeds();
    run.wait().exits(0).wrote(b"hello");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn the_path_may_come_with_s() {
    let spot = Spot::new_socket();
    let run = Tool::oxnc(&["-U", "-l", "-s"]).arg(spot.path()).start();
    run.listens_on(spot.path().as_os_str());
    serves(run, spot);
}

#[test]
fn a_path_may_be_relative() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("cd '{}' && exec \"$@\"", dir.path().display());
    let run = Tool::oxnc(&["-lU", "s"])
        .under(&["sh", "-c", &script, "sh"])
        .start();
    run.listens_on(OsStr::new("s"));
    let client = Tool::oxnc(&["-U", "s"]).under(&["sh", "-c", &script, "sh"]);
    client.stdin(In::Bytes(b"hello".to_vec())).run().succeeds();
    run.wait().succeeds().wrote(b"hello");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
