//! A DTU is known by its serial number: another one at its address is refused.

use serde_json::Value;

use hoymiles_bridge::sim::plant::{PlantShape, SimulatedPlant};
use hoymiles_bridge::sim::protobuf::ProtobufOptions;

use crate::doctor::{ALONE, doctor};
use crate::support::bridge::{Bridge, Home, output};
use crate::support::simulated::{PlantClock, SimulatedDtu, Speaks};

const KNOWN: &str = "10F8A0000001";
const OTHER: &str = "10F8A0000999";
const NOON: &str = "2026-06-10T12:00:00Z";

/// A DTU with this serial number in front of the inverters of that seed.
fn plant(serial: &str, seed: u64) -> SimulatedPlant {
    let shape = PlantShape { inverters: 2, ports_per_inverter: 2, seed, ..PlantShape::default() };
    SimulatedPlant::new(&shape).with_dtu_serial(serial.parse().unwrap())
}

/// Another device takes the address over.
async fn swap(dtu: &mut SimulatedDtu, plant: SimulatedPlant, clock: &PlantClock) {
    let speaks = dtu.speaks;
    let new = SimulatedDtu::start(plant, clock, speaks).await;
    dtu.switch_off().await;
    dtu.simulation = new.simulation.clone();
    dtu.switch_on().await;
}

fn total(plant: &Value) -> i64 {
    plant.get("total_production").and_then(Value::as_i64).unwrap()
}

async fn serials(bridge: &Bridge) -> Vec<String> {
    let (_, inverters) = bridge.get("/api/inverters").await;
    let serial = |one: &Value| one.get("serial_number").and_then(Value::as_str).unwrap().to_owned();
    inverters.as_array().unwrap().iter().map(serial).collect()
}

/// Asserts that the other DTU is refused everywhere, and that the plant is as it was.
async fn assert_refused(bridge: &Bridge, before: &Value, serials_before: &[String], remedy: &str) {
    let (_, health) = bridge.get("/health").await;
    let text = |key: &str| {
        let value = health.pointer(&format!("/dtus/Roof/{key}")).and_then(Value::as_str);
        value.unwrap_or_else(|| panic!("no {key} in {health}")).to_owned()
    };
    assert_eq!(text("status"), "error", "{health}");
    assert_eq!(text("last_error_cause"), "other_dtu", "{health}");
    assert!(text("last_error_remedy").contains(remedy), "{health}");
    let warning = text("warnings/0");
    assert!(warning.contains(KNOWN) && warning.contains(OTHER), "{health}");
    assert_eq!(text("problems/0/label"), "other_dtu", "{health}");
    assert_eq!(serials(bridge).await, serials_before);
    let (_, plant) = bridge.get("/api/plant").await;
    assert_eq!(total(&plant), total(before));
}

/// Waits for the first reading, and returns the plant and the serial numbers.
async fn first_reading(bridge: &Bridge) -> (Value, Vec<String>) {
    bridge.logged("Roof: 4 ports of 2 inverters").await;
    let (_, plant) = bridge.get("/api/plant").await;
    (plant, serials(bridge).await)
}

/// Until its serial number is accepted; a case of `reports`.
pub(crate) async fn another_dtu_at_the_address_is_refused() {
    let clock = PlantClock::at(NOON);
    let mut dtu = SimulatedDtu::start(plant(KNOWN, 1), &clock, Speaks::Modbus).await;
    let home = Home::new(&dtu.dtu("Roof"));
    let bridge = home.run().await;
    let (before, known) = first_reading(&bridge).await;

    swap(&mut dtu, plant(OTHER, 2), &clock).await;
    let line = bridge.logged("Roof: poll failed: another DTU answers").await;
    assert!(line.contains(KNOWN) && line.contains(OTHER), "{line}");
    assert_refused(&bridge, &before, &known, &format!("`serial = \"{OTHER}\"`")).await;
    let listen = bridge.api.trim_start_matches("http://").to_owned();
    let found = doctor(&home, &listen, &[]).await;
    for step in ["bridge", "serial"] {
        let text = found.text("Roof", step);
        assert!(text.contains(KNOWN) && text.contains(OTHER), "{text}");
    }

    // The known one is back.
    swap(&mut dtu, plant(KNOWN, 1), &clock).await;
    bridge.logged("Roof: the DTU answers again").await;
    let (_, health) = bridge.get("/health").await;
    let warnings = health.pointer("/dtus/Roof/warnings").and_then(Value::as_array);
    assert_eq!(warnings.map(Vec::len), Some(0), "{health}");

    // It survives a restart; what is known is read from the disk by `doctor`, too.
    bridge.stop().await;
    swap(&mut dtu, plant(OTHER, 2), &clock).await;
    let found = doctor(&home, ALONE, &[]).await;
    assert!(found.marks("Roof").contains(&"serial-".to_owned()), "{:?}", found.marks("Roof"));
    assert!(found.text("Roof", "serial").contains(KNOWN));
    let bridge = home.run().await;
    bridge.logged("Roof: poll failed: another DTU answers").await;
    assert_refused(&bridge, &before, &known, "correct `host`").await;

    home.configure(&format!("{}serial = \"{}\"\n", dtu.dtu("Roof"), OTHER.to_lowercase()));
    bridge.signal("HUP").await;
    bridge.inverters_when(|all| all.as_array().unwrap().len() == 4).await;
    let (_, health) = bridge.get("/health").await;
    let text = |key: &str| health.pointer(&format!("/dtus/Roof/{key}")).and_then(Value::as_str);
    assert_eq!(text("serial_number"), Some(OTHER), "{health}");
    assert_eq!(text("status"), Some("online"), "{health}");
    bridge.stop().await;
}

