//! What is written to standard output about ports.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use super::{
    Finding, Outlet, Rtts, Subject, json, measure,
    table::{Services, Table},
};
use crate::{net::ServiceNames, report::line};

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
    outlet: Outlet<F>,
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
        let outlet = Outlet::to(out);
        Self {
            format,
            services,
            table: Table::new(outlet.is_terminal()),
            outlet,
        }
    }

    /// What a test has found. It is kept back until `flush`.
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
        Ok(())
    }

    /// What one of several tries has found; at once, if it can be.
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
            self.outlet.push(line);
        }
    }

    /// Writes what was kept back, as far as it is read.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.outlet.flush()
    }

    /// The rest as well, unless nobody reads for so long, or until then.
    pub(crate) fn finish(&mut self, patience: Duration, until: Instant) -> io::Result<()> {
        self.outlet.finish(patience, until)
    }

    /// How much is kept back.
    pub(crate) fn backlog(&self) -> usize {
        self.outlet.len()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::OpenOptions,
        io::{PipeReader, PipeWriter, Read as _, pipe},
        thread,
    };

    use rustix::event::{PollFd, PollFlags};

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
        results.write(&open).unwrap();
        let error = results.flush().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_pipe_that_somebody_made_non_blocking_gets_everything() {
        let host = Host::parse("h").unwrap();
        let open = found(&host, 80, PortState::Open, &[]);
        let (reader, mut results) = piped(Format::Json);
        let writer = results.outlet.descriptor();
        rustix::io::ioctl_fionbio(writer, true).unwrap();
        let reading = thread::spawn(|| text(reader));
        for _ in 0..10_000 {
            results.write(&open).unwrap();
        }
        let long = Duration::from_secs(60);
        results.finish(long, Instant::now() + long).unwrap();
        drop(results);
        assert_eq!(reading.join().unwrap().lines().count(), 10_000);
    }
}
