//! Publishes to the broker: announces everything, sends what changes, announces again when Home
//! Assistant has started; and logs it.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::client::{self, Disconnected, Receiver, Sender};
use super::failure::{Failure, Source};
use super::retained::{Message, RetainedState};
use crate::addon::SupervisorClient;
use crate::config::MqttConfig;
use crate::net::reconnect::{ConnectionState, Peer, RetryDelay, SessionEnd};
use crate::snapshot::{Snapshot, SnapshotReader};
use crate::store::Store;
use crate::targets::broker::BrokerStatus;
use crate::telemetry::metrics::BrokerMetrics;

/// After Home Assistant's birth message everything is announced again within this time: at a random
/// moment, so that not all programs at the broker do so at once.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// The broker as the reconnect loop sees it.
#[derive(Debug)]
pub(super) struct BrokerPeer {
    pub(super) config: MqttConfig,
    /// The Supervisor, if it named the broker: place and login may be others by now.
    pub(super) supervisor: Option<SupervisorClient>,
    /// Whether the last attempt failed.
    pub(super) has_failed: bool,
    pub(super) metrics: BrokerMetrics,
    pub(super) status: BrokerStatus,
    pub(super) state: RetainedState,
    pub(super) snapshots: SnapshotReader,
    pub(super) store: Store,
}

impl BrokerPeer {
    /// After a failed attempt, asks the Supervisor again; without an answer all stays as it is.
    async fn refresh_config(&mut self) {
        let Some(supervisor) = self.supervisor.as_mut().filter(|_| self.has_failed) else { return };
        let Some(config) = supervisor.changed(&self.config).await else { return };
        if config.place() != self.config.place() {
            self.metrics = self.metrics.at(config.place());
        }
        self.config = config;
    }

    fn log_failed_attempt(&self, failure: &Failure, attempt: u32) {
        let (place, problem) = (self.config.place(), failure.problem(self.source()));
        warn!("[MQTT] Connection failed for {place}: {problem} (attempt {attempt})");
    }

    const fn source(&self) -> Source {
        if self.supervisor.is_some() { Source::Supervisor } else { Source::Owner }
    }
}

impl Peer for BrokerPeer {
    type Session = (Sender, Receiver);

    async fn dial(&mut self, attempt: u32) -> Result<Self::Session, RetryDelay> {
        self.refresh_config().await;
        let place = self.config.place();
        let how = if self.config.tls { " over TLS" } else { "" };
        info!("[MQTT] Connecting to {place}{how}");
        self.status.connecting(place.clone());
        let outcome = client::open(&self.config, Some(self.state.availability())).await;
        self.has_failed = outcome.is_err();
        match outcome {
            Ok(session) => {
                info!("[MQTT] ✓ Connected to: {place}");
                self.metrics.connected();
                self.status.connected();
                Ok(session)
            }
            Err(failure) => {
                self.log_failed_attempt(&failure, attempt);
                let problem = failure.problem(self.source());
                self.metrics.failed(problem.label);
                self.status.lost(problem);
                Err(RetryDelay::Usual)
            }
        }
    }

    fn abandoned(&mut self, attempt: u32) {
        self.log_failed_attempt(&Failure::Stopping, attempt);
    }

    async fn serve(
        &mut self,
        (sender, mut receiver): Self::Session,
        stop: &CancellationToken,
    ) -> SessionEnd {
        let (place, source) = (self.config.place(), self.source());
        let (birth_topic, birth_messages) = (self.config.birth_topic(), Notify::new());
        let snapshots = self.snapshots.clone();
        let broker = Counting {
            sender: &sender,
            metrics: self.metrics.clone(),
            status: self.status.clone(),
        };
        let mut session = Session::new(&broker, &place, &mut self.state, &self.store);
        let publishing = async {
            if sender.subscribe(&birth_topic).await.is_ok() {
                session.run(snapshots, &birth_messages, random_delay).await;
            }
            // The receiver learns why.
            std::future::pending::<()>().await;
        };
        let receiving = receiver.run(|topic, payload| {
            if topic == birth_topic.as_bytes() && payload == b"online" {
                birth_messages.notify_one();
            }
        });
        let failure = tokio::select! {
            () = stop.cancelled() => Failure::Stopping,
            failure = receiving => failure,
            () = publishing => Failure::Stopping,
        };
        let has_delivered = session.has_delivered;
        let problem = failure.problem(source);
        info!("[MQTT] Disconnected from {place}: {problem}");
        self.metrics.failed(problem.label);
        self.status.lost(problem);
        if failure == Failure::Stopping {
            sender.disconnect_with(&mut receiver, self.state.farewell()).await;
        }
        SessionEnd { has_delivered, delay: RetryDelay::Usual }
    }

