//! Wall time as a value: who needs the date is given a clock, and a test gives its own; and a start
//! that outlives the setting of that clock.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// What time it is. Cheap to clone.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl WallClock {
    /// The computer's own clock.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn system() -> Self {
        Self(Arc::new(Timestamp::now))
    }

    /// A clock that shows what `now` returns: for simulations and tests.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The present moment.
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

/// A clock that is off by less is left alone: readers compare a start time with the last one they saw.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(1);

/// When something began, although the wall clock may have been set since: a Raspberry Pi starts in
/// 1970, or with the time at which it was switched off.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    began: Instant,
    shown: Timestamp,
}

impl Start {
    /// Begins now, which the wall clock calls so.
    pub fn at(now: Timestamp) -> Self {
        Self { began: Instant::now(), shown: now }
    }

    /// How long ago it was, whatever the wall clock says.
    pub fn uptime(&self) -> Duration {
        self.began.elapsed()
    }

    /// When it was, by a wall clock that now says `now`. The same answer each time, unless the
    /// clock was set.
    pub fn time(&self, now: Timestamp) -> Timestamp {
        let uptime = SignedDuration::try_from(self.uptime()).unwrap_or(SignedDuration::MAX);
        let derived = now.checked_sub(uptime).unwrap_or(self.shown);
        let error = derived.duration_since(self.shown);
        if error.abs() > TOLERANCE { derived } else { self.shown }
    }

    /// As of a wall clock that now says `now`.
    #[must_use]
    pub fn corrected(self, now: Timestamp) -> Self {
        Self { shown: self.time(now), ..self }
    }

    /// The wall time that was last found right.
    pub fn last_told(&self) -> Timestamp {
        self.shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_start_is_corrected_when_the_clock_is_set_and_else_stands() {
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
            assert_eq!(start.last_told(), at(expected), "{now}");
            assert_eq!(start.uptime(), before + Duration::from_secs(seconds));
        }
    }
}
