//! The database: all records in memory, and the SQLite file that holds what has been written.
//!
//! What is changed in memory waits in `unwritten` until a transaction has brought it into the file.
//! So a full or read-only disk, or a file that is deleted while the bridge runs, costs nothing once
//! the file can be written again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Row, Transaction, TransactionBehavior, params};
use serde::Serialize;
use serde_json::Value;
use tracing::{error, warn};

use super::error::StoreError;
use super::records::{Record, Usage};
use crate::clock::WallClock;
use crate::problem::Problem;

const FILE: &str = "hoymiles-bridge.db";
/// What SQLite puts beside a database, and which is a part of it.
const WAL: &str = "-wal";
/// The version of [`SCHEMA`], which SQLite keeps as `user_version`.
const VERSION: i64 = 1;
/// `value` is the JSON of a [`Record`]. Not `WITHOUT ROWID`: values of more than 1 KB would then
/// take pages of their own.
const SCHEMA: &str = "
CREATE TABLE record (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    UNIQUE (kind, key)
) STRICT;
PRAGMA user_version = 1;
";
const UPSERT: &str = "INSERT INTO record (kind, key, value) VALUES (?1, ?2, ?3)
    ON CONFLICT (kind, key) DO UPDATE SET value = ?3";
const DELETE: &str = "DELETE FROM record WHERE kind = ?1 AND key = ?2";

type RowKey = (String, String);
type Rows = BTreeMap<RowKey, String>;

/// All records, and their file.
#[derive(Debug, Default)]
pub(super) struct Database {
    rows: Rows,
    /// Records that differ from the file; those that are not in `rows` are to be deleted.
    unwritten: BTreeSet<RowKey>,
    /// `None`: in memory only.
    file: Option<StateFile>,
    /// Why there is no file, if there should be one.
    problem: Option<Problem>,
}

#[derive(Debug)]
struct StateFile {
    path: PathBuf,
    clock: WallClock,
    /// `None` while the file cannot be opened for writing.
    connection: Option<Connection>,
    identity: Identity,
}

/// Device and inode of the database and of its write-ahead log.
type Identity = [Option<(u64, u64)>; 2];

impl Database {
    /// Opens the database in `directory`, or creates one; waits so long for another process to
    /// close it. Where that fails, works in memory, and one warning says why.
    pub(super) fn open(directory: &Path, clock: WallClock, wait: Duration) -> Self {
        let path = directory.join(FILE);
        let mut opened = open(&path, Duration::ZERO);
        if matches!(opened, Err(StoreError::InUse)) && !wait.is_zero() {
            let problem = StoreError::InUse.problem(&path);
            warn!("{}; waiting {wait:?} for that process to end", problem.cause);
            opened = open(&path, wait);
        }
        if let Err(damaged @ StoreError::Damaged(_)) = &opened {
            match set_aside(&path, "damaged", &clock) {
                Ok(kept) => {
                    let damaged = damaged.problem(&path);
                    warn!(
                        "{damaged}; the file is kept as {}, and a new one is created",
                        kept.display()
                    );
                    opened = open(&path, wait);
                }
                Err(error) => opened = Err(error.into()),
            }
        }
        match opened {
            Ok((connection, rows)) => {
                let identity = identity(&path);
                let file = StateFile { path, clock, connection: Some(connection), identity };
                Self { rows, file: Some(file), ..Self::default() }
            }
            Err(error) => Self::unwritable(path, clock, &error),
        }
    }

    /// Works in memory, from what the file holds if it can be read at least.
    fn unwritable(path: PathBuf, clock: WallClock, reason: &StoreError) -> Self {
        let problem = reason.problem(&path);
        let identity = identity(&path);
        let is_newer = matches!(reason, StoreError::Newer(_));
        let rows = if identity[0].is_none() || is_newer {
            warn!("state is kept in memory only and lost at the next restart: {problem}");
            Rows::new()
        } else {
            match read(&path) {
                Ok(rows) => {
                    warn!(
                        "state is kept in memory only and lost at the next restart, starting from \
                         what was stored before: {problem}"
                    );
                    rows
                }
                Err(unreadable) => {
                    error!(
                        "state is kept in memory only and lost at the next restart, and what was \
                         stored before cannot be read ({unreadable}), so that totals start from the \
                         devices' counters: {problem}"
                    );
                    return Self { problem: Some(problem), ..Self::default() };
                }
            }
        };
        // A file that another bridge writes will never be ours.
        let is_others = is_newer || *reason == StoreError::InUse;
        let file = (!is_others).then_some(StateFile { path, clock, connection: None, identity });
        Self { rows, file, problem: Some(problem), ..Self::default() }
    }

