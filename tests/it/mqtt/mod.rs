//! The plant at a real broker: what is announced, what is right, what outlives a restart.

pub(crate) mod login;

mod orphans;

mod night;

mod restarts;

use serde_json::Value;

use crate::support::bridge::Home;
use crate::support::broker::{Broker, Observer, documents, is_missing, json_at};
use crate::support::plant::Plant;

const ONLINE: (&str, &str) = ("hoymiles/bridge/availability", "online");
const OFFLINE: (&str, &str) = ("hoymiles/bridge/availability", "offline");

/// A plant of two inverters with four ports.
async fn small_plant() -> Plant {
    Plant::start(&["--inverters", "2", "--ports-per-inverter", "2"]).await
}

#[tokio::test]
async fn every_inverter_and_port_is_announced_and_has_the_values_of_the_api() {
    if is_missing() {
        return;
    }
    let broker = Broker::start().await;
    let observer = Observer::start(&broker).await;
    let plant = Plant::start(&["--inverters", "19", "--ports", "37", "--seed", "1"]).await;
    let home = Home::new(&format!("{}{}", plant.dtu("DTU"), broker.section("")));
    let bridge = home.run().await;
    let payloads = observer.sees("21 documents", |payloads| documents(payloads) == 21).await;
    bridge.logged("[MQTT] ✓ Connected to: 127.0.0.1:").await;
    bridge.logged("[MQTT] ✓ Announced 21 devices to 127.0.0.1:").await;
    // Once the plant stands still, nothing changes between two looks.
    plant.stop().await;
    bridge.logged("DTU: poll failed").await;
    observer
        .sees("failure", |payloads| {
            json_at(payloads, "hoymiles/dtu/DTU/state")["status"] == "error"
        })
        .await;
    let (_, inverters) = bridge.get("/api/inverters").await;
    let (_, whole) = bridge.get("/api/plant").await;
    let now = observer.sees("anything", |_| true).await;
    let mut ports = 0;
    for inverter in inverters.as_array().unwrap() {
        let serial = inverter["serial_number"].as_str().unwrap();
        let state = json_at(&now, &format!("hoymiles/inverter/{serial}/state"));
        let document =
            json_at(&payloads, &format!("homeassistant/device/hoymiles_{serial}/config"));
        check(inverter, &state, "");
        for port in inverter["ports"].as_array().unwrap() {
            let prefix = format!("p{}_", port["port_number"]);
            check(port, &state, &prefix);
            let component = &document["components"][format!("{prefix}pv_power")];
            assert_eq!(component["unique_id"], format!("hoymiles_{serial}_{prefix}pv_power"));
            ports += 1;
        }
        assert_eq!(state["reachable"], "on");
    }
    assert_eq!(ports, 37);
    check(&whole, &json_at(&now, "hoymiles/bridge/state"), "");
    let (status, _) = bridge.stop().await;
    assert_eq!(status.code(), Some(0));
    observer.sees_at(OFFLINE.0, OFFLINE.1).await;
}

/// The state shows what the API says.
#[track_caller]
fn check(object: &Value, state: &Value, prefix: &str) {
    for key in ["pv_power", "today_production", "pv_voltage", "grid_voltage", "temperature"] {
        if let Some(value) = object.get(key) {
            assert_eq!(&state[format!("{prefix}{key}")], value, "{prefix}{key}");
        }
    }
    let total = object["total_production"].as_u64().unwrap();
    let shown = state[format!("{prefix}total_production")].as_f64().unwrap();
    assert!((shown * 1000.0 - f64::from(u32::try_from(total).unwrap())).abs() < 0.5, "{shown}");
}

#[tokio::test]
async fn an_excluded_inverter_is_removed() {
    if is_missing() {
        return;
    }
    let broker = Broker::start().await;
    let plant = small_plant().await;
    let home = Home::new(&format!("{}{}", plant.dtu("DTU"), broker.section("")));
    let bridge = home.run().await;
    let observer = Observer::start(&broker).await;
    observer.sees("4 documents", |payloads| documents(payloads) == 4).await;
    let (_, inverters) = bridge.get("/api/inverters").await;
    let serial = inverters[0]["serial_number"].as_str().unwrap().to_owned();
    bridge.stop().await;
    let exclude = format!("exclude = [{:?}]\n", serial.to_uppercase());
    home.configure(&format!("{}{exclude}{}", plant.dtu("DTU"), broker.section("")));
    let bridge = home.run().await;
    let payloads = observer.sees("3 documents", |payloads| documents(payloads) == 3).await;
    assert_eq!(payloads[&format!("homeassistant/device/hoymiles_{serial}/config")], "");
    let bare = Observer::start(&broker).await;
    bare.sees("3 documents", |payloads| documents(payloads) == 3).await;
    bridge.stop().await;
    plant.stop().await;
}

#[tokio::test]
async fn when_home_assistant_starts_everything_is_announced_again() {
    if is_missing() {
        return;
    }
    let broker = Broker::start().await;
    let plant = small_plant().await;
    let home = Home::new(&format!("{}{}", plant.dtu("DTU"), broker.section("qos = 0\n")));
    let bridge = home.run().await;
    let observer = Observer::start(&broker).await;
    observer.sees("4 documents", |payloads| documents(payloads) == 4).await;
    // As a broker without persistence would.
    for topic in ["homeassistant/device/hoymiles_bridge/config", ONLINE.0] {
        observer.publish(topic, "", true).await;
        observer.sees_at(topic, "").await;
    }
    observer.publish("homeassistant/status", "online", false).await;
    bridge.logged("[MQTT] Home Assistant has started; announcing everything again in ").await;
    observer.sees_at(ONLINE.0, ONLINE.1).await;
    observer.sees("4 documents", |payloads| documents(payloads) == 4).await;
    bridge.stop().await;
    plant.stop().await;
}
