//! The HTTP API: the plant, targets and health as JSON, metrics for Prometheus, a page for browsers.
//!
//! `server` accepts and serves connections, `connections` limits them, `service` takes a request to
//! the handler that `router` names. Handlers read the snapshot; they never query a DTU.

mod request;
mod respond;

mod auth;
mod index_page;

mod metrics;
mod plant;

mod targets;

mod request_log;
mod router;

mod connections;
mod service;

mod server;

#[cfg(test)]
mod tests;

use jiff::tz::TimeZone;
use secrecy::SecretString;

pub use self::server::{ListenError, listen, serve};
use crate::clock::WallClock;
use crate::snapshot::SnapshotReader;
use crate::targets::Directory;
use crate::telemetry::metrics::Metrics;

/// What handlers answer from.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Api {
    pub snapshot: SnapshotReader,
    pub targets: Directory,
    pub clock: WallClock,
    /// Of all times in responses.
    pub zone: TimeZone,
    /// If set, `/api` needs it.
    pub token: Option<SecretString>,
    pub metrics: Metrics,
}