    /// Why nothing that is written survives a restart; `None` if it does, or need not.
    pub(super) fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// The folder of the file, if there is one.
    pub(super) fn directory(&self) -> Option<&Path> {
        self.file.as_ref().and_then(|file| file.path.parent())
    }

    /// Whether there is a file that should be written, but is not open.
    pub(super) fn is_waiting(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.connection.is_none())
    }

    fn get<T: Record>(&self, key: &str) -> Option<String> {
        self.rows.get(&row_key::<T>(key)).cloned()
    }

    pub(super) fn put<T: Record>(&mut self, key: &str, record: &T) {
        self.set::<T>(key, Some(json(record)));
    }

    pub(super) fn set<T: Record>(&mut self, key: &str, json: Option<String>) {
        let key = row_key::<T>(key);
        if self.rows.get(&key) == json.as_ref() {
            return;
        }
        match json {
            Some(json) => self.rows.insert(key.clone(), json),
            None => self.rows.remove(&key),
        };
        self.unwritten.insert(key);
    }

    /// Deletes the records of one kind whose keys are not among `wanted`, in memory.
    pub(super) fn retain<T: Record>(&mut self, wanted: &BTreeSet<String>) {
        for key in self.keys::<T>().into_iter().filter(|key| !wanted.contains(key)) {
            self.set::<T>(&key, None);
        }
    }

    fn keys<T: Record>(&self) -> Vec<String> {
        let rows = self.rows.range(row_key::<T>("")..);
        rows.take_while(|((kind, _), _)| kind == T::KIND).map(|((_, key), _)| key.clone()).collect()
    }

    /// All records of one kind; unreadable ones are left out, with one warning.
    pub(super) fn all<T: Record, K: Ord>(
        &self,
        parse_key: impl Fn(&str) -> Option<K>,
    ) -> BTreeMap<K, T> {
        let keys = self.keys::<T>();
        let read = |key: &String| {
            let json = self.get::<T>(key)?;
            Some((parse_key(key)?, serde_json::from_str(&json).ok()?))
        };
        let found: BTreeMap<K, T> = keys.iter().filter_map(read).collect();
        let lost = keys.len().saturating_sub(found.len());
        if lost > 0 {
            warn!(
                "{lost} {} records in the database are damaged and ignored; check the disk or SD \
                 card, or put a backup of state_dir in place while the bridge is stopped",
                T::KIND
            );
        }
        found
    }

    /// Writes all that has changed, in one transaction: on disk when this returns.
    pub(super) fn write(&mut self) -> Result<(), Problem> {
        let Some(file) = &self.file else {
            self.unwritten.clear();
            return Ok(());
        };
        let path = file.path.clone();
        self.try_write().map_err(|error| error.problem(&path))
    }

    fn try_write(&mut self) -> Result<(), StoreError> {
        let Self { rows, unwritten, file: Some(file), problem } = self else { return Ok(()) };
        if file.connection.is_none() || identity(&file.path) != file.identity {
            file.reopen()?;
            *problem = None;
            unwritten.extend(rows.keys().cloned());
        }
        let Some(connection) = &mut file.connection else { return Ok(()) };
        if unwritten.is_empty() {
            return Ok(());
        }
        let transaction = connection.transaction()?;
        for key in unwritten.iter() {
            write_row(&transaction, key, rows.get(key))?;
        }
        transaction.commit()?;
        unwritten.clear();
        Ok(())
    }

    /// Merges the write-ahead log into the main file: whoever copies that has everything.
    pub(super) fn checkpoint(&self) {
        let connection = self.file.as_ref().and_then(|file| file.connection.as_ref());
        if let Some(connection) = connection {
            // What cannot be merged now is read from the log at the next start.
            drop(pragma(connection, "PRAGMA wal_checkpoint(TRUNCATE)"));
        }
    }

    pub(super) fn usage(&self) -> Usage {
        let file = self.file.as_ref().filter(|file| file.connection.is_some());
        let size_bytes = file.map_or_else(
            || self.rows.values().map(|value| u64::try_from(value.len()).unwrap_or(0)).sum(),
            |file| length(&file.path).saturating_add(length(&beside(&file.path, WAL))),
        );
        Usage {
            size_bytes,
            records: u64::try_from(self.rows.len()).unwrap_or(u64::MAX),
            kind: if file.is_some() { "sqlite" } else { "memory" },
        }
    }

    /// The connection, for tests that break something.
    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        self.file.as_ref().unwrap().connection.as_ref().unwrap()
    }
}

