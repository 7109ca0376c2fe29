//! Starts programs with wired descriptors, and waits for them with a deadline.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{PipeReader, PipeWriter, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt,
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::FdFlags,
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open},
};

use super::{Collector, DEADLINE, Digest, Done, Family, Spot, pipe};

/// What a program reads.
pub enum In {
    /// `/dev/null`.
    Null,
    /// Descriptor 0 is closed.
    Closed,
    /// A pipe whose other end the test holds ([`Running::write`], [`Running::close_stdin`]).
    Pipe,
    /// A pipe that brings these bytes and then ends.
    Bytes(Vec<u8>),
    /// A pipe that brings a file's bytes and then ends.
    PipedFile(PathBuf),
    /// A file.
    File(PathBuf),
    /// Any other descriptor.
    Fd(OwnedFd),
}

/// Where a program writes.
pub enum Out {
    /// A pipe whose bytes are kept.
    Keep,
    /// A pipe of which only the digest is kept.
    Digest,
    /// A file.
    File(PathBuf),
    /// `/dev/null`.
    Null,
    /// `/dev/full`.
    Full,
    /// Descriptor 1 is closed.
    Closed,
    /// Any other descriptor.
    Fd(OwnedFd),
}

/// A program about to be started.
pub struct Tool {
    words: Vec<OsString>,
    stdin: In,
    stdout: Out,
    inherited: Vec<OwnedFd>,
    port: Option<PipeReader>,
    spot: Option<Spot>,
}

/// A kernel without splice(2). strace stops the program at this call only, and for nothing else.
const NO_SPLICE: [&str; 12] = [
    "strace",
    "-D",
    "-f",
    "-qq",
    "-o",
    "/dev/null",
    "--seccomp-bpf",
    "-e",
    "trace=splice",
    "-e",
    "inject=splice:error=ENOSYS",
    "--",
];

/// What fits into a pipe that nobody reads yet.
const PIPE_HOLDS: usize = 64 << 10;

/// Descriptors that a child is to inherit lose their close-on-exec flag for a moment; nobody
/// else may start a child in that moment.
static SPAWN: Mutex<()> = Mutex::new(());

impl Tool {
    /// `oxnc` with these arguments; nothing to send, stdout kept.
    pub fn oxnc(args: &[&str]) -> Self {
        Self::program(env!("CARGO_BIN_EXE_oxnc"), args)
    }

    /// `oxnc` connecting to a port of 127.0.0.1, or to a Unix socket.
    pub fn connect(to: impl Into<Spot>, options: &[&str]) -> Self {
        let spot = to.into();
        let mut tool = match &spot {
            Spot::Port(port) => Self::oxnc(options).args(&["127.0.0.1", &port.to_string()]),
            Spot::Socket(socket) => Self::oxnc(options).arg("-U").arg(socket.path()),
        };
        tool.spot = Some(spot);
        tool
    }

    /// `oxnc` listening on a free port of 127.0.0.1 or on a Unix socket, to be started with
    /// [`Tool::start_listening_at`].
    pub fn listen_at(family: Family, options: &[&str]) -> Self {
        match family {
            Family::Tcp => Self::listen(options),
            Family::Unix => Self::listen_on(&Spot::new_socket(), options),
        }
    }

    /// `oxnc` listening on a Unix socket, to be started with [`Tool::start_listening_at`].
    pub fn listen_on(spot: &Spot, options: &[&str]) -> Self {
        let mut tool = Self::oxnc(&["-lU"]).args(options).arg(spot.path());
        tool.spot = Some(spot.clone());
        tool
    }

    /// `oxnc` listening on a free port of 127.0.0.1, to be started with
    /// [`Tool::start_listening`].
    pub fn listen(options: &[&str]) -> Self {
        Self::listen_with(options, &["127.0.0.1", "0"])
    }

