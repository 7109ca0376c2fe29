//! Proxies as people run them: tinyproxy, microsocks, Dante and `ssh -D`; and OpenSSH, which comes
//! through them by `ProxyCommand`.

use std::{fs, net::SocketAddr, path::Path};

use tempfile::TempDir;

use crate::util::{
    Digest, In, Net, Out, Running, Server, Tool,
    data::{RandomFile, random_bytes},
    programs::{microsocks, ssh, ssh_echoes, sshd, tinyproxy},
    spawn,
};

const SIZE: u64 = 8 << 20;

/// A namespace with one proxy in it, and a server for it to connect to on both loopback addresses.
struct Scene {
    net: Net,
    options: &'static [&'static str],
    four: Server,
    six: Server,
    _proxies: Vec<Running>,
    files: TempDir,
}

const HTTP: &[&str] = &["-X", "connect", "-x", "127.0.0.1"];
const SOCKS4: &[&str] = &["-X", "4", "-x", "127.0.0.1"];
const SOCKS4A: &[&str] = &["-X", "4a", "-x", "127.0.0.1"];
const SOCKS5: &[&str] = &["-x", "127.0.0.1"];

impl Scene {
    fn new(
        options: &'static [&'static str],
        proxies: impl FnOnce(&Net, &Path) -> Vec<Running>,
    ) -> Self {
        let (net, files) = (Net::new(), tempfile::tempdir().unwrap());
        let serve = |address: &'static str| {
            net.inside(move || Server::on(address.parse::<SocketAddr>().unwrap()))
        };
        Self {
            four: serve("127.0.0.1:4000"),
            six: serve("[::1]:4000"),
            options,
            _proxies: proxies(&net, files.path()),
            net,
            files,
        }
    }

    fn tool(&self, host: &str) -> Tool {
        let tool = Tool::oxnc(&["-w", "10"]).args(self.options);
        self.net.tool(tool.args(&[host, "4000"]))
    }

    /// One direction after the other: most of these proxies close both when one ends.
    fn carries(&self, host: &str, server: &Server) {
        let file = RandomFile::new(SIZE, 1);
        let run = self.tool(host).stdin(In::File(file.path())).start();
        let received = Digest::of(&server.accept().recv_all());
        assert_eq!(received, file.digest, "{host}");
        run.wait().succeeds();

        let run = self.tool(host).arg("-d").stdout(Out::Digest).start();
        let data = random_bytes(1 << 20, 2);
        let mut peer = server.accept();
        // It waits for nobody to speak first.
        peer.send(&data);
        peer.close();
        let done = run.wait();
        assert_eq!(done.succeeds().digest, Digest::of(&data), "{host}");
    }

    /// Both directions at once.
    fn carries_both_ways(&self, host: &str, server: &Server) {
        let file = RandomFile::new(SIZE, 3);
        let run = self
            .tool(host)
            .stdin(In::File(file.path()))
            .stdout(Out::Digest)
            .start();
        let mut peer = server.accept();
        let mut sender = peer.twin();
        let data = random_bytes(1 << 20, 4);
        let expected = Digest::of(&data);
        let sending = spawn(move || {
            sender.send(&data);
            sender.half_close();
        });
        assert_eq!(Digest::of(&peer.recv_all()), file.digest);
        sending.join();
        assert_eq!(run.wait().succeeds().digest, expected);
    }

    /// A port that nobody listens on.
    fn names_a_closed_port(&self, host: &str) {
        let tool = Tool::oxnc(&["-w", "10"]).args(self.options);
        let done = self.net.tool(tool.args(&[host, "4001"])).run();
        done.fails(1, &[host, "port 4001", "the proxy 127.0.0.1"]);
    }

    fn refuses_us(&self) {
        let done = self.tool("127.0.0.1").run();
        done.fails(6, &["127.0.0.1 port 4000", "the proxy 127.0.0.1"]);
        assert!(!self.four.has_client_within(std::time::Duration::ZERO));
    }
}

fn dante(net: &Net, files: &Path) -> Running {
    let config = files.join("danted.conf");
    let text = "logoutput: stdout
        internal: 127.0.0.1 port = 1080
        external: lo
        clientmethod: none
        socksmethod: none
        user.privileged: root
        user.unprivileged: nobody
        client pass { from: 0/0 to: 0/0 }
        socks pass { from: 0/0 to: 0/0 }\n";
    fs::write(&config, text).unwrap();
    let tool = Tool::program("danted", &["-f"]).arg(config);
    let run = net.tool(tool).start();
    run.stdout().wait_for_text("running");
    run
}

fn ssh_socks(net: &Net, files: &Path) -> Vec<Running> {
    let server = sshd(net, files);
    let tool = ssh(
        files,
        &["-v", "-N", "-D", "127.0.0.1:1080", "root@127.0.0.1"],
    );
    let client = net.tool(tool).start();
    client
        .stderr
        .wait_for_text("listening on 127.0.0.1 port 1080");
    vec![client, server]
}

#[test]
fn tinyproxy_carries() {
    needs!("root", "tinyproxy");
    let scene = Scene::new(HTTP, |net, files| vec![tinyproxy(net, files, "")]);
    scene.carries("127.0.0.1", &scene.four);
    scene.carries("::1", &scene.six);
    scene.names_a_closed_port("127.0.0.1");
    scene.names_a_closed_port("::1");
}

