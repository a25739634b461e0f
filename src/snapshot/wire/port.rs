//! One PV input as JSON.

use jiff::tz::TimeZone;
use serde::Serialize;

use super::time;
use crate::plant::units::{Amperes, Volts, WattHours, Watts};
use crate::snapshot::state::{InverterState, PortState};

/// One port object.
#[derive(Clone, Debug, Serialize)]
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
    /// RFC 3339, the local midnight since which `today_production` counts.
    pub today_since: Option<String>,
    /// Wh, from the ledger.
    pub total_production: Option<u64>,
    /// Wh, the device's own daily counter as it came.
    pub device_today_production: Option<u64>,
    /// Wh, the device's own lifetime counter as it came.
    pub device_total_production: Option<u64>,
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
    let PortState { timestamp, reading, energy } = port;
    Port {
        serial_number: serial_number.to_owned(),
        port_number: number,
        timestamp: time(*timestamp, zone),
        pv_voltage: reading.pv_voltage.map(Volts::as_f64),
        pv_current: reading.pv_current.map(Amperes::as_f64),
        pv_power: reading.pv_power.map(Watts::as_f64),
        today_production: energy.today.map(WattHours::get),
        today_since: energy.today_since.map(|at| time(at, zone)),
        total_production: energy.total.map(WattHours::get),
        device_today_production: reading.today.map(WattHours::get),
        device_total_production: reading.total.map(WattHours::get),
    }
}
