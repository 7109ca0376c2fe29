//! More tries to connect (`--retry`).

use super::{super::Words, exclude};
use crate::plan::Retry;

impl Words {
    /// Only streams are connected, and only who connects can try again.
    pub(super) fn check_retry(&self) -> Result<(), String> {
        let again = self.connecting.retry.is_some();
        exclude(&[
            (again, "--retry", self.listening.listen, "-l"),
            (again, "--retry", self.scan_option() == Some("-z"), "-z"),
            (again, "--retry", self.waiting.limit.is_some(), "--wait-for"),
            (again, "--retry", self.datagrams.udp, "-u"),
        ])?;
        if self.connecting.retry_delay.is_some() && !again {
            return Err("option '--retry-delay' needs '--retry'".to_owned());
        }
        Ok(())
    }

    pub(super) fn retry(&self) -> Option<Retry> {
        self.connecting.retry.map(|tries| Retry {
            tries,
            delay: self.connecting.retry_delay,
        })
    }
}
