//! Applies a DTU's reading to the plant, as far as it is believed.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::PlantState;
use super::confirm::Coverage;
use super::merge::{self, Moment};
use crate::plant::ledger::{Counters, PortKey, Verdict};
use crate::plant::reading::{DtuReading, InverterReading, InverterValues};
use crate::plant::serial::{InverterSerial, MeterSerial};
use crate::snapshot::json::Rendered;
use crate::snapshot::state::{InverterState, SharedInverters};

/// A value that was not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedReading {
    /// What it is a value of.
    pub of: Subject,
    /// Why it was not believed.
    pub reason: String,
}

/// What a rejected value is a value of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An inverter as a whole.
    Inverter(InverterSerial),
    /// A port, or its counter.
    Port(InverterSerial, u8),
    /// A meter, or one of its counters.
    Meter(MeterSerial),
}

impl fmt::Display for RejectedReading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of {
            Subject::Inverter(serial) => write!(f, "inverter {serial}")?,
            Subject::Port(serial, port) => write!(f, "inverter {serial} port {port}")?,
            Subject::Meter(serial) => write!(f, "meter {serial}")?,
        }
        write!(f, ": rejected: {}", self.reason)
    }
}

fn rejected<S>(subject: impl Fn(S) -> Subject) -> impl Fn((S, String)) -> RejectedReading {
    move |(serial, reason)| RejectedReading { of: subject(serial), reason }
}

impl PlantState {
    /// Applies all that one poll brought; returns what was not believed.
    pub(super) fn apply(
        &mut self,
        dtu: &str,
        reading: &DtuReading,
        moment: Moment,
    ) -> Vec<RejectedReading> {
        let Some(name) = self.dtu(dtu).map(|dtu| Arc::clone(&dtu.name)) else { return Vec::new() };
        let now = moment.now;
        let mut known = self.serials_of(dtu);
        self.expire(dtu, &known, moment);
        // Inverters that the DTU reads and another one owns are known as well.
        let listed = || reading.inverters.iter().map(|inverter| inverter.serial);
        known.extend(listed().filter(|serial| self.inverters.contains_key(serial)));
        let known_meters = self.meters.count_of(dtu);

        let coverage = Coverage::of(reading, moment.is_complete);
        let new = self.unconfirmed_inverters(dtu, reading, coverage, known.len());
        let new_ports = self.unconfirmed_ports(dtu, reading, coverage, &known);
        let mut out = Vec::new();
        out.extend(new.clone().into_iter().map(rejected(Subject::Inverter)));
        let port = |(serial, port)| Subject::Port(serial, port);
        out.extend(new_ports.clone().into_iter().map(rejected(port)));
        let mut shared = SharedInverters::default();
        for inverter in &reading.inverters {
            let serial = inverter.serial;
            let is_unknown_and_stale = reading.stale && !self.inverters.contains_key(&serial);
            if new.contains_key(&serial) || is_unknown_and_stale {
                continue;
            }
            if let Some(owner) = self.other_owner(dtu, inverter, reading.stale, now) {
                shared.add(owner, serial);
                continue;
            }
            let inverter = without(inverter, &new_ports);
            self.move_to(serial, &name);
            let state = self.inverters.entry(serial).or_insert_with(|| {
                let first_seen = self.departed.get(&serial).copied().unwrap_or(now);
                let new = InverterState { first_seen, ..new_inverter(&inverter, &name, now) };
                Arc::new(Rendered::from(new))
            });
            let state = Arc::make_mut(state);
            state.last_seen = now;
            if !reading.stale {
                merge::merge(state, &inverter, moment);
                self.count(&inverter, now, &mut out);
            }
        }
        if !reading.inverters.is_empty()
            && let Some(dtu) = self.dtu_mut(dtu)
        {
            dtu.state_mut().shared = (!shared.is_empty()).then_some(shared);
        }
        let is_known = !known.is_empty() || known_meters > 0;
        out.extend(self.apply_meters(dtu, reading, (is_known, known_meters), moment));
        known.extend(listed());
        self.roll_over_some(known, now);
        out
    }

    /// The DTU to which the inverter belongs, if that is another one.
    ///
    /// Of DTUs that list one inverter, the first in the configuration owns it. Another one takes over
    /// when the owner has not listed it for its silence limit.
    fn other_owner(
        &self,
        dtu: &str,
        inverter: &InverterReading,
        is_stale: bool,
        now: Timestamp,
    ) -> Option<Arc<str>> {
        let state = self.inverters.get(&inverter.serial)?;
        let place = |name: &str| self.dtus().position(|dtu| &*dtu.name == name);
        let (owner, place, own_place) =
            (self.dtu(&state.dtu_name)?, place(&state.dtu_name)?, place(dtu)?);
        let comes_first = own_place < place && inverter.is_live() && !is_stale;
        let is_given_up = owner.is_long_ago(state.last_seen, now);
        let is_others = own_place != place && !comes_first && !is_given_up;
        is_others.then(|| Arc::clone(&owner.name))
    }

