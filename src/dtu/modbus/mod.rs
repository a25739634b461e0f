//! Modbus-TCP: the DTU-Pro and the DTU-Pro-S on their Ethernet port.

pub mod registers;

pub mod decode;

pub mod scale;

pub mod inverters;

mod repair;

mod link;

mod batch;

mod addressing;

pub mod client;

#[cfg(test)]
mod fake;

#[cfg(test)]
mod vectors;

#[cfg(test)]
mod polls;

pub use self::client::ModbusDtu;
