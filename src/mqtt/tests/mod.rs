//! Documents, states and their order.

mod leftovers;

mod moments;

mod strangers;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::board::{Board, Message};
use super::document::Form;
use super::fake::{board, board_of_form, data, port, snapshot};

const INVERTER: &str = "homeassistant/device/hoymiles_114172606403/config";

fn news(board: &mut Board, data: &Value) -> Vec<Message> {
    board.news(&snapshot(data))
}

fn topics(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.topic.as_str()).collect()
}

/// The JSON at a topic.
#[track_caller]
fn at(messages: &[Message], topic: &str) -> Value {
    let found = messages.iter().find(|message| message.topic == topic);
    serde_json::from_slice(&found.unwrap_or_else(|| panic!("nothing at {topic}")).payload).unwrap()
}

#[test]
fn states_come_before_documents_and_the_bridge_is_online_last() {
    assert_eq!(
        topics(&news(&mut board(&[]), &data("modbus", 1))),
        [
            "hoymiles/bridge/state",
            "hoymiles/dtu/House/state",
            "hoymiles/dtu/House/availability",
            "hoymiles/inverter/114172606403/state",
            "hoymiles/inverter/114172606403/availability",
            "homeassistant/device/hoymiles_bridge/config",
            "homeassistant/device/hoymiles_dtu_House/config",
            INVERTER,
            "hoymiles/bridge/availability",
        ]
    );
}

#[test]
fn the_document_of_an_inverter_is_a_contract() {
    let document = at(&news(&mut board(&[]), &data("modbus", 1)), INVERTER);
    assert_eq!(
        document["device"],
        json!({"identifiers": ["hoymiles_114172606403"], "name": "Inverter 114172606403",
            "manufacturer": "Hoymiles", "model": "HM-600/700/800", "serial_number": "114172606403",
            "via_device": "hoymiles_dtu_House"})
    );
    assert_eq!(document["origin"]["name"], "hoymiles-bridge");
    assert_eq!(document["state_topic"], "hoymiles/inverter/114172606403/state");
    assert_eq!(document["qos"], 1);
    assert_eq!(document["availability_mode"], "all");
    assert_eq!(
        document["availability"],
        json!([{"topic": "hoymiles/bridge/availability"},
            {"topic": "hoymiles/inverter/114172606403/availability"}])
    );
    let components = &document["components"];
    assert_eq!(
        components["p1_today_production"],
        json!({"platform": "sensor", "unique_id": "hoymiles_114172606403_p1_today_production",
            "name": "Port 1 energy today", "device_class": "energy", "state_class": "total",
            "unit_of_measurement": "Wh", "suggested_display_precision": 0,
            "value_template": "{{ value_json.p1_today_production }}",
            "last_reset_value_template": "{{ value_json.today_since or '' }}"})
    );
    assert_eq!(
        components["total_production"],
        json!({"platform": "sensor", "unique_id": "hoymiles_114172606403_total_production",
            "name": "Energy total", "device_class": "energy", "state_class": "total_increasing",
            "unit_of_measurement": "kWh", "suggested_display_precision": 3,
            "value_template": "{{ value_json.total_production }}"})
    );
    assert_eq!(
        components["reachable"],
        json!({"platform": "binary_sensor", "unique_id": "hoymiles_114172606403_reachable",
            "name": "Reachable", "device_class": "connectivity", "payload_on": "on",
            "payload_off": "off", "entity_category": "diagnostic",
            "value_template": "{{ value_json.reachable }}",
            "availability": [{"topic": "hoymiles/bridge/availability"}]})
    );
    assert_eq!(components["operating_status"]["options"], json!(["no_data", "producing", "other"]));
    assert_eq!(components["link_status"]["enabled_by_default"], false);
}

