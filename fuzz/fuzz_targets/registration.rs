//! The body of a registration through the real HTTP server, and the URL of a target.
#![no_main]

use hoymiles_bridge_fuzz::registration::run;

libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
