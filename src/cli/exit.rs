//! What commands print, and their exit status.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;

use crate::config::load::ConfigError;
use crate::problem::Problem;
use crate::sanitize::{escaped_json, escaped_lines};

/// A bad configuration: 2, and the message on standard error.
pub(super) fn bad_configuration(error: &ConfigError) -> ExitCode {
    say(&error.to_string());
    ExitCode::from(2)
}

/// A failure: 1, and the chain of causes on standard error.
pub(super) fn failed(error: &anyhow::Error) -> ExitCode {
    say(&format!("{error:#}"));
    ExitCode::FAILURE
}

/// A failure with a remedy: 1, and both on standard error.
pub(super) fn failed_with(problem: &Problem) -> ExitCode {
    say(&problem.to_string());
    ExitCode::FAILURE
}

/// A command line that clap does not accept, or a request for help: 2 or 0.
pub(super) fn usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        // Nobody is left to be told that standard error cannot be written.
        drop(error.print());
        return ExitCode::from(2);
    }
    print(&error.render().to_string()).map_or_else(|code| code, |()| ExitCode::SUCCESS)
}

/// 0 or 1.
pub(super) fn status(fine: bool) -> ExitCode {
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the result of a command, with invisible characters escaped. The error has been reported.
pub(super) fn print(text: &str) -> Result<(), ExitCode> {
    try_print(text).map_err(|error| failed(&error))
}

/// As [`print()`], for commands that report the error themselves.
pub(super) fn try_print(text: &str) -> anyhow::Result<()> {
    write(&escaped_lines(text))
}

/// Prints JSON, and a line break after it. The error has been reported.
pub(super) fn print_json(json: &str) -> Result<(), ExitCode> {
    write(&(escaped_json(json) + "\n")).map_err(|error| failed(&error))
}

/// Prints a table as it is. The error has been reported.
pub(super) fn print_raw(text: &str) -> Result<(), ExitCode> {
    write(text).map_err(|error| failed(&error))
}

/// A reader that has gone away (`| head`) is not an error.
fn write(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// Why the command fails.
pub(super) fn say(message: &str) {
    complain("error", message);
}

/// Something that the owner should mend although the command succeeds.
pub(super) fn warn(message: &str) {
    complain("warning", message);
}

/// Something that the owner should know.
pub(super) fn note(message: &str) {
    complain("note", message);
}

fn complain(kind: &str, message: &str) {
    let mut out = io::stderr().lock();
    drop(writeln!(out, "{kind}: {}", escaped_lines(message)));
}

/// A length of time for people.
pub(super) fn seconds(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unexpected_end_is_exit_1() {
        assert_eq!(status(false), ExitCode::from(1));
        assert_eq!(status(true), ExitCode::SUCCESS);
    }

    #[test]
    fn lengths_of_time_have_fitting_units() {
        let times = [0, 119, 120, 7_199, 7_200, 172_800].map(seconds);
        assert_eq!(times, ["0 s", "119 s", "2 min", "119 min", "2 h", "2 days"]);
    }
}
