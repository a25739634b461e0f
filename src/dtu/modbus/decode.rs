//! From the bytes of an answer to inverters and their ports. Pure: no socket, no clock, no log.
//!
//! Source of the register map: the vendor's "Modbus Implementation Technical Note" V1.2 for the 3Gen
//! DTU-Pro, and the programs in the field that agree with it. Addresses count **bytes**: neighbours
//! differ by one byte, although each register read from there has two.

use bytes::{Buf, TryGetError};

use super::scale::{CurrentScale, Scales};
use crate::dtu::limits;
use crate::plant::reading::{InverterReading, InverterValues, PortReading};
use crate::plant::serial::{DtuSerial, InverterSerial};
use crate::plant::units::{Celsius, Hertz, Volts, WattHours, Watts};

const RECORDS: u16 = 0x1000;
/// The length of a record, in addresses and in bytes alike.
pub(super) const RECORD_BYTES: u16 = 40;
const RECORD_REGISTERS: u16 = 20;
/// The longest list that the note allows.
pub(super) const MAX_RECORDS: u16 = 99;
/// A Modbus answer has room for 125 registers: six records.
pub(super) const MAX_RECORDS_PER_READ: u8 = 6;
const DTU_SERIAL: u16 = 0x2000;
const DTU_SERIAL_REGISTERS: u16 = 3;
/// First byte of each record of a real DTU, including the null record.
const DATA_TYPE: u8 = 0x0c;
/// First byte as the note prints it; only emulations have been seen to send it.
pub(super) const DATA_TYPE_AS_PRINTED: u8 = 0x3c;
const CONSTANT_OFFSET: usize = 33;
/// The constant of each record, including the null record.
const CONSTANT: u8 = 0x07;

/// A request for consecutive registers with function 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// Of the first byte.
    pub address: u16,
    /// In registers.
    pub count: u16,
}

impl ReadRequest {
    pub(super) const fn record(index: u16) -> Self {
        Self::records(index, 1)
    }

    pub(super) const fn records(index: u16, count: u16) -> Self {
        Self {
            address: RECORDS.saturating_add(RECORD_BYTES.saturating_mul(index)),
            count: RECORD_REGISTERS.saturating_mul(count),
        }
    }

    /// The second record of an emulation whose addresses count words; between the first two of a
    /// DTU.
    pub(super) const fn second_record_by_words() -> Self {
        Self { address: RECORDS.saturating_add(RECORD_REGISTERS), count: RECORD_REGISTERS }
    }

    pub(super) const fn dtu_serial() -> Self {
        Self { address: DTU_SERIAL, count: DTU_SERIAL_REGISTERS }
    }
}

/// One PV port as the DTU lists it, in the steps of the wire.
///
/// `grid_voltage`, `grid_frequency`, and everything from `temperature` on are values of the inverter,
/// repeated in the record of each of its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRecord {
    /// 0x0c of a real DTU; other values are accepted.
    pub data_type: u8,
    /// The inverter.
    pub serial: InverterSerial,
    /// Counted from 1.
    pub port: u8,
    /// PV side, in 0.1 V.
    pub pv_voltage: u16,
    /// PV side, in 0.01 A or 0.1 A: see [`scale`](super::scale).
    pub pv_current: u16,
    /// Grid side, in 0.1 V.
    pub grid_voltage: u16,
    /// Grid side, in 0.01 Hz.
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
    /// Alarms counted so far.
    pub alarm_count: u16,
    /// 1 if the DTU reaches the inverter.
    pub link_status: u8,
}

impl PortRecord {
    /// Whether there are live values, rather than only serial number and counters.
    pub const fn is_live(&self) -> bool {
        self.link_status != 0
            || self.operating_status != 0
            || self.pv_voltage != 0
            || self.pv_power != 0
    }
}

/// Decodes one record; bytes beyond it are ignored.
///
/// `Ok(None)` is the end of the list: a serial number of zeros, or port number 0.
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

/// Decodes the DTU's own serial number; `None` if it is missing or all zeros.
pub fn dtu_serial(mut bytes: &[u8]) -> Option<DtuSerial> {
    let mut serial = [0; 6];
    bytes.try_copy_to_slice(&mut serial).ok()?;
    (serial != [0; 6]).then(|| DtuSerial::from_bytes(serial))
}

