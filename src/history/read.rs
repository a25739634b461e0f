//! Answers questions about the history, over connections of its own that delay no writing.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use jiff::tz::TimeZone;
use rusqlite::{Connection, OpenFlags};
use thiserror::Error;

use super::codec::{Minute, Sample, decode_buckets};
use super::course::{Bucket, Course, GAP, Produced, Quality, mean};
use super::database::{
    FILE, Place, Readings, Source, connect, counter_in, minutes, sources, version,
};
use super::points::{Grid, Values, automatic, reduce};
use super::time::Resolution;
use crate::store::StoreError;

/// Most periods that are looked at for one answer.
const MOST_PERIODS: i64 = 600_000;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The text names the series.
    #[error("the history has no series `{0}`")]
    Unknown(String),
    /// The question is too large.
    #[error("this is too long for such short periods; ask for less or for longer periods")]
    TooLong,
    /// The file cannot be read.
    #[error("the history cannot be read: {0}")]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// From when until when, in unix seconds; `to` does not belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Range {
    pub from: i64,
    pub to: i64,
}

/// What a series is a sum of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Of {
    Plant,
    Dtu,
    Inverter,
    Port,
}

impl Of {
    /// All, the largest first.
    pub const ALL: [Self; 4] = [Self::Plant, Self::Dtu, Self::Inverter, Self::Port];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Plant => "plant",
            Self::Dtu => "dtu",
            Self::Inverter => "inverter",
            Self::Port => "port",
        }
    }
}

/// What was produced in one period, in Wh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Period {
    pub start: i64,
    pub end: i64,
    pub energy: u64,
    pub quality: Quality,
}

/// The periods of one series.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct EnergySeries {
    pub key: String,
    pub periods: Vec<Period>,
}

/// The points of one series: when a period begins, and its value.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct PointSeries {
    pub key: String,
    pub unit: &'static str,
    pub points: Vec<(i64, Option<f64>)>,
}

/// Reads the history. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    pub(super) place: Place,
    pub(super) zone: TimeZone,
}

struct Named {
    serial: String,
    port: u8,
    dtu: String,
    source: Source,
}

