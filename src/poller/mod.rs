//! Asks each DTU on its own schedule and enters what it says.

pub mod book;

pub mod keeper;

mod merge;

mod night;

pub mod restore;

mod schedule;

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use self::keeper::Keeper;
use crate::clock::WallClock;
use crate::dtu::{Dtu, PollError};
use crate::plant::reading::DtuReading;
use crate::telemetry::metrics::Metrics;

/// A DTU that sleeps is asked this often whether it is up.
const PROBE_EVERY: Duration = Duration::from_secs(300);
/// A failure that lasts is told again after so many polls.
const REMIND_AFTER: u32 = 60;

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

    /// Enters one outcome and tells of it; returns how long to wait.
    fn enter(
        &self,
        outcome: Result<DtuReading, PollError>,
        spent: Duration,
        row: &mut Row,
    ) -> Duration {
        let now = self.clock.now();
        self.metrics.poll_finished(&self.name, outcome.is_ok(), spent.as_secs_f64());
        match outcome {
            Ok(reading) => {
                let refused = self.keeper.succeeded(&self.name, &reading, now);
                self.count_refused(refused);
                row.tell_success(&self.name, &reading, spent);
                schedule::wait_after_success(self.interval, spent)
            }
            Err(failure)
                if failure.partial.inverters.is_empty()
                    && self.keeper.fell_asleep(&self.name, now) =>
            {
                row.tell_sleep(&self.name);
                PROBE_EVERY
            }
            Err(failure) => {
                let refused = self.keeper.failed(&self.name, &failure, now);
                self.count_refused(refused);
                row.tell_failure(&self.name, &failure, self.interval)
            }
        }
    }

    fn count_refused(&self, refused: usize) {
        if refused > 0 {
            self.metrics.readings_refused(&self.name, u64::try_from(refused).unwrap_or(u64::MAX));
        }
    }
}

/// The failures in a row, so that each is told once and not every minute.
#[derive(Debug, Default)]
struct Row {
    failures: u32,
    is_asleep: bool,
    last_text: String,
}

impl Row {
    fn tell_success(&mut self, name: &str, reading: &DtuReading, spent: Duration) {
        if self.failures > 0 {
            info!("{name}: the DTU answers again, after {} failed polls", self.failures);
        }
        if self.is_asleep {
            info!("{name}: the DTU is awake again");
        }
        *self = Self::default();
        info!(
            "{name}: {} ports of {} inverters in {:.1} s",
            reading.port_count(),
            reading.inverters.len(),
            spent.as_secs_f64()
        );
    }

    fn tell_sleep(&mut self, name: &str) {
        if !self.is_asleep {
            info!("{name}: the DTU sleeps: its plant had stopped producing before it went silent");
        }
        *self = Self { is_asleep: true, ..Self::default() };
    }

    fn tell_failure(&mut self, name: &str, failure: &PollError, interval: Duration) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let wait = schedule::wait_after_failure(interval, self.failures);
        let text = failure.error.to_string();
        let read = match failure.partial.port_count() {
            0 => String::new(),
            ports => format!(", after {ports} ports were read"),
        };
        let tries = self.failures;
        let is_news = text != self.last_text || tries.is_multiple_of(REMIND_AFTER);
        if is_news {
            warn!("{name}: poll failed{read}: {text} (failure {tries}, next try in {wait:?})");
        } else {
            debug!("{name}: poll failed{read}: {text} (failure {tries}, next try in {wait:?})");
        }
        self.last_text = text;
        wait
    }
}

/// Lets the day turn at local midnight although no DTU may answer then.
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
    }
}
