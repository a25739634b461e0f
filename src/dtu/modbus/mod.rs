//! Modbus-TCP: DTU-Pro and DTU-Pro-S on their Ethernet port.

mod batch;
pub mod client;
mod connection;
pub mod decode;
pub mod frame;
mod list;
pub mod scale;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;

pub use self::client::ModbusDtu;
