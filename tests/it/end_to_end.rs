//! From the DTU's records to the targets: pushed and served values are the same.

use std::net::TcpListener;

use serde_json::Value;

use crate::support::bridge::{Home, output};
use crate::support::plant::Plant;
use crate::support::target::Target;

fn target(name: &str, target: &Target) -> String {
    format!("[[target]]\nname = \"{name}\"\nurl = \"{}\"\n", target.url("secret"))
}

fn port_count(inverters: &Value) -> usize {
    inverters.as_array().unwrap().iter().map(|i| i["ports"].as_array().unwrap().len()).sum()
}

#[tokio::test]
async fn two_targets_receive_the_values_that_the_api_serves() {
    let (house, barn) = tokio::join!(
        Plant::start(&["--inverters", "19", "--ports", "37", "--seed", "1"]),
        Plant::start(&["--inverters", "2", "--ports-per-inverter", "4", "--seed", "2"]),
    );
    let (one, two) = tokio::join!(Target::start("secret"), Target::start("secret"));
    let home = Home::new(&format!(
        "{}{}{}{}",
        house.dtu("House"),
        barn.dtu("Barn"),
        target("One", &one),
        target("Two", &two)
    ));
    let bridge = home.run().await;

    for target in [&one, &two] {
        let received = target
            .received("update with all inverters", |received| {
                received.updates().last().is_some_and(|data| port_count(&data["inverters"]) == 45)
            })
            .await;
        assert_eq!(received.messages[0], serde_json::json!({"type": "ping"}));
    }
    // Polls go on meanwhile, so the API is compared with any of the updates.
    let (status, served) = bridge.get("/api/inverters").await;
    assert_eq!(status, 200);
    for target in [&one, &two] {
        target
            .received("update equal to /api/inverters", |received| {
                received.updates().iter().any(|data| data["inverters"] == served)
            })
            .await;
    }

    bridge.logged("House: 37 ports of 19 inverters in ").await;
    bridge.logged("[WebSocket] Connecting to One (ws://127.0.0.1:").await;
    bridge.logged("[WebSocket] ✓ Connected to: One").await;
    bridge.logged("[WebSocket] Sending update to Two: 21 inverters, 45 ports").await;
    bridge.logged("[WebSocket] ✓ Successfully sent update to Two").await;
    bridge.logged("[API Request] GET /api/inverters from 127.0.0.1").await;
    let (status, log) = bridge.stop().await;
    assert_eq!(status.code(), Some(0));
    assert!(log.iter().all(|line| !line.contains("secret")), "no token in the log: {log:#?}");
    house.stop().await;
    barn.stop().await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_dtu_configured_with_both_protocols_is_read_over_the_first_with_a_warning() {
    let shape = ["--inverters", "1", "--ports-per-inverter", "2", "--seed", "5"];
    let (m, e) = tokio::join!(Plant::start(&shape), Plant::start_protobuf(&shape));
    let second = e.dtu("E").replace("modbus", "protobuf");
    let home = Home::new(&format!("{}{second}", m.dtu("M")));
    let (_, json, _) =
        output(&["read", "--json", "--config", home.config().to_str().unwrap()], None).await;
    let read: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(read["inverters"][0]["dtu_name"], "M", "the same as in the bridge");
    let bridge = home.run().await;
    bridge.logged("E: 2 ports of 1 inverter in ").await;
    bridge.logged("M: 2 ports of 1 inverter in ").await;
    let warning = "E: M also reads its inverters ";
    assert!(bridge.logged(warning).await.contains("WARN"));
    let inverters = bridge.inverters_when(|inverters| port_count(inverters) == 2).await;
    assert_eq!(inverters.as_array().map(Vec::len), Some(1));
    assert_eq!(inverters[0]["dtu_name"], "M", "the first of the configuration");
    bridge.stop().await;
    m.stop().await;
    e.stop().await;
}

#[tokio::test]
async fn a_dtu_that_returns_has_lost_nothing() {
    let plant = Plant::start(&["--inverters", "2", "--ports-per-inverter", "2"]).await;
    let home = Home::new(&plant.dtu("DTU"));
    let bridge = home.run().await;
    let before = bridge.inverters_when(|inverters| port_count(inverters) == 4).await;
    let address = plant.address.to_string();
    plant.stop().await;

    bridge.logged("DTU: poll failed").await;
    let (_, after) = bridge.get("/api/inverters").await;
    let total = |inverters: &Value, index: usize| inverters[index]["total_production"].as_u64();
    for index in [0, 1] {
        assert!(total(&after, index) >= total(&before, index));
        assert!(after[index]["timestamp"].is_string());
        assert!(after[index]["pv_power"].is_number(), "the last good reading is kept");
    }
    let (status, health) = bridge.get("/health").await;
    assert_eq!(status, 200, "it answered within its threshold");
    assert_eq!(health["dtus"]["DTU"]["status"], "error");
    assert!(health["dtus"]["DTU"]["last_error"].is_string());

    let plant = Plant::start_at(&address, &["--inverters", "2", "--ports-per-inverter", "2"]).await;
    bridge.logged("DTU: the DTU answers again").await;
    bridge.stop().await;
    plant.stop().await;
}

#[tokio::test]
async fn a_target_that_returns_gets_the_newest_values() {
    let plant = Plant::start(&["--inverters", "1", "--ports-per-inverter", "2"]).await;
    let first = Target::start("secret").await;
    let address = first.address;
    let home = Home::new(&format!("{}{}", plant.dtu("DTU"), target("One", &first)));
    let bridge = home.run().await;
    first.received("update", |received| !received.updates().is_empty()).await;
    first.stop().await;
    bridge.logged("[WebSocket] Disconnected from One: ").await;
    bridge.logged("[WebSocket] Reconnecting to One in 1 seconds (attempt 2)...").await;
    bridge.logged("[WebSocket] Connection failed for One: ").await;

    let second = Target::start_at(address, "secret").await;
    let received = second.received("update", |received| !received.updates().is_empty()).await;
    assert_eq!(received.messages[0]["type"], "ping");
    assert_eq!(port_count(&received.updates()[0]["inverters"]), 2);
    bridge.stop().await;
    second.stop().await;
    plant.stop().await;
}

#[tokio::test]
async fn logs_a_dtu_without_an_answer_before_its_first_poll_has_failed() {
    // Both accept connections and never answer.
    let silent = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [modbus, protobuf] = silent.each_ref().map(|dtu| dtu.local_addr().unwrap().port());
    let home = Home::new(&format!(
        "[[dtu]]\nname = \"One\"\nprotocol = \"modbus\"\nhost = \"127.0.0.1\"\nport = {modbus}\n\
         [[dtu]]\nname = \"Two\"\nprotocol = \"protobuf\"\nhost = \"127.0.0.1\"\nport = {protobuf}\n"
    ));
    let bridge = home.run().await;
    for name in ["One", "Two"] {
        let line = bridge.logged(&format!("{name}: no answer yet: ")).await;
        assert!(line.contains("did not answer within 3s; stop other programs"), "{line}");
        assert!(!bridge.log().iter().any(|line| line.contains(&format!("{name}: poll failed"))));
    }
    bridge.stop().await;
}
