//! Which local day it is, how much of a step of the counter belongs to it, and days that a wrong
//! clock left behind.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::counter::{MOST_PER_DAY, PORT};
use crate::clock::is_set;

/// A step after a longer silence than this belongs to the present day only as far as the device's
/// own daily counter says so.
const SHORT: SignedDuration = SignedDuration::from_hours(2);
/// An inverter that sleeps from this hour on has been awake before, or not at all that day.
const NOON: i8 = 12;
/// Between two looks at the clock. A clock set back by less, across midnight, does not bring
/// yesterday back, either: a computer without a battery-backed clock starts with the time that it
/// last wrote down.
const JUMP: SignedDuration = SignedDuration::from_hours(6);
/// Of more jumps one after the other, the oldest are forgotten.
const KEPT: usize = 8;

/// What a moment means for the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DayChange {
    /// It lies in the present day, or means nothing.
    Same,
    /// The day gets another name, because the clock was wrong before; nothing begins.
    Renamed(Date),
    New(Date),
    /// A day goes on that had been left.
    Resumed(LeftDay),
}

/// What `now`, of a clock that was set, means to a ledger of the `known` day; `left` finds a day to
/// which the clock may jump back.
pub(super) fn change(
    known: Option<Date>,
    left: impl FnOnce(Date) -> Option<LeftDay>,
    now: Timestamp,
    zone: &TimeZone,
) -> DayChange {
    let date = zone.to_datetime(now).date();
    let Some(known) = known else { return DayChange::Renamed(date) };
    if date == known {
        return DayChange::Same;
    }
    match left(date) {
        Some(left) => DayChange::Resumed(left),
        None if date > known => DayChange::New(date),
        None => match begin(known, zone) {
            Some(begin) if begin.duration_since(now) <= JUMP => DayChange::Same,
            _ => DayChange::Renamed(date),
        },
    }
}

/// The most that a port can have produced since local midnight, in Wh.
pub(super) fn most(at: Timestamp, zone: &TimeZone) -> i64 {
    let midnight = begin(zone.to_datetime(at).date(), zone);
    match midnight {
        Some(midnight) if is_set(at) => PORT.between(midnight, at).usual,
        _ => MOST_PER_DAY,
    }
    .min(MOST_PER_DAY)
}

/// Whether `since` lies on a day before `date`, as far as the clock can be believed.
pub(super) fn is_before(date: Option<Date>, since: Timestamp, zone: &TimeZone) -> bool {
    is_set(since) && date.is_some_and(|date| zone.to_datetime(since).date() < date)
}

/// How much of the growth since an earlier day, from `since` to `at`, belongs to the present one.
pub(super) fn share(
    growth: i64,
    since: Timestamp,
    daily: DailyCounter,
    at: Timestamp,
    zone: &TimeZone,
) -> i64 {
    let share = match daily.believed(at, zone) {
        Some(today) => today.min(most(at, zone)),
        None if at.duration_since(since) <= SHORT => growth,
        None => 0,
    };
    growth.min(share)
}

/// When the day begins, daylight saving included.
pub(super) fn begin(date: Date, zone: &TimeZone) -> Option<Timestamp> {
    date.to_zoned(zone.clone()).ok()?.start_of_day().ok().map(|midnight| midnight.timestamp())
}

/// The device's own daily counter as read, in Wh.
///
/// It resets in the evening, at night, or only when the inverter wakes in the morning. So what it
/// says of an inverter that sleeps in the morning may be yesterday's, and does not count before the
/// inverter wakes.
#[derive(Clone, Copy, Debug)]
pub(super) struct DailyCounter {
    pub(super) counter: Option<i64>,
    pub(super) is_live: bool,
}

impl DailyCounter {
    /// What it counts of the present day; 0 if that may be yesterday's, `None` if it is not known.
    pub(super) fn believed(self, at: Timestamp, zone: &TimeZone) -> Option<i64> {
        match self.unconfirmed(at, zone) {
            Some(_) => Some(0),
            None => self.counter,
        }
    }

