//! The sunlight on a port and its sum over time: a formula and its integral, so that a port's energy
//! is exactly what its power has delivered, over years.

use std::f64::consts::{PI, TAU};

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::{random, random_share};

/// The plant's counters start on this day; before it, the plant stands still.
const FIRST_DAY: Date = date(2020, 1, 1);
/// Local time; there are no seasons.
const SUNRISE_HOUR: f64 = 6.0;
const SUNSET_HOUR: f64 = 20.0;
const DAYLIGHT_HOURS: f64 = SUNSET_HOUR - SUNRISE_HOUR;
/// How often clouds pass in a day, and how much light they take. Whole numbers above 1 shift light
/// within the day and leave its sum unchanged, on which `Sky::gathered` relies.
const CLOUDS: [(f64, f64); 3] = [(3.0, 0.2), (7.0, 0.15), (16.0, 0.05)];
/// Waves of a sun that never sets: period in hours, amplitude.
const WAVES: [(f64, f64); 2] = [(1.9, 0.2), (0.4, 0.05)];
/// The energy of an endless day, in ordinary days.
const HIGH_SUN: f64 = 2.5;
/// Below this share of a day's energy per hour (about a watt) inverters sleep.
const TWILIGHT: f64 = 0.0005;

#[derive(Clone, Debug)]
pub(super) struct Sky {
    pub(super) seed: u64,
    pub(super) timezone: TimeZone,
    /// The sun never sets, for demonstrations.
    pub(super) endless_day: bool,
}

impl Sky {
    /// A port's power at `place`, in shares of its daily energy per hour.
    pub(super) fn rate(&self, now: Timestamp, place: f64) -> f64 {
        if self.endless_day {
            let hours = hours_since_first_day(now);
            let waves: f64 = WAVES
                .iter()
                .map(|(period, amplitude)| amplitude * (TAU * hours / period + place).cos())
                .sum();
            return HIGH_SUN / 24.0 * (1.0 + waves);
        }
        let local = self.local(now);
        let rate = light(local.elapsed, &self.clouds(local.day, place))
            / (DAYLIGHT_HOURS * light_of_a_day());
        if rate < TWILIGHT { 0.0 } else { rate }
    }

    /// A port's energy since the first day: whole daily energies, and a part of the next.
    pub(super) fn gathered(&self, now: Timestamp, place: f64) -> (i64, f64) {
        if self.endless_day {
            let hours = hours_since_first_day(now);
            let waves: f64 = WAVES
                .iter()
                .map(|(period, amplitude)| {
                    amplitude * period / TAU * (TAU * hours / period + place).sin()
                })
                .sum();
            let days = HIGH_SUN / 24.0 * (hours + waves);
            return (whole(days), days - days.floor());
        }
        let local = self.local(now);
        let gathered = light_until(local.elapsed, &self.clouds(local.day, place));
        (local.day, (gathered / light_of_a_day()).clamp(0.0, 1.0))
    }

    pub(super) fn midnight(&self, now: Timestamp) -> Timestamp {
        let local = now.to_zoned(self.timezone.clone());
        local.start_of_day().map_or(now, |midnight| midnight.timestamp())
    }

    fn local(&self, now: Timestamp) -> LocalTime {
        LocalTime::from(now.to_zoned(self.timezone.clone()))
    }

    /// The phase of each cloud at sunrise of that day.
    fn clouds(&self, day: i64, place: f64) -> [f64; 3] {
        let day_seed = random(self.seed, day.unsigned_abs());
        [0, 1, 2].map(|cloud| TAU * random_share(day_seed, cloud) + place)
    }
}

/// Days since `FIRST_DAY`, and the elapsed share of the day's daylight.
struct LocalTime {
    day: i64,
    elapsed: f64,
}

impl From<Zoned> for LocalTime {
    fn from(local: Zoned) -> Self {
        let hour = f64::from(local.hour())
            + f64::from(local.minute()) / 60.0
            + (f64::from(local.second()) + f64::from(local.subsec_nanosecond()) / 1e9) / 3600.0;
        Self {
            day: local.date().duration_since(FIRST_DAY).as_hours() / 24,
            elapsed: ((hour - SUNRISE_HOUR) / DAYLIGHT_HOURS).clamp(0.0, 1.0),
        }
    }
}

