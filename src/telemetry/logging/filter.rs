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

/// Libraries that write whole URLs at trace level, tokens and all. Nobody can make them talk.
const INDISCREET: [&str; 2] = ["tokio_tungstenite", "tungstenite"];

/// The filter of a level or of directives; libraries are heard from warnings on, unless named.
pub(super) fn filter(level: &str) -> Result<EnvFilter, String> {
    parse_level(level).map_err(|wrong| format!("log level: {wrong}; expected {EXPECTED_LEVEL}"))?;
    let name = |directive: &str| directive.split(['=', ':', '[']).next().unwrap_or("").to_owned();
    let all = level.split(',').map(str::trim);
    let directives: Vec<&str> =
        all.filter(|one| !INDISCREET.contains(&name(one).as_str())).collect();
    let is_loud =
        |word: &&str| ["info", "debug", "trace"].iter().any(|loud| loud.eq_ignore_ascii_case(word));
    let is_capped = directives.iter().any(is_loud);
    let is_named = |library: &str| directives.iter().any(|one| name(one) == library);
    let caps = TALKATIVE.iter().filter(|library| is_capped && !is_named(library));
    let kept: Vec<String> = caps
        .map(|library| format!("{library}=warn"))
        .chain(directives.iter().map(|&one| one.to_owned()))
        .collect();
    parse_level(&kept.join(","))
}
