//! The sums of inverters, DTUs and the plant: which ports they have, and when they start.
//!
//! A sum starts once every port that its DTU lists is known: what joins it later adds no past. A port
//! that is never reached does not hold it up for ever.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Dtu, PlantState};
use crate::plant::ledger::{PortEnergy, PortKey, PortLedger, SumKey, SumLedger, SumRecord};
use crate::plant::reading::{DtuReading, InverterReading};
use crate::plant::serial::InverterSerial;
use crate::plant::units::WattHours;
use crate::snapshot::state::{Energy, InverterState, PortState};

/// So long after the first answer of its DTU by day, a sum starts with what is known.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// All sums; those of inverters and DTUs that are gone stay.
#[derive(Debug, Default)]
pub(super) struct Sums {
    sums: BTreeMap<SumKey, SumLedger>,
    is_unsaved: bool,
}

impl Sums {
    fn count(&mut self, key: &SumKey, port: PortKey, energy: PortEnergy) {
        let changed = match self.sums.get_mut(key) {
            Some(sum) => sum.count(port, energy),
            None => self.sums.entry(key.clone()).or_default().count(port, energy),
        };
        self.is_unsaved |= changed;
    }

    fn leave(&mut self, key: &SumKey, port: PortKey) {
        let changed = self.sums.get_mut(key).is_some_and(|sum| sum.leave(port));
        self.is_unsaved |= changed;
    }

    fn start(&mut self, key: &SumKey) {
        let changed = self.sums.get_mut(key).is_some_and(SumLedger::start);
        self.is_unsaved |= changed;
    }

    fn is_started(&self, key: &SumKey) -> bool {
        self.sums.get(key).is_some_and(SumLedger::is_started)
    }

    /// The plant is to be stored soon.
    pub(super) const fn must_be_saved(&mut self) {
        self.is_unsaved = true;
    }

    pub(super) fn roll_over(&mut self, now: Timestamp, zone: &TimeZone) {
        self.sums.values_mut().for_each(|sum| sum.roll_over(now, zone));
    }

    /// What is published of a sum whose parts count the present day `since` this midnight.
    fn energy(&self, key: &SumKey, since: Option<Timestamp>, zone: &TimeZone) -> Energy {
        let Some(sum) = self.sums.get(key).filter(|sum| sum.is_started()) else {
            return Energy::default();
        };
        let today_since = since.or_else(|| sum.today_since(zone));
        Energy { today: sum.today(), today_since, total: sum.total() }
    }
}

/// How long the sums of a DTU have waited for what it lists.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ListingWait {
    /// Whether its last good poll listed nothing that is not known or not believed yet.
    is_complete: bool,
    by_day: Duration,
    /// When it was last looked at by day; `None` before the first answer, and by night.
    seen: Option<Timestamp>,
}

impl ListingWait {
    fn answered(&mut self, is_day: bool, limit: Duration, now: Timestamp) {
        if is_day {
            self.seen = self.seen.or(Some(now));
        }
        self.failed(limit, now);
    }

    /// Time passes although nothing is read. A clock that is set adds `limit` at most.
    pub(super) fn failed(&mut self, limit: Duration, now: Timestamp) {
        if let Some(seen) = &mut self.seen {
            let passed = Duration::try_from(now.duration_since(*seen)).unwrap_or_default();
            self.by_day = self.by_day.saturating_add(passed.min(limit));
            *seen = now;
        }
    }

    pub(super) fn night(&mut self) {
        self.seen = None;
        self.by_day = Duration::ZERO;
    }

    fn is_over(self) -> bool {
        self.by_day >= LONGEST_WAIT
    }
}

impl PlantState {
    /// With these sums, which were stored. Without any, sums start with what the ledgers hold.
    #[must_use]
    pub fn with_sums(mut self, records: BTreeMap<SumKey, SumRecord>) -> Self {
        if records.is_empty() {
            return self;
        }
        let energy = |port: PortKey| self.ledgers.get(&port).map(PortLedger::energy);
        let ledger =
            |record| SumLedger::from_record(record, |port| energy(port).unwrap_or_default());
        let sums = records.into_iter().map(|(key, record)| (key, ledger(record))).collect();
        self.sums = Sums { sums, is_unsaved: false };
        self.drop_gone_ports();
        self.add_up_all();
        self
    }

