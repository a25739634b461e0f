//! What the plant did: minutes, days and years of every port, in a file of its own.
//!
//! Each poll is one small transaction of a thread of its own, so that a slow disk delays no poll. The
//! totals live in [`store`](crate::store); losing the history costs none of them.

pub mod answer;
mod codec;
mod course;
mod database;
mod points;
mod read;
#[cfg(test)]
mod tests;
mod time;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use self::codec::Sample;
pub use self::course::Quality;
use self::database::{Database, FILE, Place};
pub use self::read::{EnergySeries, Of, Period, PointSeries, Range, ReadError, Reader};
pub use self::time::Resolution;
use crate::clock::{self, WallClock};
use crate::config::HistoryConfig;
use crate::plant::units::{Amperes, Celsius, Volts, WattHours, Watts};
use crate::store::StoreError;

/// So many polls wait for a slow disk; later ones are left out.
const MOST_WAITING: usize = 64;
/// How often a file that cannot be opened is tried again.
const RETRY: Duration = Duration::from_mins(1);
/// How long the shutdown waits for the last write.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// How much is kept.
#[derive(Clone, Copy, Debug)]
struct Limits {
    minutes: Duration,
    five_minutes: Duration,
    max_bytes: u64,
}

/// What was read in one poll of a DTU.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Poll {
    pub dtu: Arc<str>,
    pub at: Timestamp,
    pub values: Vec<Values>,
}

/// What was read of one port or, as port 0, of an inverter's mains side.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// Of the inverter.
    pub serial: String,
    /// Counted from 1; 0 is the mains side.
    pub port: u8,
    /// Of a port its power, of the mains side the active power.
    pub power: Option<Watts>,
    /// The published total of a port.
    pub total: Option<WattHours>,
    /// Of a port or of the mains.
    pub voltage: Option<Volts>,
    /// Of a port.
    pub current: Option<Amperes>,
    /// Of the inverter.
    pub temperature: Option<Celsius>,
}

impl Values {
    fn sample(&self, source: i64) -> Sample {
        let current = self.current.map(Amperes::steps);
        Sample {
            source,
            power: self.power.map(|power| (power.steps(), power.steps())),
            counter: self.total.map(|total| (total.get(), total.get())),
            voltage: self.voltage.map(Volts::steps),
            current: current.or(self.temperature.map(Celsius::steps)),
        }
    }
}

/// The history. Cheap to clone; closed when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct History {
    /// `None` if nothing is recorded.
    requests: Option<mpsc::Sender<Request>>,
    reader: Option<Reader>,
}

#[derive(Debug)]
enum Request {
    Record(Poll),
    Flush(oneshot::Sender<()>),
}

impl History {
    /// No history.
    pub const fn off() -> Self {
        Self { requests: None, reader: None }
    }

    /// Records in `history.db` in this folder; without a folder in memory, until the process ends.
    ///
    /// Never fails: where nothing can be written, one warning says so.
    pub fn open(
        config: &HistoryConfig,
        state_dir: Option<&Path>,
        zone: TimeZone,
        clock: WallClock,
    ) -> Self {
        if !config.enabled {
            return Self::off();
        }
        let place = state_dir.map_or_else(
            || Place::Memory(format!("history-{:p}", Arc::as_ptr(&Arc::new(())))),
            |folder| Place::File(folder.join(FILE)),
        );
        let limits = Limits {
            minutes: config.minutes,
            five_minutes: config.five_minutes,
            max_bytes: config.max_bytes,
        };
        let reader = Reader { place: place.clone(), zone: zone.clone() };
        let (sender, receiver) = mpsc::channel(MOST_WAITING);
        let worker =
            Worker { place, zone, limits, clock, database: None, is_failing: false, retry: None };
        let thread = std::thread::Builder::new().name("history".into());
        if let Err(error) = thread.spawn(move || worker.run(receiver)) {
            error!("cannot start the history's thread: {error}");
            return Self::off();
        }
        Self { requests: Some(sender), reader: Some(reader) }
    }

    /// Hands over what a poll has read, to be written soon. Never waits.
    pub fn record(&self, poll: Poll) {
        let Some(requests) = &self.requests else { return };
        if requests.try_send(Request::Record(poll)).is_err() {
            debug!("the disk is slow: a poll is left out of the history");
        }
    }

