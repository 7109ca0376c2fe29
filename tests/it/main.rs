//! The finished binary, run as people run it: every test starts `oxnc` (or a peer of it), plays
//! the other end, and judges exit status, stdout and stderr by what the man page promises.
//!
//! House rules of this crate: no test sleeps to wait for something, every wait has a deadline,
//! ports are picked by the kernel, and children are ended by their own pid.

// A test says that something is wrong by panicking, and it is nobody's public interface.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub
)]

#[macro_use]
mod util;

mod callers;
mod conformance;
mod connect;
mod crowd;
mod cuts;
mod deaths;
mod drain;
mod ends;
mod faults;
mod first_process;
mod idle;
mod injected;
mod keep;
mod lines;
mod link;
mod listen;
mod md5sig;
mod memory;
mod names;
mod options;
mod pass_fd;
mod peers;
mod ports;
mod proxy;
mod proxy_login;
mod proxy_names;
mod real_proxies;
mod report;
mod retry;
mod scan;
mod scan_means;
mod send_only;
mod stdio;
mod telnet;
mod transfer;
mod udp;
mod udp_receivers;
mod unix;
mod unix_datagrams;
mod unix_file;
mod usage;
mod wait;
mod zero_copy;
