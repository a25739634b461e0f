//! `[log]`: how much is logged, and in which format.

use std::borrow::Cow;

use tracing_subscriber::EnvFilter;

use super::section::{Kind, section};
use super::types::{Level, parse_word};

section! {
    /// How much is logged, and in which format.
    pub struct LogConfig {
        /// "error", "warn", "info", "debug", "trace", or a filter such as
        /// `info,hoymiles_bridge::push=debug`.
        level: String as Level = "info".to_owned(),
        /// "text" for people, "json" for machines.
        format: LogFormat as LogFormat = LogFormat::Text,
    }
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Kind for LogFormat {
    type Value = Self;

    fn expected() -> Cow<'static, str> {
        "\"text\" or \"json\"".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        parse_word::<Self, 2>(text, [("text", Self::Text), ("json", Self::Json)])
    }

    fn show(value: &Self) -> String {
        match value {
            Self::Text => "\"text\"".to_owned(),
            Self::Json => "\"json\"".to_owned(),
        }
    }
}

/// The filter that `level` describes.
///
/// A bare word that is not a level is refused: a filter would take it for the name of a module, so
/// that `level = "verbose"` would silence the log.
pub fn parse_level(level: &str) -> Result<EnvFilter, String> {
    let directives: Vec<&str> = level.split(',').map(str::trim).collect();
    let wrong =
        directives.iter().find(|directive| !directive.contains(['=', '[']) && !is_level(directive));
    if let Some(wrong) = wrong {
        return Err(format!("{wrong:?} is not a level"));
    }
    EnvFilter::builder().parse(directives.join(",")).map_err(|error| error.to_string())
}

/// What a level looks like, for messages.
pub fn expected_level() -> Cow<'static, str> {
    Level::expected()
}

fn is_level(word: &str) -> bool {
    ["off", "error", "warn", "info", "debug", "trace"]
        .iter()
        .any(|level| level.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_word_or_a_filter() {
        for level in
            ["info", "DEBUG", "off", "info, hoymiles_bridge::push=debug", "warn,[poll]=trace"]
        {
            assert!(parse_level(level).is_ok(), "{level}");
        }
        for level in ["", "verbose", "info,verbose", "hoymiles_bridge=loud", "info,,"] {
            assert!(parse_level(level).is_err(), "{level}");
        }
    }
}
