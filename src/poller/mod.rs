//! Asks each DTU on its own schedule and enters what it says.

pub mod book;

pub mod keeper;

mod merge;

mod meters;

mod night;

pub mod restore;

mod row;

mod schedule;

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use self::keeper::Keeper;
use self::row::Row;
use crate::clock::WallClock;
use crate::dtu::{Dtu, PollError};
use crate::plant::reading::DtuReading;
use crate::telemetry::metrics::Metrics;

/// Asks one DTU. A poll never overlaps itself, since one task does them all.
#[derive(Debug)]
pub struct Poller<D> {
    /// The DTU, as the configuration names it.
    pub name: Arc<str>,
    /// The DTU itself.
    pub dtu: D,
    /// From the start of one poll to the start of the next.
    pub interval: Duration,
    /// Where the outcome goes.
    pub keeper: Keeper,
    /// Counts polls.
    pub metrics: Metrics,
    /// What time it is.
    pub clock: WallClock,
}

impl<D: Dtu> Poller<D> {
    /// Asks on schedule until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut row = Row::default();
        loop {
            let started = Instant::now();
            let Some(outcome) = stop.run_until_cancelled(self.dtu.poll()).await else { return };
            let spent = started.elapsed();
            let wait = self.enter(outcome, spent, &mut row);
            if stop.run_until_cancelled(sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    /// Enters one outcome and tells of it; returns how long to wait. What is told of its time is how
    /// long the DTU took, without the pauses that were made for it.
    fn enter(
        &self,
        outcome: Result<DtuReading, PollError>,
        spent: Duration,
        row: &mut Row,
    ) -> Duration {
        let now = self.clock.now();
        let taken = spent.saturating_sub(self.dtu.pauses());
        let told = |is_ok| self.metrics.poll_finished(&self.name, is_ok, taken.as_secs_f64());
        match outcome {
            Ok(reading) => {
                told(true);
                let refused = self.keeper.succeeded(&self.name, &reading, now);
                self.count_refused(refused);
                row.tell_success(&self.name, &reading, taken);
                row.tell_warnings(&self.name, self.keeper.warnings(&self.name, now));
                schedule::wait_after_success(self.interval, spent)
            }
            // One lost answer at dusk is no sleep yet: the next tries, which come soon, will show.
            Err(failure)
                if failure.is_silence()
                    && row.is_in_doubt()
                    && self.keeper.may_sleep(&self.name, now) =>
            {
                told(false);
                row.tell_doubt(&self.name, &failure, self.interval)
            }
            // Sleep is neither a success nor a failure.
            Err(failure) if failure.is_silence() && self.keeper.fell_asleep(&self.name, now) => {
                row.tell_sleep(&self.name, self.interval)
            }
            Err(failure) => {
                told(false);
                let refused = self.keeper.failed(&self.name, &failure, now);
                self.count_refused(refused);
                row.tell_failure(&self.name, failure, self.interval)
            }
        }
    }

    fn count_refused(&self, refused: usize) {
        if refused > 0 {
            self.metrics.readings_refused(&self.name, u64::try_from(refused).unwrap_or(u64::MAX));
        }
    }
}

/// Lets the day turn at local midnight although no DTU may answer then, and lets values of DTUs that
/// fail, and are asked rarely, grow old.
pub async fn turn_days(keeper: Keeper, clock: WallClock, zone: TimeZone, stop: CancellationToken) {
    // The wall clock may be set at any time, so it is looked at often instead of slept through.
    const LOOK_EVERY: Duration = Duration::from_secs(1);
    let mut day = clock.now().to_zoned(zone.clone()).date();
    while stop.run_until_cancelled(sleep(LOOK_EVERY)).await.is_some() {
        let now = clock.now();
        let today = now.to_zoned(zone.clone()).date();
        if today != day {
            day = today;
            keeper.roll(now);
        }
        keeper.expire_failing(now);
    }
}

#[cfg(test)]
mod tests;
