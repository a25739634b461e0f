//! Several records in one answer: cut apart, and checked before they are believed, since no real
//! DTU is known for certain to answer that way. Pure.

use thiserror::Error;

use super::decode::{PortRecord, port_record};
use super::registers::{
    CONSTANT, CONSTANT_OFFSET, DATA_TYPE, DATA_TYPE_AS_PRINTED, MAX_RECORDS, MAX_RECORDS_PER_READ,
    RECORD_BYTES,
};

/// How many records one request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Batch {
    /// One: as configured, or because the DTU does not answer more than one properly.
    Single,
    /// So many, to be compared with single records first.
    Unproven(u16),
    /// So many: the DTU has been seen to answer properly.
    Proven(u16),
}

impl Batch {
    /// As configured.
    pub(super) fn new(records_per_read: u8) -> Self {
        match records_per_read.min(MAX_RECORDS_PER_READ) {
            0 | 1 => Self::Single,
            several => Self::Unproven(several.into()),
        }
    }

    /// How many records to ask for from `index` on.
    pub(super) fn records_at(self, index: u16) -> u16 {
        match self {
            Self::Single => 1,
            Self::Unproven(several) | Self::Proven(several) => {
                several.min(MAX_RECORDS.saturating_sub(index)).max(1)
            }
        }
    }
}

/// Consecutive records of the list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Up to the end of the list.
    pub(super) records: Vec<PortRecord>,
    /// Whether the list ends behind them.
    pub(super) ends: bool,
}

impl Page {
    /// Whether the second record of the page is the same port as `single`, which was read alone;
    /// both may be the end of the list.
    pub(super) fn agrees_with(&self, single: &Self) -> bool {
        let name = |record: &PortRecord| (record.serial, record.port);
        self.records.get(1).map(name) == single.records.first().map(name)
    }
}

/// Why an answer is not the records that were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum NotRecords {
    #[error("record {0} is missing")]
    Missing(u16),
    #[error("record {0} lacks the marks of a record")]
    Unmarked(u16),
    #[error("its second record is not what a request for that one gives")]
    Different,
}

/// Takes `count` records out of an answer; what stands behind the end of the list is not looked
/// at. A single record needs no marks: nothing else could be meant.
pub(super) fn page(mut data: &[u8], count: u16) -> Result<Page, NotRecords> {
    let mut records = Vec::with_capacity(count.into());
    for number in 1..=count {
        let (record, rest) =
            data.split_at_checked(RECORD_BYTES.into()).ok_or(NotRecords::Missing(number))?;
        if count > 1 && !is_marked(record) {
            return Err(NotRecords::Unmarked(number));
        }
        match port_record(record).map_err(|_| NotRecords::Missing(number))? {
            Some(record) => records.push(record),
            None => return Ok(Page { records, ends: true }),
        }
        data = rest;
    }
    Ok(Page { records, ends: false })
}

/// Whether it bears what all records have in common, the null record included.
pub(super) fn is_marked(record: &[u8]) -> bool {
    matches!(record.first(), Some(&(DATA_TYPE | DATA_TYPE_AS_PRINTED)))
        && record.get(CONSTANT_OFFSET) == Some(&CONSTANT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtu::modbus::fake::{bytes, null_record, record};

    #[test]
    fn the_last_batch_ends_with_the_list() {
        let batch = Batch::new(6);
        assert_eq!(batch.records_at(0), 6);
        assert_eq!(batch.records_at(96), 3);
        assert_eq!(Batch::new(9), Batch::Unproven(6));
        assert_eq!(Batch::new(0).records_at(5), 1);
    }

    #[test]
    fn records_are_cut_apart_up_to_the_end_of_the_list() {
        let (first, second) = (record(1, 1), record(1, 2));
        let data = [bytes(&first), bytes(&second), null_record(), vec![0; 40]].concat();
        let whole = Page { records: vec![first, second], ends: true };
        assert_eq!(page(&data, 4).as_ref(), Ok(&whole));
        assert_eq!(page(&data, 2), Ok(Page { ends: false, ..whole }));
        assert_eq!(page(&data, 6).map(|page| page.ends), Ok(true));
    }

    #[test]
    fn what_lacks_the_marks_of_a_record_is_not_believed() {
        let good = bytes(&record(1, 1));
        assert_eq!(page(&good, 2), Err(NotRecords::Missing(2)));
        // Zeros are not the end of the list: the null record has its marks.
        assert_eq!(page(&[good.clone(), vec![0; 40]].concat(), 2), Err(NotRecords::Unmarked(2)));
        let mut shifted = good.repeat(2);
        shifted[73] = 0;
        assert_eq!(page(&shifted, 2), Err(NotRecords::Unmarked(2)));
        let mut as_printed = good;
        as_printed[0] = 0x3c;
        assert!(page(&as_printed.repeat(2), 2).is_ok());
    }

    #[test]
    fn a_second_record_that_is_another_one_is_noticed() {
        let alone = |record: &PortRecord| page(&bytes(record), 1).unwrap();
        let both = page(&[bytes(&record(1, 1)), bytes(&record(1, 2))].concat(), 2).unwrap();
        assert!(both.agrees_with(&alone(&record(1, 2))));
        assert!(!both.agrees_with(&alone(&record(1, 1))));
        assert!(!both.agrees_with(&page(&null_record(), 1).unwrap()));
    }
}
