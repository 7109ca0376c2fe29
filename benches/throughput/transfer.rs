//! One transfer: started, timed, waited for and checked.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, PipeReader, PipeWriter, Read, Seek},
    net::TcpListener,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};
use tempfile::TempDir;

use crate::{
    case::{Case, Input, Output, Transport},
    common::{
        Result, machine,
        process::{Exit, Process, wait_all},
        rounds,
    },
    data,
    tool::{Kind, Meeting, Tool},
};

/// How long a tool may take until it listens.
const START: Duration = Duration::from_secs(10);

/// The slowest rate that is waited for, in bytes a second.
const CRAWL: u64 = 20_000_000;

/// What all transfers have in common.
pub(crate) struct Bench {
    pub bytes: u64,
    /// The input; nobody else knows it by a name, so it is gone when we are.
    input: File,
    digest: String,
    dir: TempDir,
    program: PathBuf,
}

/// One transfer's figures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub time: Duration,
    pub sender: Duration,
    pub receiver: Duration,
    /// The part of the processors that programs took that are none of ours.
    pub others: f64,
}

impl rounds::Sample for Sample {
    fn time(&self) -> Duration {
        self.time
    }

    fn others(&self) -> f64 {
        self.others
    }
}

impl Bench {
    /// Makes the input.
    pub(crate) fn new(bytes: u64) -> Result<Self> {
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() {
            TempDir::new_in(memory)?
        } else {
            TempDir::new()?
        };
        let input = tempfile::tempfile_in(&dir)?;
        data::generate(bytes, &input)?;
        let (count, digest) = data::digest_of(&input)?;
        if count != bytes {
            return Err("the input was not written".into());
        }
        Ok(Self {
            bytes,
            input,
            digest,
            dir,
            program: std::env::current_exe()?,
        })
    }

    /// Where the files lie.
    pub(crate) fn input(&self) -> &File {
        &self.input
    }

    /// Moves the bytes once.
    pub(crate) fn transfer(&self, tool: &Tool, case: Case, warm_up: bool) -> Result<Sample> {
        tool.supports(case)?;
        let meeting = self.meeting(case)?;
        let sink = Sink::new(self, case.output, warm_up)?;
        let mut receiver = tool.receiver(&meeting, warm_up);
        receiver.stdout(sink.stdout);
        let mut receiver = Process::start("receiver", receiver)?;
        until_it_listens(&mut receiver, &meeting)?;
        let (stdin, mut producer) = self.source(case.input)?;
        let mut sender = tool.sender(&meeting);
        sender.stdin(stdin);

        let busy = machine::busy();
        let start = Instant::now();
        let mut sender = Process::start("sender", sender)?;
        let mut consumer = sink.consumer;
        let mut all = vec![&mut sender, &mut receiver];
        all.extend(&mut consumer);
        all.extend(&mut producer);
        let slowest = Duration::from_secs(self.bytes / CRAWL);
        wait_all(&mut all, start + START + slowest)?;

        let busy = machine::busy() - busy;

        let exits: Vec<&Exit> = all
            .iter()
            .map(|process| process.success())
            .collect::<Result<_>>()?;
        let end = exits.iter().map(|exit| exit.at).max().unwrap_or(start);
        let ours: Duration = exits.iter().map(|exit| exit.cpu).sum();
        let (sent, received) = (sender.success()?, receiver.success()?);
        if let Some(file) = sink.file {
            self.check(data::digest_of(&file)?)?;
        } else if let Some(told) = sink.told {
            self.check_told(told)?;
        } else if let Some(count) = count(tool.kind, received, &receiver.said()?) {
            self.check_count(count)?;
        }
        Ok(Sample {
            time: end - start,
            sender: sent.cpu,
            receiver: received.cpu,
            others: machine::share(busy.saturating_sub(ours), end - start),
        })
    }

