//! Panel-powered DTUs of both protocols during a night and a restart.

use std::time::Duration;

use hoymiles_bridge::clock::WallClock;
use hoymiles_bridge::sim::faults::Fault;
use hoymiles_bridge::sim::protobuf::ProtobufOptions;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::{plant, sum};
use crate::support::bridge::{Bridge, Home};
use crate::support::simulated::{PlantClock, SimulatedDtu, Speaks};

/// A time zone in which it is evening now, so that night can come at any hour.
pub(crate) fn evening_zone() -> String {
    let hour = WallClock::system().now().to_zoned(TimeZone::UTC).hour();
    match i32::from(hour) - 20 {
        // Signs are reversed in these names: `Etc/GMT-2` is east of Greenwich.
        0 => "Etc/GMT".to_owned(),
        ahead @ 1.. => format!("Etc/GMT+{ahead}"),
        behind if behind >= -14 => format!("Etc/GMT{behind}"),
        far => format!("Etc/GMT+{}", 24 + far),
    }
}

/// Waits until the inverters of all DTUs have a power.
async fn production(bridge: &Bridge, dtus: usize) -> Value {
    bridge
        .inverters_when(|inverters| {
            let inverters = inverters.as_array().unwrap();
            inverters.len() == dtus && inverters.iter().all(|one| one["pv_power"].is_number())
        })
        .await
}

#[tokio::test]
async fn panel_powered_dtus_sleep_at_night_and_wake_up() {
    let clock = PlantClock::at("2026-06-10T19:40:00Z");
    let refresh = Duration::ZERO;
    let options = ProtobufOptions { encrypts: true, refresh, ..ProtobufOptions::default() };
    let mut barn = SimulatedDtu::start(plant(1, 1, 2), &clock, Speaks::Modbus).await;
    let mut roof = SimulatedDtu::start(plant(2, 1, 2), &clock, Speaks::Protobuf(options)).await;
    for dtu in [&barn, &roof] {
        dtu.simulation.faults().set(Fault::PanelPowered);
    }
    let home = Home::new(&format!(
        "timezone = \"{}\"\n{}{}request_gap = \"100ms\"\n",
        evening_zone(),
        barn.dtu("Barn"),
        roof.dtu("Roof")
    ));
    let bridge = home.run().await;
    let evening = production(&bridge, 2).await;
    assert!(sum(evening.as_array().unwrap(), "pv_power") > 0.0, "{evening}");

    // Sunset. The DTU with the short interval is noticed first.
    clock.set("2026-06-10T21:00:00Z");
    bridge.logged("Barn: the DTU is asleep").await;
    let (status, health) = bridge.get("/health").await;
    assert_eq!((status, &health["dtus"]["Barn"]["status"]), (200, &"asleep".into()), "{health}");
    bridge.stop().await;

    // After a restart at night both are still known to be asleep.
    let bridge = home.run().await;
    bridge.logged("Barn: the DTU is asleep").await;
    bridge.logged("Roof: the DTU is asleep").await;
    let (status, health) = bridge.get("/health").await;
    assert_eq!(status, 200, "{health}");
    for name in ["Barn", "Roof"] {
        let dtu = &health["dtus"][name];
        assert_eq!(
            (&dtu["status"], &dtu["error_count"]),
            (&"asleep".into(), &0.into()),
            "{health}"
        );
        assert!(dtu["last_error"].is_null() && dtu["last_successful_query"].is_string(), "{dtu}");
    }
    check_night(&bridge.get("/api/inverters").await.1, &evening);

    // Sunrise.
    clock.set("2026-06-11T07:00:00Z");
    bridge.logged("Barn: the DTU is awake again").await;
    bridge.logged("Roof: the DTU is awake again").await;
    let (_, health) = bridge.get("/health").await;
    for name in ["Barn", "Roof"] {
        assert_eq!(health["dtus"][name]["status"], "online", "{health}");
    }
    let (_, morning) = bridge.get("/api/inverters").await;
    assert!(sum(morning.as_array().unwrap(), "pv_power") > 0.0, "{morning}");
    let (_, log) = bridge.stop().await;
    for text in [
        "Barn: the DTU is asleep",
        "Roof: the DTU is asleep",
        "Barn: the DTU is awake",
        "Roof: the DTU is awake",
    ] {
        assert_eq!(log.iter().filter(|line| line.contains(text)).count(), 1, "{text}: {log:#?}");
    }
    assert!(log.iter().all(|line| !line.contains("poll failed")), "{log:#?}");
    barn.switch_off().await;
    roof.switch_off().await;
}

/// At night power is 0; energies and times are those of the evening.
#[track_caller]
fn check_night(night: &Value, evening: &Value) {
    for (night, evening) in night.as_array().unwrap().iter().zip(evening.as_array().unwrap()) {
        assert_eq!(night["pv_power"], 0.0, "{night}");
        assert!(night["grid_voltage"].is_null() && night["temperature"].is_null(), "{night}");
        for key in ["serial_number", "timestamp", "today_production", "total_production"] {
            assert_eq!(night[key], evening[key], "{key}");
        }
        for (night, evening) in
            night["ports"].as_array().unwrap().iter().zip(evening["ports"].as_array().unwrap())
        {
            assert_eq!((&night["pv_power"], &night["pv_voltage"]), (&0.0.into(), &Value::Null));
            for key in ["timestamp", "today_production", "total_production"] {
                assert_eq!(night[key], evening[key], "{key}");
            }
        }
    }
}
