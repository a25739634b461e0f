//! The JSON letter by letter: scripts, Home Assistant and the stored snapshot rely on it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::Start;
use crate::config::Protocol;
use crate::plant::reading::{InverterValues, PortReading};
use crate::plant::serial::InverterSerial;
use crate::plant::units::{Amperes, Celsius, Hertz, Volts, WattHours, Watts};
use crate::problem::Problem;
use crate::snapshot::rendered::shared;
use crate::snapshot::state::{DtuState, DtuStatus, Energy, InverterState, Listed, PortState};
use crate::snapshot::{Contents, Snapshot};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Two ports, of which only the energy of the second is known.
fn inverter() -> InverterState {
    let now = at("2026-06-10T10:00:00Z");
    let lit = PortState {
        timestamp: now,
        reading: PortReading {
            number: 1,
            pv_voltage: Some(Volts::from_tenths(341)),
            pv_current: Some(Amperes::from_hundredths(605)),
            pv_power: Some(Watts::from_tenths(2063)),
            today: Some(WattHours::new(930)),
            total: Some(WattHours::new(456_172)),
        },
        energy: Energy {
            today: Some(WattHours::new(936)),
            today_since: Some(at("2026-06-09T22:00:00Z")),
            total: Some(WattHours::new(456_172)),
        },
    };
    let energy = Energy { total: Some(WattHours::new(456_173)), ..Energy::default() };
    let dark = PortState { energy, ..PortState::unknown(2, now) };
    let serial = InverterSerial::from_bytes([0x11, 0x41, 0x72, 0x60, 0x64, 0x03]);
    InverterState {
        first_seen: at("2026-01-10T10:00:00Z"),
        values: InverterValues {
            link_status: Some(1),
            operating_status: Some(3),
            alarm_code: Some(0),
            alarm_count: Some(0),
            grid_voltage: Some(Volts::from_tenths(2334)),
            grid_frequency: Some(Hertz::from_hundredths(4998)),
            temperature: Some(Celsius::from_tenths(315)),
            ..InverterValues::default()
        },
        ports: BTreeMap::from([(1, lit), (2, dark)]),
        ..InverterState::new(serial, Arc::from("DTU"), now)
    }
}

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

const INVERTER: &str = concat!(
    r#"{"serial_number":"114172606403","dtu_name":"DTU","inverter_type":"HM-600/700/800","#,
    r#""model":"HM-600/700/800","#,
    r#""first_seen":"2026-01-10T11:00:00+01:00","last_seen":"2026-06-10T12:00:00+02:00","#,
    r#""timestamp":"2026-06-10T12:00:00+02:00","grid_voltage":233.4,"grid_frequency":49.98,"#,
    r#""temperature":31.5,"operating_status":3,"operating_status_text":"producing","#,
    r#""alarm_code":0,"alarm_text":"none","alarm_count":0,"link_status":1,"#,
    r#""link_status_text":"reached","active_power":null,"reactive_power":null,"#,
    r#""power_factor":null,"current":null,"phase_voltages":[],"phase_currents":[],"#,
    r#""power_limit":null,"firmware_version":null,"signal":null,"pv_power":206.3,"#,
    r#""today_production":936,"today_since":"2026-06-10T00:00:00+02:00","#,
    r#""total_production":912345,"ports":["#,
    r#"{"serial_number":"114172606403","port_number":1,"timestamp":"2026-06-10T12:00:00+02:00","#,
    r#""pv_voltage":34.1,"pv_current":6.05,"pv_power":206.3,"today_production":936,"#,
    r#""today_since":"2026-06-10T00:00:00+02:00","total_production":456172,"#,
    r#""device_today_production":930,"device_total_production":456172},"#,
    r#"{"serial_number":"114172606403","port_number":2,"timestamp":"2026-06-10T12:00:00+02:00","#,
    r#""pv_voltage":null,"pv_current":null,"pv_power":null,"today_production":null,"#,
    r#""today_since":null,"total_production":456173,"#,
    r#""device_today_production":null,"device_total_production":null}]}"#,
);

#[test]
fn an_inverter_is_written_as_the_contract_says() {
    let snapshot = |inverters: Vec<InverterState>| {
        let now = at("2026-06-10T10:00:30Z");
        let inverters = shared(inverters);
        Snapshot::new(Contents { inverters, zone: berlin(), ..Contents::empty(now) })
    };
    assert_eq!(snapshot(vec![inverter()]).inverters_json(), format!("[{INVERTER}]"));
    assert_eq!(snapshot(Vec::new()).inverters_json(), "[]");
}

#[tokio::test(start_paused = true)]
async fn an_update_holds_what_the_api_serves() {
    let now = at("2026-06-10T10:00:30Z");
    let dtu = DtuState {
        status: DtuStatus::Online,
        last_success: Some(at("2026-06-10T10:00:00Z")),
        query_count: 3,
        error_count: 1,
        last_error: Some(Problem::new("closed", "gone", "restart it")),
        last_error_time: Some(at("2026-06-10T09:58:00Z")),
        stale_since: Some(at("2026-06-10T09:50:00Z")),
        listed: Some(Listed { inverters: 19, ports: 37, is_all_elsewhere: false }),
        ..DtuState::unknown("DTU", Protocol::Modbus, Duration::from_secs(300))
    };
    let start = Start::at(at("2026-06-10T09:57:00Z"));
    tokio::time::advance(Duration::from_secs(210)).await;
    let snapshot = Snapshot::new(Contents {
        inverters: shared([inverter()]),
        dtus: vec![Arc::new(dtu)],
        start,
        zone: berlin(),
        ..Contents::empty(now)
    });
    let (update, inverters) = (snapshot.update_json(), snapshot.inverters_json());
    let update: serde_json::Value = serde_json::from_slice(&update).unwrap();
    assert_eq!(update["type"], "update");
    let data = &update["data"];
    assert_eq!(data["inverters"].to_string().len(), inverters.len());
    assert_eq!(data["inverters"][0]["pv_power"], 206.3);
    assert_eq!(data["plant"]["total_production"], 912_345);
    assert_eq!(data["meters"], serde_json::json!([]));
    let health = &data["health"];
    assert_eq!((&health["healthy"], &health["uptime_seconds"]), (&true.into(), &210.into()));
    assert_eq!(health["start_time"], "2026-06-10T11:57:00+02:00");
    let dtu = &health["dtus"]["DTU"];
    for (key, value) in [
        ("status", serde_json::json!("online")),
        ("last_successful_query", serde_json::json!("2026-06-10T12:00:00+02:00")),
        ("seconds_since_last_success", serde_json::json!(30)),
        ("query_count", serde_json::json!(3)),
        ("error_count", serde_json::json!(1)),
        ("last_error", serde_json::json!("gone")),
        ("last_error_cause", serde_json::json!("closed")),
        ("last_error_remedy", serde_json::json!("restart it")),
        ("last_error_time", serde_json::json!("2026-06-10T11:58:00+02:00")),
        ("stale_since", serde_json::json!("2026-06-10T11:50:00+02:00")),
        ("inverters", serde_json::json!(19)),
        ("ports", serde_json::json!(37)),
        ("missing_inverters", serde_json::json!([])),
    ] {
        assert_eq!(dtu[key], value, "{key}");
    }
    let warnings = dtu["warnings"].as_array().unwrap();
    assert!(warnings.len() == 1 && warnings[0].as_str().unwrap().contains("; "), "{warnings:?}");
    assert!(data["stats"].as_object().unwrap().values().all(|value| !value.is_null()));
}
