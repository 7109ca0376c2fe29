//! What is measured: where bytes come from, which way they go, and where they end.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// 127.0.0.1
    Tcp,
    /// A stream socket with a path.
    Unix,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    File,
    Pipe,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Null,
    Pipe,
    File,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub transport: Transport,
    pub input: Input,
    pub output: Output,
}

/// Every case, in the order of the table.
pub(crate) fn all() -> impl Iterator<Item = Case> {
    let ways = [
        (Input::File, Output::Null),
        (Input::Pipe, Output::Pipe),
        (Input::File, Output::File),
        (Input::Pipe, Output::File),
        (Input::File, Output::Pipe),
    ];
    let transports = [Transport::Tcp, Transport::Unix];
    transports.into_iter().flat_map(move |transport| {
        ways.map(|(input, output)| Case {
            transport,
            input,
            output,
        })
    })
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            Transport::Tcp => "tcp",
            Transport::Unix => "unix",
        };
        let input = match self.input {
            Input::File => "file",
            Input::Pipe => "pipe",
        };
        let output = match self.output {
            Output::Null => "/dev/null",
            Output::Pipe => "pipe",
            Output::File => "file",
        };
        write!(f, "{transport} {input} → {output}")
    }
}
