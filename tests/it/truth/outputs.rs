//! The values of each output for the first inverter and for the plant.

#![expect(clippy::indexing_slicing, reason = "a missing JSON value reads as null")]

use hoymiles_bridge::config::MqttConfig;
use hoymiles_bridge::mqtt::RetainedState;
use hoymiles_bridge::snapshot::Snapshot;
use hoymiles_bridge::store::AnnouncedDevices;
use serde_json::{Value, json};

use super::scenario::Seen;

/// From the update that WebSocket targets receive.
pub(super) fn update(snapshot: &Snapshot) -> Seen {
    let update: Value = serde_json::from_slice(&snapshot.update_json()).unwrap();
    seen(&update["data"]["inverters"][0], &update["data"]["plant"], 1.0)
}

/// From the bodies of `/api/inverters` and `/api/plant`.
pub(super) fn api(inverters: &str, plant: &str) -> Seen {
    let [inverters, plant]: [Value; 2] =
        [inverters, plant].map(|body| serde_json::from_str(body).unwrap());
    seen(&inverters[0], &plant, 1.0)
}

/// What is published to a broker.
pub(super) fn mqtt(snapshot: &Snapshot) -> Seen {
    let mut retained = RetainedState::new(&MqttConfig::default(), &[], AnnouncedDevices::new());
    let messages = retained.changes(snapshot);
    let state = |topic: &str| -> Value {
        let found = messages.iter().find(|message| message.topic == topic).unwrap();
        serde_json::from_slice(&found.payload).unwrap()
    };
    let inverter = state("hoymiles/inverter/114100000001/state");
    let mut object = inverter.clone();
    object["link_status"] = match inverter["reachable"].as_str() {
        Some("on") => json!(1),
        Some("off") => json!(0),
        Some(_) | None => Value::Null,
    };
    // Its only port has the same values.
    for key in ["pv_power", "today_production", "total_production"] {
        assert_eq!(inverter[format!("p1_{key}")], inverter[key], "{key}");
    }
    let availability = "hoymiles/inverter/114100000001/availability";
    let is_online =
        messages.iter().any(|message| message.topic == availability && message.payload == "online");
    assert!(is_online, "the known values are kept");
    seen(&object, &state("hoymiles/bridge/state"), 1000.0)
}

/// From the body of `/metrics`, which has no start of the day: that is taken from `expected`.
pub(super) fn metrics(page: &str, expected: &Seen) -> Seen {
    let value = |name: &str, labels: &str| -> Option<f64> {
        let start = format!("hoymiles_{name}{{serial=\"11410000000{labels}}} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&start))?;
        Some(line.parse().unwrap())
    };
    let sum = |name: &str| -> Option<f64> {
        let known = [value(name, "1\",port=\"1\""), value(name, "2\",port=\"1\"")];
        known.into_iter().flatten().reduce(|one, other| one + other)
    };
    Seen {
        power: value("port_pv_power_watts", "1\",port=\"1\""),
        voltage: value("inverter_grid_voltage_volts", "1\""),
        temperature: value("inverter_temperature_celsius", "1\""),
        reachable: value("inverter_link_status", "1\"").map(on),
        today: whole(value("port_today_energy_watt_hours", "1\",port=\"1\"")),
        total: whole(value("port_energy_watt_hours_total", "1\",port=\"1\"")),
        plant_power: sum("port_pv_power_watts"),
        plant_today: whole(sum("port_today_energy_watt_hours")),
        plant_total: whole(sum("port_energy_watt_hours_total")),
        since: expected.since,
    }
}

/// From the objects of the inverter and of the plant, whose totals are in units of `total_unit` Wh.
fn seen(inverter: &Value, plant: &Value, total_unit: f64) -> Seen {
    let total = |object: &Value| {
        whole(object["total_production"].as_f64().map(|total| (total * total_unit).round()))
    };
    // The table names the possible starts of the day.
    let since = [super::THAT_DAY, super::NEXT_DAY];
    let since = since.into_iter().find(|since| inverter["today_since"] == *since).unwrap();
    assert_eq!(plant["today_since"], since, "one day for all");
    Seen {
        power: inverter["pv_power"].as_f64(),
        voltage: inverter["grid_voltage"].as_f64(),
        temperature: inverter["temperature"].as_f64(),
        reachable: inverter["link_status"].as_f64().map(on),
        today: inverter["today_production"].as_u64().unwrap(),
        since,
        total: total(inverter),
        plant_power: plant["pv_power"].as_f64(),
        plant_today: plant["today_production"].as_u64().unwrap(),
        plant_total: total(plant),
    }
}

fn on(link_status: f64) -> &'static str {
    if link_status > 0.5 { "on" } else { "off" }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "energies of a test")]
fn whole(value: Option<f64>) -> u64 {
    value.unwrap() as u64
}
