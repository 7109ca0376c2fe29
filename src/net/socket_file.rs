//! The file of a Unix socket: what is in its way, who listens on it, and its removal.
//!
//! Between looking at a name and removing it, the name may have become somebody else's. So what was
//! looked at is held open, which keeps its inode number from being used again, and a file is first
//! renamed, then compared, and only then removed; or given its name back.

use std::{
    ffi::OsString,
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, Stat},
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType},
};

/// How often a name is tried that was there, and was gone when it was looked at.
const TRIES: usize = 3;

/// The file of a socket of ours. Dropping it removes the file, if it still is the same one.
pub(crate) struct SocketFile(Entry);

impl SocketFile {
    /// Binds a socket to a path. A socket that nobody listens on any more gives way; everything else
    /// stays as it is. Nobody can connect before the socket listens, so that nobody sees the file
    /// with other permissions than `mode`.
    pub(super) fn bind(socket: impl AsFd, path: &Path, mode: u32) -> io::Result<Self> {
        let address = SocketAddrUnix::new(path)?;
        for _ in 0..TRIES {
            // bind(2) gives the file all that the mask leaves, whatever the directory's ACL adds.
            let mask = rustix::process::umask(Mode::from_raw_mode(!mode & 0o777));
            let bound = rustix::net::bind(&socket, &address);
            rustix::process::umask(mask);
            match bound {
                Ok(()) => return Entry::open(path).map(Self),
                Err(Errno::ADDRINUSE) => make_way(path)?,
                Err(e) => return Err(e.into()),
            }
        }
        Err(Errno::ADDRINUSE.into())
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(e) = self.0.remove_if(|_| true) {
            log::debug!("the socket's file stays: {e}");
        }
    }
}

/// What is at a path, unless it is a socket or nothing at all.
pub(super) fn other_than_socket(path: &Path) -> Option<&'static str> {
    let stat = rustix::fs::stat(path).ok()?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Socket => None,
        other => Some(name(other)),
    }
}

/// Removes a dead socket; fails where something else is.
fn make_way(path: &Path) -> io::Result<()> {
    let entry = match Entry::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let kind = FileType::from_raw_mode(entry.stat.st_mode);
    if kind != FileType::Socket {
        return Err(io::Error::other(format!("it is {}", name(kind))));
    }
    match entry.is_dead(path) {
        Ok(true) => {}
        Ok(false) => return Err(Errno::ADDRINUSE.into()),
        Err(e) => {
            let text = format!("it is a socket, perhaps one that is in use: {e}");
            return Err(io::Error::other(text));
        }
    }
    log::debug!("nobody listens on the socket that is there");
    entry
        .remove_if(|entry| matches!(entry.is_dead(path), Ok(true)))
        .map_err(|e| io::Error::other(format!("the dead socket there cannot be removed: {e}")))
}

pub(super) fn name(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "a regular file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a named pipe",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Socket => "a socket",
        FileType::Unknown => "something else than a socket",
    }
}

/// A name in a directory, and the file that had it when we looked.
struct Entry {
    directory: OwnedFd,
    name: OsString,
    file: OwnedFd,
    stat: Stat,
}

impl Entry {
    /// A symbolic link is not followed.
    fn open(path: &Path) -> io::Result<Self> {
        let Some(name) = path.file_name() else {
            return Err(io::Error::other("it is a directory"));
        };
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(CWD, parent, flags | OFlags::DIRECTORY, Mode::empty())?;
        let file = rustix::fs::openat(&directory, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
        let stat = rustix::fs::fstat(&file)?;
        Ok(Self {
            directory,
            name: name.to_owned(),
            file,
            stat,
        })
    }

    /// Whether nobody has bound it. Connecting a datagram socket tells: to a stream socket it fails
    /// with EPROTOTYPE before anybody could notice, and to a dead one with ECONNREFUSED.
    fn is_dead(&self, path: &Path) -> io::Result<bool> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let probe = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
        let held = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let mut answer = rustix::net::connect(&probe, &SocketAddrUnix::new(held)?);
        if answer == Err(Errno::NOENT) {
            // No /proc here.
            answer = rustix::net::connect(&probe, &SocketAddrUnix::new(path)?);
        }
        match answer {
            // A datagram socket, one that has another peer already, or one for streams.
            Ok(()) | Err(Errno::PERM | Errno::PROTOTYPE) => Ok(false),
            Err(Errno::CONNREFUSED) => Ok(true),
            Err(e) => Err(e.into()),
        }
    }

