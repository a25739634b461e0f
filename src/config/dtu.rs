//! `[[dtu]]`: one DTU to ask.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use super::duration;

/// The shortest interval at which a DTU on its own protocol was seen to give new values.
pub const PROTOBUF_INTERVAL: Duration = Duration::from_secs(35);

/// The pause after which a DTU on its own protocol is asked again: requests that follow each other
/// faster disturb the vendor's cloud and app.
pub const PROTOBUF_REQUEST_GAP: Duration = Duration::from_secs(2);

/// One DTU to ask.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DtuConfig {
    /// Names it in the log, in the API and in metrics; unique.
    pub name: String,
    /// Which language it speaks.
    pub protocol: Protocol,
    /// Name or address; not needed for a simulated one.
    #[serde(default)]
    pub host: String,
    /// TCP port; by default that of the protocol.
    #[serde(default)]
    pub port: Option<u16>,
    /// Modbus unit identifier.
    #[serde(default = "default_unit_id")]
    pub unit_id: u8,
    /// How long one request may take, connecting included.
    #[serde(default = "default_timeout", deserialize_with = "duration::deserialize")]
    pub timeout: Duration,
    /// How often one request is tried again before the poll counts as failed.
    #[serde(default = "default_retries")]
    pub retries: u32,
    /// Pause between the end of one request and the start of the next.
    #[serde(default, deserialize_with = "duration::deserialize_option")]
    pub request_gap: Option<Duration>,
    /// How many port records one Modbus request asks for, 1 to 6.
    #[serde(default = "default_records_per_read")]
    pub records_per_read: u8,
    /// Protobuf only: ask the DTU to read its inverters all the time instead of every half minute.
    #[serde(default)]
    pub performance_mode: bool,
    /// Protobuf only: leave the DTU alone while it sends its values to its maker's cloud.
    #[serde(default)]
    pub avoid_cloud_upload: bool,
    /// From the start of one poll to the start of the next; by default that of `[poll]`. See
    /// [`interval_or`](Self::interval_or).
    #[serde(default, deserialize_with = "duration::deserialize_option")]
    pub interval: Option<Duration>,
    /// Serial numbers of inverters to leave out.
    #[serde(default)]
    pub exclude: Vec<String>,
}

impl DtuConfig {
    /// A DTU with the defaults of its protocol.
    pub fn new(name: &str, protocol: Protocol, host: &str) -> Self {
        Self {
            name: name.to_owned(),
            protocol,
            host: host.to_owned(),
            port: None,
            unit_id: default_unit_id(),
            timeout: default_timeout(),
            retries: default_retries(),
            request_gap: None,
            records_per_read: default_records_per_read(),
            performance_mode: false,
            avoid_cloud_upload: false,
            interval: None,
            exclude: Vec::new(),
        }
    }

    /// From the start of one poll to the start of the next, where `usual` is that of `[poll]`.
    ///
    /// A DTU on its own protocol reads its inverters every 30 s or so. Who asks it sooner gets the
    /// old values, begins that wait anew and keeps it from reaching its maker's cloud, so that the
    /// values freeze for everybody.
    pub fn interval_or(&self, usual: Duration) -> Duration {
        let wanted = self.interval.unwrap_or(usual);
        match self.protocol {
            Protocol::Protobuf => wanted.max(PROTOBUF_INTERVAL),
            Protocol::Modbus | Protocol::Simulated => wanted,
        }
    }

    /// The port that is dialled.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.protocol {
            Protocol::Modbus | Protocol::Simulated => 502,
            Protocol::Protobuf => 10081,
        })
    }
}

/// Which language a DTU speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Modbus-TCP: DTU-Pro and DTU-Pro-S on their Ethernet port.
    Modbus,
    /// The DTU's own protocol on TCP port 10081.
    Protobuf,
    /// A plant that the bridge simulates itself.
    Simulated,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Modbus => "modbus",
            Self::Protobuf => "protobuf",
            Self::Simulated => "simulated",
        })
    }
}

const fn default_unit_id() -> u8 {
    1
}

const fn default_timeout() -> Duration {
    Duration::from_secs(3)
}

const fn default_retries() -> u32 {
    3
}

const fn default_records_per_read() -> u8 {
    1
}
