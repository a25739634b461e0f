//! `history.db`: one row per DTU and minute; once a port's day is over, its five minutes, hours and day.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use rusqlite::{Connection, OpenFlags, Row, Transaction, params};
use tracing::warn;

use super::codec::{Minute, Sample, encode_buckets};
use super::course::{Bucket, Course, Power, buckets};
use super::time::{Resolution, instant};
use super::{Limits, Poll};
use crate::store::StoreError;

pub(super) const FILE: &str = "history.db";
/// The version of [`SCHEMA`], which SQLite keeps as `user_version`.
const VERSION: i64 = 1;
/// Times are unix seconds, those of `minute` unix minutes. `port` 0 is the inverter's mains side.
/// Before `closed`, what a source did is in `five`, `hour` and `day`, too; `counter` is its counter
/// at that instant.
const SCHEMA: &str = "
CREATE TABLE dtu (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE source (
    id INTEGER PRIMARY KEY, serial TEXT NOT NULL, port INTEGER NOT NULL, dtu INTEGER NOT NULL,
    closed INTEGER NOT NULL, counter INTEGER, UNIQUE (serial, port)) STRICT;
CREATE TABLE minute (
    minute INTEGER NOT NULL, dtu INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (minute, dtu)) STRICT, WITHOUT ROWID;
CREATE TABLE five (
    day INTEGER NOT NULL, source INTEGER NOT NULL, data BLOB NOT NULL,
    UNIQUE (source, day)) STRICT;
CREATE INDEX five_by_day ON five (day);
CREATE TABLE hour (
    source INTEGER NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL,
    mean INTEGER, peak INTEGER, first INTEGER, last INTEGER, quality INTEGER NOT NULL,
    PRIMARY KEY (source, start)) STRICT, WITHOUT ROWID;
CREATE TABLE day (
    source INTEGER NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL,
    mean INTEGER, peak INTEGER, first INTEGER, last INTEGER, quality INTEGER NOT NULL,
    PRIMARY KEY (source, start)) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1;
";
/// Pages of 4 KiB after which the write-ahead log is merged: a page that changed often is written once.
const CHECKPOINT_PAGES: i64 = 250;
/// Of `max_bytes`, for the write-ahead log and one more day.
const RESERVE: u64 = 3 << 20;
/// A clock that is set back by less leaves out polls until it has caught up, in minutes.
const SMALL_STEP: i64 = 2;
/// So many recorded days may have been dated by a clock that was wrong, and no more.
const MOST_MISDATED_DAYS: i64 = 2;
const DAY: i64 = 86_400;

/// Where the file is.
#[derive(Clone, Debug)]
pub(super) enum Place {
    File(PathBuf),
    /// The name of a database that ends with the process.
    Memory(String),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    pub(super) id: i64,
    pub(super) dtu: i64,
    pub(super) closed: i64,
    pub(super) counter: Option<u64>,
}

/// Serial number of the inverter, and port.
pub(super) type SourceKey = (String, u8);

/// What was written last of a DTU.
#[derive(Debug)]
struct LastMinute {
    minute: i64,
    polls: Minute,
    /// Of the same hour.
    before: Option<Minute>,
}

/// The writer's connection, and what it knows of the file.
#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    zone: TimeZone,
    limits: Limits,
    dtus: HashMap<String, i64>,
    sources: HashMap<SourceKey, Source>,
    last: HashMap<i64, LastMinute>,
    newest: i64,
    /// The day whose beginning and end were looked up last.
    today: (i64, i64),
    has_warned_of_clock: bool,
}

