//! What is put around the ends of a conversation, as the plan asks for.

use crate::{
    plan,
    stream::{Lines, Stdio, Stream, Telnet},
};

/// Standard input and output for a stream of bytes.
pub(super) fn near(stdio: Stdio, plan: plan::Lines) -> Box<dyn Stream> {
    lines(stdio, plan, |lines| lines)
}

/// Standard input and output for datagrams, each a line if lines matter at all.
pub(super) fn near_datagrams(stdio: Stdio, plan: plan::Lines) -> Box<dyn Stream> {
    lines(stdio, plan, Lines::one_by_one)
}

/// A connection.
pub(super) fn far(stream: Box<dyn Stream>, telnet: bool) -> Box<dyn Stream> {
    if telnet {
        Box::new(Telnet::new(stream))
    } else {
        stream
    }
}

fn lines(stdio: Stdio, plan: plan::Lines, give: fn(Lines) -> Lines) -> Box<dyn Stream> {
    let stdio = Box::new(stdio);
    if !plan.matter() {
        return stdio;
    }
    let lines = Lines::new(stdio, plan.crlf, plan.interval);
    Box::new(give(lines))
}
