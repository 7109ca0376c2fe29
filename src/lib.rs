//! A netcat whose exit status can be trusted.

pub mod cli;
pub mod plan;