/// Whether it has both markers that all records share, including the null record.
pub(super) fn is_marked(record: &[u8]) -> bool {
    matches!(record.first(), Some(&(DATA_TYPE | DATA_TYPE_AS_PRINTED)))
        && record.get(CONSTANT_OFFSET) == Some(&CONSTANT)
}

/// Groups records by inverter in the DTU's order, ports ascending.
///
/// Of two records of one port, one with live values wins. Impossible port numbers are left out.
pub fn inverters(records: &[PortRecord], scales: &mut Scales) -> Vec<InverterReading> {
    let records = || records.iter().filter(|record| limits::is_port(record.port));
    for record in records() {
        scales.learn(record);
    }
    let mut inverters: Vec<InverterReading> = Vec::new();
    for record in records() {
        let port = port_reading(record, scales.of(record.serial));
        if let Some(known) = inverters.iter_mut().find(|known| known.serial == record.serial) {
            add_port(known, record, port);
        } else {
            inverters.push(InverterReading { ports: vec![port], ..inverter_reading(record) });
        }
    }
    inverters
}

/// Adds a port to an inverter; the first live one also sets the inverter's own values.
fn add_port(inverter: &mut InverterReading, record: &PortRecord, port: PortReading) {
    let was_live = inverter.is_live();
    match inverter.ports.binary_search_by_key(&port.number, |known| known.number) {
        Err(place) => inverter.ports.insert(place, port),
        Ok(place) if record.is_live() => {
            if let Some(known) = inverter.ports.get_mut(place) {
                *known = port;
            }
        }
        Ok(_) => {}
    }
    if record.is_live() && !was_live {
        let ports = std::mem::take(&mut inverter.ports);
        *inverter = InverterReading { ports, ..inverter_reading(record) };
    }
}

fn inverter_reading(record: &PortRecord) -> InverterReading {
    let grid_voltage = Volts::from_tenths(record.grid_voltage.into());
    let grid_frequency = Hertz::from_hundredths(record.grid_frequency.into());
    let temperature = Celsius::from_tenths(record.temperature.into());
    let live = record.is_live();
    let values = InverterValues {
        link_status: Some(record.link_status.into()),
        operating_status: Some(record.operating_status),
        alarm_code: Some(record.alarm_code.into()),
        alarm_count: Some(record.alarm_count.into()),
        grid_voltage: limits::grid_voltage(grid_voltage).filter(|_| live),
        grid_frequency: limits::frequency(grid_frequency).filter(|_| live),
        temperature: limits::temperature(temperature).filter(|_| live),
        ..InverterValues::default()
    };
    InverterReading { values, ..InverterReading::unknown(record.serial) }
}

