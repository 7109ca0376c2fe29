//! A stream out of pipes: the kernel blocks, splits and refuses, and the dice say what the other
//! side does.

use std::{
    cell::RefCell,
    fs::File,
    io::{self, Read, Seek, Write},
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    pipe::{PipeFlags, fcntl_setpipe_size, pipe_with},
};

use super::{
    Puppet,
    scripted::{Hand, Last, Script},
};
use crate::{
    os,
    stream::{Io, Raw, Stream, Want, attempt, attempt_read},
};

/// A stream whose both ways may be spliced, or neither.
pub(super) fn plumbed(seed: u64, silent: bool) -> Puppet {
    let mut script = Script::new(seed, 20_000, silent);
    if script.last == Last::Error {
        script.last = Last::End;
    }
    let spliced = !script.dice.one_in(4);
    let (source, source_end) = if script.dice.one_in(4) {
        // All is there from the beginning, and then it ends.
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&script.input).unwrap();
        file.rewind().unwrap();
        (script.given, script.last) = (script.input.len(), Last::End);
        (file.into(), None)
    } else {
        let (read, write) = pipe();
        (read, Some(write))
    };
    let from_file = source_end.is_none();
    let (sink, sink_end) = if script.dice.one_in(4) {
        // It refuses to be spliced to, when bytes are in the kernel's pipe already.
        let file = tempfile::tempfile().unwrap();
        let append = rustix::fs::OFlags::APPEND;
        rustix::fs::fcntl_setfl(&file, append).unwrap();
        (file.try_clone().unwrap().into(), SinkEnd::File(file))
    } else {
        let (read, write) = pipe();
        fcntl_setpipe_size(&write, 4096).unwrap();
        (write, SinkEnd::Pipe(Some(read)))
    };
    let script = Rc::new(RefCell::new(script));
    let other = OtherSide {
        unread: source.try_clone().unwrap(),
        source: RefCell::new(source_end),
        sink: RefCell::new(sink_end),
        script: Rc::clone(&script),
    };
    let stream = Plumbed {
        source,
        sink: Some(sink),
        spliced,
        from_file,
        script,
    };
    (Box::new(stream), Box::new(other))
}

struct Plumbed {
    source: OwnedFd,
    sink: Option<OwnedFd>,
    spliced: bool,
    from_file: bool,
    script: Rc<RefCell<Script>>,
}

struct OtherSide {
    unread: OwnedFd,
    source: RefCell<Option<OwnedFd>>,
    sink: RefCell<SinkEnd>,
    script: Rc<RefCell<Script>>,
}

enum SinkEnd {
    Pipe(Option<OwnedFd>),
    File(File),
}

fn pipe() -> (OwnedFd, OwnedFd) {
    // sendfile(2) waits unless its sink says otherwise, as sockets of ours do.
    pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap()
}

fn is_ready(fd: &OwnedFd, flags: PollFlags) -> bool {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    rustix::event::poll(
        &mut [PollFd::from_borrowed_fd(fd.as_fd(), flags)],
        Some(&now),
    )
    .unwrap()
        > 0
}

impl Stream for Plumbed {
    fn recv(&mut self, buf: &mut [u8]) -> io::Result<Io> {
        if self.from_file {
            return attempt_read(|| Ok(rustix::io::read(&self.source, &mut *buf)?));
        }
        attempt_read(|| os::read_nowait(&self.source, buf))
    }

