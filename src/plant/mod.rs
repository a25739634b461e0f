//! What a solar plant is: quantities, serial numbers, readings, energy. Pure: no socket, no clock,
//! no log, no serde.

pub mod units;

pub mod serial;

pub mod model;

pub mod reading;

pub mod meter;

pub mod codes;

pub mod ledger;
