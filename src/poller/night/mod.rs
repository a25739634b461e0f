//! Whether a DTU that does not answer sleeps: some get their power from the panels, and go every
//! evening. Pure.
//!
//! Silence alone proves nothing. It is sleep if the plant had faded before it, if it began when the
//! sun may have been down, and until the sun is surely up again; so neither a cut cable at noon nor
//! a DTU that stays away by day is hidden.

#[cfg(test)]
mod tests;

use jiff::civil::{Date, DateTime, Time, time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use crate::plant::units::Watts;

/// The sun is up, all year and in all inhabited places.
const SURELY_DAY: (Time, Time) = (time(10, 0, 0, 0), time(14, 30, 0, 0));
/// A plant fades no earlier than this before the hour to which it delivered on the day before: a
/// dull evening, and the hour by which clocks are set back in autumn.
const EARLIER_THAN_YESTERDAY: SignedDuration = SignedDuration::from_hours(2);
/// What a plant did longer ago says nothing about the length of the present day.
const YESTERDAYS: i32 = 7;
/// The last answer may have come by day although the silence began when the day was over.
const BETWEEN_ANSWERS: SignedDuration = SignedDuration::from_mins(30);
/// A port that delivers no more than this has faded.
const FADED_PER_PORT: f64 = 5.0;
/// So has a plant that delivers no more than this part of its day's best.
const FADED_PART_OF_PEAK: f64 = 0.05;

/// What is known of the sun from what the plant delivered.
#[derive(Clone, Debug, Default)]
pub(super) struct NightDetector {
    last: Option<Output>,
    peak: Peak,
    /// When the plant last delivered anything on the day of the last answer, and on an earlier one.
    daylight: LastDaylight,
}

/// The best of one day.
#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    day: Option<Date>,
    watts: f64,
}

/// What the inverters of a DTU delivered at its last answer.
#[derive(Clone, Copy, Debug)]
struct Output {
    at: Timestamp,
    watts: f64,
    ports: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct LastDaylight {
    newest: Option<DateTime>,
    of_an_earlier_day: Option<DateTime>,
}

impl NightDetector {
    /// What is left to know after a restart of the bridge. A power that is not known any more is
    /// that of a DTU that had failed before the restart, and no sign of an evening.
    pub(super) fn restored(
        last_success: Option<Timestamp>,
        power: Option<Watts>,
        ports: usize,
    ) -> Self {
        let watts = power.map_or(f64::INFINITY, Watts::as_f64);
        let last = last_success.map(|at| Output { at, watts, ports });
        Self {
            last,
            peak: Peak { day: None, watts: power.unwrap_or_default().as_f64() },
            daylight: LastDaylight::default(),
        }
    }

    /// The DTU answered, and reaches inverters.
    pub(super) fn answered(&mut self, power: Watts, ports: usize, now: Timestamp, zone: &TimeZone) {
        let (watts, local) = (power.as_f64(), now.to_zoned(zone.clone()).datetime());
        let day = Some(local.date());
        let before = if self.peak.day == day { self.peak.watts } else { 0.0 };
        self.peak = Peak { day, watts: watts.max(before) };
        self.last = Some(Output { at: now, watts, ports });
        if watts > 0.0 {
            self.daylight.seen(local);
        }
    }

    /// The DTU answered, but reaches no inverter. That is night if the plant had faded before, and
    /// means nothing otherwise: a DTU that has just restarted reaches none at noon.
    pub(super) fn answered_in_the_dark(&mut self, now: Timestamp) {
        let first = Output { at: now, watts: 0.0, ports: 0 };
        let last = self.last.get_or_insert(first);
        last.at = now;
    }

    /// The DTU answered what it had said before: it is there, and nothing else is known.
    pub(super) fn answered_as_before(&mut self, now: Timestamp) {
        if let Some(last) = &mut self.last {
            last.at = now;
        }
    }

    /// Whether the plant had faded when inverters were last reached; also if they never were.
    pub(super) fn has_faded(&self) -> bool {
        self.last.is_none_or(|last| {
            is_faded(last.watts, last.ports) || last.watts <= FADED_PART_OF_PEAK * self.peak.watts
        })
    }

    /// Whether the sun is surely up.
    pub(super) fn is_surely_day(&self, now: Timestamp, zone: &TimeZone) -> bool {
        self.is_day_at(&now.to_zoned(zone.clone()))
    }

    fn is_day_at(&self, now: &Zoned) -> bool {
        let (dawn, _) = SURELY_DAY;
        (dawn..self.daylight.day_ends(now.date())).contains(&now.time())
    }

    /// Whether a DTU that does not answer now sleeps.
    pub(super) fn is_asleep(&self, now: Timestamp, zone: &TimeZone) -> bool {
        let now = now.to_zoned(zone.clone());
        let (dawn, _) = SURELY_DAY;
        if self.is_day_at(&now) {
            return false;
        }
        // Of a DTU that never answered, or not since the sun was up, nothing is known; least of all
        // that it sleeps. Its address may be wrong.
        let Some(last) = self.last else { return false };
        let last_at = last.at.to_zoned(zone.clone());
        if now >= next_dawn(&last_at, dawn) {
            return false;
        }
        let day_ended = self.daylight.day_ends(last_at.date()).saturating_sub(BETWEEN_ANSWERS);
        self.has_faded() && !(dawn..day_ended).contains(&last_at.time())
    }
}

/// Whether so many ports that deliver this have faded.
#[expect(clippy::cast_precision_loss, reason = "no plant has 2^52 ports")]
pub(super) fn is_faded(watts: f64, ports: usize) -> bool {
    watts <= FADED_PER_PORT * ports as f64
}

impl LastDaylight {
    fn seen(&mut self, now: DateTime) {
        if let Some(newest) = self.newest.filter(|newest| newest.date() != now.date()) {
            self.of_an_earlier_day = Some(newest);
        }
        self.newest = Some(now);
    }

    /// Until when the sun is surely up on that day, judged by the day before.
    fn day_ends(self, date: Date) -> Time {
        let (_, always) = SURELY_DAY;
        [self.newest, self.of_an_earlier_day]
            .into_iter()
            .flatten()
            .filter(|light| {
                let days = light.date().until(date).map_or(i32::MAX, |span| span.get_days());
                (1..=YESTERDAYS).contains(&days)
            })
            .map(|light| light.time().saturating_sub(EARLIER_THAN_YESTERDAY))
            .next()
            .map_or(always, |end| end.max(always))
    }
}

/// The first moment after `last` at which the sun is surely up.
fn next_dawn(last: &Zoned, dawn: Time) -> Zoned {
    let at = |date: Date| date.to_datetime(dawn).to_zoned(last.time_zone().clone());
    let today = at(last.date());
    let tomorrow = last.date().tomorrow().and_then(at);
    match (today, tomorrow) {
        (Ok(today), _) if *last < today => today,
        (_, Ok(tomorrow)) => tomorrow,
        (_, Err(_)) => last.clone(),
    }
}
