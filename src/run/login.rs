//! Where credentials come from: files, descriptors, the environment, and whoever sits at the
//! terminal.

use std::{
    env,
    fs::File,
    io::{self, Write as _},
    os::fd::OwnedFd,
};

use rustix::{
    fs::{Mode, OFlags},
    termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios},
};

use super::Stage;
use crate::{
    event::Want,
    net, os,
    plan::{Login, PasswordFrom, Proxy},
    proxy::{Credentials, LINE_LIMIT, LoginFailure, Secret},
    report::password_prompt,
};

/// A character of a terminal that no key gives, termios(3).
const DISABLED: u8 = 0;

/// Who we are to a proxy, if it is to be told.
pub(super) fn credentials(
    stage: &mut Stage,
    proxy: &Proxy,
) -> Result<Option<Credentials>, LoginFailure> {
    let Some(login) = &proxy.login else {
        return Ok(None);
    };
    let user = login.user.as_deref();
    let text = match &login.password {
        PasswordFrom::Nowhere => return Ok(Some(Credentials::user(user.unwrap_or_default()))),
        PasswordFrom::Terminal => return ask(stage, login, proxy).map(Some),
        PasswordFrom::File(path) => {
            // A FIFO is not waited for here but where a signal can end it.
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            let file = rustix::fs::open(path, flags, Mode::empty());
            first_line(stage, file.map_err(|e| unreadable(e.into()))?)?
        }
        PasswordFrom::Descriptor(number) => {
            let file = os::adopt_fd(*number).map_err(|_| LoginFailure::NotOpen)?;
            first_line(stage, file)?
        }
        PasswordFrom::Environment(name) => {
            let value = env::var_os(name).ok_or(LoginFailure::Unset)?;
            Secret::from(std::os::unix::ffi::OsStringExt::into_vec(value))
        }
    };
    Credentials::read(&text, user)
        .map(Some)
        .map_err(LoginFailure::Content)
}

fn unreadable(e: io::Error) -> LoginFailure {
    LoginFailure::Unreadable(e)
}

/// Reads to the end of a line. The descriptor may be anybody's, and its O_NONBLOCK is left alone:
/// it is read only when there is something, and that wait is one that signals end.
fn first_line(stage: &mut Stage, fd: OwnedFd) -> Result<Secret, LoginFailure> {
    let source = stage.reactor.adopt(fd).map_err(unreadable)?;
    let mut text = Secret::default();
    text.bytes_mut().reserve_exact(2 * LINE_LIMIT);
    let mut chunk = Secret::from(vec![0; 512]);
    while text.bytes().len() <= LINE_LIMIT && !text.bytes().contains(&b'\n') {
        if source.is_pollable() {
            source
                .arm(Want {
                    read: true,
                    write: false,
                })
                .map_err(unreadable)?;
            while source.is_armed() {
                net::wait(&mut stage.reactor, None, stage.total)
                    .map_err(unreadable)?
                    .map_err(LoginFailure::Stopped)?;
            }
        }
        match rustix::io::read(&source, chunk.bytes_mut().as_mut_slice()) {
            Ok(0) => break,
            Ok(n) => {
                let come = chunk.bytes().get(..n).unwrap_or_default();
                text.bytes_mut().extend_from_slice(come);
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(e) => return Err(unreadable(e.into())),
        }
    }
    Ok(text)
}

fn ask(stage: &mut Stage, login: &Login, proxy: &Proxy) -> Result<Credentials, LoginFailure> {
    let user = login.user.as_deref().unwrap_or_default();
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let tty = rustix::fs::open("/dev/tty", flags, Mode::empty())
        .map(File::from)
        .and_then(|tty| Ok((tty.try_clone().map_err(to_errno)?, Quiet::new(tty)?)));
    let (mut tty, quiet) = tty.map_err(|e| LoginFailure::NoTerminal(e.into()))?;
    tty.write_all(password_prompt(user, &proxy.server).as_bytes())
        .map_err(LoginFailure::NoTerminal)?;
    let line = first_line(stage, tty.into());
    drop(quiet);
    let line = line?;
    match line.bytes() {
        [] => Err(LoginFailure::NoAnswer),
        [b'\n'] => Ok(Credentials::user(user)),
        _ => Credentials::read(&line, Some(user)).map_err(LoginFailure::Content),
    }
}

fn to_errno(e: io::Error) -> rustix::io::Errno {
    rustix::io::Errno::from_io_error(&e).unwrap_or(rustix::io::Errno::IO)
}

/// A terminal that does not show what is typed, as long as this lives. Signals that end us are
/// waited for and leave by the same way; the keys for two others, which would leave the terminal
/// as it is, do nothing meanwhile.
struct Quiet {
    tty: File,
    before: Termios,
}

impl Quiet {
    fn new(tty: File) -> rustix::io::Result<Self> {
        let before = rustix::termios::tcgetattr(&tty)?;
        let mut during = before.clone();
        during.local_modes -=
            LocalModes::ECHO | LocalModes::ECHOE | LocalModes::ECHOK | LocalModes::ECHONL;
        during.local_modes |= LocalModes::ICANON | LocalModes::ISIG;
        for key in [SpecialCodeIndex::VQUIT, SpecialCodeIndex::VSUSP] {
            during.special_codes[key] = DISABLED;
        }
        // What was typed before the question is no answer to it.
        rustix::termios::tcsetattr(&tty, OptionalActions::Flush, &during)?;
        Ok(Self { tty, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that has gone needs neither.
        let _ = rustix::termios::tcsetattr(&self.tty, OptionalActions::Now, &self.before);
        let _ = self.tty.write_all(b"\n");
    }
}
