//! What a target sends once its WebSocket is open, before and after it accepted.
#![no_main]

use hoymiles_bridge_fuzz::target_messages::run;

libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
