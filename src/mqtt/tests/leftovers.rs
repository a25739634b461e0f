//! What a bridge finds of itself at the broker after a restart or another configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{INVERTER, at};
use crate::config::{DtuConfig, MqttConfig, Protocol};
use crate::mqtt::board::{Board, Message};
use crate::mqtt::fake::{data, snapshot, snapshot_with};
use crate::mqtt::leftovers::Claim;
use crate::snapshot::Snapshot;
use crate::snapshot::state::{DtuState, Listed};
use crate::store::{Announced, Place};

/// A bridge's name and what it has kept.
struct Kept(Announced);

impl Kept {
    fn named(bridge: &str) -> Self {
        Self(Announced { bridge: bridge.to_owned(), ..Announced::default() })
    }

    /// A bridge that starts with this.
    fn board(&self, lines: &str, excluded: &[&str]) -> Board {
        let config: MqttConfig = toml::from_str(lines).unwrap();
        let exclude = excluded.iter().map(|serial| (*serial).to_owned()).collect();
        let dtu = DtuConfig { exclude, ..DtuConfig::new("House", Protocol::Modbus, "") };
        crate::mqtt::board(&config, &[dtu], self.0.clone())
    }

    fn keep(&mut self, changes: BTreeMap<Place, Option<Bytes>>) {
        for (place, document) in changes {
            match document {
                Some(document) => self.0.documents.insert(place, document),
                None => self.0.documents.remove(&place),
            };
        }
    }
}

/// What a broker retains.
#[derive(Default)]
struct Broker(BTreeMap<String, Bytes>);

impl Broker {
    /// Tells the board all that it asks, until there is nothing more to say.
    fn settle(&mut self, kept: &mut Kept, board: &mut Board, data: &Value) {
        self.settle_at(kept, board, &snapshot(data));
    }

    fn settle_at(&mut self, kept: &mut Kept, board: &mut Board, snapshot: &Snapshot) {
        let mut asked = BTreeSet::new();
        for _ in 0..10 {
            let news = board.news(snapshot);
            kept.keep(board.take_changes());
            let questions = board.take_questions();
            if news.is_empty() && questions.is_empty() {
                return;
            }
            for Message { topic, payload } in news {
                if asked.contains(&topic) {
                    board.heard(Claim::of(topic.clone(), &payload));
                }
                if payload.is_empty() {
                    self.0.remove(&topic);
                } else {
                    self.0.insert(topic, payload);
                }
            }
            for topic in questions {
                if let Some(payload) = self.0.get(&topic) {
                    board.heard(Claim::of(topic.clone(), payload));
                }
                asked.insert(topic);
            }
        }
        panic!("the board finds no end");
    }

    /// A run of a bridge with this configuration, in which the plant is as in `data`.
    fn run(&mut self, kept: &mut Kept, lines: &str, excluded: &[&str], data: &Value) {
        let mut board = kept.board(lines, excluded);
        self.settle(kept, &mut board, data);
    }

