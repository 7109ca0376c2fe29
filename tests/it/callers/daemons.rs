//! Servers that people talk to by pipe: Redis, HTTP, and those that answer words of four letters.

use std::{fs, path::Path};

use super::{OXNC, nc};
use crate::util::{Digest, In, Net, Out, Running, Server, Tool, data::random_bytes, ms, spawn};

/// A Redis server on its port.
fn redis(net: &Net, files: &Path) -> Running {
    let words = [
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
    ];
    let tool = Tool::program("redis-server", &words).arg(files);
    let run = net.tool(tool).start();
    run.stdout().wait_for_text("Ready to accept connections");
    run
}

#[test]
fn redis_answers_what_comes_by_pipe() {
    needs!("root", "redis-server");
    let (net, files) = (Net::new(), tempfile::tempdir().unwrap());
    let _redis = redis(&net, files.path());
    let nc = nc(files.path());
    for (line, expected) in [
        (
            format!("printf 'PING\\r\\nQUIT\\r\\n' | {OXNC} 127.0.0.1 6379"),
            "+PONG\r\n+OK\r\n",
        ),
        (format!("echo PING | {OXNC} 127.0.0.1 6379"), "+PONG\r\n"),
        (
            format!("echo PING | {OXNC} -q 1 127.0.0.1 6379"),
            "+PONG\r\n",
        ),
        (
            format!("echo PING | {OXNC} -w 5 localhost 6379"),
            "+PONG\r\n",
        ),
        (
            format!("printf 'PING\\r\\nQUIT\\r\\n' | {nc} 127.0.0.1 6379"),
            "+PONG\r\n+OK\r\n",
        ),
        (format!("echo PING | {nc} -N 127.0.0.1 6379"), "+PONG\r\n"),
        // Nothing tells either of them that it is over.
        (format!("echo PING | {nc} -w 1 127.0.0.1 6379"), "+PONG\r\n"),
        (
            format!("(echo PING; sleep .2) | {nc} -q 0 127.0.0.1 6379"),
            "+PONG\r\n",
        ),
    ] {
        let done = net.tool(Tool::program("sh", &["-c", &line])).run();
        done.exits(0);
        assert_eq!(String::from_utf8_lossy(&done.stdout), expected, "{line}");
        assert_eq!(done.stderr, "", "{line}");
    }
}

#[test]
fn redis_takes_in_what_comes_in_bulk() {
    needs!("root", "redis-server");
    let (net, files) = (Net::new(), tempfile::tempdir().unwrap());
    let _redis = redis(&net, files.path());
    let value = random_bytes(5 << 20, 8);
    let mut script = format!("*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n${}\r\n", value.len()).into_bytes();
    script.extend_from_slice(&value);
    script.extend_from_slice(b"\r\n");
    for n in 0..20_000 {
        script.extend(format!("SET key{n} {n}\r\n").into_bytes());
    }
    script.extend_from_slice(b"QUIT\r\n");
    // Redis drops what it has not sent yet when its client ends.
    let client = || Tool::oxnc(&["--no-shutdown", "127.0.0.1", "6379"]);
    let done = net.tool(client().stdin(In::Bytes(script))).run();
    done.succeeds().wrote("+OK\r\n".repeat(20_002).as_bytes());

    let tool = client().stdout(Out::Digest);
    let tool = tool.stdin(In::Bytes(b"GET big\r\nGET key7\r\nQUIT\r\n".to_vec()));
    let mut expected = format!("${}\r\n", value.len()).into_bytes();
    expected.extend_from_slice(&value);
    expected.extend_from_slice(b"\r\n$1\r\n7\r\n+OK\r\n");
    assert_eq!(
        net.tool(tool).run().succeeds().digest,
        Digest::of(&expected)
    );
}

/// It neither ends nor closes.
#[test]
fn a_server_that_stays_is_left_after_its_answer() {
    for options in ["-q 0.3", "-q 1"] {
        let server = Server::new();
        let line = format!("echo PING | {OXNC} {options} 127.0.0.1 {}", server.port());
        let run = Tool::program("sh", &["-c", &line]).start();
        let mut peer = server.accept();
        assert_eq!(peer.recv(5), b"PING\n");
        peer.send(b"+PONG\r\n");
        run.wait().succeeds().wrote(b"+PONG\r\n");
    }
}

#[test]
fn an_http_server_answers_what_comes_by_pipe() {
    needs!("python3");
    let files = tempfile::tempdir().unwrap();
    let page = random_bytes(5 << 20, 9);
    fs::write(files.path().join("page"), &page).unwrap();
    let words = [
        "-u",
        "-m",
        "http.server",
        "--bind",
        "127.0.0.1",
        "--directory",
    ];
    let tool = Tool::program("python3", &words).arg(files.path()).arg("0");
    let server = tool.start();
    server.stdout().wait_for_text("/)");
    let said = String::from_utf8(server.stdout().so_far()).unwrap();
    let mut words = said.split(' ').skip_while(|word| *word != "port");
    let port = words.nth(1).expect("Serving HTTP on 127.0.0.1 port N");
    let nc = nc(files.path());
    for (program, version, header) in [
        (OXNC, "1.0", ""),
        (OXNC, "1.1", "Host: x\\r\\nConnection: close\\r\\n"),
        (&nc, "1.0", ""),
        (&format!("{nc} -N"), "1.0", ""),
        (&format!("{OXNC} --no-shutdown"), "1.0", ""),
        (&format!("{OXNC} -w 5"), "1.0", "User-Agent: x\\r\\n"),
    ] {
        let line = format!(
            "printf 'GET /page HTTP/{version}\\r\\n{header}\\r\\n' | {program} 127.0.0.1 {port}"
        );
        let done = Tool::program("sh", &["-c", &line]).run();
        let (head, body) = done
            .succeeds()
            .stdout
            .split_at(done.stdout.len() - page.len());
        assert!(body == page, "{line}");
        assert!(head.starts_with(b"HTTP/1.0 200 OK\r\n") && head.ends_with(b"\r\n\r\n"));
    }
}

/// ZooKeeper reads four letters, answers, and closes. The newline that it has not read makes that a
/// reset, before which the answer has come; OpenBSD's nc loses it in most runs.
#[test]
fn a_word_of_four_letters_is_always_answered() {
    const RUNS: usize = 200;
    let server = Server::new();
    let files = tempfile::tempdir().unwrap();
    let (nc, port) = (nc(files.path()), server.port());
    let answering = spawn(move || {
        for _ in 0..4 * RUNS {
            let mut peer = server.accept();
            assert_eq!(peer.recv(4), b"ruok");
            peer.send(b"imok");
            // The newline may come later than the letters.
            assert!(crate::util::readable(&peer.socket, ms(20_000)));
            peer.close();
        }
    });
    for program in [
        format!("{OXNC} 127.0.0.1 {port}"),
        format!("{OXNC} -q 1 127.0.0.1 {port}"),
        format!("{nc} -w 2 127.0.0.1 {port}"),
        format!("{nc} 127.0.0.1 {port} -q 1"),
    ] {
        let line = format!(
            "n=0; while [ $n -lt {RUNS} ]; do
               [ \"$(echo ruok | {program} 2>/dev/null)\" = imok ] || exit; n=$((n + 1))
             done; echo all $n"
        );
        let done = Tool::program("sh", &["-c", &line]).run();
        done.succeeds().wrote(b"all 200\n");
    }
    answering.join();
}
