//! The tables, and the way from each older version of them to the present one.

use rusqlite::Connection;

/// Step *n* leads from version *n* to *n* + 1. A step that was released is never changed.
const STEPS: [&str; 3] = [TABLES_OF_VERSION_1, TABLES_OF_VERSION_2, COLUMNS_OF_VERSION_3];

/// Times are RFC 3339; energies Wh; the columns of `ledger` are explained at `LedgerRecord`.
const TABLES_OF_VERSION_1: &str = "
CREATE TABLE target (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL,
    name TEXT NOT NULL,
    registered_at TEXT NOT NULL,
    failing_since TEXT
) STRICT;
CREATE TABLE ledger (
    serial TEXT NOT NULL,
    port INTEGER NOT NULL,
    total INTEGER,
    offset INTEGER,
    counter INTEGER,
    counter_since INTEGER,
    old_offset INTEGER,
    old_counter INTEGER,
    before_step INTEGER,
    candidate_base INTEGER,
    candidate_counter INTEGER,
    candidate_since INTEGER,
    candidate_count INTEGER,
    day TEXT,
    at_midnight INTEGER,
    PRIMARY KEY (serial, port)
) STRICT, WITHOUT ROWID;
CREATE TABLE dtu (
    name TEXT PRIMARY KEY,
    last_success TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE snapshot (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    inverters_json BLOB NOT NULL
) STRICT;
";

/// What an MQTT broker was told of each device, and a name by which the bridge knows its own
/// messages there.
const TABLES_OF_VERSION_2: &str = "
CREATE TABLE announced (
    document_topic TEXT NOT NULL,
    state_topic TEXT NOT NULL,
    document BLOB NOT NULL,
    PRIMARY KEY (document_topic, state_topic)
) STRICT, WITHOUT ROWID;
CREATE TABLE bridge (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    name TEXT NOT NULL
) STRICT;
INSERT INTO bridge (id, name) VALUES (1, lower(hex(randomblob(8))));
";

/// Days that the clock has leapt from.
const COLUMNS_OF_VERSION_3: &str = "ALTER TABLE ledger ADD COLUMN left_days TEXT;";

/// How a database's version compares with ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Nothing is to be done.
    Present,
    /// An older one, or a new file; these steps are missing.
    Older(&'static [&'static str]),
    /// Written by a newer bridge.
    Newer(i64),
}

/// The version of a database.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<Version> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let missing = usize::try_from(found).ok().and_then(|found| STEPS.get(found..));
    Ok(match missing {
        Some([]) => Version::Present,
        Some(missing) => Version::Older(missing),
        None => Version::Newer(found),
    })
}

/// Takes the missing steps, all or none.
pub(super) fn migrate(connection: &mut Connection, missing: &[&str]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for step in missing {
        transaction.execute_batch(step)?;
    }
    let version = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    transaction.pragma_update(None, "user_version", version)?;
    transaction.commit()
}