/// The rule of `_device` in the integration's `entity.py`: what begins with "dtu" in any case is
/// called so already.
#[test]
fn a_dtu_is_called_as_the_integration_calls_it() {
    for (name, expected) in
        [("House", "DTU House"), ("DTU", "DTU"), ("dtu-roof", "dtu-roof"), ("Dtu 2", "Dtu 2")]
    {
        let mut data = data("modbus", 1);
        let dtus = data["health"]["dtus"].as_object_mut().unwrap();
        let dtu = dtus.remove("House").unwrap();
        dtus.insert(name.to_owned(), dtu);
        let messages = news(&mut board(&[]), &data);
        let documents = messages.iter().filter(|message| message.topic.contains("_dtu_"));
        let document: Value = documents
            .map(|message| serde_json::from_slice(&message.payload).unwrap())
            .next()
            .unwrap();
        assert_eq!(document["device"]["name"], expected);
    }
}

#[test]
fn no_document_has_what_home_assistant_refuses_or_ignores() {
    for message in news(&mut board(&[]), &data("protobuf", 4)) {
        let text = String::from_utf8(message.payload.to_vec()).unwrap();
        for word in ["object_id", "child_devices", "null", "expire_after"] {
            let is_document = message.topic.ends_with("/config");
            assert!(!is_document || !text.contains(word), "{word} in {text}");
        }
    }
}

#[test]
fn ports_are_devices_of_their_own_only_when_asked_for() {
    let form = Form { qos: 1, has_child_devices: true };
    let data = data("modbus", 2);
    let messages = news(&mut board_of_form(form, &[]), &data);
    let (with, without) = (at(&messages, INVERTER), at(&news(&mut board(&[]), &data), INVERTER));
    let port = &with["child_devices"][1];
    assert_eq!(port["identifiers"], json!(["hoymiles_114172606403_p2"]));
    assert_eq!(port["name"], "Port 2");
    let mut moved = port["components"]["p2_today_production"].clone();
    assert_eq!(moved["name"], "Energy today");
    moved["name"] = json!("Port 2 energy today");
    assert_eq!(moved, without["components"]["p2_today_production"], "all else is the same");
    let keys = |parts: &Value| -> BTreeSet<String> {
        parts.as_object().unwrap().keys().cloned().collect()
    };
    let mut there = keys(&with["components"]);
    assert!(!there.iter().any(|key| key.starts_with("p2_")), "{there:?}");
    for port in with["child_devices"].as_array().unwrap() {
        there.extend(keys(&port["components"]));
    }
    assert_eq!(there, keys(&without["components"]));
    let bridge = at(&messages, "homeassistant/device/hoymiles_bridge/config");
    assert_eq!(bridge.get("child_devices"), None, "who has no ports has no key");
}

#[test]
fn the_state_has_the_value_of_each_entity_and_null_for_what_is_unknown() {
    let mut data = data("modbus", 2);
    data["inverters"][0]["temperature"] = Value::Null;
    data["inverters"][0]["ports"][1]["pv_power"] = json!(0.0);
    let messages = news(&mut board(&[]), &data);
    let state = at(&messages, "hoymiles/inverter/114172606403/state");
    for (key, expected) in [
        ("pv_power", json!(412.6)),
        ("total_production", json!(912.345)),
        ("today_production", json!(1873)),
        ("today_since", json!("2026-06-01T00:00:00+02:00")),
        ("grid_voltage", json!(233.4)),
        ("temperature", Value::Null),
        ("reachable", json!("on")),
        ("problem", json!("off")),
        ("alarm", json!("none")),
        ("p1_pv_power", json!(206.3)),
        ("p2_pv_power", json!(0.0)),
        ("p2_total_production", json!(456.172)),
    ] {
        assert_eq!(state[key], expected, "{key}");
    }
    let document = at(&messages, INVERTER);
    for key in document["components"].as_object().unwrap().keys() {
        assert!(state.get(key).is_some(), "{key} has a value");
    }
}

