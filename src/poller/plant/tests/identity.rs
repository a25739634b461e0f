//! What answers is the DTU that is known, the one that took its place, or another one.

use super::*;
use crate::plant::identity::{Identity, OtherDtu};
use crate::plant::serial::DtuSerial;

const A: DtuSerial = DtuSerial::from_bytes([0x10, 0xf8, 0xa0, 0, 0, 1]);
const B: DtuSerial = DtuSerial::from_bytes([0x10, 0xf8, 0xa0, 0, 9, 0x99]);

fn of(dtu_serial: impl Into<Option<DtuSerial>>, inverters: &[u8]) -> DtuReading {
    let inverters = inverters.iter().map(|&number| live(number, &[1], 300)).collect();
    DtuReading { dtu_serial: dtu_serial.into(), ..reading(inverters) }
}

/// A plant whose DTU has that serial number and inverters 1 and 2.
fn known_plant() -> PlantState {
    let mut plant = new_plant();
    plant.succeeded("Roof", &of(A, &[1, 2]), at(0));
    plant
}

fn is_other(identity: &Identity) -> bool {
    matches!(identity, Identity::Other(_))
}

#[test]
fn one_shared_inverter_tells_an_exchanged_dtu_from_another_one() {
    let mut plant = known_plant();
    assert_eq!(plant.identify("Roof", &of(A, &[3])), Identity::Known);
    let exchanged = Identity::Exchanged { before: A, after: B };
    assert_eq!(plant.identify("Roof", &of(B, &[7, 2])), exchanged);
    let own = DtuReading { own: vec![serial(1)], ..of(B, &[]) };
    assert_eq!(plant.identify("Roof", &own), exchanged);
    assert!(is_other(&plant.identify("Roof", &of(B, &[7]))));
    assert!(is_other(&plant.identify("Roof", &of(B, &[]))), "it may list them later");
    assert_eq!(new_plant().identify("Roof", &of(B, &[7])), Identity::Known);
}

#[test]
fn an_answer_without_serial_number_after_another_dtu_is_of_that_one() {
    let mut plant = known_plant();
    assert_eq!(plant.identify("Roof", &of(None, &[7])), Identity::Known, "never refused");
    assert!(is_other(&plant.identify("Roof", &of(B, &[7]))));
    assert!(is_other(&plant.identify("Roof", &of(None, &[7]))));
    assert_eq!(plant.identify("Roof", &of(None, &[2])), Identity::Known);
    assert_eq!(plant.dtu("Roof").unwrap().other, None);
}

#[test]
fn the_owner_of_the_other_serial_number_is_named() {
    let dtus = ["Roof", "Barn"].map(|name| DtuState::unknown(name, Protocol::Modbus, HOLD));
    let mut plant = PlantState::new(TimeZone::UTC, dtus.into(), [], []);
    plant.succeeded("Roof", &of(A, &[1]), at(0));
    plant.succeeded("Barn", &of(B, &[7]), at(0));
    let Identity::Other(other) = plant.identify("Roof", &of(B, &[7])) else { panic!("accepted") };
    assert_eq!(other.belongs_to.as_deref(), Some("Barn"));
    let text = other.problem().to_string();
    assert!(text.contains("swap `host`") && text.contains("DTU of Barn"), "{text}");
}

#[test]
fn a_new_serial_number_in_the_file_replaces_the_remembered_one() {
    let mut plant = known_plant();
    let expects = |serial| DtuState {
        configured_serial: serial,
        ..DtuState::unknown("Roof", Protocol::Protobuf, HOLD)
    };
    plant.reconfigure(vec![expects(Some(B))], |_| true);
    assert_eq!(plant.dtu("Roof").unwrap().serial, None);
    assert!(is_other(&plant.identify("Roof", &of(A, &[1, 2]))), "though it has the inverters");
    assert_eq!(plant.identify("Roof", &of(B, &[7])), Identity::Known);
    plant.succeeded("Roof", &of(B, &[7]), at(1));
    plant.reconfigure(vec![expects(None)], |_| true);
    let other = OtherDtu { expected: B, found: A, is_configured: false, belongs_to: None };
    let unrelated = of(A, &[9]);
    assert_eq!(plant.identify("Roof", &unrelated), Identity::Other(other));
}
