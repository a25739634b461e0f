//! The store from outside: what is saved survives restarts and crashes.

mod failures;

use std::fs;
use std::path::PathBuf;

use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use rusqlite::Connection;
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::*;
use crate::plant::ledger::{LedgerRecord, SumRecord};
use crate::plant::serial::InverterSerial;
use crate::telemetry::captured::CapturedLog;

/// Enough for the slowest disk.
const GUARD: Duration = Duration::from_secs(30);

fn clock() -> WallClock {
    WallClock::from_fn(now)
}

fn now() -> jiff::Timestamp {
    "2026-06-30T10:11:12Z".parse().unwrap()
}

fn open_at(directory: &Path) -> Store {
    Store::start(Database::open(directory, clock(), GUARD))
}

/// The store's worker without its thread.
fn worker_at(directory: &Path) -> Worker {
    Worker::new(Database::open(directory, clock(), Duration::ZERO))
}

fn file_in(directory: &Path) -> PathBuf {
    directory.join("hoymiles-bridge.db")
}

/// What `work` logs, and its outcome.
fn log_of<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    let (log, _listening) = CapturedLog::start();
    let outcome = work();
    (outcome, log.lines())
}

/// Opens with one warning that contains all of `parts`.
#[track_caller]
fn opens_with_warning(directory: &Path, parts: &[&str]) -> Store {
    let (database, log) = log_of(|| Database::open(directory, clock(), Duration::ZERO));
    assert_eq!(log.len(), 1, "{log:?}");
    for part in parts.iter().chain(&["WARN"]) {
        assert!(log[0].contains(part), "{part} is missing: {log:?}");
    }
    Store::start(database)
}

fn target(name: &str, token: &str) -> StoredTarget {
    StoredTarget {
        key: format!("ws://{name}.test/ws"),
        url: format!("ws://{name}.test/ws?token={token}").into(),
        name: name.to_owned(),
        is_configured: false,
        registered_at: "2026-06-29T08:00:00Z".parse().unwrap(),
        failing_since: Some(now()),
    }
}

fn save_target(worker: &mut Worker, target: StoredTarget) -> Result<(), Problem> {
    let (reply, mut answer) = oneshot::channel();
    worker.handle(Request::SaveTarget(target, reply));
    answer.try_recv().unwrap()
}

/// A plant in which everything is `value`.
fn plant(value: u8) -> StoredPlant {
    let wh = Some(i64::from(value));
    let ledger = LedgerRecord {
        total: wh,
        offset: Some(-1),
        counter: wh,
        counter_since: Some(1_782_000_000),
        old_offset: Some(-3),
        old_counter: Some(4),
        before_step: Some(5),
        candidate_base: Some(6),
        candidate_counter: Some(7),
        candidate_since: Some(8),
        candidate_count: Some(2),
        day: Some("2026-06-30".to_owned()),
        at_midnight: Some(9),
        left_days: Some("2026-06-29=8".to_owned()),
    };
    let serial = InverterSerial::from_u64(0x1161_a000_0001);
    let port =
        StoredPort { timestamp: now(), pv_power: Some(value.into()), ..StoredPort::default() };
    let inverter = StoredInverter {
        dtu_name: "Roof".to_owned(),
        ports: [(1, port)].into(),
        ..StoredInverter::default()
    };
    let meter = StoredMeter { power: Some(value.into()), ..StoredMeter::default() };
    let sum = SumRecord {
        is_started: true,
        offset: -7,
        today_offset: value.into(),
        day: Some("2026-06-30".to_owned()),
        ports: vec![(serial, 1), (serial, 2)],
    };
    let sums = [
        (SumKey::Plant, sum.clone()),
        (SumKey::Dtu("Roof / Süd".into()), sum),
        (SumKey::Inverter(serial), SumRecord::default()),
    ];
    StoredPlant {
        day_curve: Some(StoredDayCurve {
            begin: jiff::Timestamp::UNIX_EPOCH,
            means: vec![None, Some(2063)],
            peak: Some(2100),
            peak_time: None,
        }),
        sums: sums.into(),
        ledgers: [
            ((serial, 1), ledger),
            ((serial, 2), LedgerRecord { total: wh, ..LedgerRecord::default() }),
        ]
        .into(),
        inverters: [(serial, inverter)].into(),
        meters: [("10c0a0000001".parse().unwrap(), meter)].into(),
        dtus: [(
            "Roof".to_owned(),
            StoredDtu { last_success: now(), energies: BTreeMap::new(), serial: None },
        )]
        .into(),
        departed: [(InverterSerial::from_u64(7), now())].into(),
    }
}

