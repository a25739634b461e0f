//! The course of one published counter: its value at any instant, and what periods produced.
//!
//! Energy is never computed from power. What two periods that touch produced always adds up to the
//! difference of the counter, whatever is interpolated between.

/// A longer time without a reading is a gap, in seconds.
pub(super) const GAP: i64 = 600;

/// How the energy of a period is known; later ones are worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quality {
    /// Every part of it was counted when it was produced.
    #[default]
    Measured,
    /// Some of it was produced during a gap, over which it is spread evenly.
    Recovered,
    /// Some of it was produced during a gap, over which it is spread along a typical course.
    Shaped,
}

impl Quality {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Recovered => "recovered",
            Self::Shaped => "shaped",
        }
    }

    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Measured => 0,
            Self::Recovered => 1,
            Self::Shaped => 2,
        }
    }

    pub(super) const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Measured,
            2 => Self::Shaped,
            _ => Self::Recovered,
        }
    }
}

/// What a source did within one period. Times are unix seconds; `end` does not belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) start: i64,
    pub(super) end: i64,
    /// Mean and largest power in 0.1 W.
    pub(super) power: Option<(i32, i32)>,
    /// The counter at start and end.
    pub(super) counter: Option<(u64, u64)>,
    pub(super) quality: Quality,
}

/// What a period produced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Produced {
    pub(super) energy: u64,
    pub(super) quality: Quality,
}

#[derive(Clone, Copy, Debug)]
struct Knot {
    time: i64,
    /// Grown since the first knot; never falls.
    grown: u64,
    /// As published, which starts over if the state was lost.
    counter: u64,
    /// Of the growth since the knot before.
    quality: Quality,
}

/// The course of one counter, from its first reading on.
#[derive(Clone, Debug, Default)]
pub(super) struct Course {
    knots: Vec<Knot>,
}

impl Course {
    /// Adds a reading of that second. A counter at an instant is that of the last reading before it,
    /// so the reading counts from the next second on.
    pub(super) fn read(&mut self, second: i64, counter: u64) {
        self.add(second.saturating_add(1), counter, None);
    }

    /// Adds the counter at an instant.
    pub(super) fn know(&mut self, time: i64, counter: u64) {
        self.add(time, counter, None);
    }

    /// Adds a period that was computed before.
    pub(super) fn pass(&mut self, bucket: &Bucket) {
        if let Some((first, last)) = bucket.counter {
            self.add(bucket.start, first, None);
            self.add(bucket.end, last, Some(bucket.quality));
        }
    }

    /// Goes on as that course does.
    pub(super) fn follow(&mut self, other: &Self) {
        for (place, knot) in other.knots.iter().enumerate() {
            self.add(knot.time, knot.counter, (place > 0).then_some(knot.quality));
        }
    }

    fn add(&mut self, time: i64, counter: u64, quality: Option<Quality>) {
        let knot = match self.knots.last() {
            None => Knot { time, grown: 0, counter, quality: Quality::Measured },
            // Time does not run backwards; whatever was counted meanwhile was counted now.
            Some(last) => {
                let time = time.max(last.time);
                let is_gap = time.saturating_sub(last.time) > GAP;
                let derived = if is_gap { Quality::Recovered } else { Quality::Measured };
                let growth = counter.saturating_sub(last.counter);
                let grown = last.grown.saturating_add(growth);
                Knot { time, grown, counter, quality: quality.unwrap_or(derived) }
            }
        };
        self.knots.push(knot);
    }

    /// From the first knot to the last one.
    pub(super) fn span(&self) -> Option<(i64, i64)> {
        Some((self.knots.first()?.time, self.knots.last()?.time))
    }

    /// The knots around an instant.
    fn around(&self, time: i64) -> (Option<&Knot>, Option<&Knot>) {
        let place = self.knots.partition_point(|knot| knot.time <= time);
        (place.checked_sub(1).and_then(|before| self.knots.get(before)), self.knots.get(place))
    }

    /// How much has grown since the first knot until that instant.
    fn grown(&self, time: i64) -> u64 {
        match self.around(time) {
            (None, _) => 0,
            (Some(before), Some(after)) if is_gap(before, after) => {
                let part = |whole: u64| -> Option<u64> {
                    let passed = u128::try_from(time.checked_sub(before.time)?).ok()?;
                    let length = u128::try_from(after.time.checked_sub(before.time)?).ok()?;
                    u64::try_from(u128::from(whole) * passed / length.max(1)).ok()
                };
                let whole = after.grown.saturating_sub(before.grown);
                before.grown.saturating_add(part(whole).unwrap_or(0))
            }
            (Some(before), _) => before.grown,
        }
    }

    /// The counter as published at that instant; `None` without any reading.
    pub(super) fn counter(&self, time: i64) -> Option<u64> {
        match self.around(time) {
            (None, after) => after.map(|knot| knot.counter),
            (Some(before), _) => {
                Some(before.counter.saturating_add(self.grown(time).saturating_sub(before.grown)))
            }
        }
    }

    /// What was produced from `start` until `end`.
    pub(super) fn produced(&self, start: i64, end: i64) -> Produced {
        let energy = self.grown(end).saturating_sub(self.grown(start));
        let first = self.knots.partition_point(|knot| knot.time <= start).max(1);
        let befores = self.knots.iter().skip(first - 1);
        let pairs = befores.zip(self.knots.iter().skip(first));
        let quality = pairs
            .take_while(|(before, _)| before.time < end)
            .filter(|(before, after)| after.grown > before.grown)
            .filter(|(before, after)| after.time <= end || is_gap(before, after))
            .map(|(_, after)| after.quality)
            .max();
        Produced { energy, quality: quality.unwrap_or_default() }
    }
}

