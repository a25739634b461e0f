//! The open database: writes what changed, reads all.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::error::StoreError;
use super::image::Image;
use super::saved::{Place, PortKey, Saved, SavedPlant, SavedTarget, Usage};
use super::targets::{readable_rows, time};
use super::{announced, ledgers, schema, targets};
use crate::plant::ledger::LedgerRecord;

const REPLACE_SNAPSHOT: &str =
    "INSERT OR REPLACE INTO snapshot (id, inverters_json) VALUES (1, ?1)";
const REPLACE_DTU: &str = "INSERT OR REPLACE INTO dtu (name, last_success) VALUES (?1, ?2)";
const COUNT: &str = "SELECT (SELECT count(*) FROM target) + (SELECT count(*) FROM ledger)
    + (SELECT count(*) FROM dtu) + (SELECT count(*) FROM snapshot)
    + (SELECT count(*) FROM announced)";

/// How sure a commit must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    /// Survives a power cut from now on.
    OnDisk,
    /// Survives the end of the process; a power cut may take it back, but never a part of it.
    /// Spares SD cards a sync with each poll.
    InOrder,
}

/// The open database.
#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    /// `None`: in memory.
    file: Option<PathBuf>,
    /// What the rows of the plant hold, to write only what changes.
    written: Written,
}

#[derive(Debug, Default)]
struct Written {
    ledgers: HashMap<PortKey, LedgerRecord>,
    snapshot_json: Option<Bytes>,
    last_success: BTreeMap<String, Timestamp>,
}

impl Database {
    /// A database without a file.
    pub(super) fn in_memory() -> rusqlite::Result<Self> {
        let mut connection = Connection::open_in_memory()?;
        if let schema::Version::Older(missing) = schema::version(&connection)? {
            schema::migrate(&mut connection, missing)?;
        }
        Self::new(connection, None)
    }

    /// A database without a file that begins with what a file and its log hold which cannot be opened
    /// for writing; and whether of the log something is missing.
    pub(super) fn copy_of(file: &Path) -> Result<(Self, bool), String> {
        let said = |error: rusqlite::Error| error.to_string();
        let Image { mut connection, is_damaged } = Image::of(file)?;
        match schema::version(&connection).map_err(said)? {
            schema::Version::Present => {}
            schema::Version::Older(missing) => {
                schema::migrate(&mut connection, missing).map_err(said)?;
            }
            schema::Version::Newer(version) => {
                return Err(format!("a newer bridge wrote it (version {version} of its tables)"));
            }
        }
        Ok((Self::new(connection, None).map_err(said)?, is_damaged))
    }

    /// Takes over all that another one holds; what only this one knows stays.
    pub(super) fn take_over(&mut self, other: &Self) -> Result<(), StoreError> {
        let known = other.load().map_err(|source| StoreError::new(other.path(), source))?;
        for target in &known.targets {
            self.save_target(target)?;
        }
        let Saved { targets: _, ledgers, snapshot_json, last_success, announced } = known;
        let documents = announced.documents.into_iter();
        self.save_announced(&documents.map(|(place, text)| (place, Some(text))).collect())?;
        match snapshot_json {
            Some(snapshot_json) => {
                self.save_plant(&SavedPlant { ledgers, snapshot_json, last_success })
            }
            None => Ok(()),
        }
    }

    /// Whether it holds energies.
    pub(super) fn has_ledgers(&self) -> bool {
        !self.written.ledgers.is_empty()
    }

    /// Takes a connection whose tables are in place, and reads all of them once.
    pub(super) fn new(connection: Connection, file: Option<PathBuf>) -> rusqlite::Result<Self> {
        let mut database = Self { connection, file, written: Written::default() };
        let Saved { ledgers, snapshot_json, last_success, .. } = database.load()?;
        let ledgers = ledgers.into_iter().collect();
        database.written = Written { ledgers, snapshot_json, last_success };
        Ok(database)
    }