    /// Who reads it; `None` if nothing is recorded.
    pub const fn reader(&self) -> Option<&Reader> {
        self.reader.as_ref()
    }

    /// Whether anything is recorded.
    pub const fn is_on(&self) -> bool {
        self.requests.is_some()
    }

    /// Returns when the thread is gone although this history is not: it has panicked.
    pub async fn died(&self) {
        match &self.requests {
            Some(requests) => requests.closed().await,
            None => std::future::pending().await,
        }
    }

    /// Waits until all that was handed over is written, but not for long.
    pub async fn flush(&self) {
        let Some(requests) = &self.requests else { return };
        let (reply, answer) = oneshot::channel();
        let flush = async {
            drop(requests.send(Request::Flush(reply)).await);
            drop(answer.await);
        };
        if tokio::time::timeout(FLUSH_TIMEOUT, flush).await.is_err() {
            warn!("the disk is slow: the last polls may be missing in the history");
        }
    }
}

/// The thread that writes.
struct Worker {
    place: Place,
    zone: TimeZone,
    limits: Limits,
    clock: WallClock,
    database: Option<Database>,
    is_failing: bool,
    /// When a file that cannot be opened is tried again.
    retry: Option<Instant>,
}

impl Worker {
    /// Works until no client is left.
    fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let opened = self.open();
        self.report(opened);
        while let Some(request) = requests.blocking_recv() {
            match request {
                Request::Record(poll) => {
                    let written = self.record(&poll);
                    self.report(written);
                }
                Request::Flush(reply) => {
                    if let Some(database) = &self.database {
                        database.checkpoint();
                    }
                    let _sent = reply.send(());
                }
            }
        }
    }

    fn record(&mut self, poll: &Poll) -> Result<(), StoreError> {
        // A board without a battery boots in 1970.
        if !clock::is_set(poll.at) {
            return Ok(());
        }
        if self.database.is_none() {
            if self.retry.is_some_and(|at| Instant::now() < at) {
                return Ok(());
            }
            self.open()?;
        }
        let Some(database) = &mut self.database else { return Ok(()) };
        match database.record(poll) {
            Err(StoreError::Damaged(_)) => {
                self.database = None;
                self.open()?;
                self.database.as_mut().map_or(Ok(()), |database| database.record(poll))
            }
            written => written,
        }
    }

    /// Opens the file. A damaged one is set aside.
    fn open(&mut self) -> Result<(), StoreError> {
        self.retry = Some(Instant::now() + RETRY);
        let open = |worker: &Self| {
            let mut database = Database::open(&worker.place, worker.zone.clone(), worker.limits)?;
            let now = worker.clock.now();
            if clock::is_set(now) {
                database.prune(now.as_second())?;
            }
            Ok(database)
        };
        let mut opened = open(self);
        if let (Err(damaged @ StoreError::Damaged(_)), Place::File(path)) = (&opened, &self.place) {
            let kept = set_aside(path, &self.clock)?;
            let damaged = damaged.problem(path);
            warn!(
                "{damaged}; it is kept as {}, and a new history begins; totals are not affected",
                kept.display()
            );
            opened = open(self);
        }
        self.database = Some(opened?);
        Ok(())
    }

    /// Reports when writing begins to fail, and when it works again.
    fn report(&mut self, outcome: Result<(), StoreError>) {
        match outcome {
            Ok(()) => {
                // Between two attempts to open the file nothing is known.
                if self.database.is_some() && std::mem::take(&mut self.is_failing) {
                    info!("the history is recorded again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    let path = match &self.place {
                        Place::File(path) => path.as_path(),
                        Place::Memory(_) => Path::new(FILE),
                    };
                    warn!("the history is not recorded for now: {}", error.problem(path));
                }
            }
        }
    }
}

/// Renames the file and what SQLite keeps beside it; returns the new name.
fn set_aside(path: &Path, clock: &WallClock) -> io::Result<PathBuf> {
    let time = clock.now().to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ");
    let kept = path.with_file_name(format!("history.damaged-{time}.db"));
    fs::rename(path, &kept)?;
    let beside = |path: &Path, end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    // They belong to the damaged file, and may be missing.
    drop(fs::rename(beside(path, "-wal"), beside(&kept, "-wal")));
    drop(fs::remove_file(beside(path, "-shm")));
    Ok(kept)
}