    /// Removes the file if it still has its name, and if `doomed` says so once it has it no more.
    fn remove_if(&self, doomed: impl FnOnce(&Self) -> bool) -> io::Result<()> {
        if !self.is_called(&self.name) {
            return Ok(());
        }
        let aside = OsString::from(format!(".oxnc-{}-{}", std::process::id(), self.stat.st_ino));
        self.rename(&self.name, &aside)?;
        if self.is_called(&aside) && doomed(self) {
            rustix::fs::unlinkat(&self.directory, &aside, AtFlags::empty())?;
            return Ok(());
        }
        self.rename(&aside, &self.name)
    }

    fn is_called(&self, name: &OsString) -> bool {
        rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|s| (s.st_dev, s.st_ino) == (self.stat.st_dev, self.stat.st_ino))
    }

    /// Never onto another file, where the file system can promise that.
    fn rename(&self, from: &OsString, to: &OsString) -> io::Result<()> {
        let (dir, flags) = (&self.directory, RenameFlags::NOREPLACE);
        match rustix::fs::renameat_with(dir, from, dir, to, flags) {
            Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::renameat(dir, from, dir, to)?,
            other => other?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::{
            fs::PermissionsExt as _,
            net::{UnixDatagram, UnixListener},
        },
    };

    use super::*;

    fn socket() -> OwnedFd {
        let flags = SocketFlags::CLOEXEC;
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap()
    }

    fn names(dir: &Path) -> Vec<OsString> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_made_with_its_mode_and_removed_with_its_guard() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        for mode in [0o600, 0o666, 0o777, 0o000] {
            let socket = socket();
            let file = SocketFile::bind(&socket, &path, mode).unwrap();
            assert_eq!(
                fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o7777,
                mode
            );
            drop(file);
            assert!(names(dir.path()).is_empty());
        }
    }

    #[test]
    fn only_a_dead_socket_gives_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        drop(UnixListener::bind(path("dead stream")).unwrap());
        drop(UnixDatagram::bind(path("dead datagram")).unwrap());
        for name in ["dead stream", "dead datagram"] {
            let bound = SocketFile::bind(socket(), &path(name), 0o600);
            assert!(bound.is_ok(), "{name}");
        }
        let listener = UnixListener::bind(path("stream")).unwrap();
        listener.set_nonblocking(true).unwrap();
        let _datagram = UnixDatagram::bind(path("datagram")).unwrap();
        fs::write(path("file"), "text").unwrap();
        fs::create_dir(path("directory")).unwrap();
        std::os::unix::fs::symlink(path("nowhere"), path("link")).unwrap();
        rustix::fs::mkfifoat(CWD, path("pipe"), Mode::RUSR).unwrap();
        let before = names(dir.path());
        let table = [
            ("stream", "in use"),
            ("datagram", "in use"),
            ("file", "it is a regular file"),
            ("directory", "it is a directory"),
            ("directory/", "it is a directory"),
            ("directory/..", "it is a directory"),
            ("link", "it is a symbolic link"),
            ("pipe", "it is a named pipe"),
            ("none/x", "No such file"),
            ("file/x", "Not a directory"),
        ];
        for (name, why) in table {
            let error = SocketFile::bind(socket(), &path(name), 0o600)
                .err()
                .unwrap();
            assert!(error.to_string().contains(why), "{name}: {error}");
        }
        assert_eq!(names(dir.path()), before);
        assert_eq!(fs::read(path("file")).unwrap(), b"text");
        let nobody = listener.accept().unwrap_err();
        assert_eq!(nobody.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn what_took_the_name_meanwhile_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let socket = socket();
        let file = SocketFile::bind(&socket, &path, 0o600).unwrap();
        fs::remove_file(&path).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        drop(file);
        assert_eq!(names(dir.path()), ["s"]);
        drop(other);
    }

    #[test]
    fn a_socket_that_came_to_life_gets_its_name_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        let entry = Entry::open(&path).unwrap();
        entry.remove_if(|_| false).unwrap();
        assert_eq!(names(dir.path()), ["s"]);
    }
}