fn urls(store: &Store) -> Vec<String> {
    store.load().targets.iter().map(|target| target.url.expose_secret().to_owned()).collect()
}

async fn flush(store: &Store) {
    store.ask(Request::Flush).await.unwrap();
}

/// Changes the file as another program would, once the store has closed it.
fn meddle(directory: &Path, sql: &str) {
    let connection = Connection::open(file_in(directory)).unwrap();
    connection.busy_timeout(GUARD).unwrap();
    connection.execute_batch(sql).unwrap();
}

async fn with_a_target(directory: &Path) {
    let store = open_at(directory);
    store.save_target(target("a", "1")).await.unwrap();
    store.save_plant(plant(1));
    flush(&store).await;
    drop(store);
    // Waits for the thread that has the file.
    meddle(directory, "SELECT count(*) FROM record");
}

/// A copy of the files that a process killed now would leave.
fn left_behind(directory: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let directory = TempDir::new().unwrap();
    let state_dir = directory.path().join("not/there/yet");
    let store = open_at(&state_dir);
    store.save_target(target("b", "old")).await.unwrap();
    let later = StoredTarget { registered_at: now(), ..target("a", "1") };
    store.save_target(later.clone()).await.unwrap();
    store.save_target(target("gone", "2")).await.unwrap();
    store.save_target(target("b", "new")).await.unwrap();
    store.delete_target("ws://gone.test/ws").await.unwrap();
    store.delete_target("ws://unknown.test/ws").await.unwrap();
    store.save_plant(plant(7));
    drop(store);

    let store = open_at(&state_dir);
    assert_eq!(urls(&store), ["ws://b.test/ws?token=new", "ws://a.test/ws?token=1"]);
    let stored = store.load();
    let [_, read] = &stored.targets[..] else { panic!("two targets") };
    assert_eq!((&read.key, &read.name), (&later.key, &later.name));
    assert_eq!((read.registered_at, read.failing_since), (now(), Some(now())));
    assert_eq!(stored.plant, plant(7));
}

#[test]
fn a_target_does_not_show_its_url() {
    let text = format!("{:?}", target("House", "hush"));
    assert!(text.contains("House"), "{text}");
    assert!(!text.contains("ws:") && !text.contains("hush"), "{text}");
}

#[tokio::test]
async fn acknowledged_data_survives_a_crash() {
    let directory = TempDir::new().unwrap();
    let store = open_at(directory.path());
    store.save_target(target("a", "1")).await.unwrap();
    let crashed = left_behind(directory.path());
    assert_eq!(urls(&open_at(crashed.path())), ["ws://a.test/ws?token=1"]);

    store.save_plant(plant(3));
    // Answered after the plant is written.
    store.load();
    let crashed = left_behind(directory.path());
    assert_eq!(open_at(crashed.path()).load().plant, plant(3));
}

#[tokio::test]
async fn a_crash_never_leaves_half_a_plant() {
    let directory = TempDir::new().unwrap();
    let store = open_at(directory.path());
    for value in 1..=3 {
        store.save_plant(plant(value));
        assert_eq!(store.load().plant, plant(value));
    }
    let whole = left_behind(directory.path());
    let log = fs::read(whole.path().join("hoymiles-bridge.db-wal")).unwrap();
    let mut seen = BTreeSet::new();
    for length in (0..=log.len()).step_by(2_000) {
        let crashed = left_behind(directory.path());
        fs::write(crashed.path().join("hoymiles-bridge.db-wal"), &log[..length]).unwrap();
        // A file of which nothing was merged yet is empty without its log.
        let stored = open_at(crashed.path()).load().plant;
        if let Some(ledger) = stored.ledgers.values().next() {
            let value = ledger.total.unwrap().try_into().unwrap();
            assert_eq!(stored, plant(value), "cut after {length} bytes");
            seen.insert(value);
        } else {
            assert_eq!(stored, StoredPlant::default(), "cut after {length} bytes");
        }
    }
    assert!(seen.len() > 1, "the cuts fall between the writes: {seen:?}");
}

