//! What a device's lifetime counter can have counted, and what became of a reading of it.

use std::fmt;

use jiff::{Timestamp, Unit};

use crate::plant::meter::MOST_POWER;
use crate::plant::units::WattHours;

/// A step above this, in Wh, is not normal from one poll to the next, so the counter before it is
/// remembered until the counter goes on rising from there.
pub(super) const STEP: i64 = 100;
/// In Wh. Above it, a daily counter is not believed: a 700 W module does not do it in a day.
pub(super) const MOST_PER_DAY: i64 = 30_000;
/// Beyond the power, in Wh: rounding, and values that a DTU holds back for some seconds.
const ROUNDING: i64 = 20;
/// In Wh. Within it, a step that no power explains is energy that a DTU held back; beyond it, it is
/// not energy.
const HELD_BACK: i64 = 20_000;
/// A longer time is a clock that was corrected (a Raspberry Pi starts in 1970), not an outage.
const LONGEST_HOURS: f64 = 90.0 * 24.0;
/// So many rising readings that agree are not garbage. Repeated values do not count: a DTU that
/// just restarted repeats a stale reply for an hour (seen 54 times in a row).
const CONFIRMED: u8 = 3;
/// In Wh. A used device has counted more; a new one seen on its first day has not.
pub(super) const NEW: i64 = 1_000;

/// A run of a device's counter without a jump: the published total is offset + counter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CounterSegment {
    /// Carries the total over an exchange of the device; negative after a first reading that was
    /// too low.
    pub(super) offset: i64,
    /// The device's counter as last accepted.
    pub(super) counter: i64,
    /// When the counter was first read with this value. A DTU may repeat a value for hours.
    pub(super) since: Timestamp,
}

impl CounterSegment {
    /// The total to which it has run.
    pub(super) fn position(self) -> i64 {
        self.offset.saturating_add(self.counter)
    }

    /// The same segment, further on. A repeated value keeps its time.
    pub(super) fn moved_to(self, counter: i64, at: Timestamp) -> Self {
        if counter == self.counter { self } else { Self { counter, since: at, ..self } }
    }
}

/// How many Wh a counter can have grown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PossibleGrowth {
    /// Believed at once.
    pub(super) usual: i64,
    /// Believed when three readings agree. Beyond it, the difference is not energy.
    pub(super) at_most: i64,
}

/// How fast counters of one kind can grow.
#[derive(Clone, Copy, Debug)]
pub(super) struct MaxRate {
    /// In W. More than any one of them sees.
    watts: i32,
    /// In Wh. A longer step is not believed from one reading: otherwise, after a night without
    /// growth, garbage could be as large as what this power could have delivered.
    at_once: i64,
    /// In Wh. Without a clock to trust: what a long outage may bring in one step.
    without_clock: i64,
}

/// A PV input, or an inverter that reports itself as one; at once the best day's production.
pub(super) const PORT: MaxRate =
    MaxRate { watts: 2_500, at_once: 10_000, without_clock: 25_000_000 };

/// A house's connection to the mains; at once what most houses use in some days.
pub(super) const METER: MaxRate =
    MaxRate { watts: MOST_POWER.steps() / 10, at_once: 50_000, without_clock: 500_000_000 };

impl MaxRate {
    /// From one moment to a later one. If it is not later, the clock was set: generous, so that
    /// no energy is lost.
    pub(super) fn between(self, since: Timestamp, at: Timestamp) -> PossibleGrowth {
        let hours = (at - since).total(Unit::Hour).unwrap_or(-1.0);
        if !(0.0..=LONGEST_HOURS).contains(&hours) {
            return PossibleGrowth { usual: self.at_once, at_most: self.without_clock };
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 540 MWh")]
        let produced = (hours * f64::from(self.watts)) as i64;
        PossibleGrowth {
            usual: (produced + ROUNDING).min(self.at_once),
            at_most: produced + HELD_BACK,
        }
    }
}

/// The last readings that do not continue the segment, as far as they agree: garbage if they come
/// alone, another counter if they are confirmed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    /// The counter from which on its energy belongs to the total: 0 for a new device, its first
    /// reading for a used one.
    pub(super) base: i64,
    pub(super) counter: i64,
    /// When it was first read with this value.
    pub(super) since: Timestamp,
    /// How many different values there were.
    pub(super) count: u8,
}

