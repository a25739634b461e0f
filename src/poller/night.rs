//! Whether a DTU that does not answer sleeps: some get their power from the panels, and go every
//! evening. Pure.
//!
//! Silence alone proves nothing. It is sleep if the plant had faded before it, and until the sun is
//! surely up again; so neither a cut cable at noon nor a DTU that stays away by day is hidden.

use jiff::civil::{Date, Time, time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::plant::units::Watts;

/// The sun is up, all year and in all inhabited places.
const SURELY_DAY: (Time, Time) = (time(10, 0, 0, 0), time(14, 30, 0, 0));
/// The sun is down, but in the far north in summer.
const SURELY_NIGHT: (Time, Time) = (time(22, 0, 0, 0), time(5, 0, 0, 0));
/// A port that delivers no more than this has faded.
const FADED_PER_PORT: f64 = 5.0;
/// So has a plant that delivers no more than this part of its day's best.
const FADED_PART_OF_PEAK: f64 = 0.05;

/// What is known of the sun from what the plant delivered.
#[derive(Clone, Debug, Default)]
pub(super) struct Dusk {
    last: Option<Output>,
    /// The best of the day of the last answer.
    peak: f64,
}

/// What the inverters of a DTU delivered at its last answer.
#[derive(Clone, Copy, Debug)]
struct Output {
    at: Timestamp,
    watts: f64,
    ports: usize,
}

impl Dusk {
    /// What is left to know after a restart of the bridge.
    pub(super) fn restored(last_success: Option<Timestamp>, power: Watts, ports: usize) -> Self {
        let watts = power.as_f64();
        Self { last: last_success.map(|at| Output { at, watts, ports }), peak: watts }
    }

    /// The DTU answered.
    pub(super) fn answered(&mut self, power: Watts, ports: usize, now: Timestamp, zone: &TimeZone) {
        let date = |at: Timestamp| at.to_zoned(zone.clone()).date();
        let watts = power.as_f64();
        let is_new_day = self.last.is_none_or(|last| date(last.at) != date(now));
        self.peak = if is_new_day { watts } else { self.peak.max(watts) };
        self.last = Some(Output { at: now, watts, ports });
    }

    /// Whether a DTU that does not answer now sleeps.
    pub(super) fn is_asleep(&self, now: Timestamp, zone: &TimeZone) -> bool {
        let now = now.to_zoned(zone.clone());
        let (dawn, noon) = SURELY_DAY;
        if (dawn..noon).contains(&now.time()) {
            return false;
        }
        match self.last {
            None => {
                let (from, to) = SURELY_NIGHT;
                from <= now.time() || now.time() < to
            }
            Some(last) => {
                self.has_faded(last) && now < next_dawn(&last.at.to_zoned(zone.clone()), dawn)
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "no plant has 2^52 ports")]
    fn has_faded(&self, last: Output) -> bool {
        last.watts <= FADED_PER_PORT * last.ports as f64
            || last.watts <= FADED_PART_OF_PEAK * self.peak
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

#[cfg(test)]
mod tests {
    use super::*;

    const PORTS: usize = 4;

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    fn at(text: &str) -> Timestamp {
        format!("{text}[Europe/Berlin]").parse::<Zoned>().unwrap().timestamp()
    }

    /// After these answers (time, watts): whether silence at that time is sleep.
    #[track_caller]
    fn check(answers: &[(&str, i32)], silent_at: &str, expected: bool) {
        let mut dusk = Dusk::default();
        for (time, watts) in answers {
            dusk.answered(Watts::from_tenths(watts * 10), PORTS, at(time), &berlin());
        }
        assert_eq!(dusk.is_asleep(at(silent_at), &berlin()), expected, "{answers:?}, {silent_at}");
    }

    #[test]
    fn a_plant_that_had_faded_sleeps_until_the_sun_is_surely_up() {
        let evening =
            [("2026-06-10T13:00", 1_400), ("2026-06-10T21:10", 60), ("2026-06-10T21:20", 8)];
        check(&evening, "2026-06-10T21:25", true);
        check(&evening, "2026-06-11T03:00", true);
        check(&evening, "2026-06-11T09:59", true);
        check(&evening, "2026-06-11T10:00", false);
        check(&evening, "2026-06-11T18:00", false);
        check(&evening, "2026-06-12T01:00", false);
    }

    #[test]
    fn silence_in_the_midst_of_production_is_a_failure() {
        check(&[("2026-06-10T16:00", 900)], "2026-06-10T16:05", false);
        check(&[("2026-06-10T16:00", 900)], "2026-06-10T23:30", false);
        check(&[("2026-06-10T12:00", 3)], "2026-06-10T12:05", false);
    }

    #[test]
    fn faded_is_a_small_part_of_the_days_best() {
        check(&[("2026-06-10T13:00", 1_400), ("2026-06-10T20:00", 70)], "2026-06-10T20:30", true);
        check(&[("2026-06-10T13:00", 1_400), ("2026-06-10T20:00", 71)], "2026-06-10T20:30", false);
        // Yesterday's best is no measure of a dull winter day.
        check(&[("2026-06-09T13:00", 1_400), ("2026-06-10T16:00", 70)], "2026-06-10T16:30", false);
    }

    #[test]
    fn a_winter_morning_before_the_first_light_is_night() {
        check(&[("2026-12-21T16:10", 4)], "2026-12-22T08:30", true);
        check(&[("2026-12-22T08:20", 4)], "2026-12-22T08:30", true);
    }

    #[test]
    fn a_dtu_never_seen_sleeps_only_in_deep_night() {
        check(&[], "2026-06-10T23:00", true);
        check(&[], "2026-06-11T04:59", true);
        check(&[], "2026-06-11T05:00", false);
        check(&[], "2026-06-10T21:59", false);
    }

    #[test]
    fn what_was_known_before_a_restart_counts() {
        let evening = Some(at("2026-06-10T21:20"));
        let asleep = Dusk::restored(evening, Watts::from_tenths(0), PORTS);
        assert!(asleep.is_asleep(at("2026-06-11T02:00"), &berlin()));
        let cut_off = Dusk::restored(evening, Watts::from_tenths(9_000), PORTS);
        assert!(!cut_off.is_asleep(at("2026-06-11T02:00"), &berlin()));
    }
}
