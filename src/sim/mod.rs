//! A plant that is not there: DTUs with a day's sun behind them, deterministic by seed, in the real
//! wire format, with faults by name.
//!
//! It ships with the bridge: `simulate` is for those who test their own clients, `demo` for those
//! who want to see the bridge work before they own a DTU. It knows nothing of the bridge's own
//! client, so that a mistake in one is not hidden by the same mistake in the other.

mod chance;
mod sky;

pub mod moment;

pub mod plant;

pub mod fault;

pub mod faults;

mod distortion;

pub mod simulation;

pub mod observed;

mod delivery;

pub mod conversation;

pub mod server;

pub mod modbus;

pub mod protobuf;

pub mod builtin;
