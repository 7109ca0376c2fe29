//! A large random file crosses intact, whoever serves, from and to files and pipes, and both ends
//! know it. `OXNC_TEST_BYTES` sets the size.

use std::{path::PathBuf, sync::OnceLock};

use crate::util::{
    DEADLINE, Digest, Done, Family, In, Out, Tool,
    data::{RandomFile, large},
};

/// How a descriptor is connected.
#[derive(Clone, Copy, PartialEq)]
enum By {
    File,
    Pipe,
}

#[test]
fn client_sends_from_file_to_file() {
    client_sends(By::File, By::File);
}

#[test]
fn client_sends_from_file_to_pipe() {
    client_sends(By::File, By::Pipe);
}

#[test]
fn client_sends_from_pipe_to_file() {
    client_sends(By::Pipe, By::File);
}

#[test]
fn client_sends_from_pipe_to_pipe() {
    client_sends(By::Pipe, By::Pipe);
}

#[test]
fn server_sends_from_file_to_file() {
    server_sends(By::File, By::File);
}

#[test]
fn server_sends_from_file_to_pipe() {
    server_sends(By::File, By::Pipe);
}

#[test]
fn server_sends_from_pipe_to_file() {
    server_sends(By::Pipe, By::File);
}

#[test]
fn server_sends_from_pipe_to_pipe() {
    server_sends(By::Pipe, By::Pipe);
}

#[test]
fn both_ends_send_at_once_by_file() {
    both_send(By::File);
}

#[test]
fn both_ends_send_at_once_by_pipe() {
    both_send(By::Pipe);
}

#[test]
fn nothing_at_all_crosses_too() {
    for family in Family::ALL {
        let (server, spot) = Tool::listen_at(family, &[])
            .stdin(In::Bytes(Vec::new()))
            .start_listening_at();
        let client = Tool::connect(spot, &[]).stdin(In::Bytes(Vec::new())).run();
        client.succeeds().wrote(b"");
        server.wait().succeeds().wrote(b"");
    }
}

#[test]
fn a_single_byte_crosses_each_way() {
    for family in Family::ALL {
        let (server, spot) = Tool::listen_at(family, &[])
            .stdin(In::Bytes(b"s".to_vec()))
            .start_listening_at();
        let client = Tool::connect(spot, &[])
            .stdin(In::Bytes(b"c".to_vec()))
            .run();
        client.succeeds().wrote(b"s");
        server.wait().succeeds().wrote(b"c");
    }
}

fn client_sends(from: By, to: By) {
    for family in Family::ALL {
        client_sends_over(family, from, to);
    }
}

fn client_sends_over(family: Family, from: By, to: By) {
    let sink = Sink::new(to);
    let (server, spot) = Tool::listen_at(family, &[])
        .stdout(sink.out())
        .start_listening_at();
    let client = Tool::connect(spot, &[]).stdin(source(from)).start();
    let (server, client) = (server.wait_within(DEADLINE * 6), client.wait());
    client.succeeds().wrote(b"");
    sink.check(server.succeeds());
}

fn server_sends(from: By, to: By) {
    for family in Family::ALL {
        server_sends_over(family, from, to);
    }
}

fn server_sends_over(family: Family, from: By, to: By) {
    let sink = Sink::new(to);
    let (server, spot) = Tool::listen_at(family, &[])
        .stdin(source(from))
        .start_listening_at();
    let client = Tool::connect(spot, &[]).stdout(sink.out()).start();
    let (client, server) = (client.wait_within(DEADLINE * 6), server.wait());
    server.succeeds().wrote(b"");
    sink.check(client.succeeds());
}

fn both_send(by: By) {
    for family in Family::ALL {
        both_send_over(family, by);
    }
}

fn both_send_over(family: Family, by: By) {
    let (at_server, at_client) = (Sink::new(by), Sink::new(by));
    let (server, spot) = Tool::listen_at(family, &[])
        .stdin(source(by))
        .stdout(at_server.out())
        .start_listening_at();
    let client = Tool::connect(spot, &[])
        .stdin(source(by))
        .stdout(at_client.out())
        .start();
    let (client, server) = (client.wait_within(DEADLINE * 6), server.wait());
    at_client.check(client.succeeds());
    at_server.check(server.succeeds());
}

fn source(by: By) -> In {
    match by {
        By::File => In::File(sent().path()),
        By::Pipe => In::PipedFile(sent().path()),
    }
}

/// The file that every test here sends.
fn sent() -> &'static RandomFile {
    static FILE: OnceLock<RandomFile> = OnceLock::new();
    FILE.get_or_init(|| RandomFile::new(large(), 1))
}

/// Where it arrives.
struct Sink(Option<tempfile::TempPath>);

impl Sink {
    fn new(by: By) -> Self {
        let file = || {
            tempfile::NamedTempFile::new()
                .expect("a temporary file")
                .into_temp_path()
        };
        Self((by == By::File).then(file))
    }

    fn out(&self) -> Out {
        self.0
            .as_ref()
            .map_or(Out::Digest, |path| Out::File(PathBuf::from(&**path)))
    }

    fn check(&self, done: &Done) {
        let arrived = self
            .0
            .as_ref()
            .map_or(done.digest, |path| Digest::of_file(path));
        assert_eq!(arrived, sent().digest, "{}", done.line);
    }
}
