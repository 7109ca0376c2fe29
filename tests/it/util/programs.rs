//! Programs as people run them, in a namespace whose ports are all free: proxies, and an SSH server
//! with its client.

use std::{fs, path::Path};

use super::{In, Net, Out, Running, Tool, Trace, data::RandomFile};

/// An HTTP proxy on port 3128; `more` is more lines of its configuration.
pub fn tinyproxy(net: &Net, files: &Path, more: &str) -> Running {
    let config = files.join("tinyproxy.conf");
    let text = format!("Port 3128\nListen 127.0.0.1\nTimeout 60\nLogLevel Info\n{more}\n");
    fs::write(&config, text).unwrap();
    let tool = Tool::program("tinyproxy", &["-d", "-c"]).arg(config);
    let run = net.tool(tool).start();
    run.stdout().wait_for_text("Accepting connections");
    run
}

/// A SOCKS5 proxy on port 1080.
pub fn microsocks(net: &Net, options: &[&str]) -> Running {
    let tool = Tool::program("microsocks", &["-i", "127.0.0.1"]).args(options);
    // It does not say when it listens.
    let (trace, tool) = Trace::of(tool, &["--seccomp-bpf", "-e", "trace=listen"]);
    let run = net.tool(tool).start();
    trace.wait_for("listen(");
    run
}

/// An SSH server on port 2222 for whoever has the key `key` in `files`.
pub fn sshd(net: &Net, files: &Path) -> Running {
    for key in ["key", "host"] {
        let path = files.join(key);
        Tool::program("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(path)
            .run()
            .exits(0);
    }
    // Debian makes it when the machine starts.
    fs::create_dir_all("/run/sshd").unwrap();
    let config = files.join("sshd_config");
    let place = files.display();
    let text = format!(
        "Port 2222\nListenAddress 127.0.0.1\nListenAddress ::1\nHostKey {place}/host\n\
         AuthorizedKeysFile {place}/key.pub\nPidFile none\nStrictModes no\nUsePAM no\n\
         PasswordAuthentication no\nPermitRootLogin yes\n"
    );
    fs::write(&config, text).unwrap();
    // It wants to be called by its full name.
    let tool = Tool::program("/usr/sbin/sshd", &["-D", "-e", "-f"]).arg(config);
    let run = net.tool(tool).start();
    run.stderr.wait_for_text("listening on 127.0.0.1");
    run
}

/// An SSH client that knows the key, and no other settings.
pub fn ssh(files: &Path, options: &[&str]) -> Tool {
    let key = files.join("key");
    let tool = Tool::program("ssh", &["-F", "none", "-p", "2222", "-i"]).arg(key);
    tool.args(&["-o", "UserKnownHostsFile=/dev/null"])
        .args(&["-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes"])
        .args(options)
}

/// OpenSSH comes by `command` to the server of [`sshd`]: a file goes to `cat` there and comes back.
#[track_caller]
pub fn ssh_echoes(net: &Net, files: &Path, command: &str, options: &[&str]) {
    let file = RandomFile::new(8 << 20, 5);
    let command = format!("ProxyCommand={command}");
    let words = ["-o", &command, "-o", "LogLevel=ERROR"];
    let tool = ssh(files, &words).args(options);
    let tool = tool.args(&["root@127.0.0.1", "cat"]);
    let done = net
        .tool(tool)
        .stdin(In::File(file.path()))
        .stdout(Out::Digest)
        .run();
    done.exits(0);
    assert_eq!(done.digest, file.digest, "{command}: {}", done.stderr);
    assert_eq!(done.stderr, "", "{command}");
}
