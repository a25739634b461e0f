//! `[mqtt]`: the broker that Home Assistant finds the plant at. Without the section, MQTT is off.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

/// A broker, and what is published there under which names.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MqttConfig {
    /// Name or address; required.
    pub host: String,
    /// TCP port; by default 1883, or 8883 with TLS.
    pub port: Option<u16>,
    /// Name to log in with.
    pub username: Option<String>,
    /// Password to log in with.
    pub password: Option<SecretString>,
    /// A file that holds the password.
    pub password_file: Option<PathBuf>,
    /// Whether to speak TLS.
    pub tls: bool,
    /// An extra trust root.
    pub ca_file: Option<PathBuf>,
    /// A certificate that names us to the broker.
    pub client_cert: Option<PathBuf>,
    /// Its private key.
    pub client_key: Option<PathBuf>,
    /// Where Home Assistant looks for devices.
    pub discovery_prefix: String,
    /// Where Home Assistant says that it has started; by default `status` below
    /// `discovery_prefix`.
    pub birth_topic: Option<String>,
    /// Whether ports are devices of their own below their inverter, for which Home Assistant
    /// before 2026.9 refuses the whole inverter.
    pub child_devices: bool,
    /// What all other topics begin with. Two bridges at one broker need two of them.
    pub topic_prefix: String,
    /// MQTT's quality of service for all that is published, 0 to 2.
    pub qos: u8,
    /// Our name for the broker; by default made from `topic_prefix`, so that it never changes.
    pub client_id: Option<String>,
}

impl Default for MqttConfig {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: None,
            username: None,
            password: None,
            password_file: None,
            tls: false,
            ca_file: None,
            client_cert: None,
            client_key: None,
            discovery_prefix: "homeassistant".to_owned(),
            birth_topic: None,
            child_devices: false,
            topic_prefix: "hoymiles".to_owned(),
            qos: 1,
            client_id: None,
        }
    }
}

impl MqttConfig {
    /// The port that is dialled.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls { 8883 } else { 1883 })
    }

    /// Host and port as one text.
    pub fn place(&self) -> String {
        // An IPv6 address and its port need brackets between them.
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port())
        } else {
            format!("{}:{}", self.host, self.port())
        }
    }

    /// Our name for the broker.
    pub fn client_id(&self) -> String {
        self.client_id.clone().unwrap_or_else(|| format!("{}-bridge", self.topic_prefix))
    }

    /// Where Home Assistant says that it has started.
    pub fn birth_topic(&self) -> String {
        self.birth_topic.clone().unwrap_or_else(|| format!("{}/status", self.discovery_prefix))
    }
}
