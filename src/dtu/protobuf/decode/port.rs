//! The PV side of one port.

use super::super::messages::PvMo;
use crate::dtu::plausible;
use crate::plant::reading::PortReading;
use crate::plant::units::{Amperes, Volts, WattHours, Watts};

/// The number of a port, as on the housing; `None` if it cannot be one.
pub(super) fn number(message: &PvMo) -> Option<u8> {
    u8::try_from(message.port).ok().filter(|&number| plausible::is_port(number))
}

/// One port.
///
/// A code says that the values are fresh. Without it, only a link to the inverter lets values count
/// that are there; what a DTU gives without either, after its own restart, may be hours old.
pub(super) fn port(number: u8, message: &PvMo, is_linked: bool) -> PortReading {
    let is_fresh = message.error_code != 0;
    let has_values = [message.voltage, message.current, message.power].iter().any(|&raw| raw != 0);
    let is_live = is_fresh || (is_linked && has_values);
    let total = energy(message.energy_total);
    PortReading {
        number,
        pv_voltage: plausible::voltage(Volts::from_tenths(message.voltage)).filter(|_| is_live),
        pv_current: plausible::current(Amperes::from_hundredths(message.current))
            .filter(|_| is_live),
        pv_power: plausible::pv_power(Watts::from_tenths(message.power)).filter(|_| is_live),
        // In the morning a fresh counter stands at 0; otherwise a zero is a missing value.
        today: energy(message.energy_daily)
            .or_else(|| (is_fresh && total.is_some()).then_some(WattHours::new(0))),
        total,
    }
}

/// A counter; 0 is what DTUs send that do not know it.
fn energy(raw: i32) -> Option<WattHours> {
    u64::try_from(raw).ok().filter(|&raw| raw > 0).map(WattHours::new)
}

/// Adds what one port says about its inverter. A port that is not in normal operation outweighs
/// those that are, and any of them outweighs one without data.
pub(super) fn merge_status(status: &mut Option<u16>, error_code: i32) {
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
