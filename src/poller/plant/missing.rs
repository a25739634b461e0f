//! What a DTU that answers leaves out: new values, or inverters that are its own. In the dark,
//! nothing is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::plant::reading::{DtuReading, InverterReading};
use crate::plant::serial::InverterSerial;
use crate::poller::night;
use crate::snapshot::json::Rendered;
use crate::snapshot::state::{DtuState, InverterState, Listed};

#[derive(Debug, Default)]
pub(super) struct MissingDeviceMonitor {
    answered_at: Option<Timestamp>,
    /// When it last sent new values, or it was dark.
    new_at: Option<Timestamp>,
    empty_since: Option<Timestamp>,
    absent: BTreeMap<InverterSerial, Absence>,
}

#[derive(Clone, Copy, Debug)]
struct Absence {
    /// When it last was, as far as that was seen.
    since: Timestamp,
    /// It delivered nothing before it went: by twilight, that is no loss.
    had_faded: bool,
}

/// Whether the plant should have light, and when that is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Light {
    pub(super) is_day: bool,
    /// It may be down, and the plant has faded.
    pub(super) is_dark: bool,
    pub(super) now: Timestamp,
}

impl MissingDeviceMonitor {
    /// Notes in `dtu` what `reading`, which was applied, leaves out.
    pub(super) fn observe(
        &mut self,
        dtu: &mut DtuState,
        reading: &DtuReading,
        inverters: &BTreeMap<InverterSerial, Arc<Rendered<InverterState>>>,
        Light { is_day, is_dark, now }: Light,
    ) {
        let before = self.answered_at.replace(now).unwrap_or(now);

        let is_new = !reading.stale || is_dark;
        dtu.stale_since = (!is_new).then(|| self.new_at.unwrap_or(before));
        self.new_at = if is_new { Some(now) } else { dtu.stale_since };

        let is_others = |one: &InverterReading| {
            inverters.get(&one.serial).is_some_and(|known| known.dtu_name != dtu.name)
        };
        // What was not read may be listed.
        let is_whole = reading.unread.is_empty();
        let has_listed = !reading.inverters.is_empty() || reading.has_excluded;
        let before_this = dtu.listed.filter(|_| !is_whole);
        dtu.listed = Some(Listed {
            inverters: before_this.map_or(0, |it| it.inverters).max(reading.inverters.len()),
            ports: before_this.map_or(0, |it| it.ports).max(reading.port_count()),
            is_all_elsewhere: has_listed && reading.inverters.iter().all(is_others),
        });
        // A DTU that reads meters only has no inverter to list.
        let is_empty = is_whole && !has_listed && reading.meters.is_empty();
        self.empty_since = (is_empty && !is_dark).then(|| self.empty_since.unwrap_or(before));
        dtu.lists_none = self.empty_since.is_some_and(|since| dtu.is_long_ago(since, now));

        let listed: BTreeSet<_> = reading.inverters.iter().map(|one| one.serial).collect();
        let known = inverters.values().filter(|one| one.dtu_name == dtu.name);
        let known = known.map(|one| one.serial).chain(reading.own.iter().copied());
        let absence = |serial| Absence {
            since: before,
            had_faded: inverters.get(&serial).is_none_or(|state| has_faded(state)),
        };
        let is_absent = |serial: &InverterSerial| {
            !listed.contains(serial) && (is_whole || self.absent.contains_key(serial))
        };
        let absent = known.filter(|serial| !is_dark && is_absent(serial)).map(|serial| {
            (serial, self.absent.get(&serial).copied().unwrap_or_else(|| absence(serial)))
        });
        self.absent = absent.collect();
        let is_missing = |absence: &Absence| {
            dtu.is_long_ago(absence.since, now) && (is_day || !absence.had_faded)
        };
        let missing = self.absent.iter().filter(|(_, absence)| is_missing(absence));
        dtu.missing = missing.map(|(serial, _)| *serial).collect();
    }
}

fn has_faded(inverter: &InverterState) -> bool {
    let power = inverter.pv_power();
    power.is_none_or(|power| night::is_faded(power.as_f64(), inverter.ports.len()))
}
