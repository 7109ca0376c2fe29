//! Git: the script that `core.gitProxy` and `GIT_PROXY_COMMAND` name is started with a host and a
//! port; and what `GIT_SSH_COMMAND` says may have a `ProxyCommand`.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use tempfile::TempDir;

use super::{OXNC, nc};
use crate::util::{
    Digest, Done, Net, Running, Tool,
    data::random_bytes,
    programs::{sshd, tinyproxy},
};

/// A namespace with a repository that a daemon serves, to be read and written.
struct Scene {
    net: Net,
    files: TempDir,
    _daemon: Running,
}

impl Scene {
    fn new() -> Self {
        let (net, files) = (Net::new(), tempfile::tempdir().unwrap());
        let base = format!("--base-path={}", files.path().display());
        // `git daemon` would be a parent of it, and its death not the daemon's.
        let programs = git(files.path(), &["--exec-path"]);
        let programs = str::from_utf8(&programs.exits(0).stdout)
            .unwrap()
            .trim_end();
        let words = ["--verbose", "--export-all", "--enable=receive-pack"];
        let daemon = Tool::program(format!("{programs}/git-daemon"), &words);
        let daemon = daemon.args(&["--listen=127.0.0.1", &base]);
        let daemon = net.tool(without_settings(daemon)).start();
        daemon.stderr.wait_for_text("Ready to rumble");
        let scene = Self {
            net,
            files,
            _daemon: daemon,
        };
        git(scene.path(), &["init", "-q", "--bare", "there"]).exits(0);
        scene
    }

    fn path(&self) -> &Path {
        self.files.path()
    }

    /// A script that becomes this command.
    fn script(&self, command: &str) -> String {
        let path = self.path().join("proxy");
        let text = format!("#!/bin/sh\nexec {command} \"$1\" \"$2\"\n");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    /// A clone is made, gets a file and is pushed; another clone has the file.
    fn goes_there_and_comes_back(&self, url: &str, name: &str, setting: &str, options: &[&str]) {
        let git = |place: &str, words: &[&str]| {
            let place = self.path().join(place);
            let tool = Tool::program("git", &["-C"])
                .arg(place)
                .args(options)
                .args(words);
            let tool = self
                .net
                .tool(without_settings(tool).under(&["env", setting]));
            tool.run().exits(0);
        };
        let data = random_bytes(3 << 20, 7);
        git(".", &["clone", "-q", url, "one"]);
        fs::write(self.path().join("one").join(name), &data).unwrap();
        git("one", &["add", name]);
        git("one", &["commit", "-q", "-m", name]);
        git("one", &["push", "-q", url, "HEAD"]);
        git(".", &["clone", "-q", url, "two"]);
        let copy = self.path().join("two").join(name);
        assert_eq!(
            Digest::of_file(&copy),
            Digest::of(&data),
            "{setting} {options:?}"
        );
        for clone in ["one", "two"] {
            fs::remove_dir_all(self.path().join(clone)).unwrap();
        }
    }
}

fn git(place: &Path, words: &[&str]) -> Done {
    let tool = Tool::program("git", &["-C"]).arg(place).args(words);
    without_settings(tool).run()
}

/// Not those of the machine, and nobody's name.
fn without_settings(tool: Tool) -> Tool {
    tool.under(&[
        "env",
        "GIT_CONFIG_GLOBAL=/dev/null",
        "GIT_CONFIG_NOSYSTEM=1",
        "GIT_AUTHOR_NAME=a",
        "GIT_AUTHOR_EMAIL=a@example.com",
        "GIT_COMMITTER_NAME=a",
        "GIT_COMMITTER_EMAIL=a@example.com",
    ])
}

const URL: &str = "git://127.0.0.1/there";

#[test]
fn it_comes_by_a_script() {
    needs!("root", "git");
    let scene = Scene::new();
    for (name, command) in [("a", OXNC), ("b", &nc(scene.path()))] {
        let script = scene.script(command);
        let variable = format!("GIT_PROXY_COMMAND={script}");
        scene.goes_there_and_comes_back(URL, name, &variable, &[]);
        let (name, setting) = (format!("{name}2"), format!("core.gitProxy={script}"));
        scene.goes_there_and_comes_back(URL, &name, "A=b", &["-c", &setting]);
    }
}

/// After a push git ends its half; this proxy would close the other half then too.
#[test]
fn it_comes_by_a_script_through_a_proxy() {
    needs!("root", "git", "tinyproxy");
    let scene = Scene::new();
    let _proxy = tinyproxy(&scene.net, scene.path(), "");
    let ours = format!("{OXNC} --no-shutdown");
    for (name, command) in [("a", ours), ("b", nc(scene.path()))] {
        let script = scene.script(&format!("{command} -X connect -x 127.0.0.1:3128"));
        let variable = format!("GIT_PROXY_COMMAND={script}");
        scene.goes_there_and_comes_back(URL, name, &variable, &[]);
    }
}

#[test]
fn it_comes_by_ssh() {
    needs!("root", "git", "sshd", "ssh");
    let scene = Scene::new();
    let _server = sshd(&scene.net, scene.path());
    let place = scene.path().display();
    let url = format!("ssh://root@127.0.0.1:2222{place}/there");
    let ssh = format!(
        "GIT_SSH_COMMAND=ssh -F none -i {place}/key -o UserKnownHostsFile=/dev/null \
         -o StrictHostKeyChecking=no -o BatchMode=yes -o LogLevel=ERROR"
    );
    let pipe = format!("{ssh} -o ProxyCommand='{OXNC} %h %p'");
    scene.goes_there_and_comes_back(&url, "a", &pipe, &[]);
    let socket = format!("{ssh} -o ProxyCommand='{OXNC} -F %h %p' -o ProxyUseFdpass=yes");
    scene.goes_there_and_comes_back(&url, "b", &socket, &[]);
}
