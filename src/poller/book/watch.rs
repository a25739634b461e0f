//! What a DTU that answers leaves out: news, or inverters that are its own. A dark plant is none of
//! that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::super::night::{self, Dusk};
use super::Book;
use crate::plant::reading::{DtuReading, InverterReading};
use crate::plant::serial::InverterSerial;
use crate::snapshot::state::{InverterState, Listed};

/// What the last answers of one DTU lacked.
#[derive(Debug, Default)]
pub(super) struct Watch {
    answered_at: Option<Timestamp>,
    /// When it last told something new, or it was dark.
    news_at: Option<Timestamp>,
    empty_since: Option<Timestamp>,
    absent: BTreeMap<InverterSerial, Absence>,
}

/// An inverter that is not listed.
#[derive(Clone, Copy, Debug)]
struct Absence {
    /// When it last was, as far as that was seen.
    since: Timestamp,
    /// It delivered nothing before it went: by twilight, that is no loss.
    had_faded: bool,
}

impl Book {
    /// Notes what `reading`, which was entered, does not tell.
    pub(super) fn watch(&mut self, dtu: &str, reading: &DtuReading, now: Timestamp) {
        let Some(state) = self.dtus.iter_mut().find(|state| &*state.name == dtu) else { return };
        let dusk = self.dusks.get(dtu);
        let is_day = dusk.is_some_and(|dusk| dusk.is_surely_day(now, &self.zone));
        let is_dark = !is_day && dusk.is_none_or(Dusk::has_faded);
        let watch = self.watches.entry(Arc::clone(&state.name)).or_default();
        let before = watch.answered_at.replace(now).unwrap_or(now);

        let is_news = !reading.stale || is_dark;
        state.stale_since = (!is_news).then(|| watch.news_at.unwrap_or(before));
        watch.news_at = if is_news { Some(now) } else { state.stale_since };

        let (inverters, ports) = (reading.inverters.len(), reading.port_count());
        let is_anothers = |one: &InverterReading| {
            self.inverters.get(&one.serial).is_some_and(|known| &*known.dtu_name != dtu)
        };
        let has_listed = inverters > 0 || reading.has_excluded;
        let is_all_elsewhere = has_listed && reading.inverters.iter().all(is_anothers);
        state.listed = Some(Listed { inverters, ports, is_all_elsewhere });
        // Who reads meters only has no inverter to list.
        let is_empty = !has_listed && reading.meters.is_empty();
        watch.empty_since = (is_empty && !is_dark).then(|| watch.empty_since.unwrap_or(before));
        state.lists_none = watch.empty_since.is_some_and(|since| state.is_long_ago(since, now));

        let listed: BTreeSet<_> = reading.inverters.iter().map(|one| one.serial).collect();
        let known = self.inverters.values().filter(|one| &*one.dtu_name == dtu);
        let known = known.map(|one| one.serial).chain(reading.own.iter().copied());
        let absence = |serial| Absence {
            since: before,
            had_faded: self.inverters.get(&serial).is_none_or(has_faded),
        };
        let absent = known.filter(|serial| !is_dark && !listed.contains(serial)).map(|serial| {
            (serial, watch.absent.get(&serial).copied().unwrap_or_else(|| absence(serial)))
        });
        watch.absent = absent.collect();
        let is_missing = |absence: &Absence| {
            state.is_long_ago(absence.since, now) && (is_day || !absence.had_faded)
        };
        let missing = watch.absent.iter().filter(|(_, absence)| is_missing(absence));
        state.missing = missing.map(|(serial, _)| *serial).collect();
    }

    /// Forgets what a DTU that sleeps now left out before.
    pub(super) fn stop_watching(&mut self, dtu: &str) {
        self.watches.remove(dtu);
        if let Some(state) = self.dtu_mut(dtu) {
            state.stale_since = None;
            state.lists_none = false;
            state.missing.clear();
        }
    }
}

fn has_faded(inverter: &InverterState) -> bool {
    let power = inverter.pv_power();
    power.is_none_or(|power| night::is_faded(power, inverter.ports.len()))
}
