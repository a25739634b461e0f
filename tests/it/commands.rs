//! The commands beside `run`, as a user starts them.

use std::process::Stdio;

use serde_json::Value;

use crate::support::bridge::{Bridge, Home, command, output};
use crate::support::plant::Plant;

#[tokio::test]
async fn demo_shows_a_plant_without_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = command(&["demo"]);
    demo.current_dir(folder.path()).env("HOYMILES__HTTP__LISTEN", "127.0.0.1:0");
    let bridge = Bridge::start(demo).await;
    let inverters =
        bridge.inverters_when(|inverters| !inverters.as_array().unwrap().is_empty()).await;
    assert!(inverters[0]["pv_power"].as_f64().unwrap() > 0.0, "{inverters}");
    assert_eq!(inverters[0]["dtu_name"], "DTU");
    let (status, _) = bridge.stop().await;
    assert_eq!(status.code(), Some(0));
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "a demonstration leaves nothing behind");
}

#[tokio::test]
async fn read_prints_a_table_or_json_and_says_which_dtu_failed() {
    let plant = Plant::start(&["--inverters", "3", "--ports-per-inverter", "2"]).await;
    let port = plant.address.port().to_string();
    let at_plant = ["read", "--host", "127.0.0.1", "--protocol", "modbus", "--port", &port];
    let (code, table, _) = output(&at_plant, None).await;
    assert_eq!(code, 0, "{table}");
    assert!(table.contains("6 ports of 3 inverters"), "{table}");
    let (code, json, _) = output(&[&at_plant[..], &["--json"]].concat(), None).await;
    assert_eq!(code, 0);
    let inverters: Value = serde_json::from_str(&json).unwrap();
    for inverter in inverters.as_array().unwrap() {
        let serial = inverter["serial_number"].as_str().unwrap();
        assert!(table.contains(serial), "{serial} in {table}");
        let total = inverter["ports"][0]["total_production"].as_u64().unwrap();
        let total = format!("{}.{:03}", total / 1000, total % 1000);
        assert!(table.contains(&total), "{total} kWh in {table}");
    }
    plant.stop().await;

    let home = Home::new(&format!(
        "[[dtu]]\nname = \"Gone\"\nprotocol = \"modbus\"\nhost = \"127.0.0.1\"\nport = {port}\nretries = 0\n"
    ));
    let (code, _, message) =
        output(&["read", "--config", home.config().to_str().unwrap()], None).await;
    assert_eq!(code, 1);
    assert!(message.contains("Gone: ") && message.contains("refused"), "{message}");
}

#[tokio::test]
async fn healthcheck_asks_the_running_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let config = folder.path().join("bridge.toml");
    let text = format!(
        "state_dir = {:?}\n[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n[http]\nlisten = \"{address}\"\n",
        folder.path().join("data")
    );
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let (code, ..) = output(&["healthcheck", "--config", config], None).await;
    assert_eq!(code, 1, "nobody listens yet");

    let mut run = command(&["run", "--config", config]);
    run.stdout(Stdio::piped());
    let bridge = Bridge::start(run).await;
    bridge.inverters_when(|inverters| !inverters.as_array().unwrap().is_empty()).await;
    let (code, _, message) = output(&["healthcheck", "--config", config], None).await;
    assert_eq!(code, 0, "{message}");
    bridge.stop().await;
}
