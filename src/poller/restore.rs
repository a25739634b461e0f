//! Converts the plant to what is stored of it, and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::plant::PlantState;
use crate::plant::day_curve::DayCurve;
use crate::plant::ledger::{PortKey, PortLedger};
use crate::plant::meter::{MeterPhase, MeterReading};
use crate::plant::reading::{AcReading, InverterValues, PortReading};
use crate::plant::serial::{InverterSerial, MeterSerial};
use crate::plant::units::{
    Amperes, Celsius, Hertz, MeterVolts, Percent, PowerFactor, Vars, Volts, WattHours, Watts,
};
use crate::snapshot::state::{DtuState, Energy, InverterState, MeterState, PortState};
use crate::store::{
    StoredDayCurve, StoredDtu, StoredInverter, StoredMeter, StoredPhase, StoredPlant, StoredPort,
};

pub(super) fn to_store(plant: &PlantState) -> StoredPlant {
    let ledgers = plant.ledgers().iter().map(|(key, ledger)| (*key, ledger.to_record()));
    let dtus = plant.dtus().filter_map(|dtu| stored_dtu(plant, dtu));
    StoredPlant {
        ledgers: ledgers.collect(),
        sums: plant.sums().map(|(key, sum)| (key.clone(), sum.to_record())).collect(),
        inverters: plant.inverters().map(|state| (state.serial, stored_inverter(state))).collect(),
        meters: plant.meters().map(|state| (state.reading.serial, stored_meter(state))).collect(),
        dtus: dtus.collect(),
        departed: plant.departed().clone(),
        day_curve: stored_day_curve(plant.day_curve()),
    }
}

fn stored_day_curve(curve: &DayCurve) -> Option<StoredDayCurve> {
    let (peak_time, peak) = curve.peak().unzip();
    Some(StoredDayCurve {
        begin: curve.begin()?,
        means: curve.means().map(|mean| mean.map(Watts::steps)).collect(),
        peak: peak.map(Watts::steps),
        peak_time,
    })
}

/// The course of the day that was stored.
pub fn day_curve(stored: Option<StoredDayCurve>) -> DayCurve {
    let Some(StoredDayCurve { begin, means, peak, peak_time }) = stored else {
        return DayCurve::default();
    };
    let watts = |tenths: Option<i32>| tenths.map(Watts::from_tenths);
    DayCurve::restore(begin, means.into_iter().map(watts), peak_time.zip(watts(peak)))
}

/// What is stored of a DTU, under its name.
pub(super) fn stored_dtu(plant: &PlantState, dtu: &DtuState) -> Option<(String, StoredDtu)> {
    let mine = plant.inverters().filter(|inverter| inverter.dtu_name == dtu.name);
    let energies = mine.map(|inverter| {
        let ports = inverter.ports.iter().filter_map(|(&number, PortState { energy, .. })| {
            Some((number, energy.total?.get(), energy.today.unwrap_or_default().get()))
        });
        (inverter.serial.to_string(), ports.collect())
    });
    let stored = StoredDtu {
        last_success: dtu.last_success?,
        energies: energies.collect(),
        serial: dtu.serial.map(|serial| serial.to_string()),
    };
    Some((dtu.name.to_string(), stored))
}

/// The ledgers that were stored, with what their ports have produced since.
pub fn ledgers(stored: &StoredPlant) -> BTreeMap<PortKey, PortLedger> {
    let records = stored.ledgers.iter();
    let mut ledgers: BTreeMap<_, _> =
        records.map(|(key, record)| (*key, PortLedger::from_record(record.clone()))).collect();
    for (serial, ports) in stored.dtus.values().flat_map(|dtu| &dtu.energies) {
        let Ok(serial) = serial.parse() else { continue };
        for &(port, total, today) in ports {
            ledgers.entry((serial, port)).or_default().catch_up_with(total, today);
        }
    }
    ledgers
}

