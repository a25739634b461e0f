//! Damaged, foreign and unwritable files, and full disks.

use super::*;

#[tokio::test]
async fn a_damaged_file_is_renamed_and_a_new_one_begins() {
    let directory = TempDir::new().unwrap();
    let file = file_in(directory.path());
    fs::write(&file, b"this is not a database, despite its name".repeat(100)).unwrap();
    fs::write(directory.path().join("hoymiles-bridge.db-wal"), b"old").unwrap();
    let kept = "hoymiles-bridge.db.damaged-20260630T101112Z";
    let store = opens_with_warning(directory.path(), &["is damaged", kept]);
    store.save_target(target("a", "1")).await.unwrap();
    drop(store);
    assert_eq!(urls(&open_at(directory.path())), ["ws://a.test/ws?token=1"]);
    assert!(fs::read(directory.path().join(kept)).unwrap().starts_with(b"this is not a database"));
}

#[tokio::test]
async fn broken_pages_an_empty_file_and_foreign_tables_count_as_damaged() {
    let directory = TempDir::new().unwrap();
    with_a_target(directory.path()).await;
    let mut bytes = fs::read(file_in(directory.path())).unwrap();
    bytes.iter_mut().skip(4_096).step_by(3).for_each(|byte| *byte ^= 0x5a);
    fs::write(file_in(directory.path()), bytes).unwrap();
    let store = opens_with_warning(directory.path(), &["is damaged"]);
    assert_eq!(store.usage().kind, "sqlite");
    assert!(store.load().targets.is_empty());

    let directory = TempDir::new().unwrap();
    fs::write(file_in(directory.path()), "").unwrap();
    opens_with_warning(directory.path(), &["is damaged (it is empty)"]);

    let directory = TempDir::new().unwrap();
    meddle(directory.path(), "CREATE TABLE money (amount); PRAGMA user_version = 1;");
    opens_with_warning(directory.path(), &["is damaged", "no such table"]);
}

#[tokio::test]
async fn a_newer_file_is_left_untouched() {
    let directory = TempDir::new().unwrap();
    with_a_target(directory.path()).await;
    meddle(directory.path(), "PRAGMA user_version = 2");
    let before = fs::read(file_in(directory.path())).unwrap();
    let parts = ["lost at the next restart", "newer bridge (version 2", "run that version again"];
    let store = opens_with_warning(directory.path(), &parts);
    store.save_target(target("b", "2")).await.unwrap();
    store.save_plant(plant(2));
    flush(&store).await;
    assert_eq!(store.usage().kind, "memory");
    assert_eq!(urls(&store), ["ws://b.test/ws?token=2"]);
    assert_eq!(fs::read(file_in(directory.path())).unwrap(), before);
}

#[tokio::test]
async fn a_damaged_record_does_not_cost_the_others() {
    let directory = TempDir::new().unwrap();
    with_a_target(directory.path()).await;
    meddle(
        directory.path(),
        r#"INSERT INTO record (kind, key, value) VALUES ('target', 'k', '{"url": "u"}'),
             ('ledger', 'no serial number/1', '{}'), ('ledger', '1161a0000001/300', '{}'),
             ('inverter', '1161a0000002', CAST(x'ff' AS TEXT)), ('dtu', 'Barn', '7');"#,
    );
    let mut worker = worker_at(directory.path());
    let (stored, log) = log_of(|| load(&worker.database));
    assert_eq!(log.len(), 4, "{log:?}");
    assert!(log.iter().all(|line| line.contains("are damaged and ignored")), "{log:?}");
    assert!(log.iter().any(|line| line.contains("2 ledger records")), "{log:?}");
    assert_eq!((stored.targets.len(), stored.plant), (1, plant(1)));
    // The inverter's is replaced with the next reading.
    worker.handle(Request::SavePlant(plant(2)));
    assert_eq!(log_of(|| load(&worker.database)).1.len(), 3);
}

#[tokio::test]
async fn a_second_bridge_on_the_same_file_works_in_memory() {
    let directory = TempDir::new().unwrap();
    let first = open_at(directory.path());
    first.save_target(target("a", "1")).await.unwrap();
    let parts = ["what was stored before", "in use by another process", "a state_dir of its own"];
    let second = opens_with_warning(directory.path(), &parts);
    assert_eq!(second.usage().kind, "memory");
    second.save_target(target("b", "2")).await.unwrap();
    assert_eq!(urls(&second).len(), 2);
    drop(second);
    assert_eq!(urls(&first), ["ws://a.test/ws?token=1"]);
    let in_use = stored_targets(directory.path()).unwrap_err();
    assert_eq!(in_use.label, "database_in_use");
}

