//! What commands print, and their exit status.

use std::io::Write as _;
use std::process::ExitCode;

use crate::config::load::ConfigError;
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

/// 0 or 1.
pub(super) fn status(fine: bool) -> ExitCode {
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the result of a command, with invisible characters escaped.
pub(super) fn print(text: &str) {
    write(&escaped_lines(text));
}

/// Prints JSON, and a line break after it.
pub(super) fn print_json(json: &str) {
    write(&(escaped_json(json) + "\n"));
}

/// A reader that has gone away (`| head`) is not an error.
fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

pub(super) fn say(message: &str) {
    let mut out = std::io::stderr().lock();
    drop(writeln!(out, "error: {}", escaped_lines(message)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unexpected_end_is_exit_1() {
        assert_eq!(status(false), ExitCode::from(1));
        assert_eq!(status(true), ExitCode::SUCCESS);
    }
}
