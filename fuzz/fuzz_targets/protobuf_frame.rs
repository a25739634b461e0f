//! Frames of the DTU's own protocol: cut out of a stream, and as the answers of a whole poll.
#![no_main]

use hoymiles_bridge_fuzz::protobuf_frame::run;

libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
