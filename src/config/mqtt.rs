//! `[mqtt]`: the broker where Home Assistant discovers the plant. Without the section, MQTT is off.

use std::path::PathBuf;

use secrecy::SecretString;

use super::section::section;
use super::types::{Bool, BrokerHost, FilePath, Login, Number, Password, Port, Topic};

section! {
    /// A broker, and what is published there under which names.
    pub struct MqttConfig {
        /// Name or IP address. Required.
        host: String as BrokerHost = String::new(),
        /// TCP port; by default 1883, or 8883 with TLS.
        port: Option<u16> as Option<Port> = None,
        /// User name, if the broker needs a login.
        username: Option<String> as Option<Login> = None,
        /// Password of that user.
        password: Option<SecretString> as Option<Password> = None,
        /// A file that holds the password.
        password_file: Option<PathBuf> as Option<FilePath> = None,
        /// Whether to use TLS.
        tls: bool as Bool = false,
        /// An extra root certificate (PEM).
        ca_file: Option<PathBuf> as Option<FilePath> = None,
        /// A client certificate (PEM).
        client_cert: Option<PathBuf> as Option<FilePath> = None,
        /// The key of the client certificate.
        client_key: Option<PathBuf> as Option<FilePath> = None,
        /// Topic prefix that Home Assistant uses for discovery.
        discovery_prefix: String as Topic = "homeassistant".to_owned(),
        /// Topic of Home Assistant's birth message; by default `status` below `discovery_prefix`.
        birth_topic: Option<String> as Option<Topic> = None,
        /// Whether each port is a device of its own below its inverter. Needs Home Assistant
        /// 2026.9; older versions then reject the inverters.
        child_devices: bool as Bool = false,
        /// Prefix of all other topics. Two bridges on one broker need different ones.
        topic_prefix: String as Topic = "hoymiles".to_owned(),
        /// MQTT quality of service.
        qos: u8 as Number<u8, 0, 2> = 1,
        /// Client identifier; by default derived from `topic_prefix`.
        client_id: Option<String> as Option<Login> = None,
    }
}

impl MqttConfig {
    /// The port to connect to.
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

    /// The client identifier at the broker.
    pub fn client_id(&self) -> String {
        self.client_id.clone().unwrap_or_else(|| format!("{}-bridge", self.topic_prefix))
    }

    /// Where Home Assistant announces that it has started.
    pub fn birth_topic(&self) -> String {
        self.birth_topic.clone().unwrap_or_else(|| format!("{}/status", self.discovery_prefix))
    }
}
