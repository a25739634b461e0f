//! `[log]`: how much is logged, and in which form.

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// How much is logged, and in which form.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a tracing filter.
    pub level: String,
    /// Text for people or JSON for machines.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What a level looks like, for messages.
pub const EXPECTED_LEVEL: &str =
    "error, warn, info, debug, trace or a filter like \"info,hoymiles_bridge::push=debug\"";

/// The filter that `level` writes down.
///
/// A bare word that is no level is refused: a filter would take it for the name of a module, so
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

fn is_level(word: &str) -> bool {
    ["off", "error", "warn", "info", "debug", "trace"]
        .iter()
        .any(|level| level.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_word_of_five_or_a_filter() {
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
