//! What survives a restart: registered targets, energies, last readings; in SQLite.
//!
//! One thread owns the database, so that a slow disk delays nobody but those who asked for a durable
//! write. Targets are on disk before their registration is answered. Energies and readings are
//! written every [`PLANT_INTERVAL`] and at shutdown, to spare SD cards: a power cut loses at most
//! that much growth, which the devices' own counters bring back.

mod database;
mod error;
mod records;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{error, info, warn};

use self::database::Database;
use self::error::StoreError;
pub use self::error::table;
pub use self::records::{
    AnnouncedDevice, AnnouncedDevices, DeviceTopics, PortKey, Stored, StoredDtu, StoredInverter,
    StoredMeter, StoredPhase, StoredPlant, StoredPort, StoredTarget, Usage,
};
use self::records::{StoredDeparture, StoredLedger};
use crate::clock::WallClock;
use crate::problem::Problem;

/// Between two writes of energies and readings.
pub const PLANT_INTERVAL: Duration = Duration::from_secs(300);
/// How long the start waits for a bridge that is just stopping and still has the file.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the shutdown waits for the last write.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// The database. Cheap to clone; closed when the last clone is dropped.
#[derive(Clone)]
pub struct Store {
    requests: UnboundedSender<Request>,
    status: Arc<Mutex<Status>>,
}

/// What the thread and its clients share.
struct Status {
    usage: Usage,
    /// Whether the last write failed.
    is_failing: bool,
    /// Whether a plant was handed over that is not written yet.
    has_plant: bool,
    /// The ports of the plant that was handed over last.
    ports: usize,
    next_plant: Instant,
}

/// Who asked gets the outcome; that nobody waits any more is no reason not to do it.
type Reply = oneshot::Sender<Result<(), Problem>>;

enum Request {
    Load(SyncSender<Stored>),
    SavePlant(StoredPlant),
    SaveAnnounced(AnnouncedDevices),
    ForgetAnnounced(Vec<DeviceTopics>),
    SaveTarget(StoredTarget, Reply),
    DeleteTarget(String, Reply),
    Flush(Reply),
}

impl Store {
    /// Opens the database in `state_dir`, or creates one.
    ///
    /// Never fails: where nothing can be stored, the bridge works in memory, and one warning says so.
    pub fn open(state_dir: &Path, clock: WallClock) -> Self {
        Self::start(Database::open(state_dir, clock, LOCK_TIMEOUT))
    }

    /// A database that is forgotten with the process.
    pub fn in_memory() -> Self {
        Self::start(Database::default())
    }

    fn start(database: Database) -> Self {
        let (requests, receiver) = unbounded_channel();
        let worker = Worker::new(database);
        let status = Arc::clone(&worker.status);
        let thread = std::thread::Builder::new().name("store".into());
        // Without a thread the receiver is dropped, and `died` returns.
        if let Err(error) = thread.spawn(move || worker.run(receiver)) {
            error!("cannot start the database's thread: {error}");
        }
        Self { requests, status }
    }

    /// All that is stored. Waits for the database: for the start of the daemon.
    pub fn load(&self) -> Stored {
        let (reply, answer) = sync_channel(1);
        drop(self.requests.send(Request::Load(reply)));
        answer.recv().unwrap_or_default()
    }

    /// Stores a registered target, or its new values. On disk when this returns.
    pub async fn save_target(&self, target: StoredTarget) -> Result<(), Problem> {
        self.ask(|reply| Request::SaveTarget(target, reply)).await
    }

    /// Deletes a registered target. On disk when this returns; an unknown one is no error.
    pub async fn delete_target(&self, key: &str) -> Result<(), Problem> {
        let key = key.to_owned();
        self.ask(|reply| Request::DeleteTarget(key, reply)).await
    }

    /// Whether the plant, which has so many ports with an energy ledger, should be handed over now:
    /// every [`PLANT_INTERVAL`], when ports have joined, and as long as writing fails.
    pub fn is_plant_due(&self, ports: usize) -> bool {
        let status = lock(&self.status);
        let is_due = || Instant::now() >= status.next_plant;
        !status.has_plant && (status.is_failing || status.ports != ports || is_due())
    }

