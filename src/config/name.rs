//! Names of DTUs and targets: they stand in log lines, addresses of the API and labels of metrics.

use thiserror::Error;

use crate::letters::{is_unsafe, is_visible};

/// Longer names make log lines and metrics unreadable.
const LONGEST: usize = 64;

/// Why a name is none. The texts follow the name's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// It breaks the line, or more.
    #[error("has a line break or control character; expected plain text")]
    Control,
    /// Two names that look the same would be two, and one could pretend to be another.
    #[error(
        "has a character that cannot be seen, U+{:04X}; expected visible letters, so type the name \
         anew instead of pasting it",
        u32::from(*.0)
    )]
    Invisible(char),
    /// Nobody could find it in a log.
    #[error("is blank; expected letters or digits that can be seen")]
    Blank,
    /// Too long.
    #[error("is too long; expected at most {LONGEST} characters")]
    TooLong,
}

/// Whether `name` can be one.
pub fn check(name: &str) -> Result<(), NameError> {
    if name.chars().any(char::is_control) {
        return Err(NameError::Control);
    }
    if let Some(invisible) = name.chars().find(|&letter| is_unsafe(letter)) {
        return Err(NameError::Invisible(invisible));
    }
    if !name.chars().any(is_visible) {
        return Err(NameError::Blank);
    }
    if name.chars().count() > LONGEST { Err(NameError::TooLong) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_can_be_seen() {
        for name in
            ["Home Assistant", "Dach Süd/Nord (2.0)", "u\u{308}ber", "☀\u{fe0f}", "屋顶", "x"]
        {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        for (name, expected) in [
            ("two\nlines", NameError::Control),
            ("\u{1b}[31mred", NameError::Control),
            ("Home\u{200b}Assistant", NameError::Invisible('\u{200b}')),
            ("\u{202e}tnatsissA", NameError::Invisible('\u{202e}')),
            ("\u{feff}Home", NameError::Invisible('\u{feff}')),
            ("\u{3164}", NameError::Invisible('\u{3164}')),
            ("\u{a0}\u{3000} ", NameError::Blank),
            ("", NameError::Blank),
            (&"ü".repeat(65), NameError::TooLong),
        ] {
            assert_eq!(check(name), Err(expected), "{name:?}");
        }
        let said = NameError::Invisible('\u{200b}').to_string();
        assert!(said.contains("U+200B"), "{said}");
    }
}
