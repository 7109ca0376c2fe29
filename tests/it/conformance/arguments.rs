//! The command line: what is refused, and in which words; what is taken, in any order.

use super::{End, Nc, alike, side::Program};
use crate::util::{In, Tool};

/// Words that are refused before anything is done, and the line that says why.
const REFUSED: &[(&[&str], &str)] = &[
    (&["-Y"], "nc: invalid option -- 'Y'"),              // A3
    (&["-q"], "nc: option requires an argument -- 'q'"), // A4
    (&["-w"], "nc: option requires an argument -- 'w'"),
    (&["-vw"], "nc: option requires an argument -- 'w'"),
    (&["127.0.0.1"], "nc: missing port number"), // A5
];

/// Words that both refuse, `nc` in these words, and oxnc in its own: it names the option, what is
/// wrong, and what could be given instead.
const REFUSED_IN_OTHER_WORDS: &[(&[&str], &str, &str)] = &[
    (&["-l"], "missing port number", "-l needs a port"),
    (&["127.0.0.1", "0"], "port number too small: 0", "port '0'"),
    (
        &["127.0.0.1", "65536"],
        "port number too large: 65536",
        "port '65536'",
    ),
    (&["127.0.0.1", "abc"], "port number invalid: abc", "'abc'"),
    (
        &["127.0.0.1", "80 "],
        "port number invalid: 80 ",
        "port '80 '",
    ),
    (
        &["127.0.0.1", "0x50"],
        "port number invalid: 0x50",
        "port '0x50'",
    ),
    (
        &["-l", "127.0.0.1", "x y"],
        "Servname not supported",
        "'x y'",
    ),
    (
        &["-I", "0", "h", "1"],
        "TCP receive window too small: 0",
        "'-I'",
    ),
    (
        &["-O", "0", "h", "1"],
        "TCP send window too small: 0",
        "'-O'",
    ),
    (&["-M", "256", "h", "1"], "ttl is too large", "'-M'"),
    (&["-m", "256", "h", "1"], "minttl is too large", "'-m'"),
    (&["-T", "256", "h", "1"], "illegal tos value 256", "'-T'"),
    (&["-T", "x", "h", "1"], "illegal tos value x", "'-T'"),
    (&["-W", "0", "h", "1"], "receive limit too small: 0", "'-W'"),
    (&["-W", "x", "h", "1"], "receive limit invalid: x", "'-W'"),
    (&["-w", "-1", "h", "1"], "timeout too small: -1", "'-w'"),
    (&["-w", "abc", "h", "1"], "timeout invalid: abc", "'-w'"),
    (&["-q", "abc", "h", "1"], "quit timer invalid: abc", "'-q'"),
    (&["-X", "6", "h", "1"], "unsupported proxy protocol", "'-X'"),
    (
        &["-x", "[::1", "h", "1"],
        "missing closing bracket in proxy",
        "'-x'",
    ),
    (
        &["-x", "[::1]80", "h", "1"],
        "garbage proxy port delimiter",
        "'-x'",
    ),
    (
        &["-l", "-x", "h:1", "1"],
        "no proxy support for listen",
        "'-x' and '-l'",
    ),
    (
        &["-U", "-x", "h:1", "p"],
        "no proxy support for unix sockets",
        "'-x' and '-U'",
    ),
    (
        &["-u", "-x", "h:1", "h", "1"],
        "no proxy support for UDP mode",
        "'-u' and '-x'",
    ),
    (
        &["-U", "p", "1"],
        "cannot use port with -U",
        "'1' is one word too many",
    ),
    (&["-k", "h", "1"], "must use -l with -k", "'-k' needs '-l'"),
    (
        &["-U", LONG],
        "File name too long",
        "longer than a socket's path can be",
    ),
    (
        &["-lU", LONG],
        "File name too long",
        "longer than a socket's path can be",
    ),
    // B12.
    (
        &["-4", "::1", "80"],
        "Address family for hostname not supported",
        "'-4' excludes",
    ),
    (
        &["-6", "127.0.0.1", "80"],
        "Address family for hostname not supported",
        "'-6' excludes",
    ),
    // Too few words and too many: `nc` shows its usage.
    (&[], "usage", "needed"), // A1
    (&["-U"], "usage", "missing socket pathname"),
    (
        &["-l", "127.0.0.1", "4000", "4001"],
        "usage",
        "one word too many",
    ),
    (&["-s", "127.0.0.1", "-U", "p"], "usage", "'-s'"),
];

const LONG: &str = "/1234567890123456789012345678901234567890123456789012345678901234567890\
                    12345678901234567890123456789012345678901234567890";

/// Every way to be called that means `nc`, the real one first.
fn every_nc() -> [Nc; 3] {
    [Program::Theirs, Program::Ours, Program::OursByOption].map(Nc::new)
}

