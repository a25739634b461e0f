//! Several records in one answer, which no real DTU is known for certain to support: checked before
//! they are used. And devices whose addresses count words. Pure.

use std::collections::BTreeMap;

use thiserror::Error;

use super::decode::{
    DATA_TYPE_AS_PRINTED, MAX_RECORDS, MAX_RECORDS_PER_READ, PortRecord, RECORD_BYTES, Record,
    is_marked, port_record, record,
};
use crate::config::RecordsPerRead;
use crate::plant::serial::DtuSerial;

/// So many DTUs are remembered; no installation exchanges more.
const MOST_KNOWN: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Batch {
    /// One: as configured, or because the DTU does not support more.
    Single,
    /// This many, to be compared with single records first.
    Unproven(u16),
    /// This many: the DTU has proved to support it.
    Proven(u16),
}

impl Batch {
    fn new(wanted: u8) -> Self {
        match wanted.min(MAX_RECORDS_PER_READ) {
            0 | 1 => Self::Single,
            several => Self::Unproven(several.into()),
        }
    }

    pub(super) fn records_at(self, index: u16) -> u16 {
        match self {
            Self::Single => 1,
            Self::Unproven(several) | Self::Proven(several) => {
                several.min(MAX_RECORDS.saturating_sub(index)).max(1)
            }
        }
    }
}

/// How many records are read at once now, and with "auto" from which DTU.
#[derive(Debug)]
pub(super) struct BatchSize {
    current: Batch,
    /// With "auto".
    memory: Option<Memory>,
}

/// What DTUs have proved: another one may come to the address, or one that was there before.
#[derive(Debug, Default)]
struct Memory {
    known: BTreeMap<DtuSerial, Batch>,
    /// The DTU that was read last.
    serial: Option<DtuSerial>,
    /// The connection over which the current size was proved or its DTU was identified.
    connection: u64,
    /// At the start of this poll.
    before: Option<Batch>,
    was_compared: bool,
}

impl BatchSize {
    pub(super) fn new(config: RecordsPerRead) -> Self {
        match config {
            RecordsPerRead::Number(wanted) => Self { current: Batch::new(wanted), memory: None },
            RecordsPerRead::Auto => {
                let current = Batch::new(MAX_RECORDS_PER_READ);
                Self { current, memory: Some(Memory::default()) }
            }
        }
    }

    /// With what `old`, of the client before this one, has learned.
    pub(super) fn with_memory_of(self, old: Self) -> Self {
        match (self.memory, old.memory) {
            (Some(_), Some(memory)) => {
                // Connections are counted anew.
                Self { current: old.current, memory: Some(Memory { connection: 0, ..memory }) }
            }
            (memory, _) => Self { memory, ..self },
        }
    }

    pub(super) const fn is_auto(&self) -> bool {
        self.memory.is_some()
    }

    pub(super) const fn current(&self) -> Batch {
        self.current
    }

    pub(super) const fn begin_poll(&mut self) {
        if let Some(memory) = &mut self.memory {
            memory.before = Some(self.current);
            memory.was_compared = false;
        }
    }

    /// How many records an answer over `connection` has that must be compared before it is used.
    pub(super) fn to_compare(&self, connection: u64) -> Option<u16> {
        match (self.current, &self.memory) {
            (Batch::Unproven(count), _) => Some(count),
            // Another DTU may have come to the address.
            (Batch::Proven(count), Some(memory)) => {
                (memory.connection != connection && !memory.was_compared).then_some(count)
            }
            (Batch::Proven(_), None) | (Batch::Single, _) => None,
        }
    }

    /// An answer over `connection` agreed with a single record.
    pub(super) const fn proved(&mut self, count: u16, connection: u64) {
        self.current = Batch::Proven(count);
        if let Some(memory) = &mut self.memory {
            memory.connection = connection;
            memory.was_compared = true;
        }
    }

    /// The DTU does not support it.
    pub(super) const fn refuted(&mut self) {
        self.current = Batch::Single;
    }

