//! What survives a restart: registered targets, energy counters, the last snapshot; in SQLite.
//!
//! One thread of its own holds the database, so that a slow disk holds up nobody but who asked
//! for a write. Targets are on disk before their registration is answered; the plant is written
//! when there is time, the newest only, and a power cut may lose its last poll.

mod announced;
mod aside;
mod at_rest;
mod awaited;
mod database;
mod error;
mod image;
mod ledgers;
mod log;
mod open;
mod refusal;
mod saved;
mod schema;
mod targets;
#[cfg(test)]
mod tests;
mod worker;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::mpsc::{self, Sender};
use tokio::sync::oneshot;
use tracing::{error, warn};

pub use self::at_rest::targets_at_rest;
use self::awaited::Awaited;
use self::database::Database;
pub use self::error::StoreError;
pub use self::saved::{Announced, Place, Saved, SavedPlant, SavedTarget, Usage};
use self::worker::{Request, Shared, Worker};

/// Requests that may wait for the database. A registration beyond them waits for its turn.
const WAITING: usize = 32;
/// What the start of the daemon may wait for a bridge that is just ending and still has the file.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// What the end of the daemon may wait for the last write. Losing it costs one poll.
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);
/// What the start of the daemon may wait for what was kept.
const LOAD_PATIENCE: Duration = Duration::from_secs(30);

/// What a log that cannot be read to its end means.
const LOST: &str = "the log beside it is damaged, and with it the last changes are lost: totals may \
    begin with what the devices count, and if a target is missing, reload its entry in Home Assistant";

/// The database. Cheap to clone; closed when the last clone is dropped.
#[derive(Clone)]
pub struct Store {
    requests: Sender<Request>,
    shared: Arc<Shared>,
}

impl Store {
    /// Opens the database in `state_dir`, or begins one. `now` names a file that must be set aside.
    ///
    /// Never fails: where nothing can be kept, the bridge works without, and one warning tells.
    pub fn open(state_dir: &Path, now: Timestamp) -> Self {
        Self::open_within(LOCK_PATIENCE, state_dir, now)
    }

    fn open_within(patience: Duration, state_dir: &Path, now: Timestamp) -> Self {
        match open::open(patience, state_dir, now) {
            Ok(database) => Self::start(Some(database), None),
            Err(reason) => Self::without_file(state_dir, &reason),
        }
    }

    /// A database in memory, with what the file holds if it can be read at least.
    fn without_file(state_dir: &Path, reason: &str) -> Self {
        let file = state_dir.join(open::FILE);
        let (database, is_known) = match file.exists().then(|| Database::copy_of(&file)) {
            None => {
                warn!("nothing will survive a restart: {reason}");
                (Self::forgetful(), false)
            }
            Some(Ok((database, is_damaged))) => {
                let known = if is_damaged { LOST } else { "what was kept before is known" };
                warn!("nothing will survive a restart: {reason}; {known}");
                let is_known = database.has_ledgers();
                (Some(database), is_known)
            }
            Some(Err(unreadable)) => {
                error!(
                    "nothing will survive a restart: {reason}. What was kept before cannot be read, \
                     either ({unreadable}): totals begin with what the devices count"
                );
                (Self::forgetful(), false)
            }
        };
        Self::start(database, Some(Awaited::new(state_dir, is_known)))
    }

    /// A database that is forgotten with the process.
    pub fn in_memory() -> Self {
        Self::start(Self::forgetful(), None)
    }

    fn forgetful() -> Option<Database> {
        let database = Database::in_memory();
        database.inspect_err(|error| error!("no database even in memory: {error}")).ok()
    }

    /// Gives the database to a thread. Without either, each request is told so.
    fn start(database: Option<Database>, awaited: Option<Awaited>) -> Self {
        let (requests, receiver) = mpsc::channel(WAITING);
        let shared = Arc::new(Shared::new(database.as_ref()));
        if let Some(database) = database {
            let worker = Worker::new(database, awaited, Arc::clone(&shared));
            let thread = std::thread::Builder::new().name("store".into());
            if let Err(error) = thread.spawn(move || worker.run(receiver)) {
                error!("nothing will survive a restart: no thread for the database: {error}");
            }
        }
        Self { requests, shared }
    }

    /// All that is kept. For the start of the daemon: waits for the database.
    pub fn load(&self) -> Saved {
        let (reply, answer) = sync_channel(1);
        self.shared.ask_for_all(reply);
        if !self.wake() {
            return Saved::default();
        }
        answer.recv_timeout(LOAD_PATIENCE).unwrap_or_else(|_| {
            error!("the database did not answer; the bridge starts without what was kept");
            Saved::default()
        })
    }

    /// Keeps a registered target, or its new values. On disk when this returns.
    pub async fn save_target(&self, target: SavedTarget) -> Result<(), StoreError> {
        self.ask(|reply| Request::SaveTarget(target, reply)).await
    }

    /// Forgets a registered target. On disk when this returns; one that is unknown is no error.
    pub async fn delete_target(&self, key: &str) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.ask(|reply| Request::DeleteTarget(key, reply)).await
    }

    /// Hands over the plant to be written soon; a newer one takes the place of one that waits.
    ///
    /// Ledgers and DTUs that it leaves out keep what was last written of them.
    pub fn save_plant(&self, plant: SavedPlant) {
        self.shared.put_plant(plant);
        self.wake();
    }

    /// Hands over what an MQTT broker is told of devices, to be written soon; `None` deletes. What
    /// waits is joined by place, so that a slow disk costs no more than one text a device.
    pub fn save_announced(&self, changes: BTreeMap<Place, Option<Bytes>>) {
        if !changes.is_empty() {
            self.shared.put_announced(changes);
            self.wake();
        }
    }

    /// Returns when the database's thread is gone, although this store is not: it has panicked. Never
    /// if there was none.
    pub async fn died(&self) {
        if !self.shared.has_database() {
            std::future::pending::<()>().await;
        }
        self.requests.closed().await;
    }

    /// Waits until the plant is on disk, but not for long.
    pub async fn flush(&self) {
        if !self.flush_within(FLUSH_PATIENCE).await {
            warn!("the disk is slow: the values of the last poll may not be kept");
        }
    }

    /// Whether it was done in time.
    async fn flush_within(&self, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.ask(Request::Flush)).await.is_ok()
    }

    /// How big the database is, as of the last write. Cheap.
    pub fn usage(&self) -> Usage {
        self.shared.usage()
    }

    async fn ask(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<(), StoreError>>) -> Request,
    ) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| StoreError::Ended)?;
        answer.await.unwrap_or(Err(StoreError::Ended))
    }

    /// Has the thread look for what waits. Whether there is a thread.
    fn wake(&self) -> bool {
        use tokio::sync::mpsc::error::TrySendError::{Closed, Full};
        match self.requests.try_send(Request::Look) {
            // The thread looks after each request, so also after those that fill the channel.
            Ok(()) | Err(Full(_)) => true,
            Err(Closed(_)) => false,
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("usage", &self.usage()).finish_non_exhaustive()
    }
}
