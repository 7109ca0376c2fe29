//! What is written to standard output about ports.

use std::{
    io::{self, Write as _},
    os::fd::{AsFd, BorrowedFd},
};

use rustix::{
    event::{PollFd, PollFlags},
    io::Errno,
};

use super::{
    Finding, Rtts, Subject, json, measure, progress,
    table::{Services, Table},
};
use crate::{net::ServiceNames, report::line};

/// So much is written at once.
const CHUNK: usize = 64 * 1024;

/// As what the results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Not at all.
    Nothing,
    /// The open ports, one on a line, in words that scripts can split.
    Table,
    /// Every port, as a JSON object on a line.
    Json,
}

/// Writes results to a descriptor, which is standard output's. `std::io::stdout()` would not tell
/// whether they can be written.
#[derive(Debug)]
pub(crate) struct Results<F = BorrowedFd<'static>> {
    format: Format,
    services: Services,
    table: Table,
    buffer: Vec<u8>,
    out: F,
    is_terminal: bool,
}

impl Results {
    /// For standard output. `numeric` says that ports have no names (`-n`), `datagrams` whose they have.
    pub(crate) fn new(format: Format, numeric: bool, datagrams: bool) -> Self {
        let named = format != Format::Nothing && !numeric;
        let services = named.then(|| ServiceNames::new(datagrams));
        Self::to(rustix::stdio::stdout(), format, services)
    }
}

impl<F: AsFd> Results<F> {
    fn to(out: F, format: Format, services: Services) -> Self {
        let is_terminal = rustix::termios::isatty(&out);
        Self {
            format,
            services,
            table: Table::new(is_terminal),
            buffer: Vec::new(),
            out,
            is_terminal,
        }
    }

    /// What a test has found. It may be kept back until `flush`.
    pub(crate) fn write(&mut self, finding: &Finding<'_>) -> io::Result<()> {
        match self.format {
            Format::Nothing => return Ok(()),
            Format::Table => {
                let line = self.table.line(finding, &mut self.services);
                self.take(line.as_deref().unwrap_or_default());
            }
            Format::Json => {
                let line = json::line(finding, &mut self.services, None)?;
                self.take(&line);
            }
        }
        if self.buffer.len() < CHUNK {
            return Ok(());
        }
        self.flush()
    }

    /// What one of several tries has found; at once.
    pub(crate) fn write_try(&mut self, number: u64, finding: &Finding<'_>) -> io::Result<()> {
        match self.format {
            Format::Nothing => return Ok(()),
            Format::Table => self.take(&measure::line(number, finding)),
            Format::Json => {
                let line = json::line(finding, &mut self.services, Some(number))?;
                self.take(&line);
            }
        }
        self.flush()
    }

    /// The end of several tries. JSON is for results alone, so these lines are for people then.
    pub(crate) fn measured(
        &mut self,
        subject: &Subject<'_>,
        tries: u64,
        rtts: &Rtts,
    ) -> io::Result<()> {
        let lines = measure::closing(subject, tries, rtts);
        match self.format {
            Format::Nothing => return Ok(()),
            Format::Table => lines.iter().for_each(|line| self.take(line)),
            Format::Json => lines.iter().for_each(|text| line(text)),
        }
        self.flush()
    }

    fn take(&mut self, line: &str) {
        if !line.is_empty() {
            self.buffer.extend_from_slice(line.as_bytes());
            self.buffer.push(b'\n');
        }
    }

    /// Writes what was kept back.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.buffer);
        let mut out = Raw(&self.out);
        match self.is_terminal {
            true => progress::aside(|| out.write_all(&bytes)),
            false => out.write_all(&bytes),
        }
    }
}

/// A descriptor that others may have made non-blocking.
struct Raw<'a, F>(&'a F);

impl<F: AsFd> io::Write for Raw<'_, F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::io::write(self.0, bytes) {
                Err(Errno::AGAIN) => {
                    let mut fds = [PollFd::new(self.0, PollFlags::OUT)];
                    rustix::event::poll(&mut fds, None)?;
                }
                other => return Ok(other?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::OpenOptions,
        io::{PipeReader, PipeWriter, Read as _, pipe},
        thread,
        time::Duration,
    };

    use super::*;
    use crate::{outcome::PortState, plan::Host, report::scan::tests::found};

    fn piped(format: Format) -> (PipeReader, Results<PipeWriter>) {
        let (reader, writer) = pipe().unwrap();
        (reader, Results::to(writer, format, None))
    }

    fn text(mut reader: PipeReader) -> String {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn results_are_kept_back_until_they_are_flushed() {
        let host = Host::parse("h").unwrap();
        let open = found(&host, 80, PortState::Open, &[]);
        let (reader, mut results) = piped(Format::Table);
        results.write(&open).unwrap();
        let mut fds = [PollFd::new(&reader, PollFlags::IN)];
        let ready = rustix::event::poll(&mut fds, Some(&Default::default())).unwrap();
        assert_eq!(ready, 0, "nothing was written yet");
        results.flush().unwrap();
        drop(results);
        assert_eq!(text(reader), "h 80/tcp open - 0.043ms\n");
    }

    #[test]
    fn nothing_is_nothing() {
        let host = Host::parse("h").unwrap();
        let open = found(&host, 80, PortState::Open, &[]);
        let (reader, mut results) = piped(Format::Nothing);
        results.write(&open).unwrap();
        results.write_try(1, &open).unwrap();
        results
            .measured(&open.subject, 1, &Rtts::default())
            .unwrap();
        results.flush().unwrap();
        drop(results);
        assert_eq!(text(reader), "");
    }

    #[test]
    fn tries_are_written_at_once() {
        let host = Host::parse("h").unwrap();
        let open = found(&host, 80, PortState::Open, &[]);
        let (reader, mut results) = piped(Format::Table);
        results.write_try(1, &open).unwrap();
        let mut rtts = Rtts::default();
        rtts.add(Duration::from_micros(43));
        results.measured(&open.subject, 1, &rtts).unwrap();
        // Nothing is written by dropping it.
        drop(results);
        assert_eq!(
            text(reader),
            "h port 80/tcp: try 1: open, 0.043 ms\n\
             h port 80/tcp: 1 try, 1 answered, 0% loss\n\
             rtt min/avg/max/mdev = 0.043/0.043/0.043/0.000 ms\n"
        );
    }

    #[test]
    fn a_full_disk_and_a_reader_that_left_are_errors() {
        let host = Host::parse("h").unwrap();
        let open = found(&host, 80, PortState::Open, &[]);
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut results = Results::to(full, Format::Json, None);
        results.write(&open).unwrap();
        let error = results.flush().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
        let (reader, mut results) = piped(Format::Json);
        drop(reader);
        results.write(&open).unwrap();
        let error = results.flush().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        // However often it is tried.
        let error = (0..CHUNK).find_map(|_| results.write(&open).err());
        assert_eq!(error.map(|e| e.kind()), Some(io::ErrorKind::BrokenPipe));
    }

    #[test]
    fn a_pipe_that_somebody_made_non_blocking_gets_everything() {
        let host = Host::parse("h").unwrap();
        let open = found(&host, 80, PortState::Open, &[]);
        let (reader, mut results) = piped(Format::Json);
        rustix::io::ioctl_fionbio(&results.out, true).unwrap();
        let reading = thread::spawn(|| text(reader));
        for _ in 0..10_000 {
            results.write(&open).unwrap();
        }
        results.flush().unwrap();
        drop(results);
        assert_eq!(reading.join().unwrap().lines().count(), 10_000);
    }
}
