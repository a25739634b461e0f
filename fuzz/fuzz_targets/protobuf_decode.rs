//! The messages of the DTU's own protocol as readings.
#![no_main]

use hoymiles_bridge_fuzz::protobuf_decode::run;

libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
