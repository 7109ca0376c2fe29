//! Who is measured, and how they are called.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    Result,
    case::{Case, Transport},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Oxnc,
    Nc,
    Ncat,
    Socat { big: bool },
    Limit,
}

/// A tool that is there.
#[derive(Debug)]
pub(crate) struct Tool {
    pub name: &'static str,
    pub kind: Kind,
    pub version: String,
    program: PathBuf,
    unix: bool,
}

/// Where a transfer's two ends meet.
#[derive(Debug)]
pub(crate) enum Meeting {
    /// On 127.0.0.1.
    Port(u16),
    Path(PathBuf),
}

/// The tools that are there, and the names of those that are not.
pub(crate) fn find(base: Option<&Path>) -> (Vec<Tool>, Vec<String>) {
    let ours = Path::new(env!("CARGO_BIN_EXE_oxnc"));
    let this = env::current_exe();
    let socat = ["socat"];
    let found = [
        oxnc("oxnc", Some(ours)),
        oxnc("base", base),
        peer("nc", Kind::Nc, &["nc.openbsd", "nc"], "-h", "OpenBSD"),
        peer("ncat", Kind::Ncat, &["ncat"], "--version", "Version"),
        peer("socat", Kind::Socat { big: false }, &socat, "-V", "version"),
        peer(
            "socat -b 1M",
            Kind::Socat { big: true },
            &socat,
            "-V",
            "version",
        ),
        this.map(|program| Tool {
            name: "limit",
            kind: Kind::Limit,
            version: String::new(),
            program,
            unix: true,
        })
        .map_err(|e| Some(format!("limit: {e}"))),
    ];
    let mut tools = Vec::new();
    let mut missing = Vec::new();
    for tool in found {
        match tool {
            Ok(tool) => tools.push(tool),
            Err(why) => missing.extend(why),
        }
    }
    (tools, missing)
}

impl Tool {
    /// Whether the case is possible, and if not, why.
    pub(crate) fn supports(&self, case: Case) -> std::result::Result<(), String> {
        match case.transport {
            Transport::Unix if !self.unix => Err("has no Unix sockets".into()),
            Transport::Unix | Transport::Tcp => Ok(()),
        }
    }

    /// Whether it is a peer: somebody else's work.
    pub(crate) fn is_peer(&self) -> bool {
        !matches!(self.kind, Kind::Oxnc | Kind::Limit)
    }

    /// The end that listens and receives. With `talk`, it says how much it was if it can.
    pub(crate) fn receiver(&self, at: &Meeting, talk: bool) -> Command {
        let mut words = Words::new(&self.program);
        match self.kind {
            Kind::Oxnc => {
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
        let mut words = Words::new(&self.program);
        match self.kind {
            Kind::Oxnc => words.add_meeting(to, "-U"),
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

/// An oxnc; none if no program is named.
fn oxnc(name: &'static str, program: Option<&Path>) -> std::result::Result<Tool, Option<String>> {
    let program = program.ok_or(None)?;
    let told = |option| {
        output(program, option).map_err(|e| Some(format!("{name}: {}: {e}", program.display())))
    };
    Ok(Tool {
        name,
        kind: Kind::Oxnc,
        version: told("--version")?.trim().to_owned(),
        program: program.into(),
        unix: told("--help")?.contains("--unix"),
    })
}

/// The first of these programs that says the word when it is asked for its version.
fn peer(
    name: &'static str,
    kind: Kind,
    programs: &[&str],
    ask: &str,
    word: &str,
) -> std::result::Result<Tool, Option<String>> {
    for program in programs {
        let Ok(text) = output(Path::new(program), ask) else {
            continue;
        };
        if let Some(line) = text.lines().find(|line| line.contains(word)) {
            return Ok(Tool {
                name,
                kind,
                version: line.trim().to_owned(),
                program: program.into(),
                unix: true,
            });
        }
    }
    Err(Some(format!("{name}: not found")))
}

/// All that a program prints.
fn output(program: &Path, option: &str) -> Result<String> {
    let output = Command::new(program)
        .arg(option)
        .stdin(Stdio::null())
        .output()?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok(text)
}