impl StateFile {
    /// Opens the file again, or creates it. Another file in its place is renamed.
    fn reopen(&mut self) -> Result<(), StoreError> {
        let Self { path, clock, connection, identity: known } = self;
        let found = identity(path);
        if found != *known {
            *connection = None;
            if found[0].is_some() {
                let kept = set_aside(path, "replaced", clock)?;
                warn!(
                    "{} was replaced while the bridge was running; the other file is kept as {}, \
                     and everything is written again; stop the bridge before you change state_dir",
                    path.display(),
                    kept.display()
                );
            } else {
                warn!(
                    "{} was deleted while the bridge was running; everything is written again; stop \
                     the bridge before you change state_dir",
                    path.display()
                );
            }
            *known = [None; 2];
        }
        *connection = Some(open(path, Duration::ZERO)?.0);
        *known = identity(path);
        Ok(())
    }
}

/// The targets and all else in the database of a bridge that does not run, without changing it.
pub(super) fn read_only(directory: &Path) -> Result<Database, Problem> {
    let path = directory.join(FILE);
    if !path.exists() {
        return Ok(Database::default());
    }
    let rows = check_unlocked(&path).and_then(|()| read(&path));
    let rows = rows.map_err(|error| error.problem(&path))?;
    Ok(Database { rows, ..Database::default() })
}

/// Fails if a running bridge has locked the file, which then has a write-ahead log.
fn check_unlocked(path: &Path) -> Result<(), StoreError> {
    if length(&beside(path, WAL)) == 0 {
        return Ok(());
    }
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    pragma(&connection, "PRAGMA locking_mode = EXCLUSIVE")?;
    match version(&connection) {
        Err(StoreError::InUse) => Err(StoreError::InUse),
        // A read-only connection cannot take that lock if it is free; `read` needs none.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Reads a file that may not be written, without a lock.
fn read(path: &Path) -> Result<Rows, StoreError> {
    let log = beside(path, WAL);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = if length(&log) > 0 {
        // What a killed bridge wrote last is in the log only. SQLite reads a log on a read-only disk
        // only if it needs neither locks nor shared memory.
        let connection = Connection::open_with_flags_and_vfs(path, flags, "unix-none")?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        pragma(&connection, "PRAGMA locking_mode = EXCLUSIVE")?;
        connection
    } else {
        let mut uri = url::Url::from_file_path(fs::canonicalize(path)?)
            .map_err(|()| StoreError::Other("its path makes no URL".to_owned()))?;
        uri.set_query(Some("immutable=1"));
        Connection::open_with_flags(uri.as_str(), flags | OpenFlags::SQLITE_OPEN_URI)?
    };
    version(&connection)?;
    checked_rows(&connection)
}

/// Opens or creates the file for writing, and reads it.
fn open(path: &Path, wait: Duration) -> Result<(Connection, Rows), StoreError> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let is_new = fs::symlink_metadata(path).is_err();
    // For its user only: it holds tokens. SQLite gives the files beside it the same mode.
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    // Not ours to change, perhaps, but then still ours to use.
    drop(fs::set_permissions(path, fs::Permissions::from_mode(0o600)));
    if !is_new && length(path) == 0 {
        // What a power cut makes of a file. To SQLite it would be a new one.
        return Err(StoreError::Damaged("it is empty".to_owned()));
    }
    let opened = open_connection(path, wait);
    if is_new && opened.is_err() {
        drop(fs::remove_file(path));
    }
    opened
}

fn open_connection(path: &Path, wait: Duration) -> Result<(Connection, Rows), StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(wait)?;
    // Held from the first reading on. It also spares the file of shared memory, which not every
    // file system under a container can have.
    pragma(&connection, "PRAGMA locking_mode = EXCLUSIVE")?;
    let is_new = version(&connection)? == 0;
    pragma(&connection, "PRAGMA journal_mode = WAL")?;
    connection.execute_batch("PRAGMA synchronous = FULL")?;
    // The log is merged after about one megabyte: seldom, since a page that has changed often is then
    // written once.
    pragma(&connection, "PRAGMA wal_autocheckpoint = 250")?;
    // What is deleted may be a token.
    pragma(&connection, "PRAGMA secure_delete = FAST")?;
    // Fails now, and not with the first registration, if the file cannot be written.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if is_new {
        transaction.execute_batch(SCHEMA)?;
    }
    transaction.commit()?;
    let rows = checked_rows(&connection)?;
    Ok((connection, rows))
}

