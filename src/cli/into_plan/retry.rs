//! More tries to connect (`--retry`).

use super::{super::Words, exclude, too_many};
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
        if let (Some(None), false, [number, _, _]) =
            (self.connecting.retry, self.names.unix, &*self.operands)
            && number
                .to_str()
                .is_some_and(|word| word.parse::<u32>().is_ok())
        {
            let extra = too_many(number);
            let number = number.to_string_lossy();
            return Err(format!("{extra}; did you mean '--retry={number}'?"));
        }
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
