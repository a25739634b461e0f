//! The live stream: what changes in the plant becomes messages, each serialised once for all clients.
//!
//! The newest messages are kept in a [`Feed`], which a client reads at its own pace: one that lags
//! skips to the newest of each DTU, one that was away for a moment gets what it missed.

pub(super) mod events;
pub(super) mod feed;
mod subscriber;
#[cfg(test)]
mod tests;
pub(super) mod websocket;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::feed::{Feed, Kind};
use super::Sources;
use super::request::Context;
use super::respond::{self, Response};
use crate::clock::WallClock;
use crate::snapshot::json::time;
use crate::snapshot::{Snapshot, SnapshotReader};
use crate::targets::broker::BrokerStatus;
use crate::targets::{Directory, TargetStatus};
use crate::telemetry::metrics::Metrics;

/// How often the targets' states are compared.
const TARGETS_EVERY: Duration = Duration::from_secs(1);
/// For so long after the last client has left, messages are kept for its return.
const KEPT_FOR: Duration = Duration::from_secs(300);

/// Where clients of the stream and the snapshot meet. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Hub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    feed: watch::Sender<Arc<Feed>>,
    clients: Mutex<BTreeMap<u64, Arc<Client>>>,
    next_client: AtomicU64,
    /// When the last client left.
    left: Mutex<Option<Instant>>,
    places: Arc<Semaphore>,
    broker: BrokerStatus,
    clock: WallClock,
    zone: TimeZone,
    metrics: Metrics,
    stop: CancellationToken,
}

/// One client as `GET /api/stream` shows it.
#[derive(Debug)]
struct Client {
    address: IpAddr,
    transport: &'static str,
    since: Timestamp,
    messages: AtomicU64,
    skipped: AtomicU64,
    /// The number of the newest message that it was sent.
    seq: AtomicU64,
    last: Mutex<Option<Timestamp>>,
}

#[derive(Debug, Serialize)]
struct ClientJson {
    address: String,
    transport: &'static str,
    since: String,
    messages: u64,
    skipped: u64,
    last: Option<String>,
    /// How many messages it is behind.
    lag: u64,
}

impl Hub {
    /// A stream that begins with the present snapshot, for at most `most_clients` at once.
    pub(super) fn new(sources: &Sources, most_clients: usize, stop: CancellationToken) -> Self {
        let Sources { snapshot, clock, zone, metrics, broker, .. } = sources;
        // Above every number of an earlier process, which had no message per millisecond.
        let first = u64::try_from(clock.now().as_millisecond()).unwrap_or(0);
        let feed =
            watch::Sender::new(Arc::new(Feed::new(first, snapshot.latest(), broker.clone())));
        Self(Arc::new(Shared {
            feed,
            clients: Mutex::default(),
            next_client: AtomicU64::new(0),
            left: Mutex::default(),
            places: Arc::new(Semaphore::new(most_clients)),
            broker: broker.clone(),
            clock: clock.clone(),
            zone: zone.clone(),
            metrics: metrics.clone(),
            stop,
        }))
    }

    /// Turns snapshots and the states of targets into messages, until the stop.
    pub(super) async fn run(self, mut snapshots: SnapshotReader, targets: Directory) {
        let mut ticks = interval(TARGETS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut states = Vec::new();
        loop {
            tokio::select! {
                () = self.0.stop.cancelled() => return,
                next = snapshots.next() => match next {
                    Some(snapshot) => self.publish(&snapshot, &targets),
                    None => return,
                },
                _ = ticks.tick() => if self.is_followed() {
                    let statuses = targets.statuses(&self.0.zone);
                    let broker = self.0.broker.status(&self.0.zone);
                    let new = statuses.iter().chain(&broker).map(state).collect();
                    if states != new {
                        states = new;
                        self.publish_status(&statuses);
                    }
                },
            }
        }
    }

    /// The messages that lead from the last snapshot to this one.
    fn publish(&self, snapshot: &Arc<Snapshot>, targets: &Directory) {
        let Shared { feed, clock, zone, .. } = &*self.0;
        let now = clock.now();
        let mut next = Feed::clone(&feed.borrow());
        if self.is_followed() {
            next.advance(snapshot, now, zone, || targets.statuses(zone));
        } else {
            next.skip_to(snapshot);
        }
        drop(feed.send_replace(Arc::new(next)));
    }

    fn publish_status(&self, statuses: &[TargetStatus]) {
        let Shared { feed, clock, zone, .. } = &*self.0;
        let mut next = Feed::clone(&feed.borrow());
        next.push_status(clock.now(), zone, statuses);
        drop(feed.send_replace(Arc::new(next)));
    }

    /// Whether anybody listens, or may come back for what it missed.
    fn is_followed(&self) -> bool {
        let left = *self.0.left.lock().unwrap_or_else(PoisonError::into_inner);
        !self.clients().is_empty() || left.is_some_and(|left| left.elapsed() < KEPT_FOR)
    }

    /// A place for one client; `None` if there are too many.
    fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.places).try_acquire_owned().ok()
    }

    fn enter(&self, address: IpAddr, transport: &'static str) -> (u64, Arc<Client>) {
        let client = Arc::new(Client {
            address,
            transport,
            since: self.0.clock.now(),
            messages: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            seq: AtomicU64::new(self.0.feed.borrow().seq()),
            last: Mutex::default(),
        });
        let id = self.0.next_client.fetch_add(1, Ordering::Relaxed);
        self.clients().insert(id, Arc::clone(&client));
        self.0.metrics.stream_opened(transport);
        (id, client)
    }

    fn leave(&self, id: u64, transport: &'static str) {
        self.clients().remove(&id);
        *self.0.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.0.metrics.stream_closed(transport);
    }

    fn clients(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Client>>> {
        self.0.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a change of makes a status message; counters do not.
fn state(target: &TargetStatus) -> [String; 4] {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    [
        target.name.clone(),
        target.state.to_string(),
        text(target.last_error_cause.as_deref()),
        text(target.connected_since.as_deref()),
    ]
}

/// `GET /api/stream`: who follows the stream, oldest first.
pub(super) fn clients(context: &Context) -> Response {
    let hub = &context.api.stream;
    let newest = hub.0.feed.borrow().seq();
    let zone = &hub.0.zone;
    let list: Vec<ClientJson> = hub
        .clients()
        .values()
        .map(|client| ClientJson {
            address: client.address.to_string(),
            transport: client.transport,
            since: time(client.since, zone),
            messages: client.messages.load(Ordering::Relaxed),
            skipped: client.skipped.load(Ordering::Relaxed),
            last: client
                .last
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .map(|last| time(last, zone)),
            lag: newest.saturating_sub(client.seq.load(Ordering::Relaxed)),
        })
        .collect();
    respond::object(StatusCode::OK, &list)
}

/// What a client sees next.
#[derive(Clone, Debug)]
struct Outgoing {
    kind: Kind,
    seq: u64,
    json: bytes::Bytes,
}

/// The `since` of a query.
fn since_in_query(query: &str) -> Option<u64> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, _)| key == "since").and_then(|(_, seq)| seq.parse().ok())
}
