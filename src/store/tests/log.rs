//! What waits in the log is read as SQLite reads it, wherever a process was killed.

use proptest::collection::vec;
use proptest::sample::Index;
use rusqlite::Connection;

use super::files::{check_warning_within, log_of};
use super::*;

const FILE: &str = "hoymiles-bridge.db";
const LOG: &str = "hoymiles-bridge.db-wal";

/// What is left of a bridge that was killed after some polls and registrations.
async fn killed(polls: &[SavedPlant]) -> TempDir {
    let directory = TempDir::new().unwrap();
    let store = open_at(directory.path());
    store.save_target(target("a", "1")).await.unwrap();
    for poll in polls {
        store.save_plant(poll.clone());
        // The answer comes after the plant that waited before it.
        assert_eq!(&plant_of(store.load()), poll);
    }
    store.save_target(target("b", "2")).await.unwrap();
    left_behind(directory.path())
}

fn four() -> [SavedPlant; 4] {
    [1, 2, 3, 4].map(plant)
}

/// Among them one so large that SQLite then merges the log, and begins it anew over what it held.
fn with_a_large_one() -> [SavedPlant; 4] {
    let large = SavedPlant { snapshot_json: vec![b' '; 6_000_000].into(), ..plant(2) };
    [plant(1), large, plant(3), plant(4)]
}

/// What the files hold, in one text; read without SQLite's help with the log.
fn by_us(directory: &Path) -> String {
    match Database::copy_of(&directory.join(FILE)) {
        Ok((database, _)) => in_words(&database.load().unwrap()),
        Err(error) => error,
    }
}

/// What SQLite makes of them, recovering.
fn by_sqlite(directory: &Path) -> String {
    in_words(&open::open(GUARD, directory, now()).unwrap().load().unwrap())
}

fn in_words(saved: &Saved) -> String {
    let Saved { targets, ledgers, snapshot_json, last_success, .. } = saved;
    format!("{targets:?} {ledgers:?} {snapshot_json:?} {last_success:?}")
}

#[tokio::test]
async fn a_log_that_is_cut_anywhere_is_read_as_sqlite_reads_it() {
    for polls in [four(), with_a_large_one()] {
        let killed = killed(&polls).await;
        let whole = fs::read(killed.path().join(LOG)).unwrap();
        let mut seen = Vec::new();
        let anew = (0..80_000).step_by(1_500).take_while(|length| *length < whole.len());
        for length in anew.chain([whole.len() - 1, whole.len()]) {
            fs::write(killed.path().join(LOG), &whole[..length]).unwrap();
            let ours = by_us(killed.path());
            let theirs = by_sqlite(left_behind(killed.path()).path());
            assert!(ours == theirs, "cut after {length} of {} bytes", whole.len());
            assert!(!image::has_damaged_log(&killed.path().join(FILE)), "after {length} bytes");
            seen.push(ours);
        }
        assert!(seen.iter().any(|ours| ours.contains("[3]")), "the cuts fall between the writes");
        assert!(seen.last().unwrap().contains("[4]"), "{seen:?}");
    }
}

#[test]
fn a_log_with_garbage_in_it_is_read_as_sqlite_reads_it() {
    let killed = Runtime::new().unwrap().block_on(killed(&four()));
    let whole = fs::read(killed.path().join(LOG)).unwrap();
    let garbage = (any::<Index>(), vec(any::<u8>(), 1..40));
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&garbage, |(place, garbage)| {
        let mut log = whole.clone();
        let start = place.index(log.len());
        for (byte, garbage) in log.iter_mut().skip(start).zip(garbage) {
            *byte = garbage;
        }
        fs::write(killed.path().join(LOG), log).unwrap();
        prop_assert_eq!(by_us(killed.path()), by_sqlite(left_behind(killed.path()).path()));
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test]
async fn a_bridge_that_cannot_write_knows_what_only_the_log_of_a_killed_one_holds() {
    let killed = killed(&four()).await;
    // Another process has it.
    let holder = Connection::open(killed.path().join(FILE)).unwrap();
    holder.query_row("PRAGMA locking_mode = EXCLUSIVE", [], |_| Ok(())).unwrap();
    holder.query_row("SELECT count(*) FROM target", [], |_| Ok(())).unwrap();
    let parts = ["nothing will survive a restart", "what was kept before is known"];
    let store = check_warning_within(Duration::ZERO, killed.path(), &parts);
    assert_eq!(urls(&store), ["ws://a.test/ws?token=1", "ws://b.test/ws?token=2"]);
    assert_eq!(plant_of(store.load()), plant(4));
    store.save_target(target("c", "3")).await.unwrap();
    store.save_plant(plant(5));
    assert_eq!(plant_of(store.load()), plant(5), "it goes on from there, in memory");
}

#[tokio::test]
async fn a_damaged_log_is_told_whether_or_not_the_file_can_be_written() {
    let killed = killed(&four()).await;
    let whole = fs::read(killed.path().join(LOG)).unwrap();
    for place in [0, 40, 10_000] {
        let mut log = whole.clone();
        log.iter_mut().skip(place).take(5_000).for_each(|byte| *byte ^= 0x5a);
        fs::write(killed.path().join(LOG), log).unwrap();
        let lost = ["log beside it is damaged", "reload its entry in Home Assistant"];
        let copy = left_behind(killed.path());
        let (_, said) = log_of(|| Database::copy_of(&copy.path().join(FILE)).unwrap());
        assert_eq!(said, "");
        let store = check_warning_within(GUARD, copy.path(), &lost);
        assert!(urls(&store).len() < 2, "something is lost indeed: {place}");
        let copy = left_behind(killed.path());
        let (_, is_damaged) = Database::copy_of(&copy.path().join(FILE)).unwrap();
        assert!(is_damaged, "{place}");
    }
}

#[tokio::test]
async fn targets_at_rest_are_those_of_the_log_too() {
    let killed = killed(&four()).await;
    let at_rest = targets_at_rest(killed.path()).unwrap();
    let names: Vec<&str> = at_rest.iter().map(|target| &target.name[..]).collect();
    assert_eq!(names, ["a", "b"]);
}
