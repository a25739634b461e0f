//! The rows of what an MQTT broker was told.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::saved::{Announced, Place};
use super::targets::readable_rows;

const REPLACE: &str = "
    INSERT OR REPLACE INTO announced (document_topic, state_topic, document) VALUES (?1, ?2, ?3)";
const DELETE: &str = "DELETE FROM announced WHERE document_topic = ?1 AND state_topic = ?2";
const SELECT: &str = "SELECT document_topic, state_topic, document FROM announced";

/// Writes one document, or deletes it.
pub(super) fn save(
    connection: &Connection,
    Place { document: topic, state }: &Place,
    document: Option<&[u8]>,
) -> rusqlite::Result<()> {
    let changed = match document {
        Some(text) => connection.prepare_cached(REPLACE)?.execute(params![topic, state, text]),
        None => connection.prepare_cached(DELETE)?.execute([topic, state]),
    };
    changed.map(drop)
}

/// Reads all documents, and our name.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<Announced> {
    let rows = &mut connection.prepare(SELECT)?;
    let rows = readable_rows(rows, "document for MQTT", |row| {
        let place = Place { document: row.get(0)?, state: row.get(1)? };
        Ok((place, Bytes::from(row.get::<_, Vec<u8>>(2)?)))
    })?;
    let name = connection.query_row("SELECT name FROM bridge", [], |row| row.get(0)).optional()?;
    Ok(Announced {
        bridge: name.unwrap_or_default(),
        documents: rows.into_iter().take(Announced::MOST).collect(),
    })
}
