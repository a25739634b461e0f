//! Makes text from outside safe for a terminal: which characters are visible, and escaping. Pure.

use std::fmt::{self, Write};

/// Whether a character breaks the line, moves the cursor, reverses the order of the text or is
/// invisible. Emoji selectors are safe.
pub fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0d}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a character is visible by itself: no blank, no selector, nothing unsafe.
pub fn is_visible(character: char) -> bool {
    !is_unsafe(character)
        && !character.is_whitespace()
        && !matches!(character, '\u{2800}' | '\u{fe0e}' | '\u{fe0f}')
}

/// Writes to `W` with every unsafe character escaped, as `\n` or `\u{202e}`.
#[derive(Debug)]
pub struct Escaped<W>(pub W);

impl<W: Write> Write for Escaped<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(index) = rest.find(is_unsafe) {
            let (safe, tail) = rest.split_at(index);
            self.0.write_str(safe)?;
            let mut characters = tail.chars();
            if let Some(character) = characters.next() {
                write!(self.0, "{}", character.escape_default())?;
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
}

/// The text in one line, with unsafe characters escaped.
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    // Writing to a string cannot fail.
    let _ = Escaped(&mut shown).write_str(text);
    shown
}

/// As [`escaped`], but keeping line breaks.
pub fn escaped_lines(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| match line.strip_suffix('\n') {
            Some(line) => escaped(line) + "\n",
            None => escaped(line),
        })
        .collect()
}

/// The same JSON, with unsafe characters in its strings as `\uXXXX`.
pub fn escaped_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        // JSON has line breaks only outside of strings.
        if character == '\n' || !is_unsafe(character) {
            shown.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_escaped_and_visible_ones_kept() {
        for (text, expected) in [
            (
                "Dach Süd ☀\u{fe0f} Zoë/u\u{308} 屋顶 بيت",
                "Dach Süd ☀\u{fe0f} Zoë/u\u{308} 屋顶 بيت",
            ),
            ("a\u{202e}b\u{2066}c", "a\\u{202e}b\\u{2066}c"),
            ("a\u{200b}\u{200d}\u{feff}\u{ad}b", "a\\u{200b}\\u{200d}\\u{feff}\\u{ad}b"),
            ("a\nb\r\u{1b}[31m", "a\\nb\\r\\u{1b}[31m"),
            ("\u{e0041}", "\\u{e0041}"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn escaping_keeps_line_breaks_and_the_meaning_of_json() {
        assert_eq!(escaped_lines("a\u{202e}\nb\r\n\nc"), "a\\u{202e}\nb\\r\n\nc");
        let value = serde_json::json!({"a": "x\u{202e}\u{e0041}\u{feff}\ny ü"});
        let shown = escaped_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!shown.contains(|c| c != '\n' && is_unsafe(c)), "{shown:?}");
        assert!(shown.contains('ü'), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }

    #[test]
    fn blanks_of_all_kinds_are_invisible() {
        for blank in " \t\u{a0}\u{2003}\u{3000}\u{2800}\u{3164}\u{200b}\u{fe0f}".chars() {
            assert!(!is_visible(blank), "{blank:?}");
        }
        assert!("aü屋☀.".chars().all(is_visible));
    }
}
