//! One of the two programs, under the same name and with the same things around it.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    os::unix::{fs::symlink, process::ExitStatusExt},
    path::PathBuf,
    sync::Mutex,
    time::Duration,
};

use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use super::{End, Seen};
use crate::util::{DEADLINE, Done, Peer, Running, Server, Signal, Tool};

/// Debian's `nc`, wherever the alternatives of `nc` point to.
const NC: &str = "/usr/bin/nc.openbsd";

/// Which of the two, and how it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Theirs,
    Ours,
    /// oxnc under its own name, with `--compat=nc`.
    OursByOption,
}

/// A program that is called `nc`. It knows which ports a case is about.
pub struct Nc {
    program: Program,
    dir: TempDir,
    ports: Mutex<Vec<u16>>,
    held: Mutex<Vec<Socket>>,
    patience: Duration,
}

impl Nc {
    pub fn new(program: Program) -> Self {
        Self::called(program, "nc")
    }

    pub fn called(program: Program, name: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let target = match program {
            Program::Theirs => NC,
            _ => env!("CARGO_BIN_EXE_oxnc"),
        };
        symlink(target, dir.path().join(name)).expect("a symbolic link");
        Self {
            program,
            dir,
            ports: Mutex::default(),
            held: Mutex::default(),
            patience: DEADLINE,
        }
    }

    /// It is given up after `patience`: what is expected is that it hangs.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// It with these words.
    pub fn tool(&self, words: &[&str]) -> Tool {
        match self.program {
            Program::OursByOption => Tool::oxnc(&["--compat=nc"]),
            _ => Tool::program(self.path(), &[]),
        }
        .args(words)
    }

    /// It, connecting to a port of 127.0.0.1.
    pub fn to(&self, port: u16, options: &[&str]) -> Tool {
        self.tool(options).args(&["127.0.0.1", &port.to_string()])
    }

    /// It, listening on a free port of 127.0.0.1; `options` begin with `-l`.
    pub fn listens(&self, options: &[&str]) -> Tool {
        self.tool(options).args(&["-nv", "127.0.0.1", "0"])
    }

    /// Starts one that listens, says so (`-v`), and chooses its port.
    pub fn listening(&self, tool: Tool) -> (Running, u16) {
        let run = tool.start();
        run.stderr.wait_for_text(" on ");
        run.stderr.wait_for_text("\n");
        let text = String::from_utf8_lossy(&run.stderr.so_far()).into_owned();
        let first = text.lines().next().unwrap_or_default();
        let port = first
            .trim_end_matches(" (UDP)")
            .rsplit(' ')
            .next()
            .and_then(|port| port.parse().ok())
            .unwrap_or_else(|| panic!("no port in {first:?}"));
        self.about(port);
        (run, port)
    }

    /// Its path.
    pub fn path(&self) -> PathBuf {
        let mut names = self.dir.path().read_dir().expect("the directory");
        names.next().expect("one name").expect("its entry").path()
    }

    /// A server on 127.0.0.1.
    pub fn server(&self) -> Server {
        let server = Server::new();
        self.about(server.port());
        server
    }

    /// The next client of a server.
    pub fn accepted(&self, server: &Server) -> Peer {
        let peer = server.accept();
        self.about(peer.remote().port());
        peer
    }

    /// A client of its port on 127.0.0.1.
    pub fn client(&self, port: u16) -> Peer {
        let peer = Peer::connect(port);
        self.about(peer.local().port());
        peer
    }

    /// A port of 127.0.0.1 at which connections are refused, until the case is over.
    pub fn refusing(&self) -> u16 {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(&any.into()).expect("bind");
        self.hold(socket)
    }

    /// A port of 127.0.0.1 from which datagrams come back as refused, until the case is over.
    pub fn refusing_datagrams(&self) -> u16 {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        // One that is connected takes nothing from anybody else.
        socket.connect((Ipv4Addr::LOCALHOST, 9)).expect("connect");
        self.hold(socket.into())
    }

