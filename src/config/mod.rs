//! The configuration as one struct: a section of the file each, defaults included.

pub mod duration;

pub mod dtu;

pub mod http;

pub mod log;

pub mod mqtt;

pub mod target;

pub mod name;

pub mod websocket_url;

pub mod load;

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

pub use self::dtu::{DtuConfig, Protocol};
pub use self::http::{HttpConfig, RegistrationConfig};
pub use self::log::{LogConfig, LogFormat};
pub use self::mqtt::MqttConfig;
pub use self::target::TargetConfig;

/// Everything that a user can set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// IANA name of the zone in which a day begins.
    pub timezone: String,
    /// Where what must survive a restart is kept.
    pub state_dir: PathBuf,
    /// How often DTUs are asked.
    pub poll: PollConfig,
    /// The DTUs.
    #[serde(rename = "dtu")]
    pub dtus: Vec<DtuConfig>,
    /// The WebSocket endpoints that receive updates.
    #[serde(rename = "target")]
    pub targets: Vec<TargetConfig>,
    /// The MQTT broker; none unless there is such a section.
    pub mqtt: Option<MqttConfig>,
    /// The HTTP server.
    pub http: HttpConfig,
    /// The log.
    pub log: LogConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timezone: "UTC".to_owned(),
            state_dir: PathBuf::from("data"),
            poll: PollConfig::default(),
            dtus: Vec::new(),
            targets: Vec::new(),
            mqtt: None,
            http: HttpConfig::default(),
            log: LogConfig::default(),
        }
    }
}

/// How often DTUs are asked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PollConfig {
    /// From the start of one poll to the start of the next; 5 s at least.
    #[serde(deserialize_with = "duration::deserialize")]
    pub interval: Duration,
}

impl Default for PollConfig {
    fn default() -> Self {
        Self { interval: Duration::from_secs(60) }
    }
}
