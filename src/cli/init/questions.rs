//! Asks questions on standard output, and reads the answers from standard input, one line each.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Stdin, stdin};

use anyhow::{Context as _, bail};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::cli::exit;

/// In bytes. Nobody means a longer answer.
const LONGEST: u64 = 1_000;

/// Asks until the answer is one.
#[derive(Debug)]
pub(super) struct Questions {
    input: Stdin,
}

impl Questions {
    pub(super) fn of_stdin() -> Self {
        Self { input: stdin() }
    }

    /// An empty answer means `default`, if there is one.
    pub(super) fn ask<T>(
        &mut self,
        question: &str,
        default: &str,
        check: impl Fn(&str) -> Result<T, String>,
    ) -> anyhow::Result<T> {
        let brackets = if default.is_empty() { String::new() } else { format!(" [{default}]") };
        loop {
            let line = self.line(&format!("{question}{brackets}: "))?;
            let answer = line.trim();
            let answer = if answer.is_empty() { default } else { answer };
            let checked = if answer.is_empty() {
                Err("an answer is needed".to_owned())
            } else {
                check(answer)
            };
            match checked {
                Ok(value) => return Ok(value),
                Err(wrong) => exit::try_print(&format!("{wrong}\n"))?,
            }
        }
    }

    /// As it is typed, blanks included; invisible on a terminal.
    pub(super) fn ask_secret(&mut self, question: &str) -> anyhow::Result<String> {
        loop {
            let hidden = HiddenInput::new();
            let line = self.line(&format!("{question}: "))?;
            if hidden.is_some() {
                exit::try_print("\n")?;
            }
            if !line.is_empty() {
                return Ok(line);
            }
            exit::try_print("an answer is needed\n")?;
        }
    }

    pub(super) fn confirm(&mut self, question: &str, default: bool) -> anyhow::Result<bool> {
        let choices = if default { "[Y/n]" } else { "[y/N]" };
        loop {
            let answer = self.line(&format!("{question} {choices} "))?;
            match answer.trim().to_lowercase().as_str() {
                "" => return Ok(default),
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ => exit::try_print("answer y or n\n")?,
            }
        }
    }

    /// The next line without its end.
    fn line(&mut self, prompt: &str) -> anyhow::Result<String> {
        loop {
            exit::try_print(prompt)?;
            let mut bytes = Vec::new();
            let mut limited = self.input.lock().take(LONGEST);
            limited.read_until(b'\n', &mut bytes).context("cannot read the answer")?;
            if bytes.is_empty() {
                exit::try_print("\n")?;
                bail!("the input has ended before all questions were answered");
            }
            if !self.input.is_terminal() {
                exit::try_print("\n")?;
            }
            let line = String::from_utf8(bytes).unwrap_or_else(|_| "\u{fffd}".to_owned());
            let line = line.trim_end_matches(['\n', '\r']);
            if line.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
                exit::try_print("the answer has characters that are not text; type it again\n")?;
                continue;
            }
            return Ok(line.to_owned());
        }
    }
}

/// While it lives, the terminal does not show what is typed.
struct HiddenInput {
    input: Stdin,
    before: Termios,
}

impl HiddenInput {
    /// `None` if the input is no terminal.
    fn new() -> Option<Self> {
        let input = stdin();
        let before = tcgetattr(&input).ok()?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&input, OptionalActions::Now, &hidden).ok()?;
        Some(Self { input, before })
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing anyway.
        let _ = tcsetattr(&self.input, OptionalActions::Now, &self.before);
    }
}