#[tokio::test]
async fn the_files_of_a_killed_bridge_are_read_without_changing_them() {
    let directory = TempDir::new().unwrap();
    assert!(stored_targets(directory.path()).unwrap().is_empty());
    let store = open_at(directory.path());
    store.save_target(target("a", "1")).await.unwrap();
    let killed = left_behind(directory.path());
    let files = || names(killed.path()).into_iter().map(|name| fs::read(killed.path().join(name)));
    let before: Vec<_> = files().map(Result::unwrap).collect();
    let found = stored_targets(killed.path()).unwrap();
    assert_eq!((found.len(), &found[0].name[..]), (1, "a"), "it is in the log only");
    assert!(files().map(Result::unwrap).eq(before), "{:?}", names(killed.path()));
    flush(&store).await;
    drop(store);
    meddle(directory.path(), "SELECT count(*) FROM record");
    assert_eq!(stored_targets(directory.path()).unwrap().len(), 1);
}

#[test]
fn a_file_that_can_neither_be_written_nor_read_is_an_error() {
    let directory = TempDir::new().unwrap();
    fs::create_dir(file_in(directory.path())).unwrap();
    let (database, log) = log_of(|| Database::open(directory.path(), clock(), Duration::ZERO));
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].starts_with("ERROR") && log[0].contains("devices' counters"), "{log:?}");
    assert_eq!(database.usage().kind, "memory");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_one_warning() {
    let directory = TempDir::new().unwrap();
    let not_a_folder = directory.path().join("file");
    fs::write(&not_a_folder, "in the way").unwrap();
    let parts = ["lost at the next restart", "file/data/hoymiles-bridge.db", "/data)"];
    let store = opens_with_warning(&not_a_folder.join("data"), &parts);
    assert_eq!(store.save_target(target("a", "1")).await.err(), store.problem());
    store.save_plant(plant(1));
    assert_eq!(store.load().plant, plant(1));
    assert_eq!(store.usage().kind, "memory");
}

#[test]
fn a_folder_that_can_be_written_at_last_gets_everything() {
    let directory = TempDir::new().unwrap();
    let state_dir = directory.path().join("data");
    fs::write(&state_dir, "in the way").unwrap();
    let mut worker = worker_at(&state_dir);
    let ((), log) = log_of(|| worker.handle(Request::SavePlant(plant(1))));
    assert_eq!(log, [""; 0], "the warning at the start is enough");
    assert!(save_target(&mut worker, target("a", "1")).is_err());
    fs::remove_file(&state_dir).unwrap();
    let ((), log) = log_of(|| worker.handle(Request::SavePlant(plant(2))));
    assert!(log.len() == 1 && log[0].contains("state is stored again"), "{log:?}");
    let crashed = left_behind(&state_dir);
    let stored = load(&worker_at(crashed.path()).database);
    assert_eq!((stored.plant, stored.targets.len()), (plant(2), 1));
}

#[test]
fn a_full_disk_is_reported_once_and_so_is_its_end() {
    let directory = TempDir::new().unwrap();
    let mut worker = worker_at(directory.path());
    save_target(&mut worker, target("a", "old")).unwrap();
    let limit = |worker: &Worker, pages: i64| {
        let sql = format!("PRAGMA max_page_count = {pages}");
        worker.database.connection().query_row(&sql, [], |_| Ok(())).unwrap();
    };
    limit(&worker, 1);
    let big = "x".repeat(100_000);
    let ((), log) = log_of(|| {
        let refused = save_target(&mut worker, target("a", &big)).unwrap_err();
        assert_eq!(refused.label, "disk_full");
        let mut plant = plant(1);
        let dtu = StoredDtu { last_success: now(), energies: BTreeMap::new(), serial: None };
        plant.dtus.insert(big.clone(), dtu);
        worker.handle(Request::SavePlant(plant));
    });
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].contains("WARN") && log[0].contains("no space is left"), "{log:?}");
    assert!(lock(&worker.status).is_failing, "the plant stays due");

    limit(&worker, 1_000_000);
    let ((), log) = log_of(|| worker.handle(Request::SavePlant(plant(2))));
    assert!(log.len() == 1 && log[0].contains("state is stored again"), "{log:?}");
    let stored = load(&worker_at(left_behind(directory.path()).path()).database);
    assert_eq!(stored.plant.ledgers, plant(2).ledgers);
    let kept = stored.targets[0].url.expose_secret();
    assert!(kept.ends_with(&"x".repeat(100_000)), "what was registered meanwhile is stored, too");
}

