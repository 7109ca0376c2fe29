//! `--print-port`: the chosen port, alone on a line.

use std::{
    fs::File,
    io::{self, Write},
};

use super::{escape, messages::reason};
use crate::{os, outcome::Status, plan::PortTo};

/// Where the port is written, looked at before anything is bound.
#[derive(Debug)]
pub(crate) enum PortSink {
    Stderr,
    File(File, String),
}

impl PortSink {
    /// Opens it, or says what is wrong in a line for people.
    pub(crate) fn open(to: &PortTo) -> Result<Self, (Status, String)> {
        let (name, status, file) = match to {
            PortTo::Stderr => return Ok(Self::Stderr),
            PortTo::Descriptor(number) => {
                let file = os::adopt_fd(*number).map(File::from);
                (format!("descriptor {number}"), Status::Usage, file)
            }
            PortTo::File(path) => {
                let name = escape(&path.to_string_lossy()).into_owned();
                (name, Status::Local, File::create(path))
            }
        };
        match file {
            Ok(file) => Ok(Self::File(file, name)),
            Err(e) => Err((status, format!("--print-port: {name}: {}", reason(&e)))),
        }
    }

    /// The line is written at once; who waits for it in a file waits for its newline.
    pub(crate) fn write(self, port: u16) -> Result<(), String> {
        let line = format!("{port}\n");
        match self {
            Self::Stderr => io::stderr()
                .write_all(line.as_bytes())
                .map_err(|e| reason(&e)),
            Self::File(mut file, name) => file
                .write_all(line.as_bytes())
                .and_then(|()| os::close(file.into()))
                .map_err(|e| format!("--print-port: cannot write to {name}: {}", reason(&e))),
        }
    }
}
