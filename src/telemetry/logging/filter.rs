//! Which events are logged. Pure.

use tracing_subscriber::EnvFilter;

use crate::config::log::{EXPECTED_LEVEL, parse_level};

/// Libraries that describe their inner life at levels that we use for ours.
const TALKATIVE: [&str; 9] = [
    "h2",
    "hyper",
    "hyper_util",
    "mio",
    "reqwest",
    "rustls",
    "tokio_modbus",
    "tokio_tungstenite",
    "tungstenite",
];

/// The filter of a level or of directives; libraries are heard from warnings on, unless named.
pub(super) fn filter(level: &str) -> Result<EnvFilter, String> {
    let filter = parse_level(level)
        .map_err(|wrong| format!("log level: {wrong}; expected {EXPECTED_LEVEL}"))?;
    let directives = || level.split(',').map(str::trim);
    let is_loud =
        |word: &str| ["info", "debug", "trace"].iter().any(|loud| loud.eq_ignore_ascii_case(word));
    if !directives().any(is_loud) {
        return Ok(filter);
    }
    let is_named = |library: &&str| {
        directives().any(|directive| directive.split(['=', ':', '[']).next() == Some(*library))
    };
    let caps = TALKATIVE.iter().filter(|library| !is_named(library));
    let all: Vec<String> =
        caps.map(|library| format!("{library}=warn")).chain([level.to_owned()]).collect();
    parse_level(&all.join(","))
}
