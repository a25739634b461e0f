//! One event as one line.

use std::fmt::{self, Debug, Write as _};

use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::WallClock;
use crate::config::LogFormat;
use crate::letters::{Escaped, escaped_json};

/// The form of the lines. Spans and, in text, module paths are left out: what a user searches the
/// log for follows time and level directly.
pub(super) struct LineFormat {
    format: LogFormat,
    is_colourful: bool,
    zone: TimeZone,
    clock: WallClock,
}

impl LineFormat {
    /// `is_colourful` counts for text only, and gives way to `NO_COLOR`.
    pub(super) fn new(
        format: LogFormat,
        is_terminal: bool,
        zone: TimeZone,
        clock: WallClock,
    ) -> Self {
        let is_colourful =
            is_terminal && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
        Self { format, is_colourful, zone, clock }
    }

    fn time(&self) -> String {
        let time = self.clock.now().to_zoned(self.zone.clone());
        time.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
    }

    fn text(&self, writer: &mut Writer<'_>, event: &Event<'_>, level: Level) -> fmt::Result {
        let time = self.time();
        if self.is_colourful {
            write!(writer, "\x1b[2m{time}\x1b[0m \x1b[{}m{level}\x1b[0m", colour(level))?;
        } else {
            write!(writer, "{time} {level}")?;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let mut escaped = Escaped(writer.by_ref());
        write!(escaped, " {}", text.message)?;
        for field in text.fields {
            write!(escaped, " {field}")?;
        }
        writeln!(writer)
    }

    fn json(&self, writer: &mut Writer<'_>, event: &Event<'_>, level: Level) -> fmt::Result {
        let metadata = event.normalized_metadata();
        let target = metadata.as_ref().map_or(event.metadata().target(), |real| real.target());
        let mut object = Object::default();
        for (key, value) in [
            ("timestamp", self.time()),
            ("level", level.to_string()),
            ("target", target.to_owned()),
        ] {
            object.0.insert(key.to_owned(), Value::String(value));
        }
        event.record(&mut object);
        writeln!(writer, "{}", escaped_json(&Value::Object(object.0).to_string()))
    }
}

impl<S, N> FormatEvent<S, N> for LineFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        match self.format {
            LogFormat::Text => self.text(&mut writer, event, level),
            LogFormat::Json => self.json(&mut writer, event, level),
        }
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

/// The place of an event of the `log` crate; the line's own fields say as much as is wanted.
fn is_of_log_crate(field: &Field) -> bool {
    field.name().starts_with("log.")
}

#[derive(Default)]
struct Text {
    message: String,
    fields: Vec<String>,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else if !is_of_log_crate(field) {
            self.fields.push(format!("{}={value:?}", field.name()));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn insert(&mut self, field: &Field, value: Value) {
        if !is_of_log_crate(field) {
            self.0.insert(field.name().to_owned(), value);
        }
    }
}

impl Visit for Object {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.insert(field, Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, Value::from(value));
    }
}
