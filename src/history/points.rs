//! The points of a series: values in periods, gaps, and not too many.

use std::cmp::Ordering;

use super::course::GAP;
use super::read::Range;
use super::time::Resolution;

/// Most points of a series.
const MOST_POINTS: usize = 2_000;

/// The periods of an answer.
pub(super) struct Grid {
    pub(super) resolution: Resolution,
    pub(super) bounds: Vec<i64>,
}

/// Values in periods, by their place among the bounds.
pub(super) type Values = Vec<(usize, i32)>;

impl Grid {
    pub(super) fn place(&self, time: i64) -> Option<usize> {
        let place = self.bounds.partition_point(|bound| *bound <= time).checked_sub(1)?;
        (place.saturating_add(1) < self.bounds.len()).then_some(place)
    }

    fn start(&self, place: usize) -> i64 {
        self.bounds.get(place).copied().unwrap_or(i64::MAX)
    }

    /// The sum of these sources. A source that is read less often than others counts with its last
    /// value, unless that is from before a gap.
    pub(super) fn points(
        &self,
        sources: &[&[(usize, i32)]],
        steps: f64,
        end: i64,
    ) -> Vec<(i64, Option<f64>)> {
        let mut places: Vec<usize> =
            sources.iter().flat_map(|source| source.iter().map(|(place, _)| *place)).collect();
        places.sort_unstable();
        places.dedup();
        let hold = GAP.max(self.resolution.length());
        let mut points = Vec::with_capacity(places.len());
        let mut next = 0;
        for place in places {
            let start = self.start(place);
            if place > next && start.saturating_sub(self.start(next)) >= GAP {
                points.push((self.start(next), None));
            }
            next = place.saturating_add(1);
            let mut sum = 0_i64;
            for source in sources {
                let before = source.partition_point(|(known, _)| *known <= place);
                let Some((known, value)) = before.checked_sub(1).and_then(|last| source.get(last))
                else {
                    continue;
                };
                if *known == place
                    || (sources.len() > 1 && start.saturating_sub(self.start(*known)) < hold)
                {
                    sum = sum.saturating_add(i64::from(*value));
                }
            }
            let sum = i32::try_from(sum).unwrap_or(i32::MAX);
            points.push((start, Some(f64::from(sum) / steps)));
        }
        let after = self.start(next);
        if after < end && end.saturating_sub(after) >= GAP {
            points.push((after, None));
        }
        points
    }
}

/// At most [`MOST_POINTS`]: of each stretch its smallest and largest point, and one of its gaps.
pub(super) fn reduce(points: Vec<(i64, Option<f64>)>) -> Vec<(i64, Option<f64>)> {
    if points.len() <= MOST_POINTS {
        return points;
    }
    let stretch = points.len().div_ceil(MOST_POINTS / 3);
    let mut reduced = Vec::with_capacity(MOST_POINTS);
    for points in points.chunks(stretch) {
        let values = || points.iter().filter(|point| point.1.is_some());
        let least =
            values().min_by(|one, other| one.1.partial_cmp(&other.1).unwrap_or(Ordering::Equal));
        let most =
            values().max_by(|one, other| one.1.partial_cmp(&other.1).unwrap_or(Ordering::Equal));
        let gap = points.iter().find(|point| point.1.is_none());
        let mut kept: Vec<_> = [least, most, gap].into_iter().flatten().copied().collect();
        kept.sort_by_key(|point| point.0);
        kept.dedup_by_key(|point| point.0);
        reduced.extend(kept);
    }
    reduced
}

/// The finest resolution of which there are not too many points.
pub(super) fn automatic(range: Range, now: i64, oldest_minute: Option<i64>) -> Resolution {
    let length = range.to.min(now).saturating_sub(range.from);
    let most = i64::try_from(MOST_POINTS).unwrap_or(i64::MAX);
    let fits = |resolution: &Resolution| {
        let is_kept = *resolution != Resolution::Minute
            || oldest_minute.is_none_or(|oldest| {
                oldest.saturating_mul(60) <= range.from.saturating_add(86_400)
            });
        is_kept && length <= resolution.length().saturating_mul(most)
    };
    Resolution::ALL.into_iter().find(fits).unwrap_or(Resolution::Year)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn reduced_series_keep_extremes_and_gaps(
            values in proptest::collection::vec(proptest::option::weighted(0.9, -1e6..1e6), 0..20_000)
        ) {
            let points: Vec<_> = (0..).zip(values).collect();
            let reduced = reduce(points.clone());
            prop_assert!(reduced.len() <= MOST_POINTS);
            prop_assert!(reduced.is_sorted_by_key(|point| point.0));
            prop_assert!(reduced.iter().all(|point| points.contains(point)));
            let values = |points: &[(i64, Option<f64>)]| points.iter().filter_map(|point| point.1).collect::<Vec<_>>();
            let (all, kept) = (values(&points), values(&reduced));
            prop_assert_eq!(all.iter().copied().reduce(f64::min), kept.iter().copied().reduce(f64::min));
            prop_assert_eq!(all.iter().copied().reduce(f64::max), kept.iter().copied().reduce(f64::max));
            let has_gap = |points: &[(i64, Option<f64>)]| points.iter().any(|point| point.1.is_none());
            prop_assert_eq!(has_gap(&points), has_gap(&reduced));
        }
    }

    #[test]
    fn a_gap_is_null_and_a_slower_dtu_holds_its_value() {
        let bounds = Resolution::Minute.bounds(0, 3_600, &TimeZone::UTC);
        let grid = Grid { resolution: Resolution::Minute, bounds };
        let fast = [(0, 10), (1, 20), (2, 30), (30, 40)];
        let slow = [(0, 100)];
        let expected = [
            (0, Some(11.0)),
            (60, Some(12.0)),
            (120, Some(13.0)),
            (180, None),
            (1_800, Some(4.0)),
            (1_860, None),
        ];
        assert_eq!(grid.points(&[&fast, &slow], 10.0, 3_600), expected);
    }
}
