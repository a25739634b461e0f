//! What no microinverter and no energy meter says unless it, its DTU or the way between them is broken: such a value is
//! as good as none. The limits are wide, so that no real device is ever doubted. Pure.

use crate::plant::meter::MOST_POWER;
use crate::plant::units::{Amperes, Celsius, Hertz, MeterVolts, PowerFactor, Vars, Volts, Watts};

/// No PV module string and no mains phase of a microinverter comes near.
const MAX_VOLTAGE: Volts = Volts::from_tenths(10_000);
/// No port of a microinverter carries nearly as much.
const MAX_CURRENT: Amperes = Amperes::from_hundredths(10_000);
/// The largest microinverter delivers this with all its ports together.
const MAX_POWER: Watts = Watts::from_tenths(50_000);
const MAX_REACTIVE: Vars = Vars::from_tenths(50_000);
const FREQUENCIES: [Hertz; 2] = [Hertz::from_hundredths(4_000), Hertz::from_hundredths(7_000)];
/// No house hangs on more than the low-voltage mains.
const MAX_METER_VOLTAGE: MeterVolts = MeterVolts::from_hundredths(100_000);
/// On one phase; a third of the most power is 360 A.
const MAX_METER_CURRENT: Amperes = Amperes::from_hundredths(100_000);
const TEMPERATURES: [Celsius; 2] = [Celsius::from_tenths(-600), Celsius::from_tenths(1_500)];

/// A microinverter has eight ports at most (MIT-5000-8T); there is room for a model that nobody has
/// listed yet.
const MOST_PORTS: u8 = 16;

/// As on the housing, counted from 1.
pub(super) const fn is_port(number: u8) -> bool {
    1 <= number && number <= MOST_PORTS
}

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

/// Signed; more than 1 there is not.
pub(super) fn power_factor(value: PowerFactor) -> Option<PowerFactor> {
    (-1000..=1000).contains(&value.steps()).then_some(value)
}

/// Of a house, in either direction.
pub(super) fn meter_power(value: Watts) -> Option<Watts> {
    (Watts::from_tenths(-MOST_POWER.steps()) <= value && value <= MOST_POWER).then_some(value)
}

/// Of one phase of a house.
pub(super) fn meter_voltage(value: MeterVolts) -> Option<MeterVolts> {
    (MeterVolts::default() <= value && value <= MAX_METER_VOLTAGE).then_some(value)
}

/// Of one phase of a house; the power carries the direction.
pub(super) fn meter_current(value: Amperes) -> Option<Amperes> {
    (Amperes::default() <= value && value <= MAX_METER_CURRENT).then_some(value)
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
        let ports: Vec<_> = (0..=u8::MAX).filter(|&number| is_port(number)).collect();
        assert_eq!((ports.first(), ports.last(), ports.len()), (Some(&1), Some(&16), 16));
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
        assert_eq!(power_factor(PowerFactor::from_thousandths(-1001)), None);
        assert!(power_factor(PowerFactor::from_thousandths(-1000)).is_some());
    }

    #[test]
    fn what_no_house_draws_or_feeds_in_is_no_value() {
        assert!(meter_power(Watts::from_tenths(-2_500_000)).is_some(), "feeding in is no fault");
        assert_eq!(meter_power(Watts::from_tenths(-2_500_001)), None);
        assert_eq!(meter_power(Watts::from_tenths(i32::MAX)), None);
        assert!(meter_voltage(MeterVolts::from_hundredths(23_170)).is_some());
        assert_eq!(meter_voltage(MeterVolts::from_hundredths(-1)), None);
        assert_eq!(meter_voltage(MeterVolts::from_hundredths(100_001)), None);
        assert_eq!(meter_current(Amperes::from_hundredths(-1)), None);
        assert_eq!(meter_current(Amperes::from_hundredths(100_001)), None);
    }
}
