//! The memory of a DTU as its clients see it. Addresses count bytes, although each register that
//! is read carries two of them.

use std::ops::Range;

use super::{MOST_PORTS, record};
use crate::sim::fault::Fault;
use crate::sim::faults::ActiveFaults;
use crate::sim::moment::PlantMoment;

/// Where the list of ports stands (technical note on Modbus V1.2).
const LIST: Range<u16> = 0x1000..0x2000;

/// Where the DTU's serial number stands.
const SERIAL: u16 = 0x2000;

/// What can be read at one instant.
pub(super) struct Registers<'a> {
    pub(super) belief: PlantMoment,
    pub(super) faults: &'a ActiveFaults,
}

impl Registers<'_> {
    /// So many bytes from that address; `None` if not all of them are there.
    pub(super) fn read(&self, address: u16, length: usize) -> Option<Vec<u8>> {
        if LIST.contains(&address) {
            return self.read_list(usize::from(address - LIST.start), length);
        }
        let start = usize::from(address.checked_sub(SERIAL)?);
        self.belief.dtu_serial.bytes().get(start..start + length).map(<[u8]>::to_vec)
    }

    fn read_list(&self, address: usize, length: usize) -> Option<Vec<u8>> {
        if self.faults.has(Fault::NotMapped) {
            return Some(Vec::new());
        }
        let is_word_addressed = self.faults.has(Fault::WordAddressed);
        let (data_type, start) = if is_word_addressed {
            (record::OPEN_DTU_DATA_TYPE, 2 * address)
        } else {
            (record::DATA_TYPE, address)
        };
        let mut list: Vec<u8> = self
            .belief
            .ports()
            .take(MOST_PORTS)
            .flat_map(|(inverter, port)| record::of_port(data_type, inverter, port))
            .collect();
        let ports_end = list.len();
        // Behind the last port there is nothing, over and over again.
        while list.len() < LIST.len() {
            list.extend(record::of_nothing(data_type));
        }
        list.truncate(LIST.len());
        let mut data = list.get(start..start + length)?.to_vec();
        let is_end_record = start >= ports_end && length == record::LENGTH;
        if is_end_record && self.faults.has(Fault::LongNullRecord) {
            data.resize(2 * record::LENGTH, 0);
        }
        Some(data)
    }
}
