//! What was known before the bridge started, from its stored JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tracing::warn;

use crate::plant::meter::{MeterPhase, MeterReading};
use crate::plant::reading::{AcReading, InverterValues, PortReading};
use crate::plant::serial::InverterSerial;
use crate::plant::units::{
    Amperes, Celsius, Hertz, MeterVolts, Percent, PowerFactor, Vars, Volts, WattHours, Watts,
};
use crate::snapshot::state::{Energy, InverterState, MeterState, PortState};
use crate::snapshot::wire;

/// What of it is lost, and what to do.
const AGAIN: &str = "they are missing until the next poll that reads them, totals of inverters are not; if it \
    comes back, check the disk or SD card";

/// What is stored: the objects of the API.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Plant {
        inverters: Vec<Value>,
        meters: Vec<Value>,
    },
    /// Of a bridge that did not keep meters.
    Inverters(Vec<Value>),
}

/// The plant as it is stored, from its JSON for the API.
pub(super) fn to_store(inverters: &Bytes, meters: &Bytes) -> Bytes {
    [br#"{"inverters":"#, &inverters[..], br#","meters":"#, &meters[..], b"}"].concat().into()
}

/// Reads the stored plant; what cannot be read is left out and told, since the next poll brings it again.
pub fn plant(json: &[u8]) -> (Vec<InverterState>, Vec<MeterState>) {
    let (stored_inverters, stored_meters) = match serde_json::from_slice(json) {
        Ok(Stored::Plant { inverters, meters }) => (inverters, meters),
        Ok(Stored::Inverters(inverters)) => (inverters, Vec::new()),
        Err(error) => {
            warn!("the last values in the database are damaged ({error}): {AGAIN}");
            return (Vec::new(), Vec::new());
        }
    };
    let stored = stored_inverters.len().saturating_add(stored_meters.len());
    let inverter = |value| inverter(serde_json::from_value(value).ok()?);
    let meter = |value| meter(serde_json::from_value(value).ok()?);
    let inverters: Vec<_> = stored_inverters.into_iter().filter_map(inverter).collect();
    let meters: Vec<_> = stored_meters.into_iter().filter_map(meter).collect();
    let lost = stored.saturating_sub(inverters.len()).saturating_sub(meters.len());
    if lost > 0 {
        warn!("the last values of {lost} devices in the database are damaged: {AGAIN}");
    }
    (inverters, meters)
}

fn inverter(stored: wire::Inverter) -> Option<InverterState> {
    let serial: InverterSerial = stored.serial_number.parse().ok()?;
    let timestamp: Timestamp = stored.timestamp.parse().ok()?;
    let ac = AcReading {
        active_power: stored.active_power.map(Watts::nearest),
        reactive_power: stored.reactive_power.map(Vars::nearest),
        power_factor: stored.power_factor.map(PowerFactor::nearest),
        current: stored.current.map(Amperes::nearest),
        phase_voltages: stored.phase_voltages.into_iter().map(Volts::nearest).collect(),
        phase_currents: stored.phase_currents.into_iter().map(Amperes::nearest).collect(),
        power_limit: stored.power_limit.map(Percent::nearest),
        firmware_version: stored.firmware_version,
        signal: stored.signal,
    };
    let ports: BTreeMap<u8, PortState> = stored
        .ports
        .into_iter()
        .filter_map(|port| Some((port.port_number, port_state(&port)?)))
        .collect();
    let values = InverterValues {
        link_status: stored.link_status,
        operating_status: stored.operating_status,
        alarm_code: stored.alarm_code,
        alarm_count: stored.alarm_count,
        grid_voltage: stored.grid_voltage.map(Volts::nearest),
        grid_frequency: stored.grid_frequency.map(Hertz::nearest),
        temperature: stored.temperature.map(Celsius::nearest),
        ac,
    };
    Some(InverterState {
        serial,
        dtu_name: Arc::from(stored.dtu_name),
        first_seen: stored.first_seen.parse().unwrap_or(timestamp),
        last_seen: stored.last_seen.parse().unwrap_or(timestamp),
        timestamp,
        values,
        ports,
    })
}

fn port_state(stored: &wire::Port) -> Option<PortState> {
    Some(PortState {
        timestamp: stored.timestamp.parse().ok()?,
        reading: PortReading {
            number: stored.port_number,
            pv_voltage: stored.pv_voltage.map(Volts::nearest),
            pv_current: stored.pv_current.map(Amperes::nearest),
            pv_power: stored.pv_power.map(Watts::nearest),
            today: stored.device_today_production.map(WattHours::new),
            total: stored.device_total_production.map(WattHours::new),
        },
        energy: Energy {
            today: stored.today_production.map(WattHours::new),
            today_since: stored.today_since.as_deref().and_then(|since| since.parse().ok()),
            total: stored.total_production.map(WattHours::new),
        },
    })
}

fn meter(stored: wire::Meter) -> Option<MeterState> {
    let phase = |stored: wire::Phase| MeterPhase {
        power: stored.power.map(Watts::nearest),
        voltage: stored.voltage.map(MeterVolts::nearest),
        current: stored.current.map(Amperes::nearest),
        power_factor: stored.power_factor.map(PowerFactor::nearest),
        exported: WattHours::new(stored.energy_exported),
        imported: WattHours::new(stored.energy_imported),
    };
    let reading = MeterReading {
        serial: stored.serial_number.parse().ok()?,
        kind: stored.device_type,
        power: stored.power.map(Watts::nearest),
        power_factor: stored.power_factor.map(PowerFactor::nearest),
        exported: stored.energy_exported.map(WattHours::new),
        imported: stored.energy_imported.map(WattHours::new),
        phases: stored.phases.into_iter().map(phase).collect(),
    };
    let dtu_name = Arc::from(stored.dtu_name);
    Some(MeterState { dtu_name, timestamp: stored.timestamp.parse().ok()?, reading })
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::snapshot::rendered::Rendered;

    /// A meter whose second phase is not heard any more.
    fn meter_state() -> MeterState {
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
        let timestamp = Timestamp::from_second(1_750_500_000).unwrap();
        MeterState { dtu_name: Arc::from("Roof"), timestamp, reading }
    }

    #[test]
    fn a_meter_is_as_it_was() {
        let meters = Rendered::from(meter_state());
        let meters = [b"[", &meters.json(&TimeZone::UTC)[..], b"]"].concat();
        let (inverters, meters) = plant(&to_store(&Bytes::from_static(b"[]"), &meters.into()));
        assert_eq!((inverters.len(), meters), (0, vec![meter_state()]));
    }

    #[test]
    fn what_an_older_bridge_stored_or_somebody_damaged_is_read_as_far_as_it_goes() {
        let inverter = r#"{"serial_number": "114172606403", "dtu_name": "DTU", "first_seen": "",
            "last_seen": "", "timestamp": "2026-06-10T12:00:00+02:00", "ports": []}"#;
        for (json, expected) in [
            (format!("[{inverter}]"), 1),
            (format!("[{inverter}, {{}}, 7]"), 1),
            (format!(r#"{{"inverters": [{inverter}], "meters": [{{}}]}}"#), 1),
            ("{}".to_owned(), 0),
            (format!("[{inverter}"), 0),
        ] {
            let (inverters, meters) = plant(json.as_bytes());
            assert_eq!((inverters.len(), meters.len()), (expected, 0), "{json}");
        }
    }
}
