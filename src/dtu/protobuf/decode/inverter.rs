//! The mains side of an inverter.

use super::super::app_info::inverter_serial;
use super::super::messages::{SgsMo, TgsMo};
use super::signal;
use crate::dtu::plausible;
use crate::plant::reading::{AcReading, InverterReading};
use crate::plant::units::{Amperes, Celsius, Hertz, Percent, PowerFactor, Vars, Volts, Watts};

/// A single-phase inverter; `None` without a serial number.
pub(super) fn single_phase(message: &SgsMo) -> Option<InverterReading> {
    let common = Common {
        serial: message.serial,
        link_status: message.link_status,
        warning_number: message.warning_number,
        voltage: message.voltage,
        has_voltage: message.voltage != 0,
        frequency: message.frequency,
        temperature: message.temperature,
        active_power: message.active_power,
        reactive_power: message.reactive_power,
        power_factor: message.power_factor,
        signal: message.signal,
    };
    let mut inverter = common.inverter()?;
    inverter.values.grid_voltage = inverter.values.grid_voltage.and_then(plausible::grid_voltage);
    if common.is_on_the_mains() {
        inverter.values.ac.current = plausible::current(Amperes::from_hundredths(message.current));
        inverter.values.ac.power_limit = power_limit(message.power_limit);
    }
    Some(inverter)
}

/// A three-phase inverter; `None` without a serial number.
pub(super) fn three_phase(message: &TgsMo) -> Option<InverterReading> {
    let voltages = [message.voltage_a, message.voltage_b, message.voltage_c];
    let common = Common {
        serial: message.serial,
        link_status: message.link_status,
        warning_number: message.warning_number,
        voltage: message.voltage_a,
        has_voltage: voltages.iter().any(|&raw| raw != 0),
        frequency: message.frequency,
        temperature: message.temperature,
        active_power: message.active_power,
        reactive_power: message.reactive_power,
        power_factor: message.power_factor,
        signal: message.signal,
    };
    let mut inverter = common.inverter()?;
    if common.is_on_the_mains() {
        let currents = [message.current_a, message.current_b, message.current_c];
        inverter.values.ac.phase_voltages =
            all(voltages.map(|raw| plausible::voltage(Volts::from_tenths(raw))));
        inverter.values.ac.phase_currents =
            all(currents.map(|raw| plausible::current(Amperes::from_hundredths(raw))));
    }
    Some(inverter)
}

/// What both kinds have, in raw steps.
struct Common {
    serial: i64,
    link_status: i32,
    warning_number: i32,
    voltage: i32,
    /// On any phase.
    has_voltage: bool,
    frequency: i32,
    temperature: i32,
    active_power: i32,
    reactive_power: i32,
    power_factor: i32,
    signal: i32,
}

impl Common {
    fn inverter(&self) -> Option<InverterReading> {
        let mut inverter = InverterReading::unknown(inverter_serial(self.serial)?);
        inverter.values.link_status = u16::try_from(self.link_status).ok();
        if !is_linked(self.link_status) {
            return Some(inverter);
        }
        inverter.values.alarm_count = u32::try_from(self.warning_number).ok();
        inverter.values.ac.signal = signal::percent(self.signal);
        if !self.is_on_the_mains() {
            return Some(inverter);
        }
        inverter.values.grid_voltage = plausible::voltage(Volts::from_tenths(self.voltage));
        inverter.values.grid_frequency =
            plausible::frequency(Hertz::from_hundredths(self.frequency));
        inverter.values.temperature =
            plausible::temperature(Celsius::from_tenths(self.temperature));
        inverter.values.ac = AcReading {
            active_power: plausible::active_power(Watts::from_tenths(self.active_power)),
            reactive_power: plausible::reactive_power(Vars::from_tenths(self.reactive_power)),
            power_factor: plausible::power_factor(power_factor(self.power_factor)),
            ..inverter.values.ac
        };
        Some(inverter)
    }

    /// Whether the DTU has heard of its mains side: right after their start it knows some inverters
    /// to be linked, and nothing else, and gives zeros for it all. No mains has neither voltage nor
    /// frequency; one phase of three may be dead.
    const fn is_on_the_mains(&self) -> bool {
        is_linked(self.link_status) && (self.has_voltage || self.frequency != 0)
    }
}

/// The values of all phases; none if one of them cannot be, for their place tells whose they are.
fn all<T>(phases: [Option<T>; 3]) -> Vec<T> {
    phases.into_iter().collect::<Option<_>>().unwrap_or_default()
}

/// Without a link the DTU gives zeros, or residues of earlier values.
const fn is_linked(link_status: i32) -> bool {
    link_status != 0
}

/// Some devices count whole units: 1 at full power means 1.0, since 0.001 is no power factor that
/// an inverter has.
const fn power_factor(raw: i32) -> PowerFactor {
    PowerFactor::from_thousandths(if matches!(raw, 1 | -1) { raw * 1000 } else { raw })
}

/// 0 is what DTUs send that know of no limit, not a limit.
fn power_limit(raw: i32) -> Option<Percent> {
    (1..=1000).contains(&raw).then(|| Percent::from_tenths(raw))
}
