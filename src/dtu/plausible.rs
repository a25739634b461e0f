//! What no microinverter says unless it, its DTU or the way between them is broken: such a value is
//! as good as none. The limits are wide, so that no real device is ever doubted. Pure.

use crate::plant::units::{Amperes, Celsius, Hertz, Vars, Volts, Watts};

/// No PV module string and no mains phase of a microinverter comes near.
const MAX_VOLTAGE: Volts = Volts::from_tenths(10_000);
/// No port of a microinverter carries nearly as much.
const MAX_CURRENT: Amperes = Amperes::from_hundredths(10_000);
/// The largest microinverter delivers this with all its ports together.
const MAX_POWER: Watts = Watts::from_tenths(50_000);
const MAX_REACTIVE: Vars = Vars::from_tenths(50_000);
const FREQUENCIES: [Hertz; 2] = [Hertz::from_hundredths(4_000), Hertz::from_hundredths(7_000)];
const TEMPERATURES: [Celsius; 2] = [Celsius::from_tenths(-600), Celsius::from_tenths(1_500)];

/// PV side, or of one phase of the mains.
pub(super) fn voltage(value: Volts) -> Option<Volts> {
    (Volts::default() <= value && value <= MAX_VOLTAGE).then_some(value)
}

/// Of an inverter that hangs on the mains: 0 V is a value that it does not have yet.
pub(super) fn grid_voltage(value: Volts) -> Option<Volts> {
    voltage(value).filter(|value| *value != Volts::default())
}

/// PV side, or of one phase of the mains.
pub(super) fn current(value: Amperes) -> Option<Amperes> {
    (Amperes::default() <= value && value <= MAX_CURRENT).then_some(value)
}

/// PV side: an inverter does not charge its modules.
pub(super) fn pv_power(value: Watts) -> Option<Watts> {
    (Watts::default() <= value && value <= MAX_POWER).then_some(value)
}

/// Mains side. At night an inverter takes a little.
pub(super) fn active_power(value: Watts) -> Option<Watts> {
    (Watts::from_tenths(-MAX_POWER.steps()) <= value && value <= MAX_POWER).then_some(value)
}

/// Mains side, signed.
pub(super) fn reactive_power(value: Vars) -> Option<Vars> {
    (Vars::from_tenths(-MAX_REACTIVE.steps()) <= value && value <= MAX_REACTIVE).then_some(value)
}

/// Of the mains.
pub(super) fn frequency(value: Hertz) -> Option<Hertz> {
    let [least, most] = FREQUENCIES;
    (least <= value && value <= most).then_some(value)
}

/// Inside a housing on a roof.
pub(super) fn temperature(value: Celsius) -> Option<Celsius> {
    let [least, most] = TEMPERATURES;
    (least <= value && value <= most).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_device_says_is_no_value() {
        assert_eq!(pv_power(Watts::from_tenths(i32::MAX)), None);
        assert_eq!(pv_power(Watts::from_tenths(-1)), None);
        assert!(pv_power(Watts::from_tenths(20_000)).is_some());
        assert!(active_power(Watts::from_tenths(-5)).is_some());
        assert_eq!(active_power(Watts::from_tenths(i32::MIN)), None);
        assert_eq!(reactive_power(Vars::from_tenths(i32::MIN)), None);
        assert_eq!(voltage(Volts::from_tenths(-1)), None);
        assert_eq!(grid_voltage(Volts::default()), None);
        assert_eq!(current(Amperes::from_hundredths(65_535)), None);
        assert_eq!(frequency(Hertz::default()), None);
        assert_eq!(temperature(Celsius::from_tenths(6_500)), None);
    }
}