impl Database {
    /// Opens the file, or creates it.
    pub(super) fn open(place: &Place, zone: TimeZone, limits: Limits) -> Result<Self, StoreError> {
        let connection = match place {
            Place::File(path) => open_file(path)?,
            Place::Memory(_) => connect(place, OpenFlags::SQLITE_OPEN_READ_WRITE)?,
        };
        if version(&connection)? == 0 {
            connection.execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA} COMMIT;"))?;
        } else {
            // Fails now if the file cannot be written.
            connection.execute_batch("BEGIN IMMEDIATE; COMMIT;")?;
        }
        let mut database = Self {
            connection,
            zone,
            limits,
            dtus: HashMap::new(),
            sources: HashMap::new(),
            last: HashMap::new(),
            newest: 0,
            today: (0, 0),
            has_warned_of_clock: false,
        };
        database.load()?;
        Ok(database)
    }

    fn load(&mut self) -> Result<(), StoreError> {
        self.dtus.clear();
        self.sources.clear();
        self.last.clear();
        let mut statement = self.connection.prepare("SELECT id, name FROM dtu")?;
        let rows = statement.query_map([], |row| Ok((row.get(1)?, row.get(0)?)))?;
        self.dtus = rows.collect::<Result<_, _>>()?;
        drop(statement);
        for (key, source) in sources(&self.connection)? {
            self.sources.insert(key, source);
        }
        let newest = "SELECT max(minute) FROM minute";
        self.newest = self
            .connection
            .query_row(newest, [], |row| row.get::<_, Option<i64>>(0))?
            .unwrap_or_default();
        for dtu in self.dtus.values() {
            let newest = "SELECT max(minute) FROM minute WHERE dtu = ?1 AND minute > ?2";
            let of_this_day = self.newest.saturating_sub(1_440);
            let minute: Option<i64> =
                self.connection.query_row(newest, [*dtu, of_this_day], |row| row.get(0))?;
            let Some(minute) = minute else { continue };
            let mut last: Option<LastMinute> = None;
            minutes(&self.connection, hour_of(minute), minute, |minute, of, polls| {
                if of == *dtu {
                    let before = last.take().map(|last| last.polls);
                    last = Some(LastMinute { minute, polls: polls.clone(), before });
                }
            })?;
            if let Some(last) = last {
                self.last.insert(*dtu, last);
            }
        }
        Ok(())
    }

    /// Writes a poll in one transaction, and what has become complete with it.
    pub(super) fn record(&mut self, poll: &Poll) -> Result<(), StoreError> {
        let written = self.try_record(poll);
        if written.is_err() {
            // What the transaction would have changed is known no more.
            drop(self.load());
        }
        written
    }

    fn try_record(&mut self, poll: &Poll) -> Result<(), StoreError> {
        let second = poll.at.as_second();
        let minute = second.div_euclid(60);
        if !self.accepts(minute)? {
            return Ok(());
        }
        let transaction = self.connection.unchecked_transaction()?;
        let dtu = dtu_id(&transaction, &mut self.dtus, &poll.dtu)?;
        if self.last.get(&dtu).is_some_and(|last| minute < last.minute) {
            return Ok(());
        }
        if !(self.today.0..self.today.1).contains(&second) {
            let begin = Resolution::Day.floor(second, &self.zone);
            self.today = (begin, Resolution::Day.next(begin, &self.zone));
        }
        let today = self.today.0;
        let mut samples = Vec::with_capacity(poll.values.len());
        let mut open = Vec::new();
        for values in &poll.values {
            let key = (values.serial.clone(), values.port);
            let source = source_of(&transaction, &mut self.sources, key, dtu, today)?;
            if source.closed < today {
                open.push(source);
            }
            samples.push(values.sample(source.id));
        }
        samples.sort_unstable_by_key(|sample: &Sample| sample.source);
        samples.dedup_by_key(|sample| sample.source);
        let of_minute = u8::try_from(second.rem_euclid(60)).unwrap_or_default();
        let polls = Minute { first_second: of_minute, last_second: of_minute, polls: 1, samples };
        let last = next_minute(self.last.remove(&dtu), minute, polls);
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO minute (minute, dtu, data) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![minute, dtu, last.polls.encode(last.before.as_ref())])?;
        self.last.insert(dtu, last);
        self.newest = self.newest.max(minute);
        close(&transaction, &open, today, &self.zone)?;
        transaction.commit()?;
        if !open.is_empty() {
            for source in self.sources.values_mut() {
                if open.iter().any(|open| open.id == source.id) {
                    source.closed = today;
                }
            }
            self.prune(second)?;
        }
        Ok(())
    }

    /// Whether a poll of that minute can be recorded. If the clock was set back, what a wrong clock
    /// dated later is deleted: the counters go on, so that no energy is lost.
    fn accepts(&mut self, minute: i64) -> Result<bool, StoreError> {
        if minute >= self.newest.saturating_sub(SMALL_STEP) {
            self.has_warned_of_clock = false;
            return Ok(true);
        }
        let second = minute.saturating_mul(60);
        let later: i64 = self.connection.query_row(
            "SELECT max(
                (SELECT count(DISTINCT start) FROM day WHERE start > ?1 AND mean IS NOT NULL),
                (SELECT count(DISTINCT minute / 1440) FROM minute WHERE minute > ?2))",
            [second, minute],
            |row| row.get(0),
        )?;
        if later > MOST_MISDATED_DAYS {
            if !std::mem::replace(&mut self.has_warned_of_clock, true) {
                warn!(
                    "the clock shows {}, but the history has {later} later days; nothing is recorded \
                     until the clock is past them; check the clock of this machine",
                    instant(second)
                );
            }
            return Ok(false);
        }
        let begin = Resolution::Day.floor(second, &self.zone);
        let transaction = self.connection.unchecked_transaction()?;
        transaction.execute(
            "UPDATE source SET closed = ?1, counter = coalesce((SELECT first FROM hour
             WHERE source = source.id AND start >= ?1 ORDER BY start LIMIT 1), counter)
             WHERE closed > ?1",
            [begin],
        )?;
        transaction.execute("DELETE FROM minute WHERE minute > ?1", [minute])?;
        transaction.execute("DELETE FROM five WHERE day >= ?1", [begin])?;
        transaction.execute("DELETE FROM hour WHERE start >= ?1", [begin])?;
        transaction.execute("DELETE FROM day WHERE start >= ?1", [begin])?;
        transaction.commit()?;
        self.today = (0, 0);
        self.load()?;
        Ok(true)
    }

    /// Deletes what is older than it may be, the finest first.
    pub(super) fn prune(&mut self, now: i64) -> Result<(), StoreError> {
        let limit = |age: std::time::Duration| {
            now.saturating_sub(i64::try_from(age.as_secs()).unwrap_or(i64::MAX))
        };
        let minutes = limit(self.limits.minutes).min(now.saturating_sub(2 * DAY));
        self.forget_minutes(minutes)?;
        let five = limit(self.limits.five_minutes);
        self.connection.execute("DELETE FROM five WHERE day < ?1", [five])?;
        let most = self.limits.max_bytes.saturating_sub(RESERVE);
        while used_bytes(&self.connection)? > most {
            let oldest = "SELECT min(minute) FROM minute";
            let oldest: Option<i64> = self.connection.query_row(oldest, [], |row| row.get(0))?;
            let until = oldest.unwrap_or(i64::MAX).saturating_mul(60).saturating_add(DAY);
            if until < now.saturating_sub(2 * DAY) {
                self.forget_minutes(until)?;
                continue;
            }
            let day = "DELETE FROM five WHERE day = (SELECT min(day) FROM five)";
            if self.connection.execute(day, [])? == 0 {
                break;
            }
        }
        // Gives a row for each page that it frees.
        let mut vacuum = self.connection.prepare("PRAGMA incremental_vacuum")?;
        let mut rows = vacuum.query([])?;
        while rows.next()?.is_some() {}
        Ok(())
    }

    /// Deletes minutes before that instant, after what ports did in them is stored.
    fn forget_minutes(&mut self, until: i64) -> Result<(), StoreError> {
        let minute = hour_of(until.div_euclid(60));
        let any = "SELECT EXISTS (SELECT 1 FROM minute WHERE minute < ?1)";
        let is_any: bool = self.connection.query_row(any, [minute], |row| row.get(0))?;
        if !is_any {
            return Ok(());
        }
        // Ports that have not been read since.
        let day = Resolution::Day.next(Resolution::Day.floor(until, &self.zone), &self.zone);
        let open: Vec<_> =
            self.sources.values().filter(|source| source.closed < day).copied().collect();
        let transaction = self.connection.unchecked_transaction()?;
        close(&transaction, &open, day, &self.zone)?;
        transaction.execute("DELETE FROM minute WHERE minute < ?1", [minute])?;
        transaction.commit()?;
        for source in self.sources.values_mut() {
            source.closed = source.closed.max(day);
        }
        Ok(())
    }

    /// Merges the write-ahead log into the file.
    pub(super) fn checkpoint(&self) {
        drop(self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// The minutes of that hour are differences to its first one.
fn hour_of(minute: i64) -> i64 {
    minute.div_euclid(60).saturating_mul(60)
}

/// What is to be written after a poll, if `last` was written before.
fn next_minute(last: Option<LastMinute>, minute: i64, polls: Minute) -> LastMinute {
    match last {
        Some(mut last) if last.minute == minute => {
            last.polls.add(&polls);
            last
        }
        Some(last) if hour_of(last.minute) == hour_of(minute) => {
            LastMinute { minute, polls, before: Some(last.polls) }
        }
        _ => LastMinute { minute, polls, before: None },
    }
}

fn dtu_id(
    transaction: &Transaction<'_>,
    dtus: &mut HashMap<String, i64>,
    name: &str,
) -> Result<i64, StoreError> {
    if let Some(id) = dtus.get(name) {
        return Ok(*id);
    }
    transaction.execute("INSERT INTO dtu (name) VALUES (?1)", [name])?;
    let id = transaction.last_insert_rowid();
    dtus.insert(name.to_owned(), id);
    Ok(id)
}

fn source_of(
    transaction: &Transaction<'_>,
    sources: &mut HashMap<SourceKey, Source>,
    key: SourceKey,
    dtu: i64,
    today: i64,
) -> Result<Source, StoreError> {
    if let Some(source) = sources.get_mut(&key) {
        if source.dtu != dtu {
            // It has moved, or its DTU has another name.
            transaction.execute("UPDATE source SET dtu = ?1 WHERE id = ?2", [dtu, source.id])?;
            source.dtu = dtu;
        }
        return Ok(*source);
    }
    transaction.execute(
        "INSERT INTO source (serial, port, dtu, closed) VALUES (?1, ?2, ?3, ?4)",
        params![key.0, key.1, dtu, today],
    )?;
    let source = Source { id: transaction.last_insert_rowid(), dtu, closed: today, counter: None };
    sources.insert(key, source);
    Ok(source)
}

/// What was read of one source since its last closed day.
#[derive(Debug, Default)]
pub(super) struct Readings {
    pub(super) course: Course,
    pub(super) powers: Vec<Power>,
}

impl Readings {
    /// Goes on from where the last closed day ended.
    pub(super) fn since(source: &Source) -> Self {
        let mut readings = Self::default();
        if let Some(counter) = source.counter {
            readings.course.know(source.closed, counter);
        }
        readings
    }

    pub(super) fn add(&mut self, minute: i64, polls: &Minute, sample: &Sample) {
        let begin = minute.saturating_mul(60);
        if let Some(power) = sample.power {
            self.powers.push((begin, power));
        }
        if let Some((first, last)) = sample.counter {
            self.course.read(begin.saturating_add(i64::from(polls.first_second)), first);
            if polls.polls > 1 {
                self.course.read(begin.saturating_add(i64::from(polls.last_second)), last);
            }
        }
    }
}

/// Stores the five minutes, hours and days of these sources that ended before `until`.
fn close(
    transaction: &Transaction<'_>,
    open: &[Source],
    until: i64,
    zone: &TimeZone,
) -> Result<(), StoreError> {
    let Some(begin) = open.iter().map(|source| source.closed).min() else { return Ok(()) };
    let mut readings: BTreeMap<i64, Readings> = BTreeMap::new();
    for source in open {
        // Read again: another transaction may have stored it since.
        let counter = "SELECT counter FROM source WHERE id = ?1";
        let counter = transaction.query_row(counter, [source.id], |row| counter_in(row, 0))?;
        readings.insert(source.id, Readings::since(&Source { counter, ..*source }));
    }
    let closed: HashMap<i64, i64> =
        open.iter().map(|source| (source.id, source.closed.div_euclid(60))).collect();
    minutes(transaction, begin.div_euclid(60), i64::MAX, |minute, _, polls| {
        for sample in &polls.samples {
            if closed.get(&sample.source).is_some_and(|closed| minute >= *closed)
                && let Some(readings) = readings.get_mut(&sample.source)
            {
                readings.add(minute, polls, sample);
            }
        }
    })?;
    for source in open {
        if let Some(readings) = readings.get(&source.id) {
            close_source(transaction, source, readings, until, zone)?;
        }
    }
    Ok(())
}

fn close_source(
    transaction: &Transaction<'_>,
    source: &Source,
    Readings { course, powers }: &Readings,
    until: i64,
    zone: &TimeZone,
) -> Result<(), StoreError> {
    let days = buckets(course, powers, &Resolution::Day.bounds(source.closed, until, zone));
    for day in days {
        put_bucket(transaction, "day", source.id, &day)?;
        for hour in buckets(course, powers, &Resolution::Hour.bounds(day.start, day.end, zone)) {
            put_bucket(transaction, "hour", source.id, &hour)?;
        }
        if day.power.is_some() {
            let bounds = Resolution::FiveMinutes.bounds(day.start, day.end, zone);
            let five = buckets(course, powers, &bounds);
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO five (day, source, data) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![day.start, source.id, encode_buckets(day.start, &five)])?;
        }
    }
    transaction
        .prepare_cached("UPDATE source SET closed = ?1, counter = ?2 WHERE id = ?3")?
        .execute(params![until, course.counter(until).map(as_stored), source.id])?;
    Ok(())
}

fn put_bucket(
    transaction: &Transaction<'_>,
    table: &str,
    source: i64,
    bucket: &Bucket,
) -> Result<(), StoreError> {
    let Bucket { start, end, power, counter, quality } = *bucket;
    let sql = format!("INSERT OR REPLACE INTO {table} VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
    transaction.prepare_cached(&sql)?.execute(params![
        source,
        start,
        end.saturating_sub(start),
        power.map(|power| power.0),
        power.map(|power| power.1),
        counter.map(|counter| as_stored(counter.0)),
        counter.map(|counter| as_stored(counter.1)),
        quality.code(),
    ])?;
    Ok(())
}

/// All sources by serial number and port.
pub(super) fn sources(connection: &Connection) -> Result<Vec<(SourceKey, Source)>, StoreError> {
    let sql = "SELECT serial, port, id, dtu, closed, counter FROM source ORDER BY serial, port";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let source = Source {
            id: row.get(2)?,
            dtu: row.get(3)?,
            closed: row.get(4)?,
            counter: counter_in(row, 5)?,
        };
        Ok(((row.get(0)?, row.get(1)?), source))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Passes on all minutes from `from` until `to`, both included, in their order. Damaged ones are left out.
pub(super) fn minutes(
    connection: &Connection,
    from: i64,
    to: i64,
    mut take: impl FnMut(i64, i64, &Minute),
) -> Result<(), StoreError> {
    let sql = "SELECT minute, dtu, data FROM minute WHERE minute >= ?1 AND minute <= ?2
               ORDER BY minute, dtu";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([hour_of(from), to])?;
    let mut before: HashMap<i64, (i64, Minute)> = HashMap::new();
    while let Some(row) = rows.next()? {
        let (minute, dtu): (i64, i64) = (row.get(0)?, row.get(1)?);
        let data = row.get_ref(2)?.as_blob().unwrap_or_default();
        let known = before.get(&dtu).filter(|(known, _)| hour_of(*known) == hour_of(minute));
        let Some(polls) = Minute::decode(data, known.map(|(_, polls)| polls)) else {
            before.remove(&dtu);
            continue;
        };
        if minute >= from {
            take(minute, dtu, &polls);
        }
        before.insert(dtu, (minute, polls));
    }
    Ok(())
}

/// What the file takes, without pages that are free.
fn used_bytes(connection: &Connection) -> Result<u64, StoreError> {
    let value = |name: &str| -> Result<u64, StoreError> {
        let value: i64 = connection.pragma_query_value(None, name, |row| row.get(0))?;
        Ok(value.unsigned_abs())
    };
    let pages = value("page_count")?.saturating_sub(value("freelist_count")?);
    Ok(pages.saturating_mul(value("page_size")?))
}

/// The version of the tables, at most ours; 0 of an empty database.
pub(super) fn version(connection: &Connection) -> Result<i64, StoreError> {
    match connection.pragma_query_value(None, "user_version", |row| row.get(0))? {
        known @ ..=VERSION => Ok(known),
        newer => Err(StoreError::Newer(newer)),
    }
}

fn open_file(path: &Path) -> Result<Connection, StoreError> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let is_new = !path.exists();
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    drop(fs::set_permissions(path, fs::Permissions::from_mode(0o600)));
    if !is_new && fs::metadata(path)?.len() == 0 {
        // What a power cut makes of a file. To SQLite it would be a new one.
        return Err(StoreError::Damaged("it is empty".to_owned()));
    }
    let opened = connect(&Place::File(path.to_owned()), OpenFlags::SQLITE_OPEN_READ_WRITE)
        .and_then(|connection| {
            if version(&connection)? == 0 {
                connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL")?;
            }
            Ok(connection)
        })
        .and_then(|connection| {
            let row = |_: &Row<'_>| Ok(());
            connection.query_row("PRAGMA journal_mode = WAL", [], row)?;
            // Nothing is flushed at each poll, to spare SD cards. A power cut costs the polls since the
            // log was last merged, never the file; a killed process costs none.
            connection.execute_batch("PRAGMA synchronous = NORMAL")?;
            connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
            let pages = "SELECT count(*) FROM sqlite_schema";
            connection.query_row(pages, [], |row| row.get::<_, i64>(0))?;
            Ok(connection)
        });
    if is_new && opened.is_err() {
        drop(fs::remove_file(path));
    }
    opened
}

/// A connection that waits for others only briefly.
pub(super) fn connect(place: &Place, flags: OpenFlags) -> Result<Connection, StoreError> {
    let connection = match place {
        Place::File(path) => {
            Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?
        }
        Place::Memory(name) => {
            let uri = format!("file:{name}?mode=memory&cache=shared");
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_URI;
            let connection = Connection::open_with_flags(uri, flags)?;
            // A reader must not make the writer wait.
            connection.execute_batch("PRAGMA read_uncommitted = true")?;
            connection
        }
    };
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

/// SQLite has no unsigned numbers.
fn as_stored(counter: u64) -> i64 {
    i64::try_from(counter).unwrap_or(i64::MAX)
}

pub(super) fn counter_in(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    let stored: Option<i64> = row.get(column)?;
    Ok(stored.and_then(|stored| u64::try_from(stored).ok()))
}
