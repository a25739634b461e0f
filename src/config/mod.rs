//! The configuration as one struct: a section of the file each, with defaults and checks.

mod addon;
mod describe;
pub mod dtu;
mod files;
pub mod http;
pub mod load;
pub mod log;
pub mod mqtt;
mod section;
pub mod target;
mod types;
mod validate;
mod warnings;
pub mod websocket_url;

use std::path::PathBuf;
use std::time::Duration;

pub use self::addon::{Supervisor, SupervisorBroker};
pub use self::describe::describe;
pub use self::dtu::{DtuConfig, Protocol};
pub use self::http::{HttpConfig, RegistrationConfig};
pub use self::log::{LogConfig, LogFormat};
pub use self::mqtt::MqttConfig;
pub use self::section::Key;
use self::section::{Setting, section};
pub use self::target::TargetConfig;
use self::types::{FilePath, Interval, ZoneName};
pub use self::types::{NameError, check_name};

section! {
    /// Everything that a user can set.
    pub struct Config {
        /// IANA name of your time zone. "Today" starts at midnight here.
        timezone: String as ZoneName = "UTC".to_owned(),
        /// Folder for everything that must survive a restart: energy counters, last values,
        /// registered targets. The container image sets it to `/data`.
        state_dir: PathBuf as FilePath = PathBuf::from("data"),
        /// How often DTUs are polled.
        poll: PollConfig as PollConfig = PollConfig::default(),
        /// The DTUs.
        dtus("dtu"): Vec<DtuConfig> as Vec<DtuConfig> = Vec::new(),
        /// The WebSocket endpoints that receive updates.
        targets("target"): Vec<TargetConfig> as Vec<TargetConfig> = Vec::new(),
        /// The MQTT broker; `None` without such a section.
        mqtt: Option<MqttConfig> as Option<MqttConfig> = None,
        /// The HTTP server.
        http: HttpConfig as HttpConfig = HttpConfig::default(),
        /// The log.
        log: LogConfig as LogConfig = LogConfig::default(),
    }
}

section! {
    /// How often DTUs are polled.
    pub struct PollConfig {
        /// From the start of one poll to the start of the next. Several DTU models become
        /// unreliable when they are polled more often than every 30 seconds.
        interval: Duration as Interval = Duration::from_secs(60),
    }
}

impl Config {
    /// Every key there is, in the order of the example file.
    pub fn keys() -> Vec<Key> {
        let root = Key {
            path: String::new(),
            expected: "".into(),
            default: None,
            description: "",
            is_required: false,
            is_secret: false,
            is_in_list: false,
        };
        let mut keys = Vec::new();
        Self::list(root, &mut keys);
        keys
    }
}

#[cfg(test)]
mod tests;
