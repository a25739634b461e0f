//! `entities.json` is current, Home Assistant accepts the table, and its values are those of the API.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::StateClass::{Measurement, TotalIncreasing, TotalSinceMidnight};
use super::{Entity, Kind, LONGEST_TEXT, On, State, StateClass, Subject, all, of};
use crate::config::Protocol;
use crate::plant::meter::{MeterPhase, MeterReading};
use crate::plant::reading::{AcReading, InverterValues, PortReading};
use crate::plant::serial::{InverterSerial, MeterSerial};
use crate::plant::units::{
    Amperes, Celsius, Hertz, MeterVolts, Percent, PowerFactor, Vars, Volts, WattHours, Watts,
};
use crate::problem::Problem;
use crate::snapshot::json::{shared, time};
use crate::snapshot::state::{
    DtuState, DtuStatus, Energy, InverterState, MeterState, PortState, Stats,
};
use crate::snapshot::{Contents, Snapshot};

fn read(path: &str) -> String {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// One row of `entities.json`: what the integration needs to show the same.
fn row(entity: &Entity) -> Value {
    let number = entity.number();
    let on = match entity.kind {
        Kind::Flag { on, .. } => Some(match on {
            On::True => json!({"is": true}),
            On::Is(number) => json!({"is": number}),
            On::Word(word) => json!({"is": word}),
            On::NotZero => json!({"is_not": 0}),
        }),
        Kind::Number(_) | Kind::Choice(_) | Kind::Text | Kind::Time => None,
    };
    let choice = match entity.kind {
        Kind::Choice(choice) => Some(choice),
        Kind::Number(_) | Kind::Flag { .. } | Kind::Text | Kind::Time => None,
    };
    let state_class = number.and_then(|number| number.state_class);
    let starts_over = state_class == Some(StateClass::TotalSinceMidnight);
    json!({
        "subject": entity.subject.as_str(),
        "key": entity.key,
        "name": entity.name,
        "about": entity.about,
        "source": entity.source(),
        "platform": entity.platform(),
        "device_class": entity.device_class(),
        "state_class": state_class.map(StateClass::as_str),
        "last_reset": starts_over.then(|| entity.subject.midnight()),
        "unit": number.and_then(|number| number.unit),
        "precision": number.map(|number| number.precision),
        "divisor": number.map(|number| if number.is_kilo { 1000 } else { 1 }),
        "on": on,
        "words": choice.map(|choice| choice.words.iter().copied().collect::<std::collections::BTreeMap<_, _>>()),
        "other_word": choice.and_then(|choice| choice.other),
        "category": entity.is_diagnostic.then_some("diagnostic"),
        "enabled": entity.is_enabled,
        "given": entity.given.as_str(),
    })
}

/// The whole table, a line an entity.
fn table() -> String {
    let subjects: Vec<String> = Subject::ALL
        .iter()
        .map(|subject| format!("    {}: {}", json!(subject.as_str()), json!(subject.object())))
        .collect();
    let rows: Vec<String> = all().map(|entity| format!("    {}", row(entity))).collect();
    format!(
        "{{\n  \"subjects\": {{\n{}\n  }},\n  \"entities\": [\n{}\n  ]\n}}\n",
        subjects.join(",\n"),
        rows.join(",\n")
    )
}

#[test]
fn the_table_for_other_programs_is_current() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/entities/entities.json");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, table()).unwrap();
    }
    let parsed: Value = serde_json::from_str(&table()).unwrap();
    assert_eq!(parsed["entities"].as_array().unwrap().len(), all().count());
    assert!(
        read("src/entities/entities.json") == table(),
        "entities.json is old: UPDATE_DOCS=1 cargo test --lib entities"
    );
}

#[test]
fn keys_and_names_are_unique_where_they_meet() {
    for subject in Subject::ALL {
        let entities = super::of(subject);
        assert!(entities.iter().all(|entity| entity.subject == subject));
        let keys: BTreeSet<_> = entities.iter().map(|entity| entity.key).collect();
        let names: BTreeSet<_> = entities.iter().map(|entity| entity.name).collect();
        assert_eq!((keys.len(), names.len()), (entities.len(), entities.len()), "{subject:?}");
        for entity in entities {
            let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(entity.key.chars().all(is_word), "{}", entity.key);
            assert_eq!(entity.name.contains("{port}"), subject == Subject::Port, "{}", entity.name);
            assert!(entity.about.ends_with('.'), "{}", entity.about);
        }
    }
}

