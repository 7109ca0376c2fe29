//! Directories over a pipe, in either direction.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{OXNC, nc};
use crate::util::{Digest, Running, Tool, data::random_bytes};

/// A directory to be sent, and one to be received into.
struct Scene {
    files: TempDir,
}

const FILES: [(&str, usize); 4] = [
    ("empty", 0),
    ("small", 1),
    ("directory/large", 6 << 20),
    ("directory/deeper/odd", 70_001),
];

impl Scene {
    fn new() -> Self {
        let this = Self {
            files: tempfile::tempdir().unwrap(),
        };
        for ((name, size), seed) in FILES.into_iter().zip(0..) {
            let path = this.there("sent").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, random_bytes(size, seed)).unwrap();
        }
        fs::create_dir(this.there("received")).unwrap();
        this
    }

    fn there(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    fn path(&self) -> &Path {
        self.files.path()
    }

    /// A line of bash in the place of both directories; what comes from its pipelines counts.
    fn line(&self, line: &str) -> Tool {
        let script = format!("set -o pipefail; cd {}; {line}", self.path().display());
        Tool::program("bash", &["-c", &script])
    }

    /// A line that listens, and the port it got.
    fn listening(&self, line: &str) -> (Running, String) {
        let run = self.line(line).start();
        run.stderr.wait_for_text("\n");
        let port = String::from_utf8(run.stderr.so_far()).unwrap();
        (run, port.trim_end().to_owned())
    }

    fn everything_has_come(&self) {
        for ((name, size), seed) in FILES.into_iter().zip(0..) {
            let path = self.there("received").join(name);
            assert_eq!(
                Digest::of_file(&path),
                Digest::of(&random_bytes(size, seed)),
                "{name}"
            );
        }
        fs::remove_dir_all(self.there("received")).unwrap();
        fs::create_dir(self.there("received")).unwrap();
    }
}

#[test]
fn the_listener_extracts() {
    let scene = Scene::new();
    let nc = nc(scene.path());
    for (listen, connect) in [
        (format!("{OXNC} -l -d"), OXNC.to_owned()),
        (format!("{OXNC} -l"), format!("{OXNC} -q0")),
        (format!("{nc} -l"), format!("{nc} -N")),
        (format!("{nc} -dl"), format!("{nc} -q 1")),
    ] {
        let line = format!("{listen} --print-port 127.0.0.1 0 </dev/null | {UNPACK}");
        let (receiver, port) = scene.listening(&line);
        let line = format!("tar cf - -C sent . | {connect} 127.0.0.1 {port}");
        scene.line(&line).run().exits(0);
        receiver.wait().exits(0);
        scene.everything_has_come();
    }
}

/// GNU tar leaves behind the last record that it needs, which may be before the end of the data; who
/// writes to it then dies of SIGPIPE, as any filter.
const UNPACK: &str = "{ tar xf - -C received && cat >leftover; }";

#[test]
fn the_client_extracts() {
    let scene = Scene::new();
    let nc = nc(scene.path());
    for (listen, connect) in [
        (format!("{OXNC} -l"), format!("{OXNC} -d")),
        (format!("{OXNC} -lN"), OXNC.to_owned()),
        (format!("{nc} -N -l"), format!("{nc} -d")),
        // Debian's own loses most of it in this way.
        (format!("{nc} -lN"), format!("{nc} -N")),
    ] {
        let line = format!("tar cf - -C sent . | {listen} --print-port 127.0.0.1 0");
        let (sender, port) = scene.listening(&line);
        let line = format!("{connect} 127.0.0.1 {port} </dev/null | {UNPACK}");
        scene.line(&line).run().exits(0);
        sender.wait().exits(0);
        scene.everything_has_come();
    }
}
