//! A bridge from Hoymiles DTUs to Home Assistant and other WebSocket targets.
//!
//! Data flows one way: **DTU → poller → snapshot → push and HTTP**. The modules below are
//! listed from the lowest layer to the highest, and each may use only lower ones; `tests/tidy.rs`
//! holds the table.

pub mod files;
pub mod problem;
pub mod sanitize;

pub mod clock;
pub mod config;
pub mod entities;
pub mod net;
pub mod plant;
pub mod tasks;
pub mod telemetry;

pub mod addon;
pub mod dtu;
pub mod history;
pub mod snapshot;
pub mod store;
pub mod targets;

pub mod http;
pub mod mdns;
pub mod mqtt;
pub mod poller;
pub mod push;
pub mod sim;

pub mod app;
pub mod cli;