    /// A port of 127.0.0.1 which answers nothing: its queue is full.
    pub fn mute(&self) -> u16 {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(&any.into()).expect("bind");
        socket.listen(0).expect("listen");
        let address = socket.local_addr().expect("getsockname");
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        client.connect(&address).expect("connect");
        self.held.lock().unwrap().push(client);
        self.hold(socket)
    }

    /// A port of 127.0.0.1 that somebody listens on, until the case is over.
    pub fn taken(&self) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        self.hold(listener.into())
    }

    fn hold(&self, socket: Socket) -> u16 {
        let address = socket.local_addr().expect("getsockname");
        let port = address.as_socket().expect("an address").port();
        self.held.lock().unwrap().push(socket);
        self.about(port)
    }

    /// Lines may be about this port.
    pub fn about(&self, port: u16) -> u16 {
        let mut ports = self.ports.lock().unwrap();
        if !ports.contains(&port) {
            ports.push(port);
        }
        port
    }

    /// Waits for its end: what was seen of it.
    pub fn saw(&self, run: Running) -> Seen {
        if self.patience >= DEADLINE || run.ends_within(self.patience) {
            return self.saw_end(run.wait());
        }
        run.signal(Signal::KILL);
        Seen {
            end: End::Hangs,
            ..self.saw_end(run.wait())
        }
    }

    /// Ends it with SIGTERM, as one ends a program that would go on for ever: what was seen of it.
    pub fn saw_until_now(&self, run: Running) -> Seen {
        run.signal(Signal::TERM);
        self.saw_end(run.wait())
    }

    /// Runs it to its end: what was seen of it.
    pub fn sees(&self, tool: Tool) -> Seen {
        self.saw(tool.start())
    }

    /// What was seen of it, which has ended.
    pub fn saw_end(&self, done: Done) -> Seen {
        let end = match (done.status.code(), done.status.signal()) {
            (Some(code), _) => End::Exit(code),
            (None, Some(signal)) => End::Signal(signal),
            (None, None) => panic!("{} neither exited nor died", done.line),
        };
        Seen {
            line: done.line.clone(),
            end,
            stdout: done.stdout,
            stderr: self.lines(&done.stderr),
            heard: Vec::new(),
        }
    }

    /// Lines without what is different in every run, and without the usage if it follows a complaint:
    /// without that, only that it is there.
    fn lines(&self, stderr: &str) -> Vec<String> {
        let dir = format!("{}/", self.dir.path().display());
        let ports = self.ports.lock().unwrap();
        let mut lines = Vec::new();
        for line in stderr.lines() {
            if line.starts_with("usage: nc [-") {
                if lines.is_empty() {
                    lines.push(String::from("usage"));
                }
                break;
            }
            let line = match (self.program, line.strip_prefix("oxnc: ")) {
                (Program::OursByOption, Some(rest)) => format!("nc: {rest}"),
                _ => line.replace(&dir, ""),
            };
            lines.push(unlike_ports(&line, &ports));
        }
        lines
    }
}

/// The line with `<1>` in place of the first of these ports.
fn unlike_ports(line: &str, ports: &[u16]) -> String {
    // Two ports among those that the kernel chooses from have names in services(5).
    let line = line.replace("/tfido]", "/*]").replace("/fido]", "/*]");
    let mut shown = String::new();
    let mut rest = line.as_str();
    while let Some(first) = rest.chars().next() {
        let digits = rest.find(|c: char| !c.is_ascii_digit());
        let length = digits.unwrap_or(rest.len()).max(first.len_utf8());
        let (word, after) = rest.split_at(length);
        let known = word
            .parse::<u16>()
            .ok()
            .and_then(|port| ports.iter().position(|known| *known == port));
        match known {
            Some(place) => shown += &format!("<{}>", place + 1),
            None => shown += word,
        }
        rest = after;
    }
    shown
}
