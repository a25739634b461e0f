//! The DTU's own protocol on TCP port 10081: protobuf messages in small frames, encrypted by newer
//! firmware.

pub mod app_info;
mod client;
mod connection;
pub mod crypto;
pub mod decode;
pub mod frame;
pub mod messages;
mod packets;
mod refresh;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use std::time::Duration;

use jiff::tz::TimeZone;

pub use self::client::ProtobufDtu;
use crate::config::DtuConfig;
use crate::config::dtu::{PROTOBUF_INTERVAL, PROTOBUF_REQUEST_GAP};
use crate::plant::serial::InverterSerial;

/// How one DTU is read.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the other fields are those of `DtuConfig`")]
pub struct Settings {
    pub name: String,
    pub timeout: Duration,
    pub retries: u32,
    pub request_gap: Duration,
    /// The least time between two polls' requests for values.
    pub refresh: Duration,
    pub performance_mode: bool,
    pub avoid_cloud_upload: bool,
    pub exclude: Vec<InverterSerial>,
    /// The DTU's time zone: requests contain the local time.
    pub zone: TimeZone,
}

impl Settings {
    /// The configured settings; the time zone is the plant's.
    pub fn of(config: &DtuConfig, zone: TimeZone) -> Self {
        Self {
            name: config.name.clone(),
            timeout: config.timeout,
            retries: config.retries,
            request_gap: config.request_gap.unwrap_or(PROTOBUF_REQUEST_GAP),
            refresh: PROTOBUF_INTERVAL,
            performance_mode: config.performance_mode,
            avoid_cloud_upload: config.avoid_cloud_upload,
            exclude: config.exclude.iter().filter_map(|serial| serial.parse().ok()).collect(),
            zone,
        }
    }
}