    /// All sums.
    pub fn sums(&self) -> impl Iterator<Item = (&SumKey, &SumLedger)> {
        self.sums.sums.iter()
    }

    /// Whether ports have joined or left since the sums were handed over to be stored.
    pub const fn has_unsaved_sums(&self) -> bool {
        self.sums.is_unsaved
    }

    /// The sums were handed over to be stored.
    pub const fn sums_are_saved(&mut self) {
        self.sums.is_unsaved = false;
    }

    /// Energy of the whole plant.
    pub fn energy(&self) -> Energy {
        let since = self.inverters.values().filter_map(|inverter| inverter.energy.today_since);
        self.sums.energy(&SumKey::Plant, since.max(), &self.zone)
    }

    /// A bridge that has stored ledgers but no sums goes on from the plain sums.
    pub(super) fn start_sums_of_ledgers(&mut self) {
        self.add_up_all();
        let keys: Vec<_> = self.sums.sums.keys().cloned().collect();
        for key in &keys {
            self.sums.start(key);
        }
        self.add_up_all();
    }

    /// Ports that are not in the plant any more leave the sums.
    fn drop_gone_ports(&mut self) {
        let Self { sums: Sums { sums, is_unsaved }, inverters, .. } = self;
        for (key, sum) in sums {
            let is_gone = |&(serial, number): &PortKey| {
                let state = inverters.get(&serial).filter(|state| match key {
                    SumKey::Dtu(name) => state.dtu_name == *name,
                    SumKey::Plant | SumKey::Inverter(_) => true,
                });
                state.is_none_or(|state| !state.ports.contains_key(&number))
            };
            for port in sum.ports().filter(is_gone).collect::<Vec<_>>() {
                *is_unsaved |= sum.leave(port);
            }
        }
    }

    /// An inverter leaves the plant.
    pub(super) fn forget(&mut self, serial: InverterSerial) {
        let Some(state) = self.inverters.remove(&serial) else { return };
        self.departed.insert(serial, state.first_seen);
        for number in state.ports.keys() {
            for key in keys(&state) {
                self.sums.leave(&key, (serial, *number));
            }
        }
    }

    /// An inverter that is known belongs to this DTU from now on.
    pub(super) fn move_to(&mut self, serial: InverterSerial, dtu: &Arc<str>) {
        let Some(state) = self.inverters.get_mut(&serial) else { return };
        if state.dtu_name == *dtu {
            return;
        }
        let state = Arc::make_mut(state);
        let before = SumKey::Dtu(std::mem::replace(&mut state.dtu_name, Arc::clone(dtu)));
        for number in state.ports.keys() {
            self.sums.leave(&before, (serial, *number));
        }
        if let SumKey::Dtu(name) = before {
            self.publish_sum_of(&name);
        }
    }

    /// Adds what the ports of these inverters have produced to the sums, and publishes those of the
    /// inverters.
    pub(super) fn add_up(&mut self, serials: impl IntoIterator<Item = InverterSerial>) {
        for serial in serials {
            let Some(state) = self.inverters.get(&serial) else { continue };
            let keys = keys(state);
            for (number, port) in &state.ports {
                let key = (serial, *number);
                let energy = self.ledgers.get(&key).map(PortLedger::energy).unwrap_or_default();
                if is_known(port) || energy != PortEnergy::default() {
                    for sum in &keys {
                        self.sums.count(sum, key, energy);
                    }
                }
            }
            self.publish_sum_of_inverter(serial);
        }
    }

    /// The same for the whole plant.
    pub(super) fn add_up_all(&mut self) {
        let serials: Vec<_> = self.inverters.keys().copied().collect();
        self.add_up(serials);
        let names: Vec<_> = self.dtus().map(|dtu| Arc::clone(&dtu.name)).collect();
        for name in &names {
            self.publish_sum_of(name);
        }
    }

    fn publish_sum_of_inverter(&mut self, serial: InverterSerial) {
        let Some(state) = self.inverters.get_mut(&serial) else { return };
        let since = state.sum_of_ports().today_since;
        let energy = self.sums.energy(&SumKey::Inverter(serial), since, &self.zone);
        if state.energy != energy {
            Arc::make_mut(state).energy = energy;
        }
    }

