//! The register map of a DTU-Pro, as data.
//!
//! Source: the vendor's "Modbus Implementation Technical Note" V1.2 for the 3Gen DTU-Pro, and the
//! programs in the field that agree with it. Addresses count **bytes**: neighbours differ by one
//! byte, although each register read from there carries two.

/// Where the list of port records begins.
pub const RECORDS: u16 = 0x1000;

/// From one record to the next, in addresses and in bytes alike.
pub const RECORD_BYTES: u16 = 40;

/// One record, in registers.
pub const RECORD_REGISTERS: u16 = 20;

/// The longest list that the note allows.
pub const MAX_RECORDS: u16 = 99;

/// A Modbus answer has room for 125 registers: six records.
pub const MAX_RECORDS_PER_READ: u8 = 6;

/// Where the DTU's own serial number stands.
pub const DTU_SERIAL: u16 = 0x2000;

/// The DTU's own serial number, in registers.
pub const DTU_SERIAL_REGISTERS: u16 = 3;

/// First byte of each record of a real DTU, the null record included.
pub const DATA_TYPE: u8 = 0x0c;

/// First byte as the note prints it; only an emulation has been seen to send it.
pub const DATA_TYPE_AS_PRINTED: u8 = 0x3c;

/// Where in a record the constant stands.
pub const CONSTANT_OFFSET: usize = 33;

/// The constant of each record, the null record included.
pub const CONSTANT: u8 = 0x07;

/// One reading of consecutive registers with function 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// The first byte's address.
    pub address: u16,
    /// In registers.
    pub count: u16,
}

impl Read {
    /// Record `index`, counted from 0.
    pub const fn record(index: u16) -> Self {
        Self::records(index, 1)
    }

    /// `count` records from `index` on.
    pub const fn records(index: u16, count: u16) -> Self {
        Self {
            address: RECORDS.saturating_add(RECORD_BYTES.saturating_mul(index)),
            count: RECORD_REGISTERS.saturating_mul(count),
        }
    }

    /// The second record of a device whose addresses count words, as emulations have it; amid the
    /// first two of a DTU.
    pub const fn second_record_by_words() -> Self {
        Self { address: RECORDS.saturating_add(RECORD_REGISTERS), count: RECORD_REGISTERS }
    }

    /// The DTU's own serial number.
    pub const fn dtu_serial() -> Self {
        Self { address: DTU_SERIAL, count: DTU_SERIAL_REGISTERS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_stand_where_the_note_has_them() {
        for (index, address) in [(0, 0x1000), (1, 0x1028), (6, 0x10f0), (98, 0x1f50)] {
            assert_eq!(Read::record(index), Read { address, count: 20 });
        }
        assert_eq!(Read::records(0, 6), Read { address: 0x1000, count: 120 });
    }
}
