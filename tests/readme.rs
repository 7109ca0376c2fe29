//! README.md says nothing that was not run: each of its `sh` blocks is run here as it stands, by
//! every shell there is, on the loopback interface.
//!
//! A block is one script, or one for each machine when it has comments `# on ...`; then the first
//! machine listens. Names of hosts become 127.0.0.1, and port 9000 becomes one that the kernel picks.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test, its helpers too"
)]

use std::{
    fmt, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, UdpSocket},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const README: &str = include_str!("../README.md");

/// The headings of the blocks that are run, in the order of the page.
const RUN: &[&str] = &[
    FIRST,
    "Send a file",
    "Serve a file",
    "Send a directory",
    "Serve a directory",
    "Send to a Unix socket",
    "Send a datagram",
    "Test ports",
    "Wait for ports",
    "Ask an HTTP server",
    "Speak to a mail server",
    "In a script",
    "Give up in time",
    "Talk",
    "Send a question, get the answer back",
    "Installing",
];
const FIRST: &str = "oxnc";

/// What is not run, and why.
const SKIPPED: &[(&str, &str)] = &[
    ("cargo test --locked", "that is what runs this test"),
    (
        "cargo build, cargo install",
        "a stand-in says that it was called; .ci/run builds",
    ),
];

/// Seconds that a script may take.
const LIMIT: &str = "60";
const DEADLINE: Duration = Duration::from_secs(70);

#[test]
fn every_block_is_run_or_skipped_for_a_reason() {
    for (what, why) in SKIPPED {
        println!("skipped: {what}: {why}");
    }
    let mut blocks = blocks();
    let tests = blocks.remove(1);
    assert_eq!(tests.script, "cargo test --locked\n");
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    assert!(
        ci.lines().any(|line| line == tests.script.trim_end()),
        ".ci/run runs the tests so"
    );
    let headings: Vec<_> = blocks.iter().map(|block| block.heading).collect();
    assert_eq!(headings, RUN);
}

#[test]
fn the_first_command_proves_that_a_file_crossed_and_cleans_up() {
    for case in cases(FIRST) {
        let (done, left) = case.first_command(|binary| symlink(oxnc(), binary).unwrap());
        let done = done.succeeded();
        let told = "exit status of the sender: 0, of the receiver: 0\n";
        assert!(done.stdout.starts_with(told), "{done}");
        let digests: Vec<_> = done
            .stdout
            .lines()
            .skip(1)
            .filter_map(|line| line.split(' ').next())
            .collect();
        assert!(
            matches!(digests[..], [a, b] if a == b && a.len() == 64),
            "{done}"
        );
        assert_eq!(done.stderr, "cargo build --release --locked\n");
        assert_eq!(left, 0, "files left");
    }
}

#[test]
fn the_first_command_fails_when_nothing_crosses() {
    let silent_failure = "#!/bin/sh\nexit 3\n";
    let silent_lie = "#!/bin/sh\nexit 0\n";
    for program in [silent_failure, silent_lie] {
        for case in cases(FIRST) {
            let (done, left) = case.first_command(|binary| make_program(binary, program));
            assert_ne!(done.status, 0, "{program}: {done}");
            assert_eq!(left, 0, "files left");
        }
    }
}

#[test]
fn a_file_is_sent() {
    for case in cases("Send a file") {
        let data = case.random_file(1, "disk.img");
        case.run_machines(["", ""]);
        assert!(case.read(0, "copy.img") == data);
    }
}

#[test]
fn a_file_is_served() {
    for case in cases("Serve a file") {
        let data = case.random_file(0, "disk.img");
        case.run_machines(["", ""]);
        assert!(case.read(1, "copy.img") == data);
    }
}

#[test]
fn a_directory_is_sent() {
    for case in cases("Send a directory") {
        fs::create_dir(case.machine(1).join("photos")).unwrap();
        let data = case.random_file(1, "photos/one.jpg");
        case.run_machines(["", ""]);
        assert!(case.read(0, "photos/one.jpg") == data);
    }
}

#[test]
fn a_directory_is_served() {
    for case in cases("Serve a directory") {
        fs::create_dir(case.machine(0).join("photos")).unwrap();
        let data = case.random_file(0, "photos/one.jpg");
        case.run_machines(["", ""]);
        assert!(case.read(1, "photos/one.jpg") == data);
    }
}

#[test]
fn a_file_goes_through_a_unix_socket() {
    for case in cases("Send to a Unix socket") {
        let data = case.random_file(0, "original");
        case.start(0, &case.sections[0], "")
            .wait()
            .succeeded()
            .was_silent();
        assert!(case.read(0, "copy") == data);
        assert!(!case.machine(0).join("backup.sock").exists());
    }
}

