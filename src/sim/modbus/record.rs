//! The record of one port: 40 bytes, in the order of the technical note.

use bytes::BufMut;

use crate::plant::units::{Amperes, WattHours};
use crate::sim::moment::{InverterMoment, PortMoment};

/// The length of a record.
pub(super) const LENGTH: usize = 40;

/// The data type of a real DTU's records.
pub(super) const DATA_TYPE: u8 = 0x0c;

/// The data type of `OpenDTU`'s.
pub(super) const OPEN_DTU_DATA_TYPE: u8 = 0x3c;

/// What `OpenDTU` says of an inverter that it does not reach.
const OPEN_DTU_UNREACHABLE: u16 = 130;

/// Stands behind the link status of every record, and in the one that ends the list.
const CONSTANT: u8 = 0x07;

const PRODUCING: u16 = 3;

/// One port's record.
pub(super) fn of_port(data_type: u8, inverter: &InverterMoment, port: &PortMoment) -> Vec<u8> {
    let status = if inverter.awake { PRODUCING } else { 0 };
    let unreachable = !inverter.awake && data_type == OPEN_DTU_DATA_TYPE;
    let alarm_code = if unreachable { OPEN_DTU_UNREACHABLE } else { inverter.alarm_code };
    let mut record = Vec::with_capacity(LENGTH);
    record.put_u8(data_type);
    record.put_slice(&inverter.serial.bytes());
    record.put_u8(port.number);
    record.put_u16(unsigned(port.pv_voltage.steps()));
    record.put_u16(current(inverter, port.pv_current));
    record.put_u16(unsigned(inverter.grid_voltage.steps()));
    record.put_u16(unsigned(inverter.grid_frequency.steps()));
    record.put_u16(unsigned(port.pv_power.steps()));
    record.put_u16(today(port.today));
    record.put_u32(u32::try_from(port.total.get()).unwrap_or(u32::MAX));
    record.put_i16(i16::try_from(inverter.temperature.steps()).unwrap_or_default());
    record.put_u16(status);
    record.put_u16(alarm_code);
    record.put_u16(inverter.alarm_count);
    record.put_u8(inverter.awake.into());
    record.put_u8(CONSTANT);
    record.resize(LENGTH, 0);
    record
}

/// The record that ends the list.
pub(super) fn of_nothing(data_type: u8) -> Vec<u8> {
    let mut record = vec![data_type];
    record.resize(33, 0);
    record.push(CONSTANT);
    record.resize(LENGTH, 0);
    record
}

/// Inverters of the MI series, whose serial numbers begin with 10, count tenths and cut the rest.
fn current(inverter: &InverterMoment, current: Amperes) -> u16 {
    let is_mi = inverter.serial.prefix() >> 8 == 0x10;
    unsigned(if is_mi { current.steps() / 10 } else { current.steps() })
}

fn today(energy: WattHours) -> u16 {
    u16::try_from(energy.get()).unwrap_or(u16::MAX)
}

fn unsigned(steps: i32) -> u16 {
    u16::try_from(steps.max(0)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plant::units::{Celsius, Hertz, Volts, Watts};

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
        digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap()).collect()
    }

    fn inverter(serial: &str, grid: (i32, i32), temperature: i32, alarms: u16) -> InverterMoment {
        InverterMoment {
            serial: serial.parse().unwrap(),
            awake: true,
            alarm_code: 0,
            alarm_count: alarms,
            grid_voltage: Volts::from_tenths(grid.0),
            grid_frequency: Hertz::from_hundredths(grid.1),
            temperature: Celsius::from_tenths(temperature),
            ports: Vec::new(),
        }
    }

    fn port(number: u8, measured: (i32, i32, i32), today: u64, total: u64) -> PortMoment {
        PortMoment {
            number,
            pv_voltage: Volts::from_tenths(measured.0),
            pv_current: Amperes::from_hundredths(measured.1),
            pv_power: Watts::from_tenths(measured.2),
            today: WattHours::new(today),
            total: WattHours::new(total),
        }
    }

    #[track_caller]
    fn check(inverter: &InverterMoment, port: &PortMoment, bytes: &str) {
        assert_eq!(of_port(DATA_TYPE, inverter, port), hex(bytes));
    }

    /// The bytes are those which a public client is tested with, taken from a real DTU.
    #[test]
    fn a_record_equals_one_seen_on_a_real_dtu() {
        let hm = inverter("113332416355", (2381, 5000), 43, 0);
        check(
            &hm,
            &port(1, (350, 2, 102), 751, 74823),
            "0c113332416355 01 015e 0002 094d 1388 0066 02ef 00012447 002b 0003 0000 0000 01 07
             000000000000",
        );
        let mi = inverter("103332416355", (2381, 5000), 43, 0);
        check(
            &mi,
            &port(1, (350, 29, 102), 751, 74823),
            "0c103332416355 01 015e 0002 094d 1388 0066 02ef 00012447 002b 0003 0000 0000 01 07
             000000000000",
        );
    }

    #[test]
    fn frost_is_negative_and_a_lifetime_takes_four_bytes() {
        check(
            &inverter("1164a0000002", (2306, 5001), -35, 1),
            &port(1, (389, 1104, 4295), 3911, 1_204_567),
            "0c1164a0000002 01 0185 0450 0902 1389 10c7 0f47 00126157 ffdd 0003 0000 0001 01 07
             000000000000",
        );
    }

    #[test]
    fn an_inverter_that_sleeps_keeps_its_total() {
        let mut asleep = inverter("1164a0000002", (2306, 5001), -35, 1);
        asleep.ports = vec![port(2, (389, 1104, 4295), 0, 1_150_333)];
        asleep.fall_asleep();
        check(
            &asleep,
            &asleep.ports[0],
            "0c1164a0000002 02 0000 0000 0000 0000 0000 0000 00118d7d 0000 0000 0000 0001 00 07
             000000000000",
        );
    }

    #[test]
    fn the_end_of_the_list_has_a_type_and_a_constant_and_no_serial_number() {
        let mut end = vec![0; 40];
        (end[0], end[33]) = (0x0c, 0x07);
        assert_eq!(of_nothing(DATA_TYPE), end);
    }
}