fn is_gap(before: &Knot, after: &Knot) -> bool {
    after.time.saturating_sub(before.time) > GAP
}

/// Power within one minute that begins then: mean and largest.
pub(super) type Power = (i64, (i32, i32));

/// The periods between these bounds in which anything was read or produced.
pub(super) fn buckets(course: &Course, powers: &[Power], bounds: &[i64]) -> Vec<Bucket> {
    let span = course.span();
    let mut found = Vec::new();
    for (&start, &end) in bounds.iter().zip(bounds.iter().skip(1)) {
        let first = powers.partition_point(|(time, _)| *time < start);
        let inside = powers.iter().skip(first).take_while(|(time, _)| *time < end);
        let power = mean(inside.map(|(_, power)| *power));
        let is_counted = span.is_some_and(|(first, last)| first <= end && start < last);
        let produced = course.produced(start, end);
        let counter = course.counter(start).filter(|_| is_counted);
        let counter = counter.map(|first| (first, first.saturating_add(produced.energy)));
        if power.is_some() || (is_counted && produced.energy > 0) {
            found.push(Bucket { start, end, power, counter, quality: produced.quality });
        }
    }
    found
}

/// The mean of means, and the largest.
pub(super) fn mean(powers: impl Iterator<Item = (i32, i32)>) -> Option<(i32, i32)> {
    let (mut sum, mut count, mut most) = (0_i64, 0_i64, i32::MIN);
    for (mean, max) in powers {
        sum = sum.saturating_add(i64::from(mean));
        count += 1;
        most = most.max(max);
    }
    let mean = sum.saturating_add(count / 2).checked_div_euclid(count)?;
    Some((i32::try_from(mean).ok()?, most))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Steps between readings, and how much the counter grew; now and then the state is lost.
    fn readings() -> impl Strategy<Value = Vec<(i64, u64)>> {
        let step =
            (prop_oneof![1..120_i64, 1..100_000_i64], prop_oneof![Just(0), 0..500_u64], 0..40_u8);
        proptest::collection::vec(step, 1..60).prop_map(|steps| {
            let (mut second, mut counter) = (1_780_000_000, 456_172);
            let step = |(wait, growth, fate): (i64, u64, u8)| {
                second += wait;
                counter = if fate == 0 { 1_000 } else { counter + growth };
                (second, counter)
            };
            steps.into_iter().map(step).collect()
        })
    }

    fn course(readings: &[(i64, u64)]) -> Course {
        let mut course = Course::default();
        for (second, counter) in readings {
            course.read(*second, *counter);
        }
        course
    }

    fn growth(readings: &[(i64, u64)]) -> u64 {
        let pairs = readings.iter().zip(readings.iter().skip(1));
        pairs.map(|((_, before), (_, after))| after.saturating_sub(*before)).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn periods_add_up_to_the_growth_of_the_counter(
            readings in readings(), mut cuts in proptest::collection::vec(0..6_000_000_i64, 0..40)
        ) {
            let course = course(&readings);
            let (first, last) = course.span().unwrap();
            cuts.sort_unstable();
            let inner = cuts.iter().map(|cut| 1_780_000_000 + cut).filter(|time| (first..last).contains(time));
            let bounds: Vec<i64> = [first - 100].into_iter().chain(inner).chain([last + 100]).collect();
            let pairs = bounds.iter().zip(bounds.iter().skip(1));
            let sum: u64 = pairs.map(|(start, end)| course.produced(*start, *end).energy).sum();
            prop_assert_eq!(sum, growth(&readings));
        }

        /// What is computed once and stored says the same as the readings did.
        #[test]
        fn stored_periods_add_up_as_well(readings in readings(), step in prop_oneof![Just(300_i64), Just(3_600), Just(86_400)]) {
            let course = course(&readings);
            let (first, last) = course.span().unwrap();
            let begin = (first - 1).div_euclid(step) * step;
            let bounds: Vec<i64> = (0..=(last - begin) / step + 1).map(|n| begin + n * step).collect();
            let powers: Vec<Power> = readings.iter().map(|(second, _)| (*second, (1, 1))).collect();
            let mut stored = Course::default();
            for bucket in buckets(&course, &powers, &bounds) {
                stored.pass(&bucket);
            }
            for (start, end) in bounds.iter().zip(bounds.iter().skip(1)) {
                let [read, stored] = [&course, &stored].map(|course| course.produced(*start, *end));
                prop_assert!(read.energy.abs_diff(stored.energy) <= 1, "{:?} {:?}", read, stored);
            }
            let end = bounds.last().copied().unwrap();
            prop_assert_eq!(stored.produced(begin, end).energy, growth(&readings));
        }
    }

    #[test]
    fn a_gap_is_spread_evenly_and_marked() {
        let mut course = Course::default();
        course.read(0, 100);
        course.read(60, 110);
        course.read(7_260, 310);
        assert_eq!(course.produced(0, 60), Produced { energy: 0, quality: Quality::Measured });
        assert_eq!(course.produced(0, 61), Produced { energy: 10, quality: Quality::Measured });
        let half = course.produced(61, 3_661);
        assert_eq!(half, Produced { energy: 100, quality: Quality::Recovered });
        assert_eq!(course.produced(3_661, 9_999).energy, 100);
        // A night in which nothing was produced leaves nothing to recover.
        course.read(90_000, 310);
        course.read(90_060, 311);
        let day = course.produced(86_400, 172_800);
        assert_eq!(day, Produced { energy: 1, quality: Quality::Measured });
    }
}
