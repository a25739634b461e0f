//! The log: one line per event, as text for people or JSON for machines.
//!
//! Nothing that is logged can break a line in two or control the terminal. A reader of standard
//! output that stalls or goes away does not block the daemon: then lines are dropped.

use std::fmt;
use std::io::{IsTerminal, stderr, stdout};
use std::panic::{PanicHookInfo, set_hook};

use jiff::tz::TimeZone;
use thiserror::Error;
use tracing::field::Field;
use tracing::{Event, Level, Subscriber, error};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer as _, Registry};

use crate::clock::WallClock;
use crate::config::LogFormat;
use crate::config::log::{EXPECTED_LEVEL, parse_level};
use crate::sanitize::Escaped;
use crate::telemetry::recent::RecentLog;

/// Lines that wait for a reader of standard output that has stalled; more are dropped.
const MOST_WAITING: usize = 4_096;

/// Libraries whose info and debug lines are of no use to users.
const NOISY: [&str; 9] = [
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

/// Libraries that log whole URLs, with tokens, at trace level: their level cannot be set.
const LOGS_SECRETS: [&str; 2] = ["tokio_tungstenite", "tungstenite"];

/// Why there is no log.
#[derive(Debug, Error)]
pub enum LogError {
    /// The level is not one.
    #[error("log level: {0:?} is not a level; expected {EXPECTED_LEVEL}")]
    Level(String),
    /// There is one already.
    #[error("cannot start the log: {0}")]
    Started(#[from] TryInitError),
}

/// Logs to standard output and `recent` from now on, with times of this zone, until the guard is
/// dropped: that writes what is still waiting.
pub fn init(
    zone: TimeZone,
    level: &str,
    format: LogFormat,
    recent: Option<RecentLog>,
) -> Result<WorkerGuard, LogError> {
    let builder = NonBlockingBuilder::default().buffered_lines_limit(MOST_WAITING);
    let (writer, guard) = builder.thread_name("log").finish(stdout());
    start(writer, Style { format, is_colourful: is_colourful(&stdout()), zone }, level, recent)?;
    Ok(guard)
}

/// Logs to standard error from now on: for commands whose standard output is a result.
pub fn init_stderr(level: &str, format: LogFormat) -> Result<(), LogError> {
    let zone = TimeZone::system();
    start(stderr, Style { format, is_colourful: is_colourful(&stderr()), zone }, level, None)
}

fn is_colourful(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty())
}

fn start<W>(writer: W, style: Style, level: &str, recent: Option<RecentLog>) -> Result<(), LogError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = filter(level).ok_or_else(|| LogError::Level(level.to_owned()))?;
    subscriber(writer, style, WallClock::system(), filter).with(recent).try_init()?;
    set_hook(Box::new(log_panic));
    Ok(())
}

/// What a log looks like.
struct Style {
    format: LogFormat,
    is_colourful: bool,
    zone: TimeZone,
}

fn subscriber<W>(
    writer: W,
    style: Style,
    clock: WallClock,
    filter: EnvFilter,
) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let time = LocalTime { zone: style.zone, clock };
    let layer = match style.format {
        LogFormat::Text => layer
            .with_ansi(false)
            .fmt_fields(debug_fn(write_field))
            .event_format(TextLine { time, is_colourful: style.is_colourful })
            .boxed(),
        LogFormat::Json => layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_timer(time)
            .boxed(),
    };
    Registry::default().with(filter).with(layer)
}

/// The filter of a level or of directives; noisy libraries are logged from warnings on, unless
/// named.
fn filter(level: &str) -> Option<EnvFilter> {
    parse_level(level)?;
    let name = |directive: &str| directive.split(['=', ':', '[']).next().unwrap_or("").to_owned();
    let all = level.split(',').map(str::trim);
    let directives: Vec<&str> =
        all.filter(|one| !LOGS_SECRETS.contains(&name(one).as_str())).collect();
    let is_loud =
        |word: &&str| ["info", "debug", "trace"].iter().any(|loud| loud.eq_ignore_ascii_case(word));
    let is_capped = directives.iter().any(is_loud);
    let is_named = |library: &str| directives.iter().any(|one| name(one) == library);
    let caps = NOISY.iter().filter(|library| is_capped && !is_named(library));
    let kept: Vec<String> = caps
        .map(|library| format!("{library}=warn"))
        .chain(directives.iter().map(|&one| one.to_owned()))
        .collect();
    parse_level(&kept.join(","))
}

