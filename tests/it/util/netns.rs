//! Network namespaces of the test's own: any address, any port, and packets that get lost.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{In, Tool, spawn};

/// A network namespace with its loopback device up; deleted when dropped. Needs root.
pub struct Net {
    name: String,
}

impl Net {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("oxnc-{}-{count}", std::process::id());
        sh(&format!(
            "ip netns add {name} && ip -n {name} link set lo up"
        ));
        Self { name }
    }

    /// As `ip netns` knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Two namespaces and a cable: 192.0.2.1 and fe80::1 on `v1` in the first, 192.0.2.2 and
    /// fe80::2 on `v2` in the second.
    pub fn pair() -> (Self, Self) {
        let (one, two) = (Self::new(), Self::new());
        sh(&format!(
            "ip -n {one} link add v1 type veth peer name v2 netns {two}",
            one = one.name,
            two = two.name
        ));
        for (net, device, n) in [(&one, "v1", 1), (&two, "v2", 2)] {
            net.sh(&format!(
                "ip link set {device} addrgenmode none
                 ip link set {device} up
                 ip addr add 192.0.2.{n}/24 dev {device}
                 ip addr add fe80::{n}/64 dev {device} nodad"
            ));
            net.routed(&format!("fe80::{n} oif {device}"));
        }
        (one, two)
    }

    /// Runs shell lines inside; any that fails fails the test.
    pub fn sh(&self, script: &str) {
        let script = format!("set -e\n{script}");
        let done = self.tool(Tool::program("sh", &["-c", &script])).run();
        assert!(done.status.success(), "{script}: {}", done.stderr);
    }

    /// Waits until the kernel knows the way to an IPv6 address. It learns it a moment after the
    /// address, in a work queue (`addrconf_dad_work`, Linux 6.18).
    pub fn routed(&self, address: &str) {
        self.sh(&format!(
            "until ip -6 route get {address} >/dev/null 2>&1; do :; done"
        ));
    }

    /// Puts packet filter rules in force: the inside of the input chain.
    pub fn drop_input(&self, rules: &str) {
        let chain = "type filter hook input priority 0";
        let table =
            format!("flush ruleset\ntable inet t {{\nchain input {{\n{chain}\n{rules}\n}}\n}}\n");
        let done = self
            .tool(Tool::program("nft", &["-f", "-"]))
            .stdin(In::Bytes(table.clone().into_bytes()))
            .run();
        assert!(done.status.success(), "{table}: {}", done.stderr);
    }

    /// A program to be run inside. It sees the files given with [`Net::file`] in place of those
    /// in `/etc`.
    pub fn tool(&self, tool: Tool) -> Tool {
        tool.under(&["ip", "netns", "exec", &self.name])
    }

    /// What programs inside are to see as `/etc/NAME`.
    pub fn file(&self, name: &str, text: &str) {
        // The end of another namespace may remove /etc/netns just before it is used.
        let made = (0..100).any(|_| fs::create_dir_all(self.files()).is_ok());
        assert!(made, "no directory in /etc/netns");
        fs::write(self.files().join(name), text).expect("a file in /etc/netns");
    }

    /// Does something inside that makes sockets; they stay inside wherever they are used.
    pub fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let name = self.name.clone();
        // On a thread of its own, which never comes back out.
        spawn(move || {
            let place = fs::File::open(format!("/run/netns/{name}")).expect("the namespace");
            move_into_link_name_space(
                std::os::fd::AsFd::as_fd(&place),
                Some(LinkNameSpaceType::Network),
            )
            .expect("setns");
            work()
        })
        .join()
    }

    fn files(&self) -> PathBuf {
        PathBuf::from("/etc/netns").join(&self.name)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.files());
        // Another namespace's files may be there; then it stays.
        let _ = fs::remove_dir("/etc/netns");
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
    }
}

fn sh(script: &str) {
    let done = Tool::program("sh", &["-c", script]).run();
    assert!(done.status.success(), "{script}: {}", done.stderr);
}
