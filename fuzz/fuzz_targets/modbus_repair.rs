//! A whole poll of a DTU with answers that need repair or cannot be repaired.
#![no_main]

use hoymiles_bridge_fuzz::modbus_repair::run;

libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
