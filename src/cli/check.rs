//! `check`: reads and validates the configuration, prints what would run.

use std::process::ExitCode;

use super::{Global, exit, run};
use crate::config::load::describe;

/// Prints what would run.
pub(super) fn check(global: &Global) -> ExitCode {
    match run::loaded(global) {
        Ok(loaded) => {
            exit::print(&describe(&loaded));
            ExitCode::SUCCESS
        }
        Err(error) => exit::bad_configuration(&error),
    }
}