/// A DTU is known after a restart as well; a case of `reports`.
pub(crate) async fn another_dtu_is_refused_over_its_own_protocol() {
    let (clock, speaks) = (PlantClock::at(NOON), Speaks::Protobuf(ProtobufOptions::default()));
    let mut dtu = SimulatedDtu::start(plant(KNOWN, 1), &clock, speaks).await;
    let quick = |dtu: &SimulatedDtu| format!("{}request_gap = \"50ms\"\n", dtu.dtu("Roof"));
    let home = Home::new(&quick(&dtu));
    let bridge = home.run().await;
    let (before, known) = first_reading(&bridge).await;
    bridge.stop().await;

    swap(&mut dtu, plant(OTHER, 2), &clock).await;
    let bridge = home.run().await;
    bridge.logged("Roof: poll failed: another DTU answers").await;
    assert_refused(&bridge, &before, &known, &format!("`serial = \"{OTHER}\"`")).await;
    bridge.stop().await;
}

#[tokio::test]
async fn an_exchanged_dtu_with_the_same_inverters_goes_on_by_itself() {
    let clock = PlantClock::at(NOON);
    let mut dtu = SimulatedDtu::start(plant(KNOWN, 1), &clock, Speaks::Modbus).await;
    let home = Home::new(&dtu.dtu("Roof"));
    let bridge = home.run().await;
    let (before, known) = first_reading(&bridge).await;
    swap(&mut dtu, plant(OTHER, 1), &clock).await;
    let line = bridge.logged("Roof: the DTU was exchanged").await;
    assert!(line.contains(KNOWN) && line.contains(OTHER), "{line}");
    bridge.logged_times("Roof: 4 ports of 2 inverters", 2).await;
    let (_, health) = bridge.get("/health").await;
    assert_eq!(health["dtus"]["Roof"]["serial_number"], OTHER, "{health}");
    let (_, after) = bridge.get("/api/plant").await;
    assert_eq!((total(&after), serials(&bridge).await), (total(&before), known));
    bridge.stop().await;
}

#[tokio::test]
async fn a_configured_serial_number_accepts_no_other_dtu() {
    let clock = PlantClock::at(NOON);
    let dtu = SimulatedDtu::start(plant(OTHER, 1), &clock, Speaks::Modbus).await;
    let home = Home::new(&format!("{}serial = \"{KNOWN}\"\n", dtu.dtu("Roof")));
    let found = doctor(&home, ALONE, &[]).await;
    assert!(found.marks("Roof").contains(&"serial-".to_owned()), "{:?}", found.marks("Roof"));
    let bridge = home.run().await;
    let line = bridge.logged("Roof: poll failed: another DTU answers").await;
    assert!(line.contains(&format!("`serial` is \"{KNOWN}\"")), "{line}");
    assert!(serials(&bridge).await.is_empty());

    home.configure(&format!("{}serial = \"{OTHER}\"\n", dtu.dtu("Roof")));
    bridge.signal("HUP").await;
    first_reading(&bridge).await;
    bridge.stop().await;
    let found = doctor(&home, ALONE, &[]).await;
    assert!(found.marks("Roof").contains(&"serial+".to_owned()), "{:?}", found.marks("Roof"));
}

#[tokio::test]
async fn bad_and_repeated_serial_numbers_are_refused() {
    let section = |name: &str, serial: &str| {
        format!("[[dtu]]\nname = \"{name}\"\nprotocol = \"simulated\"\nserial = \"{serial}\"\n")
    };
    for (toml, key, wrong) in [
        (section("A", "10F8"), "dtu[0].serial", "expected 12 digits"),
        (
            [section("A", KNOWN), section("B", &KNOWN.to_lowercase())].concat(),
            "dtu[1].serial",
            "is also the serial number of dtu[0]",
        ),
    ] {
        let home = Home::new(&toml);
        let config = home.config();
        let (code, out, error) =
            output(&["check", "--config", config.to_str().unwrap()], None).await;
        assert_eq!(code, 2, "{out}{error}");
        assert!(error.contains(key) && error.contains(wrong), "{error}");
    }
}

#[tokio::test]
async fn two_sections_for_one_box_are_named_by_health_and_doctor() {
    let clock = PlantClock::at(NOON);
    let dtu = SimulatedDtu::start(plant(KNOWN, 1), &clock, Speaks::Modbus).await;
    let home = Home::new(&[dtu.dtu("Roof"), dtu.dtu("Barn")].concat());
    let alone = doctor(&home, ALONE, &[]).await;
    let bridge = home.run().await;
    bridge.logged("Barn: Roof also reads its inverters").await;
    let (_, health) = bridge.get("/health").await;
    assert_eq!(health["dtus"]["Barn"]["problems"][0]["label"], "inverters_shared", "{health}");
    let listen = bridge.api.trim_start_matches("http://").to_owned();
    let beside = doctor(&home, &listen, &[]).await;
    for found in [alone, beside] {
        let text = found.text("Barn", "values");
        assert!(text.contains("Roof") && text.contains("remove one section"), "{text}");
        assert!(!found.marks("Barn").contains(&"inverters-".to_owned()));
        assert!(
            !found.marks("Roof").iter().any(|mark| mark.ends_with('-')),
            "{:?}",
            found.marks("Roof")
        );
        assert_eq!(found.code, 1);
    }
    bridge.stop().await;
}
