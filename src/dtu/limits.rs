//! Limits beyond which a value means that the device, its DTU or the link between them is broken:
//! such a value counts as missing. They are wide, so that no real device exceeds them.

use crate::plant::meter::MOST_POWER;
use crate::plant::units::{Amperes, Celsius, Hertz, MeterVolts, PowerFactor, Vars, Volts, Watts};

/// PV side or one phase of the grid.
const MAX_VOLTAGE: Volts = Volts::from_tenths(10_000);
/// One port of a microinverter.
const MAX_CURRENT: Amperes = Amperes::from_hundredths(10_000);
/// All ports of the largest microinverter.
const MAX_POWER: Watts = Watts::from_tenths(50_000);
const MAX_REACTIVE: Vars = Vars::from_tenths(50_000);
const FREQUENCIES: [Hertz; 2] = [Hertz::from_hundredths(4_000), Hertz::from_hundredths(7_000)];
/// A house is connected to the low-voltage grid.
const MAX_METER_VOLTAGE: MeterVolts = MeterVolts::from_hundredths(100_000);
/// One phase; a third of the largest power is 360 A.
const MAX_METER_CURRENT: Amperes = Amperes::from_hundredths(100_000);
const TEMPERATURES: [Celsius; 2] = [Celsius::from_tenths(-600), Celsius::from_tenths(1_500)];
/// A microinverter has at most eight ports (MIT-5000-8T); a future model may have more.
const MAX_PORTS: u8 = 16;

/// Port numbers are counted from 1, as on the housing.
pub(super) const fn is_port(number: u8) -> bool {
    1 <= number && number <= MAX_PORTS
}

/// PV side, or one phase of the grid.
pub(super) fn voltage(value: Volts) -> Option<Volts> {
    (Volts::default() <= value && value <= MAX_VOLTAGE).then_some(value)
}

/// Grid side of a running inverter: 0 V means not measured yet.
pub(super) fn grid_voltage(value: Volts) -> Option<Volts> {
    voltage(value).filter(|value| *value != Volts::default())
}

/// PV side, or one phase of the grid.
pub(super) fn current(value: Amperes) -> Option<Amperes> {
    (Amperes::default() <= value && value <= MAX_CURRENT).then_some(value)
}

/// PV side; never negative.
pub(super) fn pv_power(value: Watts) -> Option<Watts> {
    (Watts::default() <= value && value <= MAX_POWER).then_some(value)
}

/// Grid side; slightly negative at night.
pub(super) fn active_power(value: Watts) -> Option<Watts> {
    (Watts::from_tenths(-MAX_POWER.steps()) <= value && value <= MAX_POWER).then_some(value)
}

/// Grid side, signed.
pub(super) fn reactive_power(value: Vars) -> Option<Vars> {
    (Vars::from_tenths(-MAX_REACTIVE.steps()) <= value && value <= MAX_REACTIVE).then_some(value)
}

/// Signed, at most 1.
pub(super) fn power_factor(value: PowerFactor) -> Option<PowerFactor> {
    (-1000..=1000).contains(&value.steps()).then_some(value)
}

/// A whole house, in either direction.
pub(super) fn meter_power(value: Watts) -> Option<Watts> {
    (Watts::from_tenths(-MOST_POWER.steps()) <= value && value <= MOST_POWER).then_some(value)
}

/// One phase of a house.
pub(super) fn meter_voltage(value: MeterVolts) -> Option<MeterVolts> {
    (MeterVolts::default() <= value && value <= MAX_METER_VOLTAGE).then_some(value)
}

/// One phase of a house; the power has the direction.
pub(super) fn meter_current(value: Amperes) -> Option<Amperes> {
    (Amperes::default() <= value && value <= MAX_METER_CURRENT).then_some(value)
}

/// The grid's.
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
    fn implausible_values_of_inverters_are_missing() {
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
    fn implausible_values_of_meters_are_missing() {
        assert!(meter_power(Watts::from_tenths(-2_500_000)).is_some(), "feeding in is valid");
        assert_eq!(meter_power(Watts::from_tenths(-2_500_001)), None);
        assert_eq!(meter_power(Watts::from_tenths(i32::MAX)), None);
        assert!(meter_voltage(MeterVolts::from_hundredths(23_170)).is_some());
        assert_eq!(meter_voltage(MeterVolts::from_hundredths(-1)), None);
        assert_eq!(meter_voltage(MeterVolts::from_hundredths(100_001)), None);
        assert_eq!(meter_current(Amperes::from_hundredths(-1)), None);
        assert_eq!(meter_current(Amperes::from_hundredths(100_001)), None);
    }
}
