//! Inverters that two DTUs read, such as both protocols of one device.

use super::*;
use crate::snapshot::state::SharedInverters;
use crate::snapshot::warning::Warning;

/// A plant with a DTU that is read over both of its protocols.
fn plant_with_both_protocols() -> PlantState {
    let dtu = |name, protocol| DtuState::unknown(name, protocol, HOLD);
    let dtus = vec![dtu("M", Protocol::Modbus), dtu("E", Protocol::Protobuf)];
    PlantState::new(TimeZone::UTC, dtus, [], [])
}

/// Applies a reading of inverter 1: its power, or `None` if it is not reached.
fn apply(plant: &mut PlantState, dtu: &str, watts: Option<i32>, minute: i64) {
    let inverter = watts.map_or_else(|| dark(1), |watts| live(1, &[1], watts));
    plant.succeeded(dtu, &reading(vec![inverter]), at(minute));
}

/// The DTU that inverter 1 belongs to, and its power.
fn owner(plant: &PlantState) -> (String, Option<f64>) {
    let inverter = plant.inverters().next().unwrap();
    (inverter.dtu_name.to_string(), inverter.pv_power().map(Watts::as_f64))
}

fn is(dtu: &str, watts: f64) -> (String, Option<f64>) {
    (dtu.to_owned(), Some(watts))
}

#[test]
fn an_inverter_stays_with_the_dtu_that_reads_it() {
    let mut plant = plant_with_both_protocols();
    for minute in 0..20 {
        apply(&mut plant, "M", Some(100), minute);
        apply(&mut plant, "E", Some(200), minute);
        assert_eq!(owner(&plant), is("M", 100.0), "minute {minute}");
        apply(&mut plant, "E", None, minute);
        assert_eq!(owner(&plant), is("M", 100.0), "minute {minute}");
    }
    let total = plant.inverters().next().unwrap().energy.total;
    assert_eq!((total, plant.ledgers().len()), (Some(WattHours::new(1000)), 1));
}

#[test]
fn the_first_dtu_of_the_configuration_owns_an_inverter_that_both_read() {
    let mut plant = plant_with_both_protocols();
    apply(&mut plant, "E", Some(200), 0);
    apply(&mut plant, "M", None, 0);
    assert_eq!(owner(&plant), is("E", 200.0), "M does not reach it");
    for minute in 1..=6 {
        apply(&mut plant, "E", Some(200), minute);
    }
    apply(&mut plant, "M", Some(100), 6);
    assert_eq!(owner(&plant), is("M", 100.0));
}

#[test]
fn the_second_dtu_takes_over_while_the_first_does_not_answer() {
    let mut plant = plant_with_both_protocols();
    apply(&mut plant, "M", Some(100), 0);
    for minute in 0..=5 {
        apply(&mut plant, "E", Some(200), minute);
        plant.failed("M", problem(), &DtuReading::default(), at(minute));
    }
    assert_eq!(owner(&plant), is("M", 100.0));
    let total = |plant: &PlantState| plant.inverters().next().unwrap().energy.total;
    let before = total(&plant);
    apply(&mut plant, "E", Some(200), 6);
    assert_eq!(owner(&plant), is("E", 200.0));
    assert_eq!(total(&plant), before, "nothing was produced twice");
    apply(&mut plant, "M", Some(100), 7);
    assert_eq!(owner(&plant), is("M", 100.0));
}

#[test]
fn the_dtu_that_wakes_first_does_not_take_over() {
    let mut plant = plant_with_both_protocols();
    apply(&mut plant, "M", Some(2), 0);
    for minute in 1..=600 {
        apply(&mut plant, "M", None, minute);
        apply(&mut plant, "E", None, minute);
    }
    assert_eq!(owner(&plant), is("M", 0.0));
    apply(&mut plant, "E", Some(2), 601);
    assert_eq!(owner(&plant), is("M", 0.0));
    apply(&mut plant, "M", Some(3), 601);
    apply(&mut plant, "E", Some(2), 602);
    assert_eq!(owner(&plant), is("M", 3.0));
}

#[test]
fn warns_while_two_dtus_read_the_same_inverters() {
    let mut plant = plant_with_both_protocols();
    let both = || reading(vec![live(1, &[1], 100), live(2, &[1], 100)]);
    plant.succeeded("E", &both(), at(0));
    let warnings = |plant: &PlantState| {
        let dtus: Vec<_> = plant.dtus().map(|dtu| Warning::of(dtu, at(0))).collect();
        dtus
    };
    plant.succeeded("M", &both(), at(0));
    plant.succeeded("E", &both(), at(1));
    let shared =
        SharedInverters { owners: [Arc::from("M")].into(), inverters: vec![serial(1), serial(2)] };
    assert_eq!(warnings(&plant), [vec![], vec![Warning::Shares(shared)]]);
    plant.succeeded("E", &reading(vec![dark(3)]), at(2));
    assert_eq!(warnings(&plant), [vec![], vec![]]);
}

#[test]
fn one_dtu_replacing_another_causes_no_warning() {
    let mut plant = plant_with_both_protocols();
    apply(&mut plant, "M", Some(100), 0);
    apply(&mut plant, "E", Some(200), 6);
    assert_eq!(owner(&plant), is("E", 200.0));
    assert_eq!(plant.dtu("E").unwrap().shared, None);
}

#[test]
fn a_dtu_with_only_inverters_of_another_is_not_asleep() {
    let mut plant = plant_with_both_protocols();
    for dtu in ["M", "E"] {
        apply(&mut plant, dtu, Some(300), 0);
    }
    assert!(!plant.may_sleep("E", at(1)), "it went in the midst of production");
}

#[test]
fn a_dtu_with_only_inverters_of_another_adds_none() {
    let mut plant = plant_with_both_protocols();
    apply(&mut plant, "M", Some(300), 0);
    apply(&mut plant, "E", Some(300), 0);
    plant.succeeded("E", &reading(vec![live(1, &[1], 300), live(9, &[1], 300)]), at(1));
    assert_eq!(plant.inverters().count(), 1);
}
