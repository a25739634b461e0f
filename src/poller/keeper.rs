//! Keeps the book for all pollers: enters each outcome, makes the JSON once, publishes, stores.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tracing::{debug, warn};

use super::book::Book;
use super::book::doubt::Doubt;
use super::restore;
use crate::clock::Start;
use crate::dtu::PollError;
use crate::plant::reading::DtuReading;
use crate::snapshot::rendered::shared;
use crate::snapshot::state::{DtuState, DtuStatus, InverterState};
use crate::snapshot::warning::Warning;
use crate::snapshot::{Contents, Snapshot, SnapshotReader, SnapshotWriter, channel, wire};
use crate::store::Store;

/// The one writer of the snapshot. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Keeper(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    writer: SnapshotWriter,
    // A std mutex: held for pure computing only, never over an await.
    book: Mutex<Book>,
    /// As last corrected; changed by who holds the book.
    start: Mutex<Start>,
}

/// Who is told of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Audience {
    /// Targets are sent an update.
    Everyone,
    /// Only who asks by HTTP sees it.
    WhoAsks,
}

impl Keeper {
    /// Starts with what was known before, and publishes it. If midnight passed while the bridge
    /// was off, a new day has begun: yesterday's production must not be told as today's.
    pub fn new(mut book: Book, store: Store, started_at: Timestamp) -> (Self, SnapshotReader) {
        book.roll(started_at);
        let start = Start::at(started_at);
        let first = render(&book, &store, start, started_at);
        let (writer, reader) = channel(first);
        let (book, start) = (Mutex::new(book), Mutex::new(start));
        (Self(Arc::new(Shared { store, writer, book, start })), reader)
    }

    /// Enters a poll that reached its end.
    pub fn succeeded(&self, dtu: &str, reading: &DtuReading, now: Timestamp) -> usize {
        self.enter(now, |book| (book.succeeded(dtu, reading, now), Audience::Everyone))
    }

    /// Enters a poll that failed. Targets hear of it if something was read, or the status or any
    /// value changed: what is not known any more must not stand as if it were.
    pub fn failed(&self, dtu: &str, failure: &PollError, now: Timestamp) -> usize {
        self.enter(now, |book| {
            let was_failing = status_of(book, dtu) == Some(DtuStatus::Error);
            let read_nothing = failure.partial.inverters.is_empty();
            let doubts = book.failed(dtu, failure.error.problem(), &failure.partial, now);
            let nothing_new = was_failing && read_nothing;
            (doubts, if nothing_new { Audience::WhoAsks } else { Audience::Everyone })
        })
    }

    /// What is wrong with a DTU although it answers.
    pub fn warnings(&self, dtu: &str, now: Timestamp) -> Vec<Warning> {
        let book = self.0.book.lock().unwrap_or_else(PoisonError::into_inner);
        let state = book.dtus().iter().find(|state| &*state.name == dtu);
        state.map(|state| Warning::of(state, now)).unwrap_or_default()
    }

    /// Whether a DTU that does not answer now may be asleep.
    pub fn may_sleep(&self, dtu: &str, now: Timestamp) -> bool {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner).may_sleep(dtu, now)
    }

    /// Enters that a DTU did not answer, if that is sleep. Whether it is.
    pub fn fell_asleep(&self, dtu: &str, now: Timestamp) -> bool {
        let mut is_asleep = false;
        self.enter(now, |book| {
            let was_asleep = status_of(book, dtu) == Some(DtuStatus::Asleep);
            is_asleep = book.fell_asleep(dtu, now);
            let is_news = is_asleep && !was_asleep;
            (Vec::new(), if is_news { Audience::Everyone } else { Audience::WhoAsks })
        });
        is_asleep
    }

    /// Takes over another list of DTUs, and of their inverters those that `stays` lets.
    pub fn reconfigure(
        &self,
        dtus: Vec<DtuState>,
        stays: impl Fn(&InverterState) -> bool,
        now: Timestamp,
    ) {
        self.enter(now, |book| {
            book.reconfigure(dtus, stays);
            (Vec::new(), Audience::Everyone)
        });
    }

    /// Forgets measurements of DTUs that fail once they have outlived their time.
    pub fn expire_failing(&self, now: Timestamp) {
        let mut book = self.0.book.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = book.expire_failing(now);
        drop(book);
        if is_news {
            self.enter(now, |_| (Vec::new(), Audience::Everyone));
        }
    }

    /// Lets the day turn.
    pub fn roll(&self, now: Timestamp) {
        self.enter(now, |book| {
            book.roll(now);
            (Vec::new(), Audience::Everyone)
        });
        self.save();
    }

    /// Stores energies and readings now.
    pub fn save(&self) {
        let book = self.0.book.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.store.save_plant(restore::to_store(&book));
    }

    /// Changes the book, publishes and stores the outcome; returns how much was not believed.
    fn enter(
        &self,
        now: Timestamp,
        change: impl FnOnce(&mut Book) -> (Vec<Doubt>, Audience),
    ) -> usize {
        let Shared { store, writer, book, start } = &*self.0;
        let (doubts, rivalries) = {
            // Whoever panicked while holding the book stops the daemon anyway.
            let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
            let (doubts, audience) = change(&mut book);
            let snapshot = render(&book, store, corrected(start, now), now);
            // Still under the lock, so that of two pollers the later one has the last word. None of
            // these waits.
            match audience {
                Audience::WhoAsks if writer.has_same_values(&snapshot) => {
                    writer.replace_quietly(snapshot);
                }
                // Old values may have been forgotten, although nothing new was read.
                Audience::Everyone | Audience::WhoAsks => writer.publish(snapshot),
            }
            if store.is_plant_due(book.ledgers().len()) {
                store.save_plant(restore::to_store(&book));
            }
            (doubts, book.take_rivalries())
        };
        for doubt in &doubts {
            debug!("{doubt}");
        }
        for rivalry in &rivalries {
            warn!("{rivalry}");
        }
        doubts.len()
    }
}

/// When the bridge started, after a look at the clock.
fn corrected(start: &Mutex<Start>, now: Timestamp) -> Start {
    let mut start = start.lock().unwrap_or_else(PoisonError::into_inner);
    *start = start.corrected(now);
    *start
}

fn status_of(book: &Book, dtu: &str) -> Option<DtuStatus> {
    book.dtus().iter().find(|state| &*state.name == dtu).map(|state| state.status)
}

fn render(book: &Book, store: &Store, start: Start, now: Timestamp) -> Snapshot {
    Snapshot::new(Contents {
        inverters: shared(book.inverters()),
        meters: shared(book.meters()),
        dtus: book.dtus().iter().cloned().map(Arc::new).collect(),
        stats: stats(book, store),
        start,
        at: now,
        zone: book.zone().clone(),
    })
}

fn stats(book: &Book, store: &Store) -> wire::Stats {
    let usage = store.usage();
    let inverters = book.inverters();
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    wire::Stats {
        database_size_bytes: usage.size_bytes,
        total_records: usage.records,
        inverters_count: count(inverters.len()),
        inverter_data_entries: count(inverters.len()),
        port_data_entries: count(inverters.iter().map(|inverter| inverter.ports.len()).sum()),
        production_cache_entries: count(book.ledgers().len()),
        database_type: usage.kind,
    }
}
