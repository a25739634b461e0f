//! Several records in one answer, which no real DTU is known for certain to support: checked before
//! they are used. And devices whose addresses count words. Pure.

use thiserror::Error;

use super::decode::{
    DATA_TYPE_AS_PRINTED, MAX_RECORDS, MAX_RECORDS_PER_READ, PortRecord, RECORD_BYTES, Record,
    is_marked, port_record, record,
};

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
    pub(super) fn new(records_per_read: u8) -> Self {
        match records_per_read.min(MAX_RECORDS_PER_READ) {
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