/// The version of the tables, at most ours; 0 of an empty database.
fn version(connection: &Connection) -> Result<i64, StoreError> {
    match connection.pragma_query_value(None, "user_version", |row| row.get(0))? {
        known @ ..=VERSION => Ok(known),
        newer => Err(StoreError::Newer(newer)),
    }
}

fn pragma(connection: &Connection, pragma: &str) -> rusqlite::Result<()> {
    connection.query_row(pragma, [], |_| Ok(()))
}

/// All rows of a database that is whole.
fn checked_rows(connection: &Connection) -> Result<Rows, StoreError> {
    let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if check != "ok" {
        return Err(StoreError::Damaged(check.replace('\n', " ")));
    }
    let mut statement = connection.prepare("SELECT kind, key, value FROM record")?;
    let text = |row: &Row<'_>, column| -> rusqlite::Result<String> {
        // One damaged record does not cost the others: it turns out to be no JSON.
        Ok(String::from_utf8_lossy(row.get_ref(column)?.as_bytes()?).into_owned())
    };
    let rows =
        statement.query_map([], |row| Ok(((text(row, 0)?, text(row, 1)?), text(row, 2)?)))?;
    Ok(rows.collect::<Result<Rows, _>>()?)
}

fn write_row(
    transaction: &Transaction<'_>,
    (kind, key): &RowKey,
    value: Option<&String>,
) -> rusqlite::Result<()> {
    match value {
        Some(value) => transaction.prepare_cached(UPSERT)?.execute(params![kind, key, value])?,
        None => transaction.prepare_cached(DELETE)?.execute([kind, key])?,
    };
    Ok(())
}

fn row_key<T: Record>(key: &str) -> RowKey {
    (T::KIND.to_owned(), key.to_owned())
}

/// The JSON of a record without what is empty, to write little.
fn json(record: &impl Serialize) -> String {
    let mut value = serde_json::to_value(record).unwrap_or_default();
    drop_empty(&mut value);
    value.to_string()
}

fn drop_empty(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, field| {
            drop_empty(field);
            !field.is_null() && field.as_array().is_none_or(|items| !items.is_empty())
        });
    } else if let Value::Array(items) = value {
        items.iter_mut().for_each(drop_empty);
    }
}

fn identity(path: &Path) -> Identity {
    [path.to_path_buf(), beside(path, WAL)]
        .map(|path| path.metadata().ok().map(|found| (found.dev(), found.ino())))
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |found| found.len())
}

/// The file that SQLite names like `file` with something at the end.
fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Renames a database and its write-ahead log; returns the new name.
fn set_aside(file: &Path, why: &str, clock: &WallClock) -> io::Result<PathBuf> {
    let time = clock.now().to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ");
    let kept = beside(file, &format!(".{why}-{time}"));
    fs::rename(file, &kept)?;
    match fs::rename(beside(file, WAL), beside(&kept, WAL)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(kept),
    }
}
