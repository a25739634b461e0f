//! When a new port is accepted, and when it is ignored as garbage.

use super::*;
use crate::plant::reading::Unread;

/// The plant's total energy, and how many ports are known.
fn known(plant: &PlantState) -> (u64, usize) {
    let totals = plant.inverters().filter_map(|one| one.sum_of_ports().total);
    let ports = plant.inverters().map(|inverter| inverter.ports.len()).sum();
    (totals.map(WattHours::get).sum(), ports)
}

/// The inverters as a restarted bridge knows them.
fn stored(plant: &PlantState) -> Vec<InverterState> {
    plant.inverters().map(|inverter| InverterState::clone(inverter)).collect()
}

fn apply(plant: &mut PlantState, ports: &[u8], minute: i64) -> Vec<String> {
    let rejected = plant.succeeded("Roof", &reading(vec![live(1, ports, 100)]), at(minute));
    rejected.iter().map(ToString::to_string).collect()
}

#[test]
fn a_port_reported_only_once_is_not_accepted() {
    let mut plant = new_plant();
    assert_eq!(apply(&mut plant, &[1], 0), [""; 0], "what a new inverter brings along is believed");
    assert_eq!(
        apply(&mut plant, &[1, 7], 1),
        ["inverter 114100000001 port 7: rejected: reported for the first time; accepted \
          when the next poll reports it again"]
    );
    apply(&mut plant, &[1], 2);
    apply(&mut plant, &[1, 7], 3);
    apply(&mut plant, &[1, 6], 4);
    assert_eq!(known(&plant), (1000, 1));
    assert!(!plant.ledgers().contains_key(&(serial(1), 7)), "nothing of it is kept");
}

#[test]
fn a_port_reported_by_two_polls_is_accepted() {
    let mut plant = new_plant();
    apply(&mut plant, &[1], 0);
    apply(&mut plant, &[1, 2], 1);
    assert_eq!(apply(&mut plant, &[1, 2], 2), [""; 0]);
    assert_eq!(known(&plant), (2000, 2));
    apply(&mut plant, &[1], 3);
    assert_eq!(apply(&mut plant, &[1, 2], 4), [""; 0], "one that is known may come and go");
}

#[test]
fn the_ports_of_a_confirmed_inverter_are_accepted() {
    let mut plant = new_plant();
    apply(&mut plant, &[1], 0);
    let both = reading(vec![live(1, &[1], 100), live(2, &[1, 2], 100)]);
    plant.succeeded("Roof", &both, at(1));
    assert_eq!(plant.succeeded("Roof", &both, at(2)), []);
    assert_eq!(known(&plant), (3000, 3));
}

#[test]
fn a_stale_poll_neither_confirms_nor_rejects_a_port() {
    let mut plant = new_plant();
    apply(&mut plant, &[1], 0);
    let new = reading(vec![live(1, &[1, 2], 100)]);
    plant.succeeded("Roof", &new, at(1));
    plant.succeeded("Roof", &DtuReading { stale: true, ..new.clone() }, at(2));
    plant.failed("Roof", problem(), &DtuReading::default(), at(3));
    assert_eq!(known(&plant), (1000, 1));
    assert_eq!(plant.succeeded("Roof", &new, at(4)), []);
    assert_eq!(known(&plant), (2000, 2));
}

/// A poll that reached only these inverters of a list of twelve records.
fn part(inverters: Vec<InverterReading>) -> DtuReading {
    let unread = Unread { records: vec![12], cause: "record 12 is not answered".to_owned() };
    DtuReading { unread, ..reading(inverters) }
}

#[test]
fn polls_that_do_not_reach_a_new_device_do_not_speak_against_it() {
    let nothing = DtuReading::default;
    let (second_port, second) = (live(1, &[2], 100), live(2, &[1], 100));
    let mut plant = new_plant();
    plant.succeeded("Roof", &part(vec![live(1, &[1], 100)]), at(0));
    plant.succeeded("Roof", &part(vec![second_port.clone(), second.clone()]), at(1));
    assert_eq!(known(&plant), (1000, 1), "named once");
    plant.failed("Roof", problem(), &nothing(), at(2));
    plant.succeeded("Roof", &part(vec![live(1, &[1], 100)]), at(3));
    plant.failed("Roof", problem(), &reading(vec![live(1, &[1], 100)]), at(4));
    assert_eq!(known(&plant), (1000, 1), "polls without them confirm nothing");
    assert_eq!(plant.succeeded("Roof", &part(vec![second]), at(5)), []);
    assert_eq!(known(&plant), (2000, 2));
    plant.failed("Roof", problem(), &nothing(), at(6));
    assert_eq!(plant.failed("Roof", problem(), &reading(vec![second_port]), at(7)), []);
    assert_eq!(known(&plant), (3000, 3));
}

#[test]
fn a_whole_list_speaks_against_what_it_leaves_out() {
    let garbage = || part(vec![live(1, &[7], 100), live(9, &[1], 100)]);
    let mut plant = new_plant();
    apply(&mut plant, &[1], 0);
    for minute in [1, 5, 9] {
        plant.succeeded("Roof", &garbage(), at(minute));
        plant.failed("Roof", problem(), &DtuReading::default(), at(minute + 1));
        apply(&mut plant, &[1], minute + 2);
    }
    assert_eq!(known(&plant), (1000, 1));
}

#[test]
fn ports_known_before_a_restart_need_no_second_poll() {
    let mut plant = new_plant();
    apply(&mut plant, &[1, 2], 0);
    let dtu = DtuState::unknown("Roof", Protocol::Protobuf, HOLD);
    let ledgers = plant.ledgers().clone();
    let mut stored = stored(&plant);
    stored[0].ports.remove(&2);
    let mut plant = PlantState::new(TimeZone::UTC, vec![dtu], stored, ledgers);
    assert_eq!(apply(&mut plant, &[1, 2], 1), [""; 0]);
    assert_eq!(known(&plant), (2000, 2));
}

#[test]
fn a_day_in_another_time_zone_lasts_until_its_next_midnight() {
    // At 18:00 in London.
    let mut plant = new_plant();
    apply(&mut plant, &[1], 0);
    apply(&mut plant, &[1], 1);
    let day = |plant: &PlantState| {
        let port = &plant.inverters().next().unwrap().ports[&1];
        (port.energy.today.unwrap().get(), port.energy.today_since.unwrap().to_string())
    };
    let before = day(&plant);
    assert_eq!(before, (100, "2023-11-16T00:00:00Z".to_owned()));
    for (name, midnight, next) in [
        ("Europe/Berlin", 5 * 60, "2023-11-16T23:00:00Z"),
        ("America/New_York", 11 * 60, "2023-11-17T05:00:00Z"),
    ] {
        let dtu = DtuState::unknown("Roof", Protocol::Protobuf, HOLD);
        let zone = TimeZone::get(name).unwrap();
        let mut plant = PlantState::new(zone, vec![dtu], stored(&plant), plant.ledgers().clone());
        for minute in [2, midnight - 1] {
            plant.roll_over(at(minute));
            assert_eq!(day(&plant), before, "{name}");
        }
        plant.roll_over(at(midnight));
        assert_eq!(day(&plant), (0, next.to_owned()), "{name}");
    }
}
