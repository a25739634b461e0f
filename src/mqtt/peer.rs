//! The broker as the reconnect loop sees it, and all that is logged of it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::board::{Board, Message};
use super::client::{self, Listener, Sender};
use super::failure::Failure;
use super::known::KnownBroker;
use super::leftovers::Claim;
use super::session::{Births, Ears, Gone, LONGEST_DELAY, Publish, Tell, talk};
use crate::net::reconnect::{ConnectionState, Peer, RetryDelay, SessionEnd};
use crate::snapshot::SnapshotReader;
use crate::store::{Place, Store};
use crate::telemetry::metrics::BrokerMetrics;

/// Answers that may wait.
const WAITING: usize = 256;

/// The broker.
#[derive(Debug)]
pub(super) struct BrokerPeer {
    broker: KnownBroker,
    board: Board,
    snapshots: SnapshotReader,
    store: Store,
}

impl BrokerPeer {
    pub(super) const fn new(
        broker: KnownBroker,
        board: Board,
        snapshots: SnapshotReader,
        store: Store,
    ) -> Self {
        Self { broker, board, snapshots, store }
    }
}

/// Counts what is published.
struct Counting<'a> {
    sender: &'a Sender,
    figures: BrokerMetrics,
}

impl Publish for Counting<'_> {
    async fn publish(&self, messages: Vec<Message>) -> Result<(), Gone> {
        let count = messages.len();
        self.sender.publish(messages).await?;
        self.figures.published(count);
        Ok(())
    }

    async fn ask(&self, topic: String) -> Result<(), Gone> {
        self.sender.subscribe(&topic).await
    }
}

impl Peer for BrokerPeer {
    type Session = (Sender, Listener);

    async fn dial(&mut self, attempt: u32) -> Result<Self::Session, RetryDelay> {
        self.broker.look_for_news().await;
        let config = self.broker.config();
        let place = config.place();
        let how = if config.tls { " over TLS" } else { "" };
        info!("[MQTT] Connecting to {place}{how}");
        match client::open(config, Some(self.board.availability())).await {
            Ok(session) => {
                info!("[MQTT] ✓ Connected to: {place}");
                self.broker.connected();
                Ok(session)
            }
            Err(failure) => {
                let told = failure.told(self.broker.source());
                warn!("[MQTT] Connection failed for {place}: {told} (attempt {attempt})");
                self.broker.failed(&failure);
                Err(RetryDelay::Usual)
            }
        }
    }

    fn abandoned(&mut self, attempt: u32) {
        let place = self.broker.config().place();
        let told = Failure::Stopping.told(self.broker.source());
        warn!("[MQTT] Connection failed for {place}: {told} (attempt {attempt})");
    }

    async fn serve(
        &mut self,
        (sender, mut listener): Self::Session,
        stop: &CancellationToken,
    ) -> SessionEnd {
        let place = self.broker.config().place();
        let mut teller = Teller { place: &place, has_delivered: false, store: &self.store };
        let (claims, answers) = mpsc::channel(WAITING);
        let births = Births { heard: Notify::new(), dice: delay };
        let birth_topic = self.broker.config().birth_topic();
        let (board, snapshots) = (&mut self.board, self.snapshots.clone());
        let counting = Counting { sender: &sender, figures: self.broker.figures() };
        let talking = async {
            if sender.subscribe(&birth_topic).await.is_ok() {
                talk(&counting, board, snapshots, Ears { births: &births, answers }, &mut teller)
                    .await;
            }
            // Who listens learns why.
            std::future::pending::<()>().await;
        };
        let failure = tokio::select! {
            () = stop.cancelled() => Failure::Stopping,
            failure = listen(&mut listener, &birth_topic, &births, &claims) => failure,
            () = talking => Failure::Stopping,
        };
        let told = failure.told(self.broker.source());
        info!("[MQTT] Disconnected from {place}: {told}");
        self.broker.lost(&failure);
        if failure == Failure::Stopping {
            sender.leave_with(&mut listener, self.board.farewell()).await;
        }
        SessionEnd { has_delivered: teller.has_delivered, delay: RetryDelay::Usual }
    }

    fn waits(&mut self, waiting: ConnectionState) {
        if let ConnectionState::Waiting { delay, .. } = waiting {
            let (place, attempt) = (self.broker.config().place(), waiting.attempt());
            info!(
                "[MQTT] Reconnecting to {place} in {} seconds (attempt {attempt})...",
                delay.as_secs()
            );
        }
    }
}

/// Listens until the connection ends.
async fn listen(
    listener: &mut Listener,
    birth_topic: &str,
    births: &Births,
    claims: &mpsc::Sender<Claim>,
) -> Failure {
    loop {
        match listener.next().await {
            Ok(heard) if heard.topic == birth_topic && heard.payload == "online" => {
                births.heard.notify_one();
            }
            Ok(heard) => {
                debug!("[MQTT] a message at {}", heard.topic);
                // Beyond what may wait it is lost, and asked for again over the next connection:
                // who waited here would hold up the acknowledgements, too.
                drop(claims.try_send(Claim::of(heard.topic, &heard.payload)));
            }
            Err(failure) => return failure,
        }
    }
}

/// A random part of the longest delay.
fn delay() -> Duration {
    let random = RandomState::new().hash_one(());
    let steps = u32::try_from(random % 1_000).unwrap_or_default();
    LONGEST_DELAY * steps / 1_000
}

/// Logs what a session publishes.
struct Teller<'a> {
    place: &'a str,
    has_delivered: bool,
    store: &'a Store,
}

impl Tell for Teller<'_> {
    fn announced(&mut self, devices: usize) {
        info!("[MQTT] ✓ Announced {devices} devices to {}", self.place);
        self.has_delivered = true;
    }

    fn born(&mut self, delay: Duration) {
        let seconds = delay.as_secs_f64();
        info!("[MQTT] Home Assistant has started; announcing everything again in {seconds:.1} s");
    }

    fn announces(&mut self, changes: BTreeMap<Place, Option<Bytes>>) {
        self.store.save_announced(changes);
    }

    fn changed(&mut self, messages: usize) {
        debug!("[MQTT] ✓ Sent {messages} messages to {}", self.place);
        self.has_delivered = true;
    }
}
