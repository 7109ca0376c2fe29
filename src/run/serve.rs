//! Serve: many clients at once (`-k`), joined to standard input and output by one hub.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{Stage, listen, wrap};
use crate::{
    event::{Deadline, Wake},
    net::{self, Address, Client, Door, Listener, Phase},
    os,
    outcome::{Limit, Setback, Status, Stop},
    plan::{Input, KeepOpen, OnInputEnd, Plan},
    relay::{Failure, Hub, HubRules, Turn},
    report::{Peer, StdioFailure, place, reason},
    stream::{InputKind, Io, Stdio},
};

/// Without `--max-conns` this many clients are served at most, however many descriptors there are.
const MOST: u64 = 4096;

/// So many clients are let in before the others have their turn again.
const ADMITTED_AT_ONCE: usize = 64;

/// Takes standard input and output over: what can fail, before anybody is told that we listen.
pub(super) fn prepare(stage: &Stage, plan: &Plan) -> Result<Stdio, Status> {
    let input = plan.transfer.input == Input::Stdin;
    Stdio::take(&stage.reactor, input, false).map_err(|e| {
        stage
            .report
            .failure(&format!("cannot start: {}", reason(&e)));
        Setback::Failed.status()
    })
}

/// Serves clients until something ends the run.
pub(super) fn run(
    stage: &mut Stage,
    near: Stdio,
    listener: Listener,
    keep: &KeepOpen,
    plan: &Plan,
) -> Status {
    let places: Vec<String> = listener.addresses().iter().map(place).collect();
    let descriptors = os::raise_descriptor_limit();
    let most = keep.max_conns.unwrap_or_else(|| share_of(descriptors));
    stage
        .report
        .fact(|| format!("at most {most} clients at once"));
    let mut house = House::open(stage, near, listener, keep, plan, most);
    let end = house.serve(stage, plan.limits.accept);
    house.close(stage, end, &places.join(", "))
}

