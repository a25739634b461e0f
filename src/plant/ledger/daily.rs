//! The device's own daily counter: whether what it says is of the present day.
//!
//! It resets in the evening, at night, or only when the inverter wakes in the morning. So what it
//! says of an inverter that sleeps in the morning may be yesterday's, and does not count before the
//! inverter wakes.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::day::CLOCK_IS_SET;

/// An inverter that sleeps from this hour on has been awake before, or not at all that day.
const NOON: i8 = 12;

/// The daily counter as read, in Wh.
#[derive(Clone, Copy, Debug)]
pub(super) struct Daily {
    pub(super) counter: Option<i64>,
    pub(super) is_live: bool,
}

impl Daily {
    /// What it counts of the present day; 0 if that may be yesterday's, `None` if it was not told.
    pub(super) fn believed(self, at: Timestamp, zone: &TimeZone) -> Option<i64> {
        match self.doubted(at, zone) {
            Some(_) => Some(0),
            None => self.counter,
        }
    }

    /// What it says, if that may be yesterday's.
    pub(super) fn doubted(self, at: Timestamp, zone: &TimeZone) -> Option<i64> {
        let is_certain = self.is_live || is_afternoon(at, zone);
        (!is_certain).then_some(self.counter.unwrap_or(0))
    }
}

/// A daily counter that was not believed. It is forgotten over a restart of the bridge: then the
/// day has what was produced since.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Doubted {
    pub(super) counter: i64,
    /// The published total that is certainly older than the present day.
    pub(super) at_least: i64,
}

impl Doubted {
    /// What a later reading of the same day counts of it, if that is certain: the counter has been
    /// reset since, or it is afternoon. A device that woke with yesterday's counter may reset it a
    /// little later.
    pub(super) fn resolved(self, daily: Daily, at: Timestamp, zone: &TimeZone) -> Option<i64> {
        let counter = daily.counter?;
        let was_reset = daily.is_live && (counter < self.counter || self.counter == 0);
        (was_reset || is_afternoon(at, zone)).then_some(counter)
    }
}

fn is_afternoon(at: Timestamp, zone: &TimeZone) -> bool {
    at >= CLOCK_IS_SET && zone.to_datetime(at).hour() >= NOON
}
