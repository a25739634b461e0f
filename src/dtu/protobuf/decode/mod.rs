//! From the DTU's messages to a reading. Pure: no socket, no clock, no log.
//!
//! In proto3 a zero is not sent, so a zero alone means nothing: it is a value if the inverter is known
//! to be live, and a missing value otherwise.

#[cfg(test)]
mod dumps;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::app_info::{AppInfo, dtu_serial, inverter_serial, serial_number};
use super::messages::{MeterMo, PvMo, RealDataNewReq, SgsMo, TgsMo};
use crate::dtu::limits;
use crate::plant::meter::{MeterPhase, MeterReading};
use crate::plant::reading::{AcReading, DtuReading, InverterReading, PortReading, Unread};
use crate::plant::serial::{InverterSerial, MeterSerial};
use crate::plant::units::{
    Amperes, Celsius, Hertz, MeterVolts, Percent, PowerFactor, Vars, Volts, WattHours, Watts,
};

/// The reading of all packets together. Of duplicates, the first one counts.
pub fn reading(data: &RealDataNewReq, info: &AppInfo) -> DtuReading {
    let mut inverters = Inverters::default();
    for message in &data.single_phase {
        inverters.add(single_phase(message));
    }
    for message in &data.three_phase {
        inverters.add(three_phase(message));
    }
    for message in &data.ports {
        let Some(serial) = inverter_serial(message.serial) else { continue };
        let Some(number) = port_number(message) else { continue };
        let inverter = inverters.get(serial);
        let port = port(number, message, Link::of(inverter));
        inverter.ports.push(port);
        merge_status(&mut inverter.values.operating_status, message.error_code);
    }
    DtuReading {
        dtu_serial: dtu_serial(&data.dtu_serial).or(info.serial),
        inverters: inverters.finish(info),
        has_excluded: false,
        own: info.inverter_firmware.keys().copied().collect(),
        meters: meters(&data.meters),
        dtu_firmware: info.firmware.clone(),
        dtu_time: Some(i64::from(data.timestamp)),
        stale: false,
        unread: Unread::default(),
    }
}

/// Inverters in the DTU's order, found by serial number.
#[derive(Default)]
struct Inverters {
    order: Vec<InverterSerial>,
    by_serial: HashMap<InverterSerial, InverterReading>,
}

impl Inverters {
    fn add(&mut self, inverter: Option<InverterReading>) {
        if let Some(inverter) = inverter {
            self.entry(inverter.serial, || inverter);
        }
    }

    /// An inverter of which only ports are listed comes last.
    fn get(&mut self, serial: InverterSerial) -> &mut InverterReading {
        self.entry(serial, || InverterReading::unknown(serial))
    }

    fn entry(
        &mut self,
        serial: InverterSerial,
        inverter: impl FnOnce() -> InverterReading,
    ) -> &mut InverterReading {
        self.by_serial.entry(serial).or_insert_with(|| {
            self.order.push(serial);
            inverter()
        })
    }

    fn finish(mut self, info: &AppInfo) -> Vec<InverterReading> {
        let mut inverters: Vec<_> =
            self.order.iter().filter_map(|serial| self.by_serial.remove(serial)).collect();
        for inverter in &mut inverters {
            inverter.values.ac.firmware_version =
                info.inverter_firmware.get(&inverter.serial).cloned();
            inverter.ports.sort_by_key(|port| port.number);
            inverter.ports.dedup_by_key(|port: &mut PortReading| port.number);
        }
        inverters
    }
}

/// A single-phase inverter; `None` without a serial number.
fn single_phase(message: &SgsMo) -> Option<InverterReading> {
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
    inverter.values.grid_voltage = inverter.values.grid_voltage.and_then(limits::grid_voltage);
    if common.has_grid() {
        inverter.values.ac.current = limits::current(Amperes::from_hundredths(message.current));
        inverter.values.ac.power_limit = power_limit(message.power_limit);
    }
    Some(inverter)
}

/// A three-phase inverter; `None` without a serial number.
fn three_phase(message: &TgsMo) -> Option<InverterReading> {
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
    if common.has_grid() {
        let currents = [message.current_a, message.current_b, message.current_c];
        inverter.values.ac.phase_voltages =
            all(voltages.map(|raw| limits::voltage(Volts::from_tenths(raw))));
        inverter.values.ac.phase_currents =
            all(currents.map(|raw| limits::current(Amperes::from_hundredths(raw))));
    }
    Some(inverter)
}

