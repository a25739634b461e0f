//! `[http]`: the HTTP server and who may register targets with it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use super::duration;

/// The HTTP server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// If set, `/api` needs `Authorization: Bearer <token>`.
    pub token: Option<SecretString>,
    /// A file that holds the token.
    pub token_file: Option<PathBuf>,
    /// How many connections are open at once.
    pub max_connections: usize,
    /// How long a client may take to send its request's header.
    #[serde(deserialize_with = "duration::deserialize")]
    pub header_timeout: Duration,
    /// How many bytes such a header may have.
    pub max_header_bytes: usize,
    /// How many lines such a header may have.
    pub max_headers: usize,
    /// How long a client may take to send its request's body.
    #[serde(deserialize_with = "duration::deserialize")]
    pub body_timeout: Duration,
    /// How long a client may take nothing of an answer.
    #[serde(deserialize_with = "duration::deserialize")]
    pub write_timeout: Duration,
    /// Who may register targets.
    pub registration: RegistrationConfig,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
            token: None,
            token_file: None,
            max_connections: 256,
            header_timeout: Duration::from_secs(10),
            max_header_bytes: 64 << 10,
            max_headers: 100,
            // The longest body over the slowest of home networks.
            body_timeout: Duration::from_secs(10),
            // Who takes nothing for so long is not reading any more.
            write_timeout: Duration::from_secs(30),
            registration: RegistrationConfig::default(),
        }
    }
}

/// Who may register targets.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegistrationConfig {
    /// Whether `POST /api/websocket/register` is answered at all.
    pub enabled: bool,
    /// Where targets may be: `private`, `any`, CIDR blocks, host names.
    pub allow: Vec<String>,
    /// How many registered targets are kept at most.
    pub max_targets: usize,
}

impl Default for RegistrationConfig {
    fn default() -> Self {
        Self { enabled: true, allow: vec!["private".to_owned()], max_targets: 16 }
    }
}
