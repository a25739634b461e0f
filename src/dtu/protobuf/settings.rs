//! How one DTU is asked.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::config::DtuConfig;
use crate::config::dtu::{PROTOBUF_INTERVAL, PROTOBUF_REQUEST_GAP};
use crate::plant::serial::InverterSerial;

/// How one DTU is asked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// As the configuration names it, for the log.
    pub name: String,
    /// How long one request may take, connecting included.
    pub timeout: Duration,
    /// How often one request is tried again before the poll counts as failed.
    pub retries: u32,
    /// Pause between the end of one request and the start of the next.
    pub request_gap: Duration,
    /// How long after it was asked for values the next poll may ask for them again.
    pub refresh: Duration,
    /// Ask the DTU to read its inverters all the time.
    pub performance_mode: bool,
    /// Leave the DTU alone while it sends to the cloud.
    pub avoid_cloud_upload: bool,
    /// Inverters to leave out.
    pub exclude: Vec<InverterSerial>,
    /// Where the DTU stands: requests carry the local time.
    pub zone: TimeZone,
}

impl Settings {
    /// As configured; the zone is the plant's.
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
