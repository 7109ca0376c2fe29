//! From arguments to a usage line.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

use super::{
    super::{Stop, parse_with},
    stop_or_plan,
};

#[test]
fn usage_errors_are_one_line_that_names_the_option() {
    let table = [
        // Operands.
        (
            "",
            "HOST and PORT are needed, or '-l' and PORT to listen; see '--help'",
        ),
        (
            "-v",
            "HOST and PORT are needed, or '-l' and PORT to listen; see '--help'",
        ),
        ("example.com", "host 'example.com' needs a port"),
        ("[::1]", "host '[::1]' needs a port"),
        (
            "example.com -p 80",
            "host 'example.com' needs a port ('-p' is the local one)",
        ),
        (
            "::1",
            "'::1' is an IPv6 address without a port; with one it is written [::1]:80",
        ),
        (
            "::1:80",
            "'::1:80' is an IPv6 address without a port; with one it is written [::1]:80",
        ),
        ("a:b:c", "'a:b:c' has colons but is not an IPv6 address"),
        (
            "[::1",
            "'[::1' has brackets in the wrong place; they go around an IPv6 address, as in \
             [::1]:80",
        ),
        ("a b c", "'c' is one word too many"),
        ("-l a b c", "'c' is one word too many"),
        ("a:1 2", "the port is given twice: by 'a:1' and by '2'"),
        (
            "[::1]:1 2",
            "the port is given twice: by '[::1]:1' and by '2'",
        ),
        (
            "* 80",
            "host '*' is not an address; every local address is meant when none is given",
        ),
        (":80", "host '' is empty"),
        (
            "fe80::1 80",
            "host 'fe80::1' is link-local: name its interface too, as in fe80::1%eth0",
        ),
        ("a 0", "port '0' cannot be connected to; ports are 1-65535"),
        ("a:0", "port '0' cannot be connected to; ports are 1-65535"),
        ("a 65536", "port '65536' is out of range; ports are 1-65535"),
        (
            "a +80",
            "port '+80' is not a number (1-65535) or the name of a service",
        ),
        (
            "a 0x50",
            "port '0x50' is not a number (1-65535) or the name of a service",
        ),
        (
            "a 80abc",
            "port '80abc' is not a number (1-65535) or the name of a service",
        ),
        (
            "a 80-90",
            "port '80-90' is not a number (1-65535) or the name of a service",
        ),
        ("a:", "port '' is empty"),
        // Lines.
        ("-i", "option '-i' requires an argument"),
        ("-i -1 a 80", "option '-i': duration '-1' is negative"),
        (
            "--interval x a 80",
            "option '--interval': duration 'x' is not a number of seconds or a time such as 500ms \
             or 1m30s",
        ),
        // Many clients.
        ("-k a 80", "option '-k' needs '-l'"),
        ("--max-conns 2 -l 80", "option '--max-conns' needs '-k'"),
        ("--accept 2 -l 80", "option '--accept' needs '-k'"),
        ("--tag -l 80", "option '--tag' needs '-k'"),
        (
            "-lk 80 --send-only",
            "options '-k' and '--send-only' exclude each other",
        ),
        (
            "-lk 80 --on-peer-eof drain",
            "options '-k' and '--on-peer-eof' exclude each other",
        ),
        (
            "-luk 80 --tag",
            "options '-u' and '--tag' exclude each other",
        ),
        (
            "-lk 80 --accept 0",
            "option '--accept': value '0' is not a number from 1 to 4294967295",
        ),
        (
            "-lk 80 --max-conns -1",
            "option '--max-conns': value '-1' is not a number from 1 to 4294967295",
        ),
        (
            "-lk 80 --max-conns +1",
            "option '--max-conns': value '+1' is not a number from 1 to 4294967295",
        ),
        (
            "-lk 80 --max-conns 4294967296",
            "option '--max-conns': value '4294967296' is not a number from 1 to 4294967295",
        ),
        ("-i 1 -W 1 a 1", "options '-i' and '-W' exclude each other"),
        (
            "-i 1 --on-peer-eof=exit a 1",
            "options '-i' and '--on-peer-eof=exit' exclude each other",
        ),
        // Listening.
        ("-l", "-l needs a port"),
        ("-l -s ::1", "-l needs a port"),
        ("-l 127.0.0.1", "address '127.0.0.1' needs a port"),
        ("-l [::1]", "address '[::1]' needs a port"),
        (
            "-l ::1",
            "'::1' is an IPv6 address without a port; with one it is written [::1]:80",
        ),
        (
            "-l -p 80 81",
            "the port is given twice: by '-p' and by '81'",
        ),
        (
            "-l -p 80 99999",
            "the port is given twice: by '-p' and by '99999'",
        ),
        (
            "-l -p 80 ::1 81",
            "the port is given twice: by '-p' and by '81'",
        ),
        (
            "-l -p 80 127.0.0.1:81",
            "the port is given twice: by '-p' and by '127.0.0.1:81'",
        ),
        (
            "-l -s ::1 ::2 80",
            "the address is given twice: by '-s' and by '::2'",
        ),
        (
            "-l -s ::1 -p 80 ::2",
            "the address is given twice: by '-s' and by '::2'",
        ),
        (
            "-l -s ::1 127.0.0.1:80",
            "the address is given twice: by '-s' and by '127.0.0.1'",
        ),
        (
            "-l * 80",
            "address '*' is not an address; every local address is meant when none is given",
        ),
        ("-l :80", "address '' is empty"),
        (
            "-l 70000",
            "port '70000' is out of range; ports are 1-65535",
        ),
        (
            "-l -p 70000",
            "option '-p': port '70000' is out of range; ports are 1-65535",
        ),
        // Options that exclude each other, or need one another.
        (
            "a 1 -N --no-shutdown",
            "options '-N' and '--no-shutdown' exclude each other",
        ),
        (
            "a 1 -q 1 --no-shutdown",
            "options '-q' and '--no-shutdown' exclude each other",
        ),
        (
            "a 1 -q 0 --no-shutdown",
            "options '-q' and '--no-shutdown' exclude each other",
        ),
        (
            "a 1 --send-only --no-shutdown",
            "options '--send-only' and '--no-shutdown' exclude each other",
        ),
        (
            "a 1 --recv-only --send-only",
            "options '--send-only' and '--recv-only' exclude each other",
        ),
        (
            "a 1 --send-only -d",
            "options '--send-only' and '-d' exclude each other",
        ),
        ("a 1 --print-port", "option '--print-port' needs '-l'"),
        (
            "a 1 --accept-timeout 1",
            "option '--accept-timeout' needs '-l'",
        ),
        ("-4 ::1 80", "'-4' excludes the IPv6 address '::1'"),
        (
            "-4 fe80::1%eth0 80",
            "'-4' excludes the IPv6 address 'fe80::1%eth0'",
        ),
        (
            "-6 127.0.0.1 80",
            "'-6' excludes the IPv4 address '127.0.0.1'",
        ),
        ("-4 -s ::1 a 80", "'-4' excludes the IPv6 address '::1'"),
        (
            "-l6 127.0.0.1:80",
            "'-6' excludes the IPv4 address '127.0.0.1'",
        ),
        (
            "-n a http",
            "'-n' excludes the service name 'http'; give its number",
        ),
        (
            "-n -p http a 80",
            "'-n' excludes the service name 'http'; give its number",
        ),
        (
            "-ln http",
            "'-n' excludes the service name 'http'; give its number",
        ),
        // Unix sockets.
        ("-U", "-U needs a path"),
        ("-lU", "-U needs a path"),
        ("-U a b", "'b' is one word too many"),
        ("-lU a b", "'b' is one word too many"),
        ("-lU -s a b", "the path is given twice: by '-s' and by 'b'"),
        ("-U -s a b", "option '-s' with '-U' needs '-l'"),
        ("-4U a", "options '-4' and '-U' exclude each other"),
        ("-U6 a", "options '-6' and '-U' exclude each other"),
        ("-U a -p 1", "options '-p' and '-U' exclude each other"),
        (
            "-lU a --print-port",
            "options '--print-port' and '-U' exclude each other",
        ),
        ("-U a --unix-mode 600", "option '--unix-mode' needs '-l'"),
        ("-l 1 --unix-mode 600", "option '--unix-mode' needs '-U'"),
        (
            "-U a --accept-timeout 1",
            "option '--accept-timeout' needs '-l'",
        ),
        (
            "-lU a --unix-mode 8",
            "option '--unix-mode': mode '8' is not an octal number from 0 to 777",
        ),
        (
            "-lU a --unix-mode 1000",
            "option '--unix-mode': mode '1000' is not an octal number from 0 to 777",
        ),
        (
            "-lU a --unix-mode +600",
            "option '--unix-mode': mode '+600' is not an octal number from 0 to 777",
        ),
        (
            "-lU a --unix-mode -1",
            "option '--unix-mode': mode '-1' is not an octal number from 0 to 777",
        ),
        (
            "-lU a --unix-mode=",
            "option '--unix-mode': mode '' is not an octal number from 0 to 777",
        ),
        // Values.
        (
            "a 1 -w 5x",
            "option '-w': duration '5x' is not a number of seconds or a time such as \
                       500ms or 1m30s",
        ),
        (
            "a 1 --wait=-5",
            "option '--wait': duration '-5' is negative",
        ),
        ("a 1 -w -5", "option '-w': duration '-5' is negative"),
        ("a 1 --timeout=", "option '--timeout': duration '' is empty"),
        (
            "a 1 -q 1e9",
            "option '-q': duration '1e9' is not a number of seconds or a time such as \
                        500ms or 1m30s",
        ),
        (
            "a 1 -q -v",
            "option '-q': duration '-v' is not a number of seconds or a time such as \
                       500ms or 1m30s",
        ),
        (
            "a 1 --max-time 101y",
            "option '--max-time': duration '101y' is longer than 100 years",
        ),
        (
            "a 1 --linger nan",
            "option '--linger': duration 'nan' is not a number of seconds or a \
                              time such as 500ms or 1m30s",
        ),
        (
            "a 1 -p 99999",
            "option '-p': port '99999' is out of range; ports are 1-65535",
        ),
        (
            "a 1 -s a:1",
            "option '-s': address 'a:1' has colons but is not an IPv6 address",
        ),
        (
            "a 1 --on-peer-eof x",
            "option '--on-peer-eof': 'x' is not one of: exit, drain",
        ),
        (
            "-l 1 --print-port=",
            "option '--print-port': '' is neither fd:N nor a file",
        ),
        (
            "-l 1 --print-port=fd:0",
            "option '--print-port': 'fd:0' is stdin, which the data comes from",
        ),
        (
            "-l 1 --print-port=fd:1",
            "option '--print-port': 'fd:1' is stdout, which only the peer's data goes to",
        ),
        (
            "-l 1 --print-port=fd:+3",
            "option '--print-port': 'fd:+3' is not fd: and the number of a descriptor",
        ),
        (
            "-l 1 --print-port=fd:2147483648",
            "option '--print-port': 'fd:2147483648' is not fd: and the number of a descriptor",
        ),
        (
            "-l 1 --print-port=fd:",
            "option '--print-port': 'fd:' is not fd: and the number of a descriptor",
        ),
        // Spelling. libvirt looks for "requires an argument" when it asks whether -q is known.
        ("-q", "option '-q' requires an argument"),
        ("a 1 -vq", "option '-q' requires an argument"),
        (
            "a 1 --quit-after",
            "option '--quit-after' requires an argument",
        ),
        ("a 1 --wait", "option '--wait' requires an argument"),
        (
            "a 1 --on-peer-eof",
            "option '--on-peer-eof' requires an argument",
        ),
        ("a 1 --listen=1", "option '--listen' takes no argument"),
        ("a 1 -Y", "unknown option '-Y'"),
        ("a 1 -V", "option '-V' requires an argument"),
        ("a 1 -nY", "unknown option '-Y'"),
        ("a -1", "unknown option '-1'"),
        ("--xyzzy", "unknown option '--xyzzy'"),
        (
            "a 1 --conect-timeout 5",
            "unknown option '--conect-timeout'; did you mean '--connect-timeout'?",
        ),
        (
            "a 1 --idletimeout=5",
            "unknown option '--idletimeout'; did you mean '--idle-timeout'?",
        ),
        (
            "-listen 80",
            "option '-i': duration 'sten' is not a number of seconds or a time such as 500ms or \
             1m30s; did you mean '--listen'?",
        ),
        (
            "-keep-open -l 80",
            "unknown option '-e'; did you mean '--keep-open'?",
        ),
    ];
    for (line, expected) in table {
        assert_eq!(usage(line), expected, "{line:?}");
    }
}