    fn waits(&mut self, waiting: ConnectionState) {
        if let ConnectionState::Waiting { delay, .. } = waiting {
            let (place, attempt) = (self.config.place(), waiting.attempt());
            info!(
                "[MQTT] Reconnecting to {place} in {} seconds (attempt {attempt})...",
                delay.as_secs()
            );
        }
    }
}

/// A random part of the longest delay.
fn random_delay() -> Duration {
    let random = RandomState::new().hash_one(());
    let steps = u32::try_from(random % 1_000).unwrap_or_default();
    LONGEST_DELAY * steps / 1_000
}

/// Publishes messages.
pub(super) trait Publish: Sync {
    /// Publishes in this order, retained; returns when the broker has acknowledged all of them.
    fn publish(
        &self,
        messages: Vec<Message>,
    ) -> impl Future<Output = Result<(), Disconnected>> + Send;
}

/// Counts what is published.
struct Counting<'a> {
    sender: &'a Sender,
    metrics: BrokerMetrics,
    status: BrokerStatus,
}

impl Publish for Counting<'_> {
    async fn publish(&self, messages: Vec<Message>) -> Result<(), Disconnected> {
        let count = messages.len();
        self.sender.publish(messages).await?;
        self.metrics.published(count);
        self.status.sent();
        Ok(())
    }
}

/// One open connection.
pub(super) struct Session<'a, P> {
    broker: &'a P,
    place: &'a str,
    state: &'a mut RetainedState,
    store: &'a Store,
    has_delivered: bool,
}

impl<'a, P: Publish> Session<'a, P> {
    pub(super) const fn new(
        broker: &'a P,
        place: &'a str,
        state: &'a mut RetainedState,
        store: &'a Store,
    ) -> Self {
        Self { broker, place, state, store, has_delivered: false }
    }

    /// Keeps the broker at what the newest snapshot says, until the connection ends.
    pub(super) async fn run(
        &mut self,
        mut snapshots: SnapshotReader,
        birth_messages: &Notify,
        delay: fn() -> Duration,
    ) -> Disconnected {
        if self.announce(&mut snapshots).await.is_err() {
            return Disconnected;
        }
        let mut again: Option<Instant> = None;
        loop {
            let due = async {
                match again {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let outcome = tokio::select! {
                () = birth_messages.notified() => {
                    if again.is_none() {
                        let delay = delay();
                        info!(
                            "[MQTT] Home Assistant has started; announcing everything again in \
                             {:.1} s",
                            delay.as_secs_f64()
                        );
                        again = Some(Instant::now() + delay);
                    }
                    Ok(())
                }
                () = due => {
                    again = None;
                    self.announce(&mut snapshots).await
                }
                snapshot = snapshots.next() => match snapshot {
                    Some(snapshot) => self.update(&snapshot).await,
                    // The daemon ends, and this task with it.
                    None => std::future::pending().await,
                },
            };
            if outcome.is_err() {
                return Disconnected;
            }
        }
    }

    /// Sends everything.
    async fn announce(&mut self, snapshots: &mut SnapshotReader) -> Result<(), Disconnected> {
        self.state.forget_sent();
        self.send(&snapshots.take_latest()).await?;
        self.log_announced();
        Ok(())
    }

    /// Sends what has changed.
    async fn update(&mut self, snapshot: &Snapshot) -> Result<(), Disconnected> {
        let before = self.state.device_count();
        let count = self.send(snapshot).await?;
        if count > 0 {
            debug!("[MQTT] ✓ Sent {count} messages to {}", self.place);
        }
        if self.state.device_count() != before {
            self.log_announced();
        }
        Ok(())
    }

    /// Returns how many messages there were.
    async fn send(&mut self, snapshot: &Snapshot) -> Result<usize, Disconnected> {
        let messages = self.state.changes(snapshot);
        // Before it is sent: what the store does not know could never be removed.
        self.store.save_announced(self.state.take_announced());
        let count = messages.len();
        if count > 0 {
            self.broker.publish(messages).await?;
            self.has_delivered = true;
        }
        self.store.forget_announced(self.state.acknowledged());
        Ok(count)
    }

    fn log_announced(&self) {
        info!("[MQTT] ✓ Announced {} devices to {}", self.state.device_count(), self.place);
    }
}
