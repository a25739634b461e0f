//! The steps in which an inverter counts its PV current, which the record does not say: old MI
//! inverters count tenths of an ampere, all others hundredths. Pure.

use std::collections::HashMap;

use super::decode::{MAX_RECORDS, PortRecord};
use crate::plant::serial::InverterSerial;
use crate::plant::units::Amperes;

/// Above this PV power, in 0.1 W, voltage times current determines the steps; below it, the current's
/// steps are too coarse.
const SUFFICIENT_POWER: u16 = 300;

/// The steps in which an inverter counts its PV current.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CurrentScale {
    /// 0.1 A: MI inverters of the second generation.
    Tenths,
    /// 0.01 A: HM, HMS, HMT, MIT.
    Hundredths,
}

impl CurrentScale {
    /// By family: serial numbers 10.. are MI, and count tenths. The third MI generation (10x2) and a
    /// new HMS (1014) are built like an HM.
    fn of_family(serial: InverterSerial) -> Self {
        match serial.prefix().to_be_bytes() {
            [0x10, low] if !matches!(low & 0xf, 2 | 4) => Self::Tenths,
            _ => Self::Hundredths,
        }
    }

    /// By comparing voltage times current with power, if the power is high enough.
    fn measured(record: &PortRecord) -> Option<Self> {
        let product = i64::from(record.pv_voltage) * i64::from(record.pv_current);
        if record.pv_power <= SUFFICIENT_POWER || product == 0 {
            return None;
        }
        // All three in milliwatts.
        let power = i64::from(record.pv_power) * 100;
        let error_of_tenths = (product * 10 - power).abs();
        let error_of_hundredths = (product - power).abs();
        Some(if error_of_tenths < error_of_hundredths { Self::Tenths } else { Self::Hundredths })
    }

    /// The current of a record in these steps.
    pub fn current(self, raw: u16) -> Amperes {
        let raw = i32::from(raw);
        Amperes::from_hundredths(match self {
            Self::Tenths => raw * 10,
            Self::Hundredths => raw,
        })
    }
}

/// The steps of each inverter. Only those that differ from their family are stored.
#[derive(Clone, Debug, Default)]
pub struct Scales(HashMap<InverterSerial, CurrentScale>);

impl Scales {
    /// Learns from a record.
    pub fn learn(&mut self, record: &PortRecord) {
        let Some(measured) = CurrentScale::measured(record) else { return };
        if measured == CurrentScale::of_family(record.serial) {
            self.0.remove(&record.serial);
        } else if self.0.len() < usize::from(MAX_RECORDS) {
            self.0.insert(record.serial, measured);
        }
    }

    /// The steps of an inverter.
    pub fn of(&self, serial: InverterSerial) -> CurrentScale {
        self.0.get(&serial).copied().unwrap_or_else(|| CurrentScale::of_family(serial))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtu::modbus::fake::record;

    #[track_caller]
    fn check(prefix: u16, measured: (u16, u16, u16), expected: CurrentScale) {
        let [high, low] = prefix.to_be_bytes();
        let serial = InverterSerial::from_bytes([high, low, 0xa0, 0, 0, 1]);
        let (pv_voltage, pv_current, pv_power) = measured;
        let mut scales = Scales::default();
        scales.learn(&PortRecord { serial, pv_voltage, pv_current, pv_power, ..record(1, 1) });
        assert_eq!(scales.of(serial), expected, "{prefix:x} {measured:?}");
    }

    #[test]
    fn family_decides_at_low_power() {
        use CurrentScale::{Hundredths, Tenths};
        // Three MI readings from the field.
        check(0x1033, (350, 2, 102), Tenths);
        check(0x1041, (364, 3, 141), Tenths);
        check(0x1061, (299, 5, 166), Tenths);
        // HM, HMS, HMT, MIT, and 10xx that is built like them.
        for prefix in [0x1121, 0x1161, 0x1164, 0x1382, 0x1412, 0x1520, 0x2821, 0x1022, 0x1014] {
            check(prefix, (350, 20, 102), Hundredths);
        }
    }

    #[test]
    fn power_decides_where_it_can() {
        use CurrentScale::{Hundredths, Tenths};
        // An HM reading from the field.
        check(0x1141, (393, 113, 448), Hundredths);
        check(0x1022, (300, 50, 1520), Tenths);
        check(0x1040, (300, 506, 1520), Hundredths);
        check(0x1141, (300, 50, 1520), Tenths);
        check(0x1041, (350, 11, 400), Tenths);
        // Nothing to multiply: the family.
        check(0x1041, (350, 0, 400), Tenths);
        check(0x1141, (0, 50, 400), Hundredths);
    }

    #[test]
    fn measured_steps_stay_at_low_power() {
        let bright = PortRecord { pv_voltage: 300, pv_current: 50, pv_power: 1520, ..record(1, 1) };
        let dim = PortRecord { pv_voltage: 300, pv_current: 3, pv_power: 100, ..record(1, 2) };
        let mut scales = Scales::default();
        scales.learn(&bright);
        scales.learn(&dim);
        assert_eq!(scales.of(dim.serial).current(3), Amperes::from_hundredths(30));
        scales.learn(&PortRecord { pv_current: 506, ..bright });
        assert_eq!(scales.of(dim.serial).current(3), Amperes::from_hundredths(3));
    }
}
