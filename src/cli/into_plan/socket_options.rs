//! The options of sockets: which of them go together, and in which order they are set.

use super::{super::socket_options::SocketOptions, exclude};
use crate::plan::{Scope, SecretSource, SocketOption};

impl SocketOptions {
    /// Options that nobody can have, those of other sockets, and those that mean nothing without
    /// another one.
    pub(super) fn check(&self, unix: bool) -> Result<(), String> {
        if self.rtable.is_some() {
            return Err(
                "option '-V': Linux has no such routing tables; 'ip netns exec', '--device' or \
                 '--sockopt socket:SO_MARK:N' with a rule for N do the same"
                    .to_owned(),
            );
        }
        if self.dccp {
            return Err("option '-Z': Linux has no DCCP any more (removed in 6.16)".to_owned());
        }
        let excluding = [
            (
                self.md5sig_key_file.is_some(),
                "--md5sig-key-file",
                self.md5sig_key_env.is_some(),
                "--md5sig-key-env",
            ),
            (self.md5sig, "-S", self.mptcp, "--mptcp"),
        ];
        exclude(&excluding)?;
        let options = self.in_order();
        let mut foreign = options
            .iter()
            .filter(|option| option.scope() > Scope::Socket);
        if let Some(option) = foreign.next().filter(|_| unix) {
            let name = option.name();
            return Err(format!("options '{name}' and '-U' exclude each other"));
        }
        let for_keys = [
            (self.md5sig_key_file.is_some(), "--md5sig-key-file"),
            (self.md5sig_key_env.is_some(), "--md5sig-key-env"),
        ];
        match for_keys.into_iter().find(|(given, _)| *given) {
            Some((_, name)) if !self.md5sig => Err(format!("option '{name}' needs '-S'")),
            _ => Ok(()),
        }
    }

    /// What cannot be changed any more about sockets that others have made.
    pub(super) fn check_inherited(&self) -> Result<(), String> {
        let fixed = [
            (self.mptcp, "--mptcp"),
            (self.md5sig, "-S"),
            (self.device.is_some(), "--device"),
        ];
        match fixed.into_iter().find(|(given, _)| *given) {
            Some((_, name)) => Err(format!(
                "option '{name}' needs a port: a socket that was passed in is what it is"
            )),
            None => Ok(()),
        }
    }

    /// In the order in which they are set: those without a name of their own have the last word.
    pub(in super::super) fn in_order(&self) -> Vec<SocketOption> {
        use SocketOption as O;

        let flag = |given: bool, option: O| given.then_some(option);
        let key = match (&self.md5sig_key_file, &self.md5sig_key_env) {
            (Some(file), _) => SecretSource::File(file.clone()),
            (None, Some(name)) => SecretSource::Environment(name.clone()),
            (None, None) => SecretSource::Terminal,
        };
        let named = [
            flag(self.mptcp, O::Mptcp),
            self.device.clone().map(O::Device),
            flag(self.broadcast, O::Broadcast),
            flag(self.md5sig, O::Md5Signature(key)),
            flag(self.socket_debug, O::Debug),
            self.tos.map(O::TrafficClass),
            self.recv_buffer.map(O::ReceiveBuffer),
            self.send_buffer.map(O::SendBuffer),
            self.ttl.map(O::HopLimit),
            self.min_ttl.map(O::MinHopLimit),
            self.keepalive
                .map(|times| O::Keepalive(times.unwrap_or_default())),
            flag(self.nodelay, O::NoDelay),
            self.user_timeout.map(O::UserTimeout),
            self.congestion.clone().map(O::Congestion),
        ];
        let others = self.sockopt.iter().cloned().map(O::Other);
        named.into_iter().flatten().chain(others).collect()
    }
}
