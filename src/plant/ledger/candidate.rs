//! Readings off the line: garbage if they come alone, another counter if they agree.

use jiff::Timestamp;

use super::line::Pace;

/// So many rising readings that agree are no garbage. Repeated values do not count: a DTU that
/// just restarted repeats a stale reply for an hour (seen 54 times in a row).
const CONFIRMED: u8 = 3;
/// In Wh. A used device has counted more; a new one seen on its first day has not.
const NEW: i64 = 1_000;
/// In Wh. Above it, a daily counter is not believed: a 700 W module does not do it in a day.
pub(super) const MOST_PER_DAY: i64 = 30_000;

/// The last readings off the line, as far as they agree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    /// The counter from which on its energy belongs to the total: 0 for a new device, its first
    /// reading for a used one.
    pub(super) base: i64,
    /// The newest of the readings.
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
        pace: Pace,
    ) -> Self {
        let fresh = Self { base, counter, since: at, count: 1 };
        let Some(known) = known else { return fresh };
        let growth = counter.saturating_sub(known.counter);
        if growth < 0 || growth > pace.between(known.since, at).usual {
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