fn stored_inverter(state: &InverterState) -> StoredInverter {
    let values = &state.values;
    let AcReading {
        active_power,
        reactive_power,
        power_factor,
        current,
        phase_voltages,
        phase_currents,
        power_limit,
        firmware_version,
        signal,
    } = &values.ac;
    StoredInverter {
        dtu_name: state.dtu_name.to_string(),
        first_seen: state.first_seen,
        last_seen: state.last_seen,
        timestamp: state.timestamp,
        link_status: values.link_status,
        operating_status: values.operating_status,
        alarm_code: values.alarm_code,
        alarm_count: values.alarm_count,
        grid_voltage: values.grid_voltage.map(Volts::steps),
        grid_frequency: values.grid_frequency.map(Hertz::steps),
        temperature: values.temperature.map(Celsius::steps),
        active_power: active_power.map(Watts::steps),
        reactive_power: reactive_power.map(Vars::steps),
        power_factor: power_factor.map(PowerFactor::steps),
        current: current.map(Amperes::steps),
        phase_voltages: phase_voltages.iter().map(|value| value.steps()).collect(),
        phase_currents: phase_currents.iter().map(|value| value.steps()).collect(),
        power_limit: power_limit.map(Percent::steps),
        firmware_version: firmware_version.clone(),
        signal: *signal,
        ports: state.ports.iter().map(|(&number, port)| (number, stored_port(port))).collect(),
    }
}

fn stored_port(PortState { timestamp, reading, energy }: &PortState) -> StoredPort {
    StoredPort {
        timestamp: *timestamp,
        pv_voltage: reading.pv_voltage.map(Volts::steps),
        pv_current: reading.pv_current.map(Amperes::steps),
        pv_power: reading.pv_power.map(Watts::steps),
        today_since: energy.today_since,
        device_today: reading.today.map(WattHours::get),
        device_total: reading.total.map(WattHours::get),
    }
}

fn stored_meter(MeterState { dtu_name, timestamp, reading }: &MeterState) -> StoredMeter {
    let phase = |phase: &MeterPhase| StoredPhase {
        power: phase.power.map(Watts::steps),
        voltage: phase.voltage.map(MeterVolts::steps),
        current: phase.current.map(Amperes::steps),
        power_factor: phase.power_factor.map(PowerFactor::steps),
        exported: phase.exported.get(),
        imported: phase.imported.get(),
    };
    StoredMeter {
        dtu_name: dtu_name.to_string(),
        timestamp: *timestamp,
        kind: reading.kind,
        power: reading.power.map(Watts::steps),
        power_factor: reading.power_factor.map(PowerFactor::steps),
        exported: reading.exported.map(WattHours::get),
        imported: reading.imported.map(WattHours::get),
        phases: reading.phases.iter().map(phase).collect(),
    }
}

/// The inverters that were stored. Their energies are in the ledgers, from which the plant takes them.
pub fn inverters(stored: BTreeMap<InverterSerial, StoredInverter>) -> Vec<InverterState> {
    stored.into_iter().map(|(serial, stored)| inverter(serial, stored)).collect()
}

/// The meters that were stored.
pub fn meters(stored: BTreeMap<MeterSerial, StoredMeter>) -> Vec<MeterState> {
    stored.into_iter().map(|(serial, stored)| meter(serial, stored)).collect()
}

fn inverter(serial: InverterSerial, stored: StoredInverter) -> InverterState {
    let ports = stored.ports.iter().map(|(&number, stored)| (number, port(number, stored)));
    let currents = stored.phase_currents.into_iter();
    let ac = AcReading {
        active_power: stored.active_power.map(Watts::from_tenths),
        reactive_power: stored.reactive_power.map(Vars::from_tenths),
        power_factor: stored.power_factor.map(PowerFactor::from_thousandths),
        current: stored.current.map(Amperes::from_hundredths),
        phase_voltages: stored.phase_voltages.into_iter().map(Volts::from_tenths).collect(),
        phase_currents: currents.map(Amperes::from_hundredths).collect(),
        power_limit: stored.power_limit.map(Percent::from_tenths),
        firmware_version: stored.firmware_version,
        signal: stored.signal,
    };
    InverterState {
        serial,
        dtu_name: Arc::from(stored.dtu_name),
        first_seen: stored.first_seen,
        last_seen: stored.last_seen,
        timestamp: stored.timestamp,
        values: InverterValues {
            link_status: stored.link_status,
            operating_status: stored.operating_status,
            alarm_code: stored.alarm_code,
            alarm_count: stored.alarm_count,
            grid_voltage: stored.grid_voltage.map(Volts::from_tenths),
            grid_frequency: stored.grid_frequency.map(Hertz::from_hundredths),
            temperature: stored.temperature.map(Celsius::from_tenths),
            ac,
        },
        ports: ports.collect(),
        energy: Energy::default(),
    }
}

