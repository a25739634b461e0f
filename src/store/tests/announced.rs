//! What an MQTT broker was told.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::files::log_of;
use super::*;

fn place(name: &str) -> Place {
    Place { document: format!("d/{name}"), state: format!("s/{name}") }
}

fn told(names: &[(&str, Option<&'static str>)]) -> BTreeMap<Place, Option<Bytes>> {
    let told = names.iter().map(|(name, text)| (place(name), text.map(Bytes::from)));
    told.collect()
}

fn kept(store: &Store) -> Vec<(String, Bytes)> {
    let documents = store.load().announced.documents;
    documents.into_iter().map(|(place, text)| (place.document, text)).collect()
}

fn meddle(directory: &Path, sql: &str) {
    let connection = Connection::open(directory.join("hoymiles-bridge.db")).unwrap();
    connection.busy_timeout(GUARD).unwrap();
    connection.execute_batch(sql).unwrap();
}

#[test]
fn documents_survive_a_restart_and_the_bridge_keeps_its_name() {
    let directory = TempDir::new().unwrap();
    let store = open_at(directory.path());
    let name = store.load().announced.bridge;
    assert_eq!(name.len(), 16, "{name}");
    store.save_announced(told(&[("a", Some("1")), ("b", Some("1"))]));
    store.save_announced(told(&[("a", Some("2")), ("b", None), ("c", None)]));
    drop(store);
    let store = open_at(directory.path());
    assert_eq!(kept(&store), [("d/a".to_owned(), Bytes::from("2"))]);
    assert_eq!(store.load().announced.bridge, name);
    let other = TempDir::new().unwrap();
    assert_ne!(open_at(other.path()).load().announced.bridge, name);
}

#[test]
fn a_file_of_the_first_version_gets_the_tables_it_lacks() {
    let directory = TempDir::new().unwrap();
    let store = open_at(directory.path());
    let mut plant = plant(1);
    for (_, ledger) in &mut plant.ledgers {
        ledger.left_days = None;
    }
    store.save_plant(plant.clone());
    drop(store);
    meddle(
        directory.path(),
        "DROP TABLE announced; DROP TABLE bridge; ALTER TABLE ledger DROP COLUMN left_days;
         PRAGMA user_version = 1;",
    );
    let store = open_at(directory.path());
    assert_eq!(store.usage().kind, "sqlite");
    store.save_announced(told(&[("a", Some("1"))]));
    let saved = store.load();
    assert_eq!((saved.announced.bridge.len(), saved.announced.documents.len()), (16, 1));
    assert_eq!(plant_of(saved), plant);
}

#[test]
fn damaged_rows_do_not_cost_the_others_and_no_name_is_an_empty_one() {
    let directory = TempDir::new().unwrap();
    let store = open_at(directory.path());
    store.save_announced(told(&[("a", Some("1"))]));
    drop(store);
    meddle(
        directory.path(),
        "INSERT INTO announced VALUES (CAST(x'ff' AS TEXT), 's', x'00'); DELETE FROM bridge;",
    );
    let (store, log) = log_of(|| open_at(directory.path()));
    assert_eq!(log.matches("document for MQTT in the database is unreadable").count(), 1, "{log}");
    assert_eq!(kept(&store), [("d/a".to_owned(), Bytes::from("1"))]);
    assert_eq!(store.load().announced.bridge, "");
}

#[test]
fn more_than_several_plants_are_not_read() {
    let directory = TempDir::new().unwrap();
    drop(open_at(directory.path()));
    meddle(
        directory.path(),
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
         INSERT INTO announced SELECT 'd' || i, 's', x'00' FROM n;",
    );
    assert_eq!(open_at(directory.path()).load().announced.documents.len(), Announced::MOST);
}

#[test]
fn what_cannot_be_written_waits_and_the_newest_of_a_place_wins() {
    let shared = Shared::new(None);
    let database = Database::in_memory().unwrap();
    database.connection().pragma_update(None, "query_only", true).unwrap();
    let shared = Arc::new(shared);
    let mut worker = Worker::new(database, None, Arc::clone(&shared));
    shared.put_announced(told(&[("a", Some("1")), ("b", Some("1"))]));
    worker.do_what_waits();
    shared.put_announced(told(&[("a", Some("2"))]));
    worker.database().connection().pragma_update(None, "query_only", false).unwrap();
    worker.do_what_waits();
    let saved = worker.database().load().unwrap().announced.documents;
    let texts: Vec<&[u8]> = saved.values().map(|text| &text[..]).collect();
    assert_eq!(texts, [b"2", b"1"]);
}
