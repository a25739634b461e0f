//! The rows of the ports' ledgers.

use rusqlite::types::Type;
use rusqlite::{Connection, Error, params};

use super::saved::PortKey;
use super::targets::readable_rows;
use crate::plant::ledger::LedgerRecord;

const REPLACE: &str = "
    INSERT OR REPLACE INTO ledger (serial, port, total, offset, counter, counter_since, old_offset,
        old_counter, before_step, candidate_base, candidate_counter, candidate_since,
        candidate_count, day, at_midnight, left_days)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
const SELECT: &str = "
    SELECT serial, port, total, offset, counter, counter_since, old_offset, old_counter,
        before_step, candidate_base, candidate_counter, candidate_since, candidate_count, day,
        at_midnight, left_days
    FROM ledger ORDER BY serial, port";

/// Writes one ledger.
pub(super) fn save(
    connection: &Connection,
    (serial, port): PortKey,
    record: &LedgerRecord,
) -> rusqlite::Result<()> {
    let values = params![
        serial.to_string(),
        port,
        record.total,
        record.offset,
        record.counter,
        record.counter_since,
        record.old_offset,
        record.old_counter,
        record.before_step,
        record.candidate_base,
        record.candidate_counter,
        record.candidate_since,
        record.candidate_count,
        record.day,
        record.at_midnight,
        record.left_days,
    ];
    connection.prepare_cached(REPLACE)?.execute(values).map(drop)
}

/// Reads all ledgers.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<Vec<(PortKey, LedgerRecord)>> {
    readable_rows(&mut connection.prepare(SELECT)?, "port's energy ledger", |row| {
        let serial = row
            .get::<_, String>(0)?
            .parse()
            .map_err(|error| Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))?;
        let record = LedgerRecord {
            total: row.get(2)?,
            offset: row.get(3)?,
            counter: row.get(4)?,
            counter_since: row.get(5)?,
            old_offset: row.get(6)?,
            old_counter: row.get(7)?,
            before_step: row.get(8)?,
            candidate_base: row.get(9)?,
            candidate_counter: row.get(10)?,
            candidate_since: row.get(11)?,
            candidate_count: row.get(12)?,
            day: row.get(13)?,
            at_midnight: row.get(14)?,
            left_days: row.get(15)?,
        };
        Ok(((serial, row.get(1)?), record))
    })
}
