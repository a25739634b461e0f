//! `[log]`: how much is logged, and in which format.

use tracing_subscriber::EnvFilter;

use super::section::section;
use super::types::{Level, Word};

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

impl Word for LogFormat {
    const ALL: &'static [Self] = &[Self::Text, Self::Json];

    fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// What a level looks like, for messages.
pub(crate) const EXPECTED_LEVEL: &str =
    "error, warn, info, debug, trace or a filter like \"info,hoymiles_bridge::push=debug\"";

/// The filter that `level` describes.
///
/// A bare word that is not a level is refused: a filter would take it for the name of a module, so
/// that `level = "verbose"` would silence the log.
pub(crate) fn parse_level(level: &str) -> Option<EnvFilter> {
    let directives: Vec<&str> = level.split(',').map(str::trim).collect();
    let is_valid = |directive: &&str| directive.contains(['=', '[']) || is_level(directive);
    let filter = EnvFilter::builder().parse(directives.join(","));
    filter.ok().filter(|_| directives.iter().all(is_valid))
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
            assert!(parse_level(level).is_some(), "{level}");
        }
        for level in ["", "verbose", "info,verbose", "hoymiles_bridge=loud", "info,,"] {
            assert!(parse_level(level).is_none(), "{level}");
        }
    }
}