    /// Inverters that the DTU names for the first time, and why they are not believed yet.
    fn unconfirmed_inverters(
        &mut self,
        dtu: &str,
        reading: &DtuReading,
        coverage: Coverage,
        known: usize,
    ) -> BTreeMap<InverterSerial, String> {
        let serials = reading.inverters.iter().map(|inverter| inverter.serial);
        let new: BTreeSet<_> = serials.filter(|one| !self.inverters.contains_key(one)).collect();
        let Some(dtu) = self.dtu_mut(dtu) else { return BTreeMap::new() };
        dtu.new_inverters.check(coverage, known > 0, known, &new)
    }

    /// Ports that known inverters did not have before, and why they are not believed yet. What a new
    /// inverter brings along is believed with it.
    fn unconfirmed_ports(
        &mut self,
        dtu: &str,
        reading: &DtuReading,
        coverage: Coverage,
        known: &BTreeSet<InverterSerial>,
    ) -> BTreeMap<PortKey, String> {
        // An empty list says nothing of ports.
        if reading.inverters.is_empty() {
            return BTreeMap::new();
        }
        let states = known.iter().filter_map(|serial| self.inverters.get(serial));
        let count = states.map(|state| state.ports.len()).sum();
        let keys = reading
            .inverters
            .iter()
            .flat_map(|inverter| inverter.ports.iter().map(|port| (inverter.serial, port.number)));
        let is_new = |key: &PortKey| {
            let (serial, number) = key;
            let inverter = self.inverters.get(serial);
            inverter.is_some_and(|state| !state.ports.contains_key(number))
                && !self.ledgers.contains_key(key)
        };
        let new: BTreeSet<_> = keys.filter(is_new).collect();
        let Some(dtu) = self.dtu_mut(dtu) else { return BTreeMap::new() };
        dtu.new_ports.check(coverage, true, count, &new)
    }

    /// Applies what the DTU says of its energy meters, of which so many are known.
    fn apply_meters(
        &mut self,
        dtu: &str,
        reading: &DtuReading,
        (is_known, known): (bool, usize),
        moment: Moment,
    ) -> Vec<RejectedReading> {
        let coverage = Coverage::of(reading, moment.is_complete);
        let serials = reading.meters.iter().map(|meter| meter.serial);
        let new: BTreeSet<_> = serials.filter(|serial| !self.meters.has(*serial)).collect();
        let Some(state) = self.dtu_mut(dtu) else { return Vec::new() };
        let unconfirmed = state.new_meters.check(coverage, is_known, known, &new);
        let confirmed = reading
            .meters
            .iter()
            .filter(|meter| !reading.stale && !unconfirmed.contains_key(&meter.serial));
        let mut out: Vec<_> =
            confirmed.flat_map(|meter| self.meters.apply(dtu, meter, moment.now)).collect();
        out.extend(unconfirmed.into_iter().map(rejected(Subject::Meter)));
        out
    }

    /// Records the counters of an inverter's ports in their ledgers.
    fn count(
        &mut self,
        inverter: &InverterReading,
        now: Timestamp,
        out: &mut Vec<RejectedReading>,
    ) {
        for port in &inverter.ports {
            let ledger = self.ledgers.entry((inverter.serial, port.number)).or_default();
            let is_live = port.pv_power.is_some();
            let counters = Counters { total: port.total, today: port.today, is_live };
            match ledger.record(counters, now, &self.zone) {
                Verdict::Refused(refusal) => {
                    let of = Subject::Port(inverter.serial, port.number);
                    out.push(RejectedReading { of, reason: format!("counter: {refusal}") });
                }
                // A killed bridge must know by which counter the port goes on.
                Verdict::Exchanged { .. } => self.sums.must_be_saved(),
                Verdict::NotGiven | Verdict::Accepted => {}
            }
        }
    }
}

fn without<'a>(
    inverter: &'a InverterReading,
    unconfirmed: &BTreeMap<PortKey, String>,
) -> Cow<'a, InverterReading> {
    let is_unconfirmed = |number| unconfirmed.contains_key(&(inverter.serial, number));
    if !inverter.ports.iter().any(|port| is_unconfirmed(port.number)) {
        return Cow::Borrowed(inverter);
    }
    let mut believed = inverter.clone();
    believed.ports.retain(|port| !is_unconfirmed(port.number));
    Cow::Owned(believed)
}

fn new_inverter(reading: &InverterReading, dtu: &Arc<str>, now: Timestamp) -> InverterState {
    let values = InverterValues {
        grid_voltage: None,
        grid_frequency: None,
        temperature: None,
        ..reading.values.clone()
    };
    InverterState { values, ..InverterState::new(reading.serial, Arc::clone(dtu), now) }
}
