//! Who is measured, and how they are called.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    case::{Case, Transport},
    common::{
        output,
        programs::{self, Found, Program},
    },
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Oxnc { unix: bool },
    Nc,
    Ncat,
    Socat { big: bool },
    Limit,
}

pub(crate) type Tool = programs::Tool<Kind>;

/// Where a transfer's two ends meet.
#[derive(Debug)]
pub(crate) enum Meeting {
    /// On 127.0.0.1.
    Port(u16),
    Path(PathBuf),
}

/// The tools that are there, and the names of those that are not.
pub(crate) fn find() -> (Vec<Tool>, Vec<String>) {
    let socat = || programs::peer("socat", &["socat"], "-V", "version");
    let this = env::current_exe()
        .map(|path| Program {
            path,
            version: String::new(),
        })
        .map_err(|e| Some(format!("limit: {e}")));
    let ncat = programs::peer("ncat", &["ncat"], "--version", "Version");
    programs::sort([
        oxnc("oxnc", programs::ours()),
        oxnc("base", programs::base()),
        Tool::new("nc", Kind::Nc, programs::nc()),
        Tool::new("ncat", Kind::Ncat, ncat),
        Tool::new("socat", Kind::Socat { big: false }, socat()),
        Tool::new("socat -b 1M", Kind::Socat { big: true }, socat()),
        Tool::new("limit", Kind::Limit, this),
    ])
}

fn oxnc(name: &'static str, found: Found) -> Result<Tool, Option<String>> {
    let program = found?;
    let help = output(&program.path, &["--help"]);
    let unix = help.is_ok_and(|help| help.contains("--unix"));
    Tool::new(name, Kind::Oxnc { unix }, Ok(program))
}

impl Tool {
    /// Whether the case is possible, and if not, why.
    pub(crate) fn supports(&self, case: Case) -> Result<(), String> {
        match (case.transport, self.kind) {
            (Transport::Unix, Kind::Oxnc { unix: false }) => Err("has no Unix sockets".into()),
            (Transport::Unix | Transport::Tcp, _) => Ok(()),
        }
    }

    /// Whether it is a peer: somebody else's work.
    pub(crate) fn is_peer(&self) -> bool {
        !matches!(self.kind, Kind::Oxnc { .. } | Kind::Limit)
    }

    /// The end that listens and receives. With `talk`, it says how much it was if it can.
    pub(crate) fn receiver(&self, at: &Meeting, talk: bool) -> Command {
        let mut words = Words::new(&self.program.path);
        match self.kind {
            Kind::Oxnc { .. } => {
                words.add(if talk { &["-v", "-l"] } else { &["-l"] });
                words.add_meeting(at, "-U");
            }
            Kind::Nc => {
                words.add(&["-d", "-n", "-l"]);
                words.add_meeting(at, "-U");
            }
            Kind::Ncat => {
                words.add(&["--recv-only", "-n", "-l"]);
                words.add_meeting(at, "-U");
            }
            Kind::Socat { big } => {
                words.add_socat(big);
                words.add_address(match at {
                    Meeting::Port(port) => {
                        format!("TCP4-LISTEN:{port},bind=127.0.0.1,reuseaddr").into()
                    }
                    Meeting::Path(path) => joined("UNIX-LISTEN:", path),
                });
                words.add(&["STDOUT"]);
            }
            Kind::Limit => {
                words.add(&["limit", "receive"]);
                words.add_place(at);
            }
        }
        let mut command = words.command();
        command.stdin(Stdio::null());
        command
    }

    /// The end that connects and sends.
    pub(crate) fn sender(&self, to: &Meeting) -> Command {
        let mut words = Words::new(&self.program.path);
        match self.kind {
            Kind::Oxnc { .. } => words.add_meeting(to, "-U"),
            Kind::Nc => {
                words.add(&["-N", "-n"]);
                words.add_meeting(to, "-U");
            }
            Kind::Ncat => {
                words.add(&["--send-only", "-n"]);
                words.add_meeting(to, "-U");
            }
            Kind::Socat { big } => {
                words.add_socat(big);
                words.add(&["STDIN"]);
                words.add_address(match to {
                    Meeting::Port(port) => format!("TCP4:127.0.0.1:{port}").into(),
                    Meeting::Path(path) => joined("UNIX-CONNECT:", path),
                });
            }
            Kind::Limit => {
                words.add(&["limit", "send"]);
                words.add_place(to);
            }
        }
        let mut command = words.command();
        command.stdout(Stdio::null());
        command
    }
}

/// The words of a command line.
struct Words(Command);

impl Words {
    fn new(program: &Path) -> Self {
        Self(Command::new(program))
    }

    fn add(&mut self, words: &[&str]) {
        self.0.args(words);
    }

    /// `127.0.0.1 PORT` or `-U PATH`.
    fn add_meeting(&mut self, meeting: &Meeting, unix: &str) {
        match meeting {
            Meeting::Port(port) => self.0.args(["127.0.0.1", &port.to_string()]),
            Meeting::Path(path) => self.0.arg(unix).arg(path),
        };
    }

    fn add_place(&mut self, meeting: &Meeting) {
        match meeting {
            Meeting::Port(port) => self.0.arg(port.to_string()),
            Meeting::Path(path) => self.0.arg(path),
        };
    }

    fn add_socat(&mut self, big: bool) {
        self.add(if big {
            &["-u", "-b", "1048576"]
        } else {
            &["-u"]
        });
    }

    fn add_address(&mut self, address: OsString) {
        self.0.arg(address);
    }

    fn command(self) -> Command {
        self.0
    }
}

fn joined(prefix: &str, path: &Path) -> OsString {
    let mut word = OsString::from(prefix);
    word.push(path);
    word
}