#[test]
fn classes_and_units_are_such_that_home_assistant_takes_them() {
    for entity in all() {
        let Some(number) = entity.number() else { continue };
        let classes = (number.device_class, number.unit, number.state_class);
        let is_fine = matches!(
            classes,
            (Some("energy"), Some("Wh" | "kWh"), Some(TotalIncreasing | TotalSinceMidnight))
                | (Some("power"), Some("W"), Some(Measurement))
                | (Some("voltage"), Some("V"), Some(Measurement))
                | (Some("current"), Some("A"), Some(Measurement))
                | (Some("frequency"), Some("Hz"), Some(Measurement))
                | (Some("temperature"), Some("°C"), Some(Measurement))
                | (Some("reactive_power"), Some("var"), Some(Measurement))
                | (Some("power_factor"), None, Some(Measurement))
                | (Some("data_size"), Some("B"), Some(Measurement))
                | (None, Some("%"), Some(Measurement))
                | (None, Some("queries" | "errors"), Some(TotalIncreasing))
                | (None, None, Some(TotalIncreasing) | None)
        );
        assert!(is_fine, "{} {}: {classes:?}", entity.subject.as_str(), entity.key);
        assert_eq!(number.is_kilo, number.unit.is_some_and(|unit| unit.starts_with('k')));
    }
}

fn inverter(at: Timestamp) -> InverterState {
    let energy = Energy {
        today: Some(WattHours::new(936)),
        today_since: Some(at),
        total: Some(WattHours::new(912_345)),
    };
    let reading = PortReading {
        pv_voltage: Some(Volts::from_tenths(341)),
        pv_current: Some(Amperes::from_hundredths(605)),
        pv_power: Some(Watts::from_tenths(2_063)),
        ..PortReading::unknown(1)
    };
    let port = PortState { timestamp: at, reading, energy };
    InverterState {
        values: InverterValues {
            link_status: Some(1),
            operating_status: Some(3),
            alarm_code: Some(121),
            alarm_count: Some(7),
            grid_voltage: Some(Volts::from_tenths(2_334)),
            grid_frequency: Some(Hertz::from_hundredths(4_998)),
            temperature: Some(Celsius::from_tenths(-35)),
            ac: AcReading {
                active_power: Some(Watts::from_tenths(2_001)),
                reactive_power: Some(Vars::from_tenths(-12)),
                power_factor: Some(PowerFactor::from_thousandths(-998)),
                current: Some(Amperes::from_hundredths(88)),
                phase_voltages: [2_301, 2_302, 2_303].map(Volts::from_tenths).to_vec(),
                phase_currents: [101, 102, 103].map(Amperes::from_hundredths).to_vec(),
                power_limit: Some(Percent::from_tenths(755)),
                firmware_version: None,
                signal: Some(80),
            },
        },
        ports: [(1, port)].into(),
        ..InverterState::new(InverterSerial::from_u64(1), "DTU".into(), at)
    }
    .with_sum_of_ports()
}

fn meter(at: Timestamp) -> MeterState {
    let phase = |step| MeterPhase {
        power: Some(Watts::from_tenths(step)),
        voltage: Some(MeterVolts::from_hundredths(23_000 + step)),
        current: Some(Amperes::from_hundredths(step + 5)),
        power_factor: None,
        exported: WattHours::new(1),
        imported: WattHours::new(1),
    };
    let reading = MeterReading {
        serial: MeterSerial::from_u64(2),
        kind: None,
        power: Some(Watts::from_tenths(-41)),
        power_factor: Some(PowerFactor::from_thousandths(5)),
        exported: Some(WattHours::new(11)),
        imported: Some(WattHours::new(12)),
        phases: vec![phase(1), phase(2), phase(3)],
    };
    MeterState { dtu_name: "DTU".into(), timestamp: at, reading }
}

/// A plant of which everything is known.
fn snapshot() -> Snapshot {
    let at: Timestamp = "2026-06-10T10:00:00Z".parse().unwrap();
    let dtu = DtuState {
        status: DtuStatus::Error,
        last_success: Some(at),
        query_count: 3,
        error_count: 1,
        last_error: Some(Problem::without_remedy("x", "gone")),
        last_error_time: Some(at),
        ..DtuState::unknown("DTU", Protocol::Protobuf, Duration::from_secs(300))
    };
    Snapshot::new(Contents {
        energy: inverter(at).energy,
        inverters: shared([inverter(at)]),
        meters: shared([meter(at)]),
        dtus: vec![Arc::new(dtu)],
        stats: Stats { inverters_count: 19, database_size_bytes: 4_096, ..Stats::default() },
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        ..Contents::empty(at)
    })
}

