//! From the bytes of an answer to raw values, field after field in the order of the technical
//! note. Pure: no socket, no clock, no log.

use bytes::{Buf, TryGetError};

use crate::plant::serial::{DtuSerial, InverterSerial};

/// One PV port as the DTU lists it, in the steps of the wire.
///
/// From `grid_voltage` to `grid_frequency` and from `temperature` on, the values are those of the
/// whole inverter, repeated in the record of each of its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRecord {
    /// 0x0c of a real DTU; others are accepted.
    pub data_type: u8,
    /// Whose port this is.
    pub serial: InverterSerial,
    /// Counted from 1.
    pub port: u8,
    /// PV side, in 0.1 V.
    pub pv_voltage: u16,
    /// PV side, in 0.01 A or 0.1 A: see [`scale`](super::scale).
    pub pv_current: u16,
    /// Mains side, in 0.1 V.
    pub grid_voltage: u16,
    /// Mains side, in 0.01 Hz.
    pub grid_frequency: u16,
    /// PV side of this port, in 0.1 W.
    pub pv_power: u16,
    /// In Wh, since a reset in the evening, at night or in the morning.
    pub today: u16,
    /// In Wh, since installation; 0 of a device that has just restarted.
    pub total: u32,
    /// In 0.1 °C; the only signed field.
    pub temperature: i16,
    /// 3 while producing, 0 without data.
    pub operating_status: u16,
    /// 0 is none.
    pub alarm_code: u16,
    /// How many alarms have been counted.
    pub alarm_count: u16,
    /// 1 if the DTU reaches the inverter.
    pub link_status: u8,
}

impl PortRecord {
    /// Whether the DTU has live values of this port, rather than only its name and counters.
    pub const fn is_live(&self) -> bool {
        self.link_status != 0
            || self.operating_status != 0
            || self.pv_voltage != 0
            || self.pv_power != 0
    }
}

/// Reads one record; bytes beyond it are not looked at.
///
/// `Ok(None)` is the end of the list: a serial number of zeros, or a port number 0.
pub fn port_record(mut bytes: &[u8]) -> Result<Option<PortRecord>, TryGetError> {
    let data_type = bytes.try_get_u8()?;
    let mut serial = [0; 6];
    bytes.try_copy_to_slice(&mut serial)?;
    let port = bytes.try_get_u8()?;
    let record = PortRecord {
        data_type,
        serial: InverterSerial::from_bytes(serial),
        port,
        pv_voltage: bytes.try_get_u16()?,
        pv_current: bytes.try_get_u16()?,
        grid_voltage: bytes.try_get_u16()?,
        grid_frequency: bytes.try_get_u16()?,
        pv_power: bytes.try_get_u16()?,
        today: bytes.try_get_u16()?,
        total: bytes.try_get_u32()?,
        temperature: bytes.try_get_i16()?,
        operating_status: bytes.try_get_u16()?,
        alarm_code: bytes.try_get_u16()?,
        alarm_count: bytes.try_get_u16()?,
        link_status: bytes.try_get_u8()?,
    };
    Ok((serial != [0; 6] && port != 0).then_some(record))
}

/// Reads the DTU's own serial number; `None` if it is not there or is all zeros.
pub fn dtu_serial(mut bytes: &[u8]) -> Option<DtuSerial> {
    let mut serial = [0; 6];
    bytes.try_copy_to_slice(&mut serial).ok()?;
    (serial != [0; 6]).then(|| DtuSerial::from_bytes(serial))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn a_zero_serial_or_port_ends_the_list() {
        let mut record = [0; 40];
        assert_eq!(port_record(&record), Ok(None));
        record[1] = 0x11;
        assert_eq!(port_record(&record), Ok(None));
        record[7] = 1;
        assert_eq!(port_record(&record).unwrap().unwrap().port, 1);
    }

    #[test]
    fn a_serial_that_is_missing_is_none() {
        for bytes in [&[][..], &[1; 5], &[0; 6]] {
            assert_eq!(dtu_serial(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..90)) {
            let decoded = port_record(&bytes);
            prop_assert_eq!(decoded.is_err(), bytes.len() < 33);
            dtu_serial(&bytes);
        }
    }
}