/// Values of both kinds, in raw steps.
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
        inverter.values.ac.signal = signal_percent(self.signal);
        if !self.has_grid() {
            return Some(inverter);
        }
        inverter.values.grid_voltage = limits::voltage(Volts::from_tenths(self.voltage));
        inverter.values.grid_frequency = limits::frequency(Hertz::from_hundredths(self.frequency));
        inverter.values.temperature = limits::temperature(Celsius::from_tenths(self.temperature));
        inverter.values.ac = AcReading {
            active_power: limits::active_power(Watts::from_tenths(self.active_power)),
            reactive_power: limits::reactive_power(Vars::from_tenths(self.reactive_power)),
            power_factor: limits::power_factor(power_factor(self.power_factor)),
            ..inverter.values.ac
        };
        Some(inverter)
    }

    /// Whether the grid side has been measured: right after a start the DTU knows some inverters to be
    /// linked, but sends zeros for all else. A grid has voltage or frequency; one phase may be dead.
    const fn has_grid(&self) -> bool {
        is_linked(self.link_status) && (self.has_voltage || self.frequency != 0)
    }
}

/// The values of all phases, or none if one is implausible, since their order identifies them.
fn all<T>(phases: [Option<T>; 3]) -> Vec<T> {
    phases.into_iter().collect::<Option<_>>().unwrap_or_default()
}

/// Without a link the DTU sends zeros or old values.
const fn is_linked(link_status: i32) -> bool {
    link_status != 0
}

/// Some devices count whole units: 1 means 1.0, since no inverter has a power factor of 0.001.
const fn power_factor(raw: i32) -> PowerFactor {
    PowerFactor::from_thousandths(if matches!(raw, 1 | -1) { raw * 1000 } else { raw })
}

/// DTUs send 0 if they know no limit.
fn power_limit(raw: i32) -> Option<Percent> {
    (1..=1000).contains(&raw).then(|| Percent::from_tenths(raw))
}

/// The radio signal between DTU and inverter in percent; `None` if unknown. Deduced, not documented:
/// some devices send the number of radio requests in the upper half and of replies in the lower half,
/// others 1 to 100.
fn signal_percent(raw: i32) -> Option<u8> {
    let raw = u32::try_from(raw).ok()?;
    let (sent, received) = (raw >> 16, raw & 0xFFFF);
    match sent {
        0 => u8::try_from(received).ok().filter(|percent| (1..=100).contains(percent)),
        _ if received > sent => None,
        _ => u8::try_from((received * 100 + sent / 2) / sent).ok(),
    }
}

/// The number of a port, as on the housing; `None` if it is impossible.
fn port_number(message: &PvMo) -> Option<u8> {
    u8::try_from(message.port).ok().filter(|&number| limits::is_port(number))
}

/// What an inverter's message says about those of its ports.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    /// It is out of reach, or not in the list.
    Without,
    /// It is reached, but its mains have neither voltage nor frequency.
    WithoutGrid,
    /// It is reached, and has values of its mains.
    WithGrid,
}

impl Link {
    fn of(inverter: &InverterReading) -> Self {
        let values = &inverter.values;
        let has_grid = values.grid_voltage.is_some()
            || values.grid_frequency.is_some()
            || !values.ac.phase_voltages.is_empty();
        match values.link_status {
            None | Some(0) => Self::Without,
            Some(_) if has_grid => Self::WithGrid,
            Some(_) => Self::WithoutGrid,
        }
    }
}

/// One port.
///
/// A code means that the values are fresh. Without it, values count only if the inverter is linked;
/// what a DTU sends without either, after its own restart, may be hours old. Zeros of an inverter
/// whose mains are all zero, too, are no values at all.
fn port(number: u8, message: &PvMo, link: Link) -> PortReading {
    let has_values = [message.voltage, message.current, message.power].iter().any(|&raw| raw != 0);
    let is_fresh = message.error_code != 0 && (has_values || link != Link::WithoutGrid);
    let is_live = is_fresh || (link != Link::Without && has_values);
    let total = energy(message.energy_total);
    PortReading {
        number,
        pv_voltage: limits::voltage(Volts::from_tenths(message.voltage)).filter(|_| is_live),
        pv_current: limits::current(Amperes::from_hundredths(message.current)).filter(|_| is_live),
        pv_power: limits::pv_power(Watts::from_tenths(message.power)).filter(|_| is_live),
        // In the morning a fresh counter is 0; otherwise a zero is a missing value.
        today: energy(message.energy_daily)
            .or_else(|| (is_fresh && total.is_some()).then_some(WattHours::new(0))),
        // A new panel has counted nothing yet.
        total: total.or_else(|| is_fresh.then_some(WattHours::new(0))),
    }
}

