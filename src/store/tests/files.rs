//! Files that are damaged, newer, foreign, taken or cannot be there at all.

use std::sync::{LazyLock, Mutex, PoisonError};

use rusqlite::Connection;
use tracing::Dispatch;

use super::*;

/// With one subscriber alone, tracing would let a thread without any decide for all threads that
/// nobody listens to a message. A second one that lives as long as the tests prevents that.
static SECOND_LISTENER: LazyLock<Dispatch> =
    LazyLock::new(|| Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish()));

/// What `work` writes to the log.
pub(super) fn log_of<T>(work: impl FnOnce() -> T) -> (T, String) {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    LazyLock::force(&SECOND_LISTENER);
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let outcome = tracing::subscriber::with_default(subscriber, work);
    let bytes = lines.0.lock().unwrap().clone();
    (outcome, String::from_utf8(bytes).unwrap())
}

/// Opens and expects one warning that holds all of `parts`.
#[track_caller]
fn check_warning(directory: &Path, parts: &[&str]) -> Store {
    check_warning_within(GUARD, directory, parts)
}

#[track_caller]
pub(super) fn check_warning_within(patience: Duration, directory: &Path, parts: &[&str]) -> Store {
    let (store, log) = log_of(|| Store::open_within(patience, directory, now()));
    assert_eq!(log.lines().filter(|line| line.contains("WARN")).count(), 1, "{log}");
    assert_eq!(log.lines().count(), 1, "{log}");
    for part in parts {
        assert!(log.contains(part), "{part} is missing: {log}");
    }
    store
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn with_a_target(directory: &Path) {
    let store = open_at(directory);
    store.save_target(target("a", "1")).await.unwrap();
    store.save_plant(plant(1));
    assert!(store.flush_within(GUARD).await);
}

/// Changes the file as another program would, once the store has let go of it.
fn meddle(directory: &Path, sql: &str) {
    let connection = Connection::open(directory.join("hoymiles-bridge.db")).unwrap();
    connection.busy_timeout(GUARD).unwrap();
    connection.execute_batch(sql).unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_a_new_one_begun() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("hoymiles-bridge.db");
    fs::write(&file, b"this is no database, whatever its name says".repeat(100)).unwrap();
    fs::write(directory.path().join("hoymiles-bridge.db-wal"), b"old").unwrap();
    let store = check_warning(directory.path(), &["is damaged", "damaged-20260630T101112Z"]);
    store.save_target(target("a", "1")).await.unwrap();
    drop(store);
    assert_eq!(urls(&open_at(directory.path())), ["ws://a.test/ws?token=1"]);
    let aside = directory.path().join("hoymiles-bridge.db.damaged-20260630T101112Z");
    assert!(fs::read(aside).unwrap().starts_with(b"this is no database"));
}

#[tokio::test]
async fn a_file_with_broken_pages_is_set_aside() {
    let directory = TempDir::new().unwrap();
    with_a_target(directory.path()).await;
    // Waits for the thread that held the file.
    meddle(directory.path(), "SELECT count(*) FROM target");
    let file = directory.path().join("hoymiles-bridge.db");
    let mut bytes = fs::read(&file).unwrap();
    for byte in bytes.iter_mut().skip(4_096).step_by(3) {
        *byte ^= 0x5a;
    }
    fs::write(&file, bytes).unwrap();
    let store = check_warning(directory.path(), &["is damaged"]);
    assert_eq!(store.usage().kind, "sqlite");
    assert!(store.load().targets.is_empty());
}

#[tokio::test]
async fn a_file_of_another_program_is_set_aside() {
    let directory = TempDir::new().unwrap();
    meddle(directory.path(), "CREATE TABLE ledger (money); PRAGMA user_version = 1;");
    check_warning(directory.path(), &["is damaged", "no such table"]);
    let aside = TempDir::new().unwrap();
    meddle(aside.path(), "CREATE TABLE ledger (money)");
    check_warning(aside.path(), &["is damaged", "already exists"]);
}

#[tokio::test]
async fn a_newer_file_is_kept_for_the_newer_bridge() {
    let directory = TempDir::new().unwrap();
    with_a_target(directory.path()).await;
    meddle(directory.path(), "PRAGMA user_version = 99");
    let store = check_warning(directory.path(), &["newer bridge", "version 99", "db.newer-2026"]);
    assert!(store.load().targets.is_empty());
    drop(store);
    let aside = directory.path().join("hoymiles-bridge.db.newer-20260630T101112Z");
    let kept = Connection::open(aside).unwrap();
    let count: i64 = kept.query_row("SELECT count(*) FROM target", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
}

#[test]
fn only_the_newest_three_damaged_ones_are_kept_aside() {
    let directory = TempDir::new().unwrap();
    // The clock of a computer without a battery begins in 1970; what it names is kept all the same.
    let days = ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-03", "1970-01-01"];
    // What a newer bridge wrote is whole, and not counted among them.
    let newer = directory.path().join("hoymiles-bridge.db.newer-20250101T010203Z");
    fs::write(&newer, "whole").unwrap();
    for day in days {
        let broken = b"no database".repeat(500);
        fs::write(directory.path().join("hoymiles-bridge.db"), broken).unwrap();
        fs::write(directory.path().join("hoymiles-bridge.db-wal"), "log").unwrap();
        let kept = aside::set_aside(
            &directory.path().join("hoymiles-bridge.db"),
            "damaged",
            format!("{day}T01:02:03Z").parse().unwrap(),
        );
        assert!(kept.unwrap().exists());
    }
    let prefix = "hoymiles-bridge.db.damaged-";
    let kept = ["19700101T010203Z", "20260103T010203Z", "20260103T010203Z-2"];
    let expected: Vec<String> = kept
        .iter()
        .flat_map(|time| ["", "-wal"].map(|end| format!("{prefix}{time}{end}")))
        .collect();
    fs::remove_file(newer).unwrap();
    let mut found = names(directory.path());
    found.sort_by_key(|name| (name.replace("-wal", ""), name.len()));
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_row_that_makes_no_sense_does_not_cost_the_others() {
    let directory = TempDir::new().unwrap();
    with_a_target(directory.path()).await;
    meddle(
        directory.path(),
        "INSERT INTO target (key, url, name, registered_at) VALUES ('k', 'u', 'n', 'noon');
         INSERT INTO ledger (serial, port) VALUES ('not hex', 1);
         INSERT INTO ledger (serial, port) VALUES ('1161a0000001', 300);
         INSERT INTO dtu (name, last_success) VALUES ('Barn', 'yesterday');",
    );
    let (store, log) = log_of(|| open_at(directory.path()));
    assert_eq!(log.matches("is unreadable and left out").count(), 4, "{log}");
    assert_eq!(urls(&store), ["ws://a.test/ws?token=1"]);
    assert_eq!(plant_of(store.load()), plant(1));
}

#[tokio::test]
async fn a_second_bridge_on_the_same_file_works_in_memory() {
    let directory = TempDir::new().unwrap();
    let first = open_at(directory.path());
    let parts = ["in use by another process", "state_dir"];
    let second = check_warning_within(Duration::ZERO, directory.path(), &parts);
    assert_eq!(second.usage().kind, "memory");
    second.save_target(target("b", "2")).await.unwrap();
    first.save_target(target("a", "1")).await.unwrap();
    assert_eq!(urls(&first), ["ws://a.test/ws?token=1"]);
}

/// Something in the way of the file's log: the file can be read, but not be written.
fn block(directory: &Path) -> std::path::PathBuf {
    let log = directory.join("hoymiles-bridge.db-wal");
    fs::create_dir(&log).unwrap();
    log
}

#[tokio::test]
async fn what_was_kept_is_known_although_the_file_cannot_be_written() {
    let directory = TempDir::new().unwrap();
    with_a_target(directory.path()).await;
    // Waits for the thread that held the file.
    meddle(directory.path(), "SELECT count(*) FROM target");
    block(directory.path());
    let parts = ["nothing will survive a restart", "what was kept before is known"];
    let store = check_warning(directory.path(), &parts);
    assert_eq!(store.usage().kind, "memory");
    assert_eq!(urls(&store), ["ws://a.test/ws?token=1"]);
    assert_eq!(plant_of(store.load()), plant(1));
}

#[tokio::test]
async fn what_is_known_of_a_file_in_use_is_what_it_held_at_last() {
    let directory = TempDir::new().unwrap();
    let first = open_at(directory.path());
    first.save_target(target("a", "1")).await.unwrap();
    first.save_plant(plant(1));
    // Written, and not merged into the file itself.
    assert_eq!(plant_of(first.load()), plant(1));
    let parts = ["in use by another process", "what was kept before is known"];
    let second = check_warning_within(Duration::ZERO, directory.path(), &parts);
    assert_eq!(plant_of(second.load()), plant(1));
    assert_eq!(urls(&second), urls(&first));
}

#[test]
fn a_file_that_can_neither_be_written_nor_read_is_an_error() {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("hoymiles-bridge.db")).unwrap();
    let (store, log) = log_of(|| open_at(directory.path()));
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("ERROR"), "{log}");
    assert!(log.contains("nothing will survive a restart"), "{log}");
    assert!(log.contains("totals begin with what the devices count"), "{log}");
    assert_eq!(store.usage().kind, "memory");
}

#[tokio::test]
async fn an_empty_file_is_set_aside_as_damaged() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("hoymiles-bridge.db"), "").unwrap();
    let store = check_warning(directory.path(), &["is damaged (it is empty)", "a new one begins"]);
    assert_eq!(store.usage().kind, "sqlite");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_one_warning() {
    let directory = TempDir::new().unwrap();
    let not_a_folder = directory.path().join("file");
    fs::write(&not_a_folder, "in the way").unwrap();
    let parts = ["nothing will survive a restart", "file/data/hoymiles-bridge.db", "/data)"];
    let store = check_warning(&not_a_folder.join("data"), &parts);
    assert_eq!(store.usage().kind, "memory");
    store.save_target(target("a", "1")).await.unwrap();
    store.save_plant(plant(1));
    assert!(store.flush_within(GUARD).await);
    assert_eq!(plant_of(store.load()), plant(1));
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("hoymiles-bridge.db");
    with_a_target(directory.path()).await;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let store = open_at(directory.path());
    store.save_target(target("a", "1")).await.unwrap();
    let names = names(directory.path());
    assert_eq!(names, ["hoymiles-bridge.db", "hoymiles-bridge.db-wal"]);
    for name in names {
        let mode = directory.path().join(&name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}
