//! `--print-port`: the chosen port, alone on a line.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use super::{escape, messages::reason};
use crate::{os, outcome::Setback, plan::PortTo};

/// Where the port is written.
#[derive(Debug)]
pub(crate) enum PortSink {
    Stderr,
    Descriptor(File, i32),
    Path(PathBuf),
}

impl PortSink {
    /// Looks for a descriptor before anything is opened; a file is opened when the port is known, so
    /// that one of an earlier run stays when this one fails. The error is a line for people.
    pub(crate) fn new(to: &PortTo) -> Result<Self, (Setback, String)> {
        match to {
            PortTo::Stderr => Ok(Self::Stderr),
            PortTo::File(path) => Ok(Self::Path(path.clone())),
            PortTo::Descriptor(number) => match os::adopt_fd(*number) {
                Ok(fd) => Ok(Self::Descriptor(fd.into(), *number)),
                Err(e) => {
                    let text = format!("--print-port: descriptor {number}: {}", reason(&e));
                    Err((Setback::Usage, text))
                }
            },
        }
    }

    /// Writes the line at once; who waits for it in a file waits for its newline. False: it is a
    /// named pipe that nobody reads so far.
    pub(crate) fn write(&mut self, port: u16) -> Result<bool, (Setback, String)> {
        let line = format!("{port}\n");
        let (name, written) = match self {
            Self::Stderr => {
                super::raw_line(&line);
                return Ok(true);
            }
            Self::Descriptor(file, number) => (
                format!("descriptor {number}"),
                file.write_all(line.as_bytes()),
            ),
            Self::Path(path) => {
                let mut options = OpenOptions::new();
                options.write(true).create(true).truncate(true);
                // Without a reader, opening a named pipe waits, and is deaf to signals and limits.
                let file = options.custom_flags(libc::O_NONBLOCK).open(&*path);
                if file
                    .as_ref()
                    .is_err_and(|e| e.raw_os_error() == Some(libc::ENXIO))
                {
                    return Ok(false);
                }
                let written = file.and_then(|mut file| {
                    file.write_all(line.as_bytes())?;
                    os::close(file.into())
                });
                (escape(&path.to_string_lossy()).into_owned(), written)
            }
        };
        match written {
            Ok(()) => Ok(true),
            Err(e) => Err((
                Setback::Local,
                format!("--print-port: {name}: {}", reason(&e)),
            )),
        }
    }
}
