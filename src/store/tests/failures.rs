//! Disks that are full or read-only while the bridge runs, or that become of use later.

use futures_util::FutureExt as _;

use super::files::log_of;
use super::*;

/// The store's thread, worked by hand.
fn by_hand(directory: &Path) -> (Worker, Arc<Shared>) {
    let database = open::open(GUARD, directory, now()).unwrap();
    let shared = Arc::new(Shared::new(Some(&database)));
    (Worker::new(database, None, Arc::clone(&shared)), shared)
}

/// A plant too big for a full database.
fn big_plant() -> SavedPlant {
    SavedPlant { snapshot_json: Bytes::from(vec![b' '; 100_000]), ..plant(1) }
}

#[test]
fn a_full_disk_is_told_once_and_its_end_too() {
    let directory = TempDir::new().unwrap();
    let (mut worker, shared) = by_hand(directory.path());
    let limit = |worker: &Worker, pages: i64| {
        let sql = format!("PRAGMA max_page_count = {pages}");
        worker.database().connection().query_row(&sql, [], |_| Ok(())).unwrap();
    };
    let ((), log) = log_of(|| {
        limit(&worker, 1);
        shared.put_plant(big_plant());
        worker.do_what_waits();
        worker.do_what_waits();
        shared.put_plant(big_plant());
        worker.do_what_waits();
    });
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("WARN") && log.contains("no space is left"), "{log}");
    assert!(log.contains("hoymiles-bridge.db"), "{log}");

    let ((), log) = log_of(|| {
        limit(&worker, 1_000_000);
        // No newer one: it is the one that failed which is written now.
        worker.do_what_waits();
        assert_eq!(plant_of(worker.database().load().unwrap()), big_plant());
        shared.put_plant(plant(2));
        worker.do_what_waits();
    });
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("kept again"), "{log}");
    assert_eq!(plant_of(worker.database().load().unwrap()), plant(2));
}

#[test]
fn a_plant_that_failed_does_not_replace_a_newer_one() {
    let directory = TempDir::new().unwrap();
    let (mut worker, shared) = by_hand(directory.path());
    shared.put_plant(plant(2));
    shared.put_back(plant(1));
    worker.do_what_waits();
    assert_eq!(plant_of(worker.database().load().unwrap()), plant(2));
}

#[test]
fn a_plant_that_failed_is_tried_once_more_at_the_end() {
    let directory = TempDir::new().unwrap();
    let (worker, shared) = by_hand(directory.path());
    shared.put_back(plant(1));
    let (requests, receiver) = mpsc::channel(1);
    drop(requests);
    worker.run(receiver);
    assert_eq!(plant_of(open_at(directory.path()).load()), plant(1));
}

/// Works in memory until the file in `directory` is of use, with that plant handed over meanwhile.
fn waiting_for(directory: &Path, is_known: bool) -> Worker {
    let database = Database::in_memory().unwrap();
    let shared = Arc::new(Shared::new(Some(&database)));
    let mut awaited = Awaited::new(directory, is_known);
    awaited.make_due();
    let mut worker = Worker::new(database, Some(awaited), Arc::clone(&shared));
    shared.put_plant(plant(2));
    worker.do_what_waits();
    worker
}

#[test]
fn a_file_that_is_of_use_at_last_gets_all_that_came_meanwhile() {
    let directory = TempDir::new().unwrap();
    let mut worker = waiting_for(directory.path(), true);
    let ((), log) = log_of(|| worker.look_for_the_file());
    assert!(log.contains("all is kept again") && log.lines().count() == 1, "{log}");
    assert_eq!(worker.database().usage().unwrap().kind, "sqlite");
    let crashed = left_behind(directory.path());
    assert_eq!(plant_of(open_at(crashed.path()).load()), plant(2));
    drop(worker);
    assert_eq!(plant_of(open_at(directory.path()).load()), plant(2));
}

#[test]
fn energies_that_turn_up_late_are_not_written_over() {
    let directory = TempDir::new().unwrap();
    let (mut before, shared) = by_hand(directory.path());
    shared.put_plant(plant(1));
    before.do_what_waits();
    drop(before);
    let mut worker = waiting_for(directory.path(), false);
    let ((), log) = log_of(|| worker.look_for_the_file());
    assert!(log.contains("restart the bridge to go on from them"), "{log}");
    let ((), log) = log_of(|| worker.look_for_the_file());
    assert_eq!(log, "", "told once");
    assert_eq!(worker.database().usage().unwrap().kind, "memory");
    drop(worker);
    assert_eq!(plant_of(open_at(directory.path()).load()), plant(1));
}

#[tokio::test]
async fn a_registration_that_cannot_be_kept_says_why_and_what_to_do() {
    let directory = TempDir::new().unwrap();
    let database = open::open(GUARD, directory.path(), now()).unwrap();
    database.connection().pragma_update(None, "query_only", true).unwrap();
    let store = Store::start(Some(database), None);
    let error = store.save_target(target("a", "hush")).await.unwrap_err().to_string();
    assert!(error.contains("hoymiles-bridge.db cannot be written"), "{error}");
    assert!(error.contains("write permission"), "{error}");
    assert!(!error.contains("hush"), "{error}");
    store.delete_target("ws://a.test/ws").await.unwrap_err();
}

#[tokio::test]
async fn without_a_database_each_request_is_told_so() {
    let store = Store::start(None, None);
    store.save_plant(plant(1));
    store.flush().await;
    assert!(store.load().ledgers.is_empty());
    let error = store.save_target(target("a", "1")).await.unwrap_err();
    assert!(matches!(error, StoreError::Ended), "{error}");
}

#[tokio::test]
async fn the_end_of_the_thread_is_noticed_and_its_absence_is_none() {
    let directory = TempDir::new().unwrap();
    let (worker, shared) = by_hand(directory.path());
    let (requests, receiver) = mpsc::channel(1);
    let store = Store { requests, shared };
    let died = tokio::time::timeout(GUARD, store.died());
    let panicking = async {
        // What a panic does to it.
        drop((worker, receiver));
    };
    let (died, ()) = tokio::join!(died, panicking);
    died.unwrap();
    assert!(Store::start(None, None).died().now_or_never().is_none());
    assert!(open_at(directory.path()).died().now_or_never().is_none());
}