    /// What it says, if that may be yesterday's.
    pub(super) fn unconfirmed(self, at: Timestamp, zone: &TimeZone) -> Option<i64> {
        let is_certain = self.is_live || is_afternoon(at, zone);
        (!is_certain).then_some(self.counter.unwrap_or(0))
    }
}

/// A daily counter that was not believed. It is forgotten over a restart of the bridge: then the
/// day has what was produced since.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct UnconfirmedDaily {
    pub(super) counter: i64,
    /// The published total that is certainly older than the present day.
    pub(super) at_least: i64,
}

impl UnconfirmedDaily {
    /// What a later reading of the same day counts of it, if that is certain: the counter has been
    /// reset since, or it is afternoon. A device that woke with yesterday's counter may reset it a
    /// little later.
    pub(super) fn resolved(
        self,
        daily: DailyCounter,
        at: Timestamp,
        zone: &TimeZone,
    ) -> Option<i64> {
        let counter = daily.counter?;
        let was_reset = daily.is_live && (counter < self.counter || self.counter == 0);
        (was_reset || is_afternoon(at, zone)).then_some(counter)
    }
}

fn is_afternoon(at: Timestamp, zone: &TimeZone) -> bool {
    is_set(at) && zone.to_datetime(at).hour() >= NOON
}

/// Whether the clock was set since it was last looked at, or nobody looked for long.
pub(super) fn is_jump(last: Option<Timestamp>, now: Timestamp) -> bool {
    last.is_some_and(|last| now.duration_since(last).abs() > JUMP)
}

/// A day that was left because the clock was set, not because midnight came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LeftDay {
    pub(super) date: Date,
    /// The published total when it began.
    pub(super) at_midnight: i64,
}

/// The days that were left, in this order. Should the clock be set to one of them again, it goes on.
///
/// Whether the clock was wrong before a jump or after it, nobody knows. So the days from which it
/// jumped are kept in their order, and a return shows that all since then was wrong. An outage looks
/// like a jump; it does no harm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftDays(Vec<LeftDay>);

impl LeftDays {
    /// That day, unless more was produced since it began than there can be in a day.
    pub(super) fn find(&self, date: Date, total: i64) -> Option<LeftDay> {
        let can_go_on = |left: &&LeftDay| total.saturating_sub(left.at_midnight) <= MOST_PER_DAY;
        self.0.iter().find(|left| left.date == date).filter(can_go_on).copied()
    }

    /// The clock has jumped to `next`, and may come back to the present day.
    pub(super) fn jump(&mut self, present: Option<LeftDay>, next: Date) {
        self.0.retain(|left| left.date != next && Some(left.date) != present.map(|day| day.date));
        self.0.extend(present);
        let surplus = self.0.len().saturating_sub(KEPT);
        self.0.drain(..surplus);
    }

    /// Midnight came by itself, and `next` begins: what lies before it will not come back.
    pub(super) fn pass(&mut self, next: Date) {
        self.0.retain(|left| left.date > next);
    }

    pub(super) fn resume(&mut self, date: Date) {
        let place = self.0.iter().position(|left| left.date == date);
        self.0.truncate(place.unwrap_or(0));
    }

    /// As it is stored; `None` if there is nothing, as nearly always.
    pub(super) fn to_text(&self) -> Option<String> {
        let day = |left: &LeftDay| format!("{}={}", left.date, left.at_midnight);
        let days: Vec<String> = self.0.iter().map(day).collect();
        (!days.is_empty()).then(|| days.join(","))
    }

    /// What was stored, as far as it makes sense with this total.
    pub(super) fn from_text(text: &str, total: i64) -> Self {
        let day = |text: &str| {
            let (date, at_midnight) = text.split_once('=')?;
            let at_midnight = at_midnight.parse().ok().filter(|at| (0..=total).contains(at))?;
            Some(LeftDay { date: date.parse().ok()?, at_midnight })
        };
        Self(text.split(',').filter_map(day).take(KEPT).collect())
    }
}
