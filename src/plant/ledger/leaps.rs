//! Days that were left because the clock was set, not because midnight came: should the clock be set to
//! one of them again, it goes on.
//!
//! Whether the clock was wrong before a leap or after it, nobody knows. So the days that it leapt from
//! are kept in their order, and a return shows that all since then was wrong. An outage looks like a
//! leap; it does no harm.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::candidate::MOST_PER_DAY;

/// Between two looks at the clock. A clock set back by less, across midnight, does not bring yesterday
/// back, either: a computer without a battery-backed clock starts with the time that it last wrote down.
pub(super) const LEAP: SignedDuration = SignedDuration::from_hours(6);
/// Of more leaps one after the other, the oldest are forgotten.
const KEPT: usize = 8;

/// Whether the clock was set since it was last looked at, or nobody looked for long.
pub(super) fn is_leap(last: Option<Timestamp>, now: Timestamp) -> bool {
    last.is_some_and(|last| now.duration_since(last).abs() > LEAP)
}

/// A day that was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) date: Date,
    /// The published total when it began.
    pub(super) at_midnight: i64,
}

/// The days that were left, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Leaps(Vec<Left>);

impl Leaps {
    /// That day, unless more was produced since it began than there can be in a day.
    pub(super) fn find(&self, date: Date, total: i64) -> Option<Left> {
        let can_go_on = |left: &&Left| total.saturating_sub(left.at_midnight) <= MOST_PER_DAY;
        self.0.iter().find(|left| left.date == date).filter(can_go_on).copied()
    }

    /// The clock is at `next` now. If that was a leap, it may come back to the present day.
    pub(super) fn leap(&mut self, present: Option<Left>, next: Date) {
        self.0.retain(|left| left.date != next && Some(left.date) != present.map(|day| day.date));
        self.0.extend(present);
        let surplus = self.0.len().saturating_sub(KEPT);
        self.0.drain(..surplus);
    }

    /// Midnight came by itself, and `next` begins: what lies before it will not come back.
    pub(super) fn pass(&mut self, next: Date) {
        self.0.retain(|left| left.date > next);
    }

    /// That day goes on: whatever came after it was wrong.
    pub(super) fn resume(&mut self, date: Date) {
        let place = self.0.iter().position(|left| left.date == date);
        self.0.truncate(place.unwrap_or(0));
    }

    /// As it is written down; `None` if there is nothing, as nearly always.
    pub(super) fn to_text(&self) -> Option<String> {
        let day = |left: &Left| format!("{}={}", left.date, left.at_midnight);
        let days: Vec<String> = self.0.iter().map(day).collect();
        (!days.is_empty()).then(|| days.join(","))
    }

    /// What was written down, as far as it makes sense with this total.
    pub(super) fn from_text(text: &str, total: i64) -> Self {
        let day = |text: &str| {
            let (date, at_midnight) = text.split_once('=')?;
            let at_midnight = at_midnight.parse().ok().filter(|at| (0..=total).contains(at))?;
            Some(Left { date: date.parse().ok()?, at_midnight })
        };
        Self(text.split(',').filter_map(day).take(KEPT).collect())
    }
}
