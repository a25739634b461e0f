//! The HTTP API: the plant, targets and health as JSON, metrics for Prometheus, a page for browsers.
//!
//! `server` accepts and serves connections, `connections` limits them, `service` takes a request to
//! the handler that `router` names. Handlers read the snapshot; they never query a DTU.

mod respond;

mod request;

mod auth;

mod index_page;

mod metrics;

mod plant;

mod status;

mod targets;

mod router;

mod request_log;

mod service;

mod connections;

mod server;

#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::tz::TimeZone;
use secrecy::SecretString;

pub use self::server::{ListenError, listen, serve};
use crate::clock::WallClock;
use crate::config::HttpConfig;
use crate::snapshot::SnapshotReader;
use crate::targets::Directory;
use crate::telemetry::metrics::Metrics;

/// What handlers answer from.
#[derive(Debug)]
pub struct Api {
    /// The plant.
    pub snapshot: SnapshotReader,
    /// The WebSocket targets.
    pub targets: Directory,
    /// For ages and health.
    pub clock: WallClock,
    /// Of all times in responses.
    pub zone: TimeZone,
    /// If set, `/api` needs it.
    pub token: Option<SecretString>,
    /// Counts requests and connections; shown at `/metrics`.
    pub metrics: Metrics,
}

/// What a client may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections.
    pub max_connections: usize,
    /// For a request's header, and for the pause before it on a kept connection.
    pub header_timeout: Duration,
    /// Bytes of a request's header.
    pub max_header_bytes: usize,
    /// Lines of a request's header.
    pub max_headers: usize,
    /// For a request's whole body.
    pub body_timeout: Duration,
    /// How long a client may read nothing of a response.
    pub write_timeout: Duration,
}

impl From<&HttpConfig> for Limits {
    fn from(config: &HttpConfig) -> Self {
        Self {
            max_connections: config.max_connections,
            header_timeout: config.header_timeout,
            max_header_bytes: config.max_header_bytes,
            max_headers: config.max_headers,
            body_timeout: config.body_timeout,
            write_timeout: config.write_timeout,
        }
    }
}
