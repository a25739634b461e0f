//! Opens the database file, sets aside one that is of no use, and says why it cannot.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, Error, ErrorCode, TransactionBehavior};
use tracing::warn;

use super::LOST;
use super::aside;
use super::database::Database;
use super::image::has_damaged_log;
use super::refusal::Refusal;
use super::schema::{self, Version};

/// The file in the state directory.
pub(super) const FILE: &str = "hoymiles-bridge.db";

/// Why a file is of no use, sorted by what is done about it.
#[derive(Debug)]
enum Useless {
    /// Set it aside and begin a new one.
    Damaged(String),
    /// Written by a newer bridge: set it aside for that one, and begin a new one.
    Newer(i64),
    /// Work in memory: another process writes it.
    Taken,
    /// Work in memory: the system refuses.
    Refused(String),
}

impl From<Error> for Useless {
    fn from(error: Error) -> Self {
        match error.sqlite_error_code() {
            // `Unknown` is what SQLite says of tables and columns that are not there.
            None
            | Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown) => {
                Self::Damaged(said(&error))
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Taken,
            Some(_) => Self::Refused(said(&error)),
        }
    }
}

/// What SQLite says, without the text of the statement to which it says it.
fn said(error: &Error) -> String {
    if let Error::SqlInputError { msg, .. } = error { msg.clone() } else { error.to_string() }
}

impl From<io::Error> for Useless {
    fn from(error: io::Error) -> Self {
        Self::Refused(error.to_string())
    }
}

/// Opens the database in `directory`, waiting so long for another process to let go of it. The error is the rest of a sentence for the log.
pub(super) fn open(
    patience: Duration,
    directory: &Path,
    now: Timestamp,
) -> Result<Database, String> {
    let file = directory.join(FILE);
    let is_log_damaged = has_damaged_log(&file);
    let first = try_open(patience, directory, &file);
    let second = match first {
        Err(Useless::Damaged(reason)) => {
            let kept = set_aside(&file, "damaged", now)?;
            warn!(
                "{} is damaged ({reason}); it is kept as {}, and a new one begins",
                file.display(),
                kept.display()
            );
            try_open(patience, directory, &file)
        }
        Err(Useless::Newer(version)) => {
            let kept = set_aside(&file, "newer", now)?;
            warn!(
                "{} was written by a newer bridge (version {version} of its tables); \
                 it is kept as {}, and a new one begins",
                file.display(),
                kept.display()
            );
            try_open(patience, directory, &file)
        }
        other => {
            if is_log_damaged && other.is_ok() {
                warn!("{}: {LOST}", file.display());
            }
            other
        }
    };
    second.map_err(|useless| match useless {
        Useless::Taken => format!(
            "{} is in use by another process; stop the other bridge, or give this one \
             a state_dir of its own",
            file.display()
        ),
        Useless::Damaged(reason) | Useless::Refused(reason) => cannot_write(&file, &reason),
        Useless::Newer(version) => cannot_write(&file, &format!("version {version}")),
    })
}

fn cannot_write(file: &Path, reason: &str) -> String {
    match Refusal::of(file) {
        Some(refusal) => format!("cannot write {}: {refusal}", file.display()),
        None => format!(
            "cannot write {}: {reason}; give the user that runs the bridge write permission \
             on that folder (in a container: on what is mounted at /data)",
            file.display()
        ),
    }
}

fn set_aside(file: &Path, why: &str, now: Timestamp) -> Result<PathBuf, String> {
    aside::set_aside(file, why, now).map_err(|error| cannot_write(file, &error.to_string()))
}

/// Opens the database only if nothing is wrong with it, and waits for nobody.
pub(super) fn open_if_well(directory: &Path) -> Option<Database> {
    try_open(Duration::ZERO, directory, &directory.join(FILE)).ok()
}

fn try_open(patience: Duration, directory: &Path, file: &Path) -> Result<Database, Useless> {
    fs::create_dir_all(directory)?;
    if file.metadata().is_ok_and(|known| known.len() == 0) {
        // What a power cut makes of a file. To SQLite it would be a new one.
        return Err(Useless::Damaged("it is empty".to_owned()));
    }
    keep_private(file)?;
    let mut connection = Connection::open(file)?;
    connection.busy_timeout(patience)?;
    // Held from the first reading on. It also spares the file of shared memory, which not every
    // file system under a container can have.
    set(&connection, "PRAGMA locking_mode = EXCLUSIVE")?;
    let version = schema::version(&connection)?;
    if let Version::Newer(version) = version {
        return Err(Useless::Newer(version));
    }
    set(&connection, "PRAGMA journal_mode = WAL")?;
    // What is deleted may be a token.
    set(&connection, "PRAGMA secure_delete = FAST")?;
    let check: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if check != "ok" {
        return Err(Useless::Damaged(check.replace('\n', " ")));
    }
    if let Version::Older(missing) = version {
        schema::migrate(&mut connection, missing)?;
    }
    // To be told now, and not with the first registration, that the file cannot be written.
    connection.transaction_with_behavior(TransactionBehavior::Immediate)?.commit()?;
    Ok(Database::new(connection, Some(file.to_path_buf()))?)
}

fn set(connection: &Connection, pragma: &str) -> rusqlite::Result<()> {
    connection.query_row(pragma, [], |_| Ok(()))
}

/// Only the bridge's user may read it: it holds tokens. SQLite gives the files beside it the same
/// mode.
#[cfg(unix)]
fn keep_private(file: &Path) -> io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let created = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    match created {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Not ours to change, perhaps, but then still ours to use.
            drop(fs::set_permissions(file, fs::Permissions::from_mode(0o600)));
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Elsewhere the folder's rights have to do.
#[cfg(not(unix))]
fn keep_private(_file: &Path) -> io::Result<()> {
    Ok(())
}

/// The file that SQLite names like `file` with something at the end.
pub(super) fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}
