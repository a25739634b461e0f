//! From the bytes of an answer to inverters and their ports. Pure: no socket, no clock, no log.
//!
//! Source of the register map: the vendor's "Modbus Implementation Technical Note" V1.2 for the 3Gen
//! DTU-Pro, and the programs in the field that agree with it. Addresses count **bytes**: neighbours
//! differ by one byte, although each register read from there has two.

use bytes::{Buf, TryGetError};

use super::scale::{CurrentScale, Scales};
use crate::dtu::limits;
use crate::plant::model;
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
/// Byte 33 of each record, including the null record.
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
    /// The first marker: 0x0c of a real DTU, 0x3c of an emulation.
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
    /// 0 means no alarm.
    pub alarm_code: u16,
    /// Alarms counted so far.
    pub alarm_count: u16,
    /// 1 if the DTU reaches the inverter.
    pub link_status: u8,
    /// The second marker: 0x07.
    pub constant: u8,
}

/// How many of the two markers of a record are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Markers {
    Both,
    /// Perhaps an emulation's: it counts if the rest of the record makes sense.
    One,
    /// It is no record, whatever else it may be.
    None,
}

/// What stands where a record is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Port(PortRecord),
    /// The null record, which ends the list.
    Null,
    /// No record.
    Foreign,
}

impl PortRecord {
    fn decode(mut bytes: &[u8]) -> Result<Self, TryGetError> {
        let data_type = bytes.try_get_u8()?;
        let mut serial = [0; 6];
        bytes.try_copy_to_slice(&mut serial)?;
        Ok(Self {
            data_type,
            serial: InverterSerial::from_bytes(serial),
            port: bytes.try_get_u8()?,
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
            constant: bytes.try_get_u8()?,
        })
    }

    /// Whether it ends the list: a serial number of zeros, or port number 0.
    fn is_null(&self) -> bool {
        self.serial.bytes() == [0; 6] || self.port == 0
    }

    pub(super) const fn markers(&self) -> Markers {
        let is_typed = matches!(self.data_type, DATA_TYPE | DATA_TYPE_AS_PRINTED);
        match (is_typed, self.constant == CONSTANT) {
            (true, true) => Markers::Both,
            (true, false) | (false, true) => Markers::One,
            (false, false) => Markers::None,
        }
    }

    /// Whether there are live values, rather than only serial number and counters.
    pub const fn is_live(&self) -> bool {
        self.link_status != 0
            || self.operating_status != 0
            || self.pv_voltage != 0
            || self.pv_power != 0
    }
}

/// Decodes one record, whatever its markers; bytes beyond it are ignored.
///
/// `Ok(None)` is the end of the list: a serial number of zeros, or port number 0.
pub fn port_record(bytes: &[u8]) -> Result<Option<PortRecord>, TryGetError> {
    PortRecord::decode(bytes).map(|record| Some(record).filter(|record| !record.is_null()))
}

/// Decodes what stands where a record is expected. Both markers are the same in every known source,
/// also in the null record; with one of them, a port counts only if its serial number can be an
/// inverter's.
pub(super) fn record(bytes: &[u8]) -> Result<Record, TryGetError> {
    let record = PortRecord::decode(bytes)?;
    Ok(match record.markers() {
        Markers::None => Record::Foreign,
        Markers::Both | Markers::One if record.is_null() => Record::Null,
        Markers::One if !model::may_be_inverter(record.serial) => Record::Foreign,
        Markers::Both | Markers::One => Record::Port(record),
    })
}

/// Decodes the DTU's own serial number; `None` if it is missing or all zeros.
pub fn dtu_serial(mut bytes: &[u8]) -> Option<DtuSerial> {
    let mut serial = [0; 6];
    bytes.try_copy_to_slice(&mut serial).ok()?;
    (serial != [0; 6]).then(|| DtuSerial::from_bytes(serial))
}

/// Whether it has both markers that all records share, including the null record.
pub(super) fn is_marked(record: &[u8]) -> bool {
    PortRecord::decode(record).is_ok_and(|record| record.markers() == Markers::Both)
}

/// Groups records by inverter in the DTU's order, ports ascending.
///
/// Of two records of one port, one with live values wins. Impossible port numbers are left out. An
/// alarm may stand in the record of one port only.
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
    let alarm_code = inverter.values.alarm_code.filter(|&code| code != 0);
    let alarm_count = inverter.values.alarm_count.max(Some(record.alarm_count.into()));
    if record.is_live() && !was_live {
        let ports = std::mem::take(&mut inverter.ports);
        *inverter = InverterReading { ports, ..inverter_reading(record) };
    }
    inverter.values.alarm_code = alarm_code.or(Some(record.alarm_code.into()));
    inverter.values.alarm_count = alarm_count;
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
    use crate::dtu::modbus::fake::{asleep, bytes, record};

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
    fn a_record_has_both_markers_or_one_and_a_serial_of_an_inverter() {
        let foreign = "000000010000000308fd020008fe13890309000c000012670015000300000000010000000000\
                       0000";
        let foreign: Vec<u8> = (0..foreign.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&foreign[at..at + 2], 16).unwrap())
            .collect();
        assert_eq!(super::record(&foreign), Ok(Record::Foreign));
        let unknown = InverterSerial::from_bytes([0, 0, 1, 0, 0, 0]);
        for (data_type, constant, markers) in [
            (0x0c, 7, Markers::Both),
            (0x3c, 7, Markers::Both),
            (0x0c, 0, Markers::One),
            (0x00, 7, Markers::One),
            (0x00, 0, Markers::None),
        ] {
            let plausible = PortRecord { data_type, constant, ..record(1, 1) };
            assert_eq!(plausible.markers(), markers);
            let others = PortRecord { serial: unknown, ..plausible };
            let null = PortRecord { serial: InverterSerial::from_bytes([0; 6]), ..plausible };
            let found = [plausible, others, null].map(|one| super::record(&bytes(&one)).unwrap());
            let expected = match markers {
                Markers::Both => [Record::Port(plausible), Record::Port(others), Record::Null],
                Markers::One => [Record::Port(plausible), Record::Foreign, Record::Null],
                Markers::None => [Record::Foreign; 3],
            };
            assert_eq!(found, expected, "{data_type:#04x} {constant:#04x}");
        }
    }

    #[test]
    fn an_alarm_of_any_port_is_the_inverters() {
        let port = |number, alarm_code, alarm_count| PortRecord {
            alarm_code,
            alarm_count,
            ..record(1, number)
        };
        let sleeping = |number, alarm_code| PortRecord { alarm_code, ..asleep(1, number) };
        for (records, code, count) in [
            ([port(1, 0, 4), port(2, 121, 9), port(3, 14, 1)], 121, 9),
            ([port(1, 14, 9), port(2, 0, 4), port(3, 121, 1)], 14, 9),
            ([sleeping(1, 121), port(2, 0, 4), port(3, 0, 4)], 121, 4),
            ([port(1, 0, 0), port(2, 0, 0), port(3, 0, 0)], 0, 0),
        ] {
            let values = &read(&records)[0].values;
            assert_eq!((values.alarm_code, values.alarm_count), (Some(code), Some(count)));
        }
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
            prop_assert_eq!(decoded.is_err(), bytes.len() < 34);
            prop_assert_eq!(super::record(&bytes).is_err(), bytes.len() < 34);
            dtu_serial(&bytes);
        }
    }
}