    /// `oxnc` listening as `words` say, to be started with [`Tool::start_listening`].
    pub fn listen_with(options: &[&str], words: &[&str]) -> Self {
        let (rx, tx) = pipe();
        let print = format!("--print-port=fd:{}", tx.as_raw_fd());
        let mut tool = Self::oxnc(&["-l", &print])
            .args(options)
            .args(words)
            .inherit(tx.into());
        tool.port = Some(rx);
        tool
    }

    /// Any program.
    pub fn program(name: impl AsRef<OsStr>, args: &[&str]) -> Self {
        let this = Self {
            words: vec![name.as_ref().into()],
            stdin: In::Null,
            stdout: Out::Keep,
            inherited: Vec::new(),
            port: None,
            spot: None,
        };
        this.args(args)
    }

    pub fn args(mut self, args: &[&str]) -> Self {
        self.words.extend(args.iter().map(OsString::from));
        self
    }

    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.words.push(arg.into());
        self
    }

    pub fn stdin(mut self, stdin: In) -> Self {
        self.stdin = stdin;
        self
    }

    pub fn stdout(mut self, stdout: Out) -> Self {
        self.stdout = stdout;
        self
    }

    /// Keeps a descriptor open, under its own number, in the program.
    pub fn inherit(mut self, fd: OwnedFd) -> Self {
        self.inherited.push(fd);
        self
    }

    /// Runs it by way of another program, which must exec it in its own process.
    pub fn under(mut self, wrapper: &[&str]) -> Self {
        self.words.splice(0..0, wrapper.iter().map(OsString::from));
        self
    }

    pub fn start(mut self) -> Running {
        let ours = self
            .words
            .first()
            .is_some_and(|word| word == env!("CARGO_BIN_EXE_oxnc"));
        if ours && std::env::var_os("OXNC_TEST_NO_SPLICE").is_some() {
            self = self.under(&NO_SPLICE);
        }
        // The standard library cannot start a child with a descriptor closed; a shell can.
        let mut closing = String::new();
        if matches!(self.stdin, In::Closed) {
            closing += " <&-";
        }
        if matches!(self.stdout, Out::Closed) {
            closing += " >&-";
        }
        if !closing.is_empty() {
            let script = format!("exec \"$@\"{closing}");
            self = self.under(&["sh", "-c", &script, "sh"]);
        }

        let mut words = self.words.iter();
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words);

        let mut stdin = None;
        let mut feed: Option<Box<dyn FnOnce(PipeWriter) + Send>> = None;
        command.stdin(match self.stdin {
            In::Null | In::Closed => Stdio::null(),
            In::File(path) => File::open(path).expect("opening stdin").into(),
            In::Fd(fd) => fd.into(),
            In::Pipe => piped_in(&mut stdin),
            In::Bytes(bytes) => {
                let readable = piped_in(&mut stdin);
                if bytes.len() <= PIPE_HOLDS {
                    // All there before the program begins: no race with its first look.
                    let mut tx = stdin.take().expect("a pipe to fill");
                    tx.write_all(&bytes).expect("filling a pipe");
                } else {
                    // A program that has heard enough closes the pipe: its right.
                    feed = Some(Box::new(move |mut tx| drop(tx.write_all(&bytes))));
                }
                readable
            }
            In::PipedFile(path) => {
                let mut file = File::open(path).expect("opening stdin");
                feed = Some(Box::new(move |mut tx| {
                    drop(std::io::copy(&mut file, &mut tx))
                }));
                piped_in(&mut stdin)
            }
        });

        let mut collect: Option<(PipeReader, bool)> = None;
        command.stdout(match self.stdout {
            Out::Keep => piped_out(&mut collect, true),
            Out::Digest => piped_out(&mut collect, false),
            Out::File(path) => File::create(path).expect("creating stdout").into(),
            Out::Null | Out::Closed => Stdio::null(),
            Out::Full => File::options()
                .write(true)
                .open("/dev/full")
                .expect("/dev/full")
                .into(),
            Out::Fd(fd) => fd.into(),
        });

        let (stderr, stderr_tx) = pipe();
        command.stderr(stderr_tx);

        let began = Instant::now();
        let child = {
            let _alone = SPAWN.lock().unwrap_or_else(PoisonError::into_inner);
            for fd in &self.inherited {
                rustix::io::fcntl_setfd(fd, FdFlags::empty()).expect("F_SETFD");
            }
            let child = command
                .spawn()
                .unwrap_or_else(|e| panic!("{:?}: {e}", self.words));
            for fd in &self.inherited {
                rustix::io::fcntl_setfd(fd, FdFlags::CLOEXEC).expect("F_SETFD");
            }
            child
        };
        // `command` holds the child's ends of the pipes, `self` the inherited ones.
        drop(command);
        drop(self.inherited);

        let pid = Pid::from_child(&child);
        if let Some(feed) = feed {
            let tx = stdin.take().expect("a pipe to feed");
            std::thread::spawn(move || feed(tx));
        }
        Running {
            line: self
                .words
                .join(OsStr::new(" "))
                .to_string_lossy()
                .into_owned(),
            ended: pidfd_open(pid, PidfdFlags::empty()).expect("pidfd_open"),
            child,
            stdin,
            stdout: collect.map(|(rx, keep)| {
                if keep {
                    Collector::keeping(rx)
                } else {
                    Collector::digesting(rx)
                }
            }),
            stderr: Collector::keeping(stderr),
            began,
            port: self.port,
            _spot: self.spot,
        }
    }

    /// Starts it and waits until it listens: the port that it printed.
    pub fn start_listening(self) -> (Running, u16) {
        let mut running = self.start();
        let port = running.printed_port();
        (running, port)
    }

    /// Starts it and waits until it listens: where.
    pub fn start_listening_at(self) -> (Running, Spot) {
        let Some(spot) = self.spot.clone() else {
            let (running, port) = self.start_listening();
            return (running, Spot::Port(port));
        };
        let running = self.start();
        running.listens_on(spot.path().as_os_str());
        (running, spot)
    }

    /// Starts it and waits for its end.
    pub fn run(self) -> Done {
        self.start().wait()
    }
}