    /// The DTU with this serial number, if it is known, was read over `connection`.
    pub(super) fn end_poll(&mut self, serial: Option<DtuSerial>, connection: u64) {
        let Some(memory) = &mut self.memory else { return };
        let Some(serial) = serial else {
            if let Batch::Proven(count) = self.current
                && memory.connection != connection
                && !memory.was_compared
            {
                self.current = Batch::Unproven(count);
            }
            return;
        };
        let is_other = memory.serial.replace(serial).is_some_and(|before| before != serial);
        memory.connection = connection;
        if is_other && memory.before == Some(self.current) {
            // What the DTU before it has proved.
            let known = memory.known.get(&serial).copied();
            self.current = known.unwrap_or_else(|| Batch::new(MAX_RECORDS_PER_READ));
        } else if !matches!(self.current, Batch::Unproven(_)) {
            if memory.known.len() >= MOST_KNOWN {
                memory.known.clear();
            }
            memory.known.insert(serial, self.current);
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Up to the end of the list.
    pub(super) records: Vec<PortRecord>,
    pub(super) ends: bool,
}

impl Page {
    /// Whether the second record of the page is the same port as `single`, which was read alone, or
    /// both are the end of the list.
    pub(super) fn agrees_with(&self, single: &Self) -> bool {
        let name = |record: &PortRecord| (record.serial, record.port);
        self.records.get(1).map(name) == single.records.first().map(name)
    }
}

/// Why an answer is not the requested records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum NotRecords {
    #[error("record {0} is missing")]
    Missing(u16),
    #[error("record {0} lacks the markers of a record")]
    Unmarked(u16),
    #[error("its second record differs when it is read alone")]
    Different,
}

/// Takes `count` records from an answer, up to the end of the list. Of several, each must have both
/// markers.
pub(super) fn page(mut data: &[u8], count: u16) -> Result<Page, NotRecords> {
    let mut records = Vec::with_capacity(count.into());
    for number in 1..=count {
        let (bytes, rest) =
            data.split_at_checked(RECORD_BYTES.into()).ok_or(NotRecords::Missing(number))?;
        let unmarked = Err(NotRecords::Unmarked(number));
        if count > 1 && !is_marked(bytes) {
            return unmarked;
        }
        match record(bytes).map_err(|_| NotRecords::Missing(number))? {
            Record::Port(record) => records.push(record),
            Record::Null => return Ok(Page { records, ends: true }),
            Record::Foreign => return unmarked,
        }
        data = rest;
    }
    Ok(Page { records, ends: false })
}

/// Whether every second record may be missing, as when the addresses of an emulation count words: it
/// has an emulation's marker, or an inverter has a port without the previous one.
pub(super) fn looks_skipped(records: &[PortRecord]) -> bool {
    has_emulation(records)
        || records.iter().any(|record| record.port > 1 && !has(records, record, record.port - 1))
}

/// Whether any has an emulation's marker.
pub(super) fn has_emulation(records: &[PortRecord]) -> bool {
    records.iter().any(|record| record.data_type == DATA_TYPE_AS_PRINTED)
}

/// Whether `data`, from where only such a device has its second record, is a record that the list
/// lacks.
pub(super) fn is_skipped_record(data: &[u8], records: &[PortRecord]) -> bool {
    let record = port_record(data).ok().flatten().filter(|_| is_marked(data));
    record.is_some_and(|record| !has(records, &record, record.port))
}

fn has(records: &[PortRecord], of: &PortRecord, port: u8) -> bool {
    records.iter().any(|record| record.serial == of.serial && record.port == port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtu::modbus::fake::{asleep, bytes, null_record, record};

    #[test]
    fn last_batch_ends_with_the_list() {
        let batch = Batch::new(6);
        assert_eq!(batch.records_at(0), 6);
        assert_eq!(batch.records_at(96), 3);
        assert_eq!(Batch::new(9), Batch::Unproven(6));
        assert_eq!(Batch::new(0).records_at(5), 1);
    }

    #[test]
    fn takes_records_up_to_the_end_of_the_list() {
        let (first, second) = (record(1, 1), record(1, 2));
        let data = [bytes(&first), bytes(&second), null_record(), vec![0; 40]].concat();
        let whole = Page { records: vec![first, second], ends: true };
        assert_eq!(page(&data, 4).as_ref(), Ok(&whole));
        assert_eq!(page(&data, 2), Ok(Page { ends: false, ..whole }));
        assert_eq!(page(&data, 6).map(|page| page.ends), Ok(true));
    }

    #[test]
    fn rejects_data_without_the_markers_of_a_record() {
        let good = bytes(&record(1, 1));
        assert_eq!(page(&good, 2), Err(NotRecords::Missing(2)));
        // Zeros are not the end of the list: the null record has markers.
        assert_eq!(page(&[good.clone(), vec![0; 40]].concat(), 2), Err(NotRecords::Unmarked(2)));
        let mut shifted = good.repeat(2);
        shifted[73] = 0;
        assert_eq!(page(&shifted, 2), Err(NotRecords::Unmarked(2)));
        assert_eq!(page(&[0; 40], 1), Err(NotRecords::Unmarked(1)));
        let mut as_printed = good;
        as_printed[0] = 0x3c;
        assert!(page(&as_printed.repeat(2), 2).is_ok());
    }

    #[test]
    fn notices_a_different_second_record() {
        let alone = |record: &PortRecord| page(&bytes(record), 1).unwrap();
        let both = page(&[bytes(&record(1, 1)), bytes(&record(1, 2))].concat(), 2).unwrap();
        assert!(both.agrees_with(&alone(&record(1, 2))));
        assert!(!both.agrees_with(&alone(&record(1, 1))));
        assert!(!both.agrees_with(&page(&null_record(), 1).unwrap()));
    }

    fn emulated(record: PortRecord) -> PortRecord {
        PortRecord { data_type: 0x3c, ..record }
    }

    #[test]
    fn marker_of_an_emulation_or_a_missing_port_is_suspicious() {
        assert!(looks_skipped(&[emulated(record(1, 1))]));
        assert!(looks_skipped(&[record(1, 1), record(1, 3)]));
        assert!(looks_skipped(&[record(1, 1), record(2, 2)]));
        for sound in [vec![], vec![record(1, 1), record(2, 1)], vec![record(1, 2), asleep(1, 1)]] {
            assert!(!looks_skipped(&sound));
        }
    }

    #[test]
    fn only_a_record_that_was_not_read_is_proof() {
        let read = [emulated(record(1, 1)), emulated(record(2, 1))];
        let skipped = bytes(&emulated(record(1, 2)));
        assert!(is_skipped_record(&skipped, &read));
        assert!(is_skipped_record(&bytes(&record(1, 2)), &read));
        // A DTU that gives the record before or behind the address, or what stands there.
        assert!(!is_skipped_record(&bytes(&read[0]), &read));
        assert!(!is_skipped_record(&bytes(&read[1]), &read));
        assert!(!is_skipped_record(&null_record(), &read));
        assert!(!is_skipped_record(&[&skipped[20..], &skipped[..20]].concat(), &read));
        for length in 0..34 {
            assert!(!is_skipped_record(&skipped[..length], &read));
        }
    }
}
