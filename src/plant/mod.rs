//! What a solar plant is: quantities, serial numbers, readings, energy. Pure: no socket, no clock,
//! no log, no serde.

pub mod serial;
pub mod units;

pub mod model;
pub mod reading;

pub mod codes;
pub mod day_curve;
pub mod identity;
pub mod meter;

pub mod ledger;
