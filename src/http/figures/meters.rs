//! Figures of each energy meter and of its phases.

use std::fmt;

use super::page::{Figure, Page, Value, seconds};
use crate::entities::Subject::Meter;
use crate::entities::about;
use crate::plant::meter::MeterPhase;
use crate::plant::units::{Amperes, MeterVolts, PowerFactor, WattHours, Watts};
use crate::snapshot::Snapshot;
use crate::snapshot::state::MeterState;

const METER: [Figure<MeterState>; 5] = [
    Figure {
        name: "meter_power_watts",
        help: about(Meter, "power"),
        value: Value::Gauge(|meter| meter.reading.power.map(Watts::as_f64)),
    },
    Figure {
        name: "meter_power_factor_ratio",
        help: about(Meter, "power_factor"),
        value: Value::Gauge(|meter| meter.reading.power_factor.map(PowerFactor::as_f64)),
    },
    Figure {
        name: "meter_exported_energy_watt_hours",
        help: about(Meter, "energy_exported"),
        value: Value::Counter(|meter| meter.reading.exported.map(WattHours::get)),
    },
    Figure {
        name: "meter_imported_energy_watt_hours",
        help: about(Meter, "energy_imported"),
        value: Value::Counter(|meter| meter.reading.imported.map(WattHours::get)),
    },
    Figure {
        name: "meter_reading_timestamp_seconds",
        help: about(Meter, "timestamp"),
        value: Value::Gauge(|meter| Some(seconds(meter.timestamp))),
    },
];

const PHASE: [Figure<MeterPhase>; 3] = [
    Figure {
        name: "meter_phase_power_watts",
        help: "Power of the phase, signed as the meter's.",
        value: Value::Gauge(|phase| phase.power.map(Watts::as_f64)),
    },
    Figure {
        name: "meter_phase_voltage_volts",
        help: "Voltage of the phase to neutral.",
        value: Value::Gauge(|phase| phase.voltage.map(MeterVolts::as_f64)),
    },
    Figure {
        name: "meter_phase_current_amperes",
        help: "Current of the phase, never negative.",
        value: Value::Gauge(|phase| phase.current.map(Amperes::as_f64)),
    },
];

/// Phases as electricians call them.
const PHASES: [&str; 3] = ["A", "B", "C"];

/// Writes the meters.
pub(super) fn write(page: &mut Page<'_>, snapshot: &Snapshot) -> fmt::Result {
    let things: Vec<_> = snapshot.meters().map(|meter| (vec![serial(meter)], meter)).collect();
    page.write(&METER, &things)?;
    let phases = snapshot.meters().flat_map(|meter| {
        let phases = PHASES.iter().zip(&meter.reading.phases);
        phases.map(|(name, phase)| (vec![serial(meter), ("phase", (*name).to_owned())], phase))
    });
    page.write(&PHASE, &phases.collect::<Vec<_>>())
}

fn serial(meter: &MeterState) -> (&'static str, String) {
    ("serial", meter.reading.serial.to_string())
}
