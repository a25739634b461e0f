//! The real process with DTUs of both protocols, one of them encrypted and with an energy meter.

pub(crate) mod night;

use std::time::Duration;

use hoymiles_bridge::entities::{self, Given, Subject};
use hoymiles_bridge::sim::plant::{PlantShape, SimulatedPlant};
use hoymiles_bridge::sim::protobuf::ProtobufOptions;
use serde_json::Value;

use crate::support::bridge::{Home, output};
use crate::support::plant::Plant;
use crate::support::simulated::{PlantClock, SimulatedDtu, Speaks};
use crate::support::target::Target;

const NOON: &str = "2026-06-10T12:00:00Z";

fn plant(seed: u64, inverters: usize, ports_per_inverter: usize) -> SimulatedPlant {
    let shape = PlantShape { inverters, ports_per_inverter, seed, ..PlantShape::default() };
    SimulatedPlant::new(&shape)
}

fn encrypted_with_meter() -> ProtobufOptions {
    ProtobufOptions { encrypts: true, has_meter: true, ..ProtobufOptions::default() }
}

fn sum(inverters: &[Value], key: &str) -> f64 {
    inverters.iter().map(|inverter| inverter[key].as_f64().unwrap()).sum()
}

/// Checks that the served values of that DTU equal those of its plant, to the last digit.
#[track_caller]
fn check_truth(served: &Value, name: &str, dtu: &SimulatedDtu) {
    let truth = dtu.simulation.truth();
    let all = served.as_array().unwrap();
    let inverters: Vec<Value> = all.iter().filter(|one| one["dtu_name"] == name).cloned().collect();
    assert_eq!(inverters.len(), truth.inverters.len(), "{name}");
    for (got, truth) in inverters.iter().zip(&truth.inverters) {
        assert_eq!(got["serial_number"], truth.serial.to_string(), "{name}");
        assert_eq!(got["grid_voltage"], truth.grid_voltage.as_f64(), "{name}");
        assert_eq!(got["temperature"], truth.temperature.as_f64(), "{name}");
        assert_eq!(got["alarm_count"], truth.alarm_count, "{name}");
        assert_eq!(got["operating_status_text"], "producing", "{name}");
        for (got, truth) in got["ports"].as_array().unwrap().iter().zip(&truth.ports) {
            assert_eq!(got["port_number"], truth.number, "{name}");
            assert_eq!(got["pv_power"], truth.pv_power.as_f64(), "{name}");
            assert_eq!(got["total_production"], truth.total.get(), "{name}");
            assert_eq!(got["device_today_production"], truth.today.get(), "{name}");
        }
    }
    assert!((sum(&inverters, "pv_power") - truth.pv_power().as_f64()).abs() < 0.01, "{name}");
    let total = inverters.iter().filter_map(|one| one["total_production"].as_u64()).sum::<u64>();
    assert_eq!(total, truth.total().get(), "{name}");
}

fn port_count(inverters: &Value) -> usize {
    inverters.as_array().unwrap().iter().map(|one| one["ports"].as_array().unwrap().len()).sum()
}

#[tokio::test]
async fn serves_and_pushes_the_same_values_of_both_protocols() {
    // The plants' time is fixed, so the values do not depend on when they are read.
    let clock = PlantClock::at(NOON);
    let wlite = ProtobufOptions::default();
    let mut pro = SimulatedDtu::start(plant(1, 4, 2), &clock, Speaks::Modbus).await;
    let mut lite = SimulatedDtu::start(plant(2, 3, 4), &clock, Speaks::Protobuf(wlite)).await;
    let kind = Speaks::Protobuf(encrypted_with_meter());
    let mut hmt = SimulatedDtu::start(plant(3, 2, 6).with_three_phases(), &clock, kind).await;
    let (one, two) = tokio::join!(Target::start("secret"), Target::start("secret"));
    let target = |name: &str, target: &Target| {
        format!("[[target]]\nname = \"{name}\"\nurl = \"{}\"\n", target.url("secret"))
    };
    let dtus = [pro.dtu("Pro"), lite.dtu("Lite"), hmt.dtu("HMT")].concat();
    let home = Home::new(&[dtus, target("One", &one), target("Two", &two)].concat());
    let bridge = home.run().await;

    let is_whole = |data: &Value| {
        port_count(&data["inverters"]) == 32 && data["meters"].as_array().unwrap().len() == 1
    };
    for target in [&one, &two] {
        target
            .received("update with everything", |received| {
                received.updates().last().is_some_and(|data| is_whole(data))
            })
            .await;
    }
    let (_, inverters) = bridge.get("/api/inverters").await;
    let (_, meters) = bridge.get("/api/meters").await;
    let (_, plant) = bridge.get("/api/plant").await;
    for target in [&one, &two] {
        target
            .received("update equal to what is served", |received| {
                received.updates().iter().any(|data| {
                    data["inverters"] == inverters
                        && data["meters"] == meters
                        && data["plant"] == plant
                })
            })
            .await;
    }
    for (name, dtu) in [("Pro", &pro), ("Lite", &lite), ("HMT", &hmt)] {
        check_truth(&inverters, name, dtu);
        bridge.logged(&format!("{name}: {} ports of", dtu.simulation.plant().port_count())).await;
        let counts = dtu.simulation.stats().counts();
        assert_eq!((counts.max_open, counts.max_outstanding), (1, 1), "{name}: {counts:?}");
    }
    for dtu in [&lite, &hmt] {
        // App info and two packets, with the documented default gap.
        let counts = dtu.simulation.stats().counts();
        assert!(counts.requests >= 3, "{counts:?}");
        assert!(counts.shortest_pause >= Some(Duration::from_secs(2)), "{counts:?}");
    }
    check_meter(&meters[0], &hmt);
    check_protocols(&inverters);
    bridge.stop().await;

    check_read(&home, inverters).await;
    // After a restart the values are served before any DTU answers.
    for dtu in [&mut pro, &mut lite, &mut hmt] {
        dtu.switch_off().await;
    }
    let bridge = home.run().await;
    assert_eq!(bridge.get("/api/meters").await.1, meters);
    bridge.stop().await;
    one.stop().await;
    two.stop().await;
}

