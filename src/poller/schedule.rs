//! When to ask a DTU next. Pure.

use std::time::Duration;

/// The first wait after a failure; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// No failing DTU is left alone for longer.
const LONGEST_RETRY: Duration = Duration::from_secs(300);
/// So many failures in a row may be a restart of the DTU; the wait stays within one interval.
const PATIENT_FAILURES: u32 = 10;

/// How long to wait after a poll that took `spent`, so that polls start every `interval`.
///
/// A poll that took longer than the interval does not make the next ones hurry: the start that was
/// missed is left out, and the next one falls on the grid again.
pub(super) fn wait_after_success(interval: Duration, spent: Duration) -> Duration {
    let interval_ms = interval.as_millis().max(1);
    let into_interval = spent.as_millis() % interval_ms;
    let wait = interval_ms.saturating_sub(into_interval);
    Duration::from_millis(u64::try_from(wait).unwrap_or(u64::MAX))
}

/// How long to wait after the `failures`th failed poll in a row, from its end.
///
/// Within one interval for the first ten, so that a DTU that restarts is back at its next turn;
/// then longer and longer, but never beyond five minutes.
pub(super) fn wait_after_failure(interval: Duration, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let wait = FIRST_RETRY.saturating_mul(1 << doublings);
    let at_most = if failures <= PATIENT_FAILURES {
        interval
    } else {
        interval.saturating_mul(1 << failures.saturating_sub(PATIENT_FAILURES).min(16))
    };
    wait.min(at_most).min(LONGEST_RETRY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn polls_start_on_a_grid_and_a_long_one_makes_no_burst() {
        let wait = |spent| wait_after_success(seconds(60), seconds(spent));
        assert_eq!(wait(0), seconds(60));
        assert_eq!(wait(1), seconds(59));
        assert_eq!(wait(59), seconds(1));
        assert_eq!(wait(61), seconds(59), "one start was missed, and only one follows");
        assert_eq!(wait(200), seconds(40));
    }

    #[test]
    fn a_failing_dtu_is_asked_within_its_interval_at_first_and_every_five_minutes_at_last() {
        let waits = |interval: u64| {
            (1..=14)
                .map(|failures| wait_after_failure(seconds(interval), failures).as_secs())
                .collect::<Vec<_>>()
        };
        assert_eq!(waits(60), [5, 10, 20, 40, 60, 60, 60, 60, 60, 60, 120, 240, 300, 300]);
        assert_eq!(waits(5), [5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 10, 20, 40, 80]);
        assert_eq!(waits(900), [5, 10, 20, 40, 80, 160, 300, 300, 300, 300, 300, 300, 300, 300]);
    }
}
