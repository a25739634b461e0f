//! Devices that left the configuration while the bridge was down are removed, others are not.

use serde_json::Value;

use crate::support::bridge::Home;
use crate::support::broker::{Broker, Observer, Payloads, documents, is_missing};
use crate::support::plant::Plant;

/// One inverter with two ports.
async fn plant(seed: &str) -> Plant {
    Plant::start(&["--inverters", "1", "--ports-per-inverter", "2", "--seed", seed]).await
}

/// Retained topics and texts that have `part` in their topic, as somebody new sees them.
fn with<'a>(payloads: &'a Payloads, part: &str) -> Vec<(&'a String, &'a String)> {
    payloads.iter().filter(|(topic, text)| topic.contains(part) && !text.is_empty()).collect()
}

fn serial_of(inverters: &Value, dtu: &str) -> String {
    let inverters = inverters.as_array().unwrap();
    let found = inverters.iter().find(|inverter| inverter["dtu_name"] == dtu).unwrap();
    found["serial_number"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn devices_that_left_the_configuration_are_removed() {
    if is_missing() {
        return;
    }
    let (roof, barn, shed) = tokio::join!(plant("1"), plant("2"), plant("3"));
    let broker = Broker::start().await;
    let observer = Observer::start(&broker).await;
    // Against all advice with the same prefix.
    let mqtt = broker.section("client_id = \"another\"\n");
    let other_home = Home::new(&format!("{}{mqtt}", shed.dtu("Shed")));
    let other = other_home.run().await;
    let home =
        Home::new(&format!("{}{}{}", roof.dtu("Roof"), barn.dtu("Barn"), broker.section("")));
    let bridge = home.run().await;
    observer.sees("7 documents", |payloads| documents(payloads) == 7).await;
    let are_read = |count| move |inverters: &Value| inverters.as_array().unwrap().len() == count;
    let inverters = bridge.inverters_when(are_read(2)).await;
    let (ours, lost) = (serial_of(&inverters, "Roof"), serial_of(&inverters, "Barn"));
    let theirs = serial_of(&other.inverters_when(are_read(1)).await, "Shed");
    let document = |serial: &str| format!("homeassistant/device/hoymiles_{serial}/config");
    let shown = observer.sees("all", |_| true).await;
    let untouched = [document(&theirs), "homeassistant/device/hoymiles_dtu_Shed/config".to_owned()];
    bridge.stop().await;

    // The DTU is removed at once, its inverter after three polls in which no other DTU listed it.
    home.configure(&format!("{}{}", roof.dtu("Roof"), broker.section("")));
    let bridge = home.run().await;
    let dtu = "homeassistant/device/hoymiles_dtu_Barn/config";
    observer.sees_at(dtu, "").await;
    let availability = format!("hoymiles/inverter/{lost}/availability");
    let waiting = observer.sees_at(&availability, "offline").await;
    assert_ne!(waiting[&document(&lost)], "", "another DTU may read it");
    observer.sees_at(&format!("hoymiles/inverter/{lost}/state"), "").await;
    observer.sees_at(&availability, "").await;
    let now = Observer::start(&broker).await.sees("5 documents", |b| documents(b) == 5).await;
    assert!(with(&now, "Barn").is_empty() && with(&now, &lost).is_empty(), "{now:#?}");
    for topic in &untouched {
        assert_eq!(now[topic], shown[topic]);
    }
    bridge.stop().await;

    // Other topics: nothing stays below the old ones.
    home.configure(&format!("{}{}", roof.dtu("Roof"), broker.section("topic_prefix = \"roof\"\n")));
    let bridge = home.run().await;
    observer.sees_at(&format!("hoymiles/inverter/{ours}/availability"), "").await;
    observer.sees_at("hoymiles/dtu/Roof/availability", "").await;
    observer.sees_at("homeassistant/device/hoymiles_dtu_Roof/config", "").await;
    let now = Observer::start(&broker).await;
    let now = now.sees("its own", |payloads| payloads.contains_key(&document(&ours))).await;
    assert!(with(&now, "hoymiles/dtu/Roof").is_empty(), "{now:#?}");
    assert!(with(&now, &format!("hoymiles/inverter/{ours}")).is_empty(), "{now:#?}");
    assert!(now[&document(&ours)].contains("\"roof/inverter/"), "{now:#?}");
    for topic in &untouched {
        assert_eq!(now[topic], shown[topic]);
    }
    bridge.stop().await;
    other.stop().await;
    for plant in [roof, barn, shed] {
        plant.stop().await;
    }
}

#[tokio::test]
async fn the_rights_of_the_manual_are_enough() {
    if is_missing() {
        return;
    }
    let rules = "topic write hoymiles/#\ntopic write homeassistant/device/+/config\n\
                 topic read homeassistant/status\n";
    let lines = "allow_anonymous true\nacl_file FOLDER/rules\n";
    let broker = Broker::start_with(lines, &[("rules", rules)]).await;
    let roof = plant("1").await;
    let home = Home::new(&format!("{}{}", roof.dtu("Roof"), broker.section("")));
    for name in ["Roof", "Attic"] {
        home.configure(&format!("{}{}", roof.dtu(name), broker.section("")));
        let bridge = home.run().await;
        bridge.logged("[MQTT] ✓ Announced 3 devices to ").await;
        bridge.logged_times("[MQTT] ✓ Sent ", 3).await;
        assert!(bridge.log().iter().all(|line| !line.contains("[MQTT] Disconnected")));
        bridge.stop().await;
    }
    roof.stop().await;
}
