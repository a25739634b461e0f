//! All that is known of the plant, and how the outcome of a poll changes it. Pure: no socket, no
//! clock, no task.

mod reconfigure;

pub mod doubt;

mod expiry;

mod strangers;

mod sun;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use self::doubt::{Doubt, Subject};
use self::strangers::{MOST_INVERTERS, MOST_METERS, Strangers};
use self::sun::output;
use super::merge;
use super::meters::Meters;
use super::night::Dusk;
use crate::plant::ledger::{Counters, PortLedger, Verdict};
use crate::plant::meter::MeterReading;
use crate::plant::reading::{DtuReading, InverterReading};
use crate::plant::serial::{InverterSerial, MeterSerial};
use crate::poller::merge::Moment;
use crate::snapshot::state::{DtuState, DtuStatus, Failing, InverterState, MeterState, PortState};

/// All that is known of the plant.
#[derive(Debug)]
pub struct Book {
    zone: TimeZone,
    inverters: BTreeMap<InverterSerial, InverterState>,
    meters: Meters,
    ledgers: BTreeMap<(InverterSerial, u8), PortLedger>,
    dtus: Vec<DtuState>,
    dusks: BTreeMap<Arc<str>, Dusk>,
    strangers: Strangers<InverterSerial>,
    strange_meters: Strangers<MeterSerial>,
}

impl Book {
    /// What was known before the bridge started.
    pub fn new(
        zone: TimeZone,
        dtus: Vec<DtuState>,
        inverters: impl IntoIterator<Item = InverterState>,
        ledgers: impl IntoIterator<Item = ((InverterSerial, u8), PortLedger)>,
    ) -> Self {
        let inverters: BTreeMap<_, _> =
            inverters.into_iter().map(|state| (state.serial, state)).collect();
        let dusks = dtus
            .iter()
            .map(|dtu| {
                let (power, ports) = output(&inverters, &dtu.name);
                (Arc::clone(&dtu.name), Dusk::restored(dtu.last_success, power, ports))
            })
            .collect();
        let ledgers = ledgers.into_iter().collect();
        Self {
            zone,
            inverters,
            meters: Meters::default(),
            ledgers,
            dtus,
            dusks,
            strangers: Strangers::at_most(MOST_INVERTERS),
            strange_meters: Strangers::at_most(MOST_METERS),
        }
    }

    /// With these meters, which were known before the bridge started as well.
    #[must_use]
    pub fn with_meters(mut self, meters: impl IntoIterator<Item = MeterState>) -> Self {
        meters.into_iter().for_each(|state| self.meters.restore(state));
        self
    }

    /// The time zone in which days begin.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The inverters, sorted by serial number.
    pub fn inverters(&self) -> Vec<InverterState> {
        self.inverters.values().cloned().collect()
    }

    /// The meters, sorted by serial number.
    pub fn meters(&self) -> Vec<MeterState> {
        self.meters.states().cloned().collect()
    }

    /// The DTUs, in the order of the configuration.
    pub fn dtus(&self) -> &[DtuState] {
        &self.dtus
    }

    /// The energy ledgers of all ports.
    pub fn ledgers(&self) -> &BTreeMap<(InverterSerial, u8), PortLedger> {
        &self.ledgers
    }

    /// Enters a poll that reached its end; returns what was not believed.
    pub fn succeeded(&mut self, dtu: &str, reading: &DtuReading, now: Timestamp) -> Vec<Doubt> {
        if let Some(state) = self.dtu_mut(dtu) {
            state.status = DtuStatus::Online;
            state.serial = reading.dtu_serial.or(state.serial);
            state.firmware = reading.dtu_firmware.clone().or(state.firmware.take());
            state.last_success = Some(now);
            state.failing = None;
            state.query_count += 1;
        }
        // A DTU that reaches no inverter says that none delivers; that is true of the night only.
        let has_faded = self.dusks.get(dtu).is_none_or(Dusk::has_faded);
        let is_night = !reading.is_live() && has_faded;
        let doubts = self.enter(dtu, reading, Moment { now, hold: self.hold(dtu), is_night });
        self.look_at_the_sun(dtu, reading, now);
        doubts
    }

    /// Enters that a DTU did not answer, if that is sleep: powers become 0, energies and times
    /// stand. Whether it is.
    pub fn fell_asleep(&mut self, dtu: &str, now: Timestamp) -> bool {
        if !self.may_sleep(dtu, now) {
            return false;
        }
        if let Some(state) = self.dtu_mut(dtu) {
            state.status = DtuStatus::Asleep;
            state.failing = None;
            state.query_count += 1;
        }
        for state in self.inverters.values_mut().filter(|state| &*state.dtu_name == dtu) {
            merge::darken(state);
        }
        self.meters.forget(dtu);
        self.roll(now);
        true
    }