    fn topics(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    #[track_caller]
    fn text(&self, topic: &str) -> &str {
        std::str::from_utf8(self.0.get(topic).unwrap_or_else(|| panic!("nothing at {topic}")))
            .unwrap()
    }
}

const AVAILABILITY: &str = "hoymiles/inverter/114172606403/availability";

/// The plant without its inverter, after so many polls that told so.
fn without_inverter(polls: u32) -> Value {
    let mut data = data("modbus", 1);
    // There is another one, or the DTU would not have named any.
    data["inverters"][0]["serial_number"] = json!("114172606404");
    data["health"]["dtus"]["House"]["query_count"] = json!(polls + 1);
    data
}

#[test]
fn after_a_restart_in_the_night_the_very_same_is_announced() {
    let (mut broker, mut kept) = (Broker::default(), Kept::named("ours"));
    let mut day = data("protobuf", 2);
    day["inverters"][0]["phase_voltages"] = json!([230.0, 231.0, 232.0]);
    day["plant"]["active_power"] = json!(400.0);
    day["health"]["dtus"]["House"]["firmware_version"] = json!("V00.01.18");
    for lines in ["", "child_devices = true\n"] {
        broker.run(&mut kept, lines, &[], &day);
        let mut night = data("protobuf", 2);
        night["inverters"][0]["phase_voltages"] = json!([]);
        for key in ["model", "serial_number"] {
            night["health"]["dtus"]["House"][key] = Value::Null;
        }
        let documents = |broker: &Broker| -> BTreeMap<String, Bytes> {
            let all = broker.0.clone().into_iter();
            all.filter(|(topic, _)| topic.ends_with("/config")).collect()
        };
        let before = documents(&broker);
        assert!(broker.text(INVERTER).contains("phase_c_voltage"));
        let (memory, mut board) = (kept.0.clone(), kept.board(lines, &[]));
        broker.settle(&mut kept, &mut board, &night);
        assert_eq!(documents(&broker), before);
        assert_eq!(kept.0, memory, "nothing is written for it");
    }
}

#[test]
fn an_entity_of_a_memory_that_is_damaged_waits_for_its_value() {
    let mut kept = Kept::named("ours");
    for text in ["", "{", "[]", "{\"device\":7}", "{\"device\":{\"identifiers\":[7]}}"] {
        let place = Place { document: text.to_owned(), state: text.to_owned() };
        kept.0.documents.insert(place, Bytes::from(text));
    }
    let messages = kept.board("", &[]).news(&snapshot(&data("protobuf", 1)));
    assert_eq!(at(&messages, INVERTER)["components"].get("phase_c_voltage"), None);
}

#[test]
fn an_inverter_that_every_dtu_excludes_is_removed_at_once() {
    let (mut broker, mut kept) = (Broker::default(), Kept::named("ours"));
    broker.run(&mut kept, "", &[], &data("modbus", 1));
    let before = broker.0.len();
    broker.run(&mut kept, "", &["114172606403"], &data("modbus", 1));
    assert_eq!(broker.0.len(), before, "another DTU reads it");
    broker.run(&mut kept, "", &["114172606403"], &without_inverter(0));
    assert_eq!(broker.topics().iter().filter(|topic| topic.contains("114172606403")).count(), 0);
    assert_eq!(kept.0.documents.len(), 3, "bridge, DTU, the other inverter");
}

#[test]
fn an_excluded_inverter_that_was_never_ours_is_left_alone() {
    let (mut broker, mut kept) = (Broker::default(), Kept::named("ours"));
    broker.run(&mut Kept::named("theirs"), "", &[], &data("modbus", 1));
    let theirs = broker.text(INVERTER).to_owned();
    broker.run(&mut kept, "", &["114172606403"], &without_inverter(9));
    assert_eq!(broker.text(INVERTER), theirs);
}

#[test]
fn an_inverter_whose_dtu_is_gone_is_unavailable_until_every_other_has_told_its_own() {
    let (mut broker, mut kept) = (Broker::default(), Kept::named("ours"));
    broker.run(&mut kept, "", &[], &data("modbus", 1));
    let mut board = kept.board("", &[]);
    for polls in 0..3 {
        broker.settle(&mut kept, &mut board, &without_inverter(polls));
        assert_eq!(broker.text(AVAILABILITY), "offline", "{polls} polls");
        assert!(broker.0.contains_key(INVERTER), "{polls} polls");
    }
    // A DTU that names none at all may yet do so.
    let mut none = without_inverter(9);
    none["inverters"] = json!([]);
    broker.settle(&mut kept, &mut board, &none);
    assert!(broker.0.contains_key(INVERTER));
    broker.settle(&mut kept, &mut board, &without_inverter(3));
    assert_eq!(broker.topics().iter().filter(|topic| topic.contains("114172606403")).count(), 0);
    broker.settle(&mut kept, &mut board, &data("modbus", 1));
    assert_eq!(broker.text(AVAILABILITY), "online", "it may return");
}

#[test]
fn a_dtu_whose_inverters_are_all_shown_elsewhere_holds_up_nothing() {
    let (mut broker, mut kept) = (Broker::default(), Kept::named("ours"));
    broker.run(&mut kept, "", &[], &data("modbus", 1));
    let mut board = kept.board("", &[]);
    let mut now = without_inverter(9);
    now["health"]["dtus"]["Twin"] = now["health"]["dtus"]["House"].clone();
    for (listed, polls, is_there) in [
        (None, 9, true),
        (Some(Listed { inverters: 0, ports: 0, is_all_elsewhere: false }), 9, true),
        (Some(Listed { inverters: 1, ports: 1, is_all_elsewhere: false }), 9, true),
        (Some(Listed { inverters: 1, ports: 1, is_all_elsewhere: true }), 2, true),
        (Some(Listed { inverters: 1, ports: 1, is_all_elsewhere: true }), 3, false),
    ] {
        now["health"]["dtus"]["Twin"]["query_count"] = json!(polls + 1);
        let twin = DtuState::unknown("Twin", Protocol::Modbus, Duration::from_secs(300));
        let dtus = vec![Arc::new(DtuState { listed, ..twin })];
        broker.settle_at(&mut kept, &mut board, &snapshot_with(&now, dtus));
        assert_eq!(broker.0.contains_key(INVERTER), is_there, "{listed:?} after {polls} polls");
    }
}

#[test]
fn a_dtu_of_another_name_is_another_and_its_inverters_are_the_same() {
    let (mut broker, mut kept) = (Broker::default(), Kept::named("ours"));
    broker.run(&mut kept, "", &[], &data("modbus", 1));
    let mut renamed = data("modbus", 1);
    let dtu = renamed["health"]["dtus"].as_object_mut().unwrap().remove("House").unwrap();
    renamed["health"]["dtus"]["Roof"] = dtu;
    renamed["health"]["dtus"]["Roof"]["query_count"] = json!(0);
    let inverters = renamed["inverters"].take();
    renamed["inverters"] = json!([]);
    let mut board = kept.board("", &[]);
    broker.settle(&mut kept, &mut board, &renamed);
    assert_eq!(broker.topics().iter().filter(|topic| topic.contains("House")).count(), 0);
    assert!(broker.0.contains_key("homeassistant/device/hoymiles_dtu_Roof/config"));
    assert!(broker.0.contains_key(INVERTER), "Home Assistant must not forget its names");
    renamed["inverters"] = inverters;
    renamed["inverters"][0]["dtu_name"] = json!("Roof");
    renamed["health"]["dtus"]["Roof"]["query_count"] = json!(9);
    broker.settle(&mut kept, &mut board, &renamed);
    assert_eq!(broker.text(AVAILABILITY), "online");
}

#[test]
fn other_prefixes_leave_nothing_below_the_old_ones() {
    let (mut broker, mut kept) = (Broker::default(), Kept::named("ours"));
    broker.run(&mut kept, "", &[], &data("modbus", 1));
    let first: Vec<String> = broker.0.keys().cloned().collect();
    for lines in [
        "topic_prefix = \"roof\"\n",
        "topic_prefix = \"roof\"\ndiscovery_prefix = \"ha\"\n",
        "topic_prefix = \"home/roof\"\n",
        "",
    ] {
        broker.run(&mut kept, lines, &[], &data("modbus", 1));
        let mut fresh = Broker::default();
        fresh.run(&mut Kept::named("ours"), lines, &[], &data("modbus", 1));
        assert_eq!(broker.topics(), fresh.topics(), "{lines}");
        assert_eq!(kept.0.documents.len(), 3, "{lines}");
    }
    assert_eq!(broker.topics(), first);
}

#[test]
fn what_another_bridge_has_taken_over_is_left_to_it() {
    for lines in ["", "topic_prefix = \"barn\"\n"] {
        let (mut broker, mut ours) = (Broker::default(), Kept::named("ours"));
        broker.run(&mut ours, "", &[], &data("modbus", 1));
        broker.run(&mut Kept::named("theirs"), lines, &[], &data("modbus", 1));
        let theirs = broker.0.clone();
        let mut board = ours.board("", &[]);
        broker.settle(&mut ours, &mut board, &without_inverter(9));
        assert_eq!(broker.0.get(INVERTER), theirs.get(INVERTER), "{lines}");
        let is_left = broker.0.contains_key(AVAILABILITY);
        assert_eq!(is_left, lines.is_empty(), "values below our own prefix are ours");
        assert_eq!(ours.0.documents.len(), 3, "and no concern of ours any more");
    }
}

#[test]
fn a_bridge_without_a_name_takes_nothing_away() {
    let (mut broker, mut kept) = (Broker::default(), Kept::named(""));
    broker.run(&mut kept, "", &[], &data("modbus", 1));
    broker.run(&mut kept, "", &[], &without_inverter(9));
    assert!(broker.0.contains_key(INVERTER));
}

#[test]
fn of_too_many_places_the_present_ones_are_kept() {
    let mut kept = Kept::named("ours");
    for number in 0..Announced::MOST {
        let place = Place { document: format!("d/{number}"), state: format!("s/{number}/state") };
        kept.0.documents.insert(place, Bytes::from_static(b"{}"));
    }
    let mut board = kept.board("", &[]);
    board.news(&snapshot(&data("modbus", 1)));
    kept.keep(board.take_changes());
    assert_eq!(kept.0.documents.len(), Announced::MOST);
    assert!(kept.0.documents.keys().any(|place| place.document == INVERTER));
}