/// `read` prints what the daemon serves, except for times.
async fn check_read(home: &Home, inverters: Value) {
    let config = home.config();
    let (code, json, message) =
        output(&["read", "--json", "--config", config.to_str().unwrap()], None).await;
    assert_eq!(code, 0, "{message}");
    let read: Value = serde_json::from_str(&json).unwrap();
    let list = |name: &str| read.get(name).cloned().unwrap();
    assert_eq!(without_times(list("inverters")), without_times(inverters));
    assert_eq!(list("meters").as_array().map(Vec::len), Some(1));
}

/// The same without times.
fn without_times(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let is_time =
                |key: &str| ["timestamp", "first_seen", "last_seen", "today_since"].contains(&key);
            let kept = fields.into_iter().filter(|(key, _)| !is_time(key));
            kept.map(|(key, value)| (key, without_times(value))).collect()
        }
        Value::Array(values) => values.into_iter().map(without_times).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

#[tokio::test]
async fn reads_a_dtu_that_closes_the_connection_after_each_answer() {
    for options in [&["--encrypted"][..], &["--blocks-per-packet", "2"]] {
        let options = [&["--inverters", "2", "--fault", "close-after-answer"], options].concat();
        let plant = Plant::start_protobuf(&options).await;
        let home = Home::new(&format!(
            "[[dtu]]\nname = \"DTU\"\nprotocol = \"protobuf\"\nhost = \"127.0.0.1\"\nport = {}\n\
             timeout = \"1s\"\nretries = 0\nrequest_gap = \"1ms\"\n",
            plant.address.port()
        ));
        let config = home.config();
        let read = ["read", "--config", config.to_str().unwrap()];
        let (status, table, errors) = output(&read, None).await;
        assert_eq!((status, errors.as_str()), (0, ""), "{table}");
        assert!(table.contains("8 ports of 2 inverters"), "{table}");
        plant.stop().await;
    }
}

fn check_meter(meter: &Value, dtu: &SimulatedDtu) {
    let produced = dtu.simulation.truth().pv_power().as_f64();
    let power = meter["power"].as_f64().unwrap();
    assert!((power + produced - 600.0).abs() <= 10.0, "the household uses 600 W: {meter}");
    assert_eq!(meter["dtu_name"], "HMT");
    assert_eq!(meter["phases"].as_array().unwrap().len(), 3, "{meter}");
    assert!(meter["energy_exported"].as_u64().unwrap() > 0, "{meter}");
}

fn check_protocols(inverters: &Value) {
    check_entities(inverters);
    for inverter in inverters.as_array().unwrap() {
        let is_hmt = inverter["dtu_name"] == "HMT";
        let phases = if is_hmt { 3 } else { 0 };
        assert_eq!(inverter["phase_voltages"].as_array().unwrap().len(), phases, "{inverter}");
        assert_eq!(inverter["active_power"].is_number(), inverter["dtu_name"] != "Pro");
        assert_eq!(inverter["firmware_version"].is_string(), inverter["dtu_name"] != "Pro");
    }
}

/// Checks the table of entities against what each protocol provides.
#[track_caller]
fn check_entities(inverters: &Value) {
    for inverter in inverters.as_array().unwrap() {
        let is_modbus = inverter["dtu_name"] == "Pro";
        for entity in entities::of(Subject::Inverter) {
            let value = inverter.pointer(&entity.source()).unwrap_or(&Value::Null);
            let is_right = match entity.given {
                Given::Always => !value.is_null(),
                Given::OverModbus => value.is_null() != is_modbus,
                // Not every inverter has all of them.
                Given::OverProtobuf => value.is_null() || !is_modbus,
                Given::OnceSeen => true,
            };
            assert!(is_right, "{}: {value} in {inverter}", entity.key);
        }
    }
}
