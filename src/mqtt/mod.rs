//! Shows the plant to Home Assistant through a broker: MQTT discovery, states, availability.
//!
//! What is published comes from the snapshot, entity by entity as the table in `entities` says. The
//! broker's client library is used in `client` alone.

mod client;
mod discovery;
pub mod failure;
mod orphans;
mod publisher;
mod retained;
#[cfg(test)]
mod tests;

use tracing::info;

pub use self::failure::{Failure, Source, Stage};
use self::publisher::BrokerPeer;
pub use self::retained::{Message, RetainedState};
use crate::addon::SupervisorClient;
use crate::config::{DtuConfig, MqttConfig};
use crate::net::reconnect::keep_connected;
use crate::snapshot::SnapshotReader;
use crate::store::{AnnouncedDevices, Store};
use crate::targets::broker::BrokerStatus;
use crate::tasks::Tasks;
use crate::telemetry::metrics::Metrics;

/// All that publishing needs, except the broker.
#[derive(Debug)]
pub struct MqttPublisher {
    /// The DTUs of the configuration.
    pub dtus: Vec<DtuConfig>,
    /// What earlier runs announced.
    pub announced: AnnouncedDevices,
    /// The plant.
    pub snapshots: SnapshotReader,
    /// Where connections and messages are counted.
    pub metrics: Metrics,
    /// Where the connection's state is shown.
    pub status: BrokerStatus,
    /// Where announced devices are stored.
    pub store: Store,
}

impl MqttPublisher {
    /// Starts to publish to this broker until `tasks` end. If the Supervisor named the broker,
    /// `supervisor` is asked again after failures.
    pub fn start(self, tasks: &Tasks, config: MqttConfig, supervisor: Option<SupervisorClient>) {
        let Self { dtus, announced, snapshots, metrics, status, store } = self;
        info!("[MQTT] Publishing to {} below {}/", config.place(), config.topic_prefix);
        let metrics = metrics.broker(config.place());
        let state = RetainedState::new(&config, &dtus, announced);
        let has_failed = false;
        let peer =
            BrokerPeer { config, supervisor, has_failed, metrics, status, state, snapshots, store };
        tasks.spawn("mqtt", keep_connected(peer, tasks.stop()));
    }
}

/// Connects to the broker, logs in and leaves: whether that works, and if not, why.
pub async fn try_out(config: &MqttConfig) -> Result<(), Failure> {
    let (sender, mut receiver) = client::open(config, None).await?;
    sender.disconnect(&mut receiver).await;
    Ok(())
}