    /// Publishes the sum of a DTU.
    pub(super) fn publish_sum_of(&mut self, dtu: &Arc<str>) {
        let energy = self.sums.energy(&SumKey::Dtu(Arc::clone(dtu)), None, &self.zone);
        if let Some(dtu) = self.dtu_mut(dtu).filter(|dtu| dtu.state.energy != energy) {
            dtu.state_mut().energy = energy;
        }
    }

    /// Notes what a good poll listed.
    pub(super) fn note_listing(&mut self, dtu: &str, reading: &DtuReading, now: Timestamp) {
        let lists_any =
            !reading.inverters.is_empty() || reading.has_excluded || !reading.meters.is_empty();
        let listed = reading.inverters.iter().map(|inverter| &inverter.serial);
        let is_all_known =
            listed.chain(&reading.own).all(|serial| self.inverters.contains_key(serial))
                && reading.inverters.iter().all(|inverter| self.has_ports_of(inverter));
        let zone = self.zone.clone();
        let Some(Dtu { state, wait, night, .. }) = self.dtu_mut(dtu) else { return };
        if !reading.stale {
            wait.is_complete = lists_any && is_all_known && reading.unread.is_empty();
        }
        let is_day = night.is_surely_day(now, &zone) || (reading.is_live() && !night.has_faded());
        let is_night = !reading.is_live() && !night.is_surely_day(now, &zone);
        if is_night && night.has_faded() {
            wait.night();
        }
        wait.answered(is_day, state.silence_limit, now);
    }

    /// Starts the sums of a DTU and the plant's, if nothing they wait for is left, and publishes them.
    pub(super) fn start_sums(&mut self, name: &str, now: Timestamp) {
        let Some(Dtu { state, wait, .. }) = self.dtus.iter().find(|dtu| &*dtu.state.name == name)
        else {
            return;
        };
        let (name, wait) = (Arc::clone(&state.name), *wait);
        let mut is_all_known = wait.is_complete;
        for serial in self.serials_of(&name) {
            let Some(state) = self.inverters.get(&serial) else { continue };
            let is_known = !state.ports.is_empty() && state.ports.values().all(is_known);
            is_all_known &= is_known;
            let age = Duration::try_from(now.duration_since(state.first_seen)).unwrap_or_default();
            if (wait.is_complete && is_known) || (wait.is_over() && age >= LONGEST_WAIT) {
                self.sums.start(&SumKey::Inverter(serial));
                self.publish_sum_of_inverter(serial);
            }
        }
        if is_all_known || wait.is_over() {
            self.sums.start(&SumKey::Dtu(Arc::clone(&name)));
        }
        self.publish_sum_of(&name);
        if !self.sums.is_started(&SumKey::Plant) {
            let is_over = self.dtus.iter().any(|dtu| dtu.wait.is_over());
            if is_over || self.dtus.iter().all(|dtu| self.waits_for_nothing(dtu)) {
                self.sums.start(&SumKey::Plant);
            }
        }
    }

    /// Whether a DTU adds all that it has to the plant's sum: its own has started, or it has none.
    fn waits_for_nothing(&self, Dtu { state, wait, .. }: &Dtu) -> bool {
        let reads_none = || {
            let is_elsewhere = state.listed.is_some_and(|listed| listed.is_all_elsewhere);
            wait.is_complete && (is_elsewhere || self.meters.count_of(&state.name) > 0)
        };
        self.sums.is_started(&SumKey::Dtu(Arc::clone(&state.name))) || reads_none()
    }

    /// Whether all ports of a reading were believed.
    fn has_ports_of(&self, reading: &InverterReading) -> bool {
        let state = self.inverters.get(&reading.serial);
        state.is_some_and(|state| {
            reading.ports.iter().all(|port| state.ports.contains_key(&port.number))
        })
    }
}

/// The sums to which an inverter's ports belong.
fn keys(state: &InverterState) -> [SumKey; 3] {
    [SumKey::Inverter(state.serial), SumKey::Dtu(Arc::clone(&state.dtu_name)), SumKey::Plant]
}

/// Whether the port has counted anything, or says that it has counted nothing yet.
fn is_known(port: &PortState) -> bool {
    port.energy.total.is_some() || port.reading.total == Some(WattHours::default())
}
