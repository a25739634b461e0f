//! The failures of one DTU in a row, told so that each is in the log once and not every minute.

use std::mem;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::schedule;
use crate::dtu::{DtuError, PollError};
use crate::plant::reading::DtuReading;
use crate::snapshot::warning::Warning;

/// A failure that lasts is told again after so many polls.
const REMIND_AFTER: u32 = 60;

/// So many polls in a row must go without an answer before silence is taken for sleep.
const SURELY_SILENT: u32 = 3;

/// What went wrong since the last good poll of one DTU.
#[derive(Debug, Default)]
pub(super) struct Row {
    failures: u32,
    /// Polls that a sleeping DTU did not answer.
    sleeps: u32,
    /// When the first of them was told.
    since: Option<Instant>,
    /// Polls without an answer that may be sleep.
    silences: u32,
    last_error: Option<DtuError>,
    is_stale: bool,
    is_empty: bool,
    /// What was wrong at the last good poll.
    warnings: Vec<Warning>,
}

impl Row {
    /// A poll reached its end.
    pub(super) fn tell_success(&mut self, name: &str, reading: &DtuReading, taken: Duration) {
        if self.failures > 0 {
            let silence = self.since.map_or(0, |since| since.elapsed().as_secs());
            info!(
                "{name}: the DTU answers again, after {} failed polls in {silence} s",
                self.failures
            );
        } else if self.sleeps > 0 {
            info!("{name}: the DTU is awake again");
        }
        let (was_stale, was_empty) = (self.is_stale, self.is_empty);
        let warnings = mem::take(&mut self.warnings);
        let is_empty = reading.inverters.is_empty() && reading.meters.is_empty();
        *self = Self { is_stale: reading.stale, is_empty, warnings, ..Self::default() };
        let (extent, taken) = (reading.extent(), taken.as_secs_f64());
        if reading.stale && !was_stale {
            info!(
                "{name}: {extent} in {taken:.1} s, but the DTU \
                 repeats what it said before; until there is news, the values keep their times"
            );
        } else if reading.stale {
            debug!("{name}: the DTU repeats what it said before ({taken:.1} s)");
        } else if is_empty && was_empty {
            debug!("{name}: {extent} in {taken:.1} s");
        } else {
            info!("{name}: {extent} in {taken:.1} s");
        }
    }

    /// What is wrong although the DTU answers: once when it begins, once when all is well again.
    pub(super) fn tell_warnings(&mut self, name: &str, warnings: Vec<Warning>) {
        let is_known = |new: &&Warning| self.warnings.iter().any(|old| old.covers(new));
        for warning in warnings.iter().filter(|new| !is_known(new)) {
            warn!("{name}: {warning}");
        }
        if warnings.is_empty() && !self.warnings.is_empty() {
            info!("{name}: the DTU tells news of all its inverters again");
        }
        self.warnings = warnings;
    }

    /// Whether too few polls went without an answer to tell sleep from a lost one.
    pub(super) const fn is_in_doubt(&self) -> bool {
        self.sleeps == 0 && self.silences + 1 < SURELY_SILENT
    }

    /// The DTU did not answer, which may be sleep; returns how long to wait.
    pub(super) fn tell_doubt(
        &mut self,
        name: &str,
        failure: &PollError,
        interval: Duration,
    ) -> Duration {
        self.silences = self.silences.saturating_add(1);
        debug!("{name}: no answer; asked again before that is taken for sleep: {}", failure.error);
        schedule::wait_after_failure(interval, self.silences)
    }

    /// The DTU did not answer, and that is sleep; returns how long to wait.
    ///
    /// At dusk it may come and go, so that it is looked after soon at first, and rarely at last.
    pub(super) fn tell_sleep(&mut self, name: &str, interval: Duration) -> Duration {
        if self.sleeps == 0 {
            info!("{name}: the DTU sleeps: its plant had stopped producing before it went silent");
        }
        *self = Self { sleeps: self.sleeps.saturating_add(1), ..Self::default() };
        schedule::wait_after_failure(interval, self.sleeps)
    }

    /// A poll failed; returns how long to wait.
    pub(super) fn tell_failure(
        &mut self,
        name: &str,
        failure: PollError,
        interval: Duration,
    ) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.sleeps = 0;
        self.silences = 0;
        let wait = schedule::wait_after_failure(interval, self.failures);
        let PollError { error, partial } = failure;
        let read = match partial.port_count() {
            0 => String::new(),
            ports => format!(", after {ports} ports were read"),
        };
        let since = *self.since.get_or_insert_with(Instant::now);
        let tries = match self.failures {
            1 => "failure 1".to_owned(),
            tries => format!("failure {tries} in {} s", since.elapsed().as_secs()),
        };
        let is_known = self.last_error.as_ref().is_some_and(|last| last.is_like(&error));
        if is_known && !self.failures.is_multiple_of(REMIND_AFTER) {
            debug!("{name}: poll failed{read}: {error} ({tries}, next try in {wait:?})");
        } else {
            warn!("{name}: poll failed{read}: {error} ({tries}, next try in {wait:?})");
        }
        self.last_error = Some(error);
        wait
    }
}
