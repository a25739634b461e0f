//! `[[target]]`: one WebSocket endpoint that receives updates.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::section::section;
use super::types::{ConnectTimeout, FilePath, Heartbeat, Name, Number, Token, WsUrl};

section! {
    /// One WebSocket endpoint that receives updates.
    pub struct TargetConfig {
        /// Your name for the target in the log and the API. Unique.
        name: String as Name = String::new(),
        /// `ws://` or `wss://`. Never logged beyond host and port.
        url: SecretString as WsUrl = SecretString::default(),
        /// Added to the URL as `?token=...`.
        token: Option<SecretString> as Option<Token> = None,
        /// A file that holds the token.
        token_file: Option<PathBuf> as Option<FilePath> = None,
        /// Limit for name look-up, TCP, TLS and WebSocket upgrade together.
        connect_timeout: Duration as ConnectTimeout = default_connect_timeout(),
        /// Time between two pings. A target that is silent for two of them is reconnected.
        heartbeat: Duration as Heartbeat = default_heartbeat(),
        /// A larger message from the target closes the connection.
        max_message_bytes: usize as Number<usize, 1_024, 67_108_864> = default_max_message_bytes(),
        /// An extra root certificate (PEM) for `wss://`.
        ca_file: Option<PathBuf> as Option<FilePath> = None,
    }
}

/// Limit for name look-up, TCP, TLS and upgrade together, unless configured.
pub const fn default_connect_timeout() -> Duration {
    Duration::from_secs(10)
}

/// Time between two pings, unless configured.
pub const fn default_heartbeat() -> Duration {
    Duration::from_secs(30)
}

/// Size of the largest message that a target may send, unless configured.
pub const fn default_max_message_bytes() -> usize {
    1 << 20
}
