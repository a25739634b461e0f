//! Records of the Modbus list, decoded and grouped by inverter.

use hoymiles_bridge::dtu::modbus::decode::{dtu_serial, inverters, port_record};
use hoymiles_bridge::dtu::modbus::scale::Scales;

/// Runs this fuzz target once.
pub fn run(data: &[u8]) {
    drop(dtu_serial(data).map(|serial| serial.to_string()));
    let mut records = Vec::new();
    for chunk in data.chunks(40) {
        let record = port_record(chunk);
        assert!(record.is_ok() || chunk.len() < 40, "a whole record can be read");
        records.extend(record.ok().flatten());
    }
    let mut scales = Scales::default();
    let first = inverters(&records, &mut scales);
    for inverter in &first {
        let numbers: Vec<u8> = inverter.ports.iter().map(|port| port.number).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "ports ascend: {numbers:?}");
    }
    assert_eq!(inverters(&records, &mut scales).len(), first.len());
}
