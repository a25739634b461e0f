//! A night at the broker: what it makes of the values, and a bridge that is restarted in it.

#![expect(clippy::indexing_slicing, reason = "in JSON, what is not there reads as null")]

use std::collections::BTreeMap;
use std::time::Duration;

use hoymiles_bridge::sim::faults::Fault;
use hoymiles_bridge::sim::plant::{PlantShape, SimulatedPlant};
use hoymiles_bridge::sim::protobuf::ProtobufOptions;
use serde_json::Value;

use super::{OFFLINE, ONLINE};
use crate::protobuf::night::evening_zone;
use crate::support::bridge::Home;
use crate::support::broker::{Broker, Observer, Payloads, documents, is_missing, json_at};
use crate::support::simulated::{PlantClock, SimulatedDtu, Speaks};

fn plant(seed: u64) -> SimulatedPlant {
    let shape = PlantShape { inverters: 1, ports_per_inverter: 4, seed, ..PlantShape::default() };
    SimulatedPlant::new(&shape)
}

/// Texts of all documents.
fn all_documents(payloads: &Payloads) -> BTreeMap<&str, &str> {
    let documents = payloads.iter().filter(|(topic, _)| topic.ends_with("/config"));
    documents.map(|(topic, text)| (topic.as_str(), text.as_str())).collect()
}

/// The topic of an inverter's values.
fn state_of(dtu: &SimulatedDtu) -> String {
    format!("hoymiles/inverter/{}/state", dtu.simulation.truth().inverters.first().unwrap().serial)
}

/// Powers are 0, energies those of dusk, and the device is there.
#[track_caller]
fn check_night(night: &Payloads, dusk: &Payloads, topic: &str) {
    let (state, before) = (json_at(night, topic), json_at(dusk, topic));
    assert_eq!(night[&topic.replace("/state", "/availability")], "online");
    for prefix in ["", "p1_", "p4_"] {
        let key = |name: &str| format!("{prefix}{name}");
        assert!(before[key("pv_power")].as_f64().unwrap() > 0.0, "{before}");
        assert_eq!(state[key("pv_power")], 0.0, "{state}");
        for name in ["today_production", "total_production"] {
            assert!(state[key(name)].is_number(), "{state}");
            assert_eq!(state[key(name)], before[key(name)], "{prefix}{name}");
        }
    }
    for key in ["grid_voltage", "temperature", "p1_pv_voltage"] {
        assert_eq!(state[key], Value::Null, "{key}");
    }
}

/// What appears with its first value has.
#[track_caller]
fn check_appeared(dusk: &Payloads, topic: &str) {
    let id = topic.split('/').nth(2).unwrap();
    for (device, key) in [(id, "phase_c_voltage"), ("bridge", "active_power")] {
        let document = json_at(dusk, &format!("homeassistant/device/hoymiles_{device}/config"));
        assert!(document["components"][key].is_object(), "no {key} in {document}");
    }
}

/// A bridge that starts at night announces what it did at dusk.
async fn check_restart(home: &Home, observer: &Observer, dusk: &Payloads, states: &[&str]) {
    let bridge = home.run().await;
    let first = observer.sees_at(ONLINE.0, ONLINE.1).await;
    assert_eq!(all_documents(&first), all_documents(dusk));
    let night = observer
        .sees("both asleep", |payloads| {
            let is_asleep = |name: &str| {
                json_at(payloads, &format!("hoymiles/dtu/{name}/state"))["status"] == "asleep"
            };
            let mut powers =
                states.iter().map(|topic| json_at(payloads, topic)["pv_power"].clone());
            is_asleep("Barn") && is_asleep("Roof") && powers.all(|power| power == 0.0)
        })
        .await;
    assert_eq!(all_documents(&night), all_documents(dusk));
    for topic in states {
        check_night(&night, dusk, topic);
    }
    bridge.stop().await;
    observer.sees_at(OFFLINE.0, OFFLINE.1).await;
}

#[tokio::test]
async fn a_night_and_a_restart_in_it_leave_energies_and_documents_as_they_are() {
    if is_missing() {
        return;
    }
    let clock = PlantClock::at("2026-06-10T19:40:00Z");
    let kind =
        ProtobufOptions { refresh: Duration::ZERO, has_meter: true, ..ProtobufOptions::default() };
    let mut barn = SimulatedDtu::start(plant(1), &clock, Speaks::Modbus).await;
    let three_phases = plant(2).with_three_phases();
    let mut roof = SimulatedDtu::start(three_phases, &clock, Speaks::Protobuf(kind)).await;
    for dtu in [&barn, &roof] {
        dtu.simulation.faults().set(Fault::PanelPowered);
    }
    let broker = Broker::start().await;
    let observer = Observer::start(&broker).await;
    let zone = evening_zone();
    let gap = "request_gap = \"100ms\"\n";
    let (dtus, mqtt) =
        (format!("{}{}{gap}", barn.dtu("Barn"), roof.dtu("Roof")), broker.section(""));
    let home = Home::new(&format!("timezone = \"{zone}\"\n{dtus}{mqtt}"));
    let bridge = home.run().await;
    let (barns, roofs) = (state_of(&barn), state_of(&roof));
    let dusk = observer
        .sees("both inverters and the meter", |payloads| {
            let is_read = |topic: &str| json_at(payloads, topic)["p4_pv_power"].is_number();
            documents(payloads) == 6 && is_read(&barns) && is_read(&roofs)
        })
        .await;
    check_appeared(&dusk, &roofs);

    clock.set("2026-06-10T21:00:00Z");
    let is_dark = |payloads: &Payloads| json_at(payloads, &barns)["pv_power"] == 0.0;
    let night = observer.sees("night", is_dark).await;
    check_night(&night, &dusk, &barns);
    bridge.stop().await;
    observer.sees_at(OFFLINE.0, OFFLINE.1).await;

    // The first restart sees the other one fall asleep, so that the second knows no value of it.
    for _ in 0..2 {
        check_restart(&home, &observer, &dusk, &[&barns, &roofs]).await;
    }
    barn.switch_off().await;
    roof.switch_off().await;
}