/// A third of the descriptors: a client may come to need more than one, and others need some too.
fn share_of(descriptors: u64) -> usize {
    let most = (descriptors / 3).clamp(1, MOST);
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// A client, as far as words about it go.
struct Guest {
    peer: Peer,
    since: Instant,
}

/// The door and the room behind it.
struct House {
    door: Door,
    hub: Hub<Guest>,
    /// How many there is room for.
    most: usize,
    tag: bool,
    telnet: bool,
    /// How many have come.
    welcomed: u64,
    /// A person sits at standard input.
    terminal: bool,
    /// The worst of the clients' statuses.
    worst: Status,
    /// Since when nobody has been there.
    empty_since: Instant,
}

/// Why no more is served.
enum End {
    /// As many clients as were asked for have come and gone.
    Done,
    Stopped(Stop),
    Failed(Failure),
    /// The listening sockets or the event loop failed.
    System(net::Error),
}

impl House {
    fn open(
        stage: &Stage,
        near: Stdio,
        listener: Listener,
        keep: &KeepOpen,
        plan: &Plan,
        most: usize,
    ) -> Self {
        let transfer = &plan.transfer;
        let kind = near.input_kind();
        log::debug!("standard input: {kind:?}");
        let nothing_to_send = kind == InputKind::Nothing;
        let rules = HubRules {
            nothing_to_send,
            fin: match transfer.on_input_end {
                OnInputEnd::Auto => !nothing_to_send,
                OnInputEnd::Shutdown => true,
                OnInputEnd::Keep => false,
            },
            to_the_end: kind == InputKind::File,
            quit_after: transfer.quit_after,
            linger: transfer.linger,
            idle: plan.limits.idle,
        };
        stage.clients.set(Some(0));
        Self {
            door: Door::new(listener, keep.accept),
            hub: Hub::new(wrap::near(near, transfer.lines), &rules),
            most,
            tag: keep.tag,
            telnet: transfer.telnet,
            welcomed: 0,
            terminal: kind == InputKind::Terminal,
            worst: Status::Success,
            empty_since: Instant::now(),
        }
    }

    fn serve(&mut self, stage: &mut Stage, accept: Option<Duration>) -> End {
        loop {
            match self.turn(stage, accept) {
                Ok(None) => {}
                Ok(Some(end)) => return end,
                Err(e) => return End::System(e.into()),
            }
        }
    }

    /// Lets in who is there, moves what can move, sees off who has ended, and waits.
    fn turn(&mut self, stage: &mut Stage, accept: Option<Duration>) -> io::Result<Option<End>> {
        let now = Instant::now();
        let limit = self.deadline(accept).or(stage.total);
        if let Some(expired) = limit.expired(now) {
            return Ok(Some(End::Stopped(Stop::Expired(expired))));
        }
        let crowd = match self.admit(stage, now) {
            Ok(crowd) => crowd,
            Err(e) => return Ok(Some(End::System(e))),
        };
        let turn = match self.hub.step(stage.reactor.woken(), now) {
            Ok(turn) => turn,
            Err(failure) => return Ok(Some(End::Failed(failure))),
        };
        let parted = self.see_off(stage, now);
        stage.counters.set(self.hub.counters());
        stage.clients.set(Some(self.hub.len()));
        if self.door.is_closed() && self.hub.len() == 0 && self.hub.is_written() {
            match self.hub.finish() {
                Ok(Io::Blocked) => {}
                Ok(_) => return Ok(Some(End::Done)),
                Err(e) => return Ok(Some(End::Failed(Failure::Output(e)))),
            }
        }
        let next = match turn {
            Turn::Wait(next) if !crowd && !parted => next,
            Turn::Wait(_) | Turn::Again => Some(now),
        };
        let retry = if self.hub.len() < self.most {
            self.door.arm()?
        } else {
            None
        };
        let limit = self.deadline(accept).or(stage.total).at();
        let until = [next, retry, limit].into_iter().flatten().min();
        Ok(match stage.reactor.wait(until)? {
            Wake::Signal(number) => Some(End::Stopped(Stop::Signal(number))),
            Wake::Look => None,
        })
    }

    /// Lets clients in while there is room. Whether more may be waiting.
    fn admit(&mut self, stage: &mut Stage, now: Instant) -> Result<bool, net::Error> {
        for _ in 0..ADMITTED_AT_ONCE {
            if self.hub.len() >= self.most {
                return Ok(false);
            }
            match self.door.admit(now).map_err(net::Error::Accept)? {
                Some((client, set)) => self.welcome(stage, client, set, now)?,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    fn welcome(
        &mut self,
        stage: &mut Stage,
        client: Client,
        set: io::Result<()>,
        now: Instant,
    ) -> Result<(), net::Error> {
        self.welcomed += 1;
        // Those of a Unix socket have no names, and would all be called by its path.
        let (called, name) = match &client.peer {
            Address::Inet(address) => (address.to_string(), None),
            Address::Unix(_) => {
                let called = format!("client-{}", self.welcomed);
                (called.clone(), Some(called))
            }
        };
        let tag = self.tag.then(|| format!("{called} ").into_bytes());
        let (far, peer) = listen::welcome(stage, client, name)?;
        match set.and(far) {
            Ok(far) => {
                let far = wrap::far(far, self.telnet);
                self.hub.join(far, tag, Guest { peer, since: now }, now);
            }
            Err(e) => {
                stage.report.failure(&format!("{peer}: {}", reason(&e)));
                self.worst = self.worst.worse(Status::Local);
            }
        }
        Ok(())
    }

    /// Tells of those who have ended. Whether there were any.
    fn see_off(&mut self, stage: &Stage, now: Instant) -> bool {
        let mut parted = false;
        for (guest, outcome) in self.hub.gone() {
            let took = now.saturating_duration_since(guest.since);
            stage.report.client_ended(&outcome, &guest.peer, took);
            self.worst = self.worst.worse(outcome.status());
            parted = true;
        }
        if parted {
            self.door.retry();
            self.empty_since = now;
        }
        parted
    }

    /// `--accept-timeout` counts while nobody is there.
    fn deadline(&self, accept: Option<Duration>) -> Deadline {
        if self.hub.len() > 0 || self.door.is_closed() {
            return Deadline::default();
        }
        Deadline::after(self.empty_since, accept, Limit::Accept)
    }

    /// Ends what is left as the end's reason asks for, and tells it.
    fn close(mut self, stage: &Stage, end: End, places: &str) -> Status {
        let counters = self.hub.counters();
        match &end {
            End::Stopped(_) => self.hub.stop(self.terminal),
            End::Done | End::Failed(_) | End::System(_) => self.hub.cut(),
        }
        let status = match end {
            End::Done => Status::Success,
            End::Stopped(Stop::Signal(number)) => Status::Signal(number),
            End::Stopped(stop @ Stop::Expired(what)) => {
                if what.limit == Limit::Accept {
                    let error = net::Error::Stopped {
                        stop,
                        phase: Phase::Accept,
                        attempts: Vec::new(),
                    };
                    stage.report.not_started(&error, places);
                } else {
                    let clients = self.hub.len();
                    stage.report.not_done(what, counters, clients);
                }
                Status::Expired
            }
            End::Failed(Failure::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => {
                Status::Signal(libc::SIGPIPE)
            }
            End::Failed(failure) => {
                let what = match &failure {
                    Failure::Input(e) => StdioFailure::Input(e),
                    Failure::Output(e) => StdioFailure::Output(e),
                };
                stage.report.stdio_failed(&what, counters);
                Status::Local
            }
            End::System(error) => {
                stage.report.not_started(&error, places);
                error.setback().status()
            }
        };
        status.worse(self.worst)
    }
}
