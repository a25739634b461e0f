//! A DTU-Pro on Modbus-TCP: its list of ports at 0x1000, its serial number at 0x2000, and an exception
//! for everything else.

use std::ops::Range;

use bytes::{Buf, BufMut};

use super::Simulation;
use super::faults::{ActiveFaults, Fault, fault_value};
use super::moment::{InverterMoment, PlantMoment, PortMoment};
use super::server::{NotARequest, WireProtocol};
use crate::plant::units::Amperes;

/// The largest list of a DTU-Pro (technical note on Modbus V1.2).
pub const MAX_PORTS: usize = 99;
const READ_HOLDING_REGISTERS: u8 = 3;
const EXCEPTION: u8 = 0x80;
/// The only exception of a DTU-Pro (technical note on Modbus V1.2).
const ILLEGAL_FUNCTION: u8 = 1;
/// Registers in one read, by the Modbus specification.
const MAX_REGISTERS: u16 = 125;
/// Transaction, protocol, length.
const PREFIX_LENGTH: usize = 6;
/// Unit, function and up to 252 more bytes (Modbus messaging on TCP/IP, section 4.1).
const MAX_LENGTH: usize = 254;
/// The list of ports; addresses count bytes, although each register holds two.
const LIST: Range<u16> = 0x1000..0x2000;
const DTU_SERIAL: u16 = 0x2000;
const RECORD_LENGTH: usize = 40;

/// The first byte of a real DTU's records, and of `OpenDTU`'s.
const DATA_TYPE: u8 = 0x0c;
const OPEN_DTU_DATA_TYPE: u8 = 0x3c;
/// `OpenDTU`'s alarm code for an inverter that it does not reach.
const OPEN_DTU_UNREACHABLE: u16 = 130;
/// Byte 33 of every record, including the one that ends the list.
const CONSTANT: u8 = 0x07;
const STATUS_PRODUCING: u16 = 3;

/// Modbus-TCP as a DTU-Pro speaks it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Modbus;

impl WireProtocol for Modbus {
    fn request_length(&self, mut received: &[u8]) -> Result<Option<usize>, NotARequest> {
        let (Ok(_transaction), Ok(protocol), Ok(length)) =
            (received.try_get_u16(), received.try_get_u16(), received.try_get_u16())
        else {
            return Ok(None);
        };
        let length = usize::from(length);
        if protocol != 0 || !(2..=MAX_LENGTH).contains(&length) {
            return Err(NotARequest);
        }
        Ok(Some(PREFIX_LENGTH + length))
    }

    fn reply(&self, request: &[u8], simulation: &Simulation, faults: &ActiveFaults) -> Vec<u8> {
        let request = Request::from(request);
        if let Some(code) = fault_value!(faults, Exception) {
            return request.exception(code);
        }
        if let Some(number) = fault_value!(faults, SilentRecord)
            && request.touches(number)
        {
            return Vec::new();
        }
        if let Some(number) = fault_value!(faults, RefusedRecord)
            && request.touches(number)
        {
            return request.exception(ILLEGAL_FUNCTION);
        }
        if let Some(code) = fault_value!(faults, ExceptionAtEnd)
            && request.is_behind(simulation.reported(simulation.truth(), faults).ports().count())
        {
            return request.exception(code);
        }
        let data = if faults.has(Fault::ForeignDevice) {
            foreign(&request)
        } else {
            read(&request, simulation, faults)
        };
        let Some(data) = data else {
            return request.exception(ILLEGAL_FUNCTION);
        };
        request.reply(&data, fault_value!(faults, WrongByteCount))
    }
}

#[derive(Clone, Debug)]
struct Request {
    transaction: u16,
    unit: u8,
    function: u8,
    body: Vec<u8>,
}

impl From<&[u8]> for Request {
    /// Missing bytes read as 0.
    fn from(mut frame: &[u8]) -> Self {
        let transaction = frame.try_get_u16().unwrap_or_default();
        let _protocol = frame.try_get_u16();
        let _length = frame.try_get_u16();
        let unit = frame.try_get_u8().unwrap_or_default();
        let function = frame.try_get_u8().unwrap_or_default();
        Self { transaction, unit, function, body: frame.to_vec() }
    }
}

impl Request {
    /// Address and number of the registers to read; `None` if it is another request.
    fn registers(&self) -> Option<(u16, u16)> {
        let mut body = self.body.as_slice();
        if self.function != READ_HOLDING_REGISTERS || body.len() != 4 {
            return None;
        }
        Some((body.try_get_u16().ok()?, body.try_get_u16().ok()?))
    }

    /// The offsets in the list that it reads; `None` if it reads something else.
    fn span(&self) -> Option<Range<usize>> {
        let (address, count) = self.registers().filter(|(address, _)| LIST.contains(address))?;
        let start = usize::from(address - LIST.start);
        Some(start..start + 2 * usize::from(count))
    }

    /// Whether it reads the record of that number, counted from 1, or a part of it.
    fn touches(&self, number: u16) -> bool {
        let end = RECORD_LENGTH * usize::from(number);
        let start = end.saturating_sub(RECORD_LENGTH);
        self.span().is_some_and(|span| span.start < end && start < span.end)
    }

    /// Whether it reads anything behind that many records.
    fn is_behind(&self, records: usize) -> bool {
        self.span().is_some_and(|span| span.end > RECORD_LENGTH * records)
    }

    /// The reply with `data`; `stated_length` is for a DTU that miscounts.
    fn reply(&self, data: &[u8], stated_length: Option<u8>) -> Vec<u8> {
        let length = u8::try_from(data.len()).unwrap_or(u8::MAX);
        let mut body = vec![self.function, stated_length.unwrap_or(length)];
        body.extend_from_slice(data);
        self.frame(&body)
    }

