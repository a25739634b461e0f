//! How what a DTU says gets into the book, as far as it is believed.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::Book;
use super::doubt::{Doubt, Subject};
use crate::plant::ledger::{Counters, Verdict};
use crate::plant::meter::MeterReading;
use crate::plant::reading::{DtuReading, InverterReading, InverterValues};
use crate::plant::serial::InverterSerial;
use crate::poller::merge::{self, Moment};
use crate::snapshot::state::InverterState;

impl Book {
    /// Enters all that one poll brought; returns what was not believed.
    pub(super) fn enter(&mut self, dtu: &str, reading: &DtuReading, moment: Moment) -> Vec<Doubt> {
        let now = moment.now;
        self.expire(dtu, moment);
        let known = self.known_to(dtu, reading).count();
        let known_meters = self.meters.count_of(dtu);
        let is_known = |serial| self.inverters.contains_key(&serial);
        let listed = reading.inverters.iter().map(|inverter| inverter.serial);
        let listed = listed.filter(|one| !is_known(*one));
        let strangers = self.strangers.look_at(dtu, (known > 0, known), listed);
        let doubt = |(serial, reason)| Doubt { of: Subject::Inverter(serial), reason };
        let mut doubts: Vec<_> = strangers.clone().into_iter().map(doubt).collect();
        let strange_ports = self.strange_ports(dtu, reading);
        let doubt = |((serial, port), reason)| Doubt { of: Subject::Port(serial, port), reason };
        doubts.extend(strange_ports.clone().into_iter().map(doubt));
        for inverter in &reading.inverters {
            let is_doubtful = strangers.contains_key(&inverter.serial);
            let is_old_news = reading.stale && !self.inverters.contains_key(&inverter.serial);
            let said = (inverter, reading.stale);
            if is_doubtful || is_old_news || self.belongs_to_another(dtu, said, now) {
                continue;
            }
            let inverter = without(inverter, &strange_ports);
            let state = self
                .inverters
                .entry(inverter.serial)
                .or_insert_with(|| newcomer(&inverter, dtu, now));
            if &*state.dtu_name != dtu {
                state.dtu_name = Arc::from(dtu);
            }
            state.last_seen = now;
            if !reading.stale {
                merge::merge(state, &inverter, moment);
                doubts.extend(self.count(&inverter, now));
            }
        }
        let is_known = known > 0 || known_meters > 0;
        doubts.extend(self.enter_meters(dtu, reading, (is_known, known_meters), now));
        self.roll(now);
        doubts
    }

    /// The inverters that are known and the DTU reads, be it that they belong to another one.
    pub(super) fn known_to(
        &self,
        dtu: &str,
        reading: &DtuReading,
    ) -> impl Iterator<Item = &InverterState> {
        let listed: BTreeSet<_> = reading.inverters.iter().map(|one| one.serial).collect();
        let is_known =
            move |one: &&InverterState| &*one.dtu_name == dtu || listed.contains(&one.serial);
        self.inverters.values().filter(is_known)
    }

    /// Ports that known inverters did not have before, and why they are doubtful. What a new inverter
    /// brings along is believed with it.
    fn strange_ports(
        &mut self,
        dtu: &str,
        reading: &DtuReading,
    ) -> BTreeMap<(InverterSerial, u8), String> {
        // What is repeated, and what did not come, neither confirms a port nor speaks against it.
        if reading.stale || reading.inverters.is_empty() {
            return BTreeMap::new();
        }
        let known = self.known_to(dtu, reading).map(|state| state.ports.len()).sum();
        let new_ports = |inverter: &InverterReading| {
            let state = self.inverters.get(&inverter.serial)?;
            let is_new = |port: u8| {
                !state.ports.contains_key(&port)
                    && !self.ledgers.contains_key(&(state.serial, port))
            };
            let numbers = inverter.ports.iter().map(|port| port.number);
            Some(numbers.filter(|port| is_new(*port)).map(|port| (state.serial, port)).collect())
        };
        let listed: Vec<_> = reading
            .inverters
            .iter()
            .filter_map(new_ports)
            .flat_map(|ports: Vec<_>| ports)
            .collect();
        self.strange_ports.look_at(dtu, (true, known), listed.into_iter())
    }

    /// Enters what the DTU says of its energy meters, of which so many are known.
    fn enter_meters(
        &mut self,
        dtu: &str,
        reading: &DtuReading,
        known: (bool, usize),
        now: Timestamp,
    ) -> Vec<Doubt> {
        let listed = reading.meters.iter().map(|meter| meter.serial);
        let listed = listed.filter(|one| !self.meters.has(*one));
        let strangers = self.strange_meters.look_at(dtu, known, listed);
        let believed = |meter: &&MeterReading| !strangers.contains_key(&meter.serial);
        let meters = reading.meters.iter().filter(|_| !reading.stale).filter(believed);
        let refused: Vec<_> = meters.flat_map(|meter| self.meters.enter(dtu, meter, now)).collect();
        let doubt = |(serial, reason)| Doubt { of: Subject::Meter(serial), reason };
        strangers.into_iter().map(doubt).chain(refused).collect()
    }

    /// Enters the counters of an inverter's ports into their ledgers.
    fn count(&mut self, inverter: &InverterReading, now: Timestamp) -> Vec<Doubt> {
        let mut doubts = Vec::new();
        for port in &inverter.ports {
            let ledger = self.ledgers.entry((inverter.serial, port.number)).or_default();
            let is_live = port.pv_power.is_some();
            let counters = Counters { total: port.total, today: port.today, is_live };
            if let Verdict::Refused(refusal) = ledger.record(counters, now, &self.zone) {
                let reason = format!("counter: {refusal}");
                doubts.push(Doubt { of: Subject::Port(inverter.serial, port.number), reason });
            }
        }
        doubts
    }
}

/// What is left of an inverter without its doubtful ports.
fn without<'a>(
    inverter: &'a InverterReading,
    doubtful: &BTreeMap<(InverterSerial, u8), String>,
) -> Cow<'a, InverterReading> {
    let is_doubtful = |number| doubtful.contains_key(&(inverter.serial, number));
    if !inverter.ports.iter().any(|port| is_doubtful(port.number)) {
        return Cow::Borrowed(inverter);
    }
    let mut believed = inverter.clone();
    believed.ports.retain(|port| !is_doubtful(port.number));
    Cow::Owned(believed)
}

fn newcomer(reading: &InverterReading, dtu: &str, now: Timestamp) -> InverterState {
    let InverterValues { link_status, operating_status, alarm_code, alarm_count, ac, .. } =
        reading.values.clone();
    let values = InverterValues {
        link_status,
        operating_status,
        alarm_code,
        alarm_count,
        ac,
        ..InverterValues::default()
    };
    InverterState { values, ..InverterState::new(reading.serial, Arc::from(dtu), now) }
}