fn port(number: u8, stored: &StoredPort) -> PortState {
    PortState {
        timestamp: stored.timestamp,
        reading: PortReading {
            number,
            pv_voltage: stored.pv_voltage.map(Volts::from_tenths),
            pv_current: stored.pv_current.map(Amperes::from_hundredths),
            pv_power: stored.pv_power.map(Watts::from_tenths),
            today: stored.device_today.map(WattHours::new),
            total: stored.device_total.map(WattHours::new),
        },
        energy: Energy { today_since: stored.today_since, ..Energy::default() },
    }
}

fn meter(serial: MeterSerial, stored: StoredMeter) -> MeterState {
    let phase = |stored: StoredPhase| MeterPhase {
        power: stored.power.map(Watts::from_tenths),
        voltage: stored.voltage.map(MeterVolts::from_hundredths),
        current: stored.current.map(Amperes::from_hundredths),
        power_factor: stored.power_factor.map(PowerFactor::from_thousandths),
        exported: WattHours::new(stored.exported),
        imported: WattHours::new(stored.imported),
    };
    let reading = MeterReading {
        serial,
        kind: stored.kind,
        power: stored.power.map(Watts::from_tenths),
        power_factor: stored.power_factor.map(PowerFactor::from_thousandths),
        exported: stored.exported.map(WattHours::new),
        imported: stored.imported.map(WattHours::new),
        phases: stored.phases.into_iter().map(phase).collect(),
    };
    MeterState { dtu_name: Arc::from(stored.dtu_name), timestamp: stored.timestamp, reading }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_750_500_000, 0);

    #[test]
    fn restores_an_inverter_as_it_was_but_for_its_energies() {
        let reading = PortReading {
            pv_voltage: Some(Volts::from_tenths(341)),
            pv_power: Some(Watts::from_tenths(-1)),
            total: Some(WattHours::new(456_172)),
            ..PortReading::unknown(1)
        };
        let energy = Energy { today_since: Some(NOON), ..Energy::default() };
        let port = PortState { timestamp: NOON, reading, energy };
        let values = InverterValues {
            link_status: Some(1),
            alarm_code: Some(0),
            grid_voltage: Some(Volts::from_tenths(2334)),
            grid_frequency: Some(Hertz::from_hundredths(4998)),
            temperature: Some(Celsius::from_tenths(-35)),
            ac: AcReading {
                phase_voltages: vec![Volts::from_tenths(2301); 3],
                power_limit: Some(Percent::from_tenths(1000)),
                firmware_version: Some("V01.00.12".to_owned()),
                signal: Some(80),
                ..AcReading::default()
            },
            ..InverterValues::default()
        };
        let serial = "1161a0000001".parse().unwrap();
        let state = InverterState {
            values,
            ports: [(1, port.clone()), (2, PortState::unknown(2, NOON))].into(),
            ..InverterState::new(serial, Arc::from("Roof"), NOON)
        };
        assert_eq!(inverter(serial, stored_inverter(&state)), state);
        let mut with_energy = port.clone();
        with_energy.energy.total = Some(WattHours::new(7));
        assert_eq!(super::port(1, &stored_port(&with_energy)), port);
    }

    #[test]
    fn restores_a_meter_as_it_was() {
        let silent = MeterPhase {
            power: None,
            voltage: None,
            current: None,
            power_factor: None,
            exported: WattHours::new(31_650),
            imported: WattHours::new(0),
        };
        let phase = MeterPhase {
            power: Some(Watts::from_tenths(-1900)),
            voltage: Some(MeterVolts::from_hundredths(23_121)),
            current: Some(Amperes::from_hundredths(107)),
            power_factor: Some(PowerFactor::from_thousandths(-780)),
            ..silent
        };
        let reading = MeterReading {
            serial: "10c0a0000001".parse().unwrap(),
            kind: Some(3),
            power: phase.power,
            power_factor: phase.power_factor,
            exported: Some(WattHours::new(355_490)),
            imported: None,
            phases: vec![phase, silent],
        };
        let state = MeterState { dtu_name: Arc::from("Roof"), timestamp: NOON, reading };
        assert_eq!(meter(state.reading.serial, stored_meter(&state)), state);
    }
}
