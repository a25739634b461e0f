//! The last known state of the plant: one writer, many readers; each reader gets the newest, nothing
//! queues.

pub mod health;
pub mod json;
pub mod state;
pub mod warning;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::watch;

use self::health::Health;
use self::json::{Json, Rendered, push_list, to_bytes};
use self::state::{DtuState, Energy, InverterState, MeterState, PlantTotals, Stats};
use crate::clock::Start;
use crate::plant::day_curve::DayCurve;
use crate::problem::Problem;

/// The plant at one instant. Its JSON is made once for all readers.
#[derive(Clone, Debug)]
pub struct Snapshot {
    contents: Contents,
    /// How many were published before it; the writer counts.
    sequence: u64,
    messages: OnceLock<Messages>,
}

/// What a snapshot is made of.
#[derive(Clone, Debug)]
pub struct Contents {
    /// Sorted by serial number.
    pub inverters: Vec<Arc<Rendered<InverterState>>>,
    /// Sorted by serial number.
    pub meters: Vec<Arc<Rendered<MeterState>>>,
    /// In the order of the configuration.
    pub dtus: Vec<Arc<DtuState>>,
    /// Of the plant, from its own ledger.
    pub energy: Energy,
    /// The course of the day.
    pub day_curve: Arc<DayCurve>,
    /// The numbers of `GET /stats`.
    pub stats: Stats,
    /// The random id of this bridge.
    pub instance: Option<Arc<str>>,
    /// Why the plant is not stored at the moment.
    pub storage_problem: Option<Problem>,
    /// When the bridge started.
    pub start: Start,
    /// When the snapshot was taken.
    pub at: Timestamp,
    /// The time zone of all times in the JSON.
    pub zone: TimeZone,
}

impl Contents {
    /// A plant of which nothing is known.
    pub fn empty(at: Timestamp) -> Self {
        Self {
            inverters: Vec::new(),
            meters: Vec::new(),
            dtus: Vec::new(),
            energy: Energy::default(),
            day_curve: Arc::default(),
            stats: Stats::default(),
            instance: None,
            storage_problem: None,
            start: Start::at(at),
            at,
            zone: TimeZone::UTC,
        }
    }
}

/// JSON that holds the whole plant. All three share one allocation.
#[derive(Clone, Debug)]
struct Messages {
    update: Bytes,
    inverters: Bytes,
    meters: Bytes,
}

impl Snapshot {
    /// A snapshot of these states.
    pub fn new(contents: Contents) -> Self {
        Self { contents, sequence: 0, messages: OnceLock::new() }
    }

    /// Sorted by serial number.
    pub fn inverters(&self) -> impl ExactSizeIterator<Item = &InverterState> + Clone {
        self.contents.inverters.iter().map(|inverter| &***inverter)
    }

    /// Sorted by serial number.
    pub fn meters(&self) -> impl ExactSizeIterator<Item = &MeterState> + Clone {
        self.contents.meters.iter().map(|meter| &***meter)
    }

    /// In the order of the configuration.
    pub fn dtus(&self) -> impl ExactSizeIterator<Item = &DtuState> + Clone {
        self.contents.dtus.iter().map(|dtu| &**dtu)
    }

    /// The JSON of each inverter, in the same order.
    pub fn inverter_objects(&self) -> impl ExactSizeIterator<Item = &Bytes> + Clone {
        let Contents { inverters, zone, .. } = &self.contents;
        inverters.iter().map(|inverter| inverter.json(zone))
    }

    /// The JSON of each meter, in the same order.
    pub fn meter_objects(&self) -> impl ExactSizeIterator<Item = &Bytes> + Clone {
        let Contents { meters, zone, .. } = &self.contents;
        meters.iter().map(|meter| meter.json(zone))
    }

    /// The health object, seen at `now`.
    pub fn health(&self, now: Timestamp, zone: &TimeZone) -> Health {
        Health::of(self, self.contents.storage_problem.clone(), now, zone)
    }

    /// The course of the present day.
    pub fn day_curve(&self) -> &DayCurve {
        &self.contents.day_curve
    }

    /// The plant as a whole.
    pub fn totals(&self) -> PlantTotals {
        PlantTotals::of(self.inverters(), self.contents.energy)
    }

    /// The numbers of `GET /stats`.
    pub const fn stats(&self) -> &Stats {
        &self.contents.stats
    }

    /// When the bridge started.
    pub const fn start(&self) -> &Start {
        &self.contents.start
    }

    /// When it was taken.
    pub const fn at(&self) -> Timestamp {
        self.contents.at
    }

    /// The time zone of all times in the JSON.
    pub const fn zone(&self) -> &TimeZone {
        &self.contents.zone
    }

    /// How many snapshots were published before it.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The body of `GET /api/inverters`.
    pub fn inverters_json(&self) -> Bytes {
        self.messages().inverters.clone()
    }

    /// The body of `GET /api/meters`.
    pub fn meters_json(&self) -> Bytes {
        self.messages().meters.clone()
    }

    /// The `update` message to WebSocket targets.
    pub fn update_json(&self) -> Bytes {
        self.messages().update.clone()
    }

    /// Whether there is something to send: an inverter from now or from before the restart, or the
    /// outcome of a poll.
    pub fn is_something(&self) -> bool {
        !self.contents.inverters.is_empty() || self.dtus().any(|dtu| dtu.query_count > 0)
    }

    /// How many ports all inverters have together.
    pub fn port_count(&self) -> usize {
        self.inverters().map(|inverter| inverter.ports.len()).sum()
    }

    /// The same plant with another update message, for tests of its readers.
    #[must_use]
    pub fn with_update_json(self, update: Bytes) -> Self {
        let messages = Messages { update, inverters: Bytes::new(), meters: Bytes::new() };
        Self { messages: OnceLock::from(messages), ..self }
    }

    fn messages(&self) -> &Messages {
        self.messages.get_or_init(|| {
            let Contents { inverters, meters, stats, storage_problem, at, zone, .. } =
                &self.contents;
            let health = Health::of(self, storage_problem.clone(), *at, zone);
            let mut update = Vec::with_capacity(4096);
            update.extend_from_slice(br#"{"type":"update","data":{"health":"#);
            update.extend_from_slice(&to_bytes(&health));
            update.extend_from_slice(br#","stats":"#);
            update.extend_from_slice(&to_bytes(stats));
            update.extend_from_slice(br#","plant":"#);
            update.extend_from_slice(&to_bytes(&Json(&self.totals(), zone)));
            update.extend_from_slice(br#","inverters":"#);
            let inverters = push_list(&mut update, inverters.iter().map(|one| one.json(zone)));
            update.extend_from_slice(br#","meters":"#);
            let meters = push_list(&mut update, meters.iter().map(|one| one.json(zone)));
            update.extend_from_slice(b"}}");
            let update = Bytes::from(update);
            Messages { inverters: update.slice(inverters), meters: update.slice(meters), update }
        })
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

    /// Whether the present snapshot has the same inverters, meters and energy, to the last digit.
    pub fn has_same_values(&self, snapshot: &Snapshot) -> bool {
        let (present, new) = (&self.0.borrow().contents, &snapshot.contents);
        present.inverters == new.inverters
            && present.meters == new.meters
            && present.energy == new.energy
    }

    /// Replaces the snapshot without waking readers.
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
