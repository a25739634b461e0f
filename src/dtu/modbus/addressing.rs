//! Devices whose addresses count words instead of bytes, as emulations of a DTU have it: read like
//! a DTU, they give every second record, as if there were no others. Pure.

use super::batch::is_marked;
use super::decode::{PortRecord, port_record};
use super::registers::DATA_TYPE_AS_PRINTED;

/// Whether the list looks as if records were skipped: it is marked as that of an emulation, or an
/// inverter has a port without the one before it.
pub(super) fn looks_skipped(records: &[PortRecord]) -> bool {
    records.iter().any(|record| {
        record.data_type == DATA_TYPE_AS_PRINTED
            || (record.port > 1 && !has(records, record, record.port - 1))
    })
}

/// Whether what stands where only such a device has its second record is a record, and none of
/// those that were read.
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

    fn emulated(record: PortRecord) -> PortRecord {
        PortRecord { data_type: 0x3c, ..record }
    }

    #[test]
    fn the_mark_of_an_emulation_or_a_missing_port_makes_a_list_odd() {
        assert!(looks_skipped(&[emulated(record(1, 1))]));
        assert!(looks_skipped(&[record(1, 1), record(1, 3)]));
        assert!(looks_skipped(&[record(1, 1), record(2, 2)]));
        for sound in [vec![], vec![record(1, 1), record(2, 1)], vec![record(1, 2), asleep(1, 1)]] {
            assert!(!looks_skipped(&sound));
        }
    }

    #[test]
    fn only_a_record_that_was_not_read_proves_it() {
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