impl Named {
    fn key(&self, of: Of) -> String {
        match of {
            Of::Plant => "plant".to_owned(),
            Of::Dtu => self.dtu.clone(),
            Of::Inverter => self.serial.clone(),
            Of::Port => format!("{}.{}", self.serial, self.port),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Power,
    Voltage,
    Current,
    Temperature,
}

impl Field {
    const fn unit(self) -> (&'static str, f64) {
        match self {
            Self::Power => ("W", 10.0),
            Self::Voltage => ("V", 10.0),
            Self::Current => ("A", 100.0),
            Self::Temperature => ("°C", 10.0),
        }
    }

    fn of(self, sample: &Sample) -> Option<i32> {
        match self {
            Self::Power => sample.power.map(|power| power.0),
            Self::Voltage => sample.voltage,
            Self::Current | Self::Temperature => sample.current,
        }
    }
}

/// One series, and the sources that it is a sum of.
struct Wanted {
    key: String,
    field: Field,
    sources: Vec<Source>,
}

impl Reader {
    /// Of the file in that folder; `None` without one.
    pub fn of_folder(folder: &Path, zone: TimeZone) -> Option<Self> {
        let path = folder.join(FILE);
        path.exists().then_some(Self { place: Place::File(path), zone })
    }

    /// When the day of that instant began.
    pub fn begin_of_day(&self, time: i64) -> i64 {
        Resolution::Day.floor(time, &self.zone)
    }

    /// The time zone in which periods begin.
    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    fn connect(&self) -> Result<Connection, StoreError> {
        let connection = match connect(&self.place, OpenFlags::SQLITE_OPEN_READ_ONLY) {
            Ok(connection) if version(&connection).is_ok() => connection,
            Ok(_) | Err(_) => self.connect_unlocked()?,
        };
        // All that one answer reads is of one instant.
        connection.execute_batch("BEGIN")?;
        Ok(connection)
    }

    /// On a read-only disk SQLite can neither lock nor share memory.
    fn connect_unlocked(&self) -> Result<Connection, StoreError> {
        let Place::File(path) = &self.place else {
            return connect(&self.place, OpenFlags::SQLITE_OPEN_READ_ONLY);
        };
        let mut uri = url::Url::from_file_path(std::fs::canonicalize(path)?)
            .map_err(|()| StoreError::Other("its path makes no URL".to_owned()))?;
        uri.set_query(Some("immutable=1"));
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(uri.as_str(), flags)?;
        version(&connection)?;
        Ok(connection)
    }

    /// What each period that overlaps the range has produced, series by series.
    pub fn energy(
        &self,
        by: Resolution,
        range: Range,
        of: Of,
    ) -> Result<Vec<EnergySeries>, ReadError> {
        let connection = self.connect()?;
        let known = named(&connection)?;
        let mut sums: BTreeMap<String, BTreeMap<i64, (i64, Produced)>> = BTreeMap::new();
        let ports = || known.iter().filter(|known| known.port > 0);
        for port in ports() {
            sums.entry(port.key(of)).or_default();
        }
        if of == Of::Plant {
            sums.entry(Of::Plant.word().to_owned()).or_default();
        }
        let Some(range) = known_range(&connection, range)? else { return Ok(series_of(sums)) };
        let bounds = self.bounds(by, range)?;
        let open = open_readings(&connection, ports().map(|port| port.source))?;
        let until = bounds.last().copied().unwrap_or(range.to);
        let days = Resolution::Day.bounds(range.from, range.to, &self.zone);
        for port in ports() {
            let Some(readings) = open.get(&port.source.id) else { continue };
            let closed = self.closed(&connection, by, &port.source, (&bounds, &days))?;
            let mut course = Course::default();
            for bucket in &closed {
                course.pass(bucket);
            }
            course.follow(&readings.course);
            let Some((first, last)) = course.span() else { continue };
            let Some(sum) = sums.get_mut(&port.key(of)) else { continue };
            for (&start, &end) in bounds.iter().zip(bounds.iter().skip(1)) {
                if end < first || start >= last || start >= until {
                    continue;
                }
                let produced = course.produced(start, end);
                let (_, known) = sum.entry(start).or_insert((end, Produced::default()));
                known.energy = known.energy.saturating_add(produced.energy);
                known.quality = known.quality.max(produced.quality);
            }
        }
        Ok(series_of(sums))
    }

    /// The stored periods of a source that are coarse enough, and fine enough for these bounds.
    fn closed(
        &self,
        connection: &Connection,
        by: Resolution,
        source: &Source,
        (bounds, days): (&[i64], &[i64]),
    ) -> Result<Vec<Bucket>, ReadError> {
        let range = Range {
            from: bounds.first().copied().unwrap_or_default(),
            to: bounds.last().copied().unwrap_or_default().min(source.closed),
        };
        if by > Resolution::Hour {
            let stored = stored(connection, "day", source.id, range)?;
            // Another time zone had other days.
            let is_day =
                |time: &i64| days.binary_search(time).is_ok() || bounds.binary_search(time).is_ok();
            let months = by > Resolution::Day;
            let fits = |bucket: &Bucket| {
                is_day(&bucket.start)
                    || (months && Resolution::Day.floor(bucket.start, &self.zone) == bucket.start)
            };
            if stored.iter().all(fits) {
                return Ok(stored);
            }
        }
        stored(connection, "hour", source.id, range)
    }

    /// These series, each with 2,000 points at most; and the resolution they have.
    pub fn points(
        &self,
        resolution: Option<Resolution>,
        range: Range,
        keys: &[String],
        now: i64,
    ) -> Result<(Resolution, Vec<PointSeries>), ReadError> {
        let connection = self.connect()?;
        let known = named(&connection)?;
        let wanted: Vec<Wanted> =
            keys.iter().map(|key| wanted(&known, key)).collect::<Result<_, _>>()?;
        let oldest = oldest_minute(&connection)?;
        let resolution = resolution.unwrap_or_else(|| automatic(range, now, oldest));
        let Some(inside) = known_range(&connection, range)? else {
            let empty = wanted.into_iter().map(|wanted| PointSeries {
                key: wanted.key,
                unit: wanted.field.unit().0,
                points: vec![(range.from, None)],
            });
            return Ok((resolution, empty.collect()));
        };
        // What is not known at the ends of the range is a gap.
        let end = range.to.min(now.max(inside.to));
        let bounds = self.bounds(
            resolution,
            Range {
                from: range.from.max(inside.from.saturating_sub(2 * GAP)),
                to: end.max(inside.to),
            },
        )?;
        let grid = Grid { resolution, bounds };
        let values = read_values(&connection, &wanted, &grid)?;
        let series = wanted.into_iter().map(|wanted| {
            let (unit, steps) = wanted.field.unit();
            let mut sources = Vec::new();
            for source in &wanted.sources {
                sources.push(
                    values.get(&(source.id, wanted.field.index())).map_or(&[][..], Vec::as_slice),
                );
            }
            let points = grid.points(&sources, steps, end);
            PointSeries { key: wanted.key, unit, points: reduce(points) }
        });
        Ok((resolution, series.collect()))
    }

    /// The keys of the power of all that there is of a kind.
    pub fn power_keys(&self, of: Of) -> Result<Vec<String>, ReadError> {
        let known = named(&self.connect()?)?;
        let mut keys: Vec<String> = known
            .iter()
            .filter(|known| known.port > 0)
            .map(|known| format!("{}.pv_power", known.key(of)))
            .collect();
        keys.sort();
        keys.dedup();
        Ok(keys)
    }

    fn bounds(&self, resolution: Resolution, range: Range) -> Result<Vec<i64>, ReadError> {
        let count = range.to.saturating_sub(range.from) / resolution.length();
        if count > MOST_PERIODS {
            return Err(ReadError::TooLong);
        }
        Ok(resolution.bounds(range.from, range.to, &self.zone))
    }
}

impl Field {
    const fn index(self) -> u8 {
        match self {
            Self::Power => 0,
            Self::Voltage => 1,
            Self::Current | Self::Temperature => 2,
        }
    }
}

fn wanted(known: &[Named], key: &str) -> Result<Wanted, ReadError> {
    let unknown = || ReadError::Unknown(key.to_owned());
    let (subject, name) = key.rsplit_once('.').ok_or_else(unknown)?;
    let field = match name {
        "pv_power" | "active_power" => Field::Power,
        "pv_voltage" | "grid_voltage" => Field::Voltage,
        "pv_current" => Field::Current,
        "temperature" => Field::Temperature,
        _ => return Err(unknown()),
    };
    let of_mains = ["active_power", "grid_voltage", "temperature"].contains(&name);
    let is_sum = name == "pv_power";
    let fits = |known: &&Named| {
        let serial = subject.to_ascii_lowercase();
        if of_mains {
            return known.port == 0 && known.serial == serial;
        }
        known.port > 0
            && (known.key(Of::Port) == serial
                || (is_sum
                    && (subject == "plant" || known.dtu == subject || known.serial == serial)))
    };
    let sources: Vec<_> = known.iter().filter(fits).map(|known| known.source).collect();
    if sources.is_empty() && key != "plant.pv_power" {
        return Err(unknown());
    }
    Ok(Wanted { key: key.to_owned(), field, sources })
}

/// A source and the place of a field.
type Column = (i64, u8);

/// What is known in each period of the grid.
#[derive(Default)]
struct Cells {
    columns: HashMap<Column, BTreeMap<usize, Vec<(i32, i32)>>>,
    fields: HashMap<i64, Vec<Field>>,
    /// Until when a source's power comes from its stored periods.
    stored_until: HashMap<i64, i64>,
}

impl Cells {
    fn add(&mut self, column: Column, place: usize, value: (i32, i32)) {
        self.columns.entry(column).or_default().entry(place).or_default().push(value);
    }

    /// Adds a field of a source; of power what is stored of it in periods.
    fn want(
        &mut self,
        connection: &Connection,
        (source, field): (&Source, Field),
        grid: &Grid,
        (range, oldest): (Range, i64),
    ) -> Result<(), ReadError> {
        let fields = self.fields.entry(source.id).or_default();
        if fields.contains(&field) {
            return Ok(());
        }
        fields.push(field);
        if field != Field::Power {
            return Ok(());
        }
        let is_minute = grid.resolution == Resolution::Minute;
        let until = if is_minute { oldest.min(source.closed) } else { source.closed };
        self.stored_until.insert(source.id, until);
        let range = Range { to: range.to.min(until), ..range };
        for bucket in stored_power(connection, source.id, grid.resolution, range)? {
            if let (Some(place), Some(power)) = (grid.place(bucket.start), bucket.power) {
                self.add((source.id, field.index()), place, power);
            }
        }
        Ok(())
    }

    /// The first instant of which minutes are needed; `None` if all comes from stored periods.
    fn first_minute(&self, Range { from, to }: Range) -> Option<i64> {
        let is_power = |fields: &Vec<Field>| *fields == [Field::Power];
        let first = if self.fields.values().all(is_power) {
            self.stored_until.values().min().copied().unwrap_or(to).max(from)
        } else {
            from
        };
        (first < to).then_some(first)
    }

    fn add_minute(&mut self, time: i64, place: usize, polls: &Minute) {
        for sample in &polls.samples {
            let fields = self.fields.get(&sample.source).map_or(&[][..], Vec::as_slice);
            let is_stored =
                self.stored_until.get(&sample.source).is_some_and(|until| time < *until);
            for field in fields.iter().filter(|field| !(is_stored && **field == Field::Power)) {
                if let Some(value) = field.of(sample) {
                    let cells = self.columns.entry((sample.source, field.index())).or_default();
                    cells.entry(place).or_default().push((value, value));
                }
            }
        }
    }
}

/// The values of all sources in the periods of the grid.
fn read_values(
    connection: &Connection,
    wanted: &[Wanted],
    grid: &Grid,
) -> Result<HashMap<Column, Values>, ReadError> {
    let (Some(&from), Some(&to)) = (grid.bounds.first(), grid.bounds.last()) else {
        return Ok(HashMap::new());
    };
    let range = Range { from, to };
    let oldest = oldest_minute(connection)?.unwrap_or(i64::MAX).saturating_mul(60);
    let mut cells = Cells::default();
    for one in wanted {
        for source in &one.sources {
            cells.want(connection, (source, one.field), grid, (range, oldest))?;
        }
    }
    if let Some(first) = cells.first_minute(range) {
        let last = to.saturating_sub(1).div_euclid(60);
        minutes(connection, first.div_euclid(60), last, |minute, _, polls| {
            let time = minute.saturating_mul(60);
            if let Some(place) = grid.place(time) {
                cells.add_minute(time, place, polls);
            }
        })?;
    }
    let means = cells.columns.into_iter().map(|(column, cells)| {
        let values = cells.into_iter();
        (
            column,
            values.filter_map(|(place, all)| Some((place, mean(all.into_iter())?.0))).collect(),
        )
    });
    Ok(means.collect())
}

/// The stored periods of a source that are as fine as that, or as fine as there are.
fn stored_power(
    connection: &Connection,
    source: i64,
    resolution: Resolution,
    range: Range,
) -> Result<Vec<Bucket>, ReadError> {
    if range.to <= range.from {
        return Ok(Vec::new());
    }
    match resolution {
        Resolution::Day | Resolution::Month | Resolution::Year => {
            stored(connection, "day", source, range)
        }
        Resolution::Hour => stored(connection, "hour", source, range),
        Resolution::Minute | Resolution::FiveMinutes => {
            let sql = "SELECT day, data FROM five WHERE source = ?1 AND day > ?2 AND day < ?3 ORDER BY day";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows =
                statement.query([source, range.from.saturating_sub(26 * 3_600), range.to])?;
            let mut found = Vec::new();
            let mut first = i64::MAX;
            while let Some(row) = rows.next()? {
                let day: i64 = row.get(0)?;
                first = first.min(day);
                let data = row.get_ref(1)?.as_blob().unwrap_or_default();
                found.extend(decode_buckets(day, data));
            }
            if range.from < first {
                let hours = Range { from: range.from, to: range.to.min(first) };
                let mut hours = stored(connection, "hour", source, hours)?;
                hours.retain(|hour| hour.start < first);
                hours.append(&mut found);
                found = hours;
            }
            found.retain(|bucket| bucket.start < range.to);
            Ok(found)
        }
    }
}

/// Stored periods that overlap the range.
fn stored(
    connection: &Connection,
    table: &str,
    source: i64,
    range: Range,
) -> Result<Vec<Bucket>, ReadError> {
    let sql = format!(
        "SELECT start, length, mean, peak, first, last, quality FROM {table}
         WHERE source = ?1 AND start > ?2 AND start < ?3 ORDER BY start"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([source, range.from.saturating_sub(26 * 3_600), range.to])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (start, length): (i64, i64) = (row.get(0)?, row.get(1)?);
        let end = start.saturating_add(length);
        if end <= range.from {
            continue;
        }
        let (mean, peak): (Option<i32>, Option<i32>) = (row.get(2)?, row.get(3)?);
        found.push(Bucket {
            start,
            end,
            power: mean.zip(peak),
            counter: counter_in(row, 4)?.zip(counter_in(row, 5)?),
            quality: Quality::from_code(row.get(6)?),
        });
    }
    Ok(found)
}

/// What was read of each source since its last closed day.
fn open_readings(
    connection: &Connection,
    sources: impl Iterator<Item = Source> + Clone,
) -> Result<HashMap<i64, Readings>, ReadError> {
    let closed: HashMap<i64, i64> =
        sources.clone().map(|source| (source.id, source.closed.div_euclid(60))).collect();
    let mut open: HashMap<i64, Readings> =
        sources.map(|source| (source.id, Readings::since(&source))).collect();
    let Some(first) = closed.values().min() else { return Ok(open) };
    minutes(connection, *first, i64::MAX, |minute, _, polls| {
        for sample in &polls.samples {
            if closed.get(&sample.source).is_some_and(|closed| minute >= *closed)
                && let Some(readings) = open.get_mut(&sample.source)
            {
                readings.add(minute, polls, sample);
            }
        }
    })?;
    Ok(open)
}

fn named(connection: &Connection) -> Result<Vec<Named>, ReadError> {
    let mut statement = connection.prepare("SELECT id, name FROM dtu")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
    let dtus: HashMap<i64, String> = rows.collect::<Result<_, _>>()?;
    let sources = sources(connection)?.into_iter();
    Ok(sources
        .map(|((serial, port), source)| {
            let dtu = dtus.get(&source.dtu).cloned().unwrap_or_default();
            Named { serial, port, dtu, source }
        })
        .collect())
}

fn oldest_minute(connection: &Connection) -> Result<Option<i64>, ReadError> {
    Ok(connection.query_row("SELECT min(minute) FROM minute", [], |row| row.get(0))?)
}

/// The part of the range of which anything is known.
fn known_range(connection: &Connection, range: Range) -> Result<Option<Range>, ReadError> {
    let sql = "SELECT min((SELECT min(start) FROM day), 60 * (SELECT min(minute) FROM minute)),
                      (SELECT min(start) FROM day), 60 * (SELECT min(minute) FROM minute),
                      max(60 * (SELECT max(minute) FROM minute) + 60, (SELECT max(start + length) FROM day)),
                      (SELECT max(start + length) FROM day), 60 * (SELECT max(minute) FROM minute) + 60";
    let (first, last) = connection.query_row(sql, [], |row| {
        let number = |place: usize| row.get::<_, Option<i64>>(place);
        Ok((number(0)?.or(number(1)?).or(number(2)?), number(3)?.or(number(4)?).or(number(5)?)))
    })?;
    let (Some(first), Some(last)) = (first, last) else { return Ok(None) };
    let inside = Range { from: range.from.max(first), to: range.to.min(last) };
    Ok((inside.from < inside.to).then_some(inside))
}

fn series_of(sums: BTreeMap<String, BTreeMap<i64, (i64, Produced)>>) -> Vec<EnergySeries> {
    let period = |(start, (end, produced)): (i64, (i64, Produced))| Period {
        start,
        end,
        energy: produced.energy,
        quality: produced.quality,
    };
    let series = sums.into_iter();
    series
        .map(|(key, periods)| EnergySeries {
            key,
            periods: periods.into_iter().map(period).collect(),
        })
        .collect()
}
