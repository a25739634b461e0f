//! One energy meter as JSON.

use jiff::tz::TimeZone;
use serde::Serialize;

use super::time;
use crate::plant::meter::MeterPhase;
use crate::plant::units::{Amperes, MeterVolts, PowerFactor, WattHours, Watts};
use crate::snapshot::state::MeterState;

/// One meter object.
#[derive(Clone, Debug, Serialize)]
pub struct Meter {
    /// As the DTU names it.
    pub serial_number: String,
    /// Never null.
    pub dtu_name: String,
    /// RFC 3339, when the values were read.
    pub timestamp: String,
    /// The kind of meter in the DTU's own numbers.
    pub device_type: Option<u16>,
    /// W, all phases together, signed; which sign is feed-in depends on the installation.
    pub power: Option<f64>,
    /// All phases together, -1 to 1.
    pub power_factor: Option<f64>,
    /// Wh, lifetime, all phases together.
    pub energy_exported: Option<u64>,
    /// Wh, lifetime, all phases together.
    pub energy_imported: Option<u64>,
    /// Phases A, B and C; one only for a single-phase meter.
    pub phases: Vec<Phase>,
}

/// One phase of a meter.
#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    /// W, signed.
    pub power: Option<f64>,
    /// V.
    pub voltage: Option<f64>,
    /// A.
    pub current: Option<f64>,
    /// -1 to 1.
    pub power_factor: Option<f64>,
    /// Wh, lifetime.
    pub energy_exported: u64,
    /// Wh, lifetime.
    pub energy_imported: u64,
}

impl Meter {
    /// The object of one meter.
    pub fn of(state: &MeterState, zone: &TimeZone) -> Self {
        let reading = &state.reading;
        Self {
            serial_number: reading.serial.to_string(),
            dtu_name: state.dtu_name.to_string(),
            timestamp: time(state.timestamp, zone),
            device_type: reading.kind,
            power: reading.power.map(Watts::as_f64),
            power_factor: reading.power_factor.map(PowerFactor::as_f64),
            energy_exported: reading.exported.map(WattHours::get),
            energy_imported: reading.imported.map(WattHours::get),
            phases: reading.phases.iter().map(Phase::of).collect(),
        }
    }
}

impl Phase {
    fn of(phase: &MeterPhase) -> Self {
        Self {
            power: phase.power.map(Watts::as_f64),
            voltage: phase.voltage.map(MeterVolts::as_f64),
            current: phase.current.map(Amperes::as_f64),
            power_factor: phase.power_factor.map(PowerFactor::as_f64),
            energy_exported: phase.exported.get(),
            energy_imported: phase.imported.get(),
        }
    }
}
