//! A configuration file and the environment over it.

use hoymiles_bridge::config::RecordsPerRead;
use hoymiles_bridge::config::describe;
use hoymiles_bridge::config::load::load_builtin;

/// Runs this fuzz target once.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // Lines behind a NUL are variables, `HTTP__LISTEN=...`.
    let (toml, variables) = text.split_once('\0').unwrap_or((&text, ""));
    let environment = variables.lines().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        Some((format!("HOYMILES__{name}"), value.to_owned()))
    });
    match load_builtin("fuzzed", toml, environment) {
        Ok(loaded) => {
            assert!(!loaded.config.dtus.is_empty() || describe(&loaded).contains("dtu"));
            for dtu in &loaded.config.dtus {
                assert!(dtu.interval_or(loaded.config.poll.interval).as_secs() >= 5);
                let records = dtu.records_per_read;
                assert!(!matches!(records, RecordsPerRead::Number(0 | 7..)), "{records:?}");
            }
        }
        Err(error) => {
            let error = error.to_string();
            let names_place = error.contains("fuzzed") || error.contains("environment: HOYMILES__");
            assert!(names_place, "where is it? {error}");
        }
    }
}