    /// Hands over the plant to be written soon. Ledgers and DTUs that it leaves out stay as they are
    /// stored; inverters and meters do not.
    pub fn save_plant(&self, plant: StoredPlant) {
        let mut status = lock(&self.status);
        status.has_plant = true;
        status.ports = plant.ledgers.len();
        status.next_plant = Instant::now() + PLANT_INTERVAL;
        drop(self.requests.send(Request::SavePlant(plant)));
    }

    /// Hands over devices that are announced over MQTT, to be written soon.
    pub fn save_announced(&self, devices: AnnouncedDevices) {
        if !devices.is_empty() {
            drop(self.requests.send(Request::SaveAnnounced(devices)));
        }
    }

    /// Hands over devices that are not announced any more, to be deleted soon.
    pub fn forget_announced(&self, devices: Vec<DeviceTopics>) {
        if !devices.is_empty() {
            drop(self.requests.send(Request::ForgetAnnounced(devices)));
        }
    }

    /// Returns when the database's thread is gone although this store is not: it has panicked.
    pub async fn died(&self) {
        self.requests.closed().await;
    }

    /// Waits until all that was handed over is on disk, but not for long.
    pub async fn flush(&self) {
        if tokio::time::timeout(FLUSH_TIMEOUT, self.ask(Request::Flush)).await.is_err() {
            warn!("the disk is slow: the last values may not be stored");
        }
    }

    /// How big the database is, as of the last write. Cheap.
    pub fn usage(&self) -> Usage {
        lock(&self.status).usage
    }

    async fn ask(&self, request: impl FnOnce(Reply) -> Request) -> Result<(), Problem> {
        let (reply, answer) = oneshot::channel();
        drop(self.requests.send(request(reply)));
        answer.await.unwrap_or_else(|_| Err(StoreError::Closed.problem(Path::new("the database"))))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("usage", &self.usage()).finish_non_exhaustive()
    }
}

/// The targets that registered with the bridge that stores its state in `state_dir`, which does not
/// run and whose files are left as they are; none if no bridge ever did.
pub fn stored_targets(state_dir: &Path) -> Result<Vec<StoredTarget>, Problem> {
    database::read_only(state_dir).map(|database| targets(&database))
}

/// Held for moments only, never while the disk works.
fn lock(status: &Mutex<Status>) -> MutexGuard<'_, Status> {
    status.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread that owns the database.
struct Worker {
    database: Database,
    status: Arc<Mutex<Status>>,
}

impl Worker {
    fn new(database: Database) -> Self {
        let status = Status {
            usage: database.usage(),
            is_failing: database.is_waiting(),
            has_plant: false,
            ports: 0,
            next_plant: Instant::now(),
        };
        Self { database, status: Arc::new(Mutex::new(status)) }
    }

    /// Works until no client is left.
    fn run(mut self, mut requests: UnboundedReceiver<Request>) {
        drop(self.write());
        while let Some(request) = requests.blocking_recv() {
            self.handle(request);
        }
        // What could not be written is tried once more.
        drop(self.write());
    }

    fn handle(&mut self, request: Request) {
        match request {
            Request::Load(reply) => drop(reply.send(load(&self.database))),
            Request::SavePlant(plant) => {
                self.put_plant(&plant);
                drop(self.write());
                lock(&self.status).has_plant = false;
            }
            Request::SaveAnnounced(devices) => {
                for (topics, device) in devices {
                    self.database.put(&announced_key(&topics), &device);
                }
                drop(self.write());
            }
            Request::ForgetAnnounced(devices) => {
                for topics in devices {
                    self.database.set::<AnnouncedDevice>(&announced_key(&topics), None);
                }
                drop(self.write());
            }
            Request::SaveTarget(target, reply) => {
                let before = self.database.get::<StoredTarget>(&target.key);
                self.database.put(&target.key, &target);
                drop(reply.send(self.write_target(&target.key, before)));
            }
            Request::DeleteTarget(key, reply) => {
                let before = self.database.get::<StoredTarget>(&key);
                self.database.set::<StoredTarget>(&key, None);
                drop(reply.send(self.write_target(&key, before)));
            }
            Request::Flush(reply) => {
                let outcome = self.write();
                self.database.checkpoint();
                lock(&self.status).usage = self.database.usage();
                drop(reply.send(outcome));
            }
        }
    }

