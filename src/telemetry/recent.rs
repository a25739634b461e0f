//! The newest lines of the log, kept for the dashboard and for reports of faults.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::clock::WallClock;
use crate::sanitize::Escaped;

/// How many lines are kept.
pub const MOST_LINES: usize = 500;
/// A longer line is cut, in bytes.
const LONGEST_LINE: usize = 2_000;

/// The newest lines of the log. Cheap to clone; all clones are the same.
#[derive(Clone, Debug)]
pub struct RecentLog {
    lines: Arc<Mutex<VecDeque<LogLine>>>,
    clock: WallClock,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Counts all lines of the process, from 1.
    pub seq: u64,
    /// When it was logged.
    pub time: Timestamp,
    /// How serious it is.
    pub level: Level,
    /// Its text, in one line and without time and level.
    pub message: String,
}

impl RecentLog {
    /// No lines yet; their times are those of `clock`.
    pub fn new(clock: WallClock) -> Self {
        Self { lines: Arc::default(), clock }
    }

    /// The lines after the one with this number, oldest first.
    pub fn after(&self, seq: u64) -> Vec<LogLine> {
        self.lines().iter().filter(|line| line.seq > seq).cloned().collect()
    }

    fn push(&self, level: Level, message: String) {
        let time = self.clock.now();
        let mut lines = self.lines();
        let seq = lines.back().map_or(1, |line| line.seq.saturating_add(1));
        if lines.len() >= MOST_LINES {
            lines.pop_front();
        }
        lines.push_back(LogLine { seq, time, level, message });
    }

    fn lines(&self) -> MutexGuard<'_, VecDeque<LogLine>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for RecentLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Text::default();
        event.record(&mut message);
        self.push(*event.metadata().level(), message.0);
    }
}

/// Message and fields as the log shows them.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut piece = String::new();
        // Writing to a text cannot fail.
        let _written = match field.name() {
            "message" => write!(Escaped(&mut piece), "{value:?}"),
            name if name.starts_with("log.") => Ok(()),
            name => write!(Escaped(&mut piece), " {name}={value:?}"),
        };
        if field.name() == "message" {
            self.0.insert_str(0, &piece);
        } else {
            self.0.push_str(&piece);
        }
        if self.0.len() > LONGEST_LINE {
            self.0.truncate(self.0.floor_char_boundary(LONGEST_LINE));
            self.0.push('…');
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;
    use tracing::{info, warn};
    use tracing_subscriber::Registry;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn keeps_the_newest_lines() {
        let log = RecentLog::new(WallClock::from_fn(|| Timestamp::UNIX_EPOCH));
        with_default(Registry::default().with(log.clone()), || {
            for number in 0..MOST_LINES {
                info!("line {number}");
            }
            warn!(port = 502, "two\nlines {}", "x".repeat(3 * LONGEST_LINE));
        });
        let lines = log.after(0);
        assert_eq!(lines.len(), MOST_LINES);
        assert_eq!((lines[0].seq, &*lines[0].message), (2, "line 1"));
        let last = lines.last().unwrap();
        assert_eq!(last.level, Level::WARN);
        assert!(last.message.starts_with(r"two\nlines xx"), "{}", last.message);
        assert!(last.message.len() < LONGEST_LINE + 20);
        assert_eq!(log.after(last.seq - 1), lines[MOST_LINES - 1..]);
    }
}
