//! `[[target]]`: one WebSocket endpoint that receives updates.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use super::duration;

/// One WebSocket endpoint that receives updates.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetConfig {
    /// Names it in the log and in the API; unique.
    pub name: String,
    /// `ws://` or `wss://`; may carry the token in its query, so it is as secret as the token.
    pub url: SecretString,
    /// Goes into the URL's `token` query parameter.
    #[serde(default)]
    pub token: Option<SecretString>,
    /// A file that holds the token.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Name look-up, TCP, TLS and upgrade together.
    #[serde(default = "default_connect_timeout", deserialize_with = "duration::deserialize")]
    pub connect_timeout: Duration,
    /// Between two protocol pings; a target silent for two of them is reconnected.
    #[serde(default = "default_heartbeat", deserialize_with = "duration::deserialize")]
    pub heartbeat: Duration,
    /// A larger message of the target ends the connection.
    #[serde(default = "default_max_message_bytes")]
    pub max_message_bytes: usize,
    /// An extra trust root for `wss://`.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// Time for name look-up, TCP, TLS and upgrade together, unless configured.
pub const fn default_connect_timeout() -> Duration {
    Duration::from_secs(10)
}

/// Time between two protocol pings, unless configured.
pub const fn default_heartbeat() -> Duration {
    Duration::from_secs(30)
}

/// Size of the largest message that a target may send, unless configured: it has little to say.
pub const fn default_max_message_bytes() -> usize {
    1 << 20
}
