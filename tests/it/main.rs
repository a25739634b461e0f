//! Integration tests: the real binary, real sockets, simulated DTUs. They are one test binary
//! because linking takes most of the build time.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step of a test should say where"
)]

#[expect(unreachable_pub, reason = "a library in the fuzz workspace")]
#[path = "../../fuzz/src/lib.rs"]
mod fuzz;
mod support;

mod abuse;
mod addon;
mod commands;
mod configuration;
mod container;
mod discover;
mod doctor;
mod end_to_end;
mod faults;
mod history;
mod identity;
mod init;
mod mdns;
mod memory;
mod mqtt;
mod process;
mod protobuf;
mod registration;
mod reload;
mod reports;
mod restart;
mod seeds;
mod shutdown;
mod soak;
mod targets;
mod totals;
mod truth;
mod unread;
