//! What is published of a plant, when, and what is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::client::Disconnected;
use super::publisher::{Publish, Session};
use super::retained::{Message, RetainedState};
use crate::config::{DtuConfig, MqttConfig, Protocol};
use crate::plant::reading::{InverterValues, PortReading};
use crate::plant::units::{Amperes, Hertz, Volts, WattHours, Watts};
use crate::snapshot::json::shared;
use crate::snapshot::state::{DtuState, DtuStatus, Energy, InverterState, PortState};
use crate::snapshot::{Contents, Snapshot, channel};
use crate::store::{AnnouncedDevices, Store};

const SERIAL: &str = "114172606403";
const INVERTER: &str = "homeassistant/device/hoymiles_114172606403/config";
const STATE: &str = "hoymiles/inverter/114172606403/state";
const AVAILABILITY: &str = "hoymiles/inverter/114172606403/availability";

/// A plant with one DTU and one inverter.
#[derive(Clone)]
struct Plant {
    dtu: DtuState,
    inverters: Vec<InverterState>,
}

impl Plant {
    fn new(protocol: Protocol, ports: u8) -> Self {
        let dtu = DtuState {
            status: DtuStatus::Online,
            serial: Some("10F8A0000001".parse().unwrap()),
            query_count: 8,
            error_count: 1,
            ..DtuState::unknown("House", protocol, Duration::from_secs(300))
        };
        let values = InverterValues {
            link_status: Some(1),
            operating_status: Some(3),
            alarm_code: Some(0),
            grid_voltage: Some(Volts::from_tenths(2_334)),
            grid_frequency: Some(Hertz::from_hundredths(4_998)),
            ..InverterValues::default()
        };
        let ports = (1..=ports).map(|number| (number, port(number))).collect();
        let inverter = InverterState::new(SERIAL.parse().unwrap(), "House".into(), noon());
        Self { dtu, inverters: vec![InverterState { values, ports, ..inverter }] }
    }

    fn modbus(ports: u8) -> Self {
        Self::new(Protocol::Modbus, ports)
    }

    /// With this inverter instead of the first.
    fn with_inverter(mut self, serial: &str) -> Self {
        self.inverters[0].serial = serial.parse().unwrap();
        self
    }

    /// After so many polls, each of which succeeded.
    fn after_polls(mut self, polls: u64) -> Self {
        (self.dtu.query_count, self.dtu.error_count) = (polls, 0);
        self
    }

    fn with_phases(mut self, phases: usize) -> Self {
        self.inverters[0].values.ac.phase_voltages = vec![Volts::from_tenths(2_300); phases];
        self
    }

    fn with_power(mut self, tenths: i32) -> Self {
        let port = self.inverters[0].ports.get_mut(&1).unwrap();
        port.reading.pv_power = Some(Watts::from_tenths(tenths));
        self
    }

    fn snapshot(&self) -> Snapshot {
        let inverters: Vec<_> =
            self.inverters.iter().cloned().map(InverterState::with_sum_of_ports).collect();
        Snapshot::new(Contents {
            dtus: vec![Arc::new(self.dtu.clone())],
            energy: Energy::sum(inverters.iter().map(|inverter| inverter.energy)),
            inverters: shared(inverters),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            ..Contents::empty(noon())
        })
    }
}

fn noon() -> Timestamp {
    "2026-06-01T10:00:00Z".parse().unwrap()
}

fn port(number: u8) -> PortState {
    PortState {
        timestamp: noon(),
        reading: PortReading {
            pv_voltage: Some(Volts::from_tenths(341)),
            pv_current: Some(Amperes::from_hundredths(605)),
            pv_power: Some(Watts::from_tenths(2_063)),
            ..PortReading::unknown(number)
        },
        energy: Energy {
            today: Some(WattHours::new(936)),
            today_since: Some("2026-05-31T22:00:00Z".parse().unwrap()),
            total: Some(WattHours::new(456_172)),
        },
    }
}

/// A bridge with these lines in `[mqtt]` that excludes these inverters.
fn state(lines: &str, excluded: &[&str], announced: AnnouncedDevices) -> RetainedState {
    let config: MqttConfig = toml::from_str(lines).unwrap();
    let exclude = excluded.iter().map(|serial| (*serial).to_owned()).collect();
    let dtu = DtuConfig { exclude, ..DtuConfig::new("House", Protocol::Modbus, "") };
    RetainedState::new(&config, &[dtu], announced)
}

fn first_messages(plant: &Plant) -> Vec<Message> {
    state("", &[], AnnouncedDevices::new()).changes(&plant.snapshot())
}

