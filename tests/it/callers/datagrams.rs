//! statsd and syslog: a line that leaves at once and is not waited for, to a port or to a socket like
//! /dev/log; and `logger`, which sends such lines to us.

use std::os::unix::net::UnixDatagram;

use super::nc;
use crate::util::{DEADLINE, Spot, Tool, Udp, ms};

fn shell(line: &str) -> Tool {
    Tool::program("sh", &["-c", line])
}

#[test]
fn a_line_for_statsd_is_one_datagram() {
    let (statsd, files) = (Udp::new(), tempfile::tempdir().unwrap());
    let port = statsd.port();
    for program in [super::OXNC.to_owned(), nc(files.path())] {
        for options in ["-w0", "-w 0", "-w1", "-q0", "-q 1", "-N -w0"] {
            let line = format!("echo 'm:1|c' | {program} -u {options} 127.0.0.1 {port}");
            let done = shell(&line).run();
            done.exits(0);
            assert_eq!(
                (statsd.recv().as_slice(), done.stderr.as_str()),
                (&b"m:1|c\n"[..], "")
            );
        }
    }
    statsd.hears_nothing_for(ms(50));
}

/// `nc -w0` looks once whether stdin has something to say. Most of these are lost then.
#[test]
fn a_writer_may_be_late() {
    let (statsd, files) = (Udp::new(), tempfile::tempdir().unwrap());
    let port = statsd.port();
    for program in [super::OXNC.to_owned(), nc(files.path())] {
        for options in ["-w0", "-q0"] {
            for _ in 0..20 {
                let line = format!("(sleep .02; echo x) | {program} -u {options} 127.0.0.1 {port}");
                shell(&line).run().exits(0);
                assert_eq!(statsd.recv(), b"x\n");
            }
        }
    }
}

#[test]
fn none_of_many_is_lost() {
    let statsd = Udp::new();
    let (program, port) = (super::OXNC, statsd.port());
    let line = format!(
        "n=0; while [ $n -lt 200 ]; do
           echo \"m$n:1|c\" | {program} -u -w0 127.0.0.1 {port} || exit; n=$((n + 1))
         done"
    );
    shell(&line).run().exits(0);
    for n in 0..200 {
        assert_eq!(statsd.recv(), format!("m{n}:1|c\n").into_bytes());
    }
}

#[test]
fn a_line_for_syslog_goes_to_a_port_or_to_a_socket() {
    let (syslog, place) = (Udp::new(), Spot::new_socket());
    let files = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(place.path()).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    for program in [super::OXNC.to_owned(), nc(files.path())] {
        let to_port = format!("127.0.0.1 {}", syslog.port());
        let line = format!("echo '<13>backup: done' | {program} -u -w0 {to_port}");
        shell(&line).run().exits(0);
        assert_eq!(syslog.recv(), b"<13>backup: done\n");

        for options in ["-uU -w0", "-U -u -q0", "-w 1 -uU"] {
            let path = place.path().display();
            let line = format!("echo '<13>backup: done' | {program} {options} {path}");
            shell(&line).run().exits(0);
            let mut datagram = [0; 100];
            let n = socket.recv(&mut datagram).unwrap();
            assert_eq!(&datagram[..n], b"<13>backup: done\n");
        }
    }
}

#[test]
fn logger_sends_to_a_port_and_to_a_socket() {
    needs!("logger");
    let (run, port) = Tool::listen(&["-uk"]).start_listening();
    let port = port.to_string();
    for text in ["first", "second"] {
        let words = [
            "--udp",
            "-n",
            "127.0.0.1",
            "-P",
            &port,
            "-t",
            "backup",
            text,
        ];
        Tool::program("logger", &words).run().exits(0);
        run.stdout().wait_for_text(text);
    }
    let place = Spot::new_socket();
    let path = place.path().to_str().unwrap();
    let run = Tool::oxnc(&["-lukU", path]).start();
    let until = std::time::Instant::now() + DEADLINE;
    while UnixDatagram::unbound().unwrap().connect(path).is_err() {
        assert!(std::time::Instant::now() < until);
    }
    for text in ["third", "fourth"] {
        let words = ["-u", path, "-t", "backup", text];
        Tool::program("logger", &words).run().exits(0);
        run.stdout().wait_for_text(text);
    }
}