/// Light between 0 and 1: a bell from sunrise to sunset, less the clouds.
fn light(elapsed: f64, clouds: &[f64; 3]) -> f64 {
    let shade: f64 = CLOUDS
        .iter()
        .zip(clouds)
        .map(|((times, depth), phase)| depth / 2.0 * (1.0 + (TAU * times * elapsed + phase).cos()))
        .sum();
    (PI * elapsed).sin().powi(2) * (1.0 - shade)
}

/// The integral of `light` since sunrise.
fn light_until(elapsed: f64, clouds: &[f64; 3]) -> f64 {
    let bell = elapsed / 2.0 - (TAU * elapsed).sin() / (2.0 * TAU);
    let shade: f64 = CLOUDS
        .iter()
        .zip(clouds)
        .map(|((times, depth), phase)| {
            let wave =
                |times: f64| ((TAU * times * elapsed + phase).sin() - phase.sin()) / (TAU * times);
            let under_bell = wave(*times) / 2.0 - (wave(times + 1.0) + wave(times - 1.0)) / 4.0;
            depth / 2.0 * (bell + under_bell)
        })
        .sum();
    bell - shade
}

/// The integral of `light` over a whole day, the same on every day.
fn light_of_a_day() -> f64 {
    (1.0 - CLOUDS.iter().map(|(_, depth)| depth / 2.0).sum::<f64>()) / 2.0
}

fn hours_since_first_day(now: Timestamp) -> f64 {
    let first =
        FIRST_DAY.to_zoned(TimeZone::UTC).map_or(Timestamp::UNIX_EPOCH, |day| day.timestamp());
    now.duration_since(first).as_secs_f64() / 3600.0
}

#[expect(clippy::cast_possible_truncation, reason = "`as` saturates as intended")]
pub(super) fn whole(value: f64) -> i64 {
    value.floor() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sky(endless_day: bool) -> Sky {
        Sky { seed: 3, timezone: TimeZone::get("Europe/Berlin").unwrap(), endless_day }
    }

    #[track_caller]
    fn check(endless_day: bool, from: &str, to: &str) {
        let sky = sky(endless_day);
        let (from, to): (Timestamp, Timestamp) = (from.parse().unwrap(), to.parse().unwrap());
        let gathered = |now| {
            let (days, part) = sky.gathered(now, 0.4);
            f64::from(i32::try_from(days).unwrap()) + part
        };
        let (mut sum, mut now) = (0.0, from);
        while now < to {
            sum += sky.rate(now + jiff::SignedDuration::from_secs(15), 0.4) / 120.0;
            now += jiff::SignedDuration::from_secs(30);
        }
        let gathered = gathered(to) - gathered(from);
        assert!((gathered - sum).abs() < 0.0003, "{gathered} but {sum} from {from} to {to}");
    }

    #[test]
    fn energy_is_the_integral_of_the_rate() {
        for endless_day in [false, true] {
            check(endless_day, "2026-08-22T04:00:00Z", "2026-08-22T09:13:30Z");
            check(endless_day, "2026-08-22T09:13:30Z", "2026-08-22T22:00:00Z");
            check(endless_day, "2026-10-24T11:00:00Z", "2026-10-26T11:00:00Z");
        }
    }

    #[test]
    fn there_is_no_power_in_the_dark() {
        for dark in ["2026-08-22T00:00:00Z", "2026-08-22T04:01:00Z", "2026-08-22T18:00:00Z"] {
            assert!(sky(false).rate(dark.parse().unwrap(), 0.0) == 0.0, "{dark}");
            assert!(sky(true).rate(dark.parse().unwrap(), 0.0) > 0.05, "{dark}");
        }
        assert!(sky(false).rate("2026-08-22T11:00:00Z".parse().unwrap(), 0.0) > 0.05);
    }
}
