//! The DTU's own protocol on TCP port 10081: protobuf messages in small frames, encrypted by newer
//! programs.

pub mod command;

pub mod frame;

mod crc;

pub mod crypto;

pub mod messages;

pub mod version;

pub mod request;

pub mod app_info;

pub mod decode;

mod packets;

mod info_packets;

mod freshness;

mod sequence;

mod pace;

mod session;

mod settings;

mod upload;

mod connection;

mod accept;

mod client;

pub use self::client::ProtobufDtu;
pub use self::settings::Settings;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
