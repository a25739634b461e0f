//! Shows the plant to Home Assistant through a broker: MQTT discovery, states, availability.
//!
//! What is published is the `data` of the update that WebSocket targets get, entity by entity as
//! the table in `entities` says. The broker's client library is in `client` alone.

mod topics;

mod device;

mod document;

mod memory;

mod leftovers;

mod board;

mod connect;

mod failure;

mod client;

mod session;

mod known;

mod peer;

#[cfg(test)]
mod fake;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use tracing::info;

pub use self::board::{Board, Message};
use self::document::Form;
pub use self::failure::{Failure, Reason, Source, Stage};
use self::known::KnownBroker;
use self::peer::BrokerPeer;
use self::topics::Topics;
use crate::addon::SupervisorClient;
use crate::config::{DtuConfig, MqttConfig};
use crate::net::reconnect::keep_connected;
use crate::snapshot::SnapshotReader;
use crate::store::{Announced, Store};
use crate::tasks::Tasks;
use crate::telemetry::metrics::Metrics;

/// All that is needed to keep a broker informed, but the broker.
#[derive(Debug)]
pub struct Announcer {
    /// Who reads the plant.
    pub dtus: Vec<DtuConfig>,
    /// What was announced before.
    pub announced: Announced,
    /// What is to be shown.
    pub snapshots: SnapshotReader,
    /// Where it is counted.
    pub metrics: Metrics,
    /// Where what is announced is kept.
    pub store: Store,
}

impl Announcer {
    /// Starts to keep this broker informed, until `tasks` end; `adviser` is who told it.
    pub fn start(self, tasks: &Tasks, config: &MqttConfig, adviser: Option<SupervisorClient>) {
        let Self { dtus, announced, snapshots, metrics, store } = self;
        info!("[MQTT] Publishing to {} below {}/", config.place(), config.topic_prefix);
        let figures = metrics.broker(config.place());
        let board = board(config, &dtus, announced);
        let broker = KnownBroker::new(config.clone(), adviser, figures);
        let peer = BrokerPeer::new(broker, board, snapshots, store);
        tasks.spawn("mqtt", keep_connected(peer, tasks.stop()));
    }
}

/// A board for this configuration, with what was announced before.
pub fn board(config: &MqttConfig, dtus: &[DtuConfig], announced: Announced) -> Board {
    let form = Form { qos: config.qos, has_child_devices: config.child_devices };
    Board::new(Topics::new(config), form, excluded(dtus), announced)
}

/// What names the inverters that every DTU leaves out.
fn excluded(dtus: &[DtuConfig]) -> BTreeSet<String> {
    let ids = |dtu: &DtuConfig| -> BTreeSet<String> {
        dtu.exclude.iter().map(|serial| Topics::device_id(&serial.to_ascii_lowercase())).collect()
    };
    let each = dtus.iter().map(ids);
    each.reduce(|all, these| &all & &these).unwrap_or_default()
}

/// Connects to the broker, logs in and leaves: whether that works, and if not, why.
pub async fn try_out(config: &MqttConfig) -> Result<(), Failure> {
    let (sender, mut listener) = client::open(config, None).await?;
    sender.leave(&mut listener).await;
    Ok(())
}