    fn meeting(&self, case: Case) -> Result<Meeting> {
        Ok(match case.transport {
            // The listener that found the port has had no client, so the port is free again.
            Transport::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0")?;
                Meeting::Port(listener.local_addr()?.port())
            }
            Transport::Unix => {
                let path = self.dir.path().join("socket");
                match fs::remove_file(&path) {
                    Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e.into()),
                    _ => Meeting::Path(path),
                }
            }
        })
    }

    fn source(&self, input: Input) -> Result<(Stdio, Option<Process>)> {
        // Opened anew, for a position of its own.
        let file = File::open(format!("/proc/self/fd/{}", self.input.as_raw_fd()))?;
        if input == Input::File {
            return Ok((file.into(), None));
        }
        let (read, write): (PipeReader, PipeWriter) = io::pipe()?;
        let mut command = Command::new(&self.program);
        command.arg("produce").stdin(file).stdout(write);
        Ok((read.into(), Some(Process::start("producer", command)?)))
    }

    fn check(&self, (count, digest): (u64, String)) -> Result<()> {
        self.check_count(count)?;
        if digest != self.digest {
            return Err("the bytes that arrived are others".into());
        }
        Ok(())
    }

    fn check_told(&self, mut told: File) -> Result<()> {
        let mut line = String::new();
        told.rewind()?;
        told.read_to_string(&mut line)?;
        match line.trim().split_once(' ') {
            Some((count, digest)) => self.check((count.parse()?, digest.into())),
            None => self.check_count(line.trim().parse()?),
        }
    }

    fn check_count(&self, count: u64) -> Result<()> {
        if count != self.bytes {
            return Err(format!("{count} bytes arrived, not {}", self.bytes).into());
        }
        Ok(())
    }
}

/// Where the receiver's output goes.
struct Sink {
    stdout: Stdio,
    file: Option<File>,
    consumer: Option<Process>,
    /// What the consumer tells.
    told: Option<File>,
}

impl Sink {
    fn new(bench: &Bench, output: Output, with_digest: bool) -> Result<Self> {
        let mut sink = Self {
            stdout: Stdio::null(),
            file: None,
            consumer: None,
            told: None,
        };
        match output {
            Output::Null => {
                sink.stdout = OpenOptions::new().write(true).open("/dev/null")?.into();
            }
            Output::File => {
                provide(bench)?;
                let file = tempfile::tempfile_in(&bench.dir)?;
                sink.stdout = file.try_clone()?.into();
                sink.file = Some(file);
            }
            Output::Pipe => {
                let (read, write) = io::pipe()?;
                let told = tempfile::tempfile()?;
                let mut command = Command::new(&bench.program);
                command.arg("consume");
                if with_digest {
                    command.arg("digest");
                }
                command.stdin(read).stdout(told.try_clone()?);
                sink.consumer = Some(Process::start("consumer", command)?);
                sink.stdout = write.into();
                sink.told = Some(told);
            }
        }
        Ok(sink)
    }
}

/// Takes as much memory as a file needs and gives it back: a host that has claimed the free memory
/// of its guest needs a second per GiB to return it, which would be measured now and then.
fn provide(bench: &Bench) -> Result<()> {
    let file = tempfile::tempfile_in(&bench.dir)?;
    match fallocate(&file, FallocateFlags::empty(), 0, bench.bytes) {
        // Not every file system can.
        Err(Errno::OPNOTSUPP) => Ok(()),
        other => Ok(other?),
    }
}

/// How much a receiver wrote to /dev/null, if that can be known.
fn count(kind: Kind, exit: &Exit, said: &str) -> Option<u64> {
    match kind {
        Kind::Oxnc { .. } | Kind::Limit => {
            let (_, after) = said.split_once("received ")?;
            after.split(' ').next()?.parse().ok()
        }
        Kind::Nc | Kind::Ncat | Kind::Socat { .. } => exit.written,
    }
}

/// Looks until the socket is in the state LISTEN: whoever connects then is served.
fn until_it_listens(receiver: &mut Process, meeting: &Meeting) -> Result<()> {
    let deadline = Instant::now() + START;
    while !listens(meeting)? {
        if receiver.exits_within(Duration::from_millis(1))? {
            receiver.success()?;
            return Err("the receiver ended before anybody came".into());
        }
        if Instant::now() > deadline {
            return Err("the receiver does not listen".into());
        }
    }
    Ok(())
}

fn listens(meeting: &Meeting) -> Result<bool> {
    Ok(match meeting {
        Meeting::Port(port) => {
            // 127.0.0.1, and TCP_LISTEN = 0A: proc_net_tcp(5).
            let local = format!("0100007F:{port:04X}");
            fs::read_to_string("/proc/net/tcp")?.lines().any(|line| {
                let mut words = line.split_whitespace().skip(1);
                words.next() == Some(&local) && words.nth(1) == Some("0A")
            })
        }
        Meeting::Path(path) => {
            // The flag __SO_ACCEPTCON: include/linux/net.h.
            let path = path.to_string_lossy();
            fs::read_to_string("/proc/net/unix")?.lines().any(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                words.get(3) == Some(&"00010000") && words.get(7) == Some(&&*path)
            })
        }
    })
}