fn port_reading(record: &PortRecord, scale: CurrentScale) -> PortReading {
    let pv_voltage = Volts::from_tenths(record.pv_voltage.into());
    let pv_current = scale.current(record.pv_current);
    let pv_power = Watts::from_tenths(record.pv_power.into());
    let live = record.is_live();
    PortReading {
        number: record.port,
        pv_voltage: limits::voltage(pv_voltage).filter(|_| live),
        pv_current: limits::current(pv_current).filter(|_| live),
        pv_power: limits::pv_power(pv_power).filter(|_| live),
        today: (live || record.today != 0).then(|| WattHours::new(record.today.into())),
        // A zero of a live port is for the ledger to reject and to count.
        total: (live || record.total != 0).then(|| WattHours::new(record.total.into())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::{prop_assert_eq, proptest};

    use super::*;
    use crate::dtu::modbus::fake::{asleep, record};

    #[test]
    fn records_are_where_the_note_has_them() {
        for (index, address) in [(0, 0x1000), (1, 0x1028), (6, 0x10f0), (98, 0x1f50)] {
            assert_eq!(ReadRequest::record(index), ReadRequest { address, count: 20 });
        }
        assert_eq!(ReadRequest::records(0, 6), ReadRequest { address: 0x1000, count: 120 });
    }

    #[test]
    fn zero_serial_or_port_ends_the_list() {
        let mut record = [0; 40];
        assert_eq!(port_record(&record), Ok(None));
        record[1] = 0x11;
        assert_eq!(port_record(&record), Ok(None));
        record[7] = 1;
        assert_eq!(port_record(&record).unwrap().unwrap().port, 1);
    }

    #[test]
    fn missing_serial_is_none() {
        for bytes in [&[][..], &[1; 5], &[0; 6]] {
            assert_eq!(dtu_serial(bytes), None, "{bytes:?}");
        }
    }

    fn read(records: &[PortRecord]) -> Vec<InverterReading> {
        inverters(records, &mut Scales::default())
    }

    #[test]
    fn groups_records_by_inverter_with_ports_ascending() {
        let read = read(&[record(7, 2), record(7, 1), record(3, 1), record(7, 2)]);
        let listed: Vec<_> = read
            .iter()
            .map(|inverter| {
                let ports: Vec<_> = inverter.ports.iter().map(|port| port.number).collect();
                (inverter.serial.to_string(), ports)
            })
            .collect();
        assert_eq!(
            listed,
            [("1161a0000007".to_owned(), vec![1, 2]), ("1161a0000003".to_owned(), vec![1])]
        );
    }

    #[test]
    fn leaves_out_impossible_port_numbers() {
        assert_eq!(read(&[record(1, 77), record(1, 1), record(2, 17)]), read(&[record(1, 1)]));
    }

    #[test]
    fn live_values_win() {
        for records in [[record(1, 1), asleep(1, 1)], [asleep(1, 1), record(1, 1)]] {
            assert_eq!(read(&records), read(&[record(1, 1)]));
        }
        let mixed = read(&[asleep(1, 1), record(1, 2)]);
        assert_eq!(mixed[0].values.link_status, Some(1));
        assert_eq!(mixed[0].values.grid_voltage, Some(Volts::from_tenths(2391)));
        assert_eq!(mixed[0].ports[0].pv_power, None);
    }

    #[test]
    fn sleeping_port_has_no_measurements_and_no_zero_energy() {
        let read = read(&[asleep(1, 1)]);
        assert!(!read[0].is_live());
        assert_eq!(read[0].values.temperature, None);
        assert_eq!(read[0].ports, [PortReading::unknown(1)]);
        let kept = PortRecord { today: 5, total: 900, ..asleep(1, 1) };
        let port = &inverters(&[kept], &mut Scales::default())[0].ports[0];
        assert_eq!((port.today, port.total), (Some(WattHours::new(5)), Some(WattHours::new(900))));
        assert_eq!(port.pv_power, None);
    }

    #[test]
    fn live_port_may_have_zero_power_and_energy() {
        let dawn = PortRecord { pv_power: 0, pv_current: 0, today: 0, total: 0, ..record(1, 1) };
        let port = &read(&[dawn])[0].ports[0];
        assert_eq!(port.pv_power, Some(Watts::from_tenths(0)));
        assert_eq!((port.today, port.total), (Some(WattHours::new(0)), Some(WattHours::new(0))));
    }

    #[test]
    fn implausible_values_are_missing() {
        let absurd = PortRecord {
            pv_voltage: u16::MAX,
            pv_current: u16::MAX,
            pv_power: u16::MAX,
            grid_voltage: u16::MAX,
            grid_frequency: 100,
            temperature: i16::MAX,
            ..record(1, 1)
        };
        let inverter = &read(&[absurd])[0];
        let port = &inverter.ports[0];
        assert_eq!((inverter.values.grid_voltage, inverter.values.grid_frequency), (None, None));
        assert_eq!(inverter.values.temperature, None);
        assert_eq!((port.pv_voltage, port.pv_current, port.pv_power), (None, None, None));
        let unsettled = PortRecord { grid_voltage: 0, grid_frequency: 0, ..record(1, 1) };
        assert_eq!(read(&[unsettled])[0].values.grid_voltage, None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in vec(any::<u8>(), 0..90)) {
            let decoded = port_record(&bytes);
            prop_assert_eq!(decoded.is_err(), bytes.len() < 33);
            dtu_serial(&bytes);
        }
    }
}
