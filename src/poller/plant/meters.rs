//! The energy meters of the plant, and how a new reading changes what is known of them. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::apply::{RejectedReading, Subject};
use super::merge::Moment;
use crate::plant::ledger::{MeterLedger, Verdict};
use crate::plant::meter::{MeterPhase, MeterReading};
use crate::plant::serial::MeterSerial;
use crate::plant::units::WattHours;
use crate::snapshot::json::Rendered;
use crate::snapshot::state::MeterState;

#[derive(Debug, Default)]
pub(super) struct Meters(BTreeMap<MeterSerial, Meter>);

#[derive(Debug)]
struct Meter {
    state: Arc<Rendered<MeterState>>,
    /// The counters of all phases together.
    whole: Counters,
    phases: [Counters; 3],
}

/// The two counters of a meter, or of one of its phases.
#[derive(Debug, Default)]
struct Counters {
    exported: MeterLedger,
    imported: MeterLedger,
}

impl Meters {
    /// With a meter that was known before the bridge started.
    pub(super) fn restore(&mut self, state: MeterState) {
        let at = state.timestamp;
        let counters = |exported: Option<WattHours>, imported: Option<WattHours>| {
            let resumed = |total| MeterLedger::resumed(total, at);
            Counters {
                exported: exported.map(resumed).unwrap_or_default(),
                imported: imported.map(resumed).unwrap_or_default(),
            }
        };
        let whole = counters(state.reading.exported, state.reading.imported);
        let mut phases: [Counters; 3] = Default::default();
        for (ledgers, phase) in phases.iter_mut().zip(&state.reading.phases) {
            *ledgers = counters(Some(phase.exported), Some(phase.imported));
        }
        let serial = state.reading.serial;
        self.0.insert(serial, Meter { state: Arc::new(state.into()), whole, phases });
    }

    pub(super) fn states(&self) -> impl Iterator<Item = &Arc<Rendered<MeterState>>> {
        self.0.values().map(|meter| &meter.state)
    }

    pub(super) fn has(&self, serial: MeterSerial) -> bool {
        self.0.contains_key(&serial)
    }

    pub(super) fn count_of(&self, dtu: &str) -> usize {
        self.states().filter(|state| &*state.dtu_name == dtu).count()
    }

    pub(super) fn retain(&mut self, dtus: &[Arc<str>]) {
        self.0.retain(|_, meter| dtus.contains(&meter.state.dtu_name));
    }

    /// Takes over what the DTU says of a meter; returns which of its counters were not believed. One
    /// that it does not reach keeps its last good values.
    pub(super) fn apply(
        &mut self,
        dtu: &str,
        reading: &MeterReading,
        now: Timestamp,
    ) -> Vec<RejectedReading> {
        let meter = self.0.entry(reading.serial).or_insert_with(|| Meter::new(dtu, reading, now));
        if !reading.is_live() {
            return Vec::new();
        }
        let state = Arc::make_mut(&mut meter.state);
        state.dtu_name = Arc::from(dtu);
        state.timestamp = now;
        meter.apply(reading, now)
    }

    /// Drops measurements of that DTU's meters which have outlived the hold time.
    pub(super) fn expire(&mut self, dtu: &str, moment: Moment) {
        self.of(dtu).filter(|meter| moment.is_over(meter.state.timestamp)).for_each(Meter::forget);
    }

    /// Drops the measurements of that DTU's meters; energies and times stand.
    pub(super) fn forget(&mut self, dtu: &str) {
        self.of(dtu).for_each(Meter::forget);
    }

    fn of(&mut self, dtu: &str) -> impl Iterator<Item = &mut Meter> {
        self.0.values_mut().filter(move |meter| &*meter.state.dtu_name == dtu)
    }
}

impl Meter {
    /// A meter of which nothing is known but its name.
    fn new(dtu: &str, reading: &MeterReading, timestamp: Timestamp) -> Self {
        let reading = MeterReading {
            power: None,
            power_factor: None,
            exported: None,
            imported: None,
            phases: Vec::new(),
            ..reading.clone()
        };
        let state = MeterState { dtu_name: Arc::from(dtu), timestamp, reading };
        let state = Arc::new(state.into());
        Self { state, whole: Counters::default(), phases: Default::default() }
    }

    fn apply(&mut self, reading: &MeterReading, now: Timestamp) -> Vec<RejectedReading> {
        let mut rejected = Vec::new();
        let mut record = |counters: &mut Counters, seen: (Option<_>, Option<_>), which: &str| {
            let verdicts = [
                (counters.exported.record(seen.0, now), "exported"),
                (counters.imported.record(seen.1, now), "imported"),
            ];
            for (verdict, direction) in verdicts {
                if let Verdict::Refused(refusal) = verdict {
                    let reason = format!("{direction}{which}: {refusal}");
                    rejected.push(RejectedReading { of: Subject::Meter(reading.serial), reason });
                }
            }
            let exported = counters.exported.total().or(unbegun(seen.0));
            (exported, counters.imported.total().or(unbegun(seen.1)))
        };
        let (exported, imported) =
            record(&mut self.whole, (reading.exported, reading.imported), "");
        let mut phases = reading.phases.clone();
        // A phase that is not heard any more keeps its counters.
        let silent = self.state.reading.phases.iter().skip(phases.len()).copied().map(counters);
        phases.extend(silent);
        for ((phase, ledgers), name) in phases.iter_mut().zip(&mut self.phases).zip(["A", "B", "C"])
        {
            let seen = (Some(phase.exported), Some(phase.imported));
            let (exported, imported) = record(ledgers, seen, &format!(" of phase {name}"));
            phase.exported = exported.unwrap_or_default();
            phase.imported = imported.unwrap_or_default();
        }
        Arc::make_mut(&mut self.state).reading =
            MeterReading { exported, imported, phases, ..reading.clone() };
        rejected
    }

    /// Drops the measurements; energies and time stand.
    fn forget(&mut self) {
        let known = &self.state.reading;
        let phases = known.phases.iter().copied().map(counters).collect();
        let forgotten = MeterReading { power: None, power_factor: None, phases, ..known.clone() };
        if forgotten != *known {
            Arc::make_mut(&mut self.state).reading = forgotten;
        }
    }
}

/// A counter that has not begun yet: of what is not believed, no more than that.
fn unbegun(seen: Option<WattHours>) -> Option<WattHours> {
    seen.filter(|seen| seen.get() == 0)
}

/// What is left of a phase without its measurements.
const fn counters(phase: MeterPhase) -> MeterPhase {
    MeterPhase { power: None, voltage: None, current: None, power_factor: None, ..phase }
}
