//! The log lines of one DTU's polls: a failure that lasts is logged once, not every minute.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::dtu::{DtuError, PollError};
use crate::plant::reading::DtuReading;
use crate::plant::serial::DtuSerial;
use crate::snapshot::state::{DtuState, DtuStatus};
use crate::snapshot::warning::Warning;

/// A failure that lasts is logged again after so many polls.
const REMIND_AFTER: u64 = 60;

/// What is logged when it begins, and not again while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Condition {
    /// The DTU repeats its previous values.
    Stale,
    /// The DTU lists nothing.
    Empty,
    /// Some ports were not read.
    Unread,
    /// Polls take long; never logged again.
    SlowPolls,
}

#[derive(Debug, Default)]
pub(super) struct PollLog {
    /// When the first of the failures in a row was logged.
    failing_since: Option<Instant>,
    last_error: Option<DtuError>,
    logged: BTreeSet<Condition>,
    warnings: Vec<Warning>,
}

impl PollLog {
    /// Notes whether `condition` holds; returns whether it was already logged.
    fn was_logged(&mut self, condition: Condition, holds: bool) -> bool {
        if holds { !self.logged.insert(condition) } else { self.logged.remove(&condition) }
    }

    /// A poll reached its end; `before` is the DTU as it was before.
    pub(super) fn success(&mut self, before: &DtuState, reading: &DtuReading, taken: Duration) {
        let name = &before.name;
        self.last_error = None;
        let failing_since = self.failing_since.take();
        if let Some(failing) = before.failing {
            let seconds = failing_since.map_or(0, |since| since.elapsed().as_secs());
            info!(
                "{name}: the DTU answers again, after {} failed polls in {seconds} s",
                failing.polls
            );
        } else if before.status == DtuStatus::Asleep {
            info!("{name}: the DTU is awake again");
        }
        let is_empty = reading.inverters.is_empty() && reading.meters.is_empty();
        let was_stale = self.was_logged(Condition::Stale, reading.stale);
        let was_empty = self.was_logged(Condition::Empty, is_empty);
        self.unread(name, reading);
        let (extent, taken) = (reading.extent(), taken.as_secs_f64());
        if reading.stale && !was_stale {
            info!(
                "{name}: {extent} in {taken:.1} s, but the DTU repeats its previous values; \
                 their timestamps stay until new values arrive"
            );
        } else if reading.stale {
            debug!("{name}: the DTU repeats its previous values ({taken:.1} s)");
        } else if is_empty && was_empty {
            debug!("{name}: {extent} in {taken:.1} s");
        } else {
            info!("{name}: {extent} in {taken:.1} s");
        }
    }

    /// What was not read: once when it begins, once when it is over.
    fn unread(&mut self, name: &str, reading: &DtuReading) {
        let was_partial = self.was_logged(Condition::Unread, !reading.unread.is_empty());
        match reading.unread.problem() {
            Some(problem) if was_partial => debug!("{name}: {problem}"),
            Some(problem) => warn!("{name}: {problem}"),
            None if was_partial => info!("{name}: all ports of the DTU's list are read again"),
            None => {}
        }
    }

    /// What is wrong although the DTU answers: once when it begins, once when all is well again.
    pub(super) fn warnings(&mut self, dtu: &DtuState, now: Timestamp) {
        let (name, mut warnings) = (&dtu.name, Warning::of(dtu, now));
        let is_slow = |one: &mut Warning| matches!(one, Warning::SlowPolls(_));
        for warning in warnings.extract_if(.., is_slow) {
            if !self.was_logged(Condition::SlowPolls, true) {
                warn!("{name}: {}", warning.problem());
            }
        }
        let is_known = |new: &&Warning| self.warnings.iter().any(|old| old.covers(new));
        for warning in warnings.iter().filter(|new| !is_known(new)) {
            warn!("{name}: {}", warning.problem());
        }
        if warnings.is_empty() && !self.warnings.is_empty() {
            info!("{name}: the DTU reports all inverters again");
        }
        self.warnings = warnings;
    }

    pub(super) fn exchange(name: &str, before: DtuSerial, after: DtuSerial) {
        info!("{name}: the DTU was exchanged: serial number {after} instead of {before}");
    }

    pub(super) fn silence(name: &str, failure: &PollError) {
        debug!("{name}: no answer; trying again before it counts as asleep: {}", failure.error);
    }

    pub(super) fn sleep(&mut self, before: &DtuState) {
        if before.status != DtuStatus::Asleep {
            info!(
                "{}: the DTU is asleep: its inverters had stopped producing before it stopped answering",
                before.name
            );
        }
        *self = Self::default();
    }

    /// The poll of that number in a row failed, and `wait` follows.
    pub(super) fn failure(&mut self, name: &str, failure: PollError, polls: u64, wait: Duration) {
        let PollError { error, partial } = failure;
        let read = match partial.port_count() {
            0 => String::new(),
            1 => ", after 1 port was read".to_owned(),
            ports => format!(", after {ports} ports were read"),
        };
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        let tries = match polls {
            0 | 1 => "failure 1".to_owned(),
            tries => format!("failure {tries} in {} s", since.elapsed().as_secs()),
        };
        let problem = error.problem();
        let is_known = self.last_error.as_ref().is_some_and(|last| last.is_like(&error));
        if is_known && !polls.is_multiple_of(REMIND_AFTER) {
            debug!("{name}: poll failed{read}: {problem} ({tries}, next try in {wait:?})");
        } else {
            warn!("{name}: poll failed{read}: {problem} ({tries}, next try in {wait:?})");
        }
        self.last_error = Some(error);
    }
}
