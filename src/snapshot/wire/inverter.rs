//! One inverter as JSON.

use jiff::tz::TimeZone;
use serde::Serialize;

use super::port::{Port, ports};
use super::time;
use crate::plant::units::{
    Amperes, Celsius, Hertz, Percent, PowerFactor, Vars, Volts, WattHours, Watts,
};
use crate::plant::{codes, model};
use crate::snapshot::state::InverterState;

/// One inverter object.
#[derive(Clone, Debug, Serialize)]
pub struct Inverter {
    /// Twelve hexadecimal digits, lower case.
    pub serial_number: String,
    /// Never null.
    pub dtu_name: String,
    /// Model, from the serial number.
    pub inverter_type: Option<String>,
    /// The same, null where nobody knows the first four digits of the serial number.
    pub model: Option<String>,
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
    pub operating_status_text: Option<String>,
    /// Code.
    pub alarm_code: Option<u32>,
    /// The code in words.
    pub alarm_text: Option<String>,
    /// Count.
    pub alarm_count: Option<u32>,
    /// Code.
    pub link_status: Option<u16>,
    /// The code in words.
    pub link_status_text: Option<String>,
    /// W, mains side; null where the protocol does not give it, as with Modbus.
    pub active_power: Option<f64>,
    /// var, mains side, signed.
    pub reactive_power: Option<f64>,
    /// Mains side, -1 to 1.
    pub power_factor: Option<f64>,
    /// A, mains side, of a single-phase inverter.
    pub current: Option<f64>,
    /// V, phases A, B and C to neutral, of a three-phase inverter.
    pub phase_voltages: Vec<f64>,
    /// A, phases A, B and C, of a three-phase inverter.
    pub phase_currents: Vec<f64>,
    /// Percent of the rated power to which the inverter is limited.
    pub power_limit: Option<f64>,
    /// As `V01.00.12`.
    pub firmware_version: Option<String>,
    /// Percent of the DTU's radio requests that the inverter answers.
    pub signal: Option<u8>,
    /// W, sum of the ports.
    pub pv_power: Option<f64>,
    /// Wh since local midnight, sum of the ports.
    pub today_production: Option<u64>,
    /// RFC 3339, the local midnight since which `today_production` counts.
    pub today_since: Option<String>,
    /// Wh, sum of the ports.
    pub total_production: Option<u64>,
    /// By number.
    pub ports: Vec<Port>,
}

impl Inverter {
    /// The object of one inverter.
    pub fn of(state: &InverterState, zone: &TimeZone) -> Self {
        let (values, energy) = (&state.values, state.energy());
        Self {
            serial_number: state.serial.to_string(),
            dtu_name: state.dtu_name.to_string(),
            inverter_type: model::name(state.serial, state.ports.len()),
            model: model::family(state.serial).map(str::to_owned),
            first_seen: time(state.first_seen, zone),
            last_seen: time(state.last_seen, zone),
            timestamp: time(state.timestamp, zone),
            grid_voltage: values.grid_voltage.map(Volts::as_f64),
            grid_frequency: values.grid_frequency.map(Hertz::as_f64),
            temperature: values.temperature.map(Celsius::as_f64),
            operating_status: values.operating_status,
            operating_status_text: values.operating_status.map(codes::operating_status),
            alarm_code: values.alarm_code,
            alarm_text: values.alarm_code.map(codes::alarm),
            alarm_count: values.alarm_count,
            link_status: values.link_status,
            link_status_text: values.link_status.map(codes::link_status),
            active_power: values.ac.active_power.map(Watts::as_f64),
            reactive_power: values.ac.reactive_power.map(Vars::as_f64),
            power_factor: values.ac.power_factor.map(PowerFactor::as_f64),
            current: values.ac.current.map(Amperes::as_f64),
            phase_voltages: values.ac.phase_voltages.iter().map(|value| value.as_f64()).collect(),
            phase_currents: values.ac.phase_currents.iter().map(|value| value.as_f64()).collect(),
            power_limit: values.ac.power_limit.map(Percent::as_f64),
            firmware_version: values.ac.firmware_version.clone(),
            signal: values.ac.signal,
            pv_power: state.pv_power().map(Watts::as_f64),
            today_production: energy.today.map(WattHours::get),
            today_since: energy.today_since.map(|at| time(at, zone)),
            total_production: energy.total.map(WattHours::get),
            ports: ports(state, zone),
        }
    }
}
