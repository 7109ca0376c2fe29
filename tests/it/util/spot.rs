//! Where a listener is, so that a test can be run over TCP and over Unix sockets.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::TempDir;

/// What connects two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Tcp,
    Unix,
}

impl Family {
    pub const ALL: [Self; 2] = [Self::Tcp, Self::Unix];
}

/// A port of 127.0.0.1, or a Unix socket.
#[derive(Clone, Debug)]
pub enum Spot {
    Port(u16),
    Socket(Arc<SocketPath>),
}

impl Spot {
    /// The path of a Unix socket that is not there yet.
    pub fn new_socket() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("socket");
        Self::Socket(Arc::new(SocketPath { path, _dir: dir }))
    }

    /// The path of the Unix socket.
    pub fn path(&self) -> &Path {
        match self {
            Self::Socket(socket) => &socket.path,
            Self::Port(port) => panic!("port {port} has no path"),
        }
    }
}

impl From<u16> for Spot {
    fn from(port: u16) -> Self {
        Self::Port(port)
    }
}

/// A path in a directory of its own.
#[derive(Debug)]
pub struct SocketPath {
    path: PathBuf,
    _dir: TempDir,
}

impl SocketPath {
    pub fn path(&self) -> &Path {
        &self.path
    }
}
