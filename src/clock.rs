//! The wall clock as a value, so that tests can replace it; and a start time that stays right when
//! the clock is set.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// A wall clock. Cheap to clone.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl WallClock {
    /// The system's clock.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn system() -> Self {
        Self(Arc::new(Timestamp::now))
    }

    /// A clock that returns `now()`: for simulations and tests.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The current time.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl std::fmt::Debug for WallClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("WallClock").field(&self.now()).finish()
    }
}

/// 2020-01-01: no bridge ran before, so a clock that shows less has not been set yet, as on a board
/// without a battery.
const NO_EARLIER: Timestamp = Timestamp::constant(1_577_836_800, 0);

/// Whether a clock that shows `now` has been set.
pub fn is_set(now: Timestamp) -> bool {
    now >= NO_EARLIER
}

/// Smaller deviations are ignored, so that the reported start time does not change each time.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(1);

/// When something started, even if the wall clock was set since: a Raspberry Pi boots in 1970, or
/// with the time at which it was switched off.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    began: Instant,
    reported: Timestamp,
}

impl Start {
    /// Starts now, at the wall time `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { began: Instant::now(), reported: now }
    }

    /// How long ago it was, independent of the wall clock.
    pub fn uptime(&self) -> Duration {
        self.began.elapsed()
    }

    /// When it was, if the wall clock now shows `now`. The same time at each call, unless the clock
    /// was set.
    pub fn time(&self, now: Timestamp) -> Timestamp {
        let uptime = SignedDuration::try_from(self.uptime()).unwrap_or(SignedDuration::MAX);
        let derived = now.checked_sub(uptime).unwrap_or(self.reported);
        let error = derived.duration_since(self.reported);
        if error.abs() > TOLERANCE { derived } else { self.reported }
    }

    /// Corrected for a wall clock that now shows `now`.
    #[must_use]
    pub fn corrected(self, now: Timestamp) -> Self {
        Self { reported: self.time(now), ..self }
    }

    /// The start time as last corrected.
    pub fn last_reported(&self) -> Timestamp {
        self.reported
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_start_time_changes_only_when_the_clock_is_set() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let mut start = Start::at(at("1970-01-01T00:00:30Z"));
        for (seconds, now, expected) in [
            (10, "1970-01-01T00:00:40Z", "1970-01-01T00:00:30Z"),
            // Set by NTP.
            (20, "2026-06-10T12:00:30.7Z", "2026-06-10T12:00:00.7Z"),
            // Milliseconds of reading one clock after the other, and a clock that is slewed.
            (30, "2026-06-10T12:01:00.702Z", "2026-06-10T12:00:00.7Z"),
            (86_400, "2026-06-11T12:01:55Z", "2026-06-10T12:00:00.7Z"),
            // Set back.
            (1, "2026-06-10T12:00:00Z", "2026-06-09T11:58:59Z"),
        ] {
            let before = start.uptime();
            tokio::time::advance(Duration::from_secs(seconds)).await;
            assert_eq!(start.time(at(now)), at(expected), "{now}");
            start = start.corrected(at(now));
            assert_eq!(start.last_reported(), at(expected), "{now}");
            assert_eq!(start.uptime(), before + Duration::from_secs(seconds));
        }
    }
}