/// A counter; DTUs mostly send 0 if they do not know it.
fn energy(raw: i32) -> Option<WattHours> {
    u64::try_from(raw).ok().filter(|&raw| raw > 0).map(WattHours::new)
}

/// Merges a port's code into its inverter's status: abnormal operation outweighs normal operation,
/// which outweighs missing data.
fn merge_status(status: &mut Option<u16>, error_code: i32) {
    const NO_DATA: u16 = 0;
    const NORMAL: u16 = 3;
    let [top, ..] = error_code.to_be_bytes();
    let rank = |status: u16| match status {
        NO_DATA => 0,
        NORMAL => 1,
        _ => 2,
    };
    let new = u16::from(top);
    if status.is_none_or(|old| rank(new) > rank(old)) {
        *status = Some(new);
    }
}

/// Each meter once, in the DTU's order.
fn meters(messages: &[MeterMo]) -> Vec<MeterReading> {
    let mut meters: Vec<MeterReading> = Vec::new();
    for meter in messages.iter().filter_map(meter) {
        if meters.iter().all(|known| known.serial != meter.serial) {
            meters.push(meter);
        }
    }
    meters
}

/// One meter; `None` without a serial number. Only zeros mean that nothing was measured.
fn meter(message: &MeterMo) -> Option<MeterReading> {
    let phases = phases(message);
    let whole = [message.power, message.exported, message.imported];
    let is_live = !phases.is_empty() || whole.iter().any(|&raw| raw != 0);
    Some(MeterReading {
        serial: MeterSerial::from_u64(serial_number(message.serial)?),
        kind: u16::try_from(message.device_type).ok().filter(|&kind| kind != 0),
        power: meter_power(message.power).filter(|_| is_live),
        power_factor: meter_power_factor(message.power_factor).filter(|_| is_live),
        exported: is_live.then(|| tens_of_watt_hours(message.exported)),
        imported: is_live.then(|| tens_of_watt_hours(message.imported)),
        phases,
    })
}

/// Up to the last phase with any value: neither serial number nor kind says how many phases a meter
/// has.
fn phases(message: &MeterMo) -> Vec<MeterPhase> {
    let MeterMo { power_a, exported_a, imported_a, voltage_a, current_a, power_factor_a, .. } =
        *message;
    let MeterMo { power_b, exported_b, imported_b, voltage_b, current_b, power_factor_b, .. } =
        *message;
    let MeterMo { power_c, exported_c, imported_c, voltage_c, current_c, power_factor_c, .. } =
        *message;
    let raw = [
        [power_a, exported_a, imported_a, voltage_a, current_a, power_factor_a],
        [power_b, exported_b, imported_b, voltage_b, current_b, power_factor_b],
        [power_c, exported_c, imported_c, voltage_c, current_c, power_factor_c],
    ];
    let count = raw.iter().rposition(|phase| phase.iter().any(|&raw| raw != 0));
    raw.iter().take(count.map_or(0, |last| last + 1)).map(phase).collect()
}

fn phase(&[watts, exported, imported, voltage, current, factor]: &[i32; 6]) -> MeterPhase {
    MeterPhase {
        power: meter_power(watts),
        voltage: limits::meter_voltage(MeterVolts::from_hundredths(voltage)),
        current: limits::meter_current(Amperes::from_hundredths(current)),
        power_factor: meter_power_factor(factor),
        exported: tens_of_watt_hours(exported),
        imported: tens_of_watt_hours(imported),
    }
}

/// Counted in tens of watts.
fn meter_power(raw: i32) -> Option<Watts> {
    limits::meter_power(Watts::from_tenths(raw.saturating_mul(100)))
}

fn meter_power_factor(raw: i32) -> Option<PowerFactor> {
    limits::power_factor(PowerFactor::from_thousandths(raw))
}

/// Counted in tens of watt hours; a negative counter counts as 0.
fn tens_of_watt_hours(raw: i32) -> WattHours {
    WattHours::new(u64::try_from(raw).unwrap_or_default() * 10)
}
