//! A whole poll of a DTU whose answers need mending, or are beyond it.
#![no_main]

use hoymiles_bridge_fuzz::modbus_repair::run;

libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
