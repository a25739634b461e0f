//! The whole house: the real binary, real sockets, simulated DTUs. One binary, since linking is
//! what takes time.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on shall say where"
)]

#[expect(unreachable_pub, reason = "elsewhere it is a library")]
#[path = "../../fuzz/src/lib.rs"]
mod fuzz;
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
mod seeds;
mod shutdown;
mod soak;
mod targets;
mod truth;
