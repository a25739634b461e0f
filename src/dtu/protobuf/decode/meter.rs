//! Energy meters.

use super::super::app_info::serial_number;
use super::super::messages::MeterMo;
use crate::dtu::plausible;
use crate::plant::meter::{MeterPhase, MeterReading};
use crate::plant::serial::MeterSerial;
use crate::plant::units::{Amperes, MeterVolts, PowerFactor, WattHours, Watts};

/// Each meter once, in the DTU's order.
pub(super) fn meters(messages: &[MeterMo]) -> Vec<MeterReading> {
    let mut meters: Vec<MeterReading> = Vec::new();
    for meter in messages.iter().filter_map(meter) {
        if meters.iter().all(|known| known.serial != meter.serial) {
            meters.push(meter);
        }
    }
    meters
}

/// One meter; `None` without a serial number. One that gives nothing but zeros gives nothing.
fn meter(message: &MeterMo) -> Option<MeterReading> {
    let phases = phases(message);
    let whole = [message.power, message.exported, message.imported];
    let is_live = !phases.is_empty() || whole.iter().any(|&raw| raw != 0);
    Some(MeterReading {
        serial: MeterSerial::from_u64(serial_number(message.serial)?),
        kind: u16::try_from(message.device_type).ok().filter(|&kind| kind != 0),
        power: power(message.power).filter(|_| is_live),
        power_factor: power_factor(message.power_factor).filter(|_| is_live),
        exported: is_live.then(|| tens_of_watt_hours(message.exported)),
        imported: is_live.then(|| tens_of_watt_hours(message.imported)),
        phases,
    })
}

/// Up to the last phase with any value: neither the serial number nor the kind tells how many
/// phases a meter has.
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
        power: power(watts),
        voltage: plausible::meter_voltage(MeterVolts::from_hundredths(voltage)),
        current: plausible::meter_current(Amperes::from_hundredths(current)),
        power_factor: power_factor(factor),
        exported: tens_of_watt_hours(exported),
        imported: tens_of_watt_hours(imported),
    }
}

/// Counted in tens of watts.
fn power(raw: i32) -> Option<Watts> {
    plausible::meter_power(Watts::from_tenths(raw.saturating_mul(100)))
}

fn power_factor(raw: i32) -> Option<PowerFactor> {
    plausible::power_factor(PowerFactor::from_thousandths(raw))
}

/// Counted in tens of watt hours. No counter is below zero: such a one is as good as none.
fn tens_of_watt_hours(raw: i32) -> WattHours {
    WattHours::new(u64::try_from(raw).unwrap_or_default() * 10)
}