#[test]
fn a_datagram_is_sent() {
    for case in cases("Send a datagram") {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(DEADLINE)).unwrap();
        let port = server.local_addr().unwrap().port().to_string();
        let script = case.sections[0].replace("8125", &port);
        case.start(0, &script, "").wait().succeeded().was_silent();
        let mut datagram = [0; 64];
        let n = server.recv(&mut datagram).unwrap();
        assert_eq!(&datagram[..n], b"deploys:1|c\n");
    }
}

#[test]
fn ports_are_tested() {
    for case in cases("Test ports") {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port().to_string();
        let script = case.sections[0]
            .replace("web.example.com 22", &format!("127.0.0.1 {port}"))
            .replace("web.example.com 443", &format!("127.0.0.1 {port}"));
        let done = case.start(0, &script, "").wait().succeeded();
        let open = format!("127.0.0.1 {port}/tcp open - ");
        assert!(done.stdout.starts_with(&open), "{done}");
        let measured = format!("127.0.0.1 port {port}/tcp: 5 tries, 5 answered, 0% loss\n");
        assert!(done.stdout.contains(&measured), "{done}");
    }
}

#[test]
fn ports_are_waited_for() {
    for case in cases("Wait for ports") {
        let servers = ["db.example.com:5432", "cache.example.com:6379"].map(|target| {
            let server = TcpListener::bind("127.0.0.1:0").unwrap();
            (target, server)
        });
        let mut script = case.sections[0].clone();
        for (target, server) in &servers {
            let place = server.local_addr().unwrap().to_string();
            assert!(script.contains(target), "{script}");
            script = script.replace(target, &place);
        }
        make_program(&case.machine(0).join("serve"), "#!/bin/sh\necho serving\n");
        let done = case.start(0, &script, "").wait().succeeded();
        assert_eq!((&*done.stdout, &*done.stderr), ("serving\n", ""));
        for (_, server) in &servers {
            server.accept().unwrap();
        }
        // With nobody there the limit ends it.
        drop(servers);
        let script = script.replace("30s", "0.1");
        let done = case.start(0, &script, "").wait();
        assert_eq!((done.status, &*done.stdout), (124, ""), "{done}");
    }
}

#[test]
fn an_http_server_is_asked() {
    const ANSWER: &str = "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";
    for case in cases("Ask an HTTP server") {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let (tx, request) = mpsc::channel();
        thread::spawn(move || {
            let (mut client, _) = server.accept().unwrap();
            let lines = BufReader::new(client.try_clone().unwrap()).lines();
            let head: Vec<_> = lines
                .map_while(Result::ok)
                .take_while(|l| !l.is_empty())
                .collect();
            client.write_all(ANSWER.as_bytes()).unwrap();
            tx.send(head).unwrap();
        });
        let script = case.sections[0].replace("www.example.com 80", &format!("127.0.0.1 {port}"));
        let done = case.start(0, &script, "").wait().succeeded();
        assert_eq!(done.stdout, ANSWER);
        let request = request.recv_timeout(DEADLINE).unwrap();
        assert_eq!(request, ["GET / HTTP/1.0", "Host: www.example.com"]);
    }
}

#[test]
fn a_mail_server_is_spoken_to() {
    for case in cases("Speak to a mail server") {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let (tx, commands) = mpsc::channel();
        thread::spawn(move || {
            let (mut client, _) = server.accept().unwrap();
            let mut lines = BufReader::new(client.try_clone().unwrap());
            for answer in ["250 hello\r\n", "221 bye\r\n"] {
                let mut line = String::new();
                lines.read_line(&mut line).unwrap();
                client.write_all(answer.as_bytes()).unwrap();
                tx.send(line).unwrap();
            }
        });
        let script = case.sections[0].replace("mail.example.com 25", &format!("127.0.0.1 {port}"));
        let done = case.start(0, &script, "").wait().succeeded();
        assert_eq!(done.stdout, "250 hello\r\n221 bye\r\n");
        let commands: Vec<_> = commands.iter().collect();
        assert_eq!(commands, ["EHLO client.example.com\r\n", "QUIT\r\n"]);
    }
}

#[test]
fn a_script_knows_the_port_and_what_became_of_both_ends() {
    for case in cases("In a script") {
        let data = case.random_file(0, "original");
        case.start(0, &case.sections[0], "")
            .wait()
            .succeeded()
            .was_silent();
        assert!(case.read(0, "copy") == data);
    }
}

#[test]
fn a_script_notices_that_nothing_was_sent() {
    for case in cases("In a script") {
        // There is no file to be sent.
        let done = case.start(0, &case.sections[0], "").wait();
        assert_ne!(done.status, 0);
        assert!(done.stderr.contains("not sent: status"), "{done}");
    }
}

