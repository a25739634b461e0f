//! Time to decode the records of a plant of 100 ports into readings.

use divan::{Bencher, black_box};
use hoymiles_bridge::dtu::modbus::decode::{PortRecord, inverters, port_record};
use hoymiles_bridge::dtu::modbus::scale::Scales;

const PORTS: u8 = 100;

fn main() {
    divan::main();
}

/// One live record; port 1 to 4 of one of 25 inverters.
fn record(index: u8) -> [u8; 40] {
    let mut record = [0; 40];
    let fields = [
        &[0x0c, 0x11, 0x61, 0xa0, 0, 0, 1 + index / 4, 1 + index % 4][..],
        &[0x01, 0x56, 0x01, 0xfd, 0x09, 0x57, 0x13, 0x8b, 0x06, 0xc8, 0x02, 0xbd],
        &[0, 3, 0xd1, 0x58, 1, 0x79, 0, 3, 0, 0, 0, 4, 1, 7],
    ];
    for (place, byte) in record.iter_mut().zip(fields.concat()) {
        *place = byte;
    }
    record
}

#[divan::bench]
fn plant_of_100_ports(bencher: Bencher<'_, '_>) {
    let records: Vec<[u8; 40]> = (0..PORTS).map(record).collect();
    let mut scales = Scales::default();
    bencher.bench_local(move || {
        let decoded: Vec<PortRecord> = black_box(&records)
            .iter()
            .filter_map(|record| port_record(record).ok().flatten())
            .collect();
        let inverters = inverters(&decoded, &mut scales);
        assert_eq!(inverters.len(), 25);
        inverters
    });
}
