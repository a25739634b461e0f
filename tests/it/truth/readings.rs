//! Readings of the scenario's DTU, and its state at the start.

use std::time::Duration;

use hoymiles_bridge::config::Protocol;
use hoymiles_bridge::plant::reading::{AcReading, InverterReading, InverterValues, PortReading};
use hoymiles_bridge::plant::serial::InverterSerial;
use hoymiles_bridge::plant::units::{Celsius, Volts, WattHours, Watts};
use hoymiles_bridge::snapshot::state::DtuState;
use jiff::Timestamp;
use jiff::tz::TimeZone;

pub(super) const DTU: &str = "House";
const HOLD: Duration = Duration::from_secs(300);

pub(super) fn zone() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

pub(super) fn dtu(last_success: Option<Timestamp>) -> DtuState {
    DtuState { last_success, ..DtuState::unknown(DTU, Protocol::Modbus, HOLD) }
}

fn serial(number: u8) -> InverterSerial {
    InverterSerial::from_bytes([0x11, 0x41, 0, 0, 0, number])
}

pub(super) fn live(
    number: u8,
    watts: i32,
    (today, total): (Option<WattHours>, Option<WattHours>),
) -> InverterReading {
    InverterReading {
        values: InverterValues {
            link_status: Some(1),
            operating_status: Some(3),
            alarm_code: Some(0),
            alarm_count: Some(0),
            grid_voltage: Some(Volts::from_tenths(2_334)),
            temperature: Some(Celsius::from_tenths(315)),
            ac: AcReading::default(),
            ..InverterValues::default()
        },
        ports: vec![PortReading {
            pv_voltage: Some(Volts::from_tenths(341)),
            pv_power: Some(Watts::from_tenths(watts * 10)),
            today,
            total,
            ..PortReading::unknown(1)
        }],
        ..InverterReading::unknown(serial(number))
    }
}

/// An inverter that the DTU lists without reaching it: with zeros, which the decoder omits.
pub(super) fn unreached(number: u8) -> InverterReading {
    InverterReading {
        values: InverterValues {
            link_status: Some(0),
            operating_status: Some(0),
            ..InverterValues::default()
        },
        ports: vec![PortReading::unknown(1)],
        ..InverterReading::unknown(serial(number))
    }
}
