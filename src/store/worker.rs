//! The thread that holds the database, and what it shares with those who ask.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::awaited::{Awaited, Seen};
use super::database::Database;
use super::error::StoreError;
use super::saved::{Place, Saved, SavedPlant, SavedTarget, Usage};

/// Who asks is told how it went; that nobody waits any more is no reason not to do it.
type Reply = oneshot::Sender<Result<(), StoreError>>;

/// What the thread is asked to do. After each it also looks for a plant that waits.
pub(super) enum Request {
    /// Write a target.
    SaveTarget(SavedTarget, Reply),
    /// Delete the target of this key.
    DeleteTarget(String, Reply),
    /// Bring everything onto the disk.
    Flush(Reply),
    /// Something waits in [`Shared`].
    Look,
}

/// What the thread and its clients both see.
pub(super) struct Shared {
    waiting: Mutex<Waiting>,
    size_bytes: AtomicU64,
    records: AtomicU64,
    is_kept: AtomicBool,
    has_database: bool,
}

#[derive(Default)]
struct Waiting {
    /// The newest plant that is not written yet.
    plant: Option<SavedPlant>,
    /// What an MQTT broker is told and is not written yet; `None` deletes.
    announced: BTreeMap<Place, Option<Bytes>>,
    /// Who wants all that is kept.
    readers: Vec<SyncSender<Saved>>,
}

impl Shared {
    /// Of a new database.
    pub(super) fn new(database: Option<&Database>) -> Self {
        let usage = database.and_then(|database| database.usage().ok());
        let Usage { size_bytes, records, kind } =
            usage.unwrap_or(Usage { size_bytes: 0, records: 0, kind: Usage::FORGOTTEN });
        Self {
            waiting: Mutex::default(),
            size_bytes: AtomicU64::new(size_bytes),
            records: AtomicU64::new(records),
            is_kept: AtomicBool::new(kind == Usage::KEPT),
            has_database: database.is_some(),
        }
    }

    /// Whether there is any database, in memory at least.
    pub(super) const fn has_database(&self) -> bool {
        self.has_database
    }

    /// Replaces the plant that waits.
    pub(super) fn put_plant(&self, plant: SavedPlant) {
        self.waiting().plant = Some(plant);
    }

    /// Lets a plant wait again, unless a newer one has come.
    pub(super) fn put_back(&self, plant: SavedPlant) {
        self.waiting().plant.get_or_insert(plant);
    }

    /// Adds to what an MQTT broker is told.
    pub(super) fn put_announced(&self, changes: BTreeMap<Place, Option<Bytes>>) {
        self.waiting().announced.extend(changes);
    }

    /// Lets it wait again, unless there is something newer.
    fn put_announced_back(&self, changes: BTreeMap<Place, Option<Bytes>>) {
        let waiting = &mut self.waiting().announced;
        for (place, document) in changes {
            waiting.entry(place).or_insert(document);
        }
    }

    /// Asks for all that is kept.
    pub(super) fn ask_for_all(&self, reply: SyncSender<Saved>) {
        self.waiting().readers.push(reply);
    }

    /// As of the last write.
    pub(super) fn usage(&self) -> Usage {
        Usage {
            size_bytes: self.size_bytes.load(Ordering::Relaxed),
            records: self.records.load(Ordering::Relaxed),
            kind: Usage::kind(self.is_kept.load(Ordering::Relaxed)),
        }
    }

    /// Held for moments only, never while the disk works.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread's own.
pub(super) struct Worker {
    database: Database,
    shared: Arc<Shared>,
    /// Whether the last plant could not be written, which has been told.
    is_failing: bool,
    /// The file that could not be opened, while the database is in memory.
    awaited: Option<Awaited>,
}

impl Worker {
    /// Takes the database.
    pub(super) fn new(database: Database, awaited: Option<Awaited>, shared: Arc<Shared>) -> Self {
        Self { database, shared, is_failing: false, awaited }
    }

    /// Works until no client is left, then writes what still waits.
    pub(super) fn run(mut self, mut requests: Receiver<Request>) {
        while let Some(request) = requests.blocking_recv() {
            self.handle(request);
        }
        self.do_what_waits();
    }

    /// Does one request, and what waits.
    fn handle(&mut self, request: Request) {
        self.look_for_the_file();
        match request {
            Request::SaveTarget(target, reply) => {
                let outcome = self.database.save_target(&target);
                self.note_usage();
                drop(reply.send(outcome));
            }
            Request::DeleteTarget(key, reply) => {
                let outcome = self.database.delete_target(&key);
                self.note_usage();
                drop(reply.send(outcome));
            }
            Request::Flush(reply) => {
                self.do_what_waits();
                let outcome = self.database.merge();
                self.note_usage();
                drop(reply.send(outcome));
            }
            Request::Look => {}
        }
        self.do_what_waits();
    }

    /// Writes the plant that waits and answers the readers that wait. Both are taken at once, so
    /// that a reader finds what was handed over before it asked.
    pub(super) fn do_what_waits(&mut self) {
        let Waiting { plant, announced, readers } = std::mem::take(&mut *self.shared.waiting());
        // That this fails is told with the plant, which is written far more often.
        if self.database.save_announced(&announced).is_err() {
            self.shared.put_announced_back(announced);
        }
        if let Some(plant) = plant {
            self.write_plant(plant);
        }
        self.answer(readers);
    }

    /// Goes over to the file, should it be of use by now.
    pub(super) fn look_for_the_file(&mut self) {
        let Some(awaited) = &mut self.awaited else { return };
        match awaited.look(&self.database) {
            Seen::NothingNew => {}
            Seen::Stranger => self.awaited = None,
            Seen::Ready(database) => {
                self.awaited = None;
                self.database = *database;
                self.note_usage();
            }
        }
    }

    /// A plant that fails waits on, unless a newer one has come.
    fn write_plant(&mut self, plant: SavedPlant) {
        match self.database.save_plant(&plant) {
            Ok(()) => {
                self.note_usage();
                if std::mem::take(&mut self.is_failing) {
                    info!("the energy counters are kept again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    warn!("the energy counters are not kept for now: {error}");
                }
                self.shared.put_back(plant);
            }
        }
    }

    fn answer(&self, readers: Vec<SyncSender<Saved>>) {
        for reader in readers {
            let saved = self.database.load().unwrap_or_else(|error| {
                warn!("the database cannot be read: {error}");
                Saved::default()
            });
            drop(reader.send(saved));
        }
    }

    fn note_usage(&self) {
        if let Ok(usage) = self.database.usage() {
            self.shared.size_bytes.store(usage.size_bytes, Ordering::Relaxed);
            self.shared.records.store(usage.records, Ordering::Relaxed);
            self.shared.is_kept.store(usage.kind == Usage::KEPT, Ordering::Relaxed);
        }
    }

    /// The database, for tests that break something.
    #[cfg(test)]
    pub(super) fn database(&self) -> &Database {
        &self.database
    }
}