#[test]
fn a_registration_that_cannot_be_stored_says_why_and_what_to_do() {
    let directory = TempDir::new().unwrap();
    let mut worker = worker_at(directory.path());
    worker.database.connection().pragma_update(None, "query_only", true).unwrap();
    let problem = save_target(&mut worker, target("a", "hush")).unwrap_err();
    assert_eq!(problem.label, "disk_read_only");
    let text = problem.to_string();
    assert!(text.contains("hoymiles-bridge.db cannot be written"), "{text}");
    assert!(text.contains("mount it for writing") && !text.contains("hush"), "{text}");
}

#[test]
fn a_state_dir_that_is_deleted_while_running_is_written_anew() {
    let directory = TempDir::new().unwrap();
    let state_dir = directory.path().join("data");
    let mut worker = worker_at(&state_dir);
    save_target(&mut worker, target("a", "1")).unwrap();
    worker.handle(Request::SavePlant(plant(1)));
    fs::remove_dir_all(&state_dir).unwrap();
    let ((), log) = log_of(|| worker.handle(Request::SavePlant(plant(1))));
    assert!(log.len() == 1 && log[0].contains("deleted while the bridge was running"), "{log:?}");
    let ((), log) = log_of(|| worker.handle(Request::SavePlant(plant(2))));
    assert_eq!(log, [""; 0]);
    let stored = load(&worker_at(left_behind(&state_dir).path()).database);
    assert_eq!((stored.plant, stored.targets.len()), (plant(2), 1));
}

#[tokio::test]
async fn a_file_that_is_replaced_while_running_is_kept_under_another_name() {
    let (directory, backup) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    with_a_target(backup.path()).await;
    let mut worker = worker_at(directory.path());
    worker.handle(Request::SavePlant(plant(2)));
    fs::rename(file_in(backup.path()), file_in(directory.path())).unwrap();
    let (saved, log) = log_of(|| save_target(&mut worker, target("b", "2")));
    saved.unwrap();
    assert!(log.len() == 1 && log[0].contains("replaced-20260630T101112Z"), "{log:?}");
    let crashed = left_behind(directory.path());
    let stored = load(&worker_at(crashed.path()).database);
    assert_eq!((stored.plant, stored.targets.len()), (plant(2), 1));
    let kept = crashed.path().join("hoymiles-bridge.db.replaced-20260630T101112Z");
    fs::remove_file(file_in(crashed.path())).unwrap();
    fs::rename(kept, file_in(crashed.path())).unwrap();
    let stored = load(&worker_at(crashed.path()).database);
    assert_eq!((stored.plant, &stored.targets[0].name[..]), (plant(1), "a"));
}

#[tokio::test]
async fn other_users_cannot_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let directory = TempDir::new().unwrap();
    with_a_target(directory.path()).await;
    let file = file_in(directory.path());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let store = open_at(directory.path());
    store.save_target(target("a", "2")).await.unwrap();
    let names = names(directory.path());
    assert_eq!(names, ["hoymiles-bridge.db", "hoymiles-bridge.db-wal"]);
    for name in names {
        let mode = directory.path().join(&name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn the_end_of_the_thread_is_noticed() {
    let (requests, receiver) = unbounded_channel();
    let worker = Worker::new(Database::default());
    let store = Store { requests, status: Arc::clone(&worker.status), instance: None };
    // As a panic would end it.
    drop((worker, receiver));
    tokio::time::timeout(GUARD, store.died()).await.unwrap();
    store.save_plant(plant(1));
    store.flush().await;
    assert!(store.load().plant.ledgers.is_empty());
    let problem = store.save_target(target("a", "1")).await.unwrap_err();
    assert_eq!(problem.label, "database_closed");
}