#[test]
fn only_what_the_protocol_gives_is_announced() {
    let components = |protocol: &str| {
        let document = at(&news(&mut board(&[]), &data(protocol, 1)), INVERTER);
        document["components"].as_object().unwrap().clone()
    };
    let (modbus, protobuf) = (components("modbus"), components("protobuf"));
    assert!(modbus.contains_key("alarm_code") && !modbus.contains_key("active_power"));
    assert!(!protobuf.contains_key("alarm_code") && protobuf.contains_key("active_power"));
    assert!(!protobuf.contains_key("phase_a_voltage"), "it has no phases");
}

#[test]
fn what_appears_with_its_first_value_stays() {
    let mut board = board(&[]);
    let mut data = data("protobuf", 1);
    news(&mut board, &data);
    data["inverters"][0]["phase_voltages"] = json!([230.0, 231.0, 232.0]);
    let document = at(&news(&mut board, &data), INVERTER);
    assert!(document["components"]["phase_c_voltage"].is_object());
    data["inverters"][0]["phase_voltages"] = json!([]);
    let night = news(&mut board, &data);
    assert_eq!(topics(&night), ["hoymiles/inverter/114172606403/state"]);
    let state = at(&night, "hoymiles/inverter/114172606403/state");
    assert_eq!(state.get("phase_c_voltage"), Some(&Value::Null));
}

#[test]
fn only_what_changed_is_sent_and_a_new_port_is_announced() {
    let mut board = board(&[]);
    let mut data = data("modbus", 1);
    news(&mut board, &data);
    assert!(news(&mut board, &data).is_empty());
    data["health"]["dtus"]["House"]["query_count"] = json!(8);
    assert_eq!(topics(&news(&mut board, &data)), ["hoymiles/dtu/House/state"]);
    data["inverters"][0]["ports"] = json!([port(1), port(2)]);
    let messages = news(&mut board, &data);
    assert_eq!(topics(&messages), ["hoymiles/inverter/114172606403/state", INVERTER]);
    assert!(at(&messages, INVERTER)["components"]["p2_pv_power"].is_object());
}

#[test]
fn a_device_is_offline_only_while_nothing_is_known_of_it() {
    let availability = |data: &Value, topic: &str| {
        let messages = news(&mut board(&[]), data);
        let found = messages.iter().find(|message| message.topic == topic).unwrap();
        String::from_utf8(found.payload.to_vec()).unwrap()
    };
    let inverter = "hoymiles/inverter/114172606403/availability";
    let mut data = data("modbus", 1);
    for key in ["pv_power", "grid_voltage", "grid_frequency", "today_production"] {
        data["inverters"][0][key] = Value::Null;
    }
    data["inverters"][0]["ports"] = json!([]);
    assert_eq!(availability(&data, inverter), "online", "its total stands");
    data["inverters"][0]["total_production"] = Value::Null;
    assert_eq!(availability(&data, inverter), "offline");
    let dtu = "hoymiles/dtu/House/availability";
    assert_eq!(availability(&data, dtu), "online");
    data["health"]["dtus"]["House"]["status"] = json!("error");
    assert_eq!(availability(&data, dtu), "online", "that it fails is known");
    data["health"]["dtus"]["House"]["status"] = json!("unknown");
    assert_eq!(availability(&data, dtu), "offline");
}

#[test]
fn a_snapshot_without_an_update_takes_nothing_away() {
    let mut board = board(&[]);
    let with = snapshot(&data("modbus", 1));
    board.news(&with);
    let without = with.with_update_json(bytes::Bytes::new());
    assert!(board.news(&without).is_empty());
}

#[test]
fn the_documents_of_a_large_inverter_fit_into_a_message() {
    let messages = news(&mut board(&[]), &data("protobuf", 8));
    let longest = messages.iter().map(|message| message.payload.len()).max().unwrap();
    assert!(longest < 64 * 1024, "{longest} bytes");
}
