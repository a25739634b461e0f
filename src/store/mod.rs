//! What survives a restart: registered targets, energies, last readings; in SQLite.
//!
//! One thread owns the database, so that a slow disk delays nobody but those who asked for a durable
//! write. Targets are written before their registration is answered;
//! a disk that is full costs none, since all is in memory, too, and written once there is room. Energies and readings are
//! written every [`PLANT_INTERVAL`] and at shutdown, to spare SD cards: a power cut loses at most
//! that much growth, which the devices' own counters bring back. What the ports had produced at each poll is in a file beside it,
//! so that a killed process loses nothing.

mod database;
mod error;
mod last_polls;
mod records;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use self::database::Database;
pub use self::error::{StoreError, table};
use self::last_polls::LastPolls;
pub use self::records::{
    AnnouncedDevice, AnnouncedDevices, DeviceTopics, Stored, StoredDayCurve, StoredDtu,
    StoredInverter, StoredMeter, StoredPhase, StoredPlant, StoredPort, StoredTarget, Usage,
};
use self::records::{StoredDeparture, StoredInstance, StoredLedger, StoredSum};
use crate::clock::WallClock;
use crate::plant::ledger::SumKey;
use crate::problem::Problem;

/// Between two writes of energies and readings.
pub const PLANT_INTERVAL: Duration = Duration::from_mins(15);
/// How long the start waits for a bridge that is just stopping and still has the file.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the shutdown waits for the last write.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// The database. Cheap to clone; closed when the last clone is dropped.
#[derive(Clone)]
pub struct Store {
    requests: UnboundedSender<Request>,
    status: Arc<Mutex<Status>>,
    instance: Option<Arc<str>>,
}

/// What the thread and its clients share.
struct Status {
    usage: Usage,
    /// Whether the last write failed.
    is_failing: bool,
    /// Why what is handed over does not survive a restart.
    problem: Option<Problem>,
    /// Whether a plant was handed over that is not written yet.
    has_plant: bool,
    /// The ports of the plant that was handed over last.
    ports: usize,
    next_plant: Instant,
    /// Last polls of DTUs that were handed over and are not written yet.
    polls: BTreeMap<String, StoredDtu>,
}

/// Who asked gets the outcome; that nobody waits any more is no reason not to do it.
type Reply = oneshot::Sender<Result<(), Problem>>;

enum Request {
    Load(SyncSender<Stored>),
    SavePlant(StoredPlant),
    SavePolls,
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

    fn start(mut database: Database) -> Self {
        let (requests, receiver) = unbounded_channel();
        let instance = instance(&mut database);
        let worker = Worker::new(database);
        let status = Arc::clone(&worker.status);
        let thread = std::thread::Builder::new().name("store".into());
        // Without a thread the receiver is dropped, and `died` returns.
        if let Err(error) = thread.spawn(move || worker.run(receiver)) {
            error!("cannot start the database's thread: {error}");
        }
        Self { requests, status, instance }
    }

    /// All that is stored. Waits for the database: for the start of the daemon.
    pub fn load(&self) -> Stored {
        let (reply, answer) = sync_channel(1);
        drop(self.requests.send(Request::Load(reply)));
        answer.recv().unwrap_or_default()
    }

    /// The random id of this bridge, which is made once and kept with the state; `None` only on a
    /// system without random numbers.
    pub fn instance(&self) -> Option<&Arc<str>> {
        self.instance.as_ref()
    }

    /// Why what is handed over does not survive a restart at the moment.
    pub fn problem(&self) -> Option<Problem> {
        lock(&self.status).problem.clone()
    }

    /// Stores a registered target, or its new values. On disk when this returns; otherwise the
    /// result says why it is in memory only until it can be written.
    pub async fn save_target(&self, target: StoredTarget) -> Result<(), Problem> {
        self.ask(|reply| Request::SaveTarget(target, reply)).await
    }

    /// Deletes a registered target, in the same way; an unknown one is no error.
    pub async fn delete_target(&self, key: &str) -> Result<(), Problem> {
        let key = key.to_owned();
        self.ask(|reply| Request::DeleteTarget(key, reply)).await
    }