#[test]
fn words_of_any_bytes_are_shown_escaped() {
    let long = "x".repeat(100);
    let cut = format!("host '{}...' needs a port", "x".repeat(80));
    let path = [b"--print-port=".as_slice(), "p".repeat(4096).as_bytes()].concat();
    let long_path = [&b"\xff"[..], &[b'x'; 107]].concat();
    let long_name = [&b"@"[..], &[b'x'; 108]].concat();
    let table: &[(&[&[u8]], &str)] = &[
        (&[b"a\xffb", b"80"], r"host 'a\xffb' is not UTF-8"),
        (&[b"a\xff:80"], r"address 'a\xff:80' is not UTF-8"),
        (&[b"a", b"\xf0\x9f"], r"port '\xf0\x9f' is not UTF-8"),
        (&[b"-l", b"\xff"], r"address '\xff' is not UTF-8"),
        (&[b"-p\xff"], r"option '-p': port '\xff' is not UTF-8"),
        (
            &[b"-w", b"\xff"],
            r"option '-w': duration '\xff' is not UTF-8",
        ),
        (
            &[b"--on-peer-eof=\xff"],
            r"option '--on-peer-eof': '\xff' is not one of: exit, drain",
        ),
        (&[b"--\xff=1"], r"unknown option '--\xff'"),
        (&[b"-\xff"], r"unknown option '-\xff'"),
        (
            &[b"a b", b"80"],
            "host 'a b' holds a blank or a control character",
        ),
        (&[b"", b"80"], "host '' is empty"),
        (&[b"a", b""], "port '' is empty"),
        (&[b""], "host '' needs a port"),
        (&[b"-l", b""], "port '' is empty"),
        (
            &[b"a\x1b[2J\n", b"80"],
            r"host 'a\x1b[2J\x0a' holds a blank or a control character",
        ),
        (
            &[b"a", "8\u{202e}0".as_bytes()],
            r"port '8\xe2\x80\xae0' is not a number (1-65535) or the name of a service",
        ),
        (&[b"--a\x1b]0;x\x07"], r"unknown option '--a\x1b]0;x\x07'"),
        (&[b"-\x1b"], r"unknown option '-\x1b'"),
        (&[b"--listen=\x1b"], "option '--listen' takes no argument"),
        (&[long.as_bytes()], &cut),
        (&[b"-U", b""], "option '-U': path '' is empty"),
        (&[b"-lUs", b""], "option '-U': path '' is empty"),
        (
            &[b"-U", &long_path],
            &format!(
                r"option '-U': path '\xff{}...' is longer than a socket's path can be (107 bytes)",
                "x".repeat(79)
            ),
        ),
        (
            &[b"-U", &long_name],
            &format!(
                "option '-U': path '@{}...' is longer than an abstract name can be \
                 (107 bytes behind the '@')",
                "x".repeat(79)
            ),
        ),
        (&[b"-U", b"a", b"\x1b"], r"'\x1b' is one word too many"),
        (
            &[b"-l", b"1", &path],
            &format!(
                "option '--print-port': '{}...' is longer than a path can be (4,095 bytes)",
                "p".repeat(80)
            ),
        ),
    ];
    for (words, expected) in table {
        assert_eq!(usage_of_bytes(words), *expected, "{words:?}");
    }
}

