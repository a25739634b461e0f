//! A configuration file and the environment over it.
#![no_main]

use hoymiles_bridge_fuzz::configuration::run;

libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