    /// Whether the plant, which has so many ports with an energy ledger, should be handed over now:
    /// every [`PLANT_INTERVAL`], when ports have joined, when it `has_changed`, and as long as writing
    /// fails.
    pub fn is_plant_due(&self, has_changed: bool, ports: usize) -> bool {
        let status = lock(&self.status);
        let is_due = || Instant::now() >= status.next_plant;
        !status.has_plant && (status.is_failing || has_changed || status.ports != ports || is_due())
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

    /// Hands over what a DTU's ports had produced at its last poll, to be written at once, but not
    /// flushed.
    pub fn save_poll(&self, name: String, dtu: StoredDtu) {
        let mut status = lock(&self.status);
        let is_first = status.polls.is_empty();
        status.polls.insert(name, dtu);
        if is_first {
            drop(self.requests.send(Request::SavePolls));
        }
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

/// Energies and last readings of the bridge that stores its state in `state_dir`, likewise.
pub fn stored_plant(state_dir: &Path) -> Result<StoredPlant, Problem> {
    database::read_only(state_dir).map(|database| load(&database).plant)
}

/// Held for moments only, never while the disk works.
fn lock(status: &Mutex<Status>) -> MutexGuard<'_, Status> {
    status.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread that owns the database.
struct Worker {
    database: Database,
    last_polls: LastPolls,
    status: Arc<Mutex<Status>>,
}

impl Worker {
    fn new(database: Database) -> Self {
        let status = Status {
            usage: database.usage(),
            is_failing: database.is_waiting(),
            problem: database.problem().cloned(),
            has_plant: false,
            ports: 0,
            next_plant: Instant::now(),
            polls: BTreeMap::new(),
        };
        Self { database, last_polls: LastPolls::default(), status: Arc::new(Mutex::new(status)) }
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
            Request::Load(reply) => drop(reply.send(self.load())),
            Request::SavePolls => self.write_polls(),
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
                self.database.put(&target.key, &target);
                drop(reply.send(self.write()));
            }
            Request::DeleteTarget(key, reply) => {
                self.database.set::<StoredTarget>(&key, None);
                drop(reply.send(self.write()));
            }
            Request::Flush(reply) => {
                let outcome = self.write();
                self.database.checkpoint();
                lock(&self.status).usage = self.database.usage();
                drop(reply.send(outcome));
            }
        }
    }

    /// All that is stored, with the last polls of DTUs that were written since.
    fn load(&mut self) -> Stored {
        let mut stored = load(&self.database);
        let Some(directory) = self.database.directory() else { return stored };
        let (last_polls, polls) = LastPolls::read(directory);
        self.last_polls = last_polls;
        for (name, poll) in polls {
            let known = stored.plant.dtus.get(&name);
            if known.is_none_or(|known| known.last_success <= poll.last_success) {
                stored.plant.dtus.insert(name, poll);
            }
        }
        stored
    }

    /// Writes the last polls. Where that fails, so do other writes, which are reported.
    fn write_polls(&mut self) {
        let polls = std::mem::take(&mut lock(&self.status).polls);
        let directory = self.database.directory().filter(|_| !self.database.is_waiting());
        let Some(directory) = directory else { return };
        for (name, poll) in polls {
            if let Err(error) = self.last_polls.write(directory, &name, poll) {
                debug!("the last poll of {name} is not stored: {error}");
            }
        }
    }

    fn put_plant(&mut self, plant: &StoredPlant) {
        let StoredPlant { ledgers, sums, inverters, meters, dtus, departed, day_curve } = plant;
        let database = &mut self.database;
        for ((serial, port), ledger) in ledgers {
            database.put(&format!("{serial}/{port}"), &StoredLedger(ledger.clone()));
        }
        for (key, sum) in sums {
            database.put(&key.to_string(), &StoredSum::from(sum));
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
        if let Some(curve) = day_curve {
            database.put("plant", curve);
        }
    }

    /// Writes all that has changed; reports when that begins to fail, and when it works again.
    fn write(&mut self) -> Result<(), Problem> {
        let outcome = self.database.write();
        let mut status = lock(&self.status);
        status.usage = self.database.usage();
        status.problem = outcome.as_ref().err().or(self.database.problem()).cloned();
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

/// The id in the database, or a new one.
fn instance(database: &mut Database) -> Option<Arc<str>> {
    let stored = database.all(|key| Some(key.to_owned())).into_values().next();
    if let Some(StoredInstance { id }) = stored {
        return Some(id.into());
    }
    let mut bytes = [0; 16];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        error!("the system has no random numbers, so that this bridge has no instance id");
        return None;
    }
    let id = format!("{:032x}", u128::from_be_bytes(bytes));
    database.put("bridge", &StoredInstance { id: id.clone() });
    Some(id.into())
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
    let sums: BTreeMap<_, StoredSum> = database.all(SumKey::parse);
    Stored {
        targets: targets(database),
        plant: StoredPlant {
            ledgers: ledgers.map(|(key, StoredLedger(ledger))| (key, ledger)).collect(),
            sums: sums.into_iter().map(|(key, sum)| (key, sum.into())).collect(),
            inverters: database.all(|key| key.parse().ok()),
            meters: database.all(|key| key.parse().ok()),
            dtus: database.all(|key| Some(key.to_owned())),
            departed: departed
                .map(|(serial, StoredDeparture { first_seen })| (serial, first_seen))
                .collect(),
            day_curve: database.all(|key| Some(key.to_owned())).into_values().next(),
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
