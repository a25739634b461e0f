//! The commands.

pub mod healthcheck;

pub mod simulate;

/// Runs the command line.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
