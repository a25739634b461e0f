//! The log lines about each target, parsed into events.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

/// One line about a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Connecting,
    Connected,
    Failed { reason: String, attempt: u32 },
    Disconnected { reason: String },
    Reconnecting { seconds: u64, attempt: u32 },
    Sent,
}

impl Event {
    /// The one outcome of an attempt.
    pub(crate) fn is_outcome(&self) -> bool {
        matches!(self, Self::Connected | Self::Failed { .. })
    }

    /// Why an attempt or a connection ended.
    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Self::Failed { reason, .. } | Self::Disconnected { reason } => Some(reason),
            Self::Connecting | Self::Connected | Self::Reconnecting { .. } | Self::Sent => None,
        }
    }
}

/// Everything that was logged, by target.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    read: usize,
    events: BTreeMap<String, Vec<(Timestamp, Event)>>,
}

impl Journal {
    /// Reads the lines that are new.
    pub(crate) fn read(&mut self, lines: &[String]) {
        for line in lines.iter().skip(self.read) {
            if let Some((time, name, event)) = parsed(line) {
                self.events.entry(name.to_owned()).or_default().push((time, event));
            }
        }
        self.read = lines.len();
    }

    /// The events of this target.
    pub(crate) fn of(&self, name: &str) -> impl Iterator<Item = &Event> {
        self.events.get(name).into_iter().flatten().map(|(_, event)| event)
    }

    /// How many connection attempts of this target have failed.
    pub(crate) fn failures(&self, name: &str) -> usize {
        self.of(name).filter(|event| matches!(event, Event::Failed { .. })).count()
    }

    /// The waits between connection attempts of this target, in seconds.
    pub(crate) fn waits(&self, name: &str) -> Vec<u64> {
        let waits = self.of(name).filter_map(|event| match event {
            Event::Reconnecting { seconds, .. } => Some(*seconds),
            Event::Connecting
            | Event::Connected
            | Event::Failed { .. }
            | Event::Disconnected { .. }
            | Event::Sent => None,
        });
        waits.collect()
    }

    /// Checks that each attempt of a target has one outcome within `limit`.
    pub(crate) fn check_attempts(&self, name: &str, limit: Duration) {
        let events = self.events.get(name).expect("each target has log lines");
        let mut began = None;
        for (time, event) in events {
            if *event == Event::Connecting {
                let before = began.replace(*time);
                assert_eq!(before, None, "{name}: an attempt without an outcome in {events:#?}");
            } else if event.is_outcome() {
                let began: Timestamp = began.take().unwrap_or_else(|| {
                    panic!("{name}: a second outcome in {events:#?}");
                });
                let took = Duration::try_from(time.duration_since(began)).unwrap();
                assert!(took <= limit, "{name}: {event:?} took {took:?}");
            }
        }
    }
}

fn parsed(line: &str) -> Option<(Timestamp, &str, Event)> {
    let (head, text) = line.split_once(" [WebSocket] ")?;
    let time = head.split(' ').next()?.parse().ok()?;
    let after = |words: &str| text.strip_prefix(words);
    let (name, event) = if let Some(rest) = after("Connecting to ") {
        (rest.split_once(" (")?.0, Event::Connecting)
    } else if let Some(name) = after("✓ Connected to: ") {
        (name, Event::Connected)
    } else if let Some(name) = after("✓ Successfully sent update to ") {
        (name, Event::Sent)
    } else if let Some(rest) = after("Connection failed for ") {
        let (name, rest) = rest.split_once(": ")?;
        let (reason, attempt) = rest.strip_suffix(')')?.rsplit_once(" (attempt ")?;
        (name, Event::Failed { reason: reason.to_owned(), attempt: attempt.parse().ok()? })
    } else if let Some(rest) = after("Disconnected from ") {
        let (name, reason) = rest.split_once(": ")?;
        (name, Event::Disconnected { reason: reason.to_owned() })
    } else if let Some(rest) = after("Reconnecting to ") {
        let (name, rest) = rest.split_once(" in ")?;
        let (seconds, attempt) = rest.strip_suffix(")...")?.split_once(" seconds (attempt ")?;
        let (seconds, attempt) = (seconds.parse().ok()?, attempt.parse().ok()?);
        (name, Event::Reconnecting { seconds, attempt })
    } else {
        return None;
    };
    Some((time, name, event))
}
