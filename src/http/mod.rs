//! The HTTP API: the plant, targets and health as JSON, metrics for Prometheus, the dashboard.
//!
//! `server` accepts and serves connections, `connections` limits them, `service` takes a request to
//! the handler that `router` names. Handlers read the snapshot; they never query a DTU.

mod redact;
mod request;
mod respond;

mod access;
mod client;
mod session;

mod cache;
mod dashboard;
mod diagnostics;

mod history;
mod metrics;
mod plant;

mod stream;
mod targets;

mod request_log;
mod router;

mod connections;
mod service;

mod server;

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use self::access::Access;
use self::cache::Cache;
pub use self::diagnostics::About;
pub use self::server::{ListenError, listen, serve};
use self::stream::Hub;
use crate::clock::WallClock;
use crate::config::HttpConfig;
use crate::history::History;
use crate::snapshot::SnapshotReader;
use crate::targets::Directory;
use crate::targets::broker::BrokerStatus;
use crate::telemetry::metrics::Metrics;

/// What the API shows.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Sources {
    pub snapshot: SnapshotReader,
    pub targets: Directory,
    pub clock: WallClock,
    /// Of all times in responses.
    pub zone: TimeZone,
    pub metrics: Metrics,
    pub history: History,
    pub broker: BrokerStatus,
    pub about: About,
    /// In Home Assistant's add-on: the proxy whose requests have passed its login.
    pub ingress_proxy: Option<IpAddr>,
}

/// What handlers answer from.
#[derive(Debug)]
struct Api {
    snapshot: SnapshotReader,
    targets: Directory,
    clock: WallClock,
    zone: TimeZone,
    metrics: Metrics,
    access: Access,
    cache: Cache,
    stream: Hub,
    history: history::Readers,
    broker: BrokerStatus,
    about: About,
}

impl Api {
    /// An API whose streams end at the stop.
    fn new(sources: Sources, config: &HttpConfig, stop: CancellationToken) -> Self {
        let stream = Hub::new(&sources, config.max_stream_clients, stop);
        let Sources {
            snapshot,
            targets,
            clock,
            zone,
            metrics,
            history,
            broker,
            about,
            ingress_proxy,
        } = sources;
        let (access, cache) = (Access::new(config, ingress_proxy), Cache::default());
        let history = history::Readers::new(history);
        Self {
            snapshot,
            targets,
            clock,
            zone,
            metrics,
            access,
            cache,
            stream,
            history,
            broker,
            about,
        }
    }
}
