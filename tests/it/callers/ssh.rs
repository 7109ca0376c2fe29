//! OpenSSH: as a `ProxyCommand`, with and without `ProxyUseFdpass`, on a jump host, and in its own
//! tests.

use std::{fs, path::Path};

use tempfile::TempDir;

use super::{OXNC, nc};
use crate::util::{
    Digest, Done, Net, Running, Tool,
    data::RandomFile,
    programs::{microsocks, ssh, ssh_echoes, sshd, tinyproxy},
};

/// A namespace with an SSH server on port 2222 in it.
struct Scene {
    net: Net,
    files: TempDir,
    _server: Running,
}

impl Scene {
    fn new() -> Self {
        let (net, files) = (Net::new(), tempfile::tempdir().unwrap());
        let server = sshd(&net, files.path());
        Self {
            net,
            files,
            _server: server,
        }
    }

    fn path(&self) -> &Path {
        self.files.path()
    }

    fn echoes(&self, command: &str, options: &[&str]) {
        ssh_echoes(&self.net, self.path(), command, options);
    }

    fn gets_the_socket(&self, options: &str) {
        for program in [OXNC.to_owned(), nc(self.path())] {
            let command = format!("{program} -F {options} %h %p");
            self.echoes(&command, &["-o", "ProxyUseFdpass=yes"]);
        }
    }

    /// Waits until nothing is left of what ran on the server, `oxnc` among it.
    fn everybody_leaves(&self) {
        let name = self.net.name();
        let script = format!(
            "while for pid in $(ip netns pids {name}); do cat /proc/$pid/comm; done | grep -qxE 'oxnc|nc'
             do :; done"
        );
        Tool::program("sh", &["-c", &script]).run().exits(0);
    }
}

#[test]
fn it_is_given_the_socket() {
    needs!("root", "sshd", "ssh");
    let scene = Scene::new();
    scene.gets_the_socket("");
    scene.gets_the_socket("-w 5");
    scene.everybody_leaves();
}

#[test]
fn it_is_given_the_socket_that_leads_through_a_proxy() {
    needs!("root", "sshd", "ssh", "tinyproxy", "microsocks", "strace");
    let scene = Scene::new();
    let _http = tinyproxy(&scene.net, scene.path(), "");
    let _socks = microsocks(&scene.net, &[]);
    scene.gets_the_socket("-X connect -x 127.0.0.1:3128");
    scene.gets_the_socket("-X 5 -x 127.0.0.1:1080");
}

#[test]
fn it_says_why_it_was_given_no_socket() {
    needs!("root", "sshd", "ssh");
    let scene = Scene::new();
    let passes = |port: &str, fdpass: &str| {
        let command = format!("ProxyCommand={OXNC} -F %h {port}");
        let words = ["-o", &command, "-o", fdpass, "root@127.0.0.1", "true"];
        scene.net.tool(ssh(scene.path(), &words)).run()
    };
    let done = passes("2223", "ProxyUseFdpass=yes");
    done.exits(255);
    let said = "oxnc: cannot connect to 127.0.0.1 port 2223: Connection refused\n";
    assert!(done.stderr.starts_with(said), "{}", done.stderr);
    // The usual mistake.
    let done = passes("2222", "ProxyUseFdpass=no");
    done.exits(255);
    let said = "oxnc: standard output is a pipe; -F needs a Unix socket there, which OpenSSH gives \
                with ProxyUseFdpass=yes\n";
    assert!(done.stderr.starts_with(said), "{}", done.stderr);
}

#[test]
fn it_comes_by_way_of_a_pipe() {
    needs!("root", "sshd", "ssh");
    let scene = Scene::new();
    for options in ["", "-w 120", "-q0", "-q 0 -w 5"] {
        scene.echoes(&format!("{OXNC} {options} %h %p"), &[]);
        scene.echoes(&format!("{} {options} %h %p", nc(scene.path())), &[]);
    }
    scene.everybody_leaves();
}