#[tokio::test]
async fn records_missing_from_a_save_are_kept() {
    let store = Store::in_memory();
    store.save_plant(plant(1));
    store.save_plant(StoredPlant::default());
    let StoredPlant { ledgers, sums, dtus, departed, day_curve, .. } = plant(1);
    assert_eq!(
        store.load().plant,
        StoredPlant { ledgers, sums, dtus, departed, day_curve, ..StoredPlant::default() }
    );
}

#[tokio::test]
async fn devices_announced_over_mqtt_survive_a_restart() {
    let topics = |name: &str| DeviceTopics { document: format!("d/{name}"), base: name.to_owned() };
    let announced = |name: &str, model: Option<&str>| {
        let (id, model) = (name.to_owned(), model.map(str::to_owned));
        (topics(name), AnnouncedDevice { id, model, ..AnnouncedDevice::default() })
    };
    let directory = TempDir::new().unwrap();
    let store = open_at(directory.path());
    store.save_announced([announced("a", None), announced("b", None)].into());
    store.save_announced([announced("a", Some("DTU-Pro"))].into());
    store.forget_announced(vec![topics("b"), topics("c")]);
    drop(store);
    let stored = open_at(directory.path()).load().announced;
    assert_eq!(stored, [announced("a", Some("DTU-Pro"))].into());
}

#[tokio::test]
async fn usage_counts_records_and_bytes() {
    let directory = TempDir::new().unwrap();
    let store = open_at(directory.path());
    store.save_target(target("a", "1")).await.unwrap();
    store.save_plant(plant(1));
    flush(&store).await;
    let usage = store.usage();
    assert_eq!((usage.kind, usage.records), ("sqlite", 12));
    let size = names(directory.path()).into_iter().map(|name| directory.path().join(name));
    let size: u64 = size.map(|path| path.metadata().unwrap().len()).sum();
    assert_eq!(usage.size_bytes, size);
    assert_eq!(Store::in_memory().usage().kind, "memory");
}

#[tokio::test(start_paused = true)]
async fn the_plant_is_due_every_quarter_of_an_hour_and_when_ports_join() {
    let store = Store::in_memory();
    let save = |value| {
        store.save_plant(plant(value));
        store.load();
    };
    assert!(store.is_plant_due(false, 0), "at the start");
    save(1);
    assert!(!store.is_plant_due(false, 2));
    assert!(store.is_plant_due(false, 3), "a port has joined");
    assert!(store.is_plant_due(true, 2), "a port has left a sum");
    tokio::time::advance(Duration::from_secs(15 * 60 - 1)).await;
    assert!(!store.is_plant_due(false, 2));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(store.is_plant_due(false, 2));
    save(2);
    assert!(!store.is_plant_due(false, 2));
}

#[test]
fn a_plant_that_has_not_changed_is_not_written() {
    let directory = TempDir::new().unwrap();
    let mut worker = worker_at(directory.path());
    worker.handle(Request::SavePlant(plant(1)));
    let log = directory.path().join("hoymiles-bridge.db-wal");
    let before = log.metadata().unwrap().len();
    worker.handle(Request::SavePlant(plant(1)));
    assert_eq!(log.metadata().unwrap().len(), before);
    worker.handle(Request::SavePlant(plant(2)));
    assert!(log.metadata().unwrap().len() > before);
}

/// 37 ports, of which everything has changed since the poll before.
fn big_plant(poll: u8) -> StoredPlant {
    let mut big = StoredPlant { dtus: plant(poll).dtus, ..StoredPlant::default() };
    let growth = i64::from(poll);
    for number in 0..19 {
        let serial = InverterSerial::from_u64(0x1161_a000_0001 + number);
        let now = now() + Duration::from_secs(60 * u64::from(poll));
        let mut inverter = StoredInverter {
            dtu_name: "Roof".to_owned(),
            first_seen: now,
            last_seen: now,
            timestamp: now,
            link_status: Some(1),
            operating_status: Some(3),
            alarm_code: Some(0),
            alarm_count: Some(12),
            grid_voltage: Some(2334),
            grid_frequency: Some(4998),
            temperature: Some(315),
            ..StoredInverter::default()
        };
        for port in 1..=if number == 0 { 1 } else { 2 } {
            let reading = StoredPort {
                timestamp: now,
                pv_voltage: Some(341),
                pv_current: Some(605),
                pv_power: Some(2063),
                today_since: Some(now),
                device_today: Some(936),
                device_total: Some(456_172 + u64::from(poll)),
            };
            inverter.ports.insert(port, reading);
            let ledger = LedgerRecord {
                total: Some(456_172 + growth),
                offset: Some(0),
                counter: Some(456_172 + growth),
                counter_since: Some(1_782_000_000),
                day: Some("2026-06-30".to_owned()),
                at_midnight: Some(455_000),
                ..LedgerRecord::default()
            };
            big.ledgers.insert((serial, port), ledger);
        }
        big.inverters.insert(serial, inverter);
    }
    big
}

