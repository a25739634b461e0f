//! The log: one line an event, as text for people or JSON for machines.
//!
//! Nothing that is logged can break a line in two or colour the terminal, and no reader that has
//! stalled or gone away can hold up the bridge.

mod filter;
mod line;
mod output;

use std::io::{IsTerminal as _, stderr, stdout};
use std::os::fd::AsFd;
use std::panic::{PanicHookInfo, set_hook};

use anyhow::{Context as _, anyhow};
use jiff::tz::TimeZone;
use tracing::subscriber::set_global_default;
use tracing::{Subscriber, error};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt};

use self::line::LineFormat;
use self::output::Output;
use crate::clock::WallClock;
use crate::config::LogFormat;

/// Logs to standard output from now on, with times of the system's zone.
pub fn init(level: &str, format: LogFormat) -> anyhow::Result<()> {
    init_in(TimeZone::system(), level, format)
}

/// Logs to standard output from now on, with times of this zone.
pub fn init_in(zone: TimeZone, level: &str, format: LogFormat) -> anyhow::Result<()> {
    let is_colourful = stdout().is_terminal();
    start(stdout(), LineFormat::new(format, is_colourful, zone, WallClock::system()), level)
}

/// Logs to standard error from now on: for commands whose standard output is a result.
pub fn init_stderr(level: &str, format: LogFormat) -> anyhow::Result<()> {
    let is_colourful = stderr().is_terminal();
    let zone = TimeZone::system();
    start(stderr(), LineFormat::new(format, is_colourful, zone, WallClock::system()), level)
}

fn start(stream: impl AsFd, format: LineFormat, level: &str) -> anyhow::Result<()> {
    let filter = filter::filter(level).map_err(|wrong| anyhow!(wrong))?;
    let output = Output::new(stream).context("cannot write the log")?;
    set_global_default(subscriber(output, format, filter)).context("the log is set up already")?;
    // Libraries that know only the `log` crate; if it is taken already, theirs are missing.
    drop(tracing_log::LogTracer::init());
    set_hook(Box::new(log_panic));
    Ok(())
}

fn subscriber(
    output: Output,
    format: LineFormat,
    filter: EnvFilter,
) -> impl Subscriber + Send + Sync {
    let layer = fmt::layer().event_format(format).with_writer(output);
    Registry::default().with(filter).with(layer)
}

/// A panic is a line of the log like any other, so that it is found there.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let message = panic.payload_as_str().unwrap_or("no message");
    error!("panic in {} at {place}: {message}", thread.name().unwrap_or("a thread"));
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read as _, pipe};

    use jiff::Timestamp;
    use tracing::subscriber::with_default;
    use tracing::{debug, info, info_span, warn};

    use super::*;

    /// What is logged by `events`, at 2026-11-21T06:20:00.123Z in Berlin.
    fn logged(format: LogFormat, is_colourful: bool, level: &str, events: impl FnOnce()) -> String {
        let (mut reader, writer): (PipeReader, _) = pipe().unwrap();
        let now: Timestamp = "2026-11-21T06:20:00.123Z".parse().unwrap();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let format = LineFormat::new(format, is_colourful, zone, WallClock::from_fn(move || now));
        let output = Output::new(&writer).unwrap();
        drop(writer);
        with_default(subscriber(output, format, filter::filter(level).unwrap()), events);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_line_is_time_level_message_and_fields() {
        let text = logged(LogFormat::Text, false, "info", || {
            let _span = info_span!("target", name = "hidden").entered();
            info!("[WebSocket] ✓ Connected to: {}", "Home Assistant");
            warn!(ports = 37, dtu = "House", "slow");
            debug!("not at this level");
        });
        let expected = "2026-11-21T07:20:00.123+01:00 INFO [WebSocket] ✓ Connected to: Home Assistant\n\
                        2026-11-21T07:20:00.123+01:00 WARN slow ports=37 dtu=House\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn only_a_terminal_gets_colour() {
        let text = logged(LogFormat::Text, true, "info", || info!("hello"));
        assert_eq!(text, "\x1b[2m2026-11-21T07:20:00.123+01:00\x1b[0m \x1b[32mINFO\x1b[0m hello\n");
    }

    #[test]
    fn nothing_that_is_logged_breaks_a_line_or_reaches_the_terminal() {
        let evil = "a\nINFO b\r\x1b[31mred\u{85}\u{200b}\u{202e}";
        let text = logged(LogFormat::Text, false, "info", || info!(name = evil, "hello {evil}"));
        assert_eq!(
            text,
            "2026-11-21T07:20:00.123+01:00 INFO hello a\\nINFO b\\r\\u{1b}[31mred\\u{85}\\u{200b}\\u{202e} \
             name=a\\nINFO b\\r\\u{1b}[31mred\\u{85}\\u{200b}\\u{202e}\n"
        );
        let json = logged(LogFormat::Json, false, "info", || info!("hello {evil}"));
        assert_eq!(json.lines().count(), 1, "{json}");
        assert!(json.trim_end().is_ascii(), "{json:?}");
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["message"], format!("hello {evil}"));
    }

    #[test]
    fn json_is_one_object_a_line() {
        let json = logged(LogFormat::Json, false, "info", || {
            info!(ports = 37_u64, ok = true, share = 0.5, name = "House", delta = -1, "read");
        });
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        let expected = serde_json::json!({
            "timestamp": "2026-11-21T07:20:00.123+01:00",
            "level": "INFO",
            "target": "hoymiles_bridge::telemetry::logging::tests",
            "message": "read",
            "ports": 37, "ok": true, "share": 0.5, "name": "House", "delta": -1,
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn libraries_are_heard_from_warnings_on_unless_they_are_named() {
        for (level, expected) in [
            ("debug", "ours warning"),
            ("debug,hyper=debug", "ours theirs warning"),
            ("error", ""),
            ("hyper=debug", "theirs warning"),
        ] {
            let text = logged(LogFormat::Json, false, level, || {
                debug!("ours");
                debug!(target: "hyper::proto", "theirs");
                warn!(target: "hyper::proto", "warning");
            });
            let messages: Vec<String> = text
                .lines()
                .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
                .map(|line| line["message"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(messages.join(" "), expected, "{level}");
        }
    }
}