    fn put_plant(&mut self, plant: &StoredPlant) {
        let StoredPlant { ledgers, inverters, meters, dtus, departed } = plant;
        let database = &mut self.database;
        for ((serial, port), ledger) in ledgers {
            database.put(&format!("{serial}/{port}"), &StoredLedger(ledger.clone()));
        }
        for (name, dtu) in dtus {
            database.put(name, dtu);
        }
        for (serial, &first_seen) in departed {
            database.put(&serial.to_string(), &StoredDeparture { first_seen });
        }
        for (serial, inverter) in inverters {
            database.put(&serial.to_string(), inverter);
        }
        let wanted: BTreeSet<_> = inverters.keys().map(ToString::to_string).collect();
        database.retain::<StoredInverter>(&wanted);
        for (serial, meter) in meters {
            database.put(&serial.to_string(), meter);
        }
        let wanted: BTreeSet<_> = meters.keys().map(ToString::to_string).collect();
        database.retain::<StoredMeter>(&wanted);
    }

    /// Writes a change of a target. One that fails is taken back, since whoever asked is told so;
    /// without a file, memory has to do.
    fn write_target(&mut self, key: &str, before: Option<String>) -> Result<(), Problem> {
        let outcome = self.write();
        if outcome.is_err() && self.database.is_open() {
            self.database.set::<StoredTarget>(key, before);
            return outcome;
        }
        Ok(())
    }

    /// Writes all that has changed; reports when that begins to fail, and when it works again.
    fn write(&mut self) -> Result<(), Problem> {
        let outcome = self.database.write();
        let mut status = lock(&self.status);
        status.usage = self.database.usage();
        let was_failing = std::mem::replace(&mut status.is_failing, outcome.is_err());
        drop(status);
        match &outcome {
            Ok(()) if was_failing => info!("state is stored again"),
            Err(problem) if !was_failing => {
                warn!("state is not stored for now, and kept in memory: {problem}");
            }
            Ok(()) | Err(_) => {}
        }
        outcome
    }
}

fn announced_key(topics: &DeviceTopics) -> String {
    format!("{}\n{}", topics.document, topics.base)
}

fn load(database: &Database) -> Stored {
    let port_key = |key: &str| {
        let (serial, port) = key.split_once('/')?;
        Some((serial.parse().ok()?, port.parse().ok()?))
    };
    let topics = |key: &str| {
        let (document, base) = key.split_once('\n')?;
        Some(DeviceTopics { document: document.to_owned(), base: base.to_owned() })
    };
    let ledgers = database.all(port_key).into_iter();
    let departed = database.all(|key| key.parse().ok()).into_iter();
    Stored {
        targets: targets(database),
        plant: StoredPlant {
            ledgers: ledgers.map(|(key, StoredLedger(ledger))| (key, ledger)).collect(),
            inverters: database.all(|key| key.parse().ok()),
            meters: database.all(|key| key.parse().ok()),
            dtus: database.all(|key| Some(key.to_owned())),
            departed: departed
                .map(|(serial, StoredDeparture { first_seen })| (serial, first_seen))
                .collect(),
        },
        announced: database.all(topics),
    }
}

/// In the order of their registration.
fn targets(database: &Database) -> Vec<StoredTarget> {
    let stored: BTreeMap<String, StoredTarget> = database.all(|key| Some(key.to_owned()));
    let mut targets: Vec<_> =
        stored.into_iter().map(|(key, target)| StoredTarget { key, ..target }).collect();
    targets.sort_by_key(|target| target.registered_at);
    targets
}
