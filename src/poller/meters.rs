//! How a new reading of a meter changes what is known of it. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::plant::meter::{MeterPhase, MeterReading};
use crate::plant::serial::MeterSerial;
use crate::plant::units::WattHours;
use crate::snapshot::state::MeterState;

/// Takes over what the DTU says of a meter. One that it does not reach keeps its last good values.
pub(super) fn enter(
    meters: &mut BTreeMap<MeterSerial, MeterState>,
    dtu: &str,
    reading: &MeterReading,
    now: Timestamp,
) {
    let known = meters.get(&reading.serial);
    if reading.power.is_none() && known.is_some() {
        return;
    }
    let mut reading = reading.clone();
    if let Some(MeterState { reading: old, .. }) = known {
        reading.exported = counter(reading.exported, old.exported);
        reading.imported = counter(reading.imported, old.imported);
        for (new, old) in reading.phases.iter_mut().zip(&old.phases) {
            new.exported = counter(Some(new.exported), Some(old.exported)).unwrap_or_default();
            new.imported = counter(Some(new.imported), Some(old.imported)).unwrap_or_default();
        }
        reading.phases.extend(old.phases.iter().skip(reading.phases.len()).copied().map(counters));
    }
    let state = MeterState { dtu_name: Arc::from(dtu), timestamp: now, reading };
    meters.insert(state.reading.serial, state);
}

/// In this protocol a missing value is a zero; a meter that has counted gives no other one.
fn counter(new: Option<WattHours>, old: Option<WattHours>) -> Option<WattHours> {
    new.filter(|new| new.get() > 0).or(old).or(new)
}

/// What is left of a phase without its measurements.
const fn counters(phase: MeterPhase) -> MeterPhase {
    MeterPhase { power: None, voltage: None, current: None, power_factor: None, ..phase }
}

/// Drops the measurements of a meter of which nothing was heard for long; energies and time stand.
pub(super) fn forget(state: &mut MeterState) {
    state.reading.power = None;
    state.reading.power_factor = None;
    for phase in &mut state.reading.phases {
        *phase = counters(*phase);
    }
}
