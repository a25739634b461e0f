//! The store from outside: what was acknowledged is there after whatever happened.

mod announced;
mod failures;
mod files;
mod log;

use std::fs;
use std::path::Path;

use bytes::Bytes;
use jiff::Timestamp;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::*;
use crate::plant::ledger::LedgerRecord;
use crate::plant::serial::InverterSerial;

/// Enough for the slowest disk.
const GUARD: Duration = Duration::from_secs(30);

fn now() -> Timestamp {
    "2026-06-30T10:11:12Z".parse().unwrap()
}

fn open_at(directory: &Path) -> Store {
    Store::open_within(GUARD, directory, now())
}

fn target(name: &str, token: &str) -> SavedTarget {
    SavedTarget {
        key: format!("ws://{name}.test/ws"),
        url: format!("ws://{name}.test/ws?token={token}").into(),
        name: name.to_owned(),
        registered_at: "2026-06-29T08:00:00.123456789Z".parse().unwrap(),
        failing_since: Some(now()),
    }
}

/// A plant in which everything says `value`.
fn plant(value: u8) -> SavedPlant {
    let wh = Some(i64::from(value));
    let record = LedgerRecord {
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
    SavedPlant {
        ledgers: vec![
            ((serial, 1), record.clone()),
            ((serial, 2), LedgerRecord { total: wh, ..LedgerRecord::default() }),
        ],
        snapshot_json: Bytes::from(format!("[{value}]")),
        last_success: [("Roof".to_owned(), now())].into(),
    }
}

fn plant_of(saved: Saved) -> SavedPlant {
    let Saved { ledgers, snapshot_json, last_success, .. } = saved;
    SavedPlant { ledgers, snapshot_json: snapshot_json.unwrap_or_default(), last_success }
}

fn urls(store: &Store) -> Vec<String> {
    store.load().targets.iter().map(|target| target.url.expose_secret().to_owned()).collect()
}

/// What a process that dies now leaves behind.
fn left_behind(directory: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

#[tokio::test]
async fn what_was_saved_is_there_after_a_restart() {
    let directory = TempDir::new().unwrap();
    let store = open_at(&directory.path().join("not/there/yet"));
    store.save_target(target("b", "old")).await.unwrap();
    store.save_target(target("a", "1")).await.unwrap();
    store.save_target(target("gone", "2")).await.unwrap();
    store.save_target(target("b", "new")).await.unwrap();
    store.delete_target("ws://gone.test/ws").await.unwrap();
    store.delete_target("ws://unknown.test/ws").await.unwrap();
    store.save_plant(plant(7));
    drop(store);

    let store = open_at(&directory.path().join("not/there/yet"));
    assert_eq!(urls(&store), ["ws://b.test/ws?token=new", "ws://a.test/ws?token=1"]);
    let saved = store.load();
    let [_, read] = &saved.targets[..] else { panic!("two targets") };
    let written = target("a", "1");
    assert_eq!((&read.key, &read.name), (&written.key, &written.name));
    assert_eq!(read.registered_at, written.registered_at);
    assert_eq!(read.failing_since, written.failing_since);
    assert_eq!(plant_of(saved), plant(7));
}

#[test]
fn a_target_does_not_show_its_url() {
    let text = format!("{:?}", target("House", "hush"));
    assert!(text.contains("House"), "{text}");
    assert!(!text.contains("ws:") && !text.contains("hush"), "{text}");
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_crash() {
    let directory = TempDir::new().unwrap();
    let store = open_at(directory.path());
    store.save_target(target("a", "1")).await.unwrap();
    let crashed = left_behind(directory.path());
    assert_eq!(urls(&open_at(crashed.path())), ["ws://a.test/ws?token=1"]);

    store.save_plant(plant(3));
    assert!(store.flush_within(GUARD).await);
    let crashed = left_behind(directory.path());
    assert_eq!(plant_of(open_at(crashed.path()).load()), plant(3));
}

#[tokio::test]
async fn no_crash_tears_energy_and_snapshot_apart() {
    let directory = TempDir::new().unwrap();
    let store = open_at(directory.path());
    for value in 1..=3 {
        store.save_plant(plant(value));
        // The answer comes after the plant that waited before it.
        assert_eq!(plant_of(store.load()), plant(value));
    }
    let whole = left_behind(directory.path());
    let log = fs::read(whole.path().join("hoymiles-bridge.db-wal")).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for length in (0..=log.len()).step_by(2_000) {
        let crashed = left_behind(directory.path());
        fs::write(crashed.path().join("hoymiles-bridge.db-wal"), &log[..length]).unwrap();
        let saved = open_at(crashed.path()).load();
        let known = saved.snapshot_json.clone().unwrap_or_default();
        if known.is_empty() {
            assert!(saved.ledgers.is_empty(), "cut after {length} bytes");
            continue;
        }
        let value = saved.ledgers[0].1.total.unwrap().try_into().unwrap();
        assert_eq!(plant_of(saved), plant(value), "cut after {length} bytes");
        seen.insert(value);
    }
    assert!(seen.len() > 1, "the cuts fall between the polls: {seen:?}");
}

#[tokio::test]
async fn ports_and_dtus_that_are_left_out_keep_their_energy_and_time() {
    let store = Store::in_memory();
    store.save_plant(plant(1));
    assert!(store.flush_within(GUARD).await);
    store.save_plant(SavedPlant { snapshot_json: Bytes::from("[]"), ..SavedPlant::default() });
    let saved = plant_of(store.load());
    assert_eq!(saved, SavedPlant { snapshot_json: Bytes::from("[]"), ..plant(1) });
}

#[tokio::test]
async fn usage_counts_rows_and_bytes() {
    let directory = TempDir::new().unwrap();
    let store = open_at(directory.path());
    let before = store.usage();
    assert_eq!((before.kind, before.records), ("sqlite", 0));
    store.save_target(target("a", "1")).await.unwrap();
    store.save_plant(plant(1));
    assert!(store.flush_within(GUARD).await);
    let after = store.usage();
    assert_eq!(after.records, 1 + 2 + 1 + 1);
    let file = directory.path().join("hoymiles-bridge.db");
    assert_eq!(after.size_bytes, file.metadata().unwrap().len());
    assert_eq!(Store::in_memory().usage().kind, "memory");
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
fn the_plant_saved_last_wins_whatever_happens_in_between() {
    let runtime = Runtime::new().unwrap();
    let steps = proptest::collection::vec(step(), 1..30);
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&steps, |steps| {
        let directory = TempDir::new().unwrap();
        let mut store = open_at(directory.path());
        let mut last = SavedPlant::default();
        for step in steps {
            match step {
                Step::SavePlant(value) => {
                    last = plant(value);
                    store.save_plant(last.clone());
                }
                Step::SaveTarget => runtime.block_on(store.save_target(target("a", "1"))).unwrap(),
                Step::Load => prop_assert_eq!(&plant_of(store.load()), &last),
                Step::Flush => assert!(runtime.block_on(store.flush_within(GUARD))),
                Step::Restart => {
                    drop(store);
                    store = open_at(directory.path());
                }
            }
        }
        assert!(runtime.block_on(store.flush_within(GUARD)));
        let crashed = left_behind(directory.path());
        prop_assert_eq!(plant_of(open_at(crashed.path()).load()), last);
        Ok(())
    });
    outcome.unwrap();
}