    fn send(&mut self, buf: &[u8]) -> io::Result<Io> {
        let sink = self.sink.as_ref().unwrap();
        match attempt(|| os::write_nowait(sink, buf)) {
            // A file has no way of its own.
            Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                attempt(|| Ok(rustix::io::write(sink, buf)?))
            }
            other => other,
        }
    }

    fn finish(&mut self) -> io::Result<Io> {
        let script = &mut *self.script.borrow_mut();
        script.finished += 1;
        script.moves += 1;
        assert!(self.sink.take().is_some(), "finished twice, or after abort");
        Ok(Io::Moved(0))
    }

    fn abort(&mut self) {
        let script = &mut *self.script.borrow_mut();
        script.aborted += 1;
        script.moves += 1;
        self.sink = None;
    }

    fn arm(&mut self, want: Want) -> io::Result<()> {
        let armed = |fd, flags| !is_ready(fd, flags);
        assert!(
            !want.read || armed(&self.source, PollFlags::IN),
            "waits for what is ready"
        );
        let sink = self.sink.as_ref();
        let full = sink.is_some_and(|sink| armed(sink, PollFlags::OUT));
        assert!(!want.write || full, "waits for what is ready");
        self.script.borrow_mut().armed = want;
        Ok(())
    }

    fn raw(&self) -> Option<Raw<'_>> {
        let source = Some(self.source.as_fd());
        let (file, source) = if self.from_file {
            (source, None)
        } else {
            (None, source)
        };
        let sink = self.sink.as_ref().map(AsFd::as_fd);
        self.spliced.then_some(Raw { file, source, sink })
    }
}

impl Hand for OtherSide {
    fn script(&self) -> &RefCell<Script> {
        &self.script
    }

    fn wake(&self) -> bool {
        let script = &mut *self.script.borrow_mut();
        let armed = std::mem::take(&mut script.armed);
        let gave = (armed.read || script.dice.one_in(4)) && self.give(script);
        let took = (armed.write || script.dice.one_in(4)) && self.take(script);
        script.moves += u64::from(gave) + u64::from(took);
        (armed.read && gave) || (armed.write && took)
    }

    fn pass(&self, _: Duration) {}

    fn settle(&self) {
        let script = &mut *self.script.borrow_mut();
        // For a file, what is left behind its position.
        let unread = rustix::io::ioctl_fionread(&self.unread).unwrap();
        script.given -= usize::try_from(unread).unwrap();
        match &mut *self.sink.borrow_mut() {
            SinkEnd::Pipe(None) => {}
            SinkEnd::Pipe(Some(read)) => while read_some(read, script, 1 << 16) {},
            SinkEnd::File(file) => {
                file.rewind().unwrap();
                file.read_to_end(&mut script.output).unwrap();
            }
        }
        script.finished_at = script.output.len();
    }
}

impl OtherSide {
    /// Writes some of the input, or ends it. Whether anything changed.
    fn give(&self, script: &mut Script) -> bool {
        let mut source = self.source.borrow_mut();
        let Some(fd) = source.as_ref() else {
            return false;
        };
        let left = script.input.len() - script.given;
        if left == 0 {
            if script.last == Last::Silence {
                return false;
            }
            *source = None;
            return true;
        }
        let n = (1 + script.dice.below(6_000)).min(left);
        let some = &script.input[script.given..script.given + n];
        match attempt(|| os::write_nowait(fd, some)) {
            Ok(Io::Moved(n)) => {
                script.given += n;
                true
            }
            _ => false,
        }
    }

    /// Reads some of the output, or leaves. Whether anything changed.
    fn take(&self, script: &mut Script) -> bool {
        let mut sink = self.sink.borrow_mut();
        let SinkEnd::Pipe(end) = &mut *sink else {
            return false;
        };
        let Some(fd) = end.as_ref() else {
            return false;
        };
        if script.fails_at.is_some_and(|at| script.output.len() >= at) {
            while read_some(fd, script, 1 << 16) {}
            *end = None;
            return true;
        }
        let most = 1 + script.dice.below(6_000);
        read_some(fd, script, most)
    }
}

fn read_some(fd: &OwnedFd, script: &mut Script, most: usize) -> bool {
    let mut some = vec![0; most];
    match attempt_read(|| os::read_nowait(fd, &mut some)) {
        Ok(Io::Moved(n)) => {
            script.output.extend_from_slice(&some[..n]);
            true
        }
        _ => false,
    }
}
