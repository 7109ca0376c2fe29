//! libvirt's `qemu+ssh://`, virt-viewer and their like: they ask the netcat on the other machine
//! whether it knows `-q`, and then talk to a daemon through it.

use tempfile::TempDir;

use super::nc;
use crate::util::{In, Peer, Running, Server, Spot, Tool, programs};

/// What libvirt has the shell of the other machine run (`virNetSocketNewConnectSSH`).
fn libvirt_line(nc: &str, socket: &str) -> String {
    format!(
        "if '{nc}' -q 2>&1 | grep \"requires an argument\" >/dev/null 2>&1; then ARG=-q0;else \
         ARG=;fi;'{nc}' $ARG -U {socket}"
    )
}

struct Scene {
    server: Server,
    files: TempDir,
}

impl Scene {
    fn new(server: Server) -> Self {
        let files = tempfile::tempdir().unwrap();
        Self { server, files }
    }

    fn nc(&self) -> String {
        nc(self.files.path())
    }

    fn start(&self, tool: Tool) -> (Running, Peer) {
        (tool.stdin(In::Pipe).start(), self.server.accept())
    }
}

/// Calls and answers, and then whoever called has had enough.
fn converses(mut run: Running, mut daemon: Peer) {
    for n in 1..=20 {
        let (call, answer) = (vec![b'c'; n * 100], vec![b'a'; n * 1000]);
        let before = run.stdout().count();
        run.write(&call);
        assert_eq!(daemon.recv(call.len()), call);
        daemon.send(&answer);
        run.stdout().wait_for(before + answer.len() as u64);
    }
    run.close_stdin();
    // It was asked whether it knows -q, and so it tells the end.
    assert_eq!(daemon.recv_all(), b"");
    daemon.close();
    run.wait().exits(0);
}

#[test]
fn libvirt_talks_to_its_daemon() {
    let scene = Scene::new(Server::at(Spot::new_socket()));
    let socket = scene.server.spot().path().display().to_string();
    let line = libvirt_line(&scene.nc(), &socket);
    let (run, daemon) = scene.start(Tool::program("sh", &["-c", &line]));
    converses(run, daemon);
}

#[test]
fn libvirt_talks_to_its_daemon_by_ssh() {
    needs!("root", "sshd", "ssh");
    let scene = Scene::new(Server::at(Spot::new_socket()));
    let (net, files) = (crate::util::Net::new(), scene.files.path());
    let _server = programs::sshd(&net, files);
    let socket = scene.server.spot().path().display().to_string();
    let line = libvirt_line(&scene.nc(), &socket).replace('\'', r"'\''");
    let line = format!("sh -c '{line}'");
    let words = ["-T", "-e", "none", "root@127.0.0.1", &line];
    let (run, daemon) = scene.start(net.tool(programs::ssh(files, &words)));
    converses(run, daemon);
}

#[test]
fn libvirt_may_leave_after_its_daemon() {
    let scene = Scene::new(Server::at(Spot::new_socket()));
    let socket = scene.server.spot().path().display().to_string();
    let line = libvirt_line(&scene.nc(), &socket);
    let (mut run, mut daemon) = scene.start(Tool::program("sh", &["-c", &line]));
    run.write(b"call");
    daemon.recv(4);
    daemon.send(b"answer");
    daemon.close();
    run.stdout().wait_for(6);
    run.close_stdin();
    run.wait().succeeds().wrote(b"answer");
}

#[test]
fn a_viewer_talks_to_a_port() {
    let scene = Scene::new(Server::new());
    let (nc, port) = (scene.nc(), scene.server.port());
    let line = format!(
        "if {nc} -q 2>&1 | grep \"requires an argument\" >/dev/null; then exec {nc} -q 0 127.0.0.1 \
         {port}; else exec {nc} 127.0.0.1 {port}; fi"
    );
    let (run, daemon) = scene.start(Tool::program("sh", &["-c", &line]));
    converses(run, daemon);
}
