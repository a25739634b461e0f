//! State that survives a restart of the bridge.

use serde_json::json;

use crate::support::bridge::Home;
use crate::support::plant::Plant;
use crate::support::target::Target;

#[tokio::test]
async fn the_stored_snapshot_is_served_at_once_with_its_original_times() {
    let plant = Plant::start(&["--inverters", "2", "--ports-per-inverter", "2"]).await;
    let home = Home::new(&plant.dtu("DTU"));
    let bridge = home.run().await;
    let is_there = |inverters: &serde_json::Value| !inverters.as_array().unwrap().is_empty();
    bridge.inverters_when(is_there).await;
    plant.stop().await;
    bridge.logged("DTU: poll failed").await;
    let (_, before) = bridge.get("/api/inverters").await;
    bridge.stop().await;

    let bridge = home.run().await;
    let (_, after) = bridge.get("/api/inverters").await;
    assert_eq!(before, after);
    let (status, health) = bridge.get("/health").await;
    assert_eq!(status, 200, "the time of the last answer survives a restart: {health}");
    assert!(health["dtus"]["DTU"]["last_successful_query"].is_string());
    bridge.stop().await;
}

#[tokio::test]
async fn the_instance_id_survives_a_restart_and_is_in_every_update() {
    let target = Target::start("secret").await;
    let home = Home::new(&format!(
        "[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n[[target]]\nname = \"One\"\nurl = \"{}\"\n",
        target.url("secret")
    ));
    let bridge = home.run().await;
    let (_, health) = bridge.get("/health").await;
    let instance = health["instance"].as_str().unwrap().to_owned();
    assert_eq!(instance.len(), 32);
    assert!(instance.bytes().all(|letter| letter.is_ascii_hexdigit()), "{instance}");
    let received = target.received("update", |received| !received.updates().is_empty()).await;
    assert_eq!(received.updates()[0]["health"]["instance"], instance[..]);
    bridge.signal("KILL").await;
    bridge.ended().await;
    let bridge = home.run().await;
    let (_, health) = bridge.get("/health").await;
    assert_eq!(health["instance"], instance[..]);
    bridge.stop().await;
    target.stop().await;
}

#[tokio::test]
async fn a_state_dir_that_is_deleted_or_exchanged_is_written_anew() {
    let plant = Plant::start(&["--inverters", "2"]).await;
    let home = Home::new(&plant.dtu("DTU"));
    let bridge = home.run().await;
    bridge.inverters_when(|all| all.as_array().unwrap().len() == 2).await;
    plant.stop().await;
    bridge.logged("DTU: poll failed").await;
    let register = async |name: &str| {
        let url = format!("ws://127.0.0.1:9/{name}");
        let body = json!({"websocket_url": url, "name": name});
        let (_, answer) = bridge.post("/api/websocket/register", &body).await;
        assert_eq!(answer["stored"], true, "{answer}");
    };
    let (_, before) = bridge.get("/api/production/current").await;
    let (_, health) = bridge.get("/health").await;
    register("First").await;

    let data = home.folder.path().join("data");
    std::fs::remove_dir_all(&data).unwrap();
    register("Second").await;
    let line = bridge.logged("was deleted while the bridge was running").await;
    assert!(line.contains("WARN") && line.contains("stop the bridge before"), "{line}");

    let other = Home::new("[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n");
    other.run().await.stop().await;
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(other.folder.path().join("data"), &data).unwrap();
    register("Third").await;
    let line = bridge.logged("was replaced while the bridge was running").await;
    assert!(line.contains("WARN") && line.contains("the other file is kept as"), "{line}");

    // Killed, not stopped: everything was written at once.
    bridge.signal("KILL").await;
    bridge.ended().await;
    let bridge = home.run().await;
    let (_, targets) = bridge.get("/api/targets").await;
    let names: Vec<_> = targets.as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["First", "Second", "Third"]);
    let (_, after) = bridge.get("/api/production/current").await;
    assert_eq!(after, before, "the energies");
    let (_, after) = bridge.get("/health").await;
    assert_eq!(after["instance"], health["instance"]);
    bridge.stop().await;
}

#[tokio::test]
async fn a_damaged_database_is_renamed_and_the_bridge_starts() {
    let home = Home::new("[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n");
    let data = home.folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("hoymiles-bridge.db"), "not a database at all".repeat(400)).unwrap();
    let bridge = home.run().await;
    bridge.logged("DTU: ").await;
    bridge.inverters_when(|inverters| !inverters.as_array().unwrap().is_empty()).await;
    bridge.stop().await;
    let kept = std::fs::read_dir(&data)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("damaged"))
        .count();
    assert_eq!(kept, 1, "the damaged file is kept under another name");
}

#[tokio::test]
async fn impossible_records_in_the_database_are_logged_and_not_served() {
    let plant = Plant::start(&["--inverters", "2"]).await;
    let home = Home::new(&plant.dtu("DTU"));
    let bridge = home.run().await;
    bridge.inverters_when(|all| all.as_array().unwrap().len() == 2).await;
    let (_, before) = bridge.get("/api/production/current").await;
    bridge.stop().await;
    plant.stop().await;
    let file = home.folder.path().join("data/hoymiles-bridge.db");
    let database = rusqlite::Connection::open(file).unwrap();
    let damage = "UPDATE record SET value = '{{' WHERE kind = 'inverter';
        UPDATE record SET value = json_set(value, '$.total', 9223372036854775807, '$.day', 'zzz')
            WHERE kind = 'ledger';";
    database.execute_batch(damage).unwrap();
    drop(database);

    let bridge = home.run().await;
    let line = bridge.logged("the database has impossible energies").await;
    assert!(line.contains("WARN") && line.contains("backup of state_dir"), "{line}");
    assert!(line.contains(before[0]["serial_number"].as_str().unwrap()), "{line}");
    let line = bridge.logged("inverter records in the database are damaged").await;
    assert!(line.contains("WARN") && line.contains("check the disk or SD card"), "{line}");
    let (_, after) = bridge.get("/api/production/current").await;
    assert_eq!(after, serde_json::json!([]), "impossible records are not served");
    bridge.stop().await;
}
