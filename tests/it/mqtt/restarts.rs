//! Broker and bridge restart in each order: what is right is there again within seconds.

use serde_json::Value;

use super::{OFFLINE, ONLINE, small_plant};
use crate::support::bridge::{Bridge, Home};
use crate::support::broker::{Broker, Observer, Payloads, documents, is_missing, json_at};

/// All four devices are announced, have values, and the bridge is there.
fn is_right(payloads: &Payloads) -> bool {
    let states = payloads.iter().filter(|(topic, _)| topic.ends_with("/state"));
    documents(payloads) == 4
        && payloads.get(ONLINE.0).is_some_and(|text| text == ONLINE.1)
        && states.count() == 4
        && json_at(payloads, "hoymiles/bridge/state")
            .pointer("/pv_power")
            .is_some_and(Value::is_number)
}

/// The bridge against a broker that is restarted, with these lines in its configuration.
async fn check_broker(lines: &str) {
    if is_missing() {
        return;
    }
    let mut broker = Broker::start_with(lines, &[]).await;
    let plant = small_plant().await;
    let home = Home::new(&format!("{}{}", plant.dtu("DTU"), broker.section("qos = 2\n")));
    let bridge = home.run().await;
    Observer::start(&broker).await.sees("all", is_right).await;
    bridge.logged("[MQTT] ✓ Announced 4 devices to ").await;
    broker.stop().await;
    bridge.logged("[MQTT] Disconnected from 127.0.0.1:").await;
    bridge.logged("[MQTT] Reconnecting to 127.0.0.1:").await;
    let refused = bridge.logged("[MQTT] Connection failed for 127.0.0.1:").await;
    assert!(refused.contains("connection refused by 127.0.0.1:"), "{refused}");
    broker.resume().await;
    bridge.logged_times("[MQTT] ✓ Connected to: ", 2).await;
    Observer::start(&broker).await.sees("all again", is_right).await;
    check_figures(&bridge, &broker).await;
    bridge.stop().await;
    plant.stop().await;
}

/// What the metrics say after one restart of the broker.
async fn check_figures(bridge: &Bridge, broker: &Broker) {
    bridge.logged_times("[MQTT] ✓ Announced 4 devices to ", 2).await;
    let (_, page) = bridge.get("/metrics").await;
    let figure = |name: &str, cause: &str| {
        let labels = format!("broker=\"127.0.0.1:{}\"{cause}", broker.port);
        let line = format!("hoymiles_mqtt_{name}{{{labels}}} ");
        let text = page.as_str().unwrap();
        let found = text.lines().find_map(|there| there.strip_prefix(&line));
        found.unwrap_or_else(|| panic!("no {line} in {text}")).parse::<u32>().unwrap()
    };
    assert_eq!(figure("connected", ""), 1);
    assert_eq!(figure("connections_total", ""), 2);
    // Two announcements at least, each of a document, a state and an availability per device.
    assert!(figure("messages_published_total", "") >= 2 * 3 * 4);
    assert_eq!(figure("failures_total", ",cause=\"closed\""), 1);
    assert!(figure("failures_total", ",cause=\"refused\"") >= 1);
}

#[tokio::test]
async fn a_broker_that_forgets_gets_everything_again() {
    check_broker("allow_anonymous true\npersistence false\n").await;
}

#[tokio::test]
async fn a_broker_that_remembers_is_brought_up_to_date() {
    let lines = "allow_anonymous true\npersistence true\npersistence_location FOLDER/\n";
    check_broker(lines).await;
}

#[tokio::test]
async fn a_bridge_that_is_killed_is_offline_by_its_will_and_back_after_its_start() {
    if is_missing() {
        return;
    }
    let broker = Broker::start().await;
    let observer = Observer::start(&broker).await;
    let plant = small_plant().await;
    let home = Home::new(&format!("{}{}", plant.dtu("DTU"), broker.section("")));
    let bridge = home.run().await;
    let before = observer.sees("all", is_right).await;
    bridge.signal("KILL").await;
    bridge.ended().await;
    let dead = observer.sees_at(OFFLINE.0, OFFLINE.1).await;
    check_unavailable(&dead);
    // Without its DTU it has what it knew before.
    plant.stop().await;
    let bridge = home.run().await;
    let after = observer.sees("all again", is_right).await;
    let total = |payloads: &Payloads| {
        json_at(payloads, "hoymiles/bridge/state")["total_production"].clone()
    };
    assert_eq!(total(&before), total(&after), "energies stand");
    bridge.stop().await;
}

/// Home Assistant shows nothing as available: each device and each entity that has topics of its
/// own for that needs one that says `offline`.
#[track_caller]
fn check_unavailable(payloads: &Payloads) {
    let all = payloads.iter().filter(|(topic, _)| topic.ends_with("/config"));
    let all: Vec<Value> = all.map(|(_, text)| serde_json::from_str(text).unwrap()).collect();
    assert_eq!(all.len(), 4);
    for document in &all {
        assert_eq!(document["availability_mode"], "all");
        let no = &document["payload_not_available"];
        let components = document["components"].as_object().unwrap().values();
        let own = components.filter_map(|component| component.get("availability"));
        for topics in own.chain([&document["availability"]]) {
            let mut said =
                topics.as_array().unwrap().iter().map(|topic| {
                    payloads.get(topic["topic"].as_str().unwrap()).map(String::as_str)
                });
            assert!(said.any(|said| said == no.as_str()), "{topics} in {}", document["device"]);
        }
    }
}

#[tokio::test]
async fn both_may_start_in_any_order() {
    if is_missing() {
        return;
    }
    let mut broker = Broker::start().await;
    broker.stop().await;
    let plant = small_plant().await;
    let home = Home::new(&format!("{}{}", plant.dtu("DTU"), broker.section("")));
    let bridge = home.run().await;
    bridge.logged("(attempt 1)").await;
    let is_read = |inverters: &Value| inverters.as_array().unwrap().len() == 2;
    bridge.inverters_when(is_read).await;
    broker.resume().await;
    Observer::start(&broker).await.sees("all", is_right).await;
    broker.restart().await;
    Observer::start(&broker).await.sees("all again", is_right).await;
    bridge.stop().await;
    plant.stop().await;
}