#[test]
fn it_comes_by_way_of_a_jump_host() {
    needs!("root", "sshd", "ssh");
    let scene = Scene::new();
    let key = scene.path().join("key");
    let bastion = format!(
        "ssh -F none -p 2222 -i {} -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no \
         -o BatchMode=yes -o LogLevel=ERROR root@127.0.0.1",
        key.display()
    );
    for options in ["", "-w 120", "-q0"] {
        scene.echoes(&format!("{bastion} {OXNC} {options} %h %p"), &[]);
        let nc = nc(scene.path());
        scene.echoes(&format!("{bastion} {nc} {options} %h %p"), &[]);
    }
    scene.everybody_leaves();
}

/// A client that keeps a connection for others: `ssh -M`.
struct Master<'a> {
    scene: &'a Scene,
    socket: String,
    run: Running,
}

impl<'a> Master<'a> {
    fn new(scene: &'a Scene) -> Self {
        let socket = scene.path().join("control").display().to_string();
        let words = ["-v", "-N", "-M", "-S", &socket, "root@127.0.0.1"];
        let run = scene.net.tool(ssh(scene.path(), &words)).start();
        run.stderr.wait_for_text("Entering interactive session");
        Self { scene, socket, run }
    }

    /// `ssh -O forward`, for instance with `-L1:host:2`.
    fn forward(&self, what: &str) {
        let words = ["-S", &self.socket, "-O", "forward", what, "root@127.0.0.1"];
        let tool = ssh(self.scene.path(), &words);
        self.scene.net.tool(tool).run().exits(0);
    }

    fn leaves(self) {
        let words = ["-S", &self.socket, "-O", "exit", "root@127.0.0.1"];
        let tool = ssh(self.scene.path(), &words);
        self.scene.net.tool(tool).run().exits(0);
        // That is what it ends with when it was asked to.
        self.run.wait().exits(255);
    }
}

/// The two tests of `regress/multiplex.sh` that start a netcat, line by line.
#[test]
fn its_own_tests_of_multiplexing_pass() {
    needs!("root", "sshd", "ssh", "ss");
    let scene = Scene::new();
    let master = Master::new(&scene);
    multiplexes(&master, OXNC, 4240);
    multiplexes(&master, &nc(scene.path()), 4250);
    master.leaves();
}

fn multiplexes(master: &Master<'_>, program: &str, port: u16) {
    let (scene, place) = (master.scene, master.scene.path().display());
    let data = RandomFile::new(8 << 20, 6);
    let line = |script: &str| {
        let data = data.path();
        let script = format!(
            "NC='{program}' DATA={}; cd {place}; {script}",
            data.display()
        );
        Tool::program("sh", &["-c", &script])
    };
    let copied = |done: Done| {
        done.exits(0);
        let copy = scene.path().join("copy");
        assert_eq!(Digest::of_file(&copy), data.digest, "{}", done.stderr);
        fs::remove_file(copy).unwrap();
    };
    let (one, two) = (port + 1, port + 2);

    let tool = line(&format!(
        "exec $NC -N -l 127.0.0.1 {one} < $DATA > /dev/null"
    ));
    let server = scene.net.tool(tool).start();
    scene.net.sh(&format!(
        "until ss -ltnH 'sport = {one}' | grep -q .; do :; done"
    ));
    master.forward(&format!("-L127.0.0.1:{two}:127.0.0.1:{one}"));
    let tool = line(&format!("exec $NC 127.0.0.1 {two} < /dev/null > copy"));
    copied(scene.net.tool(tool).run());
    server.wait().exits(0);

    let name = |n| format!("unix-{port}-{n}.fwd");
    let (one, two, three) = (name(1), name(2), name(3));
    let server = line(&format!("exec $NC -N -Ul {one} < $DATA > /dev/null")).start();
    server.listens_on(one.as_ref());
    master.forward(&format!("-L{place}/{two}:{place}/{one}"));
    master.forward(&format!("-R{place}/{three}:{place}/{two}"));
    copied(line(&format!("exec $NC -U {three} < /dev/null > copy")).run());
    server.wait().exits(0);
}