    /// Enters a poll that failed, with what had been read before; returns what was not believed.
    pub fn failed(
        &mut self,
        dtu: &str,
        error: String,
        partial: &DtuReading,
        now: Timestamp,
    ) -> Vec<Doubt> {
        if let Some(state) = self.dtu_mut(dtu) {
            state.status = DtuStatus::Error;
            state.query_count += 1;
            state.error_count += 1;
            state.last_error = Some(error);
            state.last_error_time = Some(now);
            let Failing { since, polls } =
                state.failing.unwrap_or(Failing { since: now, polls: 0 });
            state.failing = Some(Failing { since, polls: polls.saturating_add(1) });
        }
        let doubts =
            self.enter(dtu, partial, Moment { now, hold: self.hold(dtu), is_night: false });
        if partial.is_live() {
            self.look_at_the_sun(dtu, partial, now);
        }
        doubts
    }

    /// Lets the day turn at local midnight, whether or not a DTU answers.
    pub fn roll(&mut self, now: Timestamp) {
        for (key, ledger) in &mut self.ledgers {
            ledger.roll(now, &self.zone);
            if let Some(port) = port_of(&mut self.inverters, *key) {
                port.today = ledger.today().or(port.today);
                port.today_since = ledger.today_since(&self.zone).or(port.today_since);
                port.total = ledger.total().or(port.total);
            }
        }
    }

    fn enter(&mut self, dtu: &str, reading: &DtuReading, moment: Moment) -> Vec<Doubt> {
        let now = moment.now;
        self.expire(dtu, moment);
        let known = self.inverters.values().filter(|state| &*state.dtu_name == dtu).count();
        let known_meters = self.meters.count_of(dtu);
        let is_known = |serial| self.inverters.contains_key(&serial);
        let listed = reading.inverters.iter().map(|inverter| inverter.serial);
        let listed = listed.filter(|one| !is_known(*one));
        let strangers = self.strangers.look_at(dtu, (known > 0, known), listed);
        let doubt = |(serial, reason)| Doubt { of: Subject::Inverter(serial), reason };
        let mut doubts: Vec<_> = strangers.clone().into_iter().map(doubt).collect();
        for inverter in &reading.inverters {
            let is_doubtful = strangers.contains_key(&inverter.serial);
            let is_old_news = reading.stale && !self.inverters.contains_key(&inverter.serial);
            if is_doubtful || is_old_news {
                continue;
            }
            let state = self
                .inverters
                .entry(inverter.serial)
                .or_insert_with(|| newcomer(inverter, dtu, now));
            if &*state.dtu_name != dtu {
                state.dtu_name = Arc::from(dtu);
            }
            state.last_seen = now;
            if !reading.stale {
                merge::merge(state, inverter, moment);
                doubts.extend(self.count(inverter, now));
            }
        }
        let is_known = known > 0 || known_meters > 0;
        doubts.extend(self.enter_meters(dtu, reading, (is_known, known_meters), now));
        self.roll(now);
        doubts
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
                let reason = refusal.to_string();
                doubts.push(Doubt { of: Subject::Port(inverter.serial, port.number), reason });
            }
        }
        doubts
    }

    /// For how long values of that DTU outlive a dropout.
    fn hold(&self, name: &str) -> Duration {
        let dtu = self.dtus.iter().find(|dtu| &*dtu.name == name);
        dtu.map_or(Duration::ZERO, |dtu| dtu.silence_limit)
    }

    fn dtu_mut(&mut self, name: &str) -> Option<&mut DtuState> {
        self.dtus.iter_mut().find(|dtu| &*dtu.name == name)
    }
}

fn port_of(
    inverters: &mut BTreeMap<InverterSerial, InverterState>,
    (serial, number): (InverterSerial, u8),
) -> Option<&mut PortState> {
    inverters.get_mut(&serial)?.ports.get_mut(&number)
}

fn newcomer(reading: &InverterReading, dtu: &str, now: Timestamp) -> InverterState {
    InverterState {
        serial: reading.serial,
        dtu_name: Arc::from(dtu),
        first_seen: now,
        last_seen: now,
        timestamp: now,
        link_status: reading.link_status,
        operating_status: reading.operating_status,
        alarm_code: reading.alarm_code,
        alarm_count: reading.alarm_count,
        grid_voltage: None,
        grid_frequency: None,
        temperature: None,
        ac: reading.ac.clone(),
        ports: BTreeMap::new(),
    }
}
