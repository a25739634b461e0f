//! The HTTP API: what the bridge knows and what it can be told, as JSON and as figures for Prometheus.
//!
//! A request passes `server` (accept), `connection` (one client), `answer` (log, access, route),
//! one handler, and leaves through `respond`. Handlers read the snapshot; they never ask a DTU.

mod router;

mod respond;

mod access;

mod head;

mod framing;

mod answer;

mod status;

mod front;

mod plant;

mod figures;

mod targets;

mod body;

mod limits;

mod seats;

mod patience;

mod courtesy;

mod receiving;

mod telling;

mod connection;

mod server;

#[cfg(test)]
mod fake;

#[cfg(test)]
mod tests;

use jiff::tz::TimeZone;
use secrecy::SecretString;

pub use self::limits::Limits;
pub use self::server::{ListenError, listen, serve};
use crate::clock::WallClock;
use crate::snapshot::SnapshotReader;
use crate::targets::Directory;
use crate::telemetry::metrics::Metrics;

/// What the handlers answer from.
#[derive(Debug)]
pub struct Api {
    /// The plant.
    pub snapshot: SnapshotReader,
    /// The WebSocket targets.
    pub targets: Directory,
    /// Tells how old an answer is.
    pub clock: WallClock,
    /// In which times are written.
    pub zone: TimeZone,
    /// If set, `/api` needs it.
    pub token: Option<SecretString>,
    /// Counts requests and connections, and is what `/metrics` shows.
    pub metrics: Metrics,
}