impl Candidate {
    /// The candidate with one more reading; a fresh one if the reading does not continue it.
    pub(super) fn following(
        known: Option<Self>,
        (counter, base): (i64, i64),
        at: Timestamp,
        rate: MaxRate,
    ) -> Self {
        let fresh = Self { base, counter, since: at, count: 1 };
        let Some(known) = known else { return fresh };
        let growth = counter.saturating_sub(known.counter);
        if growth < 0 || growth > rate.between(known.since, at).usual {
            return fresh;
        }
        let base = known.base.min(base);
        if growth == 0 {
            return Self { base, ..known };
        }
        Self { base, counter, since: at, count: known.count.saturating_add(1) }
    }

    pub(super) fn is_confirmed(self) -> bool {
        self.count >= CONFIRMED
    }
}

/// Whether all that a lower counter shows was counted since the last device was there: it has
/// counted no more than on the present day, or next to nothing.
pub(super) fn is_new_device(counter: i64, today: Option<i64>) -> bool {
    counter <= NEW || (counter <= MOST_PER_DAY && today.is_some_and(|today| counter <= today))
}

pub(super) fn watt_hours(energy: WattHours) -> i64 {
    i64::try_from(energy.get()).unwrap_or(i64::MAX)
}

/// As the rest of the bridge sees it.
pub(super) fn published(energy: i64) -> WattHours {
    WattHours::new(u64::try_from(energy).unwrap_or(0))
}

/// What the ledger made of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The device did not report its lifetime counter; nothing changes.
    NotGiven,
    /// It counts.
    Accepted,
    /// It does not count, and why.
    Refused(Refusal),
    /// It counts, and the device is taken to have been exchanged or reset: its counter goes on
    /// from another value, while the published total goes on from where it was.
    Exchanged {
        /// The old counter's last value in Wh.
        last: i64,
        /// The new counter's value in Wh.
        seen: i64,
    },
}

/// Why a reading does not count. Energies in Wh, as the device counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "`seen` is the counter's value, `last` the one that counted, `count` how many agree"
)]
pub enum Refusal {
    /// Zero after a value: sleeping, waking and restarting DTUs say so.
    Zero { last: i64 },
    /// More than there can ever have been.
    Absurd { seen: i64 },
    /// The first value is unusually high, and not yet confirmed.
    High { seen: i64, count: u8 },
    /// Lower than before; a real exchange of the device is recognised when three rising values
    /// agree.
    Fell { seen: i64, last: i64, count: u8 },
    /// Grown faster than there can be energy; believed when three rising values agree.
    Jumped { seen: i64, last: i64, count: u8 },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero { last } => {
                write!(f, "lifetime counter is 0 after {last} Wh, as when a DTU restarts")
            }
            Self::Absurd { seen } => {
                write!(f, "lifetime counter of {seen} Wh is impossibly high")
            }
            Self::High { seen, count } => {
                write!(f, "first lifetime counter of {seen} Wh is doubtful ({count} of 3 agree)")
            }
            Self::Fell { seen, last, count } => write!(
                f,
                "lifetime counter fell from {last} Wh to {seen} Wh; accepted as an \
                 exchanged device after three rising values ({count} so far)"
            ),
            Self::Jumped { seen, last, count } => write!(
                f,
                "lifetime counter rose from {last} Wh to {seen} Wh, faster than is possible; \
                 accepted after three rising values ({count} so far)"
            ),
        }
    }
}
