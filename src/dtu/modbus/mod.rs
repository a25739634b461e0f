//! Modbus-TCP: DTU-Pro and DTU-Pro-S on their Ethernet port.

mod batch;
pub mod client;
mod connection;
pub mod decode;
pub mod frame;
mod list;
pub mod scale;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

pub use self::client::ModbusDtu;
