//! Looks into the database of a bridge that does not run, and changes nothing there.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::image::Image;
use super::open::{FILE, beside};
use super::saved::SavedTarget;
use super::targets;

/// The targets that registered with the bridge that keeps its state in `state_dir`; none if no
/// bridge ever did. The error is the rest of a sentence.
pub fn targets_at_rest(state_dir: &Path) -> Result<Vec<SavedTarget>, String> {
    let file = state_dir.join(FILE);
    if !file.exists() {
        return Ok(Vec::new());
    }
    read(&file)
}

fn read(file: &Path) -> Result<Vec<SavedTarget>, String> {
    let log = beside(file, "-wal");
    if log.metadata().is_ok_and(|log| log.len() > 0) {
        match read_alone(file) {
            Ok(targets) => return Ok(targets),
            Err(error) if is_taken(&error) => {
                return Err(format!("{} is in use by a running bridge", file.display()));
            }
            // It cannot be written, perhaps: the lock of a writer is not to be had.
            Err(_) => {}
        }
    }
    let said = |error: String| format!("{}: {error}", file.display());
    let image = Image::of(file).map_err(said)?;
    targets::load(&image.connection).map_err(|error| said(error.to_string()))
}

fn is_taken(error: &rusqlite::Error) -> bool {
    use ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked))
}

/// After a kill, what was acknowledged may be in the log only. It is read under the lock of a writer,
/// which tells whether a bridge runs, and is left there for the bridge to merge.
fn read_alone(file: &Path) -> rusqlite::Result<Vec<SavedTarget>> {
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_READ_WRITE;
    let connection = Connection::open_with_flags(file, flags)?;
    let keep = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    connection.set_db_config(keep, true)?;
    connection.query_row("PRAGMA locking_mode = EXCLUSIVE", [], |_| Ok(()))?;
    connection.pragma_update(None, "query_only", true)?;
    targets::load(&connection)
}