#[test]
fn what_is_refused_is_refused_in_the_same_words() {
    needs!("nc.openbsd");
    for (words, line) in REFUSED {
        for nc in every_nc() {
            let seen = nc.sees(nc.tool(words));
            seen.exits(1).wrote(b"").said(&[line]);
        }
    }
}

#[test]
fn what_is_refused_in_other_words_is_refused_all_the_same() {
    needs!("nc.openbsd");
    let mut wrong = String::new();
    for (words, theirs, ours) in REFUSED_IN_OTHER_WORDS {
        let [nc, others @ ..] = every_nc();
        for (nc, part) in [(nc, theirs)]
            .into_iter()
            .chain(others.map(|nc| (nc, ours)))
        {
            let seen = nc.sees(nc.tool(words));
            let right = matches!(&*seen.stderr, [only] if only.contains(part));
            if !right || seen.end != End::Exit(1) || !seen.stdout.is_empty() {
                wrong += &format!("not {part:?}:\n{seen}\n");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A2, and what the scripts of others look for in it.
#[test]
fn the_help_is_on_stderr_and_that_of_this_netcat() {
    needs!("nc.openbsd");
    for nc in every_nc() {
        let help = nc.tool(&["-h"]).run();
        help.exits(0).wrote(b"");
        let text = help.stderr;
        for there in ["usage: nc", "-q", "-N", "-U", "\"5\" (SOCKS)"] {
            assert!(text.contains(there), "no {there:?} in {text}");
        }
        for not_there in ["-e ", "-G", "UDP listen needs -p arg"] {
            assert!(!text.contains(not_there), "{not_there:?} in {text}");
        }
        assert!(!text.to_lowercase().contains("ncat"), "{text}");
    }
}

/// A4, as libvirt asks for it.
#[test]
fn quit_after_is_known_by_its_complaint() {
    needs!("nc.openbsd");
    for nc in every_nc() {
        let seen = nc.sees(nc.tool(&["-q"]));
        let lines = seen
            .stderr
            .iter()
            .filter(|line| line.contains("requires an argument"));
        assert_eq!(lines.count(), 1, "{seen}");
    }
}

/// A9.
#[test]
fn options_may_follow_operands() {
    needs!("nc.openbsd");
    alike(|nc| {
        let server = nc.server();
        let port = server.port().to_string();
        let run = nc.tool(&["127.0.0.1", &port, "-v", "-n", "-N"]).start();
        let mut peer = server.accept();
        assert_eq!(peer.recv_all(), b"");
        peer.close();
        nc.saw(run)
    })
    .exits(0)
    .said(&["Connection to 127.0.0.1 <1> port [tcp/*] succeeded!"]);
}

#[test]
fn letters_can_be_bundled_and_values_attached() {
    needs!("nc.openbsd");
    alike(|nc| {
        let server = nc.server();
        let port = server.port().to_string();
        let run = nc
            .tool(&["-vnNw5", "--", "127.0.0.1", &port])
            .stdin(In::Bytes(b"hi\n".into()))
            .start();
        let heard = server.accept().recv_all();
        nc.saw(run).and_heard(heard)
    })
    .exits(0)
    .heard(b"hi\n")
    .said(&["Connection to 127.0.0.1 <1> port [tcp/*] succeeded!"]);
}

#[test]
fn the_last_of_a_repeated_value_counts() {
    needs!("nc.openbsd");
    alike(|nc| {
        let server = nc.server();
        let port = server.port().to_string();
        let run = nc
            .tool(&[
                "-w1",
                "-s",
                "192.0.2.1",
                "-w5",
                "-s",
                "127.0.0.1",
                "127.0.0.1",
                &port,
            ])
            .start();
        server.accept().close();
        nc.saw(run)
    })
    .exits(0);
}

/// The name before each line is the one that it was called by.
#[test]
fn it_speaks_under_the_name_that_it_was_started_under() {
    needs!("nc.openbsd");
    for name in ["nc", "netcat", "nc.openbsd", "nc.oxnc"] {
        let said = [Program::Theirs, Program::Ours].map(|program| {
            let nc = Nc::called(program, name);
            nc.sees(nc.tool(&["-v", "127.0.0.1", &nc.refusing().to_string()]))
                .stderr
        });
        let line =
            format!("{name}: connect to 127.0.0.1 port <1> (tcp) failed: Connection refused");
        assert_eq!(said, [[line.clone()], [line]]);
    }
}

/// Under any other name it is oxnc: an option of `nc` that means something else here shows it.
#[test]
fn under_another_name_it_has_ways_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["oxnc", "ncx", "mync"] {
        let path = dir.path().join(name);
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_oxnc"), &path).unwrap();
        Tool::program(&path, &["-q"]).run().exits(2);
    }
}
