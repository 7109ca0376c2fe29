//! What is found goes to stdout and stderr, and is counted.

use std::io;

use super::{Roster, course::Verdict};
use crate::{
    outcome::{PortState, Status, Tally},
    plan::{Goal, Personality, Plan, Probe, Scan, Targets},
    report::{Cause, Finding, Format, Progress, Report, Results},
};

pub(super) struct Teller<'a> {
    pub roster: &'a Roster<'a>,
    pub report: Report,
    pub scan: &'a Scan,
    pub tally: Tally,
    /// Whose words and exit status the run has.
    personality: Personality,
    banner: bool,
    results: Results,
    progress: Progress,
    /// Why stdout could not be written.
    failed: Option<io::Error>,
}