/// The state of the first of a kind.
fn state(snapshot: &Snapshot, subject: Subject) -> State<'_> {
    let mut inverters = snapshot.inverters();
    match subject {
        Subject::Bridge => State::Bridge(snapshot),
        Subject::Dtu => State::Dtu(snapshot.dtus().next().unwrap()),
        Subject::Inverter => State::Inverter(inverters.next().unwrap()),
        Subject::Port => State::Port(&inverters.next().unwrap().ports[&1]),
        Subject::Meter => State::Meter(snapshot.meters().next().unwrap()),
    }
}

#[test]
fn each_value_is_the_one_at_its_source_in_an_update() {
    let snapshot = snapshot();
    let update: Value = serde_json::from_slice(&snapshot.update_json()).unwrap();
    let data = &update["data"];
    for entity in all() {
        let object = match entity.subject {
            Subject::Bridge => data,
            Subject::Dtu => &data["health"]["dtus"]["DTU"],
            Subject::Inverter => &data["inverters"][0],
            Subject::Port => &data["inverters"][0]["ports"][0],
            Subject::Meter => &data["meters"][0],
        };
        let state = state(&snapshot, entity.subject);
        let value = entity.value(state).unwrap();
        let value = if let super::Value::Time(at) = value {
            json!(time(at, snapshot.zone()))
        } else {
            json!(value)
        };
        let (subject, source) = (entity.subject.as_str(), entity.source());
        assert_eq!(object.pointer(&source), Some(&value), "{subject} {source}");
        let since = state.today_since().map(|at| json!(time(at, snapshot.zone())));
        assert_eq!(object.pointer(entity.subject.midnight()), since.as_ref(), "{subject}");
    }
}

#[test]
fn numbers_are_shown_in_their_unit_and_codes_in_words() {
    let snapshot = snapshot();
    for (subject, key, expected) in [
        (Subject::Bridge, "total_production", json!(912.345)),
        (Subject::Bridge, "healthy", json!("on")),
        (Subject::Dtu, "status", json!("error")),
        (Subject::Dtu, "reachable", json!("off")),
        (Subject::Dtu, "problem", json!("on")),
        (Subject::Dtu, "last_error_time", json!("2026-06-10T12:00:00+02:00")),
        (Subject::Inverter, "today_production", json!(936)),
        (Subject::Inverter, "total_production", json!(912.345)),
        (Subject::Inverter, "pv_power", json!(206.3)),
        (Subject::Inverter, "reachable", json!("on")),
        (Subject::Inverter, "problem", json!("on")),
        (Subject::Inverter, "operating_status", json!("producing")),
        (Subject::Inverter, "link_status", json!("reached")),
        (Subject::Meter, "energy_exported", json!(0.011)),
    ] {
        assert_eq!(shown(subject, key, state(&snapshot, subject)), expected, "{key}");
    }
}

#[test]
fn what_is_not_known_is_null() {
    let inverter =
        InverterState::new(InverterSerial::from_u64(1), "DTU".into(), Timestamp::UNIX_EPOCH);
    for key in ["pv_power", "total_production", "reachable", "problem", "alarm", "phase_c_voltage"]
    {
        assert_eq!(shown(Subject::Inverter, key, State::Inverter(&inverter)), Value::Null, "{key}");
    }
}

#[test]
fn an_unknown_code_is_another_word_and_a_text_fits_into_a_state() {
    let snapshot = snapshot();
    let mut inverter = snapshot.inverters().next().unwrap().clone();
    inverter.values.link_status = Some(263);
    inverter.values.alarm_code = Some(0);
    for (key, expected) in [("link_status", "other"), ("reachable", "off"), ("problem", "off")] {
        assert_eq!(shown(Subject::Inverter, key, State::Inverter(&inverter)), expected, "{key}");
    }
    let mut dtu = snapshot.dtus().next().unwrap().clone();
    dtu.last_error = Some(Problem::without_remedy("x", "ü".repeat(300)));
    let text = "ü".repeat(LONGEST_TEXT);
    assert_eq!(shown(Subject::Dtu, "last_error", State::Dtu(&dtu)), text);
}

#[track_caller]
fn shown(subject: Subject, key: &str, state: State<'_>) -> Value {
    let entity = of(subject).iter().find(|entity| entity.key == key).unwrap();
    json!(entity.shown(state, &TimeZone::get("Europe/Berlin").unwrap()))
}

#[test]
fn metrics_have_names_of_their_own() {
    let names: Vec<&str> = all().filter_map(|entity| entity.metric).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}