#[test]
fn no_arguments_at_all_are_a_usage_error() {
    let said = parse_with(Vec::new(), None);
    assert!(matches!(said, Err(Stop::Usage(line)) if line.starts_with("HOST and PORT are needed")));
}

/// Whatever the words are, the answer is a plan, a text or one harmless line, never a panic.
#[test]
fn any_words_at_all_are_answered_in_one_line() {
    const PIECES: &[&[u8]] = &[
        b"-",
        b"--",
        b"=",
        b":",
        b"[",
        b"]",
        b"%",
        b",",
        b"'",
        b"\\",
        b"\0",
        b"\n",
        b"\x1b[2J",
        b"\xff",
        b"\xf0\x9f",
        "\u{202e}".as_bytes(),
        "\u{9b}".as_bytes(),
        b" ",
        b"0",
        b"1",
        b"9",
        b"99999999999999999999",
        b".",
        b"s",
        b"fe80::1",
        b"::1",
        b"127.0.0.1",
        b"localhost",
        b"http",
        b"fd:",
        b"-q",
        b"-w",
        b"-p",
        b"-s",
        b"-l",
        b"-n",
        b"-4",
        b"-6",
        b"--linger",
        b"--print-port",
        b"--print-port=",
        b"--on-peer-eof",
        b"--send-only",
        b"--listen",
        b"-U",
        b"--unix-mode",
        b"--keepalive=",
        b"--sockopt",
        b"--tos",
        b"-I",
        b"-M",
        b"-x",
        b"-X",
        b"-P",
        b"4a",
        b"connect",
        b"--proxy-dns",
        b"--proxy-auth-file",
        b"-z",
        b"20-25,",
        b"--wait-for",
        b"--banner=",
        b"--count",
        b"--parallel",
    ];
    // xorshift: the same words in every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % n as u64).unwrap()
    };
    for _ in 0..3000 {
        let mut words = vec![b"oxnc".to_vec()];
        for _ in 0..below(6) {
            let mut word = Vec::new();
            for _ in 0..below(4) {
                word.extend_from_slice(PIECES[below(PIECES.len())]);
            }
            words.push(word);
        }
        let args = words
            .iter()
            .map(|word| OsStr::from_bytes(word).to_owned())
            .collect();
        if let Err(Stop::Usage(line)) = parse_with(args, None) {
            let harmless = line.chars().all(|c| !c.is_control() && c != '\u{202e}');
            assert!(harmless && !line.is_empty(), "{words:?}: {line:?}");
        }
    }
}

#[track_caller]
pub(super) fn usage(line: &str) -> String {
    match stop_or_plan(line) {
        Err(Stop::Usage(said)) => said,
        other => panic!("{line}: {other:?}"),
    }
}

#[track_caller]
pub(super) fn usage_of_bytes(words: &[&[u8]]) -> String {
    let words = std::iter::once(&b"oxnc"[..]).chain(words.iter().copied());
    let words = words
        .map(|bytes| OsStr::from_bytes(bytes).to_owned())
        .collect();
    match parse_with(words, None) {
        Err(Stop::Usage(said)) => said,
        other => panic!("{other:?}"),
    }
}
