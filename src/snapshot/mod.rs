//! The last known state of the plant: one writer, many readers, latest wins, nothing queues.

pub mod state;

pub mod wire;

pub mod health;

pub mod warning;

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use self::state::{DtuState, InverterState, MeterState};
use crate::clock::Start;

/// The plant at one instant, and its JSON, made once for all who send it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Sorted by serial number.
    pub inverters: Vec<InverterState>,
    /// Sorted by serial number.
    pub meters: Vec<MeterState>,
    /// In the order of the configuration.
    pub dtus: Vec<DtuState>,
    /// When the bridge started.
    pub start: Start,
    /// The body of `GET /api/inverters`.
    pub inverters_json: Bytes,
    /// The body of `GET /api/meters`.
    pub meters_json: Bytes,
    /// The `update` message to WebSocket targets.
    pub update_json: Bytes,
    /// The numbers of `GET /stats`.
    pub stats: wire::Stats,
    /// How many were published before it; the writer counts.
    pub sequence: u64,
}

impl Snapshot {
    /// Whether there is something to send: an inverter from now or from before the restart, or the
    /// outcome of a poll.
    pub fn is_something(&self) -> bool {
        !self.inverters.is_empty() || self.dtus.iter().any(|dtu| dtu.query_count > 0)
    }

    /// How many ports all inverters have together.
    pub fn port_count(&self) -> usize {
        self.inverters.iter().map(|inverter| inverter.ports.len()).sum()
    }
}

/// The two ends of the snapshot.
pub fn channel(first: Snapshot) -> (SnapshotWriter, SnapshotReader) {
    let (writer, reader) = watch::channel(Arc::new(first));
    (SnapshotWriter(writer), SnapshotReader(reader))
}

/// The writing end; the poller's alone.
#[derive(Debug)]
pub struct SnapshotWriter(watch::Sender<Arc<Snapshot>>);

impl SnapshotWriter {
    /// Replaces the snapshot and wakes all readers.
    pub fn publish(&self, mut snapshot: Snapshot) {
        self.0.send_modify(|current| {
            snapshot.sequence = current.sequence.saturating_add(1);
            *current = Arc::new(snapshot);
        });
    }

    /// Whether the present snapshot has the same inverters and meters, to the last digit.
    pub fn tells_the_same(&self, snapshot: &Snapshot) -> bool {
        let present = self.0.borrow();
        present.inverters_json == snapshot.inverters_json
            && present.meters_json == snapshot.meters_json
    }

    /// Replaces the snapshot for who asks, and wakes nobody.
    pub fn replace_quietly(&self, mut snapshot: Snapshot) {
        self.0.send_if_modified(|current| {
            snapshot.sequence = current.sequence;
            *current = Arc::new(snapshot);
            false
        });
    }
}

/// A reading end. Each clone remembers for itself what it has seen.
#[derive(Clone, Debug)]
pub struct SnapshotReader(watch::Receiver<Arc<Snapshot>>);

impl SnapshotReader {
    /// The present snapshot; does not count as seen.
    pub fn latest(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.borrow())
    }

    /// The present snapshot; [`next`](Self::next) waits for a newer one.
    pub fn take_latest(&mut self) -> Arc<Snapshot> {
        Arc::clone(&self.0.borrow_and_update())
    }

    /// Waits for a snapshot newer than the last one taken here; `None` when the writer is gone.
    ///
    /// A slow reader skips snapshots: what it gets is always the newest.
    pub async fn next(&mut self) -> Option<Arc<Snapshot>> {
        self.0.changed().await.ok()?;
        Some(self.take_latest())
    }
}