#[test]
fn a_day_of_37_ports_writes_at_most_ten_megabytes() {
    const WRITES: u64 = 24 * 3_600 / PLANT_INTERVAL.as_secs();
    let directory = TempDir::new().unwrap();
    let mut worker = worker_at(directory.path());
    worker.handle(Request::SavePlant(big_plant(0)));
    worker.database.checkpoint();
    let file = file_in(directory.path()).metadata().unwrap().len();
    // Nothing is merged meanwhile, so that the log grows by all that is written.
    let no_merge = "PRAGMA wal_autocheckpoint = 0";
    worker.database.connection().query_row(no_merge, [], |_| Ok(())).unwrap();
    for poll in 1..=100 {
        worker.handle(Request::SavePlant(big_plant(poll)));
    }
    let log = directory.path().join("hoymiles-bridge.db-wal").metadata().unwrap().len();
    // Each write begins in the middle of a page of the disk; after 250 pages the log is merged.
    let written = WRITES * (log / 100 + 4_096);
    let merged = written / (250 * 4_096) * file;
    // One page of the file of last polls, each minute.
    let polls = 24 * 60 * 4_096;
    let all = written + merged + polls;
    assert!(all <= 10_000_000, "{written}, {merged} and {polls} bytes");
}

#[test]
fn a_killed_process_loses_no_poll() {
    let directory = TempDir::new().unwrap();
    let mut worker = worker_at(directory.path());
    worker.handle(Request::SavePlant(plant(1)));
    let later = StoredDtu {
        last_success: now() + Duration::from_secs(5),
        energies: [("1161a0000001".to_owned(), vec![(1, 9, 2)])].into(),
        serial: None,
    };
    for name in ["Roof", "Barn"] {
        lock(&worker.status).polls.insert(name.to_owned(), later.clone());
        worker.handle(Request::SavePolls);
    }
    let killed = left_behind(directory.path());
    let found = worker_at(killed.path()).load().plant;
    assert_eq!(found.dtus, [("Roof".to_owned(), later.clone()), ("Barn".to_owned(), later)].into());
    assert_eq!(found.ledgers, plant(1).ledgers);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    SavePlant(u8),
    SaveTarget,
    Load,
    Flush,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => any::<u8>().prop_map(Step::SavePlant),
        2 => Just(Step::SaveTarget),
        1 => Just(Step::Load),
        1 => Just(Step::Flush),
        1 => Just(Step::Restart),
    ]
}

#[test]
fn the_plant_saved_last_wins() {
    let runtime = Runtime::new().unwrap();
    let steps = proptest::collection::vec(step(), 1..30);
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&steps, |steps| {
        let directory = TempDir::new().unwrap();
        let mut store = open_at(directory.path());
        let mut last = StoredPlant::default();
        for step in steps {
            match step {
                Step::SavePlant(value) => {
                    last = plant(value);
                    store.save_plant(last.clone());
                }
                Step::SaveTarget => runtime.block_on(store.save_target(target("a", "1"))).unwrap(),
                Step::Load => prop_assert_eq!(&store.load().plant, &last),
                Step::Flush => runtime.block_on(flush(&store)),
                Step::Restart => {
                    drop(store);
                    store = open_at(directory.path());
                }
            }
        }
        store.load();
        let crashed = left_behind(directory.path());
        prop_assert_eq!(open_at(crashed.path()).load().plant, last);
        Ok(())
    });
    outcome.unwrap();
}