    /// Reads all rows.
    pub(super) fn load(&self) -> rusqlite::Result<Saved> {
        let connection = &self.connection;
        let dtus = &mut connection.prepare("SELECT name, last_success FROM dtu")?;
        let dtus = readable_rows(dtus, "DTU's time", |row| Ok((row.get(0)?, time(row, 1)?)))?;
        let snapshot: Option<Vec<u8>> = connection
            .query_row("SELECT inverters_json FROM snapshot", [], |row| row.get(0))
            .optional()?;
        Ok(Saved {
            targets: targets::load(connection)?,
            ledgers: ledgers::load(connection)?,
            snapshot_json: snapshot.map(Bytes::from),
            last_success: dtus.into_iter().collect(),
            announced: announced::load(connection)?,
        })
    }

    /// Writes one target; on disk when this returns.
    pub(super) fn save_target(&mut self, target: &SavedTarget) -> Result<(), StoreError> {
        self.write(Durability::OnDisk, |connection| targets::save(connection, target))
    }

    /// Deletes one target; on disk when this returns.
    pub(super) fn delete_target(&mut self, key: &str) -> Result<(), StoreError> {
        self.write(Durability::OnDisk, |connection| targets::delete(connection, key))
    }

    /// Writes documents that an MQTT broker is told of, and deletes those that are none any more.
    pub(super) fn save_announced(
        &mut self,
        changes: &BTreeMap<Place, Option<Bytes>>,
    ) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.write(Durability::InOrder, |transaction| {
            changes.iter().try_for_each(|(place, document)| {
                announced::save(transaction, place, document.as_deref())
            })
        })
    }

    /// Writes what of the plant has changed, in one transaction.
    pub(super) fn save_plant(&mut self, plant: &SavedPlant) -> Result<(), StoreError> {
        let SavedPlant { ledgers, snapshot_json, last_success } = plant;
        let written = std::mem::take(&mut self.written);
        let ledgers = || ledgers.iter().filter(|(key, new)| written.ledgers.get(key) != Some(new));
        let dtus =
            || last_success.iter().filter(|(name, at)| written.last_success.get(*name) != Some(at));
        let is_new_snapshot = written.snapshot_json.as_ref() != Some(snapshot_json);
        let is_news = is_new_snapshot || ledgers().next().is_some() || dtus().next().is_some();
        let outcome = if is_news {
            self.write(Durability::InOrder, |transaction| {
                for (key, record) in ledgers() {
                    ledgers::save(transaction, *key, record)?;
                }
                for (name, at) in dtus() {
                    transaction.prepare_cached(REPLACE_DTU)?.execute([name, &at.to_string()])?;
                }
                if is_new_snapshot {
                    transaction.prepare_cached(REPLACE_SNAPSHOT)?.execute([&snapshot_json[..]])?;
                }
                Ok(())
            })
        } else {
            Ok(())
        };
        self.written = written;
        if outcome.is_ok() {
            self.written.ledgers.extend(plant.ledgers.iter().cloned());
            self.written.last_success.extend(plant.last_success.clone());
            self.written.snapshot_json = Some(plant.snapshot_json.clone());
        }
        outcome
    }

    /// Merges all into the main file and onto the disk: whoever copies it then has everything.
    pub(super) fn merge(&self) -> Result<(), StoreError> {
        let pragma = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        pragma.map_err(|source| StoreError::new(self.path(), source))
    }

    /// How big it is now.
    pub(super) fn usage(&self) -> rusqlite::Result<Usage> {
        let number = |sql| -> rusqlite::Result<u64> {
            let number: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
            Ok(number.unsigned_abs())
        };
        let pages = number("PRAGMA page_count")?.saturating_mul(number("PRAGMA page_size")?);
        let log = self.file.as_deref().map(|file| super::open::beside(file, "-wal"));
        let log = log.and_then(|log| log.metadata().ok()).map_or(0, |log| log.len());
        Ok(Usage {
            size_bytes: pages.saturating_add(log),
            records: number(COUNT)?,
            kind: Usage::kind(self.file.is_some()),
        })
    }

    fn write(
        &mut self,
        durability: Durability,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        self.try_write(durability, change).map_err(|source| StoreError::new(self.path(), source))
    }

    fn try_write(
        &mut self,
        durability: Durability,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let synchronous = match durability {
            Durability::OnDisk => "FULL",
            Durability::InOrder => "NORMAL",
        };
        self.connection.pragma_update(None, "synchronous", synchronous)?;
        let transaction = self.connection.transaction()?;
        change(&transaction)?;
        transaction.commit()
    }

    fn path(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new("the database in memory"))
    }

    /// The connection, for tests that break something.
    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
}
