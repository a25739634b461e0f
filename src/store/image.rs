//! A database as its files hold it, taken into memory: no lock, no right to write, and nothing of
//! what waits in its log is missing.

use std::path::Path;

use rusqlite::{Connection, MAIN_DB};

use super::log::Log;
use super::open::beside;
use crate::files::{self, FileError};

/// In bytes, of file and log each. A plant with hundreds of ports takes less than one million.
const MOST: u64 = 256 * 1024 * 1024;
/// A running bridge may merge its log while it is read.
const ATTEMPTS: usize = 5;

/// A database in memory.
pub(super) struct Image {
    /// It can be written, and nobody else sees it.
    pub(super) connection: Connection,
    /// Whether the log held more than can be read of it.
    pub(super) is_damaged: bool,
}

impl Image {
    /// What `file` and its log hold. The error is the rest of a sentence.
    pub(super) fn of(file: &Path) -> Result<Self, String> {
        let (mut bytes, log) = both(file)?;
        let log = Log::read(&log);
        log.merge_into(&mut bytes, MOST)?;
        if bytes.is_empty() {
            return Err("it is empty".to_owned());
        }
        // In memory there is no log: the two bytes that demand one.
        for mode in bytes.iter_mut().skip(18).take(2) {
            *mode = 1;
        }
        let connection = opened(&bytes)?;
        Ok(Self { connection, is_damaged: log.is_damaged })
    }
}

/// Whether what waits in the log beside `file` cannot be read to its end; SQLite would pass over it
/// in silence.
pub(super) fn has_damaged_log(file: &Path) -> bool {
    files::read(&beside(file, "-wal"), MOST).is_ok_and(|log| Log::read(&log).is_damaged)
}

fn opened(bytes: &[u8]) -> Result<Connection, String> {
    let said = |error: rusqlite::Error| error.to_string();
    let mut connection = Connection::open_in_memory().map_err(said)?;
    connection.deserialize_read_exact(MAIN_DB, bytes, bytes.len(), false).map_err(said)?;
    let check = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match check.map_err(said)? {
        fine if fine == "ok" => Ok(connection),
        wrong => Err(wrong.replace('\n', " ")),
    }
}

/// The file and its log, of one time: pages that were merged while the file was read are in the log
/// still, unless that has begun anew.
fn both(file: &Path) -> Result<(Vec<u8>, Vec<u8>), String> {
    let beside = beside(file, "-wal");
    let log = || match files::read(&beside, MOST) {
        Err(error) if error.is_missing() || matches!(error, FileError::Folder) => Ok(Vec::new()),
        other => other.map_err(|error| format!("{} {error}", beside.display())),
    };
    for _ in 0..ATTEMPTS {
        let before = log()?;
        let bytes = files::read(file, MOST).map_err(|error| format!("it {error}"))?;
        let after = log()?;
        if after.get(..32) == before.get(..32) {
            return Ok((bytes, after));
        }
    }
    Err("it is being written".to_owned())
}
