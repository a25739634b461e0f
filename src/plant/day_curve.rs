//! The course of the plant's power since local midnight, in means of five minutes.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::units::Watts;
use crate::clock;

/// The length of one step, in seconds.
pub const STEP: i64 = 300;
/// A day with 25 hours.
const MOST_STEPS: usize = 300;

/// The power of the present day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DayCurve {
    /// Local midnight; `None` before the first reading.
    begin: Option<Timestamp>,
    steps: Vec<Mean>,
    peak: Option<(Timestamp, Watts)>,
}

/// The mean of the readings of one step, in tenths of a watt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mean {
    sum: i64,
    count: u32,
}

impl Mean {
    fn value(self) -> Option<Watts> {
        let mean = self.sum.checked_div(i64::from(self.count))?;
        Some(Watts::from_tenths(i32::try_from(mean).ok()?))
    }
}

impl DayCurve {
    /// A curve that was stored, with a mean for each step from `begin` on.
    pub fn restore(
        begin: Timestamp,
        means: impl IntoIterator<Item = Option<Watts>>,
        peak: Option<(Timestamp, Watts)>,
    ) -> Self {
        let mean = |power: Option<Watts>| {
            let sum = power.map(|power| i64::from(power.steps()));
            Mean { sum: sum.unwrap_or(0), count: u32::from(sum.is_some()) }
        };
        let steps = means.into_iter().take(MOST_STEPS).map(mean).collect();
        Self { begin: Some(begin), steps, peak }
    }

    /// The plant has this power now. The first reading of a day begins a new curve.
    pub fn add(&mut self, power: Watts, now: Timestamp, zone: &TimeZone) {
        let midnight = zone.to_datetime(now).date().to_zoned(zone.clone()).ok();
        let Some(midnight) = midnight.and_then(|date| date.start_of_day().ok()) else { return };
        let begin = midnight.timestamp();
        if !clock::is_set(now) {
            return;
        }
        if self.begin != Some(begin) {
            *self = Self { begin: Some(begin), ..Self::default() };
        }
        let step = now.duration_since(begin).as_secs().div_euclid(STEP);
        let Some(step) = usize::try_from(step).ok().filter(|step| *step < MOST_STEPS) else {
            return;
        };
        if self.steps.len() <= step {
            self.steps.resize(step + 1, Mean::default());
        }
        if let Some(mean) = self.steps.get_mut(step) {
            mean.sum = mean.sum.saturating_add(i64::from(power.steps()));
            mean.count = mean.count.saturating_add(1);
        }
        if self.peak.is_none_or(|(_, highest)| power > highest) {
            self.peak = Some((now, power));
        }
    }

    /// Local midnight of the day; `None` before the first reading.
    pub const fn begin(&self) -> Option<Timestamp> {
        self.begin
    }

    /// The mean power of each step since the begin; `None` where nothing was read.
    pub fn means(&self) -> impl ExactSizeIterator<Item = Option<Watts>> {
        self.steps.iter().map(|mean| mean.value())
    }

    /// The highest reading, and when it was.
    pub const fn peak(&self) -> Option<(Timestamp, Watts)> {
        self.peak
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn watts(tenths: i32) -> Watts {
        Watts::from_tenths(tenths)
    }

    #[test]
    fn a_step_has_the_mean_of_its_readings() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let mut curve = DayCurve::default();
        curve.add(watts(100), at("2026-06-09T21:59:00Z"), &zone);
        curve.add(watts(100), at("2026-06-09T22:04:59Z"), &zone);
        curve.add(watts(201), at("2026-06-09T22:00:00Z"), &zone);
        curve.add(watts(900), at("2026-06-09T22:10:00Z"), &zone);
        assert_eq!(curve.begin(), Some(at("2026-06-09T22:00:00Z")), "local midnight");
        let means: Vec<_> = curve.means().collect();
        assert_eq!(means, [Some(watts(150)), None, Some(watts(900))]);
        assert_eq!(curve.peak(), Some((at("2026-06-09T22:10:00Z"), watts(900))));
        let stored = DayCurve::restore(curve.begin().unwrap(), curve.means(), curve.peak());
        assert_eq!(stored.means().collect::<Vec<_>>(), means);
    }

    #[test]
    fn the_longest_day_has_300_steps() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let mut curve = DayCurve::default();
        curve.add(watts(1), at("2026-10-25T22:59:59Z"), &zone);
        assert_eq!(curve.means().len(), 300);
        curve.add(watts(1), at("2026-10-25T23:00:00Z"), &zone);
        assert_eq!(curve.means().len(), 1);
        let before = curve.clone();
        curve.add(watts(1), at("1970-01-02T12:00:00Z"), &zone);
        assert_eq!(curve, before, "the clock is not set");
    }
}
