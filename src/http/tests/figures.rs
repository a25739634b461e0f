//! The page for Prometheus: names, kinds, and that what is unknown is absent.

use std::collections::HashSet;
use std::sync::Arc;

use http_body_util::BodyExt as _;

use crate::http::fake::{api, api_over, dtu, inverter, noon, snapshot};
use crate::http::figures::format::Format;
use crate::http::{Api, figures};
use crate::plant::meter::{MeterPhase, MeterReading};
use crate::plant::serial::MeterSerial;
use crate::plant::units::{Amperes, MeterVolts, PowerFactor, WattHours, Watts};
use crate::snapshot::rendered::shared;
use crate::snapshot::state::{DtuState, DtuStatus, Listed, MeterState};
use crate::snapshot::{Contents, Snapshot};

async fn page(api: &Api) -> String {
    let response = figures::page(api, Format::OpenMetrics);
    assert_eq!(
        response.headers()["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn check(page: &str, lines: &[&str]) {
    for line in lines {
        assert!(page.lines().any(|there| there == *line), "{line} is not in\n{page}");
    }
}

#[tokio::test]
async fn inverters_and_ports_are_told_by_serial_number() {
    check(
        &page(&api()).await,
        &[
            r#"hoymiles_inverter_grid_voltage_volts{serial="1161a0000001"} 233.4"#,
            r#"hoymiles_inverter_grid_voltage_volts{serial="1161a0000002"} 233.4"#,
            r#"hoymiles_port_pv_power_watts{serial="1161a0000001",port="1"} 206.3"#,
            r#"hoymiles_port_today_energy_watt_hours{serial="1161a0000001",port="1"} 936.0"#,
            "# TYPE hoymiles_port_energy_watt_hours counter",
            r#"hoymiles_port_energy_watt_hours_total{serial="1161a0000001",port="1"} 456172"#,
            r#"hoymiles_port_reading_timestamp_seconds{serial="1161a0000001",port="2"} 1780315200.0"#,
        ],
    );
}

#[tokio::test]
async fn what_is_unknown_is_absent() {
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
async fn dtus_and_the_bridge_say_how_they_are() {
    check(
        &page(&api()).await,
        &[
            "hoymiles_healthy 1.0",
            "hoymiles_start_time_seconds 1780315200.0",
            r#"hoymiles_dtu_up{dtu="House"} 1.0"#,
            r#"hoymiles_dtu_status{dtu="House",status="online"} 1.0"#,
            r#"hoymiles_dtu_last_success_timestamp_seconds{dtu="House"} 1780315200.0"#,
        ],
    );
    let unknown = api_over(snapshot(Vec::new(), vec![dtu(DtuStatus::Unknown, None)]));
    let page = page(&unknown).await;
    check(
        &page,
        &["hoymiles_healthy 0.0", r#"hoymiles_dtu_status{dtu="House",status="unknown"} 1.0"#],
    );
    assert!(!page.contains("dtu_up") && !page.contains("last_success"), "{page}");
}

#[tokio::test]
async fn a_dtu_that_answers_without_news_says_so() {
    let dtu = DtuState {
        stale_since: Some(noon()),
        listed: Some(Listed { inverters: 2, ports: 8, is_all_elsewhere: false }),
        missing: vec![inverter(3, 1).serial],
        ..dtu(DtuStatus::Online, Some(noon()))
    };
    check(
        &page(&api_over(snapshot(Vec::new(), vec![dtu]))).await,
        &[
            r#"hoymiles_dtu_stale_since_timestamp_seconds{dtu="House"} 1780315200.0"#,
            r#"hoymiles_dtu_listed_inverters{dtu="House"} 2.0"#,
            r#"hoymiles_dtu_missing_inverters{dtu="House"} 1.0"#,
        ],
    );
}

#[tokio::test]
async fn meters_are_told_by_phase() {
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

/// The rules of the format that a scraper holds us to.
#[tokio::test]
async fn every_series_is_there_once_under_a_help_and_a_type() {
    let api = api_over(snapshot((1..=9).map(|number| inverter(number, 4)).collect(), Vec::new()));
    let page = page(&api).await;
    assert!(page.ends_with("\n# EOF\n"), "{page}");
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
