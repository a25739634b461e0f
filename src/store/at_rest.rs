//! Looks into the database of a bridge that does not run, and changes nothing there.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

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
    read(&file).map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("{} is in use by a running bridge", file.display())
        }
        _ => format!("{}: {error}", file.display()),
    })
}

fn read(file: &Path) -> rusqlite::Result<Vec<SavedTarget>> {
    let log = beside(file, "-wal");
    let has_log = log.metadata().is_ok_and(|log| log.len() > 0);
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = if has_log {
        // After a kill, what was acknowledged may be in the log only. It can only be read under the
        // lock of a writer, and is left there for the bridge to merge.
        let connection =
            Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let keep = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        connection.set_db_config(keep, true)?;
        connection.query_row("PRAGMA locking_mode = EXCLUSIVE", [], |_| Ok(()))?;
        connection.pragma_update(None, "query_only", true)?;
        connection
    } else {
        unlocked(file)?
    };
    targets::load(&connection)
}

/// The file as it is on disk, without what waits in its log; whoever else has it open, and whether
/// it can be written or not.
pub(super) fn unlocked(file: &Path) -> rusqlite::Result<Connection> {
    let path = percent_encoding::utf8_percent_encode(
        &file.to_string_lossy(),
        percent_encoding::NON_ALPHANUMERIC,
    )
    .to_string();
    let uri = format!("file:{path}?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_READ_ONLY)
}
