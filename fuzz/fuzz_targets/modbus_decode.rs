//! Records of the Modbus list, decoded and grouped by inverter.
#![no_main]

use hoymiles_bridge_fuzz::modbus_decode::run;

libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
