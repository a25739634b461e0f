//! What was known before the bridge started, from its stored JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::plant::reading::AcReading;
use crate::plant::serial::InverterSerial;
use crate::plant::units::{
    Amperes, Celsius, Hertz, Percent, PowerFactor, Vars, Volts, WattHours, Watts,
};
use crate::snapshot::state::{InverterState, PortState};
use crate::snapshot::wire;

/// Reads the stored snapshot; what cannot be read is left out, since the next poll brings it again.
pub fn inverters(json: &[u8]) -> Vec<InverterState> {
    let stored: Vec<serde_json::Value> = serde_json::from_slice(json).unwrap_or_default();
    stored.into_iter().filter_map(|value| inverter(serde_json::from_value(value).ok()?)).collect()
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
    Some(InverterState {
        serial,
        dtu_name: Arc::from(stored.dtu_name),
        first_seen: stored.first_seen.parse().unwrap_or(timestamp),
        last_seen: stored.last_seen.parse().unwrap_or(timestamp),
        timestamp,
        link_status: stored.link_status,
        operating_status: stored.operating_status,
        alarm_code: stored.alarm_code,
        alarm_count: stored.alarm_count,
        grid_voltage: stored.grid_voltage.map(Volts::nearest),
        grid_frequency: stored.grid_frequency.map(Hertz::nearest),
        temperature: stored.temperature.map(Celsius::nearest),
        ac,
        ports,
    })
}

fn port_state(stored: &wire::Port) -> Option<PortState> {
    Some(PortState {
        timestamp: stored.timestamp.parse().ok()?,
        pv_voltage: stored.pv_voltage.map(Volts::nearest),
        pv_current: stored.pv_current.map(Amperes::nearest),
        pv_power: stored.pv_power.map(Watts::nearest),
        today: stored.today_production.map(WattHours::new),
        today_since: stored.today_since.as_deref().and_then(|since| since.parse().ok()),
        total: stored.total_production.map(WattHours::new),
        device_today: stored.device_today_production.map(WattHours::new),
        device_total: stored.device_total_production.map(WattHours::new),
    })
}
