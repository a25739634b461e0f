//! Which local day it is, and how much of a step of the counter belongs to it.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::candidate::MOST_PER_DAY;
use super::daily::Daily;
use super::leaps::{LEAP, Left};
use super::line::PORT;

/// No bridge ran before 2020: such a clock was not set yet.
pub(super) const CLOCK_IS_SET: Timestamp = Timestamp::constant(1_577_836_800, 0);
/// A step after a longer silence than this belongs to the present day only as far as the device's
/// own daily counter says so.
const SHORT: SignedDuration = SignedDuration::from_hours(2);

/// What a moment means for the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It lies in the day that we have, or tells nothing.
    Same,
    /// The day gets another name, because the clock was wrong before; nothing begins.
    Named(Date),
    /// A day begins.
    New(Date),
    /// A day goes on that had been left.
    Resumed(Left),
}

/// What `now`, of a clock that was set, means to a ledger of the `known` day; `left` finds a day to which the clock may leap back.
pub(super) fn turn(
    known: Option<Date>,
    left: impl FnOnce(Date) -> Option<Left>,
    now: Timestamp,
    zone: &TimeZone,
) -> Turn {
    let date = zone.to_datetime(now).date();
    let Some(known) = known else { return Turn::Named(date) };
    if date == known {
        return Turn::Same;
    }
    match left(date) {
        Some(left) => Turn::Resumed(left),
        None if date > known => Turn::New(date),
        None => match begin(known, zone) {
            Some(begin) if begin.duration_since(now) <= LEAP => Turn::Same,
            _ => Turn::Named(date),
        },
    }
}

/// The most that a port can have produced since local midnight, in Wh.
pub(super) fn most(at: Timestamp, zone: &TimeZone) -> i64 {
    let midnight = begin(zone.to_datetime(at).date(), zone);
    match midnight {
        Some(midnight) if at >= CLOCK_IS_SET => PORT.between(midnight, at).usual,
        _ => MOST_PER_DAY,
    }
    .min(MOST_PER_DAY)
}

/// Whether `since` lies on a day before `date`, as far as the clock can be believed.
pub(super) fn is_before(date: Option<Date>, since: Timestamp, zone: &TimeZone) -> bool {
    since >= CLOCK_IS_SET && date.is_some_and(|date| zone.to_datetime(since).date() < date)
}

/// How much of the growth since an earlier day, from `since` to `at`, belongs to the present one.
pub(super) fn share(
    growth: i64,
    since: Timestamp,
    daily: Daily,
    at: Timestamp,
    zone: &TimeZone,
) -> i64 {
    let told = match daily.believed(at, zone) {
        Some(today) => today.min(most(at, zone)),
        None if at.duration_since(since) <= SHORT => growth,
        None => 0,
    };
    growth.min(told)
}

/// When the day begins, daylight saving included.
pub(super) fn begin(date: Date, zone: &TimeZone) -> Option<Timestamp> {
    date.to_zoned(zone.clone()).ok()?.start_of_day().ok().map(|midnight| midnight.timestamp())
}
