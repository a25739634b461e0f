//! Recording into real files: days that end, restarts, clocks, limits, damage.

use jiff::civil::date;
use tempfile::TempDir;

use super::course::Bucket;
use super::database::{Readings, counter_in, minutes, sources};
use super::*;

const LIMITS: Limits = Limits {
    minutes: Duration::from_secs(90 * 86_400),
    five_minutes: Duration::from_secs(3_650 * 86_400),
    max_bytes: 1 << 30,
};

fn zone() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

fn at(day: i8, hour: i8, minute: i8) -> Timestamp {
    date(2026, 10, day).at(hour, minute, 5, 0).to_zoned(zone()).unwrap().timestamp()
}

fn poll(at: Timestamp, total: u64) -> Poll {
    let port = |port| Values {
        serial: "1161a0000001".to_owned(),
        port,
        power: Some(Watts::from_tenths(2_063)),
        total: Some(WattHours::new(total)),
        voltage: Some(Volts::from_tenths(341)),
        current: Some(Amperes::from_hundredths(605)),
        temperature: None,
    };
    Poll { dtu: Arc::from("Roof"), at, values: vec![port(1), port(2)] }
}

fn open(folder: &TempDir, limits: Limits) -> Database {
    Database::open(&Place::File(folder.path().join(FILE)), zone(), limits).unwrap()
}

fn days(database: &Database) -> Vec<Bucket> {
    let sql = "SELECT start, length, mean, peak, first, last, quality FROM day WHERE source = 1";
    let mut statement = database.connection().prepare(sql).unwrap();
    let rows = statement.query_map([], |row| {
        let (start, length): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok(Bucket {
            start,
            end: start + length,
            power: Some((row.get(2)?, row.get(3)?)),
            counter: counter_in(row, 4)?.zip(counter_in(row, 5)?),
            quality: Quality::from_code(row.get(6)?),
        })
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

fn count(database: &Database, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    database.connection().query_row(&sql, [], |row| row.get(0)).unwrap()
}

/// What ports grew by, from closed days and open readings together.
fn growth(database: &Database) -> u64 {
    let (_, source) = sources(database.connection()).unwrap().into_iter().next().unwrap();
    let closed: u64 = days(database).iter().map(|day| day.counter.map_or(0, |(a, b)| b - a)).sum();
    let mut readings = Readings::since(&source);
    minutes(database.connection(), source.closed.div_euclid(60), i64::MAX, |minute, _, polls| {
        readings.add(minute, polls, polls.sample(source.id).unwrap());
    })
    .unwrap();
    closed + readings.course.produced(0, i64::MAX).energy
}

#[test]
fn a_day_is_stored_once_the_next_one_has_begun() {
    let folder = TempDir::new().unwrap();
    let mut database = open(&folder, LIMITS);
    // The day on which clocks are set back, and no reading between 22:00 and 2:00.
    let mut total = 1_000;
    for (day, hour) in (24..=26).flat_map(|day| (2..22).map(move |hour| (day, hour))) {
        for minute in 0..60 {
            total += 1;
            database.record(&poll(at(day, hour, minute), total)).unwrap();
        }
    }
    let days = days(&database);
    assert_eq!(days.iter().map(|day| (day.end - day.start) / 3_600).collect::<Vec<_>>(), [24, 25]);
    assert!(days.iter().all(|day| day.power == Some((2_063, 2_063))), "{days:?}");
    // 1 Wh was produced in each night; it is not known when.
    assert_eq!(days[0].counter, Some((1_001, 2_200)));
    assert_eq!(days[1].counter, Some((2_200, 3_400)));
    assert_eq!(count(&database, "hour"), 2 * 2 * 20);
    assert_eq!(growth(&database), total - 1_001);
}

#[test]
fn a_minute_goes_on_after_a_restart_and_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let mut total = 500;
    for _ in 0..4 {
        let mut database = open(&folder, LIMITS);
        for _ in 0..3 {
            total += 7;
            database.record(&poll(at(1, 12, 0), total)).unwrap();
        }
    }
    let database = open(&folder, LIMITS);
    assert_eq!((growth(&database), count(&database, "minute")), (77, 1));
}

#[test]
fn a_clock_that_was_wrong_for_a_while_costs_no_energy() {
    let folder = TempDir::new().unwrap();
    let mut database = open(&folder, LIMITS);
    database.record(&poll(at(10, 12, 0), 100)).unwrap();
    // In the future for a while.
    database.record(&poll(at(28, 12, 0), 110)).unwrap();
    database.record(&poll(at(10, 12, 5), 120)).unwrap();
    assert_eq!(growth(&database), 20);
    database.record(&poll(at(11, 12, 0), 130)).unwrap();
    database.record(&poll(at(12, 12, 0), 140)).unwrap();
    database.record(&poll(at(13, 12, 0), 150)).unwrap();
    // In the past: what three days say is not thrown away.
    database.record(&poll(at(1, 12, 0), 160)).unwrap();
    assert_eq!(growth(&database), 50);
    database.record(&poll(at(13, 12, 1), 170)).unwrap();
    assert_eq!(growth(&database), 70);
}

#[test]
fn old_minutes_go_and_their_days_stay() {
    let folder = TempDir::new().unwrap();
    let mut database = open(&folder, Limits { minutes: Duration::from_secs(3 * 86_400), ..LIMITS });
    for day in 1..=20 {
        database.record(&poll(at(day, 12, 0), 100 * u64::try_from(day).unwrap())).unwrap();
    }
    assert_eq!((count(&database, "minute"), days(&database).len()), (4, 19));
    assert_eq!(growth(&database), 1_900);
    // A port that is silent for long is closed when its minutes go.
    database.prune(at(31, 12, 0).as_second()).unwrap();
    assert_eq!((count(&database, "minute"), growth(&database)), (0, 1_900));
}

#[test]
fn a_full_file_gives_up_minutes_before_five_minutes_and_never_days() {
    let folder = TempDir::new().unwrap();
    let mut database = open(&folder, Limits { max_bytes: RESERVE_AND_LITTLE, ..LIMITS });
    for day in 1..=9 {
        for minute in 0..600 {
            let hour = i8::try_from(8 + minute / 60).unwrap();
            let total = u64::try_from(day).unwrap() * 10_000 + minute;
            let minute = i8::try_from(minute % 60).unwrap();
            database.record(&poll(at(day, hour, minute), total)).unwrap();
        }
    }
    let minutes = count(&database, "minute");
    assert!((2 * 600..=6 * 600).contains(&minutes), "{minutes}");
    assert_eq!((days(&database).len(), count(&database, "five")), (8, 16));
}

/// Room for a few days of two ports.
const RESERVE_AND_LITTLE: u64 = (3 << 20) + (130 << 10);

#[tokio::test]
async fn a_damaged_file_is_set_aside_once() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(FILE);
    fs::write(&path, [b'x'; 8_192]).unwrap();
    let clock = WallClock::from_fn(|| at(1, 12, 0));
    let config = HistoryConfig::default();
    let history = History::open(&config, Some(folder.path()), zone(), clock);
    history.record(poll(at(1, 12, 0), 100));
    history.flush().await;
    let kept = folder.path().join("history.damaged-20261001T100005Z.db");
    assert_eq!(fs::read(kept).unwrap(), [b'x'; 8_192]);
    assert_eq!(count(&open(&folder, LIMITS), "minute"), 1);
}
