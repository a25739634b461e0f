//! The fuzz targets and what they share: paused time, and a peer that answers from a script. The
//! bridge's own tests run them with the seeds.

pub mod script;
pub mod stream;

pub mod configuration;
pub mod modbus_decode;
pub mod modbus_repair;
pub mod protobuf_decode;
pub mod protobuf_frame;
pub mod registration;
pub mod target_messages;

use std::cell::OnceCell;

use tokio::runtime::{Builder, Runtime};

/// Runs a fuzz target with some bytes.
pub type Run = fn(&[u8]);

/// The name and function of each fuzz target.
pub const TARGETS: [(&str, Run); 7] = [
    ("configuration", configuration::run),
    ("modbus_decode", modbus_decode::run),
    ("modbus_repair", modbus_repair::run),
    ("protobuf_decode", protobuf_decode::run),
    ("protobuf_frame", protobuf_frame::run),
    ("registration", registration::run),
    ("target_messages", target_messages::run),
];

thread_local! {
    static PAUSED: OnceCell<Runtime> = const { OnceCell::new() };
}

/// Runs `task` in paused time, which skips every wait.
pub fn without_waiting<T>(task: impl Future<Output = T>) -> T {
    PAUSED.with(|runtime| {
        let new = || Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.get_or_init(|| new().expect("a runtime")).block_on(task)
    })
}
