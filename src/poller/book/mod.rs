//! All that is known of the plant, and how the outcome of a poll changes it. Pure: no socket, no
//! clock, no task.

mod claims;

pub mod doubt;

mod enter;

mod expiry;

mod reconfigure;

mod strangers;

mod sun;

mod watch;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use self::claims::Claims;
use self::doubt::{Doubt, Rivalry};
use self::strangers::{MOST_INVERTERS, MOST_METERS, MOST_PORTS, Strangers};
use self::sun::output;
use self::watch::Watch;
use super::merge;
use super::meters::Meters;
use super::night::Dusk;
use crate::plant::ledger::PortLedger;
use crate::plant::reading::DtuReading;
use crate::plant::serial::{InverterSerial, MeterSerial};
use crate::poller::merge::Moment;
use crate::problem::Problem;
use crate::snapshot::state::{DtuState, DtuStatus, Failing, InverterState, MeterState, PortState};

/// The midnights of one date lie closer together than this in any two zones that somebody moves
/// between; those of two days do not.
const BETWEEN_ZONES: SignedDuration = SignedDuration::from_hours(20);

/// All that is known of the plant.
#[derive(Debug)]
pub struct Book {
    zone: TimeZone,
    inverters: BTreeMap<InverterSerial, InverterState>,
    meters: Meters,
    ledgers: BTreeMap<(InverterSerial, u8), PortLedger>,
    dtus: Vec<DtuState>,
    dusks: BTreeMap<Arc<str>, Dusk>,
    watches: BTreeMap<Arc<str>, Watch>,
    strangers: Strangers<InverterSerial>,
    strange_ports: Strangers<(InverterSerial, u8)>,
    strange_meters: Strangers<MeterSerial>,
    claims: Claims,
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
            watches: BTreeMap::new(),
            strangers: Strangers::at_most(MOST_INVERTERS),
            strange_ports: Strangers::at_most(MOST_PORTS),
            strange_meters: Strangers::at_most(MOST_METERS),
            claims: Claims::default(),
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

    /// Inverters that were found to be read by two DTUs since this was last asked.
    pub fn take_rivalries(&mut self) -> Vec<Rivalry> {
        self.claims.take_news()
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
        self.watch(dtu, reading, now);
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
        self.stop_watching(dtu);
        self.roll(now);
        true
    }

    /// Enters a poll that failed, with what had been read before; returns what was not believed.
    pub fn failed(
        &mut self,
        dtu: &str,
        error: Problem,
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
            let before = ledger.today_since(&self.zone);
            ledger.roll_over(now, &self.zone);
            if let Some(port) = port_of(&mut self.inverters, *key) {
                let since = ledger.today_since(&self.zone);
                let energy = &mut port.energy;
                energy.today = ledger.today().or(energy.today);
                let began = energy.today_since.filter(|_| before == since);
                energy.today_since = day_begin(began, since).or(energy.today_since);
                energy.total = ledger.total().or(energy.total);
            }
        }
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

/// When a day began that goes on, though the zone says now that it began `by_zone`. With another zone
/// since then, what was produced since is still all of it: told of another midnight, Home Assistant
/// would count it anew.
fn day_begin(known: Option<Timestamp>, by_zone: Option<Timestamp>) -> Option<Timestamp> {
    let by_zone = by_zone?;
    let of_this_day = |known: &Timestamp| known.duration_since(by_zone).abs() < BETWEEN_ZONES;
    known.filter(of_this_day).or(Some(by_zone))
}

fn port_of(
    inverters: &mut BTreeMap<InverterSerial, InverterState>,
    (serial, number): (InverterSerial, u8),
) -> Option<&mut PortState> {
    inverters.get_mut(&serial)?.ports.get_mut(&number)
}
