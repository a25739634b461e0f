//! The rows of registered targets.

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, Row, Statement, params};
use secrecy::ExposeSecret;
use tracing::warn;

use super::saved::SavedTarget;

const UPSERT: &str = "
    INSERT INTO target (key, url, name, registered_at, failing_since) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (key) DO UPDATE SET
        url = ?2, name = ?3, registered_at = ?4, failing_since = ?5";
const SELECT: &str = "SELECT key, url, name, registered_at, failing_since FROM target ORDER BY id";

/// Writes one target.
pub(super) fn save(connection: &Connection, target: &SavedTarget) -> rusqlite::Result<()> {
    let SavedTarget { key, url, name, registered_at, failing_since } = target;
    let failing_since = failing_since.map(|since| since.to_string());
    let values = params![key, url.expose_secret(), name, registered_at.to_string(), failing_since];
    connection.prepare_cached(UPSERT)?.execute(values).map(drop)
}

/// Deletes one target, if it is there.
pub(super) fn delete(connection: &Connection, key: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM target WHERE key = ?1")?.execute([key]).map(drop)
}

/// Reads all targets.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<Vec<SavedTarget>> {
    readable_rows(&mut connection.prepare(SELECT)?, "registered target", |row| {
        Ok(SavedTarget {
            key: row.get(0)?,
            url: row.get::<_, String>(1)?.into(),
            name: row.get(2)?,
            registered_at: time(row, 3)?,
            failing_since: row.get::<_, Option<String>>(4)?.map(|_| time(row, 4)).transpose()?,
        })
    })
}

/// All rows but those that make no sense: one broken row shall not cost the others.
pub(super) fn readable_rows<T>(
    statement: &mut Statement<'_>,
    what: &str,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut found = Vec::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        match read(row) {
            Ok(value) => found.push(value),
            Err(error) => warn!("a {what} in the database is unreadable and left out: {error}"),
        }
    }
    Ok(found)
}

/// The time in one column.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get::<_, String>(column)?
        .parse()
        .map_err(|error| Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}
