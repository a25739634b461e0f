//! The whole house: the real binary, real sockets, simulated DTUs. One binary, since linking is
//! what takes time.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on shall say where"
)]

mod support;

mod abuse;
mod addon;
mod commands;
mod configuration;
mod container;
mod doctor;
mod end_to_end;
mod faults;
mod memory;
mod mqtt;
mod process;
mod protobuf;
mod registration;
mod reload;
mod restart;
mod shutdown;
mod soak;
mod targets;
mod truth;