fn piped_in(keep: &mut Option<PipeWriter>) -> Stdio {
    let (rx, tx) = pipe();
    *keep = Some(tx);
    rx.into()
}

fn piped_out(keep: &mut Option<(PipeReader, bool)>, whole: bool) -> Stdio {
    let (rx, tx) = pipe();
    *keep = Some((rx, whole));
    tx.into()
}

/// A program that runs; killed, by its pid, when this is dropped.
pub struct Running {
    line: String,
    child: Child,
    ended: OwnedFd,
    stdin: Option<PipeWriter>,
    stdout: Option<Collector>,
    pub stderr: Collector,
    began: Instant,
    port: Option<PipeReader>,
    /// Its directory is removed when nobody has it any more.
    _spot: Option<Spot>,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("kill");
    }

    /// Writes to its stdin ([`In::Pipe`]).
    pub fn write(&mut self, bytes: &[u8]) {
        self.stdin
            .as_mut()
            .expect("In::Pipe")
            .write_all(bytes)
            .expect("writing to its stdin");
    }

    /// The test's end of its stdin ([`In::Pipe`]).
    pub fn take_stdin(&mut self) -> PipeWriter {
        self.stdin.take().expect("In::Pipe")
    }

    /// Ends its stdin ([`In::Pipe`]).
    pub fn close_stdin(&mut self) {
        drop(self.take_stdin());
    }

    /// Waits until somebody listens on a Unix socket of this name, `@` before an abstract one.
    #[track_caller]
    pub fn listens_on(&self, name: &OsStr) {
        let until = Instant::now() + DEADLINE;
        loop {
            let table = std::fs::read("/proc/net/unix").expect("/proc/net/unix");
            let listens = table
                .split(|byte| *byte == b'\n')
                .any(|line| listening(line) == Some(name.as_bytes()));
            if listens {
                return;
            }
            let gone = self.ends_within(Duration::from_millis(2));
            assert!(
                !gone && Instant::now() < until,
                "nobody listens on {name:?}: {}",
                self.errors()
            );
        }
    }

    /// What it has written so far ([`Out::Keep`], [`Out::Digest`]).
    pub fn stdout(&self) -> &Collector {
        self.stdout.as_ref().expect("Out::Keep or Out::Digest")
    }

    /// Whether it ends within `time`.
    pub fn ends_within(&self, time: Duration) -> bool {
        readable(&self.ended, time)
    }

    /// Asserts that it is still there after `time`: the time is what is being tested.
    pub fn runs_on_for(&self, time: Duration) {
        assert!(
            !self.ends_within(time),
            "{} ended: {}",
            self.line,
            self.errors()
        );
    }

    /// Waits for its end.
    pub fn wait(self) -> Done {
        self.wait_within(DEADLINE)
    }

    /// Waits for its end, which must come within `time`.
    pub fn wait_within(mut self, time: Duration) -> Done {
        let in_time = self.ends_within(time);
        let took = self.began.elapsed();
        assert!(
            in_time,
            "{} still runs after {took:?}: {}",
            self.line,
            self.errors()
        );
        let status = self.child.wait().expect("wait");
        let (stdout, digest) = match &self.stdout {
            Some(stdout) => stdout.finish(),
            None => (Vec::new(), Digest::of(&[])),
        };
        let (stderr, _) = self.stderr.finish();
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        Done {
            line: self.line.clone(),
            status,
            stdout,
            digest,
            stderr,
            took,
        }
    }

    fn printed_port(&mut self) -> u16 {
        let mut source = self.port.take().expect("Tool::listen");
        let mut line = Vec::new();
        let until = Instant::now() + DEADLINE;
        while !line.ends_with(b"\n") {
            let left = until.saturating_duration_since(Instant::now());
            assert!(
                readable(&source, left),
                "{} prints no port: {}",
                self.line,
                self.errors()
            );
            let mut byte = [0];
            let n = source.read(&mut byte).expect("reading the port");
            assert!(
                n > 0,
                "{} printed {line:?} for a port: {}",
                self.line,
                self.errors()
            );
            line.extend(byte);
        }
        String::from_utf8_lossy(&line)
            .trim_end()
            .parse()
            .expect("a port alone on its line")
    }

    fn errors(&self) -> String {
        // One that ended has said everything, unless it left children behind.
        if self.ends_within(Duration::ZERO) {
            self.stderr.ends_within(DEADLINE);
        }
        String::from_utf8_lossy(&self.stderr.so_far()).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let ended = self.ends_within(Duration::ZERO);
            let state = if ended {
                "had ended"
            } else {
                "was still running"
            };
            eprintln!("{} {state}: {}", self.line, self.errors());
        }
        // Both do nothing once the child has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a descriptor becomes readable (or ends) within `time`.
pub fn readable(fd: &impl AsFd, time: Duration) -> bool {
    !ready(fd, PollFlags::IN, time).is_empty()
}

/// What of `flags` a descriptor becomes ready for within `time`.
pub fn ready(fd: &impl AsFd, flags: PollFlags, time: Duration) -> PollFlags {
    let until = Instant::now() + time;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).expect("a short time");
        let mut fds = [PollFd::new(fd, flags)];
        match poll(&mut fds, Some(&left)) {
            Ok(_) => return fds[0].revents(),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => panic!("poll: {e}"),
        }
    }
}

/// The name in a line of /proc/net/unix, which is that of a listening socket: `Num RefCount Protocol
/// Flags Type St Inode Path`, and 1 << 16 among the flags.
fn listening(line: &[u8]) -> Option<&[u8]> {
    if line.get(36..44)? != b"00010000" {
        return None;
    }
    let rest = line.get(53..)?.trim_ascii_start();
    let blank = rest.iter().position(|byte| *byte == b' ')?;
    rest.get(blank + 1..)
}

/// The number that a descriptor has here, and in a program that inherits it.
pub fn number(fd: &impl AsFd) -> RawFd {
    fd.as_fd().as_raw_fd()
}
