//! Polls each DTU on its own schedule and publishes what it says.

mod log;
mod night;
pub mod plant;
pub mod publish;
pub mod restore;
#[cfg(test)]
mod tests;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::log::PollLog;
use self::publish::SnapshotPublisher;
use crate::clock::WallClock;
use crate::dtu::{Dtu, DtuError, PollError};
use crate::plant::identity::Identity;
use crate::plant::reading::DtuReading;
use crate::snapshot::state::DtuStatus;
use crate::telemetry::metrics::Metrics;

/// So many polls in a row must go without an answer before silence is taken for sleep.
const SURELY_SILENT: u64 = 3;
/// The shortest wait after a failure, and the first one.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// A failing DTU is tried at least this often.
const LONGEST_RETRY: Duration = Duration::from_mins(5);
/// A DTU that has failed for so long may just restart: until then the wait is one interval at most.
const RESTART_TIME: Duration = Duration::from_mins(10);
/// During a poll that takes long, the DTU's replies are looked for this often.
const REPLIES_EVERY: Duration = Duration::from_secs(30);

/// How long to wait after a poll that took `spent`, so that polls start every `interval`.
///
/// If a poll takes longer than the interval, the start that was missed is left out.
fn wait_after_success(interval: Duration, spent: Duration) -> Duration {
    let interval_ms = interval.as_millis().max(1);
    let into_interval = spent.as_millis() % interval_ms;
    let wait = interval_ms.saturating_sub(into_interval);
    Duration::from_millis(u64::try_from(wait).unwrap_or(u64::MAX))
}

/// How long to wait after a failed poll, from its end, when the first one in a row failed
/// `failing_for` ago.
///
/// At most one interval for ten minutes, so that a DTU that restarts is read again soon; then longer
/// and longer, up to five minutes. It goes by time: refused connections fail at once, others slowly.
fn wait_after_failure(interval: Duration, failing_for: Duration) -> Duration {
    let soon = failing_for.max(FIRST_RETRY).min(interval);
    let later = failing_for.saturating_sub(RESTART_TIME) / 2;
    soon.max(later).min(LONGEST_RETRY)
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
    silence: Option<Silence>,
    /// When the first of the failures in a row ended.
    failing_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Silence {
    polls: u64,
    /// When the first of them ended.
    since: Instant,
}

impl Silence {
    fn begin() -> Self {
        Self { polls: 1, since: Instant::now() }
    }

    /// One poll more.
    const fn and_one(self) -> Self {
        Self { polls: self.polls.saturating_add(1), ..self }
    }
}

impl<D: Dtu> Poller<D> {
    /// Polls on schedule until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut memory = Memory::default();
        loop {
            let started = Instant::now();
            let Some(mut outcome) = stop.run_until_cancelled(self.poll()).await else { return };
            self.refuse_other_dtu(&mut outcome);
            let wait = self.apply(outcome, started.elapsed(), &mut memory);
            if stop.run_until_cancelled(sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    /// Polls once. If that takes long, health learns meanwhile that the DTU answers.
    async fn poll(&mut self) -> Result<DtuReading, PollError> {
        let Self { name, dtu, publisher, clock, .. } = self;
        let replies = dtu.replies();
        let mut seen = replies.count();
        let mut poll = pin!(dtu.poll());
        loop {
            if let Ok(outcome) = timeout(REPLIES_EVERY, poll.as_mut()).await {
                return outcome;
            }
            let before = std::mem::replace(&mut seen, replies.count());
            if seen != before {
                publisher.replied(name, clock.now());
            }
        }
    }

    /// Replaces the outcome if another DTU has answered, of which nothing may be applied.
    fn refuse_other_dtu(&mut self, outcome: &mut Result<DtuReading, PollError>) {
        let reading = match outcome {
            Ok(reading) => reading,
            Err(failure) => &failure.partial,
        };
        match self.publisher.identify(&self.name, reading) {
            Identity::Known => {}
            Identity::Exchanged { before, after } => PollLog::exchange(&self.name, before, after),
            Identity::Other(other) => {
                self.dtu.forget();
                *outcome = Err(DtuError::OtherDtu(other).into());
            }
        }
    }

    /// Applies one outcome; returns how long to wait. The time in log and metrics is how long the DTU
    /// took, without the pauses that were made for it.
    fn apply(
        &self,
        outcome: Result<DtuReading, PollError>,
        spent: Duration,
        Memory { log, silence, failing_since }: &mut Memory,
    ) -> Duration {
        let (name, publisher, now) = (&*self.name, &self.publisher, self.clock.now());
        // A DTU that has left the configuration.
        let Some(before) = publisher.dtu(name) else { return self.interval };
        let taken = spent.saturating_sub(self.dtu.pauses());
        let finished = |is_ok| self.metrics.poll_finished(name, is_ok, taken.as_secs_f64());
        let failure = match outcome {
            Ok(reading) => {
                finished(true);
                (*silence, *failing_since) = (None, None);
                publisher.poll_took(name, self.interval, spent);
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
            let silent = silence.take().map_or_else(Silence::begin, Silence::and_one);
            // One lost answer at dusk is not sleep yet: the next tries, which come soon, will show.
            if !is_asleep && silent.polls < SURELY_SILENT && publisher.may_sleep(name, now) {
                finished(false);
                *silence = Some(silent);
                PollLog::silence(name, &failure);
                return wait_after_failure(self.interval, silent.since.elapsed());
            }
            // Sleep is neither a success nor a failure.
            if publisher.fell_asleep(name, now) {
                // At dusk the DTU may come and go, so that it is tried again soon at first.
                let silent = if is_asleep { silent } else { Silence::begin() };
                (*silence, *failing_since) = (Some(silent), None);
                log.sleep(&before);
                return wait_after_failure(self.interval, silent.since.elapsed());
            }
        }
        finished(false);
        *silence = None;
        let failing_for = failing_since.get_or_insert_with(Instant::now).elapsed();
        self.count_rejected(publisher.failed(name, &failure, now));
        let failing = publisher.dtu(name).and_then(|dtu| dtu.failing);
        let polls = failing.map_or(1, |failing| failing.polls);
        let wait = wait_after_failure(self.interval, failing_for);
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
