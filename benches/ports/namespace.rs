//! A network of our own: a loopback device, and nobody else on it.

use std::{
    env, fs,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
};

use crate::common::{Result, output};

/// Begins this program once more, in a network namespace that ends with it.
pub(crate) fn enter(filter: &str) -> Result<()> {
    // Root needs no user namespace, and may have none in a container.
    let flags = if rustix::process::geteuid().is_root() {
        "-n"
    } else {
        "-rn"
    };
    let error = Command::new("unshare")
        .args([flags, "--"])
        .arg(env::current_exe()?)
        .args(["inside", &own()?, filter])
        .exec();
    Err(format!("unshare: {error}").into())
}

/// Makes the namespace fit for use; `outside` is the one that we come from, where nothing is to be
/// measured.
pub(crate) fn set_up(outside: &str) -> Result<()> {
    if own()? == outside {
        return Err("not in a network namespace of its own".into());
    }
    sh("ip", &["link", "set", "lo", "up"])
}

/// Runs a program that has nothing to say.
pub(crate) fn sh(program: &str, words: &[&str]) -> Result<()> {
    let done = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{program}: {e}"))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(format!("{program} {}: {}", words.join(" "), said.trim()).into())
}

/// What a program inside tells.
pub(crate) fn told(program: &str, words: &[&str]) -> Result<String> {
    output(Path::new(program), words).map_err(|e| format!("{program}: {e}").into())
}

/// The namespace's name, as the kernel gives it: namespaces(7).
fn own() -> Result<String> {
    let link = fs::read_link("/proc/self/ns/net")?;
    Ok(link.to_string_lossy().into_owned())
}
