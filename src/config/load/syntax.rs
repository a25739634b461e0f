//! A TOML syntax error with line, column and caret, but without a secret.

use std::path::Path;

use toml::de::Error;

use super::fault::ConfigError;

/// Says where the text is not TOML.
pub(super) fn syntax_error(file: &Path, text: &str, error: &Error) -> ConfigError {
    let message = error.message().trim_end().replace('\n', ", ");
    let file = file.display();
    let Some(start) = error.span().map(|span| span.start.min(text.len())) else {
        return ConfigError::new(format!("{file}: is not TOML: {message}"));
    };
    let before = text.get(..start).unwrap_or_default();
    let number = before.matches('\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    let line = text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
    let line = without_secret(line);
    let gutter = " ".repeat(number.to_string().len());
    // A caret beyond what is left of the line would point at nothing.
    let indent = " ".repeat((column - 1).min(line.chars().count()));
    ConfigError::new(format!(
        "{file}: is not TOML at line {number}, column {column}: {message}\n\
         {gutter} |\n{number} | {line}\n{gutter} | {indent}^"
    ))
}

/// The line as far as it may be shown: of a key that may hold a secret, not its value.
fn without_secret(line: &str) -> String {
    let shown = |text: &str| text.replace(char::is_control, " ");
    let (key, value) = line.split_once('=').unwrap_or((line, ""));
    let letters: String = key.chars().filter(char::is_ascii_alphabetic).collect();
    let letters = letters.to_ascii_lowercase();
    let is_plain = !["tok", "url", "secret", "pass"].iter().any(|word| letters.contains(word))
        && !line.contains("://");
    match (is_plain, line.contains('=')) {
        (true, _) if value.len() <= 120 && key.len() <= 120 => shown(line),
        (_, true) if !key.contains("://") && key.len() <= 120 => format!("{}= …", shown(key)),
        _ => "…".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let error = DeTable::parse(text).unwrap_err();
        let message = syntax_error(Path::new("a.toml"), text, &error).to_string();
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains("s3cret"), "{message}");
    }

    #[test]
    fn the_caret_points_at_the_fault() {
        check("[poll]\ninterval = 60s\n", "line 2, column 1");
        check("[poll]\ninterval = 60s\n", "2 | interval = 60s\n  |            ^");
        check("[poll\n", "line 1, column 6");
        check("a = 1\na = 2\n", "line 2, column 1");
    }

    #[test]
    fn secrets_are_not_shown() {
        check("token = \"s3cret", "1 | token = …");
        check("tok en = \"s3cret\"", "1 | tok en = …");
        check("url = \"ws://ha/?token=s3cret", "1 | url = …");
        check("x = ws://me:s3cret@ha", "1 | x = …");
        check("\"ws://ha/?token=s3cret", "1 | …");
    }
}