    fn exception(&self, code: u8) -> Vec<u8> {
        self.frame(&[self.function | EXCEPTION, code])
    }

    fn frame(&self, body: &[u8]) -> Vec<u8> {
        let mut frame = Vec::with_capacity(PREFIX_LENGTH + 1 + body.len());
        frame.put_u16(self.transaction);
        frame.put_u16(0);
        frame.put_u16(u16::try_from(1 + body.len()).unwrap_or(u16::MAX));
        frame.put_u8(self.unit);
        frame.extend_from_slice(body);
        frame
    }
}

fn read(request: &Request, simulation: &Simulation, faults: &ActiveFaults) -> Option<Vec<u8>> {
    let (address, count) = request.registers()?;
    if !(1..=MAX_REGISTERS).contains(&count) {
        return None;
    }
    let length = 2 * usize::from(count);
    let plant = simulation.reported(simulation.truth(), faults);
    if LIST.contains(&address) {
        return read_list(&plant, usize::from(address - LIST.start), length, faults);
    }
    let start = usize::from(address.checked_sub(DTU_SERIAL)?);
    plant.dtu_serial.bytes().get(start..start + length).map(<[u8]>::to_vec)
}

/// A device whose registers, two bytes each, are counted one by one: no DTU at all.
fn foreign(request: &Request) -> Option<Vec<u8>> {
    const REGISTERS: [u16; 20] = [
        0, 1, 0, 3, 0x08fd, 0x0200, 0x08fe, 0x1389, 0x0309, 0x000c, 0, 0x1267, 0x0015, 3, 0, 0,
        0x0100, 0, 0, 0,
    ];
    const SERIAL: [u16; 3] = [0x1234; 3];
    let (address, count) = request.registers()?;
    let register = |address: u16| {
        let at = |base: u16| address.checked_sub(base).map(usize::from);
        let of_list = at(LIST.start).and_then(|index| REGISTERS.get(index));
        let value = of_list.or_else(|| at(DTU_SERIAL).and_then(|index| SERIAL.get(index)));
        value.copied().unwrap_or_default().to_be_bytes()
    };
    let addresses = (0..count).map(|index| address.saturating_add(index));
    (1..=MAX_REGISTERS).contains(&count).then(|| addresses.flat_map(register).collect())
}

fn read_list(
    plant: &PlantMoment,
    address: usize,
    length: usize,
    faults: &ActiveFaults,
) -> Option<Vec<u8>> {
    if faults.has(Fault::NotMapped) {
        return Some(Vec::new());
    }
    let (data_type, start) = if faults.has(Fault::WordAddressed) {
        (OPEN_DTU_DATA_TYPE, 2 * address)
    } else {
        (DATA_TYPE, address)
    };
    let ports = plant.ports().take(MAX_PORTS);
    let mut list: Vec<u8> =
        ports.flat_map(|(inverter, port)| record(data_type, inverter, port)).collect();
    let ports_end = list.len();
    while list.len() < LIST.len() {
        list.extend(null_record(data_type));
    }
    list.truncate(LIST.len());
    let mut data = list.get(start..start + length)?.to_vec();
    let is_null_record = start >= ports_end && length == RECORD_LENGTH;
    if is_null_record && faults.has(Fault::LongNullRecord) {
        data.resize(2 * RECORD_LENGTH, 0);
    }
    Some(data)
}

/// The record of one port, in the order of the technical note.
fn record(data_type: u8, inverter: &InverterMoment, port: &PortMoment) -> Vec<u8> {
    let status = if inverter.awake { STATUS_PRODUCING } else { 0 };
    let unreachable = !inverter.awake && data_type == OPEN_DTU_DATA_TYPE;
    let alarm_code = if unreachable { OPEN_DTU_UNREACHABLE } else { inverter.alarm_code };
    let mut record = Vec::with_capacity(RECORD_LENGTH);
    record.put_u8(data_type);
    record.put_slice(&inverter.serial.bytes());
    record.put_u8(port.number);
    record.put_u16(unsigned(port.pv_voltage.steps()));
    record.put_u16(current(inverter, port.pv_current));
    record.put_u16(unsigned(inverter.grid_voltage.steps()));
    record.put_u16(unsigned(inverter.grid_frequency.steps()));
    record.put_u16(unsigned(port.pv_power.steps()));
    record.put_u16(u16::try_from(port.today.get()).unwrap_or(u16::MAX));
    record.put_u32(u32::try_from(port.total.get()).unwrap_or(u32::MAX));
    record.put_i16(i16::try_from(inverter.temperature.steps()).unwrap_or_default());
    record.put_u16(status);
    record.put_u16(alarm_code);
    record.put_u16(inverter.alarm_count);
    record.put_u8(inverter.awake.into());
    record.put_u8(CONSTANT);
    record.resize(RECORD_LENGTH, 0);
    record
}

fn null_record(data_type: u8) -> Vec<u8> {
    let mut record = vec![data_type];
    record.resize(33, 0);
    record.push(CONSTANT);
    record.resize(RECORD_LENGTH, 0);
    record
}

/// Inverters of the MI series, whose serial numbers begin with 10, count tenths and cut the rest.
fn current(inverter: &InverterMoment, current: Amperes) -> u16 {
    let is_mi = inverter.serial.prefix() >> 8 == 0x10;
    unsigned(if is_mi { current.steps() / 10 } else { current.steps() })
}

fn unsigned(steps: i32) -> u16 {
    u16::try_from(steps.max(0)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
