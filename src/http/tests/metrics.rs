//! `GET /metrics`: names, types, and that unknown values are absent.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;

use super::fixture::{api, api_over, dtu, inverter, noon, respond, snapshot};
use crate::http::Api;
use crate::plant::meter::{MeterPhase, MeterReading};
use crate::plant::serial::MeterSerial;
use crate::plant::units::{Amperes, MeterVolts, PowerFactor, WattHours, Watts};
use crate::snapshot::json::shared;
use crate::snapshot::state::{DtuState, DtuStatus, Listed, MeterState};
use crate::snapshot::{Contents, Snapshot};

async fn page(api: &Arc<Api>) -> String {
    let request = Request::get("/metrics").header("host", "bridge");
    let (head, page) = respond(api, request.body(Full::<Bytes>::default()).unwrap()).await;
    assert_eq!(head.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    page
}

#[track_caller]
fn check(page: &str, lines: &[&str]) {
    for line in lines {
        assert!(page.lines().any(|there| there == *line), "{line} is not in\n{page}");
    }
}

#[tokio::test]
async fn labels_inverters_and_ports_by_serial_number() {
    check(
        &page(&api()).await,
        &[
            r#"hoymiles_inverter_grid_voltage_volts{serial="1161a0000001"} 233.4"#,
            r#"hoymiles_inverter_grid_voltage_volts{serial="1161a0000002"} 233.4"#,
            r#"hoymiles_port_pv_power_watts{serial="1161a0000001",port="1"} 206.3"#,
            r#"hoymiles_port_today_energy_watt_hours{serial="1161a0000001",port="1"} 936"#,
            "# TYPE hoymiles_port_energy_watt_hours_total counter",
            r#"hoymiles_port_energy_watt_hours_total{serial="1161a0000001",port="1"} 456172"#,
            "# TYPE hoymiles_plant_energy_watt_hours_total counter",
            r#"hoymiles_port_reading_timestamp_seconds{serial="1161a0000001",port="2"} 1780315200"#,
        ],
    );
}

#[tokio::test]
async fn unknown_values_are_absent() {
    let page = page(&api()).await;
    for absent in [
        r#"hoymiles_port_pv_power_watts{serial="1161a0000001",port="2"}"#,
        r#"hoymiles_port_energy_watt_hours_total{serial="1161a0000001",port="2"}"#,
        "inverter_temperature",
        "inverter_active_power",
        "dtu_info",
        "meter_",
        "target_",
    ] {
        assert!(!page.contains(absent), "{absent} is in\n{page}");
    }
}

#[tokio::test]
async fn shows_the_state_of_bridge_and_dtus() {
    check(
        &page(&api()).await,
        &[
            "hoymiles_healthy 1",
            "hoymiles_start_time_seconds 1780315200",
            r#"hoymiles_dtu_up{dtu="House"} 1"#,
            r#"hoymiles_dtu_status{dtu="House",status="online"} 1"#,
            r#"hoymiles_dtu_last_success_timestamp_seconds{dtu="House"} 1780315200"#,
        ],
    );
    let unknown = api_over(snapshot(Vec::new(), vec![dtu(DtuStatus::Unknown, None)]));
    let page = page(&unknown).await;
    check(&page, &["hoymiles_healthy 0", r#"hoymiles_dtu_status{dtu="House",status="unknown"} 1"#]);
    assert!(!page.contains("dtu_up") && !page.contains("last_success"), "{page}");
}

#[tokio::test]
async fn shows_a_dtu_that_repeats_its_values() {
    let dtu = DtuState {
        stale_since: Some(noon()),
        listed: Some(Listed { inverters: 2, ports: 8, is_all_elsewhere: false }),
        missing: vec![inverter(3, 1).serial],
        ..dtu(DtuStatus::Online, Some(noon()))
    };
    check(
        &page(&api_over(snapshot(Vec::new(), vec![dtu]))).await,
        &[
            r#"hoymiles_dtu_stale_since_timestamp_seconds{dtu="House"} 1780315200"#,
            r#"hoymiles_dtu_listed_inverters{dtu="House"} 2"#,
            r#"hoymiles_dtu_missing_inverters{dtu="House"} 1"#,
        ],
    );
}

#[tokio::test]
async fn labels_meters_by_phase() {
    let phase = MeterPhase {
        power: Some(Watts::from_tenths(-1205)),
        voltage: Some(MeterVolts::from_hundredths(23012)),
        current: Some(Amperes::from_hundredths(52)),
        power_factor: Some(PowerFactor::from_thousandths(990)),
        exported: WattHours::new(1),
        imported: WattHours::new(2),
    };
    let reading = MeterReading {
        serial: MeterSerial::from_bytes([0x10, 0xd2, 0, 0, 0, 1]),
        kind: None,
        power: Some(Watts::from_tenths(-1205)),
        power_factor: None,
        exported: Some(WattHours::new(500)),
        imported: None,
        phases: vec![phase],
    };
    let meter = MeterState { dtu_name: Arc::from("House"), timestamp: noon(), reading };
    let contents = Contents { meters: shared([meter]), ..Contents::empty(noon()) };
    let page = page(&api_over(Snapshot::new(contents))).await;
    check(
        &page,
        &[
            r#"hoymiles_meter_power_watts{serial="10d200000001"} -120.5"#,
            r#"hoymiles_meter_exported_energy_watt_hours_total{serial="10d200000001"} 500"#,
            r#"hoymiles_meter_phase_voltage_volts{serial="10d200000001",phase="A"} 230.12"#,
        ],
    );
    assert!(!page.contains("imported"), "{page}");
}

/// The rules of the format that scrapers rely on.
#[tokio::test]
async fn every_series_appears_once_under_its_help_and_type() {
    let api = api_over(snapshot((1..=9).map(|number| inverter(number, 4)).collect(), Vec::new()));
    let page = page(&api).await;
    let (mut families, mut series) = (HashSet::new(), HashSet::new());
    let mut family = "";
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap();
            assert!(families.insert(name), "{name} is there twice");
            assert!(name.starts_with("hoymiles_") && text.ends_with('.'), "{line}");
            family = name;
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(series.insert(name), "{name} is there twice");
            assert!(name.starts_with(family), "{name} is under {family}");
            assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
        }
    }
    assert!(series.len() > 9 * 4, "{page}");
}
