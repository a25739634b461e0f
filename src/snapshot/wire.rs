//! The JSON of the snapshot, key by key, as the contract has it: for HTTP, for targets, and on disk.

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::health::Health;
use super::state::{InverterState, PortState};
use crate::plant::units::{Amperes, Celsius, Hertz, Volts, WattHours, Watts};
use crate::plant::{codes, model};

/// RFC 3339 with the offset of `zone`, to the second.
pub fn time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// One inverter object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inverter {
    /// Twelve hexadecimal digits, lower case.
    pub serial_number: String,
    /// Never null.
    pub dtu_name: String,
    /// Model, from the serial number.
    pub inverter_type: Option<String>,
    /// RFC 3339.
    pub first_seen: String,
    /// RFC 3339.
    pub last_seen: String,
    /// RFC 3339, when the values were read.
    pub timestamp: String,
    /// V.
    pub grid_voltage: Option<f64>,
    /// Hz.
    pub grid_frequency: Option<f64>,
    /// Degrees Celsius.
    pub temperature: Option<f64>,
    /// Code.
    pub operating_status: Option<u16>,
    /// The code in words.
    #[serde(default)]
    pub operating_status_text: Option<String>,
    /// Code.
    pub alarm_code: Option<u32>,
    /// The code in words.
    #[serde(default)]
    pub alarm_text: Option<String>,
    /// Count.
    pub alarm_count: Option<u32>,
    /// Code.
    pub link_status: Option<u16>,
    /// The code in words.
    #[serde(default)]
    pub link_status_text: Option<String>,
    /// W, sum of the ports.
    pub pv_power: Option<f64>,
    /// Wh since local midnight, sum of the ports.
    pub today_production: Option<u64>,
    /// Wh, sum of the ports.
    pub total_production: Option<u64>,
    /// By number.
    pub ports: Vec<Port>,
}

/// One port object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Port {
    /// Of its inverter.
    pub serial_number: String,
    /// From 1.
    pub port_number: u8,
    /// RFC 3339, when the values were read.
    pub timestamp: String,
    /// V.
    pub pv_voltage: Option<f64>,
    /// A.
    pub pv_current: Option<f64>,
    /// W.
    pub pv_power: Option<f64>,
    /// Wh since local midnight, from the ledger.
    pub today_production: Option<u64>,
    /// Wh, from the ledger.
    pub total_production: Option<u64>,
    /// Wh, the device's own daily counter as it came.
    #[serde(default)]
    pub device_today_production: Option<u64>,
    /// Wh, the device's own lifetime counter as it came.
    #[serde(default)]
    pub device_total_production: Option<u64>,
}

impl Inverter {
    /// The object of one inverter.
    pub fn of(state: &InverterState, zone: &TimeZone) -> Self {
        Self {
            serial_number: state.serial.to_string(),
            dtu_name: state.dtu_name.to_string(),
            inverter_type: model::name(state.serial, state.ports.len()),
            first_seen: time(state.first_seen, zone),
            last_seen: time(state.last_seen, zone),
            timestamp: time(state.timestamp, zone),
            grid_voltage: state.grid_voltage.map(Volts::as_f64),
            grid_frequency: state.grid_frequency.map(Hertz::as_f64),
            temperature: state.temperature.map(Celsius::as_f64),
            operating_status: state.operating_status,
            operating_status_text: state.operating_status.map(codes::operating_status),
            alarm_code: state.alarm_code,
            alarm_text: state.alarm_code.map(codes::alarm),
            alarm_count: state.alarm_count,
            link_status: state.link_status,
            link_status_text: state.link_status.map(codes::link_status),
            pv_power: state.pv_power().map(Watts::as_f64),
            today_production: state.today().map(WattHours::get),
            total_production: state.total().map(WattHours::get),
            ports: ports(state, zone),
        }
    }
}

/// The port objects of one inverter.
pub fn ports(state: &InverterState, zone: &TimeZone) -> Vec<Port> {
    let serial_number = state.serial.to_string();
    state
        .ports
        .iter()
        .map(|(&number, port)| port_object(&serial_number, number, port, zone))
        .collect()
}

fn port_object(serial_number: &str, number: u8, port: &PortState, zone: &TimeZone) -> Port {
    Port {
        serial_number: serial_number.to_owned(),
        port_number: number,
        timestamp: time(port.timestamp, zone),
        pv_voltage: port.pv_voltage.map(Volts::as_f64),
        pv_current: port.pv_current.map(Amperes::as_f64),
        pv_power: port.pv_power.map(Watts::as_f64),
        today_production: port.today.map(WattHours::get),
        total_production: port.total.map(WattHours::get),
        device_today_production: port.device_today.map(WattHours::get),
        device_total_production: port.device_total.map(WattHours::get),
    }
}

/// The body of `GET /stats`, and a part of each update. No value is ever null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Size of the database file.
    pub database_size_bytes: u64,
    /// Rows in the database.
    pub total_records: u64,
    /// Known inverters.
    pub inverters_count: u64,
    /// Inverters with values.
    pub inverter_data_entries: u64,
    /// Ports with values.
    pub port_data_entries: u64,
    /// Ports with an energy ledger.
    pub production_cache_entries: u64,
    /// `sqlite`, or `memory` where the state directory cannot be written.
    pub database_type: &'static str,
}

/// The body of `GET /api/inverters`.
pub fn inverters(states: &[InverterState], zone: &TimeZone) -> Bytes {
    let objects: Vec<_> = states.iter().map(|state| Inverter::of(state, zone)).collect();
    to_bytes(&objects)
}

/// The `update` message, around the inverters' JSON that was made before.
pub fn update(health: &Health, stats: &Stats, inverters: &Bytes) -> Bytes {
    let mut message = Vec::with_capacity(inverters.len() + 2048);
    message.extend_from_slice(br#"{"type":"update","data":{"health":"#);
    message.extend_from_slice(&to_bytes(health));
    message.extend_from_slice(br#","stats":"#);
    message.extend_from_slice(&to_bytes(stats));
    message.extend_from_slice(br#","inverters":"#);
    message.extend_from_slice(inverters);
    message.extend_from_slice(b"}}");
    Bytes::from(message)
}

fn to_bytes(value: &impl Serialize) -> Bytes {
    // These types have string keys and finite numbers only, so that this cannot fail; if it ever
    // did, null is still JSON.
    serde_json::to_vec(value).map_or_else(|_| Bytes::from_static(b"null"), Bytes::from)
}