#[test]
fn with_time_to_spare_limits_change_nothing() {
    for case in cases("Give up in time") {
        let data = case.random_file(1, "disk.img");
        case.run_machines(["", ""]);
        assert!(case.read(0, "copy.img") == data);
    }
}

#[test]
fn what_is_said_on_one_side_appears_on_the_other() {
    for case in cases("Talk") {
        let [one, other] = case.run_machines(["a question\n", "an answer\n"]);
        assert_eq!(
            (&*one.stdout, &*other.stdout),
            ("an answer\n", "a question\n")
        );
    }
}

#[test]
fn an_answer_comes_back_on_the_same_connection() {
    for case in cases("Send a question, get the answer back") {
        fs::write(case.machine(1).join("words"), "c\nb\na\n").unwrap();
        case.run_machines(["", ""]);
        assert_eq!(case.read(1, "sorted"), b"a\nb\nc\n");
    }
}

#[test]
fn everything_is_installed_where_the_page_says() {
    for case in cases("Installing") {
        let home = case.machine(0).join(".local");
        let script = format!("cd '{}'\n{}", root().display(), case.sections[0]);
        let done = case.start(0, &script, "").wait().succeeded();
        let call = format!(
            "cargo install --locked --path . --root {}\n",
            home.display()
        );
        assert_eq!(done.stderr, call);
        for (from, to) in [
            ("man/oxnc.1", "man/man1/oxnc.1"),
            ("completions/oxnc.bash", "bash-completion/completions/oxnc"),
            (
                "completions/oxnc.fish",
                "fish/vendor_completions.d/oxnc.fish",
            ),
            ("completions/_oxnc", "zsh/site-functions/_oxnc"),
        ] {
            let installed = fs::read(home.join("share").join(to)).unwrap();
            assert!(installed == fs::read(root().join(from)).unwrap(), "{to}");
        }
    }
}

#[test]
fn the_table_has_every_exit_status() {
    let table = README.split("## Exit status").nth(1).unwrap();
    let rows = table
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1);
    let listed: Vec<_> = rows
        .map_while(|row| row.strip_prefix('|')?.split('|').next())
        .map(str::trim)
        .collect();
    let known: Vec<_> = oxnc::cli::EXIT_STATUS
        .iter()
        .map(|(code, _)| *code)
        .collect();
    assert_eq!(listed, known);
}

/// A `sh` block of the page.
struct Block {
    heading: &'static str,
    script: String,
}

fn blocks() -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut heading = "";
    let mut inside = None;
    for line in README.lines() {
        match (inside, line) {
            (Some(true), "```") => inside = None,
            (Some(true), _) => {
                let block = found.last_mut().unwrap();
                block.script.push_str(line);
                block.script.push('\n');
            }
            (Some(false), "```") => inside = None,
            (Some(false), _) => {}
            (None, "```sh") => {
                inside = Some(true);
                found.push(Block {
                    heading,
                    script: String::new(),
                });
            }
            (None, line) if line.starts_with("```") => inside = Some(false),
            (None, line) if line.starts_with('#') => heading = line.trim_start_matches(['#', ' ']),
            (None, _) => {}
        }
    }
    found
}

/// One block for one shell: a directory for each machine, and the programs it finds there.
struct Case {
    shell: &'static str,
    sections: Vec<String>,
    scratch: TempDir,
}

/// The block under a heading, once for each shell.
fn cases(heading: &str) -> Vec<Case> {
    let block = blocks().into_iter().find(|block| block.heading == heading);
    let script = block
        .unwrap_or_else(|| panic!("no block under '{heading}'"))
        .script;
    let sections: Vec<String> = match script.strip_prefix("# on ") {
        Some(rest) => rest
            .split("\n# on ")
            .map(|part| format!("# {part}\n"))
            .collect(),
        None => vec![script],
    };
    let shells = ["sh", "dash", "bash"]
        .into_iter()
        .filter(|shell| runs(shell));
    shells
        .map(|shell| Case::new(shell, sections.clone()))
        .collect()
}

fn runs(shell: &str) -> bool {
    let run = Command::new(shell).args(["-c", "exit"]).status();
    if let Err(error) = &run {
        println!("skipped: {shell}: {error}");
    }
    run.is_ok()
}