#[test]
fn tinyproxy_wants_a_password() {
    needs!("root", "tinyproxy");
    let login = |net: &Net, files: &Path| vec![tinyproxy(net, files, "BasicAuth bob hunter2")];
    let scene = Scene::new(HTTP, login);
    scene.refuses_us();
    knows_the_password(scene);
}

#[test]
fn microsocks_carries() {
    needs!("root", "microsocks", "strace");
    let scene = Scene::new(SOCKS5, |net, _| vec![microsocks(net, &[])]);
    scene.carries("127.0.0.1", &scene.four);
    scene.carries("::1", &scene.six);
    scene.names_a_closed_port("127.0.0.1");
    scene.names_a_closed_port("::1");
}

#[test]
fn microsocks_wants_a_password() {
    needs!("root", "microsocks", "strace");
    let login = |net: &Net, _: &Path| vec![microsocks(net, &["-u", "bob", "-P", "hunter2"])];
    let scene = Scene::new(SOCKS5, login);
    // It says that it serves nobody without one, in the words for "no such method".
    let done = scene.tool("127.0.0.1").run();
    done.fails(1, &["127.0.0.1 port 4000", "password"]);
    knows_the_password(scene);
}

/// The right one and a wrong one, from a file and from the environment.
fn knows_the_password(mut scene: Scene) {
    let secret = scene.files.path().join("secret");
    fs::write(&secret, "bob:hunter2\n").unwrap();
    let word = format!("--proxy-auth-file={}", secret.display());
    let options = |more: &[&str]| -> &'static [&'static str] {
        // The test's own words live as long as the test.
        let words = scene.options.iter().chain(more);
        let words: Vec<&'static str> = words.map(|w| &*w.to_string().leak()).collect();
        words.leak()
    };
    let (file, variable) = (options(&[&word]), options(&["--proxy-auth-env=SECRET"]));
    scene.options = file;
    scene.carries("127.0.0.1", &scene.four);
    scene.carries("::1", &scene.six);
    fs::write(&secret, "bob:hunter3\n").unwrap();
    scene.refuses_us();
    scene.options = variable;
    for (value, code) in [("SECRET=bob:hunter2", 0), ("SECRET=bob:", 6)] {
        let run = scene.tool("127.0.0.1").under(&["env", value]).start();
        if code == 0 {
            scene.four.accept().close();
        }
        run.wait().exits(code);
    }
}

#[test]
fn dante_carries_socks4_and_socks5() {
    needs!("root", "danted");
    let mut scene = Scene::new(SOCKS5, |net, files| vec![dante(net, files)]);
    for options in [SOCKS4, SOCKS4A, SOCKS5] {
        scene.options = options;
        scene.carries("127.0.0.1", &scene.four);
        scene.carries_both_ways("127.0.0.1", &scene.four);
        scene.names_a_closed_port("127.0.0.1");
    }
}

#[test]
fn ssh_carries_socks4_and_socks5() {
    needs!("root", "sshd", "ssh");
    let mut scene = Scene::new(SOCKS5, ssh_socks);
    scene.carries("::1", &scene.six);
    for options in [SOCKS4, SOCKS4A, SOCKS5] {
        scene.options = options;
        scene.carries_both_ways("127.0.0.1", &scene.four);
        scene.names_a_closed_port("127.0.0.1");
    }
    // A name that the other side looks up.
    for options in [SOCKS4A, SOCKS5] {
        scene.options = options;
        scene.net.file("hosts", "127.0.0.1 localhost\n");
        scene.carries_both_ways("localhost", &scene.four);
    }
}

/// OpenSSH through `oxnc` with these options.
fn ssh_comes_through(net: &Net, files: &Path, options: &str) {
    let oxnc = env!("CARGO_BIN_EXE_oxnc");
    ssh_echoes(net, files, &format!("{oxnc} {options} %h %p"), &[]);
}

#[test]
fn ssh_comes_through_an_http_proxy() {
    needs!("root", "sshd", "ssh", "tinyproxy");
    let (net, files) = (Net::new(), tempfile::tempdir().unwrap());
    let _server = sshd(&net, files.path());
    let _proxy = tinyproxy(&net, files.path(), "");
    ssh_comes_through(&net, files.path(), "-X connect -x 127.0.0.1:3128");
}

#[test]
fn ssh_comes_through_a_socks5_proxy() {
    needs!("root", "sshd", "ssh", "microsocks", "strace");
    let (net, files) = (Net::new(), tempfile::tempdir().unwrap());
    let _server = sshd(&net, files.path());
    let _proxy = microsocks(&net, &[]);
    ssh_comes_through(&net, files.path(), "-X 5 -x 127.0.0.1:1080");
}

#[test]
fn ssh_comes_through_another_ssh() {
    needs!("root", "sshd", "ssh");
    let (net, files) = (Net::new(), tempfile::tempdir().unwrap());
    let _proxies = ssh_socks(&net, files.path());
    for kind in ["4", "4a", "5"] {
        ssh_comes_through(&net, files.path(), &format!("-X {kind} -x 127.0.0.1:1080"));
    }
}
