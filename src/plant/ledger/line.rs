//! A run of a device's lifetime counter, and how far it can have grown since it was last seen.

use jiff::{Timestamp, Unit};

use crate::plant::meter::MOST_POWER;

/// Beyond the power, in Wh: rounding, and values that a DTU holds back for some seconds.
const ROUNDING: i64 = 20;
/// In Wh. Within it, what no power explains is energy that a DTU held back; beyond it, it is none.
const HELD_BACK: i64 = 20_000;
/// Longer times are a clock that was set right (a Raspberry Pi starts in 1970), not an outage.
const LONGEST_HOURS: f64 = 90.0 * 24.0;

/// What is published is offset + counter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    /// Carries the total over an exchange of the device; negative after a first reading that was
    /// too low.
    pub(super) offset: i64,
    /// The device's counter as last accepted.
    pub(super) counter: i64,
    /// When the counter was first read with this value. A DTU may repeat a value for hours.
    pub(super) since: Timestamp,
}

impl Line {
    pub(super) fn position(self) -> i64 {
        self.offset.saturating_add(self.counter)
    }

    /// The same line, further on. A repeated value keeps its time.
    pub(super) fn moved_to(self, counter: i64, at: Timestamp) -> Self {
        if counter == self.counter { self } else { Self { counter, since: at, ..self } }
    }
}

/// How many Wh a counter can have grown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// Believed at once.
    pub(super) usual: i64,
    /// Believed when three readings agree. Beyond it, the difference is not energy.
    pub(super) at_most: i64,
}

/// What counters of one kind can have counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// In W. More than any one of them sees.
    watts: i32,
    /// In Wh. A longer step is not believed from one reading: a counter that stood still all night
    /// could else be garbage by as much as this power could have delivered.
    at_once: i64,
    /// In Wh. Without a clock to trust: what a long outage may bring in one step.
    without_clock: i64,
}

/// A PV input, or an inverter that reports itself as one; at once the best day's production.
pub(super) const PORT: Pace = Pace { watts: 2_500, at_once: 10_000, without_clock: 25_000_000 };

/// A house's connection to the mains; at once what most houses use in some days.
pub(super) const METER: Pace =
    Pace { watts: MOST_POWER.steps() / 10, at_once: 50_000, without_clock: 500_000_000 };

impl Pace {
    /// From one moment to a later one. If it is not later, the clock was set: generous, so that
    /// no energy is lost.
    pub(super) fn between(self, since: Timestamp, at: Timestamp) -> Reach {
        let hours = (at - since).total(Unit::Hour).unwrap_or(-1.0);
        if !(0.0..=LONGEST_HOURS).contains(&hours) {
            return Reach { usual: self.at_once, at_most: self.without_clock };
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 540 MWh")]
        let produced = (hours * f64::from(self.watts)) as i64;
        Reach { usual: (produced + ROUNDING).min(self.at_once), at_most: produced + HELD_BACK }
    }
}