impl Case {
    fn new(shell: &'static str, sections: Vec<String>) -> Self {
        let scratch = TempDir::new().unwrap();
        let case = Self {
            shell,
            sections,
            scratch,
        };
        for machine in 0..case.sections.len() {
            fs::create_dir(case.machine(machine)).unwrap();
        }
        let bin = case.path("bin");
        fs::create_dir(&bin).unwrap();
        symlink(oxnc(), bin.join("oxnc")).unwrap();
        make_program(&bin.join("cargo"), "#!/bin/sh\necho \"cargo $*\" >&2\n");
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn machine(&self, number: usize) -> PathBuf {
        self.path(&number.to_string())
    }

    fn random_file(&self, machine: usize, name: &str) -> Vec<u8> {
        let mut data = Vec::new();
        fs::File::open("/dev/urandom")
            .unwrap()
            .take(3_000_000)
            .read_to_end(&mut data)
            .unwrap();
        fs::write(self.machine(machine).join(name), &data).unwrap();
        data
    }

    fn read(&self, machine: usize, name: &str) -> Vec<u8> {
        fs::read(self.machine(machine).join(name)).unwrap()
    }

    /// Runs the first command after `put` has made the binary that it finds as built; and how many
    /// files are left afterwards.
    fn first_command(&self, put: impl FnOnce(&Path)) -> (Done, usize) {
        let built = self.machine(0).join("target/release");
        fs::create_dir_all(&built).unwrap();
        put(&built.join("oxnc"));
        let done = self.start(0, &self.sections[0], "").wait();
        let left = fs::read_dir(self.path("tmp")).unwrap().count();
        (done, left)
    }

    /// Runs the sections of both machines at once, with these inputs; both have to succeed.
    fn run_machines(&self, stdin: [&str; 2]) -> [Done; 2] {
        let [first, second] = &self.sections[..] else {
            panic!("{:?} is not for two machines", self.sections);
        };
        let listening = first.replace(" 9000", " 0 --print-port=fd:9");
        assert_ne!(*first, listening);
        let first = self.start(0, &listening, stdin[0]);
        let port = first.port.recv_timeout(DEADLINE).unwrap();
        let (before, _) = second.split_once(" 9000").unwrap();
        let host = before.rsplit(' ').next().unwrap();
        let second = second
            .replace(host, "127.0.0.1")
            .replace(" 9000", &format!(" {}", port.trim()));
        let second = self.start(1, &second, stdin[1]);
        let (second, first) = (second.wait(), first.wait());
        assert!((first.status, second.status) == (0, 0), "{first}\n{second}");
        [first, second]
    }

    fn start(&self, machine: usize, script: &str, stdin: &str) -> Running {
        let home = self.machine(machine);
        for (name, text) in [("stdin", stdin), ("stdout", ""), ("stderr", "")] {
            fs::write(self.path(&format!("{machine}.{name}")), text).unwrap();
        }
        let file = |name: &str| self.path(&format!("{machine}.{name}"));
        let stdin = match stdin {
            "" => Stdio::null(),
            _ => fs::File::open(file("stdin")).unwrap().into(),
        };
        fs::create_dir_all(self.path("tmp")).unwrap();
        let path = std::env::var("PATH").unwrap();
        // Descriptor 9 is for the port alone, and comes back to us.
        let script = format!("exec 9>&1 >'{}'\n{script}", file("stdout").display());
        let mut child = Command::new("timeout")
            .args([LIMIT, self.shell, "-c", &script])
            .current_dir(&home)
            .env("HOME", &home)
            .env("TMPDIR", self.path("tmp"))
            .env("CARGO_TARGET_DIR", home.join("target"))
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(fs::File::create(file("stderr")).unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let (tx, port) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            // A test that does not care is not listening.
            lines.read_line(&mut line).map(|_| tx.send(line))
        });
        Running {
            child,
            port,
            what: format!("{}: {script}", self.shell),
            stdout: file("stdout"),
            stderr: file("stderr"),
        }
    }
}

/// A script under way. `timeout` ends it and all that it has started, at the latest.
struct Running {
    child: Child,
    port: mpsc::Receiver<String>,
    what: String,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    fn wait(mut self) -> Done {
        let status = self.child.wait().unwrap();
        Done {
            what: self.what.clone(),
            status: status.code().unwrap_or(-1),
            stdout: fs::read_to_string(&self.stdout).unwrap(),
            stderr: fs::read_to_string(&self.stderr).unwrap(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

/// How a script ended, and what it said.
struct Done {
    what: String,
    status: i32,
    stdout: String,
    stderr: String,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            status,
            stdout,
            stderr,
        } = self;
        write!(f, "{what}\nended with {status} and said:\n{stdout}{stderr}")
    }
}

impl Done {
    fn succeeded(self) -> Self {
        assert_eq!(self.status, 0, "{self}");
        self
    }

    fn was_silent(self) {
        assert!(self.stdout.is_empty() && self.stderr.is_empty(), "{self}");
    }
}

fn oxnc() -> &'static str {
    env!("CARGO_BIN_EXE_oxnc")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn make_program(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
