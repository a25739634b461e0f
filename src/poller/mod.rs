//! Polls each DTU on its own schedule and publishes what it says.

mod log;
mod night;
pub mod plant;
pub mod publish;
pub mod restore;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use self::log::PollLog;
use self::publish::SnapshotPublisher;
use crate::clock::WallClock;
use crate::dtu::{Dtu, PollError};
use crate::plant::reading::DtuReading;
use crate::snapshot::state::DtuStatus;
use crate::telemetry::metrics::Metrics;

/// So many polls in a row must go without an answer before silence is taken for sleep.
const SURELY_SILENT: u64 = 3;
/// The first wait after a failure; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// A failing DTU is tried at least this often.
const LONGEST_RETRY: Duration = Duration::from_secs(300);
/// So many failures in a row may be a restart of the DTU: until then the wait is one interval at most.
const QUICK_RETRIES: u64 = 10;

/// How long to wait after a poll that took `spent`, so that polls start every `interval`.
///
/// If a poll takes longer than the interval, the start that was missed is left out.
fn wait_after_success(interval: Duration, spent: Duration) -> Duration {
    let interval_ms = interval.as_millis().max(1);
    let into_interval = spent.as_millis() % interval_ms;
    let wait = interval_ms.saturating_sub(into_interval);
    Duration::from_millis(u64::try_from(wait).unwrap_or(u64::MAX))
}

/// How long to wait after the `failures`th failed poll in a row, from its end.
///
/// At most one interval for the first ten, so that a DTU that restarts is read again soon; then
/// longer and longer, up to five minutes.
fn wait_after_failure(interval: Duration, failures: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let wait = FIRST_RETRY.saturating_mul(1 << doublings);
    let at_most = if failures <= QUICK_RETRIES {
        interval
    } else {
        interval.saturating_mul(1 << failures.saturating_sub(QUICK_RETRIES).min(16))
    };
    wait.min(at_most).min(LONGEST_RETRY)
}

/// Polls one DTU. A poll never overlaps itself, since one task does them all.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Poller<D> {
    pub name: Arc<str>,
    pub dtu: D,
    /// From the start of one poll to the start of the next.
    pub interval: Duration,
    pub publisher: SnapshotPublisher,
    pub metrics: Metrics,
    pub clock: WallClock,
}

/// What a poller remembers from poll to poll.
#[derive(Debug, Default)]
struct Memory {
    log: PollLog,
    /// Polls in a row without an answer that are, or may be, sleep.
    silent_polls: u64,
}

impl<D: Dtu> Poller<D> {
    /// Polls on schedule until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut memory = Memory::default();
        loop {
            let started = Instant::now();
            let Some(outcome) = stop.run_until_cancelled(self.dtu.poll()).await else { return };
            let wait = self.apply(outcome, started.elapsed(), &mut memory);
            if stop.run_until_cancelled(sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    /// Applies one outcome; returns how long to wait. The time in log and metrics is how long the DTU
    /// took, without the pauses that were made for it.
    fn apply(
        &self,
        outcome: Result<DtuReading, PollError>,
        spent: Duration,
        Memory { log, silent_polls }: &mut Memory,
    ) -> Duration {
        let (name, publisher, now) = (&*self.name, &self.publisher, self.clock.now());
        // A DTU that has left the configuration.
        let Some(before) = publisher.dtu(name) else { return self.interval };
        let taken = spent.saturating_sub(self.dtu.pauses());
        let finished = |is_ok| self.metrics.poll_finished(name, is_ok, taken.as_secs_f64());
        let failure = match outcome {
            Ok(reading) => {
                finished(true);
                *silent_polls = 0;
                self.count_rejected(publisher.succeeded(name, &reading, now));
                log.success(&before, &reading, taken);
                if let Some(dtu) = publisher.dtu(name) {
                    log.warnings(&dtu, now);
                }
                return wait_after_success(self.interval, spent);
            }
            Err(failure) => failure,
        };
        if failure.is_silence() {
            let is_asleep = before.status == DtuStatus::Asleep;
            let polls = silent_polls.saturating_add(1);
            // One lost answer at dusk is not sleep yet: the next tries, which come soon, will show.
            if !is_asleep && polls < SURELY_SILENT && publisher.may_sleep(name, now) {
                finished(false);
                *silent_polls = polls;
                PollLog::silence(name, &failure);
                return wait_after_failure(self.interval, polls);
            }
            // Sleep is neither a success nor a failure.
            if publisher.fell_asleep(name, now) {
                // At dusk the DTU may come and go, so that it is tried again soon at first.
                *silent_polls = if is_asleep { polls } else { 1 };
                log.sleep(&before);
                return wait_after_failure(self.interval, *silent_polls);
            }
        }
        finished(false);
        *silent_polls = 0;
        self.count_rejected(publisher.failed(name, &failure, now));
        let failing = publisher.dtu(name).and_then(|dtu| dtu.failing);
        let polls = failing.map_or(1, |failing| failing.polls);
        let wait = wait_after_failure(self.interval, polls);
        log.failure(name, failure, polls, wait);
        wait
    }

    fn count_rejected(&self, rejected: usize) {
        if rejected > 0 {
            let rejected = u64::try_from(rejected).unwrap_or(u64::MAX);
            self.metrics.readings_refused(&self.name, rejected);
        }
    }
}

/// Lets a new day begin at local midnight although no DTU may answer then, and lets values of DTUs
/// that fail, and are polled rarely, expire.
pub async fn turn_days(
    publisher: SnapshotPublisher,
    clock: WallClock,
    zone: TimeZone,
    stop: CancellationToken,
) {
    // The wall clock may be set at any time, so it is looked at often.
    const LOOK_EVERY: Duration = Duration::from_secs(1);
    let mut day = clock.now().to_zoned(zone.clone()).date();
    while stop.run_until_cancelled(sleep(LOOK_EVERY)).await.is_some() {
        let now = clock.now();
        let today = now.to_zoned(zone.clone()).date();
        if today != day {
            day = today;
            publisher.roll_over(now);
        }
        publisher.expire_failing(now);
    }
}