/// A panic is a line of the log like any other, so that it is found there.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let message = panic.payload_as_str().unwrap_or("no message");
    error!("panic in {} at {place}: {message}", thread.name().unwrap_or("a thread"));
}

/// The time of the log's zone, with milliseconds and offset.
struct LocalTime {
    zone: TimeZone,
    clock: WallClock,
}

impl FormatTime for LocalTime {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let time = self.clock.now().to_zoned(self.zone.clone());
        write!(writer, "{}", time.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z"))
    }
}

/// `time LEVEL message key=value`: spans and module paths are left out, so that what users search
/// for follows time and level directly.
struct TextLine {
    time: LocalTime,
    is_colourful: bool,
}

impl<S, N> FormatEvent<S, N> for TextLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        if self.is_colourful {
            write!(writer, "\x1b[2m")?;
            self.time.format_time(&mut writer)?;
            write!(writer, "\x1b[0m \x1b[{}m{level}\x1b[0m ", colour(level))?;
        } else {
            self.time.format_time(&mut writer)?;
            write!(writer, " {level} ")?;
        }
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// The message or one field, escaped. Fields of the `log` crate's own are left out.
fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    use fmt::Write as _;
    match field.name() {
        "message" => write!(Escaped(writer), "{value:?}"),
        name if name.starts_with("log.") => Ok(()),
        name => write!(Escaped(writer), " {name}={value:?}"),
    }
}

const fn colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read as _, Write, pipe};
    use std::sync::{Arc, Mutex};

    use jiff::Timestamp;
    use tracing::subscriber::with_default;
    use tracing::{debug, info, info_span, warn};

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged by `events`, at 2026-11-21T06:20:00.123Z in Berlin.
    fn logged(format: LogFormat, is_colourful: bool, level: &str, events: impl FnOnce()) -> String {
        let memory = Memory::default();
        let now: Timestamp = "2026-11-21T06:20:00.123Z".parse().unwrap();
        let style = Style { format, is_colourful, zone: TimeZone::get("Europe/Berlin").unwrap() };
        let writer = memory.clone();
        let writer = move || writer.clone();
        let clock = WallClock::from_fn(move || now);
        with_default(subscriber(writer, style, clock, filter(level).unwrap()), events);
        String::from_utf8(memory.0.lock().unwrap().clone()).unwrap()
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
                        2026-11-21T07:20:00.123+01:00 WARN slow ports=37 dtu=\"House\"\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn only_a_terminal_gets_colour() {
        let text = logged(LogFormat::Text, true, "info", || info!("hello"));
        assert_eq!(text, "\x1b[2m2026-11-21T07:20:00.123+01:00\x1b[0m \x1b[32mINFO\x1b[0m hello\n");
    }

    #[test]
    fn control_characters_are_escaped() {
        let evil = "a\nINFO b\r\x1b[31mred\u{85}\u{200b}\u{202e}";
        let text = logged(LogFormat::Text, false, "info", || {
            info!(name = %evil, "[WebSocket] ✓ Connected to: {evil}");
        });
        let escaped = "a\\nINFO b\\r\\u{1b}[31mred\\u{85}\\u{200b}\\u{202e}";
        let line = format!("INFO [WebSocket] ✓ Connected to: {escaped} name={escaped}\n");
        assert_eq!(text, format!("2026-11-21T07:20:00.123+01:00 {line}"));
        let json = logged(LogFormat::Json, false, "info", || info!("hello {evil}"));
        assert_eq!(json.lines().count(), 1, "{json}");
        assert!(!json.trim_end().contains(['\n', '\r', '\x1b']), "{json:?}");
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["message"], format!("hello {evil}"));
    }

    #[test]
    fn json_is_one_object_per_line() {
        let json = logged(LogFormat::Json, false, "info", || {
            let _span = info_span!("target", name = "hidden").entered();
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
    fn libraries_log_warnings_unless_they_are_named() {
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

    #[test]
    fn the_guard_writes_what_is_waiting() {
        let (mut reader, writer) = pipe().unwrap();
        let (mut log, guard) = NonBlockingBuilder::default().finish(writer);
        for number in 0..100 {
            writeln!(log, "line {number}").unwrap();
        }
        drop(guard);
        drop(log);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert!(text.ends_with("line 99\n"), "{text}");
    }
}