fn topics(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.topic.as_str()).collect()
}

#[track_caller]
fn text<'a>(messages: &'a [Message], topic: &str) -> &'a str {
    let found = messages.iter().find(|message| message.topic == topic);
    std::str::from_utf8(&found.unwrap_or_else(|| panic!("nothing at {topic}")).payload).unwrap()
}

#[track_caller]
fn json_at(messages: &[Message], topic: &str) -> Value {
    serde_json::from_str(text(messages, topic)).unwrap()
}

#[test]
fn states_come_before_documents_and_the_bridge_is_online_last() {
    assert_eq!(
        topics(&first_messages(&Plant::modbus(1))),
        [
            "hoymiles/bridge/state",
            "hoymiles/dtu/House/state",
            "hoymiles/dtu/House/availability",
            STATE,
            AVAILABILITY,
            "homeassistant/device/hoymiles_bridge/config",
            "homeassistant/device/hoymiles_dtu_House/config",
            INVERTER,
            "hoymiles/bridge/availability",
        ]
    );
}

#[test]
fn the_document_of_an_inverter_keeps_its_form() {
    let document = json_at(&first_messages(&Plant::modbus(1)), INVERTER);
    assert_eq!(
        document["device"],
        json!({"identifiers": ["hoymiles_114172606403"], "name": "Inverter 114172606403",
            "manufacturer": "Hoymiles", "model": "HM-600/700/800", "serial_number": "114172606403",
            "via_device": "hoymiles_dtu_House"})
    );
    assert_eq!(document["origin"]["name"], "hoymiles-bridge");
    assert_eq!(document["state_topic"], STATE);
    assert_eq!(document["qos"], 1);
    assert_eq!(document["availability_mode"], "all");
    assert_eq!(
        document["availability"],
        json!([{"topic": "hoymiles/bridge/availability"}, {"topic": AVAILABILITY}])
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

#[test]
fn bridge_and_dtu_describe_themselves() {
    let messages = first_messages(&Plant::modbus(1));
    let device = |id: &str| {
        json_at(&messages, &format!("homeassistant/device/{id}/config"))["device"].clone()
    };
    assert_eq!(
        device("hoymiles_bridge"),
        json!({"identifiers": ["hoymiles_bridge"], "name": "Hoymiles bridge",
            "manufacturer": "hoymiles-bridge", "sw_version": env!("CARGO_PKG_VERSION")})
    );
    assert_eq!(
        device("hoymiles_dtu_House"),
        json!({"identifiers": ["hoymiles_dtu_House"], "name": "DTU House",
            "manufacturer": "Hoymiles", "model": "DTU-Pro", "serial_number": "10F8A0000001",
            "via_device": "hoymiles_bridge"})
    );
}

/// The rule of `_device` in the integration's `entity.py`: what begins with "dtu" in any case is
/// called so already.
#[test]
fn dtu_names_match_the_integration() {
    for (name, expected) in
        [("House", "DTU House"), ("DTU", "DTU"), ("dtu-roof", "dtu-roof"), ("Dtu2", "Dtu2")]
    {
        let mut plant = Plant::modbus(1);
        plant.dtu.name = name.into();
        let topic = format!("homeassistant/device/hoymiles_dtu_{name}/config");
        assert_eq!(json_at(&first_messages(&plant), &topic)["device"]["name"], expected);
    }
}

#[test]
fn documents_have_no_keys_that_home_assistant_refuses() {
    for message in first_messages(&Plant::new(Protocol::Protobuf, 4)) {
        let text = std::str::from_utf8(&message.payload).unwrap();
        for word in ["object_id", "child_devices", "null", "expire_after"] {
            let is_document = message.topic.ends_with("/config");
            assert!(!is_document || !text.contains(word), "{word} in {text}");
        }
    }
}

#[test]
fn ports_are_child_devices_only_if_configured() {
    let plant = Plant::modbus(2);
    let mut children = state("child_devices = true\n", &[], AnnouncedDevices::new());
    let messages = children.changes(&plant.snapshot());
    let with = json_at(&messages, INVERTER);
    let without = json_at(&first_messages(&plant), INVERTER);
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
    let bridge = json_at(&messages, "homeassistant/device/hoymiles_bridge/config");
    assert_eq!(bridge.get("child_devices"), None, "a device without ports has no such key");
}

#[test]
fn the_state_has_a_key_for_each_entity() {
    let mut plant = Plant::modbus(2);
    plant.inverters[0].ports.get_mut(&2).unwrap().reading.pv_power = Some(Watts::from_tenths(0));
    let messages = first_messages(&plant);
    let state = json_at(&messages, STATE);
    for (key, expected) in [
        ("pv_power", json!(206.3)),
        ("total_production", json!(912.344)),
        ("today_production", json!(1872)),
        ("today_since", json!("2026-06-01T00:00:00+02:00")),
        ("grid_voltage", json!(233.4)),
        ("temperature", Value::Null),
        ("reachable", json!("on")),
        ("problem", json!("off")),
        ("alarm", json!("none")),
        ("p1_pv_power", json!(206.3)),
        ("p2_pv_power", json!(0.0)),
        ("p2_total_production", json!(456.172)),
        ("p2_timestamp", json!("2026-06-01T12:00:00+02:00")),
    ] {
        assert_eq!(state[key], expected, "{key}");
    }
    for key in json_at(&messages, INVERTER)["components"].as_object().unwrap().keys() {
        assert!(state.get(key).is_some(), "{key} has no value");
    }
}

#[test]
fn announces_only_entities_of_the_protocol() {
    let components = |protocol| {
        let document = json_at(&first_messages(&Plant::new(protocol, 1)), INVERTER);
        document["components"].as_object().unwrap().clone()
    };
    let (modbus, protobuf) = (components(Protocol::Modbus), components(Protocol::Protobuf));
    assert!(modbus.contains_key("alarm_code") && !modbus.contains_key("active_power"));
    assert!(!protobuf.contains_key("alarm_code") && protobuf.contains_key("active_power"));
    assert!(!protobuf.contains_key("phase_a_voltage"), "it has no phases");
}

#[test]
fn announced_entities_stay_without_a_value() {
    let mut state = state("", &[], AnnouncedDevices::new());
    let plant = Plant::new(Protocol::Protobuf, 1);
    state.changes(&plant.snapshot());
    let document = json_at(&state.changes(&plant.clone().with_phases(3).snapshot()), INVERTER);
    assert!(document["components"]["phase_c_voltage"].is_object());
    let night = state.changes(&plant.snapshot());
    assert_eq!(topics(&night), [STATE]);
    assert_eq!(json_at(&night, STATE).get("phase_c_voltage"), Some(&Value::Null));
}

#[test]
fn sends_only_changes_and_announces_new_ports() {
    let mut state = state("", &[], AnnouncedDevices::new());
    let mut plant = Plant::modbus(1);
    state.changes(&plant.snapshot());
    assert!(state.changes(&plant.snapshot()).is_empty());
    plant.dtu.query_count += 1;
    assert_eq!(topics(&state.changes(&plant.snapshot())), ["hoymiles/dtu/House/state"]);
    plant.inverters[0].ports.insert(2, port(2));
    let messages = state.changes(&plant.snapshot());
    assert_eq!(topics(&messages), ["hoymiles/bridge/state", STATE, INVERTER]);
    assert!(json_at(&messages, INVERTER)["components"]["p2_pv_power"].is_object());
}

#[test]
fn devices_without_any_value_are_offline() {
    let availability = |plant: &Plant, topic: &str| text(&first_messages(plant), topic).to_owned();
    let mut plant = Plant::modbus(1);
    plant.inverters[0].values = InverterValues::default();
    let mut dark = PortState::unknown(1, noon());
    dark.energy.total = Some(WattHours::new(1));
    plant.inverters[0].ports.insert(1, dark.clone());
    assert_eq!(availability(&plant, AVAILABILITY), "online", "its total stands");
    dark.energy.total = None;
    plant.inverters[0].ports.insert(1, dark);
    assert_eq!(availability(&plant, AVAILABILITY), "offline");
    let dtu = "hoymiles/dtu/House/availability";
    assert_eq!(availability(&plant, dtu), "online");
    plant.dtu.status = DtuStatus::Error;
    assert_eq!(availability(&plant, dtu), "online", "that it fails is known");
    plant.dtu.status = DtuStatus::Unknown;
    assert_eq!(availability(&plant, dtu), "offline");
}

#[test]
fn large_documents_fit_into_one_message() {
    let messages = first_messages(&Plant::new(Protocol::Protobuf, 8));
    let longest = messages.iter().map(|message| message.payload.len()).max().unwrap();
    assert!(longest < 64 * 1024, "{longest} bytes");
}

/// What a broker retains, and what the bridge has stored.
#[derive(Default)]
struct Broker {
    retained: BTreeMap<String, Bytes>,
    stored: AnnouncedDevices,
}

impl Broker {
    /// The bridge publishes this plant.
    fn publish(&mut self, state: &mut RetainedState, plant: &Plant) {
        let messages = state.changes(&plant.snapshot());
        self.stored.append(&mut state.take_announced());
        for Message { topic, payload } in messages {
            if payload.is_empty() {
                self.retained.remove(&topic);
            } else {
                self.retained.insert(topic, payload);
            }
        }
        for topics in state.acknowledged() {
            self.stored.remove(&topics);
        }
    }

    /// A bridge that starts with this configuration and publishes this plant.
    fn run(&mut self, lines: &str, excluded: &[&str], plant: &Plant) -> RetainedState {
        let mut state = state(lines, excluded, self.stored.clone());
        self.publish(&mut state, plant);
        state
    }

    fn topics_with(&self, part: &str) -> usize {
        self.retained.keys().filter(|topic| topic.contains(part)).count()
    }

    fn documents(&self) -> BTreeMap<String, Bytes> {
        let all = self.retained.clone().into_iter();
        all.filter(|(topic, _)| topic.ends_with("/config")).collect()
    }
}

#[test]
fn a_restart_at_night_keeps_the_documents() {
    let mut broker = Broker::default();
    let mut day = Plant::new(Protocol::Protobuf, 2).with_phases(3);
    day.dtu.firmware = Some("V00.01.18".to_owned());
    let mut night = day.clone().with_phases(0);
    (night.dtu.serial, night.dtu.firmware) = (None, None);
    for lines in ["", "child_devices = true\n"] {
        broker.run(lines, &[], &day);
        let (before, stored) = (broker.documents(), broker.stored.clone());
        assert!(String::from_utf8_lossy(&before[INVERTER]).contains("phase_c_voltage"));
        let mut state = state(lines, &[], stored.clone());
        state.changes(&night.snapshot());
        assert!(state.take_announced().is_empty(), "nothing is written for it");
        broker.run(lines, &[], &night);
        assert_eq!(broker.documents(), before);
        assert_eq!(broker.stored, stored);
    }
}

#[test]
fn removes_excluded_inverters_at_once() {
    let mut broker = Broker::default();
    broker.run("", &[], &Plant::modbus(1));
    let before = broker.retained.len();
    broker.run("", &[SERIAL], &Plant::modbus(1));
    assert_eq!(broker.retained.len(), before, "a DTU reads it");
    broker.run("", &[SERIAL], &Plant::modbus(1).with_inverter("114172606404").after_polls(0));
    assert_eq!(broker.topics_with(SERIAL), 0);
    assert_eq!(broker.stored.len(), 3, "bridge, DTU, the other inverter");
}

#[test]
fn removes_inverters_of_a_removed_dtu_after_three_polls() {
    let mut broker = Broker::default();
    broker.run("", &[], &Plant::modbus(1));
    let other = Plant::modbus(1).with_inverter("114172606404");
    let mut state = state("", &[], broker.stored.clone());
    for polls in 0..3 {
        broker.publish(&mut state, &other.clone().after_polls(polls));
        assert_eq!(broker.retained[AVAILABILITY], "offline", "{polls} polls");
        assert!(broker.retained.contains_key(INVERTER), "{polls} polls");
    }
    broker.publish(&mut state, &other.after_polls(3));
    assert_eq!(broker.topics_with(SERIAL), 0);
    broker.publish(&mut state, &Plant::modbus(1));
    assert_eq!(broker.retained[AVAILABILITY], "online", "it may return");
    assert_eq!(broker.topics_with(SERIAL), 3);
}

#[test]
fn renaming_a_dtu_keeps_its_inverters() {
    let mut broker = Broker::default();
    broker.run("", &[], &Plant::modbus(1));
    let mut renamed = Plant::modbus(1).after_polls(0);
    renamed.dtu.name = "Roof".into();
    let inverters = std::mem::take(&mut renamed.inverters);
    let mut state = state("", &[], broker.stored.clone());
    broker.publish(&mut state, &renamed);
    assert_eq!(broker.topics_with("House"), 0);
    assert!(broker.retained.contains_key("homeassistant/device/hoymiles_dtu_Roof/config"));
    assert!(broker.retained.contains_key(INVERTER), "Home Assistant must not forget its names");
    renamed.inverters = inverters;
    renamed.inverters[0].dtu_name = "Roof".into();
    broker.publish(&mut state, &renamed.after_polls(9));
    assert_eq!(broker.retained[AVAILABILITY], "online");
    let document = String::from_utf8_lossy(&broker.retained[INVERTER]).into_owned();
    assert!(document.contains("hoymiles_dtu_Roof"), "{document}");
}

#[test]
fn a_new_prefix_removes_the_old_topics() {
    let mut broker = Broker::default();
    let plant = Plant::modbus(1);
    for lines in [
        "",
        "topic_prefix = \"roof\"\n",
        "topic_prefix = \"roof\"\ndiscovery_prefix = \"ha\"\n",
        "topic_prefix = \"home/roof\"\n",
        "",
    ] {
        broker.run(lines, &[], &plant);
        let mut fresh = Broker::default();
        fresh.run(lines, &[], &plant);
        assert_eq!(broker.retained, fresh.retained, "{lines}");
        assert_eq!(broker.stored, fresh.stored, "{lines}");
    }
}

#[test]
fn an_interrupted_removal_is_repeated() {
    let mut broker = Broker::default();
    broker.run("", &[], &Plant::modbus(1));
    // The connection breaks before the broker acknowledges anything.
    let roof = "topic_prefix = \"roof\"\n";
    let mut lost = state(roof, &[], broker.stored.clone());
    lost.changes(&Plant::modbus(1).snapshot());
    broker.stored.append(&mut lost.take_announced());
    broker.run(roof, &[], &Plant::modbus(1));
    assert_eq!(broker.topics_with("hoymiles/"), 0);
    assert_eq!(broker.stored.len(), 3);
}

/// A broker that accepts everything and counts how often something was published.
#[derive(Clone)]
struct FakeBroker {
    batches: Arc<Mutex<Vec<Vec<Message>>>>,
    count: Arc<watch::Sender<usize>>,
}

impl FakeBroker {
    fn new() -> Self {
        Self { batches: Arc::default(), count: Arc::new(watch::channel(0).0) }
    }

    /// What was published at the `count`th time.
    async fn batch(&self, count: usize) -> Vec<Message> {
        self.count.subscribe().wait_for(|given| *given >= count).await.unwrap();
        self.batches.lock().unwrap()[count - 1].clone()
    }
}

impl Publish for FakeBroker {
    async fn publish(&self, messages: Vec<Message>) -> Result<(), Disconnected> {
        self.batches.lock().unwrap().push(messages);
        self.count.send_modify(|count| *count += 1);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn announces_again_after_home_assistant_starts() {
    let (writer, reader) = channel(Plant::modbus(1).snapshot());
    let (broker, birth_messages) = (FakeBroker::new(), Notify::new());
    let (store, mut state) = (Store::in_memory(), state("", &[], AnnouncedDevices::new()));
    let mut session = Session::new(&broker, "broker:1883", &mut state, &store);
    let script = async {
        assert_eq!(broker.batch(1).await.len(), 9);
        let began = Instant::now();
        birth_messages.notify_one();
        tokio::task::yield_now().await;
        birth_messages.notify_one();
        let mut changed = Plant::modbus(1);
        changed.dtu.query_count += 1;
        writer.publish(changed.snapshot());
        assert_eq!(topics(&broker.batch(2).await), ["hoymiles/dtu/House/state"]);
        assert_eq!(broker.batch(3).await.len(), 9);
        assert_eq!(began.elapsed().as_secs(), 7);
        // A second birth message within the delay does not lead to a second announcement.
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(broker.batches.lock().unwrap().len(), 3);
    };
    tokio::select! {
        gone = session.run(reader, &birth_messages, || Duration::from_secs(7)) => {
            panic!("{gone:?}")
        }
        () = script => {}
    }
    assert_eq!(store.load().announced.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn sends_only_the_newest_values_after_an_outage() {
    let (writer, reader) = channel(Plant::modbus(1).snapshot());
    let (store, mut state) = (Store::in_memory(), state("", &[], AnnouncedDevices::new()));
    let birth_messages = Notify::new();
    for outage in 1..=3 {
        for power in 0..100 {
            writer.publish(Plant::modbus(1).with_power(outage * 1_000 + power).snapshot());
        }
        let broker = FakeBroker::new();
        let mut session = Session::new(&broker, "broker:1883", &mut state, &store);
        let first = tokio::select! {
            gone = session.run(reader.clone(), &birth_messages, Duration::default) => {
                panic!("{gone:?}")
            }
            first = broker.batch(1) => first,
        };
        assert_eq!(first.len(), 9, "everything once, on each new connection");
        let expected = f64::from(outage * 1_000 + 99) / 10.0;
        assert_eq!(json_at(&first, STATE)["pv_power"], expected);
    }
}
